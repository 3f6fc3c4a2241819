"""Run a clinic into an output folder. Imports ``experiments.clinic_plan``, ``clinic``, ``comparison``, ``run_folder``.

A replication has one panel of patients, one set of random numbers and one draw of the parameters. The run serves each
replication twice: with the clinic's team and with unlimited staff. The second equals the cohort simulation to the bit.
``parts`` holds finished replications: rerun the same command to resume.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taper_sim import tables
from taper_sim.clinic.coupling import PATIENT_COUNTS
from taper_sim.clinic.event_log import duty_table
from taper_sim.clinic.replications import mser5
from taper_sim.clinic.service import KEY, daily_load, metrics
from taper_sim.clinic.staffing.bounds import Load
from taper_sim.clinic.team import ROLES
from taper_sim.comparison.outcomes import ALL
from taper_sim.comparison.task_pool import Finisher, run_here, task_pool
from taper_sim.data import formulary
from taper_sim.experiments.clinic_case import ClinicCase, cases_of
from taper_sim.experiments.clinic_panels import panel_table, stated_panels
from taper_sim.experiments.clinic_plan import ClinicPlan, plan_hash, plan_record, recorded_clinic
from taper_sim.experiments.clinic_tables import UNLIMITED_STAFF, outcome_tables, service_table
from taper_sim.experiments.manifest import git_commit, patients_entry, versions_of
from taper_sim.experiments.running import Progress, Report, Running, Workers
from taper_sim.run_folder import Parts, PlanRecord, RunFolder, Warn, check_writable, open_run, warn_on_stderr
from taper_sim.scenario.building import scenario_hash

_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "pandas", "pyarrow", "simpy", "sim-tools")
KIND: Final = "clinic"
_TABLES: Final = ("numbers", "load", "groups", "events", "absences", "patients")
"""Parts of a replication of a protocol."""
_VECTORS: Final = (*PATIENT_COUNTS, "unread", "unread_closed", "care", "lapse_days", "lapse_days_found")


@dataclass(frozen=True)
class ClinicRun:
    """A finished clinic run: its folder, its tables, and the loads of the protocol with the least room."""

    folder: Path
    summary: pd.DataFrame
    differences: pd.DataFrame
    service: pd.DataFrame
    loads: list[Load]
    manifest: dict[str, Any]
    plan: ClinicPlan
    enrolling: list[Load]


def rerun(record: PlanRecord, folder: Path, running: Running) -> ClinicRun:
    """Run a recorded plan of a clinic, or resume it."""
    return _run(record.path, recorded_clinic(record, folder), folder, running)


def run_clinic(
    path: Path,
    plan: ClinicPlan,
    folder: Path,
    progress: Progress,
    *,
    report: Report | None = None,
    warn: Warn = warn_on_stderr,
    workers: Workers | None = None,
) -> ClinicRun:
    """Run every replication of every protocol and write the output folder.

    Parameters
    ----------
    path : Path
        Scenario file, for the plan's record.
    plan : ClinicPlan
    folder : Path
        Output folder; an unfinished run of the same plan is resumed.
    progress : callable
        See :class:`taper_sim.experiments.running.Running`; it counts patient-days.
    report, warn, workers
        See :class:`taper_sim.experiments.running.Running`.
    """
    return _run(path, plan, folder, Running(workers, progress, report, warn))


def _run(path: Path, plan: ClinicPlan, folder: Path, running: Running) -> ClinicRun:
    began = time.time()
    check_writable(folder)
    with open_run(folder, plan_record(KIND, plan, path, plan_hash(plan)), running.warn) as kept:
        n = len(plan.cohort(0))
        on_progress = running.progress(n * plan.n_days * len(plan.arms) * plan.n_replications)
        with task_pool(1 if running.workers is None else running.workers) as finish:
            _simulate(plan, kept.parts, finish, on_progress)
        simulated = time.time()
        summary, differences = _outcome_tables(plan, kept.parts)
        service = service_table(*_service_numbers(plan, kept.parts))
        kept.write_csv("summary.csv", summary)
        kept.write_csv("differences.csv", differences)
        kept.write_csv("service.csv", service)
        kept.write_csv("duty.csv", duty_table(plan.team.servers(plan.n_days)))
        _write_events(plan, kept)
        if plan.setting.illness is not None:
            ill = [_read(kept.parts, 0, r, "absences").assign(replication=r) for r in range(plan.n_replications)]
            kept.write_csv(
                "absences.csv", pd.concat(ill)
            )  # under every protocol the same staff are ill on the same days
        before, enrolling = plan.rehearsed_loads, plan.rehearsed_loads_of_enrolment
        kept.write_csv("panels.csv", panel_table(before, enrolling, plan.team, n))
        timings = {"simulation": round(simulated - began, 3), "tables": round(time.time() - simulated, 3)}
        manifest = kept.finish(_about(plan, path) | {"timings_s": timings}, running.report)
    heaviest = max(before, key=lambda name: max((load.share for load in before[name]), default=0.0))
    return ClinicRun(folder, summary, differences, service, before[heaviest], manifest, plan, enrolling[heaviest])


def _part(arm: int, replication: int, what: str) -> str:
    return f"arm{arm:02d}-rep{replication:04d}-{what}.parquet"


def _is_finished(plan: ClinicPlan, parts: Parts, arm: int, replication: int) -> bool:
    """Whether every table of a replication of a protocol is complete."""
    return all(
        [parts.is_finished(_part(arm, replication, what)) for what in _TABLES]
    )  # a list, so that every damaged part gets its warning


def _simulate(plan: ClinicPlan, parts: Parts, finish: Finisher, on_progress: Callable[[int], None]) -> None:
    """Run what is not finished yet, and write its parts."""
    n = len(plan.cohort(0))
    ids_of: dict[int, tuple[str, ...]] = {}
    here = finish is run_here

    def tasks() -> Iterator[tuple[tuple[int, int], _ClinicTask]]:
        for replication in range(plan.n_replications):
            waiting = [k for k in range(len(plan.arms)) if not _is_finished(plan, parts, k, replication)]
            on_progress(n * plan.n_days * (len(plan.arms) - len(waiting)))
            if waiting:
                ids_of[replication] = plan.cohort(replication).ids
                cases = cases_of(plan, replication, [plan.arms[k] for k in waiting])
                for k, case in zip(waiting, cases, strict=True):
                    yield (k, replication), _ClinicTask(case, on_progress if here else None)

    tables: dict[str, pa.Table]
    for (k, replication), tables in finish(tasks()):
        ids = np.array(ids_of[replication], dtype=object)
        for what, table in tables.items():
            parts.keep_table(_part(k, replication, what), _named(table, ids))
        if not here:
            on_progress(n * plan.n_days)


def _named(table: pa.Table, ids: NDArray[np.object_]) -> pa.Table:
    """A table with the patients' ids in the place of their numbers; work without a patient has none."""
    if "patient_id" not in table.column_names:
        return table
    at = table.column_names.index("patient_id")
    column = table.column(at)
    rows = column.to_pandas().to_numpy()
    names = [ids[int(row)] if row else "" for row in rows]
    return table.set_column(at, table.field(at), pa.array(names, column.type))


