"""Intervals over parameter draws with Monte Carlo error, quantiles, CVaR. Imports ``between_draws``, NumPy, SciPy.

The target is the mean of an outcome over the population under parameters that are drawn as the ensemble's draws are. An
interval of 95 % should contain the mean under a further draw with probability 0.95. A simulation shows how near that is
(docs/tables/interval_coverage.csv). The variance has two parts.

- Between draws: the posterior mean of the variance between draws (``between_draws``), times 1 + 1 / (number of draws).
- Monte Carlo error: the variance of single people under one draw, over the number of people, with the quantile of
  Student's distribution. Few people therefore widen an interval and never narrow it.

Every person of the tables lives under one draw, which is the same under every protocol. If people are few, the same
people also live under further draws with other random numbers (:class:`Sample`). Only the variance between draws uses
those rows; mean, spread and shares are of the people themselves.

The shape: numbers have a mixture of normals, one for each draw, around the means of the draws; the less the people say
about the draws, the nearer it is to one normal. Shares of people are normal on the scale of log odds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri, stdtrit

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.comparison.between_draws import (
    LOG_ODDS_SD,
    DrawEvents,
    DrawMeans,
    between_log_odds,
    between_variances,
    centres_of,
)

Kind = Literal["number", "share", "rate", "difference of shares"]

CVAR_SHARE: Final = 0.05
"""Share of patients in the tail whose mean is reported (CVaR). Source: docs/personal-pace.md."""
ENDS_95: Final = (0.025, 0.975)
"""Probabilities of the ends of a 95 % interval."""
_REACH = 10.0  # bracket beyond the outermost centres, in Monte Carlo errors; every requested quantile lies inside
_CLOSE = 1e-11  # convergence: last step, relative to the larger of the quantile and one Monte Carlo error
_FLAT = 1e-200  # density below which Newton's step is replaced by bisection
_MOST_STEPS = 200
_ROOT_2PI = float(np.sqrt(2.0 * np.pi))
_NORMAL_END: Final = float(ndtri(ENDS_95[1]))
_BANDWIDTH: Final = 0.9  # of the mixture's components at one draw, in standard deviations (Silverman 1986, eq. 3.31)
_MANY_EVENTS: Final = 4.0  # events a draw from which the log odds of a draw are near normal
_CLEAR: Final = 0.5  # relative noise of a draw's rate up to which its logarithm is near normal
_FLOOR: Final = 0.05  # of the mean rate: a draw below counts as this, because observed minus expected may be negative
_TINY: Final = 1e-300
_ONE: Final = np.ones(1)


@dataclass(frozen=True)
class Sample:
    """Values of one outcome, one row a person, then the same people under further draws.

    Attributes
    ----------
    values : ndarray, (n_rows,)
        None missing.
    draw : ndarray of int, (n_rows,)
        Draw of each row.
    n : int
        Rows of the people of the tables: the first ones.
    person : ndarray of int, (n_rows,), optional
        Person of each row; needed if ``n`` is smaller than the number of rows.
    kind : "number", "share", "rate" or "difference of shares"
        Whether the values are numbers, 0 or 1, expected events, or −1, 0 or 1.
    """

    values: Floats
    draw: Ints
    n: int
    person: Ints | None = None
    kind: Kind = "number"


@dataclass(frozen=True)
class OverDraws:
    """Distribution of the mean of an outcome over parameter draws: a mixture of normals.

    Attributes
    ----------
    mean : float
        Mean of the people.
    mc_se : float
        Monte Carlo standard error of ``mean``.
    between_sd : float
        Standard deviation between draws; of log odds if ``log_odds``.
    centres, weights : ndarray, (n_components,)
    width : float
        Standard deviation of each component.
    n : int
        Number of people.
    n_draws : int
        Draws of these people.
    log_odds : bool
        Whether the components are on the scale of log odds.
    """

    mean: float
    mc_se: float
    between_sd: float
    centres: Floats
    weights: Floats
    width: float
    n: int
    n_draws: int
    log_odds: bool = False

    def chance_below(self, x: float) -> float:
        """Probability that the mean is below x."""
        if self.log_odds:
            x = float(logit(np.clip(x, 0.0, 1.0)))
        if self.width == 0.0:
            at = (self.centres == x) & np.isfinite(self.centres)
            return float(self.weights @ (self.centres < x) + 0.5 * self.weights @ at)
        return float(self.weights @ ndtr((x - self.centres) / self.width))

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
    smooth = [k for k, mean in enumerate(means) if mean.width > 0.0]
    for k, mean in enumerate(means):
        if mean.width == 0.0:
            order = np.argsort(mean.centres)
            reached = np.searchsorted(
                np.cumsum(mean.weights[order]), np.asarray(q) - _CLOSE
            )  # tolerance: rounding must not decide
            quantiles[k] = mean.centres[order][np.minimum(reached, len(order) - 1)]
    if smooth:
        quantiles[smooth] = _roots([means[k] for k in smooth], np.asarray(q, dtype=np.float64))
    logged = [k for k, mean in enumerate(means) if mean.log_odds]
    quantiles[logged] = expit(quantiles[logged])
    return quantiles


def _roots(means: Sequence[OverDraws], q: Floats) -> Floats:
    """Quantiles of mixtures of normals, (m, len(q)): Newton's method, with bisection if a step leaves the bracket."""
    mixture = np.repeat(np.arange(len(means)), len(q))  # index of the mixture of each root
    centres, weights = np.zeros((2, len(means), max(len(mixture_mean.centres) for mixture_mean in means)))
    middle = np.array([float(mixture_mean.weights @ mixture_mean.centres) for mixture_mean in means])
    width = np.array([mixture_mean.width for mixture_mean in means])
    for row, mixture_mean in enumerate(means):  # centres are standardised by the mixture's mean and width
        size = len(mixture_mean.centres)
        centres[row, :size] = (mixture_mean.centres - middle[row]) / width[row]
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
    return np.asarray(middle[:, None] + width[:, None] * x.reshape(len(means), len(q)))


