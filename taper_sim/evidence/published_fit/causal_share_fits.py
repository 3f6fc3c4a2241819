"""The fit with the causal share of claims ratios fixed. Imports ``joint_posterior``, ``fit_waves``, ``simulation``.

A ratio in claims data is partly cause and partly selection of the people who are tapered. ``causal_share`` says how
much. The fit has it free; here it is fixed at low, middle and high values of its prior, on the same surfaces. The ends
0 and 1 are not among the points of the surfaces, so they are not used.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from taper_sim.array_types import Floats
from taper_sim.evidence.published_fit.fit_waves import PublishedFit
from taper_sim.evidence.published_fit.joint_posterior import FitDraws, TargetsToFit, sample_posterior
from taper_sim.evidence.published_fit.simulated_targets import ensemble_at
from taper_sim.simulation.ensemble import COLUMN_NAMES, UNCERTAIN

_CAUSAL_SHARE: Final = "causal_share"
PERCENTILES: Final = (5, 50, 95)
"""Percentiles of the prior at which the share is fixed."""
SHOWN: Final = ("overdose_v", "crisis_v", "lapse_v", "v_half", "overdose_dose")
"""Parameters whose posterior means are shown: those that the share multiplies, or that describe recent cuts."""
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
        share = float(ensemble_at(point).values[_CAUSAL_SHARE][0])
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
