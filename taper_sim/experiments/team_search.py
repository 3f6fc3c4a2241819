"""Look for the smallest team of a scenario that meets its targets, into a run folder. Imports ``scenario.clinics``.

Every team meets the same patients with the same luck under the same draws of the parameters, replication by replication
(common random numbers). Finished replications are kept in ``parts``: rerun the same command to resume.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from taper_sim.array_types import Floats
from taper_sim.clinic.coupling import serve
from taper_sim.clinic.ramp import by_month
from taper_sim.clinic.replications import estimate
from taper_sim.clinic.service import KEY, metrics
from taper_sim.clinic.staffing.bounds import EnrolmentLoad, Load
from taper_sim.clinic.staffing.feasibility import TargetTest, Verdict, share_interval
from taper_sim.clinic.staffing.search import (
    Candidate,
    SearchResult,
    around,
    candidates,
    search,
    weekly_cost,
    with_fte,
    within_budget,
)
from taper_sim.clinic.staffing.selection import select
from taper_sim.clinic.team import FULL_TIME_H, Team, Worker
from taper_sim.comparison.jobs import Arm
from taper_sim.comparison.outcomes import ALL, BY_NAME
from taper_sim.comparison.tables import subgroups
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.experiments.clinic_run import (
    ClinicPlan,
    never_short,
    plan_of,
    planned_loads,
    planned_loads_of_enrolment,
    refuse_large_clinic,
)
from taper_sim.run_folder import Parts
from taper_sim.scenario.building import Overrides, overridden, read_scenario
from taper_sim.scenario.clinic_schema import StaffEntry
from taper_sim.scenario.schema import Scenario
from taper_sim.scenario.staffing_schema import CLINIC_METRICS, ROLE_METRICS, FteRange, StaffingEntry, Target
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble

COLUMNS: Final = ("team", "role", "fte", "cost", "metric", "estimate", "lo95", "hi95", "p_meets")
MORE_COLUMNS: Final = ("unit", "target", "verdict", "n_replications")
ALL_TARGETS: Final = "all_targets"
_TINY: Final = 1e-9
"""FTE and hours below which there is nothing."""
AGAINST: Final = "_against_never_short"
HARMS: Final = (
    "withdrawal_peak",
    "days_over_limit",
    "pain_nrs_change",
    "dose_reduction_pct",
    "dropout",
    "return_to_higher_dose",
    "mental_health_crisis",
    "overdose",
    "composite",
)


@dataclass(frozen=True)
class StaffingPlan:
    """Everything that a search's numbers depend on."""

    clinic: ClinicPlan
    entry: StaffingEntry
    arm: Arm
    able: list[Candidate]
    """Teams whose people have the hours for the planned work, all of it and of each state that needs a licence."""
    n_unable: int
    largest: Candidate
    loads: list[Load]
    """Planned work against the largest team, of all patients and by state, the heaviest first."""
    enrolling: list[EnrolmentLoad]
    """The same while the panel enrols."""
    contenders: list[Candidate]
    """Teams whose harm is compared: with ``minimise: harm`` those of the budget, else none."""
    n_lacking: dict[Load, int]
    """Teams without the hours for each of ``loads``; of those that are left, for each of ``enrolling``."""
    otherwise: dict[str, Worker] = field(repr=False)

    @property
    def rule(self) -> TargetTest:
        """The test of one team: the error is shared out over the teams that may be tried."""
        entry = self.entry
        error = (1.0 - entry.confidence) / entry.most_teams
        return TargetTest(entry.probability, entry.unimportant, error, entry.most_replications)

    @property
    def today(self) -> Candidate | None:
        """Today's team among those in question."""
        hours_of: dict[str, float] = {}
        for worker in self.clinic.team.workers:
            hours_of[worker.role.name] = hours_of.get(worker.role.name, 0.0) + worker.hours_a_week
        same = (
            one
            for one in self.able
            if all(abs(hours_of.get(role, 0.0) / FULL_TIME_H - fte) < _TINY for role, fte in one.levels)
        )
        return next(same, None)

    def team(self, candidate: Candidate) -> Team:
        """The people of a candidate."""
        return with_fte(self.clinic.team, dict(candidate.levels), self.otherwise)


