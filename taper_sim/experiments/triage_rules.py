"""Compare triage rules on the same patients and random numbers: waits and harm by subgroup. Imports ``clinic_run``.

Every rule serves the same replications (patients, random numbers, draw of the parameters) with the scenario's team.
Differences from first come, first served are paired by replication. ``parts`` holds finished replications: rerun the
same command to resume.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from taper_sim.clinic import (
    absence,
    alarms,
    appointments,
    coupling,
    demand,
    lateness,
    modality,
    predicted_risk,
    queue,
    triage,
    work,
)
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.replications import estimate
from taper_sim.clinic.service import metrics
from taper_sim.clinic.triage import RULES
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.comparison.task_pool import task_pool
from taper_sim.data.problems import problem
from taper_sim.experiments.clinic_case import ClinicCase, cases_of
from taper_sim.experiments.clinic_plan import ClinicPlan, plan_record, recorded_clinic
from taper_sim.experiments.manifest import git_commit, patients_entry, versions_of
from taper_sim.experiments.running import Progress, Report, Running, Workers
from taper_sim.inference import draws, tracker
from taper_sim.provenance import hash_of
from taper_sim.run_folder import PlanRecord, Warn, check_writable, open_run, warn_on_stderr
from taper_sim.scenario.building import scenario_hash
from taper_sim.tables import UNREVIEWED

KIND: Final = "triage"
_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "pandas", "pyarrow", "simpy")
REFERENCE: Final = "first_come"
NEED: Final = "need"
NEED_SHARE: Final = 0.25
"""Share of the patients, those with the worst composite under unlimited staff, who are *need=high*. A design choice."""
WORK_SHOWN: Final = (
    "alert_red_flag",
    "alert_spike",
    "checkin_review",
    "checkin_batch",
    "dose_order",
    "message",
    "visit",
)
SERVICE: Final = (
    "late",
    "lost",
    "wait_mean",
    "order_wait_days",
    "checkins_unread_overnight",
    "visits_given",
    "spike_alerts_dismissed",
)
TRIAGE_OUTCOMES: Final = (
    "composite",
    "function_change",
    "pain_nrs_change",
    "phq9_change",
    "withdrawal_peak",
    "days_over_limit",
    "dose_reduction_pct",
    "mental_health_crisis",
)
FAIRNESS: Final = ("late", "wait_mean", "order_wait_days", "visits_given", "composite lost")
"""Metrics that the short table gives by subgroup: waits and harm."""
TRIAGE_COLUMNS: Final = (
    "triage",
    "subgroup",
    "patients",
    "metric",
    "unit",
    "estimate",
    "lo95",
    "hi95",
    "change",
    "change_lo95",
    "change_hi95",
    "gap",
    "gap_lo95",
    "gap_hi95",
    "n_replications",
    "code",
)


def code_hash() -> str:
    """Short hash of the clinic's code that a triage table depends on."""
    return hash_of(
        triage,
        predicted_risk,
        queue,
        demand,
        coupling,
        alarms,
        appointments,
        modality,
        absence,
        work,
        lateness,
        draws,
        tracker,
        numbers_of,
        compared,
    )


def compare_triage(
    path: Path,
    plan: ClinicPlan,
    folder: Path,
    progress: Progress,
    *,
    report: Report | None = None,
    warn: Warn = warn_on_stderr,
    workers: Workers | None = None,
) -> pd.DataFrame:
    """Run every triage rule and write ``triage.csv``, and ``triage_short.csv`` with fewer rows and digits.

    Parameters
    ----------
    path : Path
        Scenario file, for the plan's record.
    plan : ClinicPlan
    folder : Path
        Output folder; an unfinished comparison of the same plan is resumed.
    progress : callable
        See :class:`taper_sim.experiments.running.Running`; it counts replications of rules.
    report, warn, workers
        See :class:`taper_sim.experiments.running.Running`.

    Returns
    -------
    DataFrame
        :data:`TRIAGE_COLUMNS`. ``change`` is the difference from first come, first served. ``gap`` is the difference
        of a subgroup from all patients under the same rule. Harms are differences from the same patients with unlimited
        staff.

    Raises
    ------
    InputError
        For unlimited staff: nothing waits.
    """
    return run_triage(path, plan, folder, progress, report=report, warn=warn, workers=workers).table


