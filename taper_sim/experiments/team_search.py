"""Find the smallest team of a scenario that meets its targets. Imports ``clinic_plan``, ``clinic.staffing``.

In each replication every team serves the same patients with the same random numbers and the same draw of the parameters
(common random numbers). ``parts`` holds finished replications: rerun the same command to resume.
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
from taper_sim.clinic.ramp import by_month
from taper_sim.clinic.replications import estimate
from taper_sim.clinic.service import KEY, metrics
from taper_sim.clinic.staffing.bounds import Load
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
from taper_sim.comparison.task_pool import Finisher, run_here
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.experiments.clinic_case import ClinicCase, cases_of
from taper_sim.experiments.clinic_plan import (
    ClinicPlan,
    plan_of,
    planned_loads,
    planned_loads_of_enrolment,
    read_clinic,
    refuse_large_clinic,
)
from taper_sim.run_folder import Parts
from taper_sim.scenario.building import Overrides, overridden
from taper_sim.scenario.clinic_schema import StaffEntry
from taper_sim.scenario.schema import Scenario
from taper_sim.scenario.staffing_schema import AGAINST, CLINIC_METRICS, ROLE_METRICS, FteRange, StaffingEntry, Target

TEAM_COLUMNS: Final = ("team", "role", "fte", "cost", "metric", "estimate", "lo95", "hi95", "p_meets")
MORE_COLUMNS: Final = ("unit", "target", "verdict", "n_replications")
ALL_TARGETS: Final = "all_targets"
_TINY: Final = 1e-9
"""Tolerance for rounding, FTE and hours."""
Levels = tuple[tuple[str, float], ...]
TEAM_HARMS: Final = (
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
    """Everything that the numbers of a search depend on."""

    clinic: ClinicPlan
    entry: StaffingEntry
    arm: Arm
    able: list[Candidate]
    """Teams with enough hours for the planned work, in total and in each state that needs a licence."""
    n_unable: int
    largest: Candidate
    loads: list[Load]
    """Planned work of the largest team, of all patients and by state, the highest load first."""
    enrolling: list[Load]
    """Planned work of the largest team while the panel enrols."""
    contenders: list[Candidate]
    """Teams whose harm is compared: with ``minimise: harm`` those within the budget, else none."""
    n_lacking: dict[Load, int]
    """Number of teams without the hours for each of ``loads``; of the remaining teams, for each of ``enrolling``."""
    otherwise: dict[str, Worker] = field(repr=False)

    @property
    def rule(self) -> TargetTest:
        """Test of one team: the permitted error is divided among the teams that may be tried, except at the bound."""
        entry, error = self.entry, 1.0 - self.entry.confidence
        most = entry.most_replications
        return TargetTest(entry.probability, entry.unimportant, error / entry.most_teams, most, at_bound=error)

    @property
    def today(self) -> Candidate | None:
        """Today's team, None if it is not among the candidates."""
        hours_of: dict[str, float] = {}
        for worker in self.clinic.team.workers:
            hours_of[worker.role.name] = hours_of.get(worker.role.name, 0.0) + worker.hours_a_week
        same = (
            candidate
            for candidate in self.able
            if all(abs(hours_of.get(role, 0.0) / FULL_TIME_H - fte) < _TINY for role, fte in candidate.levels)
        )
        return next(same, None)

    def team(self, candidate: Candidate) -> Team:
        """The workers of a candidate."""
        return with_fte(self.clinic.team, dict(candidate.levels), self.otherwise)


def read_staffing(path: Path, change: Overrides, *, sure: bool = False) -> StaffingPlan:
    """Read a scenario with a clinic, and plan the search for its team.

    Raises
    ------
    InputError
        With every problem; unless ``sure``, also if the replications of one team are a large run.
    """
    scenario = overridden(read_clinic(path), change)
    entry = None if scenario.clinic is None else scenario.clinic.staffing or StaffingEntry()
    refuse_large_clinic(scenario, path, None if entry is None else entry.most_replications, sure=sure)
    return staffing_plan_of(scenario, path)


