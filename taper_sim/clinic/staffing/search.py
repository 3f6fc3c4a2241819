"""Search for the cheapest team that meets its targets, over a grid of teams. Imports ``clinic.team``, ``calendars``.

The search handles teams and margins, not patients: the caller runs replications of teams. The search assumes that
more staff of a role never make a team worse (assumption A45). A team that fails therefore excludes every team with no
more staff in any role.

1. Run one replication of a few teams: the largest, today's, the middle, and for each role the least that the bounds
   allow with all others at their largest.
2. Fit the surrogate to the margins of all replications (``surrogate``). It gives for each team the chance that it is
   the cheapest that meets the targets.
3. Run further replications of the teams with the largest chances, a few at once. A sequential test of each team's
   replications decides whether the team meets the targets.
4. Repeat from 2 until a team meets the targets and the chance that a cheaper one does, of those without a verdict, is
   at most :data:`ACCEPTED`.

The number of replications that run at once does not depend on the machine, and so neither does the result.
"""

import itertools
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Ints
from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.staffing.feasibility import TargetTest, Verdict
from taper_sim.clinic.staffing.surrogate import prospects, sampled_paths, shares_of_ranges
from taper_sim.clinic.team import FULL_TIME_H, Team, Worker
from taper_sim.units import WEEK_D