@dataclass(frozen=True)
class _ClinicTask:
    """One replication of one protocol with the clinic's team and with unlimited staff."""

    case: ClinicCase
    on_progress: Callable[[int], None] | None = None

    def run(self) -> dict[str, pa.Table]:
        """The tables of the replication, by the name of their part."""
        case, n_days = self.case, self.case.n_days
        served = case.served(self.on_progress)
        free = case.unlimited_staff_outcomes()
        patients = pa.table(
            {
                "patient_id": pa.array(case.cohort.ids),
                "start": pa.array(served.starts),
                **{name: pa.array(served.outcomes[name]) for name in served.outcomes},
                **{f"free_{name}": pa.array(free[name]) for name in free},
                **{f"clinic_{name}": pa.array(served.clinic[name]) for name in _VECTORS},
            }
        )
        load = pd.DataFrame(daily_load(served.events, n_days))
        warm = int(max((mser5(load[role].to_numpy()).length for role in load), default=0))
        whole = metrics(served, case.team, n_days, case.groups, case.row_of)
        later = metrics(served, case.team, n_days, case.groups, case.row_of, from_day=warm)
        numbers = whole.merge(later.rename(columns={"value": "after_warm_up"}), on=KEY, how="left")
        masks = pd.DataFrame(case.groups)
        made = {"numbers": numbers, "load": load, "groups": masks, "events": served.events, "absences": served.absences}
        tables = {what: pa.Table.from_pandas(table, preserve_index=False) for what, table in made.items()}
        return tables | {"patients": patients}


