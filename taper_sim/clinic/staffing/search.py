"""Search for the cheapest team that meets its targets, over a grid of teams. Imports ``clinic.team``, ``calendars``.

The search handles teams and verdicts, not patients: the caller provides the verdict of a team. The search assumes that
more staff of a role never make a team worse (assumption A45). A team that fails therefore excludes every team with no
more staff in any role.

1. Test the largest team. If it fails, no team meets the targets.
2. If today's team is a candidate and meets the targets, reduce it one step of one role at a time, the largest saving
   first, while the smaller team still meets them. A search that stops early then returns a team no dearer than today's.
3. For each role, with all others at their largest: find the fewest staff by bisection.
4. Test the remaining teams in order of price until one meets the targets.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.staffing.feasibility import Verdict
from taper_sim.clinic.team import FULL_TIME_H, Team, Worker
from taper_sim.units import WEEK_D

_TINY: Final = 1e-9
"""Tolerance for rounding, FTE and USD a week."""


@dataclass(frozen=True)
class Candidate:
    """A team of the grid.

    Attributes
    ----------
    levels : tuple of (str, float)
        FTE of each role that the search varies.
    cost_usd_week : float
        Cost of all hours on duty and on call in a week without leave, USD.
    fte : float
        FTE of the whole team.
    """

    levels: tuple[tuple[str, float], ...]
    cost_usd_week: float
    fte: float

    @property
    def name(self) -> str:
        """Name in tables."""
        return ", ".join(f"{role} {fte:g}" for role, fte in self.levels)

    def within(self, other: "Candidate") -> bool:
        """Whether this team has no more FTE than another in any role."""
        pairs = zip(self.levels, other.levels, strict=True)
        return all(fte <= other_fte + _TINY for (_, fte), (_, other_fte) in pairs)


def lever(team: Team, role: str, otherwise: Worker) -> tuple[Worker, float]:
    """The worker of a role whose number the search varies, and the FTE of the role's workers who differ from them.

    Parameters
    ----------
    team : Team
    role : str
    otherwise : Worker
        Result for a team without the role.
    """
    members = [worker for worker in team.workers if worker.role.name == role and worker.hours_a_week > 0]
    if not members:  # no worker, or on-call workers only
        return otherwise, 0.0
    return members[0], sum(w.hours_a_week for w in members if not _alike(w, members[0])) / FULL_TIME_H


def _alike(first: Worker, second: Worker) -> bool:
    return replace(first, name="", leave=()) == replace(second, name="", leave=())


def with_fte(team: Team, levels: Mapping[str, float], otherwise: Mapping[str, Worker]) -> Team:
    """The team with given FTE of some roles.

    Workers like the first of the role are added or removed. A fraction of an FTE is a worker on the first part of each
    of the same shifts.

    Raises
    ------
    ValueError
        If the other workers of a role, who stay, exceed the given FTE.
    """
    workers = list(team.workers)
    for role, fte in levels.items():
        model, rest = lever(team, role, otherwise[role])
        posts = (fte - rest) * FULL_TIME_H / model.hours_a_week
        if posts < -_TINY:
            raise ValueError(f"{fte:g} FTE of {role}, of which {rest:g} work other shifts than the first")
        alike = [w for w in workers if w.role.name == role and _alike(w, model)]
        others = [w for w in workers if w.role.name == role and not _alike(w, model)]
        whole = int(posts + _TINY)
        number = len(alike) + len(others)
        new = alike[:whole]
        new += [replace(model, name=f"{role} {number + k + 1}", leave=()) for k in range(whole - len(new))]
        part = posts - whole
        if part > _TINY:
            shifts = tuple(part_of(shift, part) for shift in model.shifts)
            new.append(replace(model, name=f"{role} part time", leave=(), shifts=shifts))
        first = next((k for k, w in enumerate(workers) if w.role.name == role), len(workers))
        before = [w for w in workers[:first] if w.role.name != role]
        workers = [*before, *new, *others, *(w for w in workers[first:] if w.role.name != role)]
    return Team(tuple(workers))


def part_of(shift: Shift, share: float) -> Shift:
    """The first part of a shift's working time; an on-call shift stays whole."""
    if shift.urgent_only:
        return shift
    off = sum(end - start for start, end in shift.breaks)
    left = share * (shift.end_min - shift.start_min - off)
    at, breaks = shift.start_min, []
    for start, end in sorted(shift.breaks):
        if left <= start - at:
            break
        left -= start - at
        at = end
        breaks.append((start, end))
    return replace(shift, end_min=at + left, breaks=tuple(breaks))


def around(team: Team) -> dict[str, tuple[float, float, float]]:
    """Ranges from half to twice today's FTE, by role: least FTE, most FTE, step; workers on other shifts stay."""
    ranges = {}
    for role in dict.fromkeys(w.role.name for w in team.workers if w.hours_a_week > 0):
        members = [worker for worker in team.workers if worker.role.name == role]
        _, rest = lever(team, role, members[0])
        half = (sum(worker.hours_a_week for worker in members) / FULL_TIME_H - rest) / 2.0
        ranges[role] = round(rest + half, 6), round(rest + 4.0 * half, 6), round(1.5 * half, 6)
    return ranges


def weekly_cost(team: Team) -> float:
    """Cost of a week without leave, USD."""
    present = Team(tuple(replace(worker, leave=(), holidays=frozenset()) for worker in team.workers))
    return present.cost_usd(2 * WEEK_D) - present.cost_usd(WEEK_D)


