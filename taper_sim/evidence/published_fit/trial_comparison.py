"""What a trial's factor changes: a table of the fits without and with it. Imports ``trial_factor``, ``fit_tables``."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import chi2

from taper_sim.array_types import Floats
from taper_sim.evidence.published_fit import fit_tables, fit_waves, trial_factor
from taper_sim.evidence.published_fit.fit_checks import left_out_rows, left_out_summary
from taper_sim.evidence.published_fit.fit_waves import PublishedFit
from taper_sim.evidence.published_fit.trial_factor import TRANSPORT_SD, TrialSummary, on_buprenorphine
from taper_sim.provenance import hash_of
from taper_sim.run_folder import completed_rows
from taper_sim.simulation.ensemble import UNCERTAIN
from taper_sim.studies.trial_tapers.trial_summary import SHARED

_LEFT_OUT_COLUMNS: Final = ["study_number", "id", "prediction", "value", "mean", "sd", "below", "log_score"]
_MOVED: Final = 0.2
"""Change of a posterior mean, prior sds, from which a parameter is listed."""
NARROW: Final = 2.0
"""Width of a predictive interval over the published one up to which it counts as narrow, as ``taper-sim validate``."""


def gaps(fit: PublishedFit, trial: TrialSummary) -> dict[str, float]:
    """Distance of the trial's mean from the fit's centres, in sds of both and of the transport discrepancy.

    By symbol; ``all five`` is the p of the distance of all five together, by the chi-squared distribution.
    """
    z = np.zeros((len(fit.draws.z), len(UNCERTAIN)))
    z[:, fit.columns] = fit.draws.z
    fitted = on_buprenorphine(z)
    transport = np.diag([TRANSPORT_SD[symbol] ** 2 for symbol in SHARED])
    covariance = trial.covariance + transport + np.cov(fitted.T)
    rest = trial.mean - fitted.mean(axis=0)
    one_by_one = rest / np.sqrt(np.diag(covariance))
    together = float(chi2.sf(rest @ np.linalg.solve(covariance, rest), len(SHARED)))
    return {**dict(zip(SHARED, one_by_one.tolist(), strict=True)), "all five": together}


def _means(fit: PublishedFit) -> Floats:
    """Posterior mean and sd of every uncertain column, (n_uncertain, 2); 0 and 1 where nothing informs it."""
    answer = np.tile([0.0, 1.0], (len(UNCERTAIN), 1))
    answer[fit.columns] = np.column_stack([fit.draws.z.mean(axis=0), fit.draws.z.std(axis=0)])
    return answer


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
    gap = gaps(fit, trial)
    return {
        "tau, median": np.median(fit.draws.tau),
        "Pareto k-hat of the check": fit.by_simulator.khat,
        "effective draws of the check": fit.by_simulator.ess,
        "targets inside": int(inside.sum()),
        "of these narrow": int(narrow.sum()),
        "left out: coverage of 80 %": left_out["cover80"],
        "left out: coverage of 95 %": left_out["cover95"],
        "left out: log score": left_out["log_score"],
        **{f"gap of the trial, sd: {symbol}": gap[symbol] for symbol in SHARED},
        "gap of the trial, all five: p": gap["all five"],
    }


def trial_table(
    without: PublishedFit, with_it: PublishedFit, trial: TrialSummary, seed: int, folder: Path
) -> pd.DataFrame:
    """A row for each measure of the fits and for each parameter whose mean moves, without and with the trial."""
    one, other = (
        _summary(fit, trial, seed, folder, label) for fit, label in ((without, "published"), (with_it, "trial"))
    )
    rows = [{"what": name, "without": one[name], "with": other[name]} for name in one]
    before, after = _means(without), _means(with_it)
    for k in np.argsort(-np.abs(after[:, 0] - before[:, 0]), kind="stable"):
        if abs(after[k, 0] - before[k, 0]) >= _MOVED or fit_tables.NAMES[k] in trial_factor.TRIAL_COLUMNS:
            for j, name in enumerate(("mean z", "sd z")):
                rows.append({"what": f"{fit_tables.NAMES[k]}: {name}", "without": before[k, j], "with": after[k, j]})
    return pd.DataFrame(rows).round(3)