def read_staffing(path: Path, change: Overrides, *, sure: bool = False) -> StaffingPlan:
    """Read a scenario whose clinic says which team is looked for.

    Raises
    ------
    InputError
        With every problem; unless ``sure``, for a search whose replications of one team are a large run.
    """
    scenario = overridden(read_scenario(path), change)
    entry = None if scenario.clinic is None else scenario.clinic.staffing or StaffingEntry()
    refuse_large_clinic(scenario, path, None if entry is None else entry.most_replications, sure=sure)
    return staffing_plan_of(scenario, path)


def staffing_plan_of(scenario: Scenario, path: Path) -> StaffingPlan:
    """The plan of a scenario that was read; raises InputError with every problem."""
    if scenario.clinic is None:
        raise problem(str(path), "clinic", "nothing", "a clinic: its team and how it works (docs/clinic.md)")
    entry = scenario.clinic.staffing or StaffingEntry()
    if scenario.clinic.unlimited:
        raise problem(str(path), "clinic.unlimited", "staff that is never short", "a team: the search starts from it")
    clinic = plan_of(scenario, path, entry.most_replications)
    if not entry.fte:
        spans = {role: FteRange(least=a, most=b, step=c) for role, (a, b, c) in around(clinic.team).items()}
        entry = entry.model_copy(update={"fte": spans})
    names = [arm.name for arm in clinic.arms]
    if entry.protocol is not None and entry.protocol not in names:
        given = f"{shown(entry.protocol)}, which is none here{nearest(entry.protocol, names)}"
        raise problem(str(path), "clinic.staffing.protocol", given, f"one of {', '.join(names)}")
    arm = clinic.arms[0 if entry.protocol is None else names.index(entry.protocol)]
    otherwise = {role: StaffEntry(role=role).workers(1)[0] for role in entry.fte}
    levels = {role: span.levels() for role, span in entry.fte.items()}
    wrong = []
    for role, some in levels.items():
        try:
            with_fte(clinic.team, {role: some[0]}, otherwise)
        except ValueError as error:
            place = f"clinic.staffing.fte.{role}.least"
            wrong.append(Problem(str(path), place, str(error), "at least what those work"))
    if wrong:
        raise InputError(wrong)
    every = candidates(clinic.team, levels, otherwise)
    largest = max(every, key=lambda one: one.levels)
    top = with_fte(clinic.team, dict(largest.levels), otherwise)
    with_top = _with_team(clinic, top)
    loads = sorted(planned_loads(with_top)[arm.name], key=lambda load: -load.share)
    enrolling = planned_loads_of_enrolment(with_top)[arm.name]
    lacking = list(_lacking(clinic, arm, top, f"{path}: clinic.staffing.fte, all at their most"))
    if lacking:
        raise InputError(lacking)
    lack = _lacking_hours(every, loads, clinic.team, otherwise)
    able = [one for one, short in zip(every, lack, strict=True) if not short]
    then = _lacking_hours(able, enrolling, clinic.team, otherwise)
    n_lacking = Counter(load for short in (*lack, *then) for load in short)
    plan = StaffingPlan(
        clinic, entry, arm, able, len(every) - len(able), largest, loads, enrolling, [], n_lacking, otherwise
    )
    return plan if entry.budget_usd_week is None else replace(plan, contenders=_contenders(plan, str(path)))