def over_draws(values: Floats, draw: Ints, kind: Kind = "number") -> OverDraws:
    """Mean of people's values with its uncertainty; see :func:`estimates`.

    Parameters
    ----------
    values : ndarray, (n,)
        One number per person, none missing.
    draw : ndarray of int, (n,)
        Draw of each person.
    kind : str, optional
        See :class:`Sample`.
    """
    return estimates([Sample(values, draw, len(values), kind=kind)])[0]


def estimates(samples: Sequence[Sample], printed: Sequence[bool] | None = None) -> list[OverDraws]:
    """Means of several outcomes with their uncertainty from parameter draws and Monte Carlo error.

    ``printed`` says which of them have an interval, (m,); all if omitted. The others have their mean and ``mc_se``
    alone, and a standard deviation between draws of NaN.
    """
    shown = [True] * len(samples) if printed is None else list(printed)
    parts = [_Parts.of(sample, printed=each) for sample, each in zip(samples, shown, strict=True)]
    between = np.full(len(parts), np.nan)
    wanted = np.flatnonzero(shown).tolist()
    others = [k for k in wanted if parts[k].events is None]
    between[others] = between_variances([parts[k].by_draw for k in others])
    counted = {k: events for k in wanted if (events := parts[k].events) is not None}
    between[list(counted)] = between_log_odds(list(counted.values()))
    return [part.estimate(float(variance)) for part, variance in zip(parts, between, strict=True)]


