"""Run a comparison of protocols into an output folder. Imports ``scenario``, ``comparison``, ``run_folder``."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from taper_sim import tables
from taper_sim.comparison.jobs import Finished, Plan, Runner, run_jobs, trajectory_name
from taper_sim.comparison.measured_outcomes import BEYOND_COLUMNS
from taper_sim.comparison.outcomes import ALL
from taper_sim.comparison.ranking import Ranking, rank_protocols
from taper_sim.comparison.statistics import spread_quantiles
from taper_sim.comparison.tables import make_tables, subgroups
from taper_sim.data import formulary
from taper_sim.data.problems import problem
from taper_sim.data.yaml_input import parse
from taper_sim.experiments.manifest import git_commit, patients_entry, versions_of
from taper_sim.experiments.run_size import rate_of, refuse_large, size_of
from taper_sim.experiments.running import MAX_THREADS, Progress, Report, Running, Workers
from taper_sim.experiments.user_policies import recorded_policies, with_policies
from taper_sim.policies import calls
from taper_sim.run_folder import (
    PLAN_FILE,
    Parts,
    PlanRecord,
    RunFolder,
    Warn,
    check_writable,
    differing,
    open_run,
    plan_of,
    sha256_of,
    warn_on_stderr,
)
from taper_sim.scenario.all_policies import files_named
from taper_sim.scenario.building import Overrides, build_plan, overridden, read_scenario, scenario_hash
from taper_sim.scenario.schema import Scenario
from taper_sim.simulation.cohort import Cohort
from taper_sim.units import DRUG_CLASSES

KIND: Final = "compare"
REPLICATES_FILE: Final = "replicates.parquet"
"""The people under further draws, where they are few: columns as in ``patients.parquet``."""
RANKING_FILE, FLIPS_FILE = "ranking.csv", "ranking_flips.csv"
"""Written where the scenario states whose weights its composite has."""
_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "pandas", "pyarrow", "scipy", "pydantic")


@dataclass(frozen=True)
class ComparisonRun:
    """A finished comparison: its folder, tables, plan, scenario, manifest; a ranking if the scenario has weights."""

    folder: Path
    summary: pd.DataFrame
    differences: pd.DataFrame
    plan: Plan
    scenario: Scenario
    reference: str
    manifest: dict[str, Any]
    ranking: Ranking | None = None


def compare(
    path: Path,
    change: Overrides,
    folder: Path,
    workers: Workers,
    progress: Progress,
    *,
    report: Report | None = None,
    warn: Warn = warn_on_stderr,
    sure: bool = False,
) -> ComparisonRun:
    """Compare the protocols of a scenario.

    Parameters
    ----------
    path : Path
        Scenario file.
    change : Overrides
        Values that replace the scenario's.
    folder : Path
        Output folder. An unfinished run of the same plan is resumed, a finished one is repeated, any other is refused.
    workers : int or str
        Threads, or the address of a Dask scheduler (``comparison.dask_workers``).
    progress : callable
        See :class:`taper_sim.experiments.running.Running`; it counts patient-days.
    report, warn, sure
        See :class:`taper_sim.experiments.running.Running`.
    """
    scenario = overridden(read_scenario(path), change)
    return compare_scenario(scenario, path, folder, Running(workers, progress, report, warn, sure))


def plan_hash(scenario: Scenario, base: Path) -> str:
    """Hash of everything that a comparison's numbers depend on."""
    return with_policies(scenario_hash(scenario, base), recorded_policies(entry.call for entry in scenario.protocols))


