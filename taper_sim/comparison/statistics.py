"""Intervals over parameter draws with Monte Carlo error, quantiles, CVaR. Imports ``array_types``, NumPy, SciPy.

Each patient is simulated under one draw of the ensemble, the same draw under every protocol. With n_k patients under
draw k the mean of draw k has Monte Carlo variance s²/n_k, so the variance of the K means overstates the variance
between draws. The variance between draws is estimated by moments (DerSimonian and Laird 1986). The mean of the outcome
is described by a mixture of K normals: the draws' means, shrunk to the estimated variance between draws, each with the
Monte Carlo error of all patients. Intervals and probabilities are those of this mixture. With a single draw only the
Monte Carlo error remains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from taper_sim.array_types import Bools, Floats, Ints

CVAR_SHARE: Final = 0.05
"""Share of patients in the tail whose mean is reported (CVaR). Source: docs/personal-pace.md."""
ENDS_95: Final = (0.025, 0.975)
"""Probabilities of the ends of a 95 % interval."""
_REACH = 10.0  # bracket beyond the outermost centres, in Monte Carlo errors; every requested quantile lies inside
_CLOSE = 1e-11  # convergence: last step, relative to the larger of the quantile and one Monte Carlo error
_FLAT = 1e-200  # density below which Newton's step is replaced by bisection
_MOST_STEPS = 200
_ROOT_2PI = float(np.sqrt(2.0 * np.pi))


@dataclass(frozen=True)
class OverDraws:
    """Distribution of the mean of an outcome over the draws of the ensemble: a mixture of normals.

    ``centres`` and ``weights`` describe the mixture. ``mc_se`` is the standard deviation of each component and the
    Monte Carlo standard error of ``mean``. ``between_sd`` is the standard deviation between draws. ``n`` is the number
    of patients.
    """

    mean: float
    mc_se: float
    between_sd: float
    centres: Floats
    weights: Floats
    n: int

    def chance_below(self, x: float) -> float:
        """Probability that the mean is below x."""
        if self.mc_se == 0.0:
            at = (self.centres == x) & np.isfinite(self.centres)
            return float(self.weights @ (self.centres < x) + 0.5 * self.weights @ at)
        return float(self.weights @ ndtr((x - self.centres) / self.mc_se))

    def quantile(self, q: float) -> float:
        """Quantile q of the mean; see :func:`mixture_quantiles`."""
        return float(mixture_quantiles([self], [q])[0, 0])


def mixture_quantiles(means: Sequence[OverDraws], q: Sequence[float]) -> Floats:
    """Quantiles of several means at once.

    Parameters
    ----------
    means : sequence of OverDraws
        Distributions of m means.
    q : sequence of float
        Probabilities, each strictly between 0 and 1.

    Returns
    -------
    ndarray, (m, len(q))
        Roots of :meth:`OverDraws.chance_below` minus q, to ten digits. Without Monte Carlo error the distribution is
        discrete; the value is then the smallest centre whose cumulative weight reaches q.
    """
    quantiles = np.empty((len(means), len(q)))
    smooth = [k for k, mean in enumerate(means) if mean.mc_se > 0.0]
    for k, mean in enumerate(means):
        if mean.mc_se == 0.0:
            order = np.argsort(mean.centres)
            reached = np.searchsorted(
                np.cumsum(mean.weights[order]), np.asarray(q) - _CLOSE
            )  # tolerance: rounding must not decide
            quantiles[k] = mean.centres[order][np.minimum(reached, len(order) - 1)]
    if smooth:
        quantiles[smooth] = _roots([means[k] for k in smooth], np.asarray(q, dtype=np.float64))
    return quantiles


def _roots(means: Sequence[OverDraws], q: Floats) -> Floats:
    """Quantiles of mixtures of normals, (m, len(q)): Newton's method, with bisection if a step leaves the bracket."""
    mixture = np.repeat(np.arange(len(means)), len(q))  # index of the mixture of each root
    centres, weights = np.zeros((2, len(means), max(len(mixture_mean.centres) for mixture_mean in means)))
    for row, mixture_mean in enumerate(means):  # centres are standardised by mean and Monte Carlo error
        size = len(mixture_mean.centres)
        centres[row, :size] = (mixture_mean.centres - mixture_mean.mean) / mixture_mean.mc_se
        weights[row, :size] = mixture_mean.weights
    wanted = np.tile(q, len(means))
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
    mean = np.array([mixture_mean.mean for mixture_mean in means])
    mc_se = np.array([mixture_mean.mc_se for mixture_mean in means])
    return np.asarray(mean[:, None] + mc_se[:, None] * x.reshape(len(means), len(q)))


