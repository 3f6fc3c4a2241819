"""What if: today's team with one thing changed, on the same patients and luck. Imports ``scenario.staffing``.

The lead's levers, a tornado of what may come, a panel of other sizes. A change is against today's team, replication by
replication; with fewer or more patients those who are in both are the same people.
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
from taper_sim.experiments.clinic_run import ClinicPlan
from taper_sim.experiments.team_search import AGAINST, HARMS, StaffingPlan, Trials, ends_of, meets, value_of, within
from taper_sim.policies.interface import Observation, Order
from taper_sim.policies.modified import Wrapped
from taper_sim.run_folder import Parts
from taper_sim.scenario.building import build_arms
from taper_sim.scenario.clinic_schema import IllnessEntry
from taper_sim.scenario.schema import CareEntry, Scenario

TODAY: Final = "today"
METRICS: Final = (
    "late",
    "order_wait_days",
    "checkins_unread_overnight",
    "visits_given",
    "cost",
    *HARMS,
    *(f"{harm}{AGAINST}" for harm in HARMS),
)
FEWER: Final = 0.2
"""Share of the panel that *enrol fewer* leaves out, and by which demand swings in the tornado."""
ABSENCE_D: Final = 14
"""Days that one person of each role is away in the tornado's absence."""


@dataclass(frozen=True)
class RarerCheckins(Wrapped):
    """A policy whose own check-ins are so many times as far apart; in everything else the policy itself."""

    times: int

    def decide(self, memory: Any, observation: Observation) -> Order:
        """The policy's order with its check-ins further apart."""
        order = self.policy.decide(memory, observation)
        every = order.checkin_every_d
        return order if every is None else replace(order, checkin_every_d=self.times * every)


@dataclass(frozen=True)
class Variation:
    """A clinic with one thing changed.

    Attributes
    ----------
    table : str
        Where it belongs: ``levers``, ``tornado``, ``capacity``.
    name, what : str
        The lever or factor, and what was done with it in plain words.
    clinic : ClinicPlan
    """

    table: str
    name: str
    what: str
    clinic: ClinicPlan


@dataclass(frozen=True)
class WhatIf:
    """Tables: a row a metric with its interval, its change against today's team, how often all targets are met."""

    levers: pd.DataFrame
    tornado: pd.DataFrame
    capacity: pd.DataFrame
    ramp: pd.DataFrame
    equity: pd.DataFrame


def with_patients(clinic: ClinicPlan, share: float) -> ClinicPlan:
    """The same clinic with a share of its patients, sampled ones: the first of them are the same people."""
    scenario = clinic.scenario
    n = max(1, round(share * len(clinic.cohort(0))))
    cohort = scenario.cohort.model_copy(update={"patients": n})
    return replace(clinic, scenario=scenario.model_copy(update={"cohort": cohort}))


def with_checkins(clinic: ClinicPlan, times: int) -> ClinicPlan:
    """The same clinic with check-ins so many times as far apart: those of the plan, and those of a protocol's own."""

    def rarer(care: CareEntry) -> CareEntry:
        return care.model_copy(update={"checkin_every_d": times * care.checkin_every_d})

    scenario: Scenario = clinic.scenario
    protocols = tuple(
        one if one.care is None else one.model_copy(update={"care": rarer(one.care)}) for one in scenario.protocols
    )
    scenario = scenario.model_copy(update={"care": rarer(scenario.care), "protocols": protocols})

    def rarer_of(arm: Arm) -> Arm:
        return replace(arm, build=lambda: RarerCheckins(arm.build(), times))

    arms = [rarer_of(arm) for arm in build_arms(scenario, "", clinic.folder)]
    return replace(clinic, scenario=scenario, arms=arms)