def compare_scenario(
    scenario: Scenario,
    path: Path,
    folder: Path,
    running: Running,
    check_people: Callable[[Cohort], object] | None = None,
) -> ComparisonRun:
    """Compare the protocols of a scenario in memory; see :func:`compare`.

    Parameters
    ----------
    scenario : Scenario
    path : Path
        File that problems name. The scenario names files relative to the folder of ``path``.
    folder : Path
    running : Running
    check_people : callable, optional
        Gets the cohort before anything is written, and raises InputError if the run is not to begin.
    """
    began = time.time()
    base = path.parent
    check_writable(folder)
    _refuse_large(scenario, scenario.cohort.patients or 0, path, running)  # before people are sampled
    plan, reference = build_plan(scenario, str(path), base)
    _refuse_large(scenario, len(plan.cohort), path, running)
    if check_people is not None:
        check_people(plan.cohort)
    policies = recorded_policies(entry.call for entry in scenario.protocols)
    identity = scenario_hash(scenario, base)
    content = scenario.model_dump(mode="json")
    where = (path.name, str(base.resolve()))
    record = PlanRecord(KIND, with_policies(identity, policies), *where, content, policies=policies)
    groups = subgroups(plan.cohort, scenario.subgroups)
    # a scheduler that does not answer is reported before anything is written
    with _runner(running.threads) as run, open_run(folder, record, running.warn) as kept:
        run(plan, kept.parts, running.progress(plan.n_rows * plan.n_days * len(plan.arms)))
        simulated = time.time()
        finished = Finished(plan, kept.parts)
        names = [arm.name for arm in plan.arms]
        summary, differences = make_tables(
            names, reference, finished, plan.draw, groups, scenario.outcomes, calibrated=plan.ensemble.calibrated
        )
        ranking = _ranking(plan, finished, scenario.weights_of)
        trajectories = _trajectories(plan, kept.parts)
        kept.write_csv("summary.csv", summary)
        kept.write_csv("differences.csv", differences)
        if ranking is not None:
            kept.write_csv(RANKING_FILE, ranking.table)
            kept.write_csv(FLIPS_FILE, ranking.flips)
        _write_people(plan, finished, kept)
        kept.write_csv("trajectories.csv", trajectories)
        about = _about(scenario, path, identity, plan, reference)
        about["timings_s"] = {"simulation": round(simulated - began, 3), "tables": round(time.time() - simulated, 3)}
        manifest = kept.finish(about, running.report)
    return ComparisonRun(folder, summary, differences, plan, scenario, reference, manifest, ranking)


def rerun(record: PlanRecord, folder: Path, running: Running) -> ComparisonRun:
    """Run a recorded plan, or resume it."""
    return compare_scenario(parse(str(folder / PLAN_FILE), record.scenario, Scenario), record.path, folder, running)


def resume(folder: Path, workers: Workers, progress: Progress) -> ComparisonRun:
    """Resume an interrupted run from its own plan file."""
    return rerun(plan_of(folder), folder, Running(workers, progress))


def verify(folder: Path, workers: Workers, progress: Progress) -> list[str]:
    """Recompute a finished run in a temporary folder and compare it with the manifest.

    Returns
    -------
    list of str
        One line for each file that was changed since the run or that the recomputation does not reproduce.
    """
    record = plan_of(folder)
    return differing(folder, lambda beside: rerun(record, beside, Running(workers, progress, sure=True)).manifest)


def _refuse_large(scenario: Scenario, n_patients: int, path: Path, running: Running) -> None:
    rate = rate_of(entry.call for entry in scenario.protocols)
    refuse_large(str(path), size_of(rate, n_patients, scenario.days, len(scenario.protocols)), sure=running.sure)


def _runner(workers: Workers) -> AbstractContextManager[Runner]:
    """Runner of the jobs: threads of this process, or the workers of a scheduler."""
    if isinstance(workers, str):
        from taper_sim.comparison.dask_workers import connected

        return connected(workers)
    if not 1 <= workers <= MAX_THREADS:
        raise problem("--workers", "", workers, f"1 to {MAX_THREADS} threads")
    return nullcontext(partial(run_jobs, workers=workers))


def _ranking(plan: Plan, finished: Finished, whose: str) -> Ranking | None:
    """Ranking of the protocols that a clinic could follow; None without stated weights or another protocol."""
    usable = [arm.name for arm in plan.arms if not arm.build().sees_state]
    if not whose or len(usable) < 2:
        return None
    return rank_protocols(usable, finished, plan.draw, len(plan.cohort), plan.weights, whose)


def _write_people(plan: Plan, finished: Finished, kept: RunFolder) -> None:
    """Write a row for each protocol and patient and, if there are replicates, a row for each of them."""
    n = len(plan.cohort)
    kept.write("patients.parquet", partial(_write_rows, plan, finished, slice(0, n)), private=True)
    if plan.replicates > 1:
        kept.write(REPLICATES_FILE, partial(_write_rows, plan, finished, slice(n, plan.n_rows)), private=True)


