"""Standard deviation of a mean between parameter draws, as a posterior. Imports ``array_types``, NumPy, SciPy.

The draws are a sample of the parameters, so the mean of an outcome differs between them. The means of the draws also
differ because few people stand behind each. A moment estimator subtracts that noise and is cut at 0: it reports
certainty where nothing is known. Here the standard deviation has a posterior on a grid. Its mean square is used, which
is never 0 and is large where the people cannot tell. The prior of the standard deviation is 0 at 0, so that it avoids
that boundary (Chung et al. 2013, doi:10.1007/s11336-013-9328-2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, logit

from taper_sim.array_types import Floats

LOG_ODDS_SD: Final = 1.0
"""Scale of the Rayleigh prior of the sd of log odds between draws. Source: assumption A33 (docs/assumptions.md)."""
_NODES: Final = (np.arange(32) + 0.5) / 32.0  # midpoints of the grid, as shares of its upper end
_POINTS, _weights = np.polynomial.hermite_e.hermegauss(24)
_POINT_WEIGHTS: Final = _weights / _weights.sum()
_MOST_LOG_ODDS_SD: Final = 4.0 * LOG_ODDS_SD  # end of the grid; the prior beyond it has a mass of 3e-4
_MOST_STEPS: Final = 100
_CLOSE: Final = 1e-10  # of log odds
_LEAST: Final = 1e-300  # keeps logarithms finite where nothing varies


@dataclass(frozen=True)
class DrawMeans:
    """Means of one outcome by draw, with their noise.

    Attributes
    ----------
    means : ndarray, (n_draws,)
        Mean of each draw that has people.
    noise : ndarray, (n_draws,)
        Variance of each mean from the choice of people and from chance.
    scale : float
        Scale of the Rayleigh prior of the standard deviation between draws, in the unit of the means.
    kurtosis : float
        Excess kurtosis of the noise. Few events give skewed means, which tell less about the standard deviation.
    people : float
        Mean number of people of a draw.
    total : float or None
        Variance of single people, between and within draws, if too few people share a draw to separate the two.
    """

    means: Floats
    noise: Floats
    scale: float
    kurtosis: float = 0.0
    people: float = 1.0
    total: float | None = None


@dataclass(frozen=True)
class DrawEvents:
    """Events by draw, for an outcome that few people have.

    Attributes
    ----------
    events, people : ndarray, (n_draws,)
    """

    events: Floats
    people: Floats


def between_variances(cells: Sequence[DrawMeans]) -> Floats:
    """Posterior mean of the variance between draws, (m,), of several outcomes at once.

    The likelihood is that of normal means of draws, with a flat prior of their common mean, to the power
    2 / (2 + kurtosis): the information that a sum of squares of such noise has. A single draw has variance 0.
    """
    variances = np.zeros(len(cells))
    several = [k for k, cell in enumerate(cells) if len(cell.means) > 1]
    if not several:
        return variances
    most = max(len(cells[k].means) for k in several)
    means, noise, there = np.zeros((3, len(several), most))
    top, scale, power, total, people = np.empty((5, len(several)))
    for row, k in enumerate(several):
        cell, size = cells[k], len(cells[k].means)
        deviations = cell.means - cell.means.mean()
        means[row, :size], noise[row, :size], there[row, :size] = deviations, cell.noise, 1.0
        widest = float(np.sqrt(np.mean(deviations**2))) * (2.0 + 20.0 / size)
        top[row] = min(widest, 5.0 * cell.scale)
        scale[row], power[row] = cell.scale, 2.0 / (2.0 + max(cell.kurtosis, 0.0))
        total[row], people[row] = np.nan, cell.people
        if cell.total is not None:
            total[row] = cell.total
            top[row] = min(top[row], np.sqrt(cell.total))
    between = (top[:, None] * _NODES) ** 2
    left = np.maximum(total[:, None] - between, 0.0) / people[:, None]
    of_noise = np.where(np.isnan(total)[:, None, None], noise[:, None, :], left[:, :, None])
    precision = there[:, None, :] / np.maximum(between[:, :, None] + of_noise, _LEAST)
    weight = precision.sum(axis=2)
    centre = (precision * means[:, None, :]).sum(axis=2) / weight
    misfit = (precision * (means[:, None, :] - centre[:, :, None]) ** 2).sum(axis=2)
    log_det = np.log(np.where(there[:, None, :] > 0.0, precision, 1.0)).sum(axis=2)
    log_likelihood = 0.5 * (log_det - np.log(weight) - misfit)
    variances[several] = _mean_square(power[:, None] * log_likelihood, between, scale[:, None])
    return variances


def between_log_odds(cells: Sequence[DrawEvents]) -> Floats:
    """Posterior mean of the variance of log odds between draws, (m,), from few events.

    The likelihood is that of binomial events whose log odds are normal between draws, with the pooled mean share.
    """
    variances = np.zeros(len(cells))
    shares = np.array([cell.events.sum() / cell.people.sum() for cell in cells])
    sd: Floats = np.asarray(_MOST_LOG_ODDS_SD * _NODES, dtype=np.float64)
    centres = centres_of(shares[:, None], sd[None, :])
    for row, cell in enumerate(cells):
        if len(cell.events) < 2:
            continue
        # draws with the same events and people have the same likelihood
        kinds, times = np.unique(np.stack([cell.events, cell.people]), axis=1, return_counts=True)
        log_odds = centres[row][:, None] + sd[:, None] * _POINTS
        log_yes, log_no = -np.logaddexp(0.0, -log_odds), -np.logaddexp(0.0, log_odds)
        events, others = kinds[0][:, None, None], (kinds[1] - kinds[0])[:, None, None]
        log_terms = events * log_yes + others * log_no  # (kinds, nodes, points)
        highest = log_terms.max(axis=2, keepdims=True)
        of_kind = highest[:, :, 0] + np.log(np.exp(log_terms - highest) @ _POINT_WEIGHTS)
        variances[row] = _mean_square((times @ of_kind)[None], (sd**2)[None], np.array([[LOG_ODDS_SD]]))[0]
    return variances


def centres_of(share: Floats, sd: Floats) -> Floats:
    """Centres of normal log odds with standard deviation ``sd`` whose mean share is ``share``; the two broadcast."""
    centre = logit(share) + np.zeros(np.broadcast_shapes(share.shape, sd.shape))
    for _ in range(_MOST_STEPS):
        shares = expit(centre[..., None] + sd[..., None] * _POINTS)
        step = (shares @ _POINT_WEIGHTS - share) / ((shares * (1.0 - shares)) @ _POINT_WEIGHTS)
        centre = centre - np.clip(step, -1.0, 1.0)
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    return np.asarray(centre)


def _mean_square(log_likelihood: Floats, between: Floats, scale: Floats) -> Floats:
    """Posterior mean of the variance, (m,), from the likelihood on a grid (m, nodes) and a Rayleigh prior of the sd."""
    log_prior = 0.5 * np.log(np.maximum(between, _LEAST)) - 0.5 * between / np.maximum(scale, 1e-100) ** 2
    log_posterior = log_likelihood + log_prior
    mass = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
    return np.asarray((mass * between).sum(axis=1) / mass.sum(axis=1))
