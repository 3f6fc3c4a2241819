"""Intervals over parameter draws with Monte Carlo error, paired differences, tails. Imports NumPy and SciPy only.

Each person lives under one draw of the ensemble, the same under every protocol. With n_k people under draw k the mean
of the draw is seen with Monte Carlo error s²/n_k, so the spread of the K means is too wide by it; the part that is
between draws is found by moments (DerSimonian and Laird 1986). The mean under the parameters that hold is then one of
the draws' means, pulled in to that spread, seen with the Monte Carlo error of all people: a mixture of K normals, from
which interval and chances are read. With one draw only the Monte Carlo error is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from taper_sim.array_types import Bools, Floats, Ints

_CVAR_SHARE = 0.05
_REACH = 10.0  # beyond the outermost centres, in Monte Carlo errors: no chance asked for lies further out
_CLOSE = 1e-11  # last step of a quantile, over the larger of it and the Monte Carlo error
_FLAT = 1e-200  # density under which no step is taken by it
_MOST_STEPS = 200
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
        """Value below which the mean lies with chance q, as :func:`mixture_quantiles` finds it."""
        return float(mixture_quantiles([self], [q])[0, 0])


def mixture_quantiles(known: Sequence[OverDraws], q: Sequence[float]) -> Floats:
    """Values below which means lie with chances q, all at once.

    Parameters
    ----------
    known : sequence of OverDraws
        m means.
    q : sequence of float
        Chances, each strictly between 0 and 1.

    Returns
    -------
    ndarray, (m, len(q))
        Roots of :meth:`OverDraws.chance_below` minus q, to ten digits; where there is no Monte Carlo error chances
        rise in steps, and the value is that of the step that reaches q.
    """
    found = np.empty((len(known), len(q)))
    smooth = [k for k, one in enumerate(known) if one.mc_se > 0.0]
    for k, one in enumerate(known):
        if one.mc_se == 0.0:
            order = np.argsort(one.centres)
            reached = np.searchsorted(np.cumsum(one.weights[order]), np.asarray(q) - _CLOSE)  # not by a last bit
            found[k] = one.centres[order][np.minimum(reached, len(order) - 1)]
    if smooth:
        found[smooth] = _roots([known[k] for k in smooth], np.asarray(q, dtype=np.float64))
    return found


def _roots(known: Sequence[OverDraws], q: Floats) -> Floats:
    """Quantiles of mixtures of normals, (m, len(q)): Newton's steps, halving the bracket where one would leave it."""
    mixture = np.repeat(np.arange(len(known)), len(q))  # of each root
    centres, weights = np.zeros((2, len(known), max(len(one.centres) for one in known)))
    for row, one in enumerate(known):
        size = len(one.centres)
        centres[row, :size] = (one.centres - one.mean) / one.mc_se  # around the mean, in Monte Carlo errors
        weights[row, :size] = one.weights
    wanted = np.tile(q, len(known))
    low, high = (centres.min(axis=1) - _REACH)[mixture], (centres.max(axis=1) + _REACH)[mixture]
    x = ndtri(wanted) * np.sqrt(1.0 + (weights * centres**2).sum(axis=1))[mixture]
    open_ = np.arange(len(x))
    for _ in range(_MOST_STEPS):
        z, w = x[open_, None] - centres[mixture[open_]], weights[mixture[open_]]
        off = (w * ndtr(z)).sum(axis=1) - wanted[open_]
        density = (w * np.exp(-0.5 * z * z)).sum(axis=1) / _ROOT_2PI
        low[open_] = np.where(off < 0.0, x[open_], low[open_])
        high[open_] = np.where(off < 0.0, high[open_], x[open_])
        step = np.divide(off, density, out=np.full_like(off, np.inf), where=density > _FLAT)
        newton = x[open_] - step
        inside = (newton >= low[open_]) & (newton <= high[open_])
        new = np.where(inside, newton, 0.5 * (low[open_] + high[open_]))
        moved = np.abs(new - x[open_])
        x[open_] = new
        open_ = open_[moved > _CLOSE * np.maximum(1.0, np.abs(new))]
        if len(open_) == 0:
            break
    mean, mc_se = (np.array([getattr(one, name) for one in known]) for name in ("mean", "mc_se"))
    return np.asarray(mean[:, None] + mc_se[:, None] * x.reshape(len(known), len(q)))


def over_draws(values: Floats, draw: Ints) -> OverDraws:
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


def spread_quantiles(values: Floats, q: Sequence[float]) -> Floats:
    """Quantiles of people's values, linear between neighbours, as ``np.nanquantile`` gives them but for many rows fast.

    Parameters
    ----------
    values : ndarray, (..., n)
        NaN where a value is missing.
    q : sequence of float

    Returns
    -------
    ndarray, (len(q), ...)
        NaN where a row has no value.
    """
    ordered = np.sort(values, axis=-1)  # missing ones last
    last = np.maximum(np.count_nonzero(~np.isnan(ordered), axis=-1)[..., None] - 1, 0)
    found = []
    for share in q:
        place = share * last
        below = np.floor(place).astype(np.int64)
        low, high = (np.take_along_axis(ordered, at, axis=-1) for at in (below, np.minimum(below + 1, last)))
        part, gap = place - below, high - low
        between = np.where(part >= 0.5, high - gap * (1.0 - part), low + gap * part)  # exact at either end
        found.append(between[..., 0])
    return np.array(found)


def tail_terms(values: Floats) -> Floats:
    """Numbers whose mean is the mean of the worst (largest) 5 %, one a person (Rockafellar and Uryasev 2000)."""
    threshold = np.quantile(values, 1.0 - _CVAR_SHARE, method="inverted_cdf")
    return threshold + np.maximum(values - threshold, 0.0) / _CVAR_SHARE


def pareto_front(points: Floats) -> Bools:
    """Which rows of (n, d) points, all to be made small, no other row beats in everything."""
    no_worse = (points[:, None, :] <= points[None, :, :]).all(axis=2)
    better = (points[:, None, :] < points[None, :, :]).any(axis=2)
    return ~(no_worse & better).any(axis=0)