def candidates(team: Team, levels: Mapping[str, Sequence[float]], otherwise: Mapping[str, Worker]) -> list[Candidate]:
    """Every combination of the levels; the costs and FTE of the roles are additive."""
    base_cost, base_fte = weekly_cost(team), total_fte(team)
    added = {}
    for role, ftes in levels.items():
        for fte in ftes:
            changed = with_fte(team, {role: fte}, otherwise)
            added[role, fte] = weekly_cost(changed) - base_cost, total_fte(changed) - base_fte
    grid = []
    for ftes in itertools.product(*levels.values()):
        combination = tuple(zip(levels, ftes, strict=True))
        cost = base_cost + sum(added[level][0] for level in combination)
        fte = base_fte + sum(added[level][1] for level in combination)
        grid.append(Candidate(combination, round(cost, 6), round(fte, 6)))
    return grid


def total_fte(team: Team) -> float:
    """Full-time equivalents of the whole team."""
    return sum(worker.hours_a_week for worker in team.workers) / FULL_TIME_H


def within_budget(candidates: Sequence[Candidate], budget_usd_week: float) -> list[Candidate]:
    """Undominated teams within a budget, the cheapest first; a dominated team is within another affordable team.

    More staff of a role never make a team worse (assumption A45). The best of these teams is therefore the best within
    the budget.
    """
    affordable = [team for team in candidates if team.cost_usd_week <= budget_usd_week + _TINY]
    kept: list[Candidate] = []
    for team in sorted(affordable, key=lambda team: -sum(fte for _, fte in team.levels)):  # dominating teams first
        if not any(team.within(other) for other in kept):
            kept.append(team)
    return sorted(kept, key=lambda team: (team.cost_usd_week, team.fte, team.levels))


@dataclass
class SearchResult:
    """Result of a search.

    Attributes
    ----------
    chosen : Candidate or None
        The cheapest team that meets the targets; if ``stopped``, the cheapest one of the tested teams. In a comparison
        of harm, the team with the least harm; if ``stopped``, the least harm so far.
    tried : dict of Candidate to Verdict
        Tested teams, in order.
    stopped : bool
        The search reached its largest number of teams or replications.
    """

    chosen: Candidate | None = None
    tried: dict[Candidate, Verdict] = field(default_factory=dict)
    stopped: bool = False


class _TeamLimitError(Exception):
    """The search has tested its largest number of teams."""


def search(
    candidates: Sequence[Candidate],
    price: Callable[[Candidate], float],
    judge: Callable[[Candidate], Verdict],
    most_teams: int,
    today: Candidate | None = None,
) -> SearchResult:
    """Find the cheapest team that meets its targets.

    Parameters
    ----------
    candidates : sequence of Candidate
        Teams that the bounds do not exclude, with the largest team.
    price : callable
        Quantity to minimise: cost or FTE.
    judge : callable
        Verdict of a team.
    most_teams : int
        Largest number of teams to test.
    today : Candidate, optional
        Today's team, one of ``candidates``.

    Returns
    -------
    SearchResult
    """
    result = SearchResult()

    def verdict(team: Candidate) -> Verdict:
        if team not in result.tried:
            if len(result.tried) >= most_teams:
                raise _TeamLimitError
            result.tried[team] = judge(team)
        return result.tried[team]

    def excluded(team: Candidate) -> bool:
        return any(tested is Verdict.FAILS and team.within(other) for other, tested in result.tried.items())

    def order(team: Candidate) -> tuple[float, float, tuple[tuple[str, float], ...]]:
        return price(team), team.fte, team.levels

    try:
        largest = max(candidates, key=lambda team: team.levels)
        if verdict(largest) is Verdict.MEETS:
            best = today
            while best is not None and verdict(best) is Verdict.MEETS:
                smaller = (team for team in sorted(_one_step_down(best, candidates), key=order) if not excluded(team))
                best = next((team for team in smaller if verdict(team) is Verdict.MEETS), None)
            for role, _ in largest.levels:
                _bisect([team for team in candidates if _differs_in(team, largest, role)], role, verdict)
            for team in sorted(candidates, key=order):
                if not excluded(team) and verdict(team) is Verdict.MEETS:
                    break
    except _TeamLimitError:
        result.stopped = True
    met = [team for team, tested in result.tried.items() if tested is Verdict.MEETS]
    result.chosen = min(met, key=order, default=None)
    return result


def _one_step_down(team: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Teams with one step less of one role, one for each role."""
    reduced = []
    for role, fte in team.levels:
        less = [
            other for other in candidates if _differs_in(other, team, role) and dict(other.levels)[role] < fte - _TINY
        ]
        if less:
            reduced.append(max(less, key=lambda other: dict(other.levels)[role]))
    return reduced


def _differs_in(first: Candidate, second: Candidate, role: str) -> bool:
    """Whether two teams differ in no role but one."""
    pairs = zip(first.levels, second.levels, strict=True)
    return all(fte == other_fte or name == role for (name, fte), (_, other_fte) in pairs)


def _bisect(teams: list[Candidate], role: str, verdict: Callable[[Candidate], Verdict]) -> None:
    """Test the teams of one role by bisection for the smallest that does not fail; the largest does not fail."""
    ordered = sorted(teams, key=lambda team: dict(team.levels)[role])
    low, high = 0, len(ordered) - 1
    while low < high:
        middle = (low + high) // 2
        if verdict(ordered[middle]) is Verdict.FAILS:
            low = middle + 1
        else:
            high = middle


def larger_team(team: Team, queue: str) -> Team:
    """The team with an additional worker of a queue, like its first worker but without leave."""
    members = team.of(queue)
    taken = {worker.name for worker in team.workers}
    names = (f"{members[0].role.name} {k}" for k in itertools.count(len(members) + 1))
    name = next(name for name in names if name not in taken)
    return Team((*team.workers, replace(members[0], name=name, leave=())))
