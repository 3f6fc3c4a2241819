"""What a trial's factor changes: a table of the fits without and with it. Imports ``trial_factor``, ``fit_tables``.

``run_fit --trial-summary FILE`` compares two fits. ``python -m taper_sim.evidence.published_fit.trial_comparison
--trial-summary FILE --out docs/tables/calibration_trial.csv`` compares the shipped joint draws with the same draws
given the trial, without a new fit (``trial_factor.conditioned``).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import chi2

from taper_sim.array_types import Floats
from taper_sim.data.problems import InputError
from taper_sim.evidence.coded_results import shipped_evidence
from taper_sim.evidence.predictive_interval import DrawEstimates, predicted
from taper_sim.evidence.published_fit import fit_tables, fit_waves, trial_factor
from taper_sim.evidence.published_fit.fit_checks import left_out_rows, left_out_summary
from taper_sim.evidence.published_fit.fit_waves import PublishedFit
from taper_sim.evidence.published_fit.shipped_draws import logged, shipped_arguments, shipped_normals
from taper_sim.evidence.published_fit.simulated_targets import SLOTS, Simulated, TargetSimulator
from taper_sim.evidence.published_fit.trial_factor import (
    INFORMED_BY_TRIAL,
    TRANSPORT_SD,
    TrialSummary,
    conditioned,
    log_factor,
    on_buprenorphine,
    read_trial_summary,
    with_transport,
)
from taper_sim.inference.posterior import pareto_smoothed
from taper_sim.provenance import hash_of
from taper_sim.run_folder import completed_rows, write_csv
from taper_sim.studies.trial_tapers.trial_summary import SHARED_CENTRES

_LEFT_OUT_COLUMNS: Final = ["study_number", "id", "prediction", "value", "mean", "sd", "below", "log_score"]
_MOVED: Final = 0.2
"""Change of a posterior mean, prior sds, from which a parameter is listed."""
NARROW: Final = 2.0
"""Width of a predictive interval over the published one up to which it counts as narrow, as ``taper-sim validate``."""


def gaps(z: Floats, trial: TrialSummary) -> dict[str, float]:
    """Distance of the trial's mean from the centres of draws, in sds of both and of the transport discrepancy.

    By symbol; ``all five`` is the p of the distance of all five together, by the chi-squared distribution.
    """
    fitted = on_buprenorphine(z)
    covariance = with_transport(trial) + np.cov(fitted.T)
    rest = trial.mean - fitted.mean(axis=0)
    one_by_one = rest / np.sqrt(np.diag(covariance))
    together = float(chi2.sf(rest @ np.linalg.solve(covariance, rest), len(SHARED_CENTRES)))
    return {**dict(zip(SHARED_CENTRES, one_by_one.tolist(), strict=True)), "all five": together}


def _gap_rows(z: Floats, trial: TrialSummary) -> dict[str, float]:
    gap = gaps(z, trial)
    rows = {f"gap of the trial, sd: {symbol}": gap[symbol] for symbol in SHARED_CENTRES}
    return rows | {"gap of the trial, all five: p": gap["all five"]}


def _left_out(fit: PublishedFit, seed: int, folder: Path, label: str) -> "pd.Series[float]":
    """Coverage and log score of the published studies, each predicted from all the rest."""
    code = hash_of(fit_waves, trial_factor, numbers=list(TRANSPORT_SD.values()))
    path = folder / f"left-out-{label}-{fit.simulator.hash}-{code}-{sum(fit.points)}.csv"
    ids = [fit.simulator.targets[t].id for t in fit.fitted]
    n_published = len(np.unique(fit.targets.study[: len(ids)]))
    if n_published < 2:  # nothing is left to predict a study from
        return pd.Series({"cover80": np.nan, "cover95": np.nan, "log_score": np.nan})
    rows = completed_rows(
        path,
        _LEFT_OUT_COLUMNS,
        range(n_published),
        lambda number: [(number, *row) for row in left_out_rows(fit.targets, ids, {}, number, seed)],
    )
    summary = left_out_summary(rows)
    return summary[(summary["targets"] == "all") & (summary["prediction"] == "fit")].iloc[0]


def _summary(fit: PublishedFit, trial: TrialSummary, seed: int, folder: Path, label: str) -> dict[str, Any]:
    targets = fit_tables.target_table(fit)
    inside = targets["posterior_inside"] == "yes"
    narrow = inside & (targets["posterior_width"] <= NARROW)
    left_out = _left_out(fit, seed, folder, label)
    return {
        "tau, median": np.median(fit.draws.tau),
        "Pareto k-hat of the check": fit.by_simulator.khat,
        "effective draws of the check": fit.by_simulator.ess,
        "targets inside": int(inside.sum()),
        "of these narrow": int(narrow.sum()),
        "left out: coverage of 80 %": left_out["cover80"],
        "left out: coverage of 95 %": left_out["cover95"],
        "left out: log score": left_out["log_score"],
        **_gap_rows(fit_tables.joint_draws(fit, seed), trial),
    }


def trial_table(
    without: PublishedFit, with_it: PublishedFit, trial: TrialSummary, seed: int, folder: Path
) -> pd.DataFrame:
    """A row for each measure of the fits and for each parameter whose mean moves, without and with the trial."""
    one, other = (
        _summary(fit, trial, seed, folder, label) for fit, label in ((without, "published"), (with_it, "trial"))
    )
    before, after = (fit_tables.joint_draws(fit, seed) for fit in (without, with_it))
    return _side_by_side(one, other, before, after)


def _side_by_side(one: dict[str, Any], other: dict[str, Any], before: Floats, after: Floats) -> pd.DataFrame:
    """Measures, and mean and sd of each column that moves or that the trial informs, without and with the trial."""
    rows = [{"what": name, "without": one[name], "with": other[name]} for name in one]
    moved = after.mean(axis=0) - before.mean(axis=0)
    for k in np.argsort(-np.abs(moved), kind="stable"):
        if abs(moved[k]) >= _MOVED or fit_tables.NAMES[k] in INFORMED_BY_TRIAL:
            for measure, name in ((np.mean, "mean z"), (np.std, "sd z")):
                ends = {"without": measure(before[:, k]), "with": measure(after[:, k])}
                rows.append({"what": f"{fit_tables.NAMES[k]}: {name}", **ends})
    return pd.DataFrame(rows).round(3)


# -- without a new fit -------------------------------------------------------------------------------------------------


def _inside(simulator: TargetSimulator, simulated: Simulated) -> dict[str, int]:
    """Published numbers inside their predictive interval at points, and in one at most twice as wide."""
    inside = narrow = 0
    for t, result in enumerate(simulator.results):
        estimates = DrawEstimates(simulated.values[:, t], simulated.variances[:, t], result.statistic.scale)
        prediction = predicted(estimates, result.se)
        if prediction is not None and prediction.holds(result.compared):
            inside += 1
            narrow += prediction.width <= NARROW
    return {"targets inside": inside, "of these narrow": int(narrow)}


def shipped_table(
    simulator: TargetSimulator, trial: TrialSummary, seed: int, batches: int, folder: Path, log: Callable[[str], None]
) -> pd.DataFrame:
    """The shipped draws without the trial and moved by it, with the simulator at the first draws of both.

    ``Pareto k-hat`` and ``effective draws`` are those of the shipped draws weighted by the trial's factor: how far the
    two posteriors are apart.
    """
    before = shipped_normals()
    after = conditioned(before, trial, seed)
    log_weights, khat = pareto_smoothed(log_factor(before, trial))
    weights = np.exp(log_weights)
    measures = []
    for label, z in (("without", before), ("with", after)):
        log(f"simulating at draws {label} the trial")
        simulated = simulator.simulate(z[: batches * SLOTS], folder / "batches", log)
        measures.append({**_inside(simulator, simulated), **_gap_rows(z, trial)})
    of_weights = {"Pareto k-hat": (np.nan, khat), "effective draws": (len(before), 1.0 / float((weights**2).sum()))}
    one, other = ({name: pair[k] for name, pair in of_weights.items()} | measures[k] for k in (0, 1))
    return _side_by_side(one, other, before, after)


def main() -> None:
    """Compare the shipped draws with what they are given the trial."""
    parser = shipped_arguments("the shipped joint draws, without a trial and given it")
    parser.add_argument("--trial-summary", type=Path, required=True, help="table of trial_summary")
    args = parser.parse_args()
    try:
        trial = read_trial_summary(args.trial_summary)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    simulator = TargetSimulator(shipped_evidence(), args.seed, args.people, args.people_for_events)
    table = shipped_table(simulator, trial, args.seed, args.batches, args.finished, logged)
    write_csv(table, args.out)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
