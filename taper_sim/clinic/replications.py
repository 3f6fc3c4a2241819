"""How long to throw away and how often to repeat: published methods. Imports nothing of the package.

Warm-up by MSER-5 (White 1997, "An effective truncation heuristic for bias reduction in simulation output", Simulation
69:323; White, Cobb and Spratt 2000, WSC). Replications by the sequential rule with look-ahead of Hoad, Robinson and
Davies (2010, "Automated selection of the number of replications for a discrete-event simulation", J Oper Res Soc
61:1632), as the library sim-tools has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats
from sim_tools.output_analysis import OnlineStatistics, ReplicationsAlgorithm, ReplicationTabulizer

from taper_sim.array_types import Floats

BATCH: Final = 5
LOOK_AHEAD: Final = 5
"""Further replications that must agree. Source: Hoad, Robinson and Davies 2010, kLimit."""
SHORTEST_D: Final = 112
"""Days whose quarters are four weeks, in which planned work comes round once."""
PRECISION: Final = 0.10
"""Half-width of the interval, share of the mean, that counts as enough. Source: Robinson 2014 names 5 to 10 %."""


@dataclass(frozen=True)
class WarmUp:
    """Where a series has settled.

    Attributes
    ----------
    length : int
        Values to throw away.
    settled : bool
        False where the rule would throw away half of the series or more: it is then too short to tell.
    """

    length: int
    settled: bool


def mser5(series: Sequence[float] | Floats) -> WarmUp:
    """Truncation of a series by MSER-5.

    Parameters
    ----------
    series : sequence of float, (n,)
        In order of time; missing values are left out.

    Returns
    -------
    WarmUp
        Equation: the d that makes sum_{i > d} (Z_i - mean)^2 / (m - d)^2 least, Z the means of m batches of five,
        d up to half of them.
    """
    values = np.asarray(series, dtype=np.float64)
    values = values[~np.isnan(values)]
    m = len(values) // BATCH
    if m < 4:
        return WarmUp(0, settled=False)
    means = values[: m * BATCH].reshape(m, BATCH).mean(axis=1)
    shifted = means - means.mean()  # sums of squares lose digits far from zero
    left = np.arange(m, 0, -1)
    sums, squares = np.cumsum(shifted[::-1])[::-1], np.cumsum(shifted[::-1] ** 2)[::-1]
    statistic = np.clip(squares - sums**2 / left, 0.0, None) / left**2
    half = m // 2
    best = int(np.argmin(statistic[: half + 1]))
    return WarmUp(best * BATCH, settled=best < half)


def late_growth(series: Sequence[float] | Floats) -> float:
    """How much a daily series still rises at the end: mean of its last quarter less that of the quarter before.

    Parameters
    ----------
    series : sequence of float, (n_days,)

    Returns
    -------
    float
        NaN under :data:`SHORTEST_D` days: work that comes every four weeks would look like growth.
    """
    values = np.asarray(series, dtype=np.float64)
    n = len(values)
    if n < SHORTEST_D:
        return np.nan
    return float(values[3 * n // 4 :].mean() - values[n // 2 : 3 * n // 4].mean())


@dataclass(frozen=True)
class Estimate:
    """A metric over replications.

    Attributes
    ----------
    mean, lo95, hi95 : float
        Student's interval; NaN ends with a single replication.
    n : int
        Replications in which it has a value.
    needed : int or None
        Replications after which the half-width stayed within :data:`PRECISION` of the mean for another
        :data:`LOOK_AHEAD`; None: these do not show that they are enough.
    """

    mean: float
    lo95: float
    hi95: float
    n: int
    needed: int | None


def estimate(values: Sequence[float] | Floats) -> Estimate:
    """Mean and interval of independent replications, and how many would have been enough."""
    x = np.asarray(values, dtype=np.float64)
    x = x[~np.isnan(x)]
    n = len(x)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, None)
    if n == 1:
        return Estimate(float(x[0]), np.nan, np.nan, 1, None)
    half = float(stats.t.ppf(0.975, n - 1) * x.std(ddof=1) / np.sqrt(n))
    mean = float(x.mean())
    return Estimate(mean, mean - half, mean + half, n, _needed(x))


def _needed(x: Floats) -> int | None:
    """The number that would have been enough, by sim-tools' record of the running interval."""
    if np.ptp(x) == 0.0:
        return 1
    if len(x) < 3 or x.mean() == 0.0:
        return None
    record = ReplicationTabulizer()
    with np.errstate(divide="ignore", invalid="ignore"):  # while the running mean is 0, no precision is reached
        OnlineStatistics(data=x, alpha=0.05, observer=record)
    rule = ReplicationsAlgorithm(half_width_precision=PRECISION, look_ahead=LOOK_AHEAD)
    deviations = [None if value is None or np.isnan(value) else abs(value) for value in record.dev]
    found = rule.find_position(deviations)
    return None if found is None else int(found)


def estimates(by_metric: Mapping[str, Sequence[float] | Floats]) -> dict[str, Estimate]:
    """:func:`estimate` of every metric."""
    return {name: estimate(values) for name, values in by_metric.items()}
