"""Feasibility of a team by sequential testing of replications. Imports nothing of the package.

A replication meets all targets or fails. Wald's sequential probability ratio test (Wald 1945, "Sequential tests of
statistical hypotheses", Ann Math Statist 16:117) decides whether the probability of meeting them reaches the stated
one. It compares two shares, the stated probability plus and minus the indifference; the test stops when the log
likelihood ratio leaves its limits. Between the two shares both answers are correct. Costs are known without error. The
selected team is therefore the cheapest feasible system, as in Andradóttir and Kim (2010, "Fully sequential procedures
for comparing constrained systems via simulation", Naval Res Logist 57:403). The error is divided over all teams that
may be tested (Bonferroni); this holds for any dependence between the replications of different teams.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf, log

import numpy as np
from scipy import stats


class Verdict(Enum):
    """Result for a team: the test of its targets, or its status in a comparison of harm.

    *Undecided* is a test that its largest number of replications did not end; *set aside* one that the search did not
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
        Largest number of replications; after it the team is undecided.
    """

    probability: float
    indifference: float
    error: float
    most: int

    @property
    def _weights(self) -> tuple[float, float]:
        """Increments of the log likelihood ratio for a replication that meets the targets and for one that fails."""
        low, high = self.probability - self.indifference, self.probability + self.indifference
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

    def verdict(self, met: Sequence[bool]) -> Verdict | None:
        """Verdict after the replications ``met``; None if the test needs another one."""
        ratio, (if_met, if_failed) = 0.0, self._weights
        for replication_met in met[: self.most]:
            ratio += if_met if replication_met else if_failed
            if ratio >= self.limit:
                return Verdict.MEETS
            if ratio <= -self.limit:
                return Verdict.FAILS
        return Verdict.UNDECIDED if len(met) >= self.most else None


def share_interval(met: int, of: int) -> tuple[float, float]:
    """95 % interval of a share, Clopper and Pearson 1934, Biometrika 26:404; 0 to 1 without observations."""
    low = float(stats.beta.ppf(0.025, met, of - met + 1)) if met > 0 else 0.0
    high = float(stats.beta.ppf(0.975, met + 1, of - met)) if met < of else 1.0
    return low, high