def _contenders(plan: StaffingPlan, file: str) -> list[Candidate]:
    """Teams to compare within the budget; raises InputError where there are none, or too many."""
    budget, most = plan.entry.budget_usd_week or 0.0, plan.entry.most_teams
    found = [
        one
        for one in within_budget(plan.able, budget)
        if not any(True for _ in _lacking(plan.clinic, plan.arm, plan.team(one), ""))
    ]
    place, given = "clinic.staffing", f"{budget:,.0f} USD a week"
    if plan.able and not found:
        least = min(one.cost_usd_week for one in plan.able)
        raise problem(
            file, f"{place}.budget_usd_week", given, f"more: the cheapest team with the hours costs {least:,.0f}"
        )
    if len(found) > most:
        given = f"{most}, with {len(found):,} teams to compare for {given}"
        allowed = "as many as those teams: larger steps, fewer roles, or a larger bound"
        raise problem(file, f"{place}.most_teams", given, allowed)
    return found


def _lacking(clinic: ClinicPlan, arm: Arm, team: Team, file: str) -> Iterator[Problem]:
    """Work that nobody of a team can do."""
    return team.problems(file, clinic.setting.needed(arm.care), list(clinic.entry.states), clinic.n_days)


def _with_team(clinic: ClinicPlan, team: Team) -> ClinicPlan:
    return ClinicPlan(
        clinic.scenario, clinic.entry, team, clinic.setting, clinic.arms, clinic.n_replications, clinic.folder
    )


def _lacking_hours(
    candidates: Sequence[Candidate], loads: Sequence[Load], team: Team, otherwise: Mapping[str, Worker]
) -> list[list[Load]]:
    """Loads for which each team has too few hours; what people of a role are able to do adds up over the roles."""
    own = {load: load.able(team) for load in loads}
    added: dict[tuple[str, float], dict[Load, float]] = {}
    for one in {level for candidate in candidates for level in candidate.levels}:
        other = with_fte(team, dict([one]), otherwise)
        added[one] = {load: load.able(other) - own[load] for load in loads}
    return [
        [load for load in loads if load.asked_h > own[load] + sum(added[one][load] for one in candidate.levels) + _TINY]
        for candidate in candidates
    ]


@dataclass
class Trials:
    """Replications of teams, kept in a folder; people and luck of a replication are made once.

    Attributes
    ----------
    clinic : ClinicPlan
    arm : Arm
    parts : Parts
        Of the run.
    done : callable
        Called after each replication.
    """

    clinic: ClinicPlan
    arm: Arm
    parts: Parts
    done: Callable[[int], None]

    @cached_property
    def _met(self) -> dict[int, tuple[Cohort, Ensemble, dict[str, Floats]]]:
        return {}

    def numbers(self, label: str, team: Team, replication: int) -> pd.DataFrame:
        """Every metric of a replication of a team: ``metric, role, work, subgroup, unit, value``."""
        name = f"{hashlib.sha256(label.encode()).hexdigest()[:16]}-rep{replication:04d}.parquet"
        table = self.parts.table(name)
        if table is None:
            made = pa.Table.from_pandas(self._run(team, replication), preserve_index=False)
            self.parts.keep_table(name, made)
            table = self.parts.needed(name, self.parts.table(name))
        self.done(1)
        return table.to_pandas()

    def _run(self, team: Team, replication: int) -> pd.DataFrame:
        clinic, arm, seed = self.clinic, self.arm, self.clinic.seed(replication)
        if replication not in self._met:
            cohort, ensemble = clinic.cohort(replication), clinic.ensemble(replication)
            self._met[replication] = cohort, ensemble, never_short(clinic, cohort, arm, ensemble, seed)
        cohort, ensemble, free = self._met[replication]
        served = serve(cohort, arm.build, ensemble, seed, clinic.n_days, arm.care, team, clinic.setting)
        groups = subgroups(cohort, clinic.scenario.subgroups)
        ids = {name: row for row, name in enumerate(cohort.ids)}
        service = metrics(served, team, clinic.n_days, groups, ids)
        rows = []
        for outcome in ALL:
            own, other = served.outcomes[outcome.name], free[outcome.name]
            for group, who in groups.items():
                rows.append((outcome.name, "", "", group, outcome.unit, _mean(own[who])))
                rows.append((f"{outcome.name}{AGAINST}", "", "", group, outcome.unit, _mean((own - other)[who])))
        months = by_month(served, team, clinic.n_days)
        return pd.concat([service, pd.DataFrame(rows, columns=service.columns), months], ignore_index=True)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def value_of(numbers: pd.DataFrame, metric: str, role: str | None = None, subgroup: str = "all") -> float:
    """One number of a replication; NaN where there is none."""
    own = numbers[
        (numbers["metric"] == metric)
        & (numbers["role"] == (role or ""))
        & (numbers["work"] == "")
        & (numbers["subgroup"] == subgroup)
    ]
    return float(own["value"].iloc[0]) if len(own) else np.nan


