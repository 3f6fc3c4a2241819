"""Whether the search for a team states the right chance that it missed a cheaper one. Imports ``clinic.staffing``.

``python -m taper_sim.studies.missed_teams --out docs/tables/missed_teams.csv`` searches invented problems, of which
the chance of every team to meet its targets is known, and compares the stated chance with the frequency of a miss; an
interrupted study resumes, and ``--people`` is the number of problems. A problem has no clinic: lateness falls with the
staff of each role, a target limits a weighted mean of it, and a replication multiplies it by luck of its own and by
luck that all teams share. A search misses a team if a cheaper one than the chosen meets the targets with at least the
required probability.
"""

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from taper_sim.array_types import Floats
from taper_sim.clinic.staffing import feasibility, search, surrogate
from taper_sim.clinic.staffing.feasibility import TargetTest, Verdict, share_interval
from taper_sim.clinic.staffing.search import Candidate
from taper_sim.provenance import hash_of
from taper_sim.studies.resumable import StudyPiece, run_study

PROBABILITY, HALF_ZONE, CONFIDENCE, MOST_REPLICATIONS, MOST_TEAMS = 0.8, 0.15, 0.9, 25, 60
"""Question of the searches: that of ``scenarios/staffing_year.yaml``."""
RULE: Final = TargetTest(
    PROBABILITY, HALF_ZONE, (1.0 - CONFIDENCE) / MOST_TEAMS, MOST_REPLICATIONS, at_bound=1.0 - CONFIDENCE
)
FEWEST_TEAMS, LARGEST_GRID = 50, 800
"""Teams of a problem. Source: assumption A124."""
BINS: Final = (0.0, 0.05, 0.25, 0.75, 0.95, 1.0)
"""Bounds of the stated chance in the table; a chance at a bound is in the lower bin."""
PROBLEM_COLUMNS: Final = [
    "problem",
    "teams",
    "tried",
    "undecided",
    "replications",
    "stated",
    "missed",
    "missed_clear",
    "excess",
    "chosen_chance",
    "chosen_wrong",
]
_LEAST_LATE: Final = 1e-3


@dataclass(frozen=True)
class InventedProblem:
    """Teams with lateness by target, its limits, and luck.

    Attributes
    ----------
    teams : list of Candidate
        k teams, with the price as cost.
    late : ndarray, (n_targets, k)
    limits : ndarray, (n_targets,)
    luck : ndarray, (n_targets, 2)
        Standard deviation of the logarithm of lateness: luck that teams of a replication share, and other luck.
    seed : int
    """

    teams: list[Candidate]
    late: Floats
    limits: Floats
    luck: Floats
    seed: int

    @property
    def chances(self) -> Floats:
        """Probability of each team to meet all targets, (k,)."""
        sd = np.hypot(*self.luck.T)
        return np.asarray(stats.norm.cdf(np.log(self.limits / self.late.T) / sd).prod(axis=1))

    def margin(self, team: int, replication: int) -> float:
        """Margin of a replication, as ``staffing_schema.Target.margin`` has it: quarters of the limit, compressed."""
        shared = np.random.default_rng([self.seed, 1, replication]).standard_normal(len(self.limits))
        own = np.random.default_rng([self.seed, 2, replication, team]).standard_normal(len(self.limits))
        late = self.late[:, team] * np.exp(self.luck[:, 0] * shared + self.luck[:, 1] * own)
        return float(np.arcsinh((self.limits - late) / (self.limits / 4.0)).min())


def invented(seed: int) -> InventedProblem:
    """A problem with 3 to 6 roles, 2 to 6 levels of each, and 1 to 3 targets. Source of the numbers: A124."""
    rng = np.random.default_rng([seed, 0])
    n_roles, n_levels = 0, np.zeros(0, dtype=np.int64)
    while not FEWEST_TEAMS <= np.prod(n_levels) * (n_roles > 0) <= LARGEST_GRID:
        n_roles = int(rng.integers(3, 7))
        n_levels = rng.integers(2, 7, n_roles)
    price, low = rng.uniform(1.0, 4.0, n_roles), rng.integers(1, 4, n_roles)
    fte = np.array(list(itertools.product(*(np.arange(a, a + n) for a, n in zip(low, n_levels, strict=True)))), float)
    need = low - 0.5 + rng.random(n_roles) * (n_levels - 0.5)
    by_role = 1.0 / (1.0 + np.exp(rng.uniform(1.5, 6.0, n_roles) * (fte - need)))
    strict, n_targets = rng.uniform(0.1, 0.6), int(rng.integers(1, 4))
    weights = np.array([rng.dirichlet(np.full(n_roles, rng.choice([0.3, 1.0, 3.0]))) for _ in range(n_targets)])
    late = np.maximum(weights @ by_role.T, _LEAST_LATE)
    teams = [
        Candidate(tuple((f"role {r}", float(x)) for r, x in enumerate(row)), float(price @ row), float(row.sum()))
        for row in fte
    ]
    return InventedProblem(teams, late, np.quantile(late, strict, axis=1), rng.uniform(0.05, 0.4, (n_targets, 2)), seed)