def staffing_plan_of(scenario: Scenario, path: Path) -> StaffingPlan:
    """Plan of the search for a scenario; raises InputError with every problem."""
    if scenario.clinic is None:
        raise problem(str(path), "clinic", "nothing", "a clinic: its team and how it works (docs/clinic.md)")
    entry = scenario.clinic.staffing or StaffingEntry()
    if scenario.clinic.unlimited:
        raise problem(str(path), "clinic.unlimited", "unlimited staff", "a team: the search starts from it")
    clinic = plan_of(scenario, path, entry.most_replications)
    if not entry.fte:
        spans = {role: FteRange(least=a, most=b, step=c) for role, (a, b, c) in around(clinic.team).items()}
        entry = entry.model_copy(update={"fte": spans})
    names = [arm.name for arm in clinic.arms]
    if entry.protocol is not None and entry.protocol not in names:
        given = f"{shown(entry.protocol)}, no protocol of the scenario{nearest(entry.protocol, names)}"
        raise problem(str(path), "clinic.staffing.protocol", given, f"one of {', '.join(names)}")
    arm = clinic.arms[0 if entry.protocol is None else names.index(entry.protocol)]
    holidays = clinic.setting.opening.holidays
    otherwise = {role: replace(StaffEntry(role=role).workers(1)[0], holidays=holidays) for role in entry.fte}
    levels = {role: span.levels() for role, span in entry.fte.items()}
    problems = []
    for role, fte_levels in levels.items():
        try:
            with_fte(clinic.team, {role: fte_levels[0]}, otherwise)
        except ValueError as error:
            place = f"clinic.staffing.fte.{role}.least"
            problems.append(Problem(str(path), place, str(error), "at least the FTE of those workers"))
    if problems:
        raise InputError(problems)
    grid = candidates(clinic.team, levels, otherwise)
    largest = max(grid, key=lambda candidate: candidate.levels)
    largest_team = with_fte(clinic.team, dict(largest.levels), otherwise)
    with_largest = replace(clinic, team=largest_team)
    loads = sorted(planned_loads(with_largest)[arm.name], key=lambda load: -load.share)
    enrolling = planned_loads_of_enrolment(with_largest)[arm.name]
    lacking = list(_lacking(clinic, arm, largest_team, f"{path}: clinic.staffing.fte, all at their most"))
    if lacking:
        raise InputError(lacking)
    too_high = _lacking_hours(grid, loads, clinic.team, otherwise)
    able = [candidate for candidate, excess in zip(grid, too_high, strict=True) if not excess]
    too_high_enrolling = _lacking_hours(able, enrolling, clinic.team, otherwise)
    n_lacking = Counter(load for excess in (*too_high, *too_high_enrolling) for load in excess)
    plan = StaffingPlan(
        clinic, entry, arm, able, len(grid) - len(able), largest, loads, enrolling, [], n_lacking, otherwise
    )
    return plan if entry.budget_usd_week is None else replace(plan, contenders=_contenders(plan, str(path)))


def _contenders(plan: StaffingPlan, file: str) -> list[Candidate]:
    """Teams within the budget; raises InputError if there are none or too many."""
    budget, most = plan.entry.budget_usd_week or 0.0, plan.entry.most_teams
    teams = [
        candidate
        for candidate in within_budget(plan.able, budget)
        if not any(True for _ in _lacking(plan.clinic, plan.arm, plan.team(candidate), ""))
    ]
    place, given = "clinic.staffing", f"{budget:,.0f} USD a week"
    if plan.able and not teams:
        least = min(candidate.cost_usd_week for candidate in plan.able)
        raise problem(
            file, f"{place}.budget_usd_week", given, f"more: the cheapest team with enough hours costs {least:,.0f}"
        )
    if len(teams) > most:
        given = f"{most}, with {len(teams):,} teams to compare for {given}"
        allowed = "at least the number of teams: use larger steps, fewer roles, or a larger bound"
        raise problem(file, f"{place}.most_teams", given, allowed)
    return teams


def _lacking(clinic: ClinicPlan, arm: Arm, team: Team, file: str) -> Iterator[Problem]:
    """Problems: kinds of work that no worker of a team can do."""
    return team.problems(file, clinic.setting.needed(arm.care), list(clinic.entry.states), clinic.n_days)


