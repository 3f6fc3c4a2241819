"""Which team: candidates of a range, and the search for the cheapest that meets its targets. Imports ``clinic``.

The search knows teams and verdicts, no patients: whoever calls it says what a team's verdict is. That more people of
one role never make a team worse is taken for granted (assumption A45); a team that fails is then an answer for every
team that has no more of any role.

1. The largest team. If that fails, none meets.
2. Today's team, if it is one of those in question and meets: from it down, one step of one role at a time, what saves
   most first, as long as the smaller team meets. A search that has to stop then has an answer no dearer than today's.
3. Each role alone, everybody else at the largest: the fewest of that role, by halving.
4. From the cheapest team that is left up, until one meets.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.staffing.feasibility import Verdict
from taper_sim.clinic.team import FULL_TIME_H, Team, Worker

WEEK_D: Final = 7
_TINY: Final = 1e-9
"""FTE below which nobody is left over."""


@dataclass(frozen=True)
class Candidate:
    """A team that could be.

    Attributes
    ----------
    levels : tuple of (str, float)
        FTE of each role that the search changes.
    cost_usd_week : float
        Of everybody's hours on duty in a week, on call included, leave left out.
    fte : float
        Of everybody.
    """

    levels: tuple[tuple[str, float], ...]
    cost_usd_week: float
    fte: float

    @property
    def name(self) -> str:
        """As tables show it."""
        return ", ".join(f"{role} {fte:g}" for role, fte in self.levels)

    def within(self, other: "Candidate") -> bool:
        """Whether it has no more of any role than another."""
        return all(mine <= theirs + _TINY for (_, mine), (_, theirs) in zip(self.levels, other.levels, strict=True))


def lever(team: Team, role: str, otherwise: Worker) -> tuple[Worker, float]:
    """Whose number the search changes: the first of a role and those who work alike, and the FTE of the others.

    Parameters
    ----------
    team : Team
    role : str
    otherwise : Worker
        Who is taken where the team has nobody of the role.
    """
    own = [worker for worker in team.workers if worker.role.name == role and worker.hours_a_week > 0]
    if not own:  # nobody, or on call only
        return otherwise, 0.0
    return own[0], sum(w.hours_a_week for w in own if not _alike(w, own[0])) / FULL_TIME_H


def _alike(one: Worker, other: Worker) -> bool:
    return replace(one, name="", leave=()) == replace(other, name="", leave=())


def with_fte(team: Team, levels: Mapping[str, float], otherwise: Mapping[str, Worker]) -> Team:
    """The team with other numbers of some roles.

    People are added or taken away at the end of those who work like the first of the role; a part of a person is
    somebody who works the first part of each of the same shifts.

    Raises
    ------
    ValueError
        Where the others of a role, who stay, are more than is asked for.
    """
    workers = list(team.workers)
    for role, fte in levels.items():
        model, rest = lever(team, role, otherwise[role])
        wanted = (fte - rest) * FULL_TIME_H / model.hours_a_week
        if wanted < -_TINY:
            raise ValueError(f"{fte:g} FTE of {role}, where {rest:g} work other shifts than the first")
        alike = [w for w in workers if w.role.name == role and _alike(w, model)]
        others = [w for w in workers if w.role.name == role and not _alike(w, model)]
        whole = int(wanted + _TINY)
        number = len(alike) + len(others)
        new = alike[:whole]
        new += [replace(model, name=f"{role} {number + k + 1}", leave=()) for k in range(whole - len(new))]
        part = wanted - whole
        if part > _TINY:
            shifts = tuple(part_of(shift, part) for shift in model.shifts)
            new.append(replace(model, name=f"{role} part time", leave=(), shifts=shifts))
        first = next((k for k, w in enumerate(workers) if w.role.name == role), len(workers))
        before = [w for w in workers[:first] if w.role.name != role]
        workers = [*before, *new, *others, *(w for w in workers[first:] if w.role.name != role)]
    return Team(tuple(workers))


def part_of(shift: Shift, share: float) -> Shift:
    """The first part of a shift's working time; on call stays whole."""
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
    """Half as many to twice as many of each role's people: least FTE, most, step; others of a role stay."""
    found = {}
    for role in dict.fromkeys(w.role.name for w in team.workers if w.hours_a_week > 0):
        own = [worker for worker in team.workers if worker.role.name == role]
        _, rest = lever(team, role, own[0])
        half = (sum(worker.hours_a_week for worker in own) / FULL_TIME_H - rest) / 2.0
        found[role] = round(rest + half, 6), round(rest + 4.0 * half, 6), round(1.5 * half, 6)
    return found


def weekly_cost(team: Team) -> float:
    """Cost of an ordinary week, nobody on leave, USD."""
    present = Team(tuple(replace(worker, leave=()) for worker in team.workers))
    return present.cost_usd(2 * WEEK_D) - present.cost_usd(WEEK_D)


