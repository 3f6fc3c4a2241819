"""The fit with the causal share of claims ratios fixed. Imports ``joint_posterior``, ``fit_waves``, ``simulation``.

A ratio in claims data is partly cause and partly selection of the people who are tapered. ``causal_share`` says how
much. The fit has it free; :func:`causal_share_table` fixes it at low, middle and high values of its prior, on the same
surfaces. The ends 0 and 1 lie outside the points of these surfaces. :func:`fits_at_ends` simulates the targets there,
and fits surfaces again in which the share itself is a coordinate.

``python -m taper_sim.evidence.published_fit.causal_share_fits --out docs/tables/calibration_causal_turns.csv`` needs no
fit: it simulates the targets at the shipped joint draws with the share at 0, 0.5 and 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from taper_sim.array_types import Floats
from taper_sim.evidence.coded_results import shipped_evidence
from taper_sim.evidence.predictive_interval import from_scale
from taper_sim.evidence.published_fit.fit_waves import PublishedFit
from taper_sim.evidence.published_fit.joint_posterior import FitDraws, TargetsToFit, sample_posterior
from taper_sim.evidence.published_fit.shipped_draws import logged, shipped_arguments, shipped_normals
from taper_sim.evidence.published_fit.simulated_targets import SLOTS, Simulated, TargetSimulator, ensemble_at
from taper_sim.evidence.published_fit.target_emulator import fit_surface
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.run_folder import write_csv
from taper_sim.simulation.ensemble import COLUMN_NAMES, UNCERTAIN

_CAUSAL_SHARE: Final = "causal_share"
PERCENTILES: Final = (5, 50, 95)
"""Percentiles of the prior at which the share is fixed."""
SHOWN: Final = ("overdose_v", "crisis_v", "lapse_v", "v_half", "overdose_dose")
"""Parameters whose posterior means are shown: those that the share multiplies, or that describe recent cuts."""
ENDS: Final = (0.0, 0.5, 1.0)
"""Shares at which results are shown. Source: docs/parameters.md, ``causal_share``."""
_FAR: Final = 8.0  # prior sds: a whitened share of 8 is 1, less 1e-5
_NEAR_0: Final = 1e-9  # prior sds: the median, which is the mean of a symmetric prior
_PLACE: Final = [COLUMN_NAMES[k] for k in UNCERTAIN].index(_CAUSAL_SHARE)
_DRAWS: Final = 500
_TUNE: Final = 400


def with_column_at(targets: TargetsToFit, column: int, z: float) -> TargetsToFit:
    """The targets' surfaces with one column fixed at a whitened value; the column no longer moves them."""
    linear, quadratic = targets.linear.copy(), targets.quadratic.copy()
    constant = targets.constant + linear[:, column] * z + quadratic[:, column, column] * z**2
    linear += 2.0 * z * quadratic[:, column, :]
    linear[:, column] = 0.0
    quadratic[:, column, :] = quadratic[:, :, column] = 0.0
    return replace(targets, constant=constant, linear=linear, quadratic=quadratic)


def causal_share_table(fit: PublishedFit, seed: int) -> pd.DataFrame:
    """A row for each fixed value and for the free share: discrepancy, targets in their intervals, posterior means."""
    names = [COLUMN_NAMES[UNCERTAIN[k]] for k in fit.columns]
    rows = [_row("free", float("nan"), fit.targets, fit.draws, names)]
    if _CAUSAL_SHARE not in names:  # no target sees it
        return pd.DataFrame(rows).round(3)
    column = names.index(_CAUSAL_SHARE)
    for percentile in PERCENTILES:
        z = float(ndtri(percentile / 100.0))
        point = np.zeros((1, len(UNCERTAIN)))
        point[0, fit.columns[column]] = z
        share = float(_shares(point)[0])
        fixed = with_column_at(fit.targets, column, z)
        draws = sample_posterior(fixed, _DRAWS, _TUNE, seed=seed + percentile)
        rows.append(_row(f"{percentile} % of the prior", share, fixed, draws, names))
    return pd.DataFrame(rows).round(3)


def _row(name: str, share: float, targets: TargetsToFit, draws: FitDraws, names: list[str]) -> dict[str, Any]:
    """Summary of one fit; a target is inside if its published number is in the 95 % interval without discrepancy."""
    below = _probability_below(targets, draws)
    row: dict[str, Any] = {"causal_share": name, "value": share, "tau": float(np.median(draws.tau))}
    row["inside"] = int((np.abs(below - 0.5) < 0.475).sum())
    row["targets"] = len(below)
    return row | {f"z_{symbol}": float(draws.z[:, names.index(symbol)].mean()) for symbol in SHOWN if symbol in names}


def _probability_below(targets: TargetsToFit, draws: FitDraws) -> Floats:
    """Posterior predictive probability, by target, of a number below the published one; no discrepancy."""
    sd = np.sqrt(targets.variance)
    return np.asarray(ndtr((targets.value - targets.at(draws.z)) / sd).mean(axis=0))


def _shares(z: Floats) -> Floats:
    """The causal share at points, (n_points,)."""
    return np.asarray(ensemble_at(z).values[_CAUSAL_SHARE])