def _lacking_hours(
    candidates: Sequence[Candidate], loads: Sequence[Load], team: Team, otherwise: Mapping[str, Worker]
) -> list[list[Load]]:
    """Loads for which each team has too few hours; only the roles that may do the work of a queue count for it."""
    workers = [*team.workers, *otherwise.values()]
    able: dict[tuple[Load, Levels], float] = {}
    lacking: list[list[Load]] = [[] for _ in candidates]
    for load in loads:
        roles = {worker.role.name for worker in workers if load.queue in (worker.role.queue, *worker.stands_in_for)}
        for candidate, short_of in zip(candidates, lacking, strict=True):
            levels = tuple(level for level in candidate.levels if level[0] in roles)
            if (load, levels) not in able:
                able[load, levels] = load.able(with_fte(team, dict(levels), otherwise))
            if load.asked_h > able[load, levels] + _TINY:
                short_of.append(load)
    return lacking


@dataclass(frozen=True)
class _FreeTask:
    """The outcomes of a panel with unlimited staff."""

    case: ClinicCase

    def run(self) -> dict[str, Floats]:
        """Outcomes by name, (n,)."""
        return self.case.unlimited_staff_outcomes()


@dataclass(frozen=True)
class _TeamTask:
    """One replication of a team, with the outcomes of the same panel with unlimited staff."""

    case: ClinicCase
    free: Mapping[str, Floats]

    def run(self) -> pd.DataFrame:
        """Metrics ``metric, role, work, subgroup, unit, value``."""
        case, free = self.case, self.free
        served = case.served()
        service = metrics(served, case.team, case.n_days, case.groups, case.row_of)
        rows = []
        for outcome in ALL:
            limited, unlimited = served.outcomes[outcome.name], free[outcome.name]
            for group, who in case.groups.items():
                rows.append((outcome.name, "", "", group, outcome.unit, _mean(limited[who])))
                rows.append(
                    (f"{outcome.name}{AGAINST}", "", "", group, outcome.unit, _mean((limited - unlimited)[who]))
                )
        months = by_month(served, case.team, case.n_days)
        return pd.concat([service, pd.DataFrame(rows, columns=service.columns), months], ignore_index=True)


@dataclass(frozen=True)
class Trial:
    """A replication of a team: the name under which it is kept, the team, the number of the replication."""

    label: str
    team: Team
    replication: int

    @property
    def part(self) -> str:
        """Name of its part."""
        return f"{hashlib.sha256(self.label.encode()).hexdigest()[:16]}-rep{self.replication:04d}.parquet"


@dataclass
class Trials:
    """Replications of teams, kept as parts; the patients of a replication are sampled once.

    Attributes
    ----------
    clinic : ClinicPlan
    arm : Arm
    parts : Parts
        Of the run.
    on_progress : callable
        Called with 1 after each replication.
    finish : Finisher
        Runs the replications that are not finished.
    """

    clinic: ClinicPlan
    arm: Arm
    parts: Parts
    on_progress: Callable[[int], None]
    finish: Finisher = run_here

    @cached_property
    def _references(self) -> dict[int, tuple[ClinicCase, dict[str, Floats]]]:
        return {}

    def numbers(self, trials: Sequence[Trial]) -> list[pd.DataFrame]:
        """Metrics of replications of teams, in the order of the trials: ``metric, role, work, subgroup, unit, value``.

        Those that are not finished run at the same time.
        """
        waiting = [trial for trial in dict.fromkeys(trials) if self.parts.table(trial.part) is None]
        self._prepare({trial.replication for trial in waiting})
        self.on_progress(len(trials) - len(waiting))

        def tasks() -> Iterator[tuple[Trial, _TeamTask]]:
            for trial in waiting:
                case, free = self._references[trial.replication]
                yield trial, _TeamTask(replace(case, team=trial.team), free)

        numbers: pd.DataFrame
        for trial, numbers in self.finish(tasks()):
            self.parts.keep_table(trial.part, pa.Table.from_pandas(numbers, preserve_index=False))
            self.on_progress(1)
        return [self.parts.needed(trial.part, self.parts.table(trial.part)).to_pandas() for trial in trials]

    def _prepare(self, replications: set[int]) -> None:
        """Sample the panels of replications, and follow them with unlimited staff."""
        missing = sorted(replications - self._references.keys())
        cases = {k: cases_of(self.clinic, k, [self.arm])[0] for k in missing}
        free: dict[str, Floats]
        for k, free in self.finish((k, _FreeTask(case)) for k, case in cases.items()):
            self._references[k] = cases[k], free


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def value_of(numbers: pd.DataFrame, metric: str, role: str | None = None, subgroup: str = "all") -> float:
    """Value of one metric of a replication; NaN if the replication does not have it."""
    rows = numbers[
        (numbers["metric"] == metric)
        & (numbers["role"] == (role or ""))
        & (numbers["work"] == "")
        & (numbers["subgroup"] == subgroup)
    ]
    return float(rows["value"].iloc[0]) if len(rows) else np.nan