@dataclass(frozen=True)
class TriageRun:
    """A finished comparison of triage rules: its folder, table and manifest."""

    folder: Path
    table: pd.DataFrame
    manifest: dict[str, Any]


def run_triage(
    path: Path,
    plan: ClinicPlan,
    folder: Path,
    progress: Progress,
    *,
    report: Report | None = None,
    warn: Warn = warn_on_stderr,
    workers: Workers | None = None,
) -> TriageRun:
    """Do the same as :func:`compare_triage`; the result also has the folder and the manifest."""
    return _run(path, plan, folder, Running(workers, progress, report, warn))


def rerun(record: PlanRecord, folder: Path, running: Running) -> TriageRun:
    """Run a recorded plan of a comparison of triage, or resume it."""
    return _run(record.path, recorded_clinic(record, folder), folder, running)


def plan_hash(plan: ClinicPlan) -> str:
    """Hash of everything that the numbers depend on, without users' policies."""
    return f"{scenario_hash(plan.scenario, plan.folder)}-{plan.n_replications}-{code_hash()}"


def _run(path: Path, plan: ClinicPlan, folder: Path, running: Running) -> TriageRun:
    if plan.team.unlimited:
        raise problem(str(path), "clinic.unlimited", "unlimited staff", "a team: with unlimited staff nothing waits")
    began = time.time()
    check_writable(folder)
    with open_run(folder, plan_record(KIND, plan, path, plan_hash(plan)), running.warn) as kept:
        on_progress = running.progress(len(RULES) * plan.n_replications)
        runs: dict[str, list[pd.DataFrame]] = {rule: [] for rule in RULES}
        places = [(rule, replication) for replication in range(plan.n_replications) for rule in RULES]

        def tasks() -> Iterator[tuple[str, TriageTask]]:
            for rule, replication in places:
                if kept.parts.is_finished(_part(rule, replication)):
                    on_progress(1)
                else:
                    yield _part(rule, replication), TriageTask(case_under(plan, rule, replication))

        numbers: pd.DataFrame
        with task_pool(1 if running.workers is None else running.workers) as finish:
            for name, numbers in finish(tasks()):
                kept.parts.keep_table(name, pa.Table.from_pandas(numbers, preserve_index=False))
                on_progress(1)
        for rule, replication in places:
            name = _part(rule, replication)
            runs[rule].append(kept.parts.needed(name, kept.parts.table(name)).to_pandas())
        table = compared(runs)
        kept.write_csv("triage.csv", table)
        kept.write_csv("triage_short.csv", short_table(table))
        timings = {"all": round(time.time() - began, 3)}
        manifest = kept.finish(_about(plan, path) | {"timings_s": timings}, running.report)
    return TriageRun(folder, table, manifest)


def _part(rule: str, replication: int) -> str:
    return f"{rule}-{replication:04d}.parquet"


@dataclass(frozen=True)
class TriageTask:
    """One replication under one rule."""

    case: ClinicCase

    def run(self) -> pd.DataFrame:
        """Numbers of the replication."""
        return numbers_of(self.case)


def case_under(plan: ClinicPlan, rule: str, replication: int) -> ClinicCase:
    """The case of a replication under a triage rule."""
    return cases_of(replace(plan, setting=replace(plan.setting, triage=rule)), replication, plan.arms[:1])[0]


def _about(plan: ClinicPlan, path: Path) -> dict[str, Any]:
    """Manifest: plan, patients, versions. Patient ids appear as a hash only."""
    return {
        "scenario": plan.scenario.model_dump(mode="json"),
        "scenario_file": path.name,
        "scenario_hash": scenario_hash(plan.scenario, plan.folder),
        "seed": plan.scenario.seed,
        "days": plan.n_days,
        "replications": plan.n_replications,
        "protocol": plan.arms[0].name,
        "rules": list(RULES),
        "reference": REFERENCE,
        "patients": patients_entry(plan.cohort(0)),
        "clinical_review": UNREVIEWED,
        "code": code_hash(),
        "versions": versions_of(*_LIBRARIES),
        "git_commit": git_commit(),
    }


