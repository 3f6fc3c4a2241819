"""Feasibility of a team by sequential testing of replications. Imports nothing of the package.

A replication meets all targets or fails. Wald's sequential probability ratio test (Wald 1945, "Sequential tests of
statistical hypotheses", Ann Math Statist 16:117) decides whether the probability of meeting them reaches the stated
one. It compares two shares, the stated probability plus and minus the indifference; the test stops when the log
likelihood ratio leaves its limits. Between the two shares both answers are correct. Costs are known without error. The
selected team is therefore the cheapest feasible system, as in Andradóttir and Kim (2010, "Fully sequential procedures
for comparing constrained systems via simulation", Naval Res Logist 57:403). The error is divided over all teams that
may be tested (Bonferroni); this holds for any dependence between the replications of different teams.

Wald's test has no bound, and replications have one. A team that it has not decided by then is judged by its share of
replications and the exact binomial test of that number, with an error of its own that is not divided
(``TargetTest.at_bound``). The replications end as soon as the rest of them cannot change this verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from math import inf, log
from typing import Final

import numpy as np
from scipy import stats

_TINY: Final = 1e-9
"""Tolerance for rounding, replications."""


class Verdict(Enum):
    """Result for a team: the test of its targets, or its status in a comparison of harm.

    *Undecided* is a team of which too few replications may run to judge it; *set aside* one that the search did not
    continue, because other teams had better prospects.
    """

    MEETS = "meets"
    FAILS = "fails"
    UNDECIDED = "undecided"
    SET_ASIDE = "set aside"
    BEST = "best"
    AS_GOOD = "as good"
    STILL_IN = "still in"
    ELIMINATED = "eliminated"


@dataclass(frozen=True)
class TargetTest:
    """Sequential test of one team.

    Attributes
    ----------
    probability : float
        Required probability of meeting all targets.
    indifference : float
        The test separates ``probability + indifference`` from ``probability - indifference``.
    error : float
        Probability of each type of error outside of the indifference zone, for one team.
    most : int
        Largest number of replications.
    at_bound : float
        Largest probability of an error, outside of the indifference zone and beside ``error``, of the verdict after
        ``most`` replications, for one team. With 0 a team is undecided then. Source: assumption A152.
    """

    probability: float
    indifference: float
    error: float
    most: int
    at_bound: float = 0.0

    @property
    def _zone(self) -> tuple[float, float]:
        return self.probability - self.indifference, self.probability + self.indifference

    @property
    def _weights(self) -> tuple[float, float]:
        """Increments of the log likelihood ratio for a replication that meets the targets and for one that fails."""
        low, high = self._zone
        return log(high / low), log((1.0 - high) / (1.0 - low)) if high < 1.0 else -inf

    @property
    def limit(self) -> float:
        """Upper limit of the log likelihood ratio; the lower limit is its negative."""
        return log((1.0 - self.error) / self.error)

    @property
    def fewest(self) -> int:
        """Smallest number of replications after which a team can pass."""
        met, _ = self._weights
        return int(np.ceil(self.limit / met))

    @cached_property
    def _at_bound(self) -> tuple[float, float]:
        """Of ``most`` replications the smallest number met by a team that meets, the largest met by one that fails.

        Infinite if no number is enough for a verdict.
        """
        low, high = self._zone
        numbers = np.arange(self.most + 1)
        enough = numbers >= self.probability * self.most - _TINY
        meets = numbers[enough & (stats.binom.sf(numbers - 1, self.most, low) <= self.at_bound)]
        fails = numbers[~enough & (stats.binom.cdf(numbers, self.most, high) <= self.at_bound)]
        return min(meets.tolist(), default=inf), max(fails.tolist(), default=-inf)

    def verdict(self, met: Sequence[bool]) -> Verdict | None:
        """Verdict after the replications ``met``; None if the test needs another one."""
        ratio, n_met, (if_met, if_failed) = 0.0, 0, self._weights
        enough, too_few = self._at_bound
        for left, replication_met in zip(range(self.most - 1, -1, -1), met, strict=False):
            ratio += if_met if replication_met else if_failed
            n_met += replication_met
            if ratio >= self.limit or n_met >= enough:
                return Verdict.MEETS
            if ratio <= -self.limit or n_met + left <= too_few:
                return Verdict.FAILS
        return Verdict.UNDECIDED if len(met) >= self.most else None


def share_interval(met: int, of: int) -> tuple[float, float]:
    """95 % interval of a share, Clopper and Pearson 1934, Biometrika 26:404; 0 to 1 without observations."""
    low = float(stats.beta.ppf(0.025, met, of - met + 1)) if met > 0 else 0.0
    high = float(stats.beta.ppf(0.975, met + 1, of - met)) if met < of else 1.0
    return low, high