def over_draws(values: Floats, draw: Ints) -> OverDraws:
    """Mean of patients' values with its uncertainty from parameter draws and Monte Carlo error.

    Parameters
    ----------
    values : ndarray, (n,)
        One number per patient, none missing.
    draw : ndarray of int, (n,)
        Draw of each patient.
    """
    n = len(values)
    if n == 0:
        raise ValueError("over_draws needs at least one person")
    everyone = np.bincount(draw)
    present = everyone > 0
    counts = everyone[present]
    mean = float(values.mean())
    of_draw = np.bincount(draw, weights=values) / np.maximum(everyone, 1)
    means = of_draw[present]
    n_draws = len(counts)
    # with fewer than two patients per draw the variances between draws and between patients are not identifiable
    identifiable = n >= 2 * n_draws
    if identifiable:
        within = float(np.sum((values - of_draw[draw]) ** 2) / (n - n_draws))
    else:
        within = float(values.var(ddof=1)) if n > 1 else 0.0
    mc_se = float(np.sqrt(within / n))
    between = 0.0
    if n_draws > 1 and identifiable:
        if within == 0.0:
            between = float(means.var(ddof=1))
        else:
            spread = float(np.sum(counts * (means - mean) ** 2)) / within
            between = max(0.0, (spread - (n_draws - 1)) * within / (n - float(np.sum(counts**2)) / n))
    pull = np.sqrt(between / (between + within / counts)) if between > 0 else np.zeros(n_draws)
    return OverDraws(mean, mc_se, float(np.sqrt(between)), mean + pull * (means - mean), counts / n, n)


def spread_quantiles(values: Floats, q: Sequence[float]) -> Floats:
    """Quantiles of patients' values by linear interpolation: ``np.nanquantile``, but fast for many rows.

    Parameters
    ----------
    values : ndarray, (..., n)
        NaN where a value is missing.
    q : sequence of float

    Returns
    -------
    ndarray, (len(q), ...)
        NaN for a row without values.
    """
    ordered = np.sort(values, axis=-1)  # NaN sort last
    last = np.maximum(np.count_nonzero(~np.isnan(ordered), axis=-1)[..., None] - 1, 0)
    quantiles = []
    for share in q:
        place = share * last
        below = np.floor(place).astype(np.int64)
        low, high = (np.take_along_axis(ordered, at, axis=-1) for at in (below, np.minimum(below + 1, last)))
        part, gap = place - below, high - low
        between = np.where(part >= 0.5, high - gap * (1.0 - part), low + gap * part)  # exact at both ends
        quantiles.append(between[..., 0])
    return np.array(quantiles)


def tail_terms(values: Floats) -> Floats:
    """One number per patient whose mean is the CVaR: the mean of the largest 5 % (Rockafellar and Uryasev 2000)."""
    threshold = np.quantile(values, 1.0 - CVAR_SHARE, method="inverted_cdf")
    return threshold + np.maximum(values - threshold, 0.0) / CVAR_SHARE


def pareto_front(points: Floats) -> Bools:
    """Mask (n,) of the Pareto-optimal rows of (n, d) points, every dimension minimised."""
    no_worse = (points[:, None, :] <= points[None, :, :]).all(axis=2)
    better = (points[:, None, :] < points[None, :, :]).any(axis=2)
    return ~(no_worse & better).any(axis=0)
