"""What-if runs: today's team with one change, on the same patients and random numbers. Imports ``team_search``.

The changes are levers of the clinic's lead, a tornado of uncertain demand and supply, and panels of other sizes.
Differences from today's team are paired by replication. Panels of different sizes share their first patients.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.clinic.replications import estimate
from taper_sim.clinic.staffing.search import larger_team, total_fte, weekly_cost
from taper_sim.clinic.team import Team
from taper_sim.comparison.jobs import Arm
from taper_sim.comparison.task_pool import Finisher, run_here
from taper_sim.experiments.clinic_plan import ClinicPlan
from taper_sim.experiments.team_search import TEAM_HARMS, StaffingPlan, Trial, Trials, ends_of, meets, value_of, within
from taper_sim.policies.interface import Observation, Order
from taper_sim.policies.modified import Wrapped
from taper_sim.run_folder import Parts
from taper_sim.scenario.building import build_arms
from taper_sim.scenario.clinic_schema import IllnessEntry
from taper_sim.scenario.schema import CareEntry, Scenario
from taper_sim.scenario.staffing_schema import AGAINST

TODAY: Final = "today"
METRICS: Final = (
    "late",
    "late_closed",
    "late_people",
    "order_wait_days",
    "order_wait_days_closed",
    "checkins_unread_overnight",
    "checkins_unread_closed",
    "visits_given",
    "cost",
    *TEAM_HARMS,
    *(f"{harm}{AGAINST}" for harm in TEAM_HARMS),
)
FEWER: Final = 0.2
"""Share by which *enrol fewer* reduces the panel, and by which the tornado varies demand. A design choice."""
ABSENCE_D: Final = 14
"""Days of absence of one person of each role in the tornado. A design choice."""


@dataclass(frozen=True)
class RarerCheckins(Wrapped):
    """A policy that lengthens the intervals between check-ins that another policy orders, by the factor ``times``."""

    times: int

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Order of the other policy with longer intervals between check-ins."""
        order = self.policy.decide(memory, observation)
        every = order.checkin_every_d
        return order if every is None else replace(order, checkin_every_d=self.times * every)


@dataclass(frozen=True)
class Variation:
    """A clinic with one change.

    Attributes
    ----------
    table : str
        Table of its rows: ``levers``, ``tornado`` or ``capacity``.
    name, what : str
        The lever or factor, and the change in words.
    clinic : ClinicPlan
    """

    table: str
    name: str
    what: str
    clinic: ClinicPlan


@dataclass(frozen=True)
class WhatIf:
    """Tables: a row a metric with its interval, its change from today's team, and the share that meets all targets."""

    levers: pd.DataFrame
    tornado: pd.DataFrame
    capacity: pd.DataFrame
    ramp: pd.DataFrame
    equity: pd.DataFrame


def with_patients(clinic: ClinicPlan, share: float) -> ClinicPlan:
    """The same clinic with a share of its sampled patients; the smaller panel is the first part of the larger."""
    scenario = clinic.scenario
    n = max(1, round(share * len(clinic.cohort(0))))
    cohort = scenario.cohort.model_copy(update={"patients": n})
    return replace(clinic, scenario=scenario.model_copy(update={"cohort": cohort}))


def with_checkins(clinic: ClinicPlan, times: int) -> ClinicPlan:
    """The same clinic with longer intervals between check-ins, of planned care and of those that a protocol orders."""

    def rarer(care: CareEntry) -> CareEntry:
        return care.model_copy(update={"checkin_every_d": times * care.checkin_every_d})

    scenario: Scenario = clinic.scenario
    protocols = tuple(
        entry if entry.care is None else entry.model_copy(update={"care": rarer(entry.care)})
        for entry in scenario.protocols
    )
    scenario = scenario.model_copy(update={"care": rarer(scenario.care), "protocols": protocols})

    def rarer_of(arm: Arm) -> Arm:
        return replace(arm, build=lambda: RarerCheckins(arm.build(), times))

    arms = [rarer_of(arm) for arm in build_arms(scenario, "", clinic.folder)]
    return replace(clinic, scenario=scenario, arms=arms)


