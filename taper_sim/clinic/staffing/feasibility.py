"""Does a team meet its targets often enough? One replication after another. Imports nothing of the package.

A replication meets all targets or it does not. Whether it does with the stated probability is Wald's sequential test of
a share (Wald 1945, "Sequential tests of statistical hypotheses", Ann Math Statist 16:117): the log likelihood ratio of
two shares, one above and one below the stated probability by the indifference, runs until it leaves its limits. Between
the two shares either answer counts as right. Costs are known without error, so that selection is the finding of the
cheapest feasible system, as in Andradóttir and Kim (2010, "Fully sequential procedures for comparing constrained
systems via simulation", Naval Res Logist 57:403). The error is shared out over all teams that may be tried
(Bonferroni), which holds whatever the replications of different teams have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf, log

import numpy as np
from scipy import stats


class Verdict(Enum):
    """What is known of a team: whether it meets its targets, or how it stands among teams whose harm is compared."""

    MEETS = "meets"
    FAILS = "fails"
    UNDECIDED = "undecided"
    BEST = "best"
    AS_GOOD = "as good"
    STILL_IN = "still in"
    ELIMINATED = "eliminated"


@dataclass(frozen=True)
class TargetTest:
    """The test of one team.

    Attributes
    ----------
    probability : float
        With which the targets are to be met.
    indifference : float
        The test tells ``probability + indifference`` from ``probability - indifference``.
    error : float
        Chance of a wrong answer, either way, outside of that zone, for one team.
    most : int
        Replications after which the team is left undecided.
    """

    probability: float
    indifference: float
    error: float
    most: int

    @property
    def _weights(self) -> tuple[float, float]:
        """What a replication that meets, and one that does not, add to the log likelihood ratio."""
        low, high = self.probability - self.indifference, self.probability + self.indifference
        return log(high / low), log((1.0 - high) / (1.0 - low)) if high < 1.0 else -inf

    @property
    def limit(self) -> float:
        """Of the log likelihood ratio, either way."""
        return log((1.0 - self.error) / self.error)

    @property
    def fewest(self) -> int:
        """Replications that it takes at least to say that a team meets its targets."""
        met, _ = self._weights
        return int(np.ceil(self.limit / met))

    def verdict(self, met: Sequence[bool]) -> Verdict | None:
        """What the replications so far say; None where another one is wanted."""
        ratio, (yes, no) = 0.0, self._weights
        for one in met[: self.most]:
            ratio += yes if one else no
            if ratio >= self.limit:
                return Verdict.MEETS
            if ratio <= -self.limit:
                return Verdict.FAILS
        return Verdict.UNDECIDED if len(met) >= self.most else None


def share_interval(met: int, of: int) -> tuple[float, float]:
    """Interval (95 %) of a share: Clopper and Pearson 1934, Biometrika 26:404; nothing counted gives 0 to 1."""
    low = float(stats.beta.ppf(0.025, met, of - met + 1)) if met > 0 else 0.0
    high = float(stats.beta.ppf(0.975, met + 1, of - met)) if met < of else 1.0
    return low, high
