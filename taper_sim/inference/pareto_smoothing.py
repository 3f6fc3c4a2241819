"""Pareto-smoothed importance weights, to the bit those of arviz-stats. Imports nothing.

Source: Vehtari 2024, JMLR 25(72). arviz-stats loads xarray, SciPy's distributions and signal processing with its one
function, a fifth of the time of a recommendation as a whole process. ``tests/inference/test_pareto_smoothing.py`` holds
the two equal.
"""

from typing import Final

import numpy as np
from scipy.special import logsumexp

from taper_sim.array_types import Floats

_FEW_DRAWS: Final = 225  # up to so many the tail is a fifth of the draws, else three times the root of their number
_PRIOR_DRAWS: Final = 10  # weight of the prior of the shape, as a number of draws
_PRIOR_SHAPE: Final = 0.5
_NEGLECTED: Final = 10 * np.finfo(np.float64).eps  # weight of a grid point that counts nothing


def pareto_smoothed(log_weights: Floats) -> tuple[Floats, float]:
    """Pareto-smoothed log weights, whose exponentials sum to 1, and the shape of their tail (k-hat).

    Nearly equal weights have no tail: their shape is minus infinity.
    """
    finite = np.maximum(np.nan_to_num(log_weights, nan=-1e6), log_weights.max() - 1e4)
    if float(np.ptp(finite)) < 1e-9:
        return np.full(len(finite), -np.log(len(finite))), -np.inf
    smoothed, n = finite - np.max(finite), len(finite)
    n_tail = int(3 * n**0.5 if n > _FEW_DRAWS else n / 5)
    rising = np.argsort(smoothed)
    tail, cutoff = rising[n - n_tail :], np.exp(smoothed[rising[n - n_tail - 1]])
    most = np.max(smoothed[tail])
    shape, scale = _generalised_pareto(np.exp(smoothed[tail]) - cutoff)
    if np.isfinite(shape):
        at = np.arange(0.5, n_tail) / n_tail
        smoothed[tail] = np.minimum(np.log(_quantiles(at, shape, scale, cutoff)), most)
    for _ in range(2):  # the second changes last bits alone, as where a caller of arviz-stats normalises again
        smoothed = smoothed - logsumexp(smoothed)
    return smoothed, float(shape)


def _generalised_pareto(excess: Floats) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution from rising values, by empirical Bayes; NaN without one.

    Source: Zhang & Stephens 2009, Technometrics 51(3), with Vehtari's weak prior of the shape.
    """
    n = len(excess)
    n_grid = 30 + int(n**0.5)
    quartile = excess[int((n / 4 + 0.5) - 1)]
    if quartile <= excess[0]:
        return np.nan, np.nan
    grid = 1 - np.sqrt(n_grid / (np.arange(1, n_grid + 1, dtype=np.float64) - 0.5))
    grid /= 3 * quartile
    grid += 1 / excess[-1]
    shapes = np.mean(np.log1p(-grid[:, None] * excess), axis=1)
    log_profile = n * (np.log(-grid / shapes) - shapes - 1)
    weights = np.exp(log_profile - logsumexp(log_profile))
    counts = weights >= _NEGLECTED
    weights, grid = weights[counts] / weights[counts].sum(), grid[counts]
    theta = np.sum(grid * weights)
    shape = np.mean(np.log1p(-theta * excess))
    scale = -shape / theta
    shape = (n * shape + _PRIOR_DRAWS * _PRIOR_SHAPE) / (n + _PRIOR_DRAWS)
    return (np.inf, np.nan) if np.isnan(shape) else (shape, scale)


def _quantiles(p: Floats, shape: float, scale: float, cutoff: float) -> Floats:
    """Quantiles of a generalised Pareto distribution above ``cutoff``."""
    if scale <= 0:
        return np.full_like(p, np.nan)
    if shape == 0:
        return np.asarray(cutoff - scale * np.log1p(-p))
    return np.asarray(cutoff + scale * np.expm1(-shape * np.log1p(-p)) / shape)