def within(low: float, high: float, unit: str, metric: str) -> tuple[float, float]:
    """An interval kept within what the number can be."""
    least, most = ends_of(unit, metric)
    return max(low, least), min(high, most)


def ends_of(unit: str, metric: str) -> tuple[float, float]:
    """The least and the most that a metric can be: an outcome's, or of what counts and measures the service."""
    outcome = BY_NAME.get(metric.removesuffix(AGAINST))
    if outcome is None:
        return 0.0, 1.0 if unit.startswith("share") else np.inf
    return outcome.difference_ends if metric.endswith(AGAINST) else outcome.ends


def meets(numbers: pd.DataFrame, targets: Sequence[Target]) -> list[bool]:
    """Which targets a replication meets."""
    return [target.met(value_of(numbers, target.key, target.role)) for target in targets]


@dataclass(frozen=True)
class Searched:
    """A finished search: what it found, and the replications of each team that was tried."""

    found: SearchResult
    runs: dict[Candidate, list[pd.DataFrame]]

    @property
    def chosen(self) -> list[pd.DataFrame]:
        """Replications of the team that was chosen."""
        return [] if self.found.chosen is None else self.runs[self.found.chosen]


def run_search(plan: StaffingPlan, parts: Parts, tick: Callable[[int], None]) -> Searched:
    """Search for the team; finished replications are kept in ``parts``."""
    trials = Trials(plan.clinic, plan.arm, parts, tick)
    if not plan.able:
        return Searched(SearchResult(), {})
    return _least_harm(plan, trials) if plan.entry.minimise == "harm" else _least_price(plan, trials)


def _least_harm(plan: StaffingPlan, trials: Trials) -> Searched:
    """The team of the budget whose patients lose least."""
    entry, teams = plan.entry, plan.contenders
    people = [plan.team(one) for one in teams]
    runs: dict[Candidate, list[pd.DataFrame]] = {one: [] for one in teams}
    sign = -1.0 if entry.loses.direction == "higher" else 1.0

    def lost(k: int, replication: int) -> float:
        numbers = trials.numbers(teams[k].name, people[k], replication)
        runs[teams[k]].append(numbers)
        return sign * np.nan_to_num(value_of(numbers, f"{entry.loses.name}{AGAINST}"))  # nobody has it: nothing lost

    said = select(len(teams), lost, entry.unimportant, 1.0 - entry.confidence, entry.most_replications)
    first, others = (Verdict.BEST, Verdict.AS_GOOD) if said.decided else (Verdict.STILL_IN, Verdict.STILL_IN)
    tried = dict.fromkeys(teams, Verdict.ELIMINATED) | {teams[k]: others for k in said.still_in}
    chosen = teams[said.still_in[0]]
    return Searched(SearchResult(chosen, tried | {chosen: first}, not said.decided), runs)


def _least_price(plan: StaffingPlan, trials: Trials) -> Searched:
    """The cheapest, or smallest, team that meets its targets."""
    runs: dict[Candidate, list[pd.DataFrame]] = {}

    def judge(candidate: Candidate) -> Verdict:
        team, own = plan.team(candidate), runs.setdefault(candidate, [])
        if any(True for _ in _lacking(plan.clinic, plan.arm, team, "")):
            return Verdict.FAILS  # nobody for some of the work, such as nobody with a licence
        met: list[bool] = []
        while (said := plan.rule.verdict(met)) is None:
            own.append(trials.numbers(candidate.name, team, len(own)))
            met.append(all(meets(own[-1], plan.entry.targets)))
        return said

    def price(candidate: Candidate) -> float:
        return candidate.cost_usd_week if plan.entry.minimise == "cost" else candidate.fte

    return Searched(search(plan.able, price, judge, plan.entry.most_teams, plan.today), runs)


