"""Compare the rules of triage on the same patients and luck: what waits, what it does, to whom. Imports ``clinics``.

Every rule meets the same replications (patients, luck, draw of the parameters) with the scenario's team. Differences
are paired, replication by replication, against who came first. Finished replications are kept in ``parts``: the same
command goes on where it was interrupted.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

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
from taper_sim.clinic.coupling import serve
from taper_sim.clinic.replications import estimate
from taper_sim.clinic.service import metrics
from taper_sim.clinic.triage import RULES
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.tables import SMALLEST_CELL, subgroups
from taper_sim.data.problems import problem
from taper_sim.experiments.clinic_run import ClinicPlan, never_short
from taper_sim.inference import draws, tracker
from taper_sim.provenance import hash_of
from taper_sim.run_folder import check_writable, claim, write_atomically, write_csv, write_json
from taper_sim.scenario.building import scenario_hash

PLAN_FILE: Final = "triage_plan.json"
REFERENCE: Final = "first_come"
NEED: Final = "need"
NEED_SHARE: Final = 0.25
"""Share of the patients, those who fare worst when staff is never short, who are *need=high*. A design choice."""
KINDS: Final = ("alert_red_flag", "alert_spike", "checkin_review", "checkin_batch", "dose_order", "message", "visit")
SERVICE: Final = (
    "late",
    "lost",
    "wait_mean",
    "order_wait_days",
    "checkins_unread_overnight",
    "visits_given",
    "spike_alerts_dismissed",
)
HARMS: Final = (
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
"""Metrics by subgroup that the short table keeps: wait and harm."""
COLUMNS: Final = (
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
    """Short hash of the code that a table of triage describes: the clinic's part of it."""
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
    path: Path, plan: ClinicPlan, folder: Path, progress: Callable[[int], Callable[[int], None]]
) -> pd.DataFrame:
    """Run every rule of triage and write ``triage.csv``, and ``triage_short.csv`` to keep.

    Parameters
    ----------
    path : Path
        The scenario, for the record.
    plan : ClinicPlan
    folder : Path
        An unfinished comparison of the same plan goes on.
    progress : callable
        Given the runs in all, returns a function called with those done.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`. ``change`` is against who came first, ``gap`` a subgroup against everybody under the same rule;
        harms are against the same patients with staff that is never short.

    Raises
    ------
    InputError
        For staff that is never short: nothing waits.
    """
    if plan.team.unlimited:
        raise problem(str(path), "clinic.unlimited", "staff that is never short", "a team: without one nothing waits")
    check_writable(folder)
    identity = f"{scenario_hash(plan.scenario, plan.folder)}-{plan.n_replications}-{code_hash()}"
    claim(folder, PLAN_FILE, {"hash": identity, "file": path.name}, "the folder of a comparison of triage")
    tick = progress(len(RULES) * plan.n_replications)
    runs: dict[str, list[pd.DataFrame]] = {rule: [] for rule in RULES}
    for replication in range(plan.n_replications):
        for rule in RULES:
            part = folder / "parts" / f"{rule}-{replication:04d}.parquet"
            if not part.exists():
                content = pa.Table.from_pandas(numbers_of(plan, rule, replication), preserve_index=False)
                write_atomically(part, _writer(content))
            runs[rule].append(pq.read_table(part).to_pandas())
            tick(1)
    table = compared(runs)
    write_csv(table, folder / "triage.csv")
    write_csv(short_table(table), folder / "triage_short.csv")
    write_json({"kind": "triage", "scenario_file": path.name, "hash": identity}, folder / "manifest.json")
    shutil.rmtree(folder / "parts")
    return table