def within(low: float, high: float, unit: str, metric: str) -> tuple[float, float]:
    """An interval, clipped to the range of the metric."""
    least, most = ends_of(unit, metric)
    return max(low, least), min(high, most)


def ends_of(unit: str, metric: str) -> tuple[float, float]:
    """Lowest and highest possible value of a metric of the patients or of the service."""
    outcome = BY_NAME.get(metric.removesuffix(AGAINST))
    if outcome is None:
        return 0.0, 1.0 if unit.startswith("share") else np.inf
    return outcome.difference_ends if metric.endswith(AGAINST) else outcome.ends


def meets(numbers: pd.DataFrame, targets: Sequence[Target]) -> list[bool]:
    """For each target, whether a replication meets it."""
    return [target.met(value_of(numbers, target.key, target.role)) for target in targets]


def margin_of(numbers: pd.DataFrame, targets: Sequence[Target]) -> float:
    """Margin of a replication: that of the target with the least; at least 0 if it meets all targets."""
    return min(target.margin(value_of(numbers, target.key, target.role)) for target in targets)


@dataclass(frozen=True)
class SearchRun:
    """A finished search: its result, and the replications of each team that was tried."""

    result: SearchResult
    runs: dict[Candidate, list[pd.DataFrame]]

    @property
    def chosen(self) -> list[pd.DataFrame]:
        """Replications of the chosen team; empty if none was chosen."""
        return [] if self.result.chosen is None else self.runs[self.result.chosen]


def run_search(
    plan: StaffingPlan, parts: Parts, on_progress: Callable[[int], None], finish: Finisher = run_here
) -> SearchRun:
    """Search for the team; ``parts`` keeps finished replications, ``finish`` runs those that may run together."""
    trials = Trials(plan.clinic, plan.arm, parts, on_progress, finish)
    if not plan.able:
        return SearchRun(SearchResult(), {})
    return _least_harm(plan, trials) if plan.entry.minimise == "harm" else _least_price(plan, trials)


def _least_harm(plan: StaffingPlan, trials: Trials) -> SearchRun:
    """Find the team within the budget whose patients lose least."""
    entry, teams = plan.entry, plan.contenders
    workers = [plan.team(team) for team in teams]
    runs: dict[Candidate, list[pd.DataFrame]] = {team: [] for team in teams}
    sign = -1.0 if entry.loses.direction == "higher" else 1.0

    def run_ahead(wanted: Sequence[tuple[int, int]]) -> None:
        numbers = trials.numbers([Trial(teams[k].name, workers[k], replication) for k, replication in wanted])
        for (k, _), replication_numbers in zip(wanted, numbers, strict=True):
            runs[teams[k]].append(replication_numbers)

    def lost(k: int, replication: int) -> float:
        value = value_of(runs[teams[k]][replication], f"{entry.loses.name}{AGAINST}")
        return sign * np.nan_to_num(value)  # no patient has the outcome: no loss

    selection = select(len(teams), lost, entry.unimportant, 1.0 - entry.confidence, entry.most_replications, run_ahead)
    first, others = (Verdict.BEST, Verdict.AS_GOOD) if selection.decided else (Verdict.STILL_IN, Verdict.STILL_IN)
    tried = dict.fromkeys(teams, Verdict.ELIMINATED) | {teams[k]: others for k in selection.still_in}
    chosen = teams[selection.still_in[0]]
    return SearchRun(SearchResult(chosen, tried | {chosen: first}, not selection.decided), runs)


def _least_price(plan: StaffingPlan, trials: Trials) -> SearchRun:
    """Find the cheapest or smallest team that meets its targets."""
    runs: dict[Candidate, list[pd.DataFrame]] = {}

    def observe(wanted: Sequence[tuple[Candidate, int]]) -> list[float]:
        numbers = trials.numbers([Trial(team.name, plan.team(team), replication) for team, replication in wanted])
        for (team, _), replication_numbers in zip(wanted, numbers, strict=True):
            runs.setdefault(team, []).append(replication_numbers)
        return [margin_of(replication_numbers, plan.entry.targets) for replication_numbers in numbers]

    def price(candidate: Candidate) -> float:
        return candidate.cost_usd_week if plan.entry.minimise == "cost" else candidate.fte

    seed, most = plan.clinic.scenario.seed, plan.entry.most_teams
    team = search(plan.able, price, observe, plan.rule, most, plan.today, _without_a_worker(plan), seed)
    return SearchRun(team, runs)