def staffing_table(plan: StaffingPlan, found: SearchResult, runs: dict[Candidate, list[pd.DataFrame]]) -> pd.DataFrame:
    """``staffing.csv``: every team that was tried, its roles, its numbers; only the largest where none can serve."""
    rows: list[tuple[Any, ...]] = []
    for candidate in found.tried or [plan.largest]:
        team = plan.team(candidate)
        verdict = found.tried[candidate].value if candidate in found.tried else "cannot serve"
        numbers = runs.get(candidate, [])
        parts = {queue: Team(tuple(team.of(queue))) for queue in sorted({w.role.queue for w in team.workers})}
        heads: dict[str, tuple[Any, ...]] = {"all": (candidate.name, "all", candidate.fte, candidate.cost_usd_week)}
        for queue, part in parts.items():
            heads[queue] = candidate.name, queue, part.fte(queue), weekly_cost(part)
        for name, some in (("planned_load", plan.loads), ("planned_load_enrolling", plan.enrolling)):
            for load in some:
                if load.queue in heads:
                    metric = name if load.state is None else f"{name}_{load.state}"
                    share = replace(load, able_h=load.able(team)).share
                    tail = ("share of duty", "", verdict, 0)
                    rows.append((*heads[load.queue], metric, share, np.nan, np.nan, np.nan, *tail))
        if not numbers:
            continue
        met = np.array([meets(one, plan.entry.targets) for one in numbers])
        every = met.all(axis=1)
        low, high = share_interval(int(every.sum()), len(every))
        tail = ("share of replications", "; ".join(map(str, plan.entry.targets)), verdict, len(every))
        rows.append((*heads["all"], ALL_TARGETS, every.mean(), low, high, every.mean(), *tail))
        known = {(target.key, target.role or "all"): k for k, target in enumerate(plan.entry.targets)}
        against = [f"{harm}{AGAINST}" for harm in (*HARMS, plan.entry.loses.name)]
        wanted = [(name, "all") for name in (*CLINIC_METRICS, *HARMS, *against)]
        wanted += [(name, queue) for queue in parts for name in ROLE_METRICS]
        for key in dict.fromkeys([*known, *wanted]):
            metric, role = key
            values = np.array([value_of(one, metric, None if role == "all" else role) for one in numbers])
            if np.isnan(values).all():
                continue
            unit = next(iter(numbers[0].loc[numbers[0]["metric"] == metric, "unit"]), "")
            own = estimate(values)
            lo95, hi95 = within(own.lo95, own.hi95, unit, metric)
            k = known.get(key)
            share, said = (np.nan, "") if k is None else (float(met[:, k].mean()), str(plan.entry.targets[k]))
            head = heads.get(role, (candidate.name, role, 0.0, 0.0))
            rows.append((*head, metric, own.mean, lo95, hi95, share, unit, said, verdict, len(values)))
    return pd.DataFrame(rows, columns=[*COLUMNS, *MORE_COLUMNS])


def long_table(runs: dict[Candidate, list[pd.DataFrame]]) -> pd.DataFrame:
    """Every number of every replication, work by work left out."""
    tables_ = [
        one[one["work"] == ""].drop(columns="work").assign(team=candidate.name, replication=k)
        for candidate, numbers in runs.items()
        for k, one in enumerate(numbers)
    ]
    columns = ["team", "replication", *(name for name in KEY if name != "work"), "value"]
    return pd.concat(tables_)[columns] if tables_ else pd.DataFrame(columns=columns)
