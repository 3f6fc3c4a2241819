"""Run a comparison into a run folder. Imports ``scenario.building``, ``comparison``, ``runs``."""

import shutil
import time
from collections.abc import Callable, Mapping
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
from taper_sim.comparison.jobs import Finished, Plan, Runner, run_jobs, trajectory_path
from taper_sim.comparison.outcomes import ALL
from taper_sim.comparison.statistics import spread_quantiles
from taper_sim.comparison.tables import make_tables, subgroups
from taper_sim.data import formulary
from taper_sim.data.problems import problem
from taper_sim.data.yaml_input import parse
from taper_sim.experiments.manifest import git_commit, patients_entry, versions_of
from taper_sim.policies import calls
from taper_sim.policies.catalogue import files_named
from taper_sim.run_folder import (
    PLAN_KEYS,
    check_writable,
    claim,
    differing,
    read_record,
    sha256_of,
    write_atomically,
    write_csv,
    write_json,
)
from taper_sim.scenario.building import Overrides, build_plan, overridden, read_scenario, scenario_hash
from taper_sim.scenario.schema import Scenario
from taper_sim.units import DRUG_CLASSES

MAX_THREADS: Final = 1024
Workers = int | str
"""How many threads, or the address of workers elsewhere."""
PLAN_FILE: Final = "plan.json"
_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "pandas", "pyarrow", "scipy", "pydantic")


@dataclass(frozen=True)
class Comparison:
    """A finished comparison: its folder, tables, plan and what the manifest says."""

    folder: Path
    summary: pd.DataFrame
    differences: pd.DataFrame
    plan: Plan
    scenario: Scenario
    reference: str
    manifest: dict[str, Any]


def compare(
    path: Path, change: Overrides, folder: Path, workers: Workers, progress: Callable[[int], Callable[[int], None]]
) -> Comparison:
    """Compare the protocols of a scenario.

    Parameters
    ----------
    path : Path
        The scenario.
    change : Overrides
        What the command line changes.
    folder : Path
        The run folder; an unfinished run of the same plan goes on, a finished one is made again, any other is refused.
    workers : int or str
        Threads, or the address of workers elsewhere (``comparison.elsewhere``).
    progress : callable
        Given the patient-days in all, returns a function called with those done.
    """
    scenario = overridden(read_scenario(path), change)
    return _run(scenario, str(path), path.parent, folder, workers, progress)


def compare_scenario(
    scenario: Scenario,
    file: str,
    base: Path,
    folder: Path,
    workers: Workers,
    progress: Callable[[int], Callable[[int], None]],
) -> Comparison:
    """Compare the protocols of a scenario that is held in memory; see :func:`compare`.

    Parameters
    ----------
    scenario : Scenario
    file : str
        What problems name as its file.
    base : Path
        Against which it names files.
    """
    return _run(scenario, file, base, folder, workers, progress)


def resume(folder: Path, workers: Workers, progress: Callable[[int], Callable[[int], None]]) -> Comparison:
    """Go on with an interrupted run from its own plan file."""
    kept = _plan_of(folder)
    scenario = parse(str(folder / PLAN_FILE), kept["scenario"], Scenario)
    return _run(scenario, kept["file"], Path(kept["folder"]), folder, workers, progress)


def _plan_of(folder: Path) -> dict[str, Any]:
    return read_record(folder / PLAN_FILE, PLAN_KEYS, "the folder of a run")


def verify(folder: Path, workers: Workers, progress: Callable[[int], Callable[[int], None]]) -> list[str]:
    """Recompute a finished run beside it and name the files whose content is not what the manifest says.

    Returns
    -------
    list of str
        One line for each file that was changed since the run, and for each that comes out otherwise now.
    """
    kept = _plan_of(folder)
    scenario = parse(str(folder / PLAN_FILE), kept["scenario"], Scenario)

    def again(beside: Path) -> Mapping[str, Any]:
        return _run(scenario, kept["file"], Path(kept["folder"]), beside, workers, progress).manifest

    return differing(folder, again)


def _run(
    scenario: Scenario,
    file: str,
    base: Path,
    folder: Path,
    workers: Workers,
    progress: Callable[[int], Callable[[int], None]],
) -> Comparison:
    began = time.time()
    check_writable(folder)
    plan, reference = build_plan(scenario, file, base)
    identity = scenario_hash(scenario, base)
    groups = subgroups(plan.cohort, scenario.subgroups)
    with _running(workers) as run:  # workers that do not answer are found before anything is written
        content = scenario.model_dump(mode="json")
        record = {"hash": identity, "file": file, "folder": str(base.resolve()), "scenario": content}
        claim(folder, PLAN_FILE, record, "the folder of a run")
        run(plan, folder, progress(len(plan.cohort) * plan.n_days * len(plan.arms)))
    simulated = time.time()
    finished = Finished(plan, folder)
    names = [arm.name for arm in plan.arms]
    summary, differences = make_tables(
        names, reference, finished, plan.draw, groups, scenario.outcomes, calibrated=plan.ensemble.calibrated
    )
    write_csv(summary, folder / "summary.csv")
    write_csv(differences, folder / "differences.csv")
    _write_patients(plan, finished, folder / "patients.parquet")
    _write_trajectories(plan, folder)
    manifest = _manifest(scenario, file, base, identity, plan, reference, began, simulated, folder)
    write_json(manifest, folder / "manifest.json")
    shutil.rmtree(folder / "parts")
    return Comparison(folder, summary, differences, plan, scenario, reference, manifest)


