"""Intervals of counts that may be small: a share, the difference of two shares, a rate. Imports scipy.

Source of the methods: Wilson 1927, J Am Stat Assoc 22:209; Newcombe 1998, Stat Med 17:873, method 10, which builds the
interval of a difference from the Wilson intervals of both shares; Garwood 1936, Biometrika 28:437, for a Poisson count.
Wilson and Newcombe keep near their 95 % also with few people and with shares near 0 and 1, where Wald's do not.
"""

import math
from dataclasses import dataclass
from typing import Final

from scipy.stats import binomtest, chi2

_TAIL: Final = 0.025


@dataclass(frozen=True)
class CountInterval:
    """An estimate and its 95 % interval."""

    estimate: float
    low: float
    high: float


def share(count: int, n: int) -> CountInterval:
    """Share of ``count`` in ``n`` with its Wilson interval, 0 to 1; NaN without anybody."""
    if n == 0:
        return CountInterval(math.nan, math.nan, math.nan)
    wilson = binomtest(count, n).proportion_ci(method="wilson")
    return CountInterval(count / n, float(wilson.low), float(wilson.high))


def share_difference(new: tuple[int, int], old: tuple[int, int]) -> CountInterval:
    """Share of the first (count, n) minus that of the second, with Newcombe's hybrid score interval, -1 to 1.

    Equation: d - sqrt((p1 - l1)^2 + (u2 - p2)^2) to d + sqrt((u1 - p1)^2 + (p2 - l2)^2).
    """
    one, two = share(*new), share(*old)
    difference = one.estimate - two.estimate
    down = math.hypot(one.estimate - one.low, two.high - two.estimate)
    up = math.hypot(one.high - one.estimate, two.estimate - two.low)
    return CountInterval(difference, difference - down, difference + up)


def rate(count: int, time: float) -> CountInterval:
    """Events by unit of time with the exact Poisson interval; NaN without any time."""
    if time <= 0.0:
        return CountInterval(math.nan, math.nan, math.nan)
    low = 0.0 if count == 0 else float(chi2.ppf(_TAIL, 2 * count)) / 2.0
    return CountInterval(count / time, low / time, float(chi2.ppf(1.0 - _TAIL, 2 * count + 2)) / 2.0 / time)