def with_absence(clinic: ClinicPlan) -> ClinicPlan:
    """The same clinic with the first person of each role absent for two weeks in the middle of the run."""
    middle = max(1, clinic.n_days // 2 - ABSENCE_D // 2)
    span = (middle, middle + ABSENCE_D - 1)
    absent: set[str] = set()
    workers = []
    for worker in clinic.team.workers:
        workers.append(worker if worker.role.name in absent else replace(worker, leave=(*worker.leave, span)))
        absent.add(worker.role.name)
    return replace(clinic, team=Team(tuple(workers)))


def variations(plan: StaffingPlan, short_of: str) -> Iterator[Variation]:
    """All changes of today's team; *hire one* adds a worker to the queue ``short_of``."""
    clinic, setting = plan.clinic, plan.clinic.setting
    sampled = clinic.scenario.cohort.patients is not None
    hired = larger_team(clinic.team, short_of)
    new = next(worker for worker in hired.workers if worker not in clinic.team.workers)
    yield Variation("levers", "hire one", f"one more {new.role.name}", replace(clinic, team=hired))
    if sampled:
        yield Variation("levers", "enrol fewer", f"{FEWER:.0%} fewer patients", with_patients(clinic, 1.0 - FEWER))
    if plan.arm.care.checkin_every_d > 0:
        yield Variation("levers", "check in half as often", "check-ins twice as far apart", with_checkins(clinic, 2))
    if sampled:
        for share in (1.0 - FEWER, 1.0 + FEWER):
            yield Variation("tornado", "demand", f"{share:.0%} of the patients", with_patients(clinic, share))
    for times, what in ((2.0, "enrolment over twice the days"), (0.5, "enrolment over half the days")):
        days = max(1, round(times * setting.enrol_over_d))
        yield Variation("tornado", "surge", what, replace(clinic, setting=replace(setting, enrol_over_d=days)))
    away = f"one of each role away for {ABSENCE_D} days"
    yield Variation("tornado", "absence", away, with_absence(clinic))
    yield from _illness(clinic)
    other = "prescriber" if setting.orders_by == "pharmacist" else "pharmacist"
    changed = replace(clinic, setting=replace(setting, orders_by=other))
    yield Variation("tornado", "who signs orders", f"the {other}", changed)
    for share in plan.entry.panel_shares if sampled else ():
        yield Variation("capacity", f"{100 * share:g}%", "of the panel", with_patients(clinic, share))


def _illness(clinic: ClinicPlan) -> Iterator[Variation]:
    """Illness of staff at double the scenario's rate and without any; without a rate, at that of A49 and its double."""
    now = clinic.setting.illness
    usual = IllnessEntry().built() if now is None else now
    for times in (1.0, 2.0) if now is None else (0.0, 2.0):
        illness = replace(usual, per_day=times * usual.per_day) if times else None
        what = "nobody falls ill" if illness is None else f"staff ill {illness.share:.1%} of days"
        yield Variation("tornado", "absence", what, replace(clinic, setting=replace(clinic.setting, illness=illness)))


def shortest(numbers: Sequence[pd.DataFrame], team: Team) -> str:
    """The queue with the largest share of work late for lack of staff, not of opening hours; then the busiest."""

    def mean(metric: str, queue: str) -> float:
        values = [value_of(replication, metric, queue) for replication in numbers]
        return float(np.nanmean([*values, *([0.0] if np.isnan(values).all() else [])]))

    queues = sorted({worker.role.queue for worker in team.workers})
    return max(queues, key=lambda queue: (mean("late", queue) - mean("late_closed", queue), mean("utilisation", queue)))


def what_if(
    plan: StaffingPlan,
    parts: Parts,
    chosen: Sequence[pd.DataFrame],
    on_progress: Callable[[int], None],
    finish: Finisher = run_here,
) -> WhatIf:
    """Run today's team and every change of it.

    Parameters
    ----------
    plan : StaffingPlan
    parts : Parts
        Parts of the run.
    chosen : sequence of DataFrame
        Replications of the team that the search chose, for the table of equity; empty if it chose none.
    on_progress : callable
        Called with 1 after each replication.
    finish : Finisher
        Runs the replications of a change together.
    """
    n = plan.entry.what_if_replications

    def run(label: str, clinic: ClinicPlan) -> list[pd.DataFrame]:
        arm = next(arm for arm in clinic.arms if arm.name == plan.arm.name)
        trials = Trials(clinic, arm, parts, on_progress, finish)
        return trials.numbers([Trial(label, clinic.team, k) for k in range(n)])

    today = run(TODAY, plan.clinic)
    tables: dict[str, list[tuple[Any, ...]]] = {"levers": [], "tornado": [], "capacity": []}
    tables["levers"] += _rows(("as it is", "today's team", *_size(plan.clinic)), today, today, plan)
    for change in variations(plan, shortest(today, plan.clinic.team)):
        numbers = run(f"{change.table}: {change.name}: {change.what}", change.clinic)
        tables[change.table] += _rows((change.name, change.what, *_size(change.clinic)), numbers, today, plan)
    columns = ["name", "what", "patients", "fte", "cost_usd_week", "metric", "unit", "estimate", "lo95", "hi95"]
    columns += ["change", "change_lo95", "change_hi95", "p_meets", "n_replications"]
    frames = {name: pd.DataFrame(rows, columns=columns) for name, rows in tables.items()}
    frames["capacity"].insert(4, "patients_per_fte", frames["capacity"]["patients"] / frames["capacity"]["fte"])
    return WhatIf(frames["levers"], frames["tornado"], frames["capacity"], ramp_of(today), equity_of(today, chosen))


def _size(clinic: ClinicPlan) -> tuple[int, float, float]:
    return len(clinic.cohort(0)), total_fte(clinic.team), weekly_cost(clinic.team)


def _rows(
    head: tuple[Any, ...], numbers: Sequence[pd.DataFrame], today: Sequence[pd.DataFrame], plan: StaffingPlan
) -> Iterator[tuple[Any, ...]]:
    met = float(np.mean([all(meets(replication, plan.entry.targets)) for replication in numbers]))
    for metric in METRICS:
        values = np.array([value_of(replication, metric) for replication in numbers])
        if np.isnan(values).all():
            continue
        mean = estimate(values)
        change = estimate(values - np.array([value_of(replication, metric) for replication in today]))
        unit = numbers[0].loc[numbers[0]["metric"] == metric, "unit"].iloc[0]
        low, high = within(mean.lo95, mean.hi95, unit, metric)
        least, most = ends_of(unit, metric)
        less, more = max(change.lo95, least - most), min(change.hi95, most - least)
        yield (*head, metric, unit, mean.mean, low, high, change.mean, less, more, met, mean.n)


def ramp_of(numbers: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Metrics of today's team by month since enrolment: ``month, metric, unit, estimate, lo95, hi95``."""
    rows = []
    together = pd.concat(list(numbers))
    monthly = together[together["subgroup"].str.startswith("month=")]
    for (subgroup, metric, unit), values in monthly.groupby(["subgroup", "metric", "unit"]):
        mean = estimate(values["value"].to_numpy())
        rows.append((int(str(subgroup).removeprefix("month=")), metric, unit, mean.mean, mean.lo95, mean.hi95))
    columns = ["month", "metric", "unit", "estimate", "lo95", "hi95"]
    return pd.DataFrame(rows, columns=columns).sort_values(["month", "metric"], ignore_index=True)


def equity_of(today: Sequence[pd.DataFrame], chosen: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Access by subgroup, and its gap from all patients: ``team, subgroup, metric, estimate, lo95, …, gap, …``."""
    rows = []
    for team, numbers in (("today", today), ("chosen", chosen)):
        groups = dict.fromkeys(
            name for replication in numbers for name in replication["subgroup"] if not name.startswith("month=")
        )
        for group in groups:
            for metric in (
                "late",
                "late_closed",
                "late_people",
                "lost",
                "wait_mean",
                "order_wait_days",
                "visits_given",
                "withdrawal_peak",
            ):
                values = np.array([value_of(replication, metric, subgroup=group) for replication in numbers])
                if np.isnan(values).all():
                    continue
                mean = estimate(values)
                gap = estimate(values - np.array([value_of(replication, metric) for replication in numbers]))
                row = (mean.mean, mean.lo95, mean.hi95, gap.mean, gap.lo95, gap.hi95, gap.n)
                rows.append((team, group, metric, *row))
    columns = ["team", "subgroup", "metric", "estimate", "lo95", "hi95", "gap", "gap_lo95", "gap_hi95"]
    columns.append("n_replications")
    return pd.DataFrame(rows, columns=columns)