def _running(workers: Workers) -> AbstractContextManager[Runner]:
    """What runs the jobs: threads of this process, or workers elsewhere."""
    if isinstance(workers, str):
        from taper_sim.comparison.dask_workers import connected

        return connected(workers)
    if not 1 <= workers <= MAX_THREADS:
        raise problem("--workers", "", workers, f"1 to {MAX_THREADS} threads")
    return nullcontext(partial(run_jobs, workers=workers))


def _write_patients(plan: Plan, finished: Finished, path: Path) -> None:
    """A row per patient and protocol, protocols one after the other."""
    cohort = plan.cohort
    known = {
        "patient_id": pa.array(cohort.ids),
        "draw": pa.array(plan.draw),
        **{f"dose_{name}": pa.array(cohort.dose[:, k]) for k, name in enumerate(DRUG_CLASSES)},
    }

    def write(handle: Any) -> None:
        writer = None
        for arm in plan.arms:
            values = finished[arm.name]
            columns = {
                **known,
                "protocol": pa.array([arm.name] * len(cohort)).dictionary_encode(),
                **{outcome.name: pa.array(values[outcome.name]) for outcome in ALL},
                "rounding_error": pa.array(values["rounding_error"]),
            }
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(handle, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()

    write_atomically(path, write)


def _write_trajectories(plan: Plan, folder: Path) -> None:
    """Mean and bands of the tracked rows by protocol, weekly, of the first chunk's people."""
    rows = []
    for arm, which in enumerate(plan.arms):
        with np.load(trajectory_path(folder, arm)) as kept:
            by_day, days = kept["values"], kept["day"]
            for column, name in enumerate(kept["names"]):
                values = by_day[:, column, :].astype(np.float64)
                bands = spread_quantiles(values, (0.1, 0.25, 0.5, 0.75, 0.9))
                mean = np.nanmean(values, axis=1)
                for k, day in enumerate(days):
                    rows.append((which.name, str(name), int(day), mean[k], *bands[:, k], values.shape[1]))
    columns = ["protocol", "quantity", "day", "mean", "q10", "q25", "q50", "q75", "q90", "n"]
    write_csv(pd.DataFrame(rows, columns=columns), folder / "trajectories.csv")


def _evidence_warnings(plan: Plan) -> list[str]:
    """What the first line of every output must say of this run."""
    taken = plan.cohort.taken
    moved = {arm.name: arm.build().name for arm in plan.arms}
    warnings = []
    if (taken[:, 0] & taken[:, 1]).any() and any("benzodiazepine" in name for name in moved.values()):
        warnings.append(
            "Weakest evidence of all: opioid and benzodiazepine tapered in the same people rest on three studies "
            "(Wang 2023); nothing here was fitted to them."
        )
    return warnings


def _manifest(
    scenario: Scenario,
    file: str,
    base: Path,
    identity: str,
    plan: Plan,
    reference: str,
    began: float,
    simulated: float,
    folder: Path,
) -> dict[str, Any]:
    """What was run, with what, from what, into what. Patient ids appear as a hash only."""
    cohort = plan.cohort
    rules = [Path(name) for entry in scenario.protocols for name in files_named(calls.parse(entry.call))]
    named = [scenario.cohort.file, scenario.cohort.drugs_file, *rules]
    inputs = {name: sha256_of(base / name) for name in named if name is not None}
    used = formulary.provenance(list(cohort.drugs))
    return {
        "scenario": scenario.model_dump(mode="json"),
        "scenario_file": Path(file).name,
        "scenario_hash": identity,
        "seed": scenario.seed,
        "days": scenario.days,
        "reference": reference,
        "protocols": [arm.name for arm in plan.arms],
        "patients": patients_entry(cohort),
        "ensemble": {"id": plan.ensemble.id, "n_draws": plan.ensemble.n_draws, "calibrated": plan.ensemble.calibrated},
        "parameters": {
            symbol: np.round(values.mean(axis=0), 10).tolist() for symbol, values in plan.ensemble.values.items()
        },
        "tables": used,
        "clinical_review": tables.UNREVIEWED,
        "evidence_warnings": _evidence_warnings(plan),
        "versions": versions_of(*_LIBRARIES),
        "git_commit": git_commit(),
        "timings_s": {"simulation": round(simulated - began, 3), "tables": round(time.time() - simulated, 3)},
        "inputs_sha256": {str(name): digest for name, digest in inputs.items()},
        "outputs_sha256": {
            name: sha256_of(folder / name)
            for name in ("summary.csv", "differences.csv", "patients.parquet", "trajectories.csv")
        },
    }