def short_table(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of all patients, and of subgroups the metrics of :data:`FAIRNESS`, with four digits."""
    rows = table[(table["subgroup"] == "all") | table["metric"].isin(FAIRNESS)].copy()
    numbers = rows.select_dtypes("float").columns
    rows[numbers] = rows[numbers].map(lambda value: float(f"{value:.4g}"))
    return rows.reset_index(drop=True)


def numbers_of(case: ClinicCase) -> pd.DataFrame:
    """Numbers of one replication under one rule: ``metric, unit, subgroup, patients, value``."""
    free, served = case.unlimited_staff_outcomes(), case.served()
    worst = free["composite"] >= np.nanquantile(free["composite"], 1.0 - NEED_SHARE)
    groups = case.groups | {f"{NEED}=high": worst, f"{NEED}=low": ~worst}
    service = metrics(served, case.team, case.n_days, groups, case.row_of)
    service = service[service["role"] == ""]
    rows: list[tuple[Any, ...]] = []
    for metric, kind, group, unit, value in zip(
        service["metric"], service["work"], service["subgroup"], service["unit"], service["value"], strict=True
    ):
        if kind == "" and metric in SERVICE:
            rows.append((metric, unit, group, int(groups[group].sum()), value))
        elif kind in WORK_SHOWN and metric in ("late", "wait_mean"):
            rows.append((f"{metric} {kind}", unit, group, int(groups[group].sum()), value))
    late = of_everything(served.events, case.n_days)
    rows += [(name, unit, "all", len(case.cohort), value) for name, unit, value in late]
    for name in TRIAGE_OUTCOMES:
        for group, who in groups.items():
            lost = (served.outcomes[name] - free[name])[who]
            known = lost[~np.isnan(lost)]
            if group == "all" or len(known) >= SMALLEST_CELL:
                value = float(known.mean()) if len(known) else np.nan
                rows.append((f"{name} lost", BY_NAME[name].unit, group, int(who.sum()), value))
    return pd.DataFrame(rows, columns=["metric", "unit", "subgroup", "patients", "value"])


def of_everything(events: pd.DataFrame, n_days: int) -> Iterator[tuple[str, str, float]]:
    """Share of late work over all roles, batches and groups included: metric, unit, value."""
    end = n_days * DAY_MIN
    events = events[lateness.judged(events, end)]
    late = lateness.late(events, end)
    yield "late of all work", "share", float(late.mean())
    for urgency in sorted(set(events["urgency"])):
        of_urgency = (events["urgency"] == urgency).to_numpy()
        yield f"late of urgency {urgency}", "share", float(late[of_urgency].mean())


def compared(runs: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """Numbers of each rule with intervals over replications, and differences from the reference and all patients."""
    key = ["metric", "subgroup"]
    wide = {
        rule: pd.concat([numbers.set_index(key)["value"].rename(k) for k, numbers in enumerate(replications)], axis=1)
        for rule, replications in runs.items()
    }
    about = pd.concat(runs[REFERENCE]).groupby(key, sort=False).agg(unit=("unit", "first"), n=("patients", "mean"))
    rows = []
    for rule, values in wide.items():
        for metric, group in about.index:
            if (metric, group) not in values.index:
                continue
            numbers = values.loc[(metric, group)].to_numpy(dtype=np.float64)
            reference = wide[REFERENCE].loc[(metric, group)].to_numpy(dtype=np.float64)
            has_all = (metric, "all") in values.index
            everybody = values.loc[(metric, "all")].to_numpy(dtype=np.float64) if has_all else numbers
            mean, change, gap = estimate(numbers), estimate(numbers - reference), estimate(numbers - everybody)
            unit, n = about.loc[(metric, group)]
            rows.append(
                (
                    rule,
                    group,
                    round(n),
                    metric,
                    unit,
                    mean.mean,
                    mean.lo95,
                    mean.hi95,
                    change.mean,
                    change.lo95,
                    change.hi95,
                    gap.mean,
                    gap.lo95,
                    gap.hi95,
                    mean.n,
                    code_hash(),
                )
            )
    return pd.DataFrame(rows, columns=list(TRIAGE_COLUMNS))
