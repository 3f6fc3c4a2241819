"""Repeat a table of published results as simulated studies, into a run folder. Imports ``evidence``, ``run_folder``."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from taper_sim import tables
from taper_sim.data.problems import problem
from taper_sim.evidence.coded_results import (
    SHIPPED_RESULTS,
    EvidenceTable,
    cells_of,
    evidence_of,
    read_evidence,
    shipped_evidence,
)
from taper_sim.evidence.coded_words import REQUIRED
from taper_sim.evidence.study_runs import EVENT_FACTOR, PEOPLE_A_DRAW, StudyPlan, run_studies, validation_table
from taper_sim.experiments.manifest import git_commit, versions_of
from taper_sim.experiments.run_size import PATIENT_DAYS_A_SECOND, RunSize, refuse_large, size_of
from taper_sim.experiments.running import MAX_THREADS, Running
from taper_sim.experiments.user_policies import recorded_policies, with_policies
from taper_sim.run_folder import PLAN_FILE, PlanRecord, check_writable, open_run
from taper_sim.simulation.ensemble import ENSEMBLE_DRAWS, Ensemble, drawn_from
from taper_sim.units import DEFAULT_SEED, DRAW_ORIGINS, DRAWS_FROM, DrawsFrom

KIND: Final = "validate"
DEFAULT_PEOPLE: Final = PEOPLE_A_DRAW * ENSEMBLE_DRAWS
MOST_PEOPLE: Final = 1_000_000
MOST_DRAWS: Final = 1000
_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "pandas", "scipy")
_ARRAY_BYTES: Final = 600
"""Bytes a person of the arrays that one statistic needs: twelve intervals, two arrays, two arms, and the copies."""


@dataclass(frozen=True)
class ValidationOptions:
    """Size of a validation.

    Attributes
    ----------
    people : int
        People of a study over all draws; results on events take ``EVENT_FACTOR`` times as many.
    draws : int
        Draws of the parameters.
    seed : int
    draws_from : str
        Origin of the draws, of ``units.DRAW_ORIGINS``.
    """

    people: int = DEFAULT_PEOPLE
    draws: int = ENSEMBLE_DRAWS
    seed: int = DEFAULT_SEED
    draws_from: DrawsFrom = DRAWS_FROM

    def check(self) -> None:
        """Raise InputError for a number out of range."""
        for name, value, low, high in (
            ("--patients", self.people, 1, MOST_PEOPLE),
            ("--draws", self.draws, 1, MOST_DRAWS),
            ("--seed", self.seed, 0, 2**63 - 1),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise problem(name, "", value, f"a whole number from {low} to {high}")
        if self.draws_from not in DRAW_ORIGINS:
            raise problem("--draws-from", "", self.draws_from, " or ".join(DRAW_ORIGINS))


@dataclass(frozen=True)
class ValidationRun:
    """A finished validation: its folder, table and manifest."""

    folder: Path
    table: pd.DataFrame
    manifest: dict[str, Any]


def default_ensemble(options: ValidationOptions) -> Ensemble:
    """Draws of the parameters for a validation: of the prior, or fitted to published results."""
    return drawn_from(options.draws_from, options.seed, min(options.draws, options.people))


def read_results(path: Path | None) -> tuple[EvidenceTable, Path]:
    """A table of published results with the path that problems name; None reads the package's own."""
    if path is not None:
        return read_evidence(path), path
    return shipped_evidence(), Path(f"{SHIPPED_RESULTS}.csv")


def plan_hash(table: EvidenceTable, ensemble: Ensemble, options: ValidationOptions) -> str:
    """Hash of everything that the numbers depend on."""
    content = [table.hash, ensemble.id, options.people, options.seed]
    calls = [arm.call for row in table.rows if row.result for arm in (row.result.arm, row.result.reference) if arm]
    return with_policies(hashlib.sha256(json.dumps(content).encode()).hexdigest(), recorded_policies(calls))


def hash_of_file(path: Path) -> str:
    """Hash of the plan of a table with the default options."""
    options = ValidationOptions()
    return plan_hash(read_evidence(path), default_ensemble(options), options)


