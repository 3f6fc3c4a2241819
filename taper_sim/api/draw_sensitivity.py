"""How much of an outcome's spread over parameter draws follows one parameter. Imports nothing of the package but types.

The inputs are the draws that were simulated anyway: no further runs. Ranks of a parameter are enough, since both
measures use only the order of its values.
"""

from typing import Final, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from taper_sim.array_types import Floats

_RESAMPLES: Final = 400
#: Harmonics of the outcome along the sorted parameter: four describe a smooth dependence and leave, of fifty draws, a
#: bias below 0.04 of the variance (tests/api/test_draw_sensitivity.py).
_HARMONICS: Final = 4
_FEWEST_DRAWS: Final = 20  # below, the bias correction of half the draws divides by about zero: 2 x 4 of 10


class Measure(NamedTuple):
    """A measure with its 95 % interval; all NaN if it cannot be computed."""

    value: float
    lo95: float
    hi95: float


NO_MEASURE: Final = Measure(np.nan, np.nan, np.nan)


def rank_correlation(parameter: Floats, outcome: Floats, seed: int) -> Measure:
    """Spearman's correlation with a 95 % percentile bootstrap over draws.

    Parameters
    ----------
    parameter, outcome : ndarray, (n_draws,)
        NaN in the outcome: a draw without people.
    seed : int

    Returns
    -------
    Measure
        NaN for fewer than four draws and if one of the two is constant.
    """
    usable = _usable(parameter, outcome, 4)
    if usable is None:
        return NO_MEASURE
    x, y = usable
    rng = np.random.default_rng([seed % 2**32, 5])
    correlations = []
    for _ in range(_RESAMPLES):
        again = rng.integers(0, len(x), len(x))
        if np.ptp(x[again]) > 0 and np.ptp(y[again]) > 0:
            correlations.append(float(spearmanr(x[again], y[again]).statistic))
    low, high = np.quantile(correlations, (0.025, 0.975))
    return Measure(float(spearmanr(x, y).statistic), float(low), float(high))


def first_order_index(parameter: Floats, outcome: Floats, seed: int) -> Measure:
    """Share of an outcome's variance over draws that a parameter explains alone, whatever the form of the dependence.

    Equation: Var(E[outcome | parameter]) / Var(outcome), by random balance designs (RBD-FAST) from given draws.
    Source: Tarantola 2006, doi:10.1016/j.ress.2005.06.003; bias correction Tissot 2012, doi:10.1016/j.ress.2012.06.010;
    the computation is SALib's.

    Parameters
    ----------
    parameter, outcome : ndarray, (n_draws,)
        NaN in the outcome: a draw without people.
    seed : int

    Returns
    -------
    Measure
        From 0 to 1. The interval is SALib's, from resamples of half the size, so it is wider than a 95 % interval needs
        to be. NaN for fewer than twenty draws and if one of the two is constant.
    """
    usable = _usable(parameter, outcome, _FEWEST_DRAWS)
    if usable is None:
        return NO_MEASURE
    from SALib.analyze import rbd_fast  # here, because it loads scipy.signal and matplotlib: seconds

    x, y = usable
    names = {"num_vars": 1, "names": ["parameter"]}
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample of equal outcomes: no interval
        index = rbd_fast.analyze(names, x[:, np.newaxis], y, M=_HARMONICS, seed=[seed % 2**32, 7])
    value, half = float(index["S1"][0]), float(index["S1_conf"][0])
    if not np.isfinite(half):
        return NO_MEASURE
    value = min(max(value, 0.0), 1.0)  # the bias correction can leave the range of a share
    return Measure(value, max(value - half, 0.0), min(value + half, 1.0))


def _usable(parameter: Floats, outcome: Floats, fewest: int) -> tuple[Floats, Floats] | None:
    """Parameter and outcome of the draws with people; None for fewer than ``fewest`` or if one of them is constant."""
    there = np.isfinite(outcome)
    x, y = parameter[: len(outcome)][there], outcome[there]
    return None if len(x) < fewest or np.ptp(y) == 0 or np.ptp(x) == 0 else (x, y)