def with_absence(clinic: ClinicPlan) -> ClinicPlan:
    """The same clinic with the first person of each role away for two weeks in the middle."""
    middle = max(1, clinic.n_days // 2 - ABSENCE_D // 2)
    span = (middle, middle + ABSENCE_D - 1)
    seen: set[str] = set()
    workers = []
    for worker in clinic.team.workers:
        workers.append(worker if worker.role.name in seen else replace(worker, leave=(*worker.leave, span)))
        seen.add(worker.role.name)
    return replace(clinic, team=Team(tuple(workers)))


def variations(plan: StaffingPlan, short_of: str) -> Iterator[Variation]:
    """Everything that is tried besides today's team; ``short_of`` is the queue that one more is hired for."""
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
    led = replace(clinic, setting=replace(setting, orders_by=other))
    yield Variation("tornado", "who signs orders", f"the {other}", led)
    for share in plan.entry.panel_shares if sampled else ():
        yield Variation("capacity", f"{100 * share:g}%", "of the panel", with_patients(clinic, share))


def _illness(clinic: ClinicPlan) -> Iterator[Variation]:
    """Staff that falls ill more often and never; where the scenario has none, as often as A49 says and twice that."""
    now = clinic.setting.illness
    usual = IllnessEntry().built() if now is None else now
    for times in (1.0, 2.0) if now is None else (0.0, 2.0):
        illness = replace(usual, per_day=times * usual.per_day) if times else None
        what = "nobody falls ill" if illness is None else f"staff ill {illness.share:.1%} of days"
        yield Variation("tornado", "absence", what, replace(clinic, setting=replace(clinic.setting, illness=illness)))


def shortest(numbers: Sequence[pd.DataFrame], team: Team) -> str:
    """The queue whose work is late most often for want of people, not of opening hours; of several the busiest."""

    def mean(metric: str, queue: str) -> float:
        found = [value_of(one, metric, queue) for one in numbers]
        return float(np.nanmean([*found, *([0.0] if np.isnan(found).all() else [])]))

    queues = sorted({worker.role.queue for worker in team.workers})
    return max(queues, key=lambda one: (mean("late", one) - mean("late_closed", one), mean("utilisation", one)))


def what_if(plan: StaffingPlan, parts: Parts, chosen: Sequence[pd.DataFrame], done: Callable[[int], None]) -> WhatIf:
    """Run everything that is asked besides the search.

    Parameters
    ----------
    plan : StaffingPlan
    parts : Parts
        Of the run.
    chosen : sequence of DataFrame
        Replications of the team that the search chose, for equity; empty where it chose none.
    done : callable
        Called after each replication.
    """
    n = plan.entry.what_if_replications

    def run(label: str, clinic: ClinicPlan) -> list[pd.DataFrame]:
        arm = next(arm for arm in clinic.arms if arm.name == plan.arm.name)
        trials = Trials(clinic, arm, parts, done)
        return [trials.numbers(label, clinic.team, k) for k in range(n)]

    today = run(TODAY, plan.clinic)
    tables: dict[str, list[tuple[Any, ...]]] = {"levers": [], "tornado": [], "capacity": []}
    tables["levers"] += _rows(("as it is", "today's team", *_size(plan.clinic)), today, today, plan)
    for one in variations(plan, shortest(today, plan.clinic.team)):
        numbers = run(f"{one.table}: {one.name}: {one.what}", one.clinic)
        tables[one.table] += _rows((one.name, one.what, *_size(one.clinic)), numbers, today, plan)
    columns = ["name", "what", "patients", "fte", "cost_usd_week", "metric", "unit", "estimate", "lo95", "hi95"]
    columns += ["change", "change_lo95", "change_hi95", "p_meets", "n_replications"]
    made = {name: pd.DataFrame(rows, columns=columns) for name, rows in tables.items()}
    made["capacity"].insert(4, "patients_per_fte", made["capacity"]["patients"] / made["capacity"]["fte"])
    return WhatIf(made["levers"], made["tornado"], made["capacity"], ramp_of(today), equity_of(today, chosen))


def _size(clinic: ClinicPlan) -> tuple[int, float, float]:
    return len(clinic.cohort(0)), total_fte(clinic.team), weekly_cost(clinic.team)


def _rows(
    head: tuple[Any, ...], numbers: Sequence[pd.DataFrame], today: Sequence[pd.DataFrame], plan: StaffingPlan
) -> Iterator[tuple[Any, ...]]:
    met = float(np.mean([all(meets(one, plan.entry.targets)) for one in numbers]))
    for metric in METRICS:
        values = np.array([value_of(one, metric) for one in numbers])
        if np.isnan(values).all():
            continue
        own = estimate(values)
        change = estimate(values - np.array([value_of(one, metric) for one in today]))
        unit = numbers[0].loc[numbers[0]["metric"] == metric, "unit"].iloc[0]
        low, high = within(own.lo95, own.hi95, unit, metric)
        least, most = ends_of(unit, metric)
        less, more = max(change.lo95, least - most), min(change.hi95, most - least)
        yield (*head, metric, unit, own.mean, low, high, change.mean, less, more, met, own.n)


def ramp_of(numbers: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Today's panel by month: ``month, metric, unit, estimate, lo95, hi95``."""
    rows = []
    for (subgroup, metric, unit), own in _together(numbers, "month=").groupby(["subgroup", "metric", "unit"]):
        found = estimate(own["value"].to_numpy())
        rows.append((int(str(subgroup).removeprefix("month=")), metric, unit, found.mean, found.lo95, found.hi95))
    columns = ["month", "metric", "unit", "estimate", "lo95", "hi95"]
    return pd.DataFrame(rows, columns=columns).sort_values(["month", "metric"], ignore_index=True)


def equity_of(today: Sequence[pd.DataFrame], chosen: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Access by subgroup and against everybody: ``team, subgroup, metric, estimate, lo95, hi95, gap, gap_lo95, …``."""
    rows = []
    for team, numbers in (("today", today), ("chosen", chosen)):
        groups = dict.fromkeys(name for one in numbers for name in one["subgroup"] if not name.startswith("month="))
        for group in groups:
            for metric in ("late", "lost", "wait_mean", "order_wait_days", "visits_given", "withdrawal_peak"):
                values = np.array([value_of(one, metric, subgroup=group) for one in numbers])
                if np.isnan(values).all():
                    continue
                own = estimate(values)
                gap = estimate(values - np.array([value_of(one, metric) for one in numbers]))
                rows.append((team, group, metric, own.mean, own.lo95, own.hi95, gap.mean, gap.lo95, gap.hi95))
    columns = ["team", "subgroup", "metric", "estimate", "lo95", "hi95", "gap", "gap_lo95", "gap_hi95"]
    return pd.DataFrame(rows, columns=columns)


def _together(numbers: Sequence[pd.DataFrame], prefix: str) -> pd.DataFrame:
    every = pd.concat([one.assign(replication=k) for k, one in enumerate(numbers)])
    return every[every["subgroup"].str.startswith(prefix)]