@dataclass(frozen=True)
class _Parts:
    """A sample reduced to what its interval needs; ``error`` is the Monte Carlo variance on the scale of the draws."""

    mean: float
    mc_se: float
    error: float
    by_draw: DrawMeans
    events: DrawEvents | None
    n: int
    n_draws: int
    draws_of_people: float
    log_odds: bool

    @classmethod
    def of(cls, sample: Sample, *, printed: bool) -> "_Parts":
        """Means and noise of the draws, and the Monte Carlo error of the people.

        What only an interval needs, and takes long with replicates, is left out if it is not ``printed``.
        """
        n, values, draw = sample.n, sample.values, sample.draw
        if n == 0:
            raise ValueError("over_draws needs at least one person")
        mean = float(values[:n].mean())
        everyone = np.bincount(draw)
        present = everyone > 0
        people = everyone[present].astype(np.float64)
        of_draw = np.bincount(draw, weights=values) / np.maximum(everyone, 1)
        means, n_rows, n_draws = of_draw[present], len(values), len(people)
        single = float(values[:n].var(ddof=1)) if n > 1 else 0.0
        residual = values - of_draw[draw]
        squared = residual * residual
        squares = float(squared.sum())
        # with fewer than two people a draw the variances between draws and of people are not separable
        separable = n_rows >= 2 * n_draws
        within = squares / (n_rows - n_draws) if separable else single
        shared = _shared(sample, residual, squares, n_draws) if separable and printed else 0.0
        noise = (within - min(shared, within)) / people
        tail = 0.0
        if separable and squares > 0.0:
            tail = (n_rows * float(squared @ squared) / squares**2 - 3.0) * n_draws / n_rows
        of_people = np.bincount(draw[:n])
        draws_of_people = 1.0 / float(np.sum((of_people / n) ** 2))
        mc = within / n
        error = mc * (_student(n) / _NORMAL_END) ** 2
        scale = float(np.sqrt(single))
        if sample.kind == "difference of shares":
            scale = float(np.mean(np.abs(values[:n])))
        total = None if separable else single
        by_draw = DrawMeans(means, noise, scale, max(tail, 0.0), n_rows / n_draws, total)
        events = None
        log_odds = sample.kind == "share" and 0.0 < mean < 1.0
        if log_odds:
            rare = min(mean, 1.0 - mean)
            counts = people * (means if mean < 0.5 else 1.0 - means)
            slope = mean * (1.0 - mean)
            if rare * n_rows / n_draws < _MANY_EVENTS:
                events = DrawEvents(counts, people)
            else:
                logs = np.log((counts + 0.5) / (people - counts + 0.5))
                by_draw = DrawMeans(logs, noise / slope**2, LOG_ODDS_SD)
            error = max(error, slope / n) / slope**2
        elif sample.kind == "rate" and 0.0 < mean < 1.0 and float(np.mean(noise)) < (_CLEAR * mean) ** 2:
            log_odds, slope = True, mean * (1.0 - mean)
            by_draw = DrawMeans(logit(np.clip(means, _FLOOR * mean, 1.0 - 1e-9)), noise / slope**2, LOG_ODDS_SD)
            error = error / slope**2
        return cls(mean, float(np.sqrt(mc)), error, by_draw, events, n, n_draws, draws_of_people, log_odds)

    def estimate(self, between: float) -> OverDraws:
        """Distribution of the mean, from the variance between draws; the mean alone if that is NaN."""
        if np.isnan(between):
            return OverDraws(self.mean, self.mc_se, np.nan, np.array([self.mean]), _ONE, np.nan, self.n, self.n_draws)
        variance = between * (1.0 + 1.0 / self.draws_of_people) if self.n_draws > 1 else 0.0
        known = (self.mean, self.mc_se, float(np.sqrt(between)))
        if self.log_odds:
            width = float(np.sqrt(variance + self.error))
            return OverDraws(
                *known, centres_of(np.array([self.mean]), np.array([width])), _ONE, width, self.n, self.n_draws, True
            )
        by_draw = self.by_draw
        shrunk = (by_draw.means - by_draw.means.mean()) * np.sqrt(between / np.maximum(between + by_draw.noise, _TINY))
        shrunk = shrunk - shrunk.mean()
        spread = float(np.sqrt(np.mean(shrunk**2)))
        if spread == 0.0 or variance == 0.0:
            width = float(np.sqrt(variance + self.error))
            return OverDraws(*known, np.array([self.mean]), _ONE, width, self.n, self.n_draws)
        told = float(np.mean(between / (between + by_draw.noise))) if by_draw.total is None else 0.0
        shape = told * (1.0 - (_BANDWIDTH * self.n_draws**-0.2) ** 2)  # share of the variance that the centres carry
        centres = self.mean + np.sqrt(shape * variance) * shrunk / spread
        width = float(np.sqrt((1.0 - shape) * variance + self.error))
        weights = np.full(self.n_draws, 1.0 / self.n_draws)
        return OverDraws(*known, centres, weights, width, self.n, self.n_draws)


def _shared(sample: Sample, residual: Floats, squares: float, n_draws: int) -> float:
    """Variance between people that cancels between draws, because the same people live under several draws."""
    n, n_rows = sample.n, len(sample.values)
    if sample.person is None or n_rows == n:
        return 0.0
    rows_of = np.bincount(sample.person)
    pairs = float(np.sum(rows_of * (rows_of - 1.0)))
    sums = np.bincount(sample.person, weights=residual)
    between_people = (float(np.sum(sums**2)) - squares) / pairs * n_rows / (n_rows - n_draws)
    return max(between_people, 0.0) * min(1.0, (n_rows / n - 1.0) / (n_draws - 1.0))


def _student(n: int) -> float:
    """Quantile 0.975 of Student's distribution for the mean of n people."""
    return float(stdtrit(n - 1.0, ENDS_95[1])) if n > 1 else _NORMAL_END


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


def tail_terms(values: Floats, n: int | None = None) -> Floats:
    """One number per patient whose mean is the CVaR: the mean of the largest 5 % (Rockafellar and Uryasev 2000).

    Parameters
    ----------
    values : ndarray, (..., n_rows)
        Each row of people by itself.
    n : int, optional
        Rows of the people, the first ones, whose quantile is the threshold; all rows if omitted.
    """
    threshold = np.quantile(values[..., :n], 1.0 - CVAR_SHARE, axis=-1, method="inverted_cdf", keepdims=True)
    return threshold + np.maximum(values - threshold, 0.0) / CVAR_SHARE


def pareto_front(points: Floats) -> Bools:
    """Mask (n,) of the Pareto-optimal rows of (n, d) points, every dimension minimised."""
    no_worse = (points[:, None, :] <= points[None, :, :]).all(axis=2)
    better = (points[:, None, :] < points[None, :, :]).any(axis=2)
    return ~(no_worse & better).any(axis=0)