def _unit_share(share: Floats | float) -> Floats:
    """The share in prior sds from the prior's centre: the coordinate of the surfaces of :func:`fits_at_ends`."""
    q = CHANCE_BY_SYMBOL[_CAUSAL_SHARE]
    return np.asarray((np.asarray(share) - q.centre()) / q.prior_sd)


@dataclass(frozen=True)
class ShareFit:
    """The fit with the share fixed: its value, the surfaces there, the posterior of the other columns."""

    share: float
    targets: TargetsToFit
    draws: FitDraws


def fits_at_ends(
    fit: PublishedFit, seed: int, folder: Path, log: Callable[[str], None], batches: int = 2
) -> list[ShareFit]:
    """Fits with the share at 0, 0.5 and 1, on surfaces with points at 0 and 1; none if no target sees the share.

    The further points are those of the fit's check, with the share at either end and the same people and random
    numbers: ``batches`` batches at each.
    """
    if _PLACE not in fit.columns:
        return []
    everything, last = fit.prior.plus(fit.check), [np.zeros(len(fit.prior.z), bool), np.ones(len(fit.check.z), bool)]
    for end in (-_FAR, _FAR):
        z = fit.check.z[: batches * SLOTS].copy()
        z[:, _PLACE] = end
        everything = everything.plus(fit.simulator.simulate(z, folder / "batches", log))
        last.append(np.ones(len(z), bool))
    points = everything.z.copy()
    points[:, _PLACE] = _unit_share(_shares(everything.z))
    near = np.concatenate(last)
    surfaces = []
    for t in fit.fitted:
        values, variances = everything.values[:, t], everything.variances[:, t]
        visible, slope = fit.screened.visible[t], fit.screened.slope[t]
        surfaces.append(fit_surface(points, values, variances, everything.slot, near, visible, slope))
    se = np.array([fit.simulator.targets[t].se for t in fit.fitted])
    studies = [fit.simulator.targets[t].study for t in fit.fitted]
    targets = TargetsToFit.of(fit.targets.value, se, fit.targets.unit, studies, surfaces, fit.columns)
    column = int(np.flatnonzero(fit.columns == _PLACE)[0])
    answer = []
    for number, share in enumerate(ENDS):
        fixed = with_column_at(targets, column, float(_unit_share(share)))
        answer.append(ShareFit(share, fixed, sample_posterior(fixed, _DRAWS, _TUNE, seed=seed + 1000 + number)))
    return answer


def ends_rows(fit: PublishedFit, fits: list[ShareFit]) -> pd.DataFrame:
    """Rows of :func:`causal_share_table` for the fits at the ends."""
    names = [COLUMN_NAMES[UNCERTAIN[k]] for k in fit.columns]
    return pd.DataFrame([_row(f"{f.share:g}, own surfaces", f.share, f.targets, f.draws, names) for f in fits]).round(3)


# -- without a new fit -------------------------------------------------------------------------------------------------


def simulated_at_shares(
    simulator: TargetSimulator, z: Floats, folder: Path, log: Callable[[str], None]
) -> dict[float, Simulated]:
    """Targets at the same draws with the share at each of :data:`ENDS`, with the same people and random numbers."""
    answer = {}
    for share, far in zip(ENDS, (-_FAR, _NEAR_0, _FAR), strict=True):
        points = z.copy()
        points[:, _PLACE] = far
        log(f"simulating with the causal share at {share:g}")
        answer[share] = simulator.simulate(points, folder / "batches", log)
    return answer


def turns_table(simulator: TargetSimulator, by_share: Mapping[float, Simulated]) -> pd.DataFrame:
    """Comparisons of two arms that the share changes: median and chance of a number above no difference, by share.

    A result turns if the chance is above a half at one share and below a half at another: which arm does worse then
    depends on the share.
    """
    rows: list[dict[str, Any]] = []
    for t, (target, result) in enumerate(zip(simulator.targets, simulator.results, strict=True)):
        values = {share: simulated.values[:, t] for share, simulated in by_share.items()}
        if result.reference is None or np.array_equal(values[ENDS[0]], values[ENDS[-1]], equal_nan=True):
            continue
        row: dict[str, Any] = {
            "id": target.id,
            "statistic": f"{result.statistic.name} {result.outcome}".replace("_", " "),
            "published": result.value,
        }
        above = []
        for share, value in values.items():
            middle = from_scale(np.array([np.nanmedian(value)]), result.statistic.scale)[0]
            row[f"at {share:g}"] = float(f"{middle:.3g}")
            above.append(float((value[np.isfinite(value)] > 0.0).mean()))  # 0 on the scale is no difference
            row[f"p above at {share:g}"] = round(above[-1], 2)
        rows.append(row | {"turns": "yes" if min(above) < 0.5 < max(above) else "no"})
    return pd.DataFrame(rows)


def main() -> None:
    """Simulate the targets at the shipped draws with the share at 0, 0.5 and 1."""
    args = shipped_arguments("results at the shipped joint draws, with the causal share at 0, 0.5 and 1").parse_args()
    simulator = TargetSimulator(shipped_evidence(), args.seed, args.people, args.people_for_events)
    z = shipped_normals()[: args.batches * SLOTS]
    table = turns_table(simulator, simulated_at_shares(simulator, z, args.finished, logged))
    write_csv(table, args.out)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
