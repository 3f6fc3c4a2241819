"""Intervals over parameter draws with Monte Carlo error, paired differences, tails. Imports NumPy and SciPy only.

Each person lives under one draw of the ensemble, the same under every protocol. With n_k people under draw k the mean
of the draw is seen with Monte Carlo error s²/n_k, so the spread of the K means is too wide by it; the part that is
between draws is found by moments (DerSimonian and Laird 1986). The mean under the parameters that hold is then one of
the draws' means, pulled in to that spread, seen with the Monte Carlo error of all people: a mixture of K normals, from
which interval and chances are read. With one draw only the Monte Carlo error is left.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

_CVAR_SHARE = 0.05
_NEWTON_STEPS = 12
_CLOSE = 1e-9  # of a quantile, in Monte Carlo errors
_ROOT_2PI = float(np.sqrt(2.0 * np.pi))


@dataclass(frozen=True)
class OverDraws:
    """The mean of an outcome over people, as it is known over the draws of the ensemble.

    ``centres`` and ``weights`` are those of the mixture, ``mc_se`` the standard deviation of its parts and the Monte
    Carlo error of ``mean``; ``between_sd`` the spread between draws; ``n`` people in all.
    """

    mean: float
    mc_se: float
    between_sd: float
    centres: Floats
    weights: Floats
    n: int

    def chance_below(self, x: float) -> float:
        """Chance that the mean is below x."""
        if self.mc_se == 0.0:
            at = (self.centres == x) & np.isfinite(self.centres)
            return float(self.weights @ (self.centres < x) + 0.5 * self.weights @ at)
        return float(self.weights @ ndtr((x - self.centres) / self.mc_se))

    def quantile(self, q: float) -> float:
        """Value below which the mean lies with chance q: the root of :meth:`chance_below`, by Newton's steps."""
        reach = 10.0 * self.mc_se
        low, high = float(self.centres.min()) - reach, float(self.centres.max()) + reach
        if reach > 0.0:
            x = self.mean + float(ndtri(q)) * float(np.hypot(self.mc_se, self.between_sd))
            for _ in range(_NEWTON_STEPS):
                z = (x - self.centres) / self.mc_se
                density = float(self.weights @ np.exp(-0.5 * z * z)) / (self.mc_se * _ROOT_2PI)
                step = (float(self.weights @ ndtr(z)) - q) / density if density > 0.0 else np.inf
                if not low <= x - step <= high:
                    break
                x -= step
                if abs(step) < _CLOSE * self.mc_se:
                    return x
            return float(brentq(lambda x: self.chance_below(x) - q, low, high, xtol=_CLOSE * self.mc_se))
        for _ in range(80):  # chances rise in steps: halve until no number lies between
            middle = 0.5 * (low + high)
            if self.chance_below(middle) < q:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)


def over_draws(values: Floats, draw: NDArray[np.int64]) -> OverDraws:
    """Mean of people's values with what the draws and the number of people leave open.

    Parameters
    ----------
    values : ndarray, (n,)
        One number a person, none missing.
    draw : ndarray of int, (n,)
        The draw each person lives under.
    """
    n = len(values)
    if n == 0:
        raise ValueError("over_draws needs at least one person")
    everyone = np.bincount(draw)
    there = everyone > 0
    counts = everyone[there]
    mean = float(values.mean())
    of_draw = np.bincount(draw, weights=values) / np.maximum(everyone, 1)
    means = of_draw[there]
    n_draws = len(counts)
    # with fewer than two people a draw, what is between draws cannot be told from what is between people
    told_apart = n >= 2 * n_draws
    if told_apart:
        within = float(np.sum((values - of_draw[draw]) ** 2) / (n - n_draws))
    else:
        within = float(values.var(ddof=1)) if n > 1 else 0.0
    mc_se = float(np.sqrt(within / n))
    between = 0.0
    if n_draws > 1 and told_apart:
        if within == 0.0:
            between = float(means.var(ddof=1))
        else:
            spread = float(np.sum(counts * (means - mean) ** 2)) / within
            between = max(0.0, (spread - (n_draws - 1)) * within / (n - float(np.sum(counts**2)) / n))
    pull = np.sqrt(between / (between + within / counts)) if between > 0 else np.zeros(n_draws)
    return OverDraws(mean, mc_se, float(np.sqrt(between)), mean + pull * (means - mean), counts / n, n)


def tail_terms(values: Floats) -> Floats:
    """Numbers whose mean is the mean of the worst (largest) 5 %, one a person (Rockafellar and Uryasev 2000)."""
    threshold = np.quantile(values, 1.0 - _CVAR_SHARE, method="inverted_cdf")
    return threshold + np.maximum(values - threshold, 0.0) / _CVAR_SHARE


def pareto_front(points: Floats) -> NDArray[np.bool_]:
    """Which rows of (n, d) points, all to be made small, no other row beats in everything."""
    no_worse = (points[:, None, :] <= points[None, :, :]).all(axis=2)
    better = (points[:, None, :] < points[None, :, :]).any(axis=2)
    return ~(no_worse & better).any(axis=0)