def validate(
    table: EvidenceTable,
    path: Path,
    options: ValidationOptions,
    folder: Path,
    running: Running,
    ensemble: Ensemble | None = None,
) -> ValidationRun:
    """Simulate every published result of a table and compare.

    Parameters
    ----------
    table : EvidenceTable
        As :func:`read_results` gives it.
    path : Path
        Path of the table, for the plan's record.
    options : ValidationOptions
    folder : Path
        Output folder; an unfinished run of the same plan is resumed, any other is refused.
    running : Running
        Its progress counts patient-days.
    ensemble : Ensemble, optional
        Draws of the parameters; default :func:`default_ensemble`. ``verify`` cannot recompute a run with other draws.
    """
    options.check()
    return _run(table, path, options, ensemble, folder, running)


def rerun(record: PlanRecord, folder: Path, running: Running) -> ValidationRun:
    """Run a recorded plan of a validation, or resume it."""
    options = ValidationOptions(**record.options)
    options.check()
    return _run(_recorded_table(record, folder), record.path, options, None, folder, running)


def check_record(record: PlanRecord, folder: Path) -> None:
    """Refuse a recorded plan whose rows or options are not those of a table."""
    wrong = set(record.options) != set(ValidationOptions.__dataclass_fields__)
    if wrong:
        allowed = ", ".join(ValidationOptions.__dataclass_fields__)
        raise problem(str(folder / PLAN_FILE), "options", ", ".join(record.options) or "nothing", allowed)
    _recorded_table(record, folder)


def _recorded_table(record: PlanRecord, folder: Path) -> EvidenceTable:
    """The table in a recorded plan."""
    rows = record.scenario.get("rows")
    texts = isinstance(rows, list) and all(
        isinstance(row, dict) and set(REQUIRED) <= set(row) and all(isinstance(cell, str) for cell in row.values())
        for row in rows
    )
    if not texts or not rows:
        raise problem(str(folder / PLAN_FILE), "scenario.rows", "no rows", "rows of texts, as a table of results has")
    return evidence_of(pd.DataFrame(rows), record.file)


def _size(plan: StudyPlan) -> RunSize:
    size = size_of("cohort", plan.most_people, 1, 1)
    seconds = plan.patient_days / PATIENT_DAYS_A_SECOND["cohort"]
    return RunSize(plan.patient_days, plan.most_people, seconds, size.memory + _ARRAY_BYTES * plan.most_people)


def _run(
    table: EvidenceTable,
    path: Path,
    options: ValidationOptions,
    ensemble: Ensemble | None,
    folder: Path,
    running: Running,
) -> ValidationRun:
    began = time.time()
    threads = running.threads
    if isinstance(threads, str) or not 1 <= threads <= MAX_THREADS:
        raise problem("--workers", "", threads, f"1 to {MAX_THREADS} threads")
    check_writable(folder)
    draws = default_ensemble(options) if ensemble is None else ensemble
    plan = StudyPlan(table, draws, options.seed, max(1, -(-options.people // draws.n_draws)))
    refuse_large(str(path), _size(plan), sure=running.sure)
    rows = cells_of(table)
    calls = [simulation.call for simulation in plan.simulations]
    record = PlanRecord(
        KIND,
        plan_hash(table, draws, options),
        path.name,
        str(path.parent.resolve()),
        {"rows": rows},
        asdict(options),
        recorded_policies(calls),
    )
    with open_run(folder, record, running.warn) as kept:
        run_studies(plan, kept.parts, running.progress(plan.patient_days), threads)
        simulated = time.time()
        answer = validation_table(plan, kept.parts)
        kept.write_csv("validation.csv", answer)
        about = _about(plan, path, options)
        about["timings_s"] = {"simulation": round(simulated - began, 3), "tables": round(time.time() - simulated, 3)}
        manifest = kept.finish(about, running.report)
    return ValidationRun(folder, answer, manifest)


def _about(plan: StudyPlan, path: Path, options: ValidationOptions) -> dict[str, Any]:
    """Manifest: table, draws, seed, versions."""
    ensemble = plan.ensemble
    return {
        "table": path.name,
        "table_rows": len(plan.table.rows),
        "table_hash": plan.table.hash,
        "seed": options.seed,
        "people": options.people,
        "event_factor": EVENT_FACTOR,
        "simulations": len(plan.simulations),
        "patient_days": plan.patient_days,
        "ensemble": {"id": ensemble.id, "n_draws": ensemble.n_draws, "calibrated": ensemble.calibrated},
        "clinical_review": tables.UNREVIEWED,
        "versions": versions_of(*_LIBRARIES),
        "git_commit": git_commit(),
    }