def searched(problem: InventedProblem) -> dict[str, Any]:
    """A search of a problem: its size, the stated chance, and what it missed; keys of :data:`PROBLEM_COLUMNS`."""
    number = {team: k for k, team in enumerate(problem.teams)}
    n_runs = 0

    def observe(trials: Sequence[tuple[Candidate, int]]) -> list[float]:
        nonlocal n_runs
        n_runs += len(trials)
        return [problem.margin(number[team], replication) for team, replication in trials]

    result = search.search(problem.teams, lambda team: team.cost_usd_week, observe, RULE, MOST_TEAMS, seed=problem.seed)
    price, chances = np.array([team.cost_usd_week for team in problem.teams]), problem.chances
    paid = np.inf if result.chosen is None else result.chosen.cost_usd_week
    chosen = np.nan if result.chosen is None else float(chances[number[result.chosen]])
    cheaper = price < paid - 1e-9
    able = price[chances >= PROBABILITY]
    return {
        "teams": len(price),
        "tried": len(result.tried),
        "undecided": sum(verdict is Verdict.UNDECIDED for verdict in result.tried.values()),
        "replications": n_runs,
        "stated": result.chance_missed,
        "missed": bool((chances[cheaper] >= PROBABILITY).any()),
        "missed_clear": bool((chances[cheaper] >= PROBABILITY + HALF_ZONE).any()),
        "excess": paid / able.min() - 1.0 if len(able) and np.isfinite(paid) else np.nan,
        "chosen_chance": chosen,
        "chosen_wrong": bool(chosen <= PROBABILITY - HALF_ZONE),
    }


def _pieces(n: int) -> Iterator[StudyPiece]:
    for k in range(n):
        yield (k,)


def _rows(piece: StudyPiece, _n: int, seed: int) -> Iterable[Any]:
    row = searched(invented(1_000 * seed + piece[0]))
    yield (*piece, *(row[name] for name in PROBLEM_COLUMNS[1:]))


def missed_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a bin of the stated chance, and one of all: mean stated chance, frequency of a miss with 95 % bounds.

    ``missed_clear`` is the share in which a cheaper team lies above the zone of indifference, ``excess`` the mean
    price above that of the cheapest team. ``chosen_chance`` is the mean chance of the chosen teams to meet the targets,
    ``chosen_wrong`` the share of the problems in which it is at or below the zone.
    """
    part = pd.cut(rows["stated"], list(BINS), include_lowest=True, labels=False)
    table = []
    for low, high, run in [
        *((BINS[k], BINS[k + 1], rows[part == k]) for k in range(len(BINS) - 1)),
        (BINS[0], BINS[-1], rows),
    ]:
        if len(run) == 0:
            continue
        lo95, hi95 = share_interval(int(run["missed"].sum()), len(run))
        means = run[[name for name in PROBLEM_COLUMNS if name not in ("problem", "teams")]].astype(float)
        row = {"from": low, "to": high, "problems": len(run)} | means.mean().round(3).to_dict()
        table.append(row | {"missed_lo95": round(lo95, 3), "missed_hi95": round(hi95, 3)})
    return pd.DataFrame(table).assign(code=code_hash())


def code_hash() -> str:
    """Hash of the code on which the rows depend."""
    return hash_of(feasibility, search, surrogate, sys.modules[__name__])


if __name__ == "__main__":
    run_study(str(__doc__), "run-missed-teams", 200, PROBLEM_COLUMNS, _pieces, _rows, missed_table, code_hash())