def _without_a_worker(plan: StaffingPlan) -> set[Candidate]:
    """Teams without a worker for some of the work, for example without one with a licence."""
    lacks: dict[frozenset[Worker], bool] = {}  # by the kinds of workers: their number does not matter
    unable = set()
    for candidate in plan.able:
        team = plan.team(candidate)
        kinds = frozenset(replace(worker, name="", leave=(), shifts=()) for worker in team.workers)
        if kinds not in lacks:
            lacks[kinds] = any(True for _ in _lacking(plan.clinic, plan.arm, team, ""))
        if lacks[kinds]:
            unable.add(candidate)
    return unable


def staffing_table(plan: StaffingPlan, result: SearchResult, runs: dict[Candidate, list[pd.DataFrame]]) -> pd.DataFrame:
    """Table of ``staffing.csv``: every tried team by role and metric; the largest if no team has the hours."""
    rows: list[tuple[Any, ...]] = []
    for candidate in result.tried or [plan.largest]:
        team = plan.team(candidate)
        verdict = result.tried[candidate].value if candidate in result.tried else "cannot serve"
        numbers = runs.get(candidate, [])
        parts = {queue: Team(tuple(team.of(queue))) for queue in sorted({w.role.queue for w in team.workers})}
        heads: dict[str, tuple[Any, ...]] = {"all": (candidate.name, "all", candidate.fte, candidate.cost_usd_week)}
        for queue, part in parts.items():
            heads[queue] = candidate.name, queue, part.fte(queue), weekly_cost(part)
        for load in (*plan.loads, *plan.enrolling):
            if load.queue in heads:
                metric = load.metric if load.state is None else f"{load.metric}_{load.state}"
                share = replace(load, able_h=load.able(team)).share
                tail = ("share of duty", "", verdict, 0)
                rows.append((*heads[load.queue], metric, share, np.nan, np.nan, np.nan, *tail))
        if not numbers:
            continue
        met = np.array([meets(replication, plan.entry.targets) for replication in numbers])
        met_all = met.all(axis=1)
        low, high = share_interval(int(met_all.sum()), len(met_all))
        tail = ("share of replications", "; ".join(map(str, plan.entry.targets)), verdict, len(met_all))
        rows.append((*heads["all"], ALL_TARGETS, met_all.mean(), low, high, met_all.mean(), *tail))
        target_of = {(target.key, target.role or "all"): k for k, target in enumerate(plan.entry.targets)}
        against = [f"{harm}{AGAINST}" for harm in (*TEAM_HARMS, plan.entry.loses.name)]
        keys = [(name, "all") for name in (*CLINIC_METRICS, *TEAM_HARMS, *against)]
        keys += [(name, queue) for queue in parts for name in ROLE_METRICS]
        for key in dict.fromkeys([*target_of, *keys]):
            metric, role = key
            values = np.array(
                [value_of(replication, metric, None if role == "all" else role) for replication in numbers]
            )
            if np.isnan(values).all():
                continue
            unit = next(iter(numbers[0].loc[numbers[0]["metric"] == metric, "unit"]), "")
            mean = estimate(values)
            lo95, hi95 = within(mean.lo95, mean.hi95, unit, metric)
            k = target_of.get(key)
            share, target = (np.nan, "") if k is None else (float(met[:, k].mean()), str(plan.entry.targets[k]))
            head = heads.get(role, (candidate.name, role, 0.0, 0.0))
            rows.append((*head, metric, mean.mean, lo95, hi95, share, unit, target, verdict, len(values)))
    return pd.DataFrame(rows, columns=[*TEAM_COLUMNS, *MORE_COLUMNS])


def long_table(runs: dict[Candidate, list[pd.DataFrame]]) -> pd.DataFrame:
    """Table of ``replications.csv``: every metric of every replication, without the rows by kind of work."""
    tables = [
        numbers[numbers["work"] == ""].drop(columns="work").assign(team=candidate.name, replication=k)
        for candidate, replications in runs.items()
        for k, numbers in enumerate(replications)
    ]
    columns = ["team", "replication", *(name for name in KEY if name != "work"), "value"]
    return pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)