def short_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table to keep: everything of everybody, of subgroups what fairness is judged by, four digits."""
    kept = table[(table["subgroup"] == "all") | table["metric"].isin(FAIRNESS)].copy()
    numbers = kept.select_dtypes("float").columns
    kept[numbers] = kept[numbers].map(lambda value: float(f"{value:.4g}"))
    return kept.reset_index(drop=True)


def _writer(content: pa.Table) -> Callable[[Any], None]:
    return lambda handle: pq.write_table(content, handle, compression="zstd")


def numbers_of(plan: ClinicPlan, rule: str, replication: int) -> pd.DataFrame:
    """One replication under one rule: ``metric, unit, subgroup, patients, value``."""
    arm, seed = plan.arms[0], plan.seed(replication)
    cohort, ensemble = plan.cohort(replication), plan.ensemble(replication)
    free = never_short(plan, cohort, arm, ensemble, seed)
    setting = replace(plan.setting, triage=rule)
    served = serve(cohort, arm.build, ensemble, seed, plan.n_days, arm.care, plan.team, setting)
    worst = free["composite"] >= np.nanquantile(free["composite"], 1.0 - NEED_SHARE)
    groups = subgroups(cohort, plan.scenario.subgroups)
    groups |= {f"{NEED}=high": worst, f"{NEED}=low": ~worst}
    ids = {name: row for row, name in enumerate(cohort.ids)}
    service = metrics(served, plan.team, plan.n_days, groups, ids)
    service = service[service["role"] == ""]
    rows: list[tuple[Any, ...]] = []
    for metric, kind, group, unit, value in zip(
        service["metric"], service["work"], service["subgroup"], service["unit"], service["value"], strict=True
    ):
        if kind == "" and metric in SERVICE:
            rows.append((metric, unit, group, int(groups[group].sum()), value))
        elif kind in KINDS and metric in ("late", "wait_mean"):
            rows.append((f"{metric} {kind}", unit, group, int(groups[group].sum()), value))
    late = of_everything(served.events, plan.n_days)
    rows += [(name, unit, "all", len(cohort), value) for name, unit, value in late]
    for name in HARMS:
        for group, who in groups.items():
            lost = (served.outcomes[name] - free[name])[who]
            known = lost[~np.isnan(lost)]
            if group == "all" or len(known) >= SMALLEST_CELL:
                value = float(known.mean()) if len(known) else np.nan
                rows.append((f"{name} lost", BY_NAME[name].unit, group, int(who.sum()), value))
    return pd.DataFrame(rows, columns=["metric", "unit", "subgroup", "patients", "value"])


def of_everything(events: pd.DataFrame, n_days: int) -> Iterator[tuple[str, str, float]]:
    """Late and lost work, and the wait, of everybody's work together, batches and groups included."""
    end = n_days * DAY_MIN
    events = events[lateness.judged(events, end)]
    late = lateness.late(events, end)
    yield "late of all work", "share", float(late.mean())
    for urgency in sorted(set(events["urgency"])):
        own = (events["urgency"] == urgency).to_numpy()
        yield f"late of urgency {urgency}", "share", float(late[own].mean())


def compared(runs: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """Each rule's numbers with intervals over replications, against who came first and against everybody."""
    key = ["metric", "subgroup"]
    wide = {
        rule: pd.concat([one.set_index(key)["value"].rename(k) for k, one in enumerate(tables)], axis=1)
        for rule, tables in runs.items()
    }
    about = pd.concat(runs[REFERENCE]).groupby(key, sort=False).agg(unit=("unit", "first"), n=("patients", "mean"))
    rows = []
    for rule, values in wide.items():
        for metric, group in about.index:
            if (metric, group) not in values.index:
                continue
            own = values.loc[(metric, group)].to_numpy(dtype=np.float64)
            first = wide[REFERENCE].loc[(metric, group)].to_numpy(dtype=np.float64)
            every = values.loc[(metric, "all")].to_numpy(dtype=np.float64) if (metric, "all") in values.index else own
            found, change, gap = estimate(own), estimate(own - first), estimate(own - every)
            unit, n = about.loc[(metric, group)]
            rows.append(
                (
                    rule,
                    group,
                    round(n),
                    metric,
                    unit,
                    found.mean,
                    found.lo95,
                    found.hi95,
                    change.mean,
                    change.lo95,
                    change.hi95,
                    gap.mean,
                    gap.lo95,
                    gap.hi95,
                    found.n,
                    code_hash(),
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))