_TINY: Final = 1e-9
"""Tolerance for rounding, FTE and USD a week."""
ACCEPTED: Final = 0.05
"""Chance of a cheaper team at which the search ends. Source: assumption A114."""
AT_ONCE: Final = 4
"""Replications that run at once. Source: assumption A114."""
PATHS: Final = 320
"""Surfaces of the surrogate."""
MOST_OPEN: Final = 300
"""Largest number of open teams whose surfaces are sampled."""
_HALF: Final = 0.5
"""Chance of a feasible team below which the largest team is tested first. A design choice."""
MOST_MARGIN: Final = 3.0
"""Margins beyond this one count as this one in the surrogate: far from the targets their size says nothing.

Source: assumption A113.
"""


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
    chance_missed : float or None
        Probability, by the surrogate, that a cheaper team meets the targets with the required probability, whatever its
        verdict: also one that is undecided, failed or was set aside. If no team was chosen: that any team does. None in
        a comparison of harm.
    """

    chosen: Candidate | None = None
    tried: dict[Candidate, Verdict] = field(default_factory=dict)
    stopped: bool = False
    chance_missed: float | None = None


Observe = Callable[[Sequence[tuple[Candidate, int]]], Sequence[float]]
"""Margins of replications (team, number of the replication); a margin of at least 0 meets every target."""


def search(
    candidates: Sequence[Candidate],
    price: Callable[[Candidate], float],
    observe: Observe,
    rule: TargetTest,
    most_teams: int,
    today: Candidate | None = None,
    unable: Container[Candidate] = (),
    seed: int = 0,
) -> SearchResult:
    """Find the cheapest team that meets its targets.

    Parameters
    ----------
    candidates : sequence of Candidate
        Teams that the bounds do not exclude, with the largest team.
    price : callable
        Quantity to minimise: cost or FTE.
    observe : callable
        Runs replications; the same replication has the same random numbers in every team.
    rule : TargetTest
        Test of one team.
    most_teams : int
        Largest number of teams to test.
    today : Candidate, optional
        Today's team, one of ``candidates``.
    unable : container of Candidate
        Teams without a worker for some of the work: they fail without a replication.
    seed : int
        Of the surrogate's draws.

    Returns
    -------
    SearchResult
    """
    return _Search(candidates, price, observe, rule, most_teams, today, unable, seed).result()


class _Search:
    """The state of a search; teams are rows of ``self.teams``, the cheapest first."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        price: Callable[[Candidate], float],
        observe: Observe,
        rule: TargetTest,
        most_teams: int,
        today: Candidate | None,
        unable: Container[Candidate],
        seed: int,
    ):
        self.teams = sorted(candidates, key=lambda team: (price(team), team.fte, team.levels))
        self.price = np.array([price(team) for team in self.teams])
        fte = np.array([[level for _, level in team.levels] for team in self.teams])
        self.fte, self.ranges = fte, shares_of_ranges(fte)
        self._observe, self.rule, self.most_teams, self._seed = observe, rule, most_teams, seed
        self.margins: dict[int, list[float]] = {}
        self.verdict: dict[int, Verdict] = {}
        self.may_meet = np.ones(len(self.teams), dtype=bool)  # not excluded by a team that failed
        self.largest = max(range(len(self.teams)), key=lambda k: self.teams[k].levels)
        self.today = None if today is None else self.teams.index(today)
        for k, team in enumerate(self.teams):
            if team in unable:
                self.may_meet &= ~self._within(k)
                self.may_meet[k] = False

    def result(self) -> SearchResult:
        """Run the search."""
        self._run(self._first_trials())
        while True:
            chance, first = self._chances()
            trials = self._next_trials(chance, first)
            if not trials:
                break
            self._run(trials)
        best = self._best()
        tried = {self.teams[k]: self.verdict.get(k, Verdict.SET_ASIDE) for k in self.margins}
        stopped = self._is_full and chance > ACCEPTED
        cheaper = np.flatnonzero(self.price < (np.inf if best is None else self.price[best] - _TINY))
        missed = self._feasible(cheaper)[1].any(axis=1).mean() if len(cheaper) else 0.0
        return SearchResult(None if best is None else self.teams[best], tried, stopped, float(missed))

    # -- teams -----------------------------------------------------------------------------------------------------

    def _within(self, k: int) -> Bools:
        """Teams with no more staff than a team in any role, (n_teams,)."""
        return np.asarray((self.fte <= self.fte[k] + _TINY).all(axis=1))

    def _best(self) -> int | None:
        """The cheapest team that meets the targets."""
        return min((k for k, tested in self.verdict.items() if tested is Verdict.MEETS), default=None)

    @property
    def _is_full(self) -> bool:
        """Whether no further team may be tried."""
        return len(self.margins) >= self.most_teams

    def _open(self) -> Ints:
        """Teams that may meet the targets, have no verdict and are cheaper than the best; the cheapest first."""
        best = self._best()
        is_open = self.may_meet.copy()
        is_open[list(self.verdict)] = False
        if best is not None:
            is_open &= self.price < self.price[best] - _TINY
        return np.flatnonzero(is_open)

    # -- replications ----------------------------------------------------------------------------------------------

    def _first_trials(self) -> list[int]:
        """The largest team, today's, for each role the least that may meet with all others at the most, the middle."""
        at_most = self.fte[self.largest]
        first = [self.largest]
        for role in range(self.fte.shape[1]):
            others = np.delete(np.arange(self.fte.shape[1]), role)
            alone = self.may_meet & (self.fte[:, others] == at_most[others]).all(axis=1)
            first.append(int(min(np.flatnonzero(alone), key=lambda k: self.fte[k, role])))
        middle = np.abs(self.ranges - 0.5).sum(axis=1) + np.where(self.may_meet, 0.0, np.inf)
        first.insert(1, int(np.argmin(middle)))
        if self.today is not None and self.may_meet[self.today]:
            first.insert(1, self.today)
        return list(dict.fromkeys(first))[: self.most_teams]

    def _run(self, trials: Sequence[int]) -> None:
        """Run the next replication of each team of a list, and judge the teams."""
        number = {k: len(self.margins.get(k, ())) for k in trials}
        wanted = []
        for k in trials:
            wanted.append((self.teams[k], number[k]))
            number[k] += 1
        for k, margin in zip(trials, self._observe(wanted), strict=True):
            self.margins.setdefault(k, []).append(margin)
        for k in dict.fromkeys(trials):
            tested = self.rule.verdict([margin >= 0.0 for margin in self.margins[k]])
            if tested is not None:
                self.verdict[k] = tested
            if tested is Verdict.FAILS:
                self.may_meet &= ~self._within(k)

    def _chances(self) -> tuple[float, dict[int, float]]:
        """By the surrogate: the chance that an open team is feasible, and that each team is the cheapest that is.

        The second is among the teams that may be tried: once their number is reached, those that were tried.
        """
        still_open = self._open()
        if len(still_open) == 0:
            return 0.0, {}
        shown, feasible = self._feasible(still_open)
        chance = float(feasible.any(axis=1).mean())
        if self._is_full:
            feasible &= np.isin(shown, list(self.margins))
        cheapest = shown[feasible[feasible.any(axis=1)].argmax(axis=1)]
        numbers, counts = np.unique(cheapest, return_counts=True)
        return chance, {int(k): float(n) / PATHS for k, n in zip(numbers, counts, strict=True)}

    def _feasible(self, which: Ints) -> tuple[Ints, Bools]:
        """Some teams, and on each surface of the surrogate those of ``which`` that meet the targets, (n_paths, n).

        Of more than :data:`MOST_OPEN` teams the cheapest that may meet the targets count, by the upper end of their
        margins, then those with the best prospects.
        """
        rows = [(k, r, margin) for k, margins in self.margins.items() for r, margin in enumerate(margins)]
        teams, replications, margins = (np.array(column) for column in zip(*rows, strict=True))
        margins = np.clip(margins, -MOST_MARGIN, MOST_MARGIN)
        if len(which) > MOST_OPEN:
            best = prospects(self.ranges, teams, replications, margins)[which]
            may_meet = best >= 0.0
            order = np.lexsort((np.where(may_meet, which, -best), ~may_meet))  # teams stand by price
            which = which[order[:MOST_OPEN]]
        shown = np.unique([*which, *self.margins])
        paths = sampled_paths(self.ranges, teams, replications, margins, shown, PATHS, self._seed)
        return shown, paths.feasible(self.rule.probability) & np.isin(shown, which)

    def _next_trials(self, chance: float, first: Mapping[int, float]) -> list[int]:
        """Teams whose next replications run now, each as often as listed; empty at the end of the search."""
        has_team = self._best() is not None
        if has_team and sum(first.values()) <= ACCEPTED:
            return []
        if not has_team and sum(first.values()) < _HALF and self.largest not in self.verdict:
            return self._more(self.largest, AT_ONCE)  # whether any team meets the targets
        if not has_team and chance <= ACCEPTED:
            return []
        ranked = sorted(first, key=lambda k: (-first[k], k))[:AT_ONCE]
        total = sum(first[k] for k in ranked)
        trials: list[int] = []
        n_new = self.most_teams - len(self.margins)
        for k in ranked:
            is_new = k not in self.margins
            if is_new and n_new == 0:
                continue
            n_new -= is_new
            share = 1 if is_new else max(1, round(AT_ONCE * first[k] / total))
            trials += self._more(k, min(share, AT_ONCE - len(trials)))
        return trials

    def _more(self, k: int, n: int) -> list[int]:
        """A team as often as it may run further replications, at most ``n`` times."""
        return [k] * min(n, self.rule.most - len(self.margins.get(k, ())))


def larger_team(team: Team, queue: str) -> Team:
    """The team with an additional worker of a queue, like its first worker but without leave."""
    members = team.of(queue)
    taken = {worker.name for worker in team.workers}
    names = (f"{members[0].role.name} {k}" for k in itertools.count(len(members) + 1))
    name = next(name for name in names if name not in taken)
    return Team((*team.workers, replace(members[0], name=name, leave=())))