def _write_rows(plan: Plan, finished: Finished, part: slice, handle: Any) -> None:
    """Write rows of the plan, protocol by protocol."""
    cohort = plan.cohort
    people = np.arange(plan.n_rows)[part] % len(cohort)
    baseline = {
        "patient_id": pa.array(np.array(cohort.ids, dtype=object)[people], pa.string()),
        "draw": pa.array(plan.draw[part]),
        **{f"dose_{name}": pa.array(cohort.dose[people, k]) for k, name in enumerate(DRUG_CLASSES)},
    }
    writer = None
    for arm in plan.arms:
        values = finished[arm.name]
        columns = {
            **baseline,
            "protocol": pa.array([arm.name] * len(people)).dictionary_encode(),
            **{outcome.name: pa.array(values[outcome.name][part]) for outcome in ALL},
            **{name: pa.array(values[name][part]) for name in BEYOND_COLUMNS},
            "rounding_error": pa.array(values["rounding_error"][part]),
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(handle, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _trajectories(plan: Plan, parts: Parts) -> pd.DataFrame:
    """Weekly mean and bands of the tracked quantities by protocol, over the patients of the first chunk."""
    rows = []
    for number, arm in enumerate(plan.arms):
        part = trajectory_name(number)
        kept = parts.needed(part, parts.arrays(part))
        for column, name in enumerate(kept["names"]):
            values = kept["values"][:, column, :].astype(np.float64)
            bands = spread_quantiles(values, (0.1, 0.25, 0.5, 0.75, 0.9))
            mean = np.nanmean(values, axis=1)
            for k, day in enumerate(kept["day"]):
                rows.append((arm.name, str(name), int(day), mean[k], *bands[:, k], values.shape[1]))
    columns = ["protocol", "quantity", "day", "mean", "q10", "q25", "q50", "q75", "q90", "n"]
    return pd.DataFrame(rows, columns=columns)


def _evidence_warnings(plan: Plan) -> list[str]:
    """Warnings on weak evidence, for the head of every output of this run."""
    taken = plan.cohort.taken
    policies = [arm.build().name for arm in plan.arms]
    warnings = []
    if (taken[:, 0] & taken[:, 1]).any() and any("benzodiazepine" in name for name in policies):
        warnings.append(
            "Weakest evidence of all: opioid and benzodiazepine tapered in the same people rest on three studies "
            "(Wang 2023); nothing here was fitted to them."
        )
    return warnings


def _about(scenario: Scenario, path: Path, identity: str, plan: Plan, reference: str) -> dict[str, Any]:
    """Manifest: plan, patients, inputs, versions. Patient ids appear as a hash only."""
    cohort = plan.cohort
    rule_files = [Path(name) for entry in scenario.protocols for name in files_named(calls.parse(entry.call))]
    named = [scenario.cohort.file, scenario.cohort.drugs_file, *rule_files]
    inputs = {name: sha256_of(path.parent / name) for name in named if name is not None}
    used = formulary.provenance(list(cohort.drugs))
    return {
        "scenario": scenario.model_dump(mode="json"),
        "scenario_file": path.name,
        "scenario_hash": identity,
        "seed": scenario.seed,
        "days": scenario.days,
        "reference": reference,
        "protocols": [arm.name for arm in plan.arms],
        "patients": patients_entry(cohort),
        "ensemble": {"id": plan.ensemble.id, "n_draws": plan.ensemble.n_draws, "calibrated": plan.ensemble.calibrated},
        "replicates": plan.replicates,
        "parameters": {
            symbol: np.round(values.mean(axis=0), 10).tolist() for symbol, values in plan.ensemble.values.items()
        },
        "tables": used,
        "clinical_review": tables.UNREVIEWED,
        "evidence_warnings": _evidence_warnings(plan),
        "versions": versions_of(*_LIBRARIES),
        "git_commit": git_commit(),
        "inputs_sha256": {str(name): digest for name, digest in inputs.items()},
    }
