"""The command of the fit to published results. Imports ``published_fit``, ``coded_results``, ``run_folder``.

``python -m taper_sim.evidence.published_fit.run_fit --out docs/tables --draws taper_sim/tables/calibrated_draws.csv``
writes the tables of docs/calibration.md and the package's table of joint draws. It keeps every batch of simulations and
every finished check in ``--finished``; the same command resumes after a stop.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.data.problems import InputError, problem
from taper_sim.evidence.coded_results import shipped_evidence
from taper_sim.evidence.published_fit import fit_tables
from taper_sim.evidence.published_fit.causal_share_fits import causal_share_table, ends_rows, fits_at_ends
from taper_sim.evidence.published_fit.fit_checks import (
    SYNTHETIC_TABLES,
    left_out_rows,
    left_out_summary,
    rank_rows,
    rank_table,
)
from taper_sim.evidence.published_fit.fit_waves import FitSize, PublishedFit, fit_hash, fit_published
from taper_sim.evidence.published_fit.simulated_targets import TargetSimulator
from taper_sim.evidence.published_fit.trial_comparison import trial_table
from taper_sim.evidence.published_fit.trial_factor import fit_with_trial, read_trial_summary
from taper_sim.run_folder import completed_rows

_RANK_COLUMNS: Final = ["table", "quantity", "rank", "sd"]
_LEFT_OUT_COLUMNS: Final = ["study_number", "id", "prediction", "value", "mean", "sd", "below", "log_score"]


def check_rows(fit: PublishedFit, size: FitSize, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ranks on synthetic tables, and predictions of studies left out."""
    key = f"{fit.simulator.hash}-{fit_hash()}-{len(fit.fitted)}-{sum(fit.points)}"
    names = [fit_tables.NAMES[k] for k in fit.columns]
    ids = [fit.simulator.targets[t].id for t in fit.fitted]
    similar = fit_tables.similar_targets(fit)

    def of_study(number: int) -> list[tuple[Any, ...]]:
        return [(number, *row) for row in left_out_rows(fit.targets, ids, similar, number, size.seed)]

    left_out = completed_rows(folder / f"left-out-{key}.csv", _LEFT_OUT_COLUMNS, range(fit.targets.n_studies), of_study)
    ranks = completed_rows(
        folder / f"ranks-{key}.csv",
        _RANK_COLUMNS,
        range(SYNTHETIC_TABLES),
        lambda number: rank_rows(fit.targets, names, number, size.seed),
    )
    return ranks, left_out


def main() -> None:
    """Run what is missing and write the tables."""
    default = FitSize()
    parser = argparse.ArgumentParser(description="fit of the parameters' centres to published results")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--draws", type=Path, required=True, help="file of the joint draws")
    parser.add_argument("--finished", type=Path, default=Path("run-fit"), help="folder of finished batches and checks")
    parser.add_argument("--waves", type=int, nargs="+", default=list(default.waves), help="batches of each wave")
    parser.add_argument("--check", type=int, default=default.check, help="batches of the last check")
    parser.add_argument("--people", type=int, default=default.people, help="people of a study at a point")
    parser.add_argument("--people-for-events", type=int, default=default.people_for_events)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--ends", type=int, default=0, help="batches at each end of the causal share; 0 for none")
    parser.add_argument("--trial-summary", type=Path, help="table of trial_summary: a further factor of the posterior")
    parser.add_argument("--trial-draws", type=Path, help="file of the joint draws with the trial")
    args = parser.parse_args()
    try:
        trial = None if args.trial_summary is None else read_trial_summary(args.trial_summary)
        if trial is None and args.trial_draws is not None:
            raise problem("run_fit", "--trial-draws", "without --trial-summary", "both, or neither")
    except InputError as error:
        parser.exit(2, f"{error}\n")
    size = FitSize(tuple(args.waves), args.check, args.people, args.people_for_events, args.seed)
    began = time.time()

    def log(line: str) -> None:
        print(f"{time.time() - began:7.0f} s  {line}", flush=True)

    simulator = TargetSimulator(shipped_evidence(), size.seed, size.people, size.people_for_events)
    fit = fit_published(simulator, size, args.finished, log)
    args.out.mkdir(parents=True, exist_ok=True)

    def write(name: str, table: pd.DataFrame) -> None:
        table.to_csv(args.out / f"{name}.csv", index=False, lineterminator="\n")

    fit_tables.draws_table(fit, size.seed).to_csv(args.draws, index=False, lineterminator="\n")
    write("calibration_parameters", fit_tables.parameter_table(fit, size.seed))
    write("calibration_targets", fit_tables.target_table(fit))
    write("calibration_studies", fit_tables.study_shifts(fit))
    log("fits with the causal share fixed")
    shares = causal_share_table(fit, size.seed)
    if args.ends:
        at_ends = fits_at_ends(fit, size.seed, args.finished, log, args.ends)
        shares = pd.concat([shares, ends_rows(fit, at_ends)], ignore_index=True)
    write("calibration_causal_share", shares)
    if trial is not None:
        with_it = fit_with_trial(fit, trial, size.seed, args.finished, log)
        write("calibration_trial_fit", trial_table(fit, with_it, trial, size.seed, args.finished))
        if args.trial_draws is not None:
            draws = fit_tables.draws_table(with_it, size.seed)
            draws["source"] += f"; and to {trial.n_people} people of a trial ({trial.data})"
            draws.to_csv(args.trial_draws, index=False, lineterminator="\n")
    log("ranks on synthetic tables, studies left out")
    ranks, left_out = check_rows(fit, size, args.finished)
    write("calibration_ranks", rank_table(ranks))
    write("leave_one_out", fit_tables.left_out_table(fit, left_out))
    summary = left_out_summary(left_out).round(3)
    write("leave_one_out_summary", summary)
    run = fit_tables.run_table(fit, size)
    write("calibration_run", run)
    print(run.to_string(index=False))
    print(summary.to_string(index=False))
    print(f"z of the posterior mean: largest {np.abs(fit.draws.z.mean(axis=0)).max():.2f}")


if __name__ == "__main__":
    main()
