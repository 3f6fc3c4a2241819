"""Warm-up and number of replications by published methods. Imports ``array_types``.

Warm-up by MSER-5 (White 1997, "An effective truncation heuristic for bias reduction in simulation output", Simulation
69:323; White, Cobb and Spratt 2000, WSC). Replications by the sequential rule with look-ahead of Hoad, Robinson and
Davies (2010, "Automated selection of the number of replications for a discrete-event simulation", J Oper Res Soc
61:1632), as implemented in the library sim-tools.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats
from sim_tools.output_analysis import OnlineStatistics, ReplicationsAlgorithm, ReplicationTabulizer

from taper_sim.array_types import Floats

MSER_BATCH: Final = 5
"""Values in a batch of MSER-5. Source: White, Cobb and Spratt 2000."""
LOOK_AHEAD: Final = 5
"""Further replications that must keep the precision. Source: Hoad, Robinson and Davies 2010, kLimit."""
SHORTEST_D: Final = 112
"""Days of the shortest series for :func:`late_growth`: a quarter of it, four weeks, holds one cycle of planned work."""
PRECISION: Final = 0.10
"""Sufficient half-width of the interval, as a share of the mean. Source: Robinson 2014 recommends 5 to 10 %."""


@dataclass(frozen=True)
class WarmUp:
    """Warm-up period of a series.

    Attributes
    ----------
    length : int
        Values to discard.
    settled : bool
        False if the rule would discard half of the series or more; the series is then too short.
    """

    length: int
    settled: bool


def mser5(series: Sequence[float] | Floats) -> WarmUp:
    """Truncation of a series by MSER-5.

    Parameters
    ----------
    series : sequence of float, (n,)
        In order of time; missing values are dropped.

    Returns
    -------
    WarmUp
        Equation: the d <= m / 2 that minimises sum_{i > d} (Z_i - mean)^2 / (m - d)^2, with Z_1, ..., Z_m the means of
        m batches of five.
    """
    values = np.asarray(series, dtype=np.float64)
    values = values[~np.isnan(values)]
    m = len(values) // MSER_BATCH
    if m < 4:
        return WarmUp(0, settled=False)
    means = values[: m * MSER_BATCH].reshape(m, MSER_BATCH).mean(axis=1)
    shifted = means - means.mean()  # centred: sums of squares of large values lose digits
    left = np.arange(m, 0, -1)
    sums, squares = np.cumsum(shifted[::-1])[::-1], np.cumsum(shifted[::-1] ** 2)[::-1]
    statistic = np.clip(squares - sums**2 / left, 0.0, None) / left**2
    half = m // 2
    best = int(np.argmin(statistic[: half + 1]))
    return WarmUp(best * MSER_BATCH, settled=best < half)


def late_growth(series: Sequence[float] | Floats) -> float:
    """Growth at the end of a daily series: the mean of its last quarter minus the mean of the quarter before.

    Parameters
    ----------
    series : sequence of float, (n_days,)

    Returns
    -------
    float
        NaN for fewer than :data:`SHORTEST_D` days: four-weekly work would appear as growth.
    """
    values = np.asarray(series, dtype=np.float64)
    n = len(values)
    if n < SHORTEST_D:
        return np.nan
    return float(values[3 * n // 4 :].mean() - values[n // 2 : 3 * n // 4].mean())


@dataclass(frozen=True)
class Estimate:
    """Estimate of a metric over replications.

    Attributes
    ----------
    mean, lo95, hi95 : float
        Mean and Student's 95 % interval; the limits are NaN for a single replication.
    n : int
        Replications in which the metric has a value.
    needed : int or None
        Smallest sufficient number of replications: the half-width stays within :data:`PRECISION` of the mean for
        :data:`LOOK_AHEAD` further replications. None: these replications do not reach it.
    """

    mean: float
    lo95: float
    hi95: float
    n: int
    needed: int | None


def estimate(values: Sequence[float] | Floats) -> Estimate:
    """Mean and 95 % interval of independent replications, and the sufficient number of replications."""
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
    """Sufficient number of replications, from sim-tools' record of the running interval."""
    if np.ptp(x) == 0.0:
        return 1
    if len(x) < 3 or x.mean() == 0.0:
        return None
    record = ReplicationTabulizer()
    with np.errstate(divide="ignore", invalid="ignore"):  # a running mean of 0 has no relative precision
        OnlineStatistics(data=x, alpha=0.05, observer=record)
    rule = ReplicationsAlgorithm(half_width_precision=PRECISION, look_ahead=LOOK_AHEAD)
    deviations = [None if value is None or np.isnan(value) else abs(value) for value in record.dev]
    position = rule.find_position(deviations)
    return None if position is None else int(position)


def estimates(by_metric: Mapping[str, Sequence[float] | Floats]) -> dict[str, Estimate]:
    """:func:`estimate` of every metric."""
    return {name: estimate(values) for name, values in by_metric.items()}