# -- tables ----------------------------------------------------------------------------------------------------------


def _table(parts: Parts, arm: int, replication: int, what: str) -> pa.Table:
    name = _part(arm, replication, what)
    return parts.needed(name, parts.table(name))


def _read(parts: Parts, arm: int, replication: int, what: str) -> pd.DataFrame:
    return _table(parts, arm, replication, what).to_pandas()


def _outcome_tables(plan: ClinicPlan, parts: Parts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outcomes of the patients, and their differences from unlimited staff, over replications."""
    names = plan.scenario.outcomes or [outcome.name for outcome in ALL]
    ensemble, tables_by_arm = plan.all_draws(), []
    for k, arm in enumerate(plan.arms):
        people, masks = (
            [_read(parts, k, r, what) for r in range(plan.n_replications)] for what in ("patients", "groups")
        )
        tables_by_arm.append(outcome_tables(arm.name, names, people, masks, ensemble))
    summaries, differences = zip(*tables_by_arm, strict=True)
    return pd.concat(summaries, ignore_index=True), pd.concat(differences, ignore_index=True)


def _service_numbers(
    plan: ClinicPlan, parts: Parts
) -> tuple[dict[str, list[pd.DataFrame]], dict[str, list[pd.DataFrame]]]:
    """Metrics and daily load of every replication, by protocol."""
    replications = range(plan.n_replications)
    arms = list(enumerate(plan.arms))
    numbers = {arm.name: [_read(parts, k, r, "numbers") for r in replications] for k, arm in arms}
    return numbers, {arm.name: [_read(parts, k, r, "load") for r in replications] for k, arm in arms}


def _write_events(plan: ClinicPlan, kept: RunFolder) -> None:
    """Write the event logs of every protocol and replication into one file."""

    def write(handle: Any) -> None:
        writer = None
        for k, arm in enumerate(plan.arms):
            for r in range(plan.n_replications):
                table = _table(kept.parts, k, r, "events")
                protocol = pa.array([arm.name] * len(table)).dictionary_encode()
                # first, because replications share the clock and the names of staff
                table = table.add_column(0, "protocol", protocol)
                table = table.add_column(1, "replication", pa.array(np.full(len(table), r)))
                writer = writer or pq.ParquetWriter(handle, table.schema, compression="zstd")
                writer.write_table(table)
        if writer is not None:
            writer.close()

    kept.write("events.parquet", write, private=True)


def _about(plan: ClinicPlan, path: Path) -> dict[str, Any]:
    """Manifest: plan, patients, inputs, versions. Patient ids appear as a hash only."""
    cohort = plan.cohort(0)
    team_rows = [ROLES[worker.role.name].table for worker in plan.team.workers]
    unique = list({row["role"]: row for row in team_rows}.values())
    drawn = plan.all_draws()
    return {
        "scenario": plan.scenario.model_dump(mode="json"),
        "scenario_file": path.name,
        "scenario_hash": scenario_hash(plan.scenario, plan.folder),
        "seed": plan.scenario.seed,
        "days": plan.n_days,
        "replications": plan.n_replications,
        "enrolled_over_d": plan.enrolled_over_d,
        "protocols": [arm.name for arm in plan.arms],
        "reference": UNLIMITED_STAFF,
        "patients": patients_entry(cohort),
        "team": {
            "people": len(plan.team.workers),
            "fte": {queue: plan.team.fte(queue) for queue in sorted({w.role.queue for w in plan.team.workers})},
            "cost_usd": plan.team.cost_usd(plan.n_days),
        },
        "planned_load": {
            name: {
                load.name: {
                    "asked_h_a_week": load.asked_h,
                    "on_duty_h_a_week": load.able_h,
                    "most_patients": load.most_patients,
                }
                for load in planned
            }
            for name, planned in plan.rehearsed_loads.items()
        },
        "panel": stated_panels(plan),
        "ensemble": {"id": drawn.id, "n_draws": drawn.n_draws, "calibrated": drawn.calibrated},
        "tables": [*formulary.provenance(list(cohort.drugs)), tables.read("team").provenance(unique)],
        "clinical_review": tables.UNREVIEWED,
        "versions": versions_of(*_LIBRARIES),
        "git_commit": git_commit(),
    }