def candidates(team: Team, levels: Mapping[str, Sequence[float]], otherwise: Mapping[str, Worker]) -> list[Candidate]:
    """Every team of the levels' combinations; cost and FTE of the roles add up."""
    base_cost, base_fte = weekly_cost(team), total_fte(team)
    added = {}
    for role, some in levels.items():
        for fte in some:
            one = with_fte(team, {role: fte}, otherwise)
            added[role, fte] = weekly_cost(one) - base_cost, total_fte(one) - base_fte
    found = []
    for some in itertools.product(*levels.values()):
        own = tuple(zip(levels, some, strict=True))
        cost = base_cost + sum(added[one][0] for one in own)
        found.append(Candidate(own, round(cost, 6), round(base_fte + sum(added[one][1] for one in own), 6)))
    return found


def total_fte(team: Team) -> float:
    """Full-time equivalents of everybody."""
    return sum(worker.hours_a_week for worker in team.workers) / FULL_TIME_H


def within_budget(candidates: Sequence[Candidate], budget_usd_week: float) -> list[Candidate]:
    """Teams that cost no more, without those beside which another has no less of any role; the cheapest first.

    More of one role never make a team worse (assumption A45), so the best of these is the best that the money buys.
    """
    affordable = [one for one in candidates if one.cost_usd_week <= budget_usd_week + _TINY]
    kept: list[Candidate] = []
    for one in sorted(affordable, key=lambda one: -sum(fte for _, fte in one.levels)):  # who has more comes before
        if not any(one.within(other) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: (one.cost_usd_week, one.fte, one.levels))


@dataclass
class Found:
    """What the search found.

    Attributes
    ----------
    chosen : Candidate or None
        The cheapest that meets, with ``stopped`` the cheapest of those tried; where harm is compared the team with the
        least, with ``stopped`` by the replications so far.
    tried : dict of Candidate to Verdict
        In the order of trial.
    stopped : bool
        The search ended because it had tried as many teams, or run as many replications, as it may.
    """

    chosen: Candidate | None = None
    tried: dict[Candidate, Verdict] = field(default_factory=dict)
    stopped: bool = False


class _Enough(Exception):
    """As many teams were tried as may be."""


def search(
    candidates: Sequence[Candidate],
    price: Callable[[Candidate], float],
    judge: Callable[[Candidate], Verdict],
    most_teams: int,
    today: Candidate | None = None,
) -> Found:
    """Find the cheapest team that meets its targets.

    Parameters
    ----------
    candidates : sequence of Candidate
        Those that are not known to be unable, the largest among them.
    price : callable
        What is to be least: cost, or FTE.
    judge : callable
        A team's verdict.
    most_teams : int
        Teams that may be tried.
    today : Candidate, optional
        Today's team, one of ``candidates``.
    """
    found = Found()

    def verdict(one: Candidate) -> Verdict:
        if one not in found.tried:
            if len(found.tried) >= most_teams:
                raise _Enough
            found.tried[one] = judge(one)
        return found.tried[one]

    def hopeless(one: Candidate) -> bool:
        return any(said is Verdict.FAILS and one.within(other) for other, said in found.tried.items())

    try:
        top = max(candidates, key=lambda one: one.levels)
        if verdict(top) is Verdict.MEETS:
            best = today
            while best is not None and verdict(best) is Verdict.MEETS:
                smaller = (one for one in _one_step_down(best, candidates, price) if not hopeless(one))
                best = next((one for one in smaller if verdict(one) is Verdict.MEETS), None)
            for role, _ in top.levels:
                _halve([one for one in candidates if _differs_in(one, top, role)], role, verdict)
            for one in sorted(candidates, key=lambda one: (price(one), one.fte, one.levels)):
                if not hopeless(one) and verdict(one) is Verdict.MEETS:
                    break
    except _Enough:
        found.stopped = True
    met = [one for one, said in found.tried.items() if said is Verdict.MEETS]
    found.chosen = min(met, key=lambda one: (price(one), one.fte, one.levels), default=None)
    return found


def _one_step_down(
    team: Candidate, candidates: Sequence[Candidate], price: Callable[[Candidate], float]
) -> list[Candidate]:
    """Teams with one step less of one role, the cheapest first."""
    found = []
    for role, fte in team.levels:
        less = [one for one in candidates if _differs_in(one, team, role) and dict(one.levels)[role] < fte - _TINY]
        if less:
            found.append(max(less, key=lambda one: dict(one.levels)[role]))
    return sorted(found, key=lambda one: (price(one), one.fte, one.levels))


def _differs_in(one: Candidate, other: Candidate, role: str) -> bool:
    pairs = zip(one.levels, other.levels, strict=True)
    return all(mine == theirs or name == role for (name, mine), (_, theirs) in pairs)


def _halve(ladder: list[Candidate], role: str, verdict: Callable[[Candidate], Verdict]) -> None:
    """Find where teams that differ in one role begin not to fail; the largest does not."""
    ladder = sorted(ladder, key=lambda one: dict(one.levels)[role])
    low, high = 0, len(ladder) - 1
    while low < high:
        middle = (low + high) // 2
        if verdict(ladder[middle]) is Verdict.FAILS:
            low = middle + 1
        else:
            high = middle


def larger_team(team: Team, queue: str) -> Team:
    """The team with one more of a queue's people, who works like the first, not on leave."""
    own = team.of(queue)
    names = {worker.name for worker in team.workers}
    known = (f"{own[0].role.name} {k}" for k in itertools.count(len(own) + 1))
    name = next(one for one in known if one not in names)
    return Team((*team.workers, replace(own[0], name=name, leave=())))
