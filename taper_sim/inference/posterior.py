"""One patient's posterior: mode, Laplace, importance sampling with Pareto-smoothed weights. Imports ``likelihood``.

The posterior is recomputed from all the data at every decision, so the same data and seed give the same answer
(docs/inference.md, "One patient's posterior", has the comparisons with other samplers).
"""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from scipy.special import gammaln, logsumexp, ndtri
from scipy.stats import chi2

from taper_sim.array_types import Floats
from taper_sim.inference.blas_threads import one_blas_thread
from taper_sim.inference.course import Regimen
from taper_sim.inference.draws import sobol_normals, sobol_uniforms
from taper_sim.inference.life_block import system_of
from taper_sim.inference.likelihood import log_likelihood
from taper_sim.inference.observation import Reports
from taper_sim.inference.prior import Prior

DEFAULT_DRAWS: Final = 4096
_STUDENT_DF: Final = 5.0
_PRIOR_SHARE: Final = 8  # draws from the Student t for each draw from the prior
_STEP: Final = 0.02  # step of finite differences, prior sds
_HESSIAN_STEP: Final = 0.05
_MODE_STEPS: Final = 30
_LEAST_CURVATURE: Final = 0.5  # least eigenvalue of minus the Hessian; the prior alone gives 1
KHAT_LIMIT: Final = 0.7
"""Largest k-hat at which importance weights are reliable. Source: Vehtari 2024, JMLR 25(72)."""
_MOST_PASSES: Final = 4


@dataclass(frozen=True)
class Evidence:
    """Data and prior of a posterior."""

    prior: Prior
    shared: Any
    regimen: Regimen
    reports: Reports

    @cached_property
    def system(self) -> Floats:
        """Life's system for these reports."""
        return system_of(self.shared, self.reports)

    def log_likelihood(self, z: Floats) -> Floats:
        """Log likelihood of each row of z, (n, d)."""
        return log_likelihood(self.prior.values(z), self.shared, self.regimen, self.reports, self.system)

    def log_posterior(self, z: Floats, *, predicted: bool = False) -> tuple[Floats, Floats, Floats]:
        """Log posterior of each row of z, (n, d); with ``predicted`` each report's predicted mean and variance."""
        z = np.ascontiguousarray(np.atleast_2d(z))
        rows = len(z) if predicted else 0
        centre, spread = (np.empty((rows, len(self.reports.day))) for _ in range(2))
        if not len(z):
            return np.empty(0), centre, spread
        out = log_likelihood(self.prior.values(z), self.shared, self.regimen, self.reports, self.system, centre, spread)
        return out - 0.5 * (z**2).sum(axis=1), centre, spread


@dataclass(frozen=True)
class Posterior:
    """Weighted draws.

    Attributes
    ----------
    prior : Prior
    z : ndarray, (n, d)
        Whitened.
    weights : ndarray, (n,)
        Sum to 1.
    mode : ndarray, (d,)
    khat, ess : float
        Shape of the weights' tail; effective sample size.
    passes, mode_steps : int
        Importance-sampling passes (more than 1 if k-hat of the first exceeds its limit); steps of the mode search.
    log_evidence : float
        Log of the marginal likelihood; only values of the same data can be compared, between priors.
    """

    prior: Prior
    z: Floats = field(repr=False)
    weights: Floats = field(repr=False)
    mode: Floats = field(repr=False)
    khat: float
    ess: float
    passes: int
    mode_steps: int
    log_evidence: float

    @property
    def converged(self) -> bool:
        """Whether k-hat is at most its limit and the effective sample size at least 100."""
        return bool(self.khat <= KHAT_LIMIT and self.ess >= 100.0)

    def values(self) -> Floats:
        """Vectors of all values, (n, N_VALUES)."""
        return self.prior.values(self.z)

    def of(self, name: str) -> Floats:
        """Draws of one value, (n,)."""
        k = self.prior.names.index(name)
        return self._natural[:, k]

    @cached_property
    def _natural(self) -> Floats:
        """Draws of every value on its own scale: callers ask for one value after another."""
        return self.prior.natural(self.z)

    def interval90(self, x: Floats) -> tuple[float, float]:
        """Posterior 90 % interval of a quantity with one value for each draw, (n,)."""
        return weighted_interval90(x, self.weights)

    def mean(self, x: Floats) -> float:
        """Posterior mean of a quantity with one value for each draw, (n,)."""
        return float(self.weights @ x)

    def quantile(self, x: Floats, q: float) -> float:
        """Posterior quantile of a quantity with one value for each draw, (n,)."""
        return weighted_quantile(x, self.weights, q)


def weighted_quantile(x: Floats, weights: Floats, q: float) -> float:
    """Quantile of weighted draws, by linear interpolation between the midpoints of the steps of the distribution."""
    return float(_weighted_quantiles(x, weights, q))


def weighted_interval90(x: Floats, weights: Floats) -> tuple[float, float]:
    """90 % interval of weighted draws; they are sorted once."""
    low, high = _weighted_quantiles(x, weights, (0.05, 0.95))
    return float(low), float(high)


def _weighted_quantiles(x: Floats, weights: Floats, q: float | tuple[float, ...]) -> Floats:
    order = np.argsort(x, kind="stable")
    w = weights[order]
    return np.asarray(np.interp(q, np.cumsum(w) - 0.5 * w, x[order]))


def _mode(evidence: Evidence) -> tuple[Floats, int]:
    """Mode of the posterior by damped Fisher scoring from the prior's centre, and the number of steps."""
    d = len(evidence.prior.names)
    z = np.zeros(d)
    eye = np.eye(d)
    now = float(evidence.log_posterior(z)[0][0])
    damping = 0.0
    for step in range(_MODE_STEPS):
        around = np.concatenate([z + _STEP * eye, z - _STEP * eye])
        total, centre, spread = evidence.log_posterior(around, predicted=True)
        gradient = (total[:d] - total[d:]) / (2 * _STEP)
        d_centre = (centre[:d] - centre[d:]) / (2 * _STEP)
        log_spread = np.log(spread)
        d_spread = (log_spread[:d] - log_spread[d:]) / (2 * _STEP)
        at_z = np.sqrt(spread[:d] * spread[d:])
        scaled = d_centre / np.sqrt(np.mean(at_z, axis=0)) if centre.size else d_centre
        fisher = scaled @ scaled.T + 0.5 * d_spread @ d_spread.T + eye
        for _ in range(12):
            move = np.linalg.solve(fisher + damping * np.diag(np.diag(fisher)), gradient)
            longest = float(np.max(np.abs(move)))
            move *= min(1.0, 2.0 / longest) if longest > 0 else 1.0
            new = float(evidence.log_posterior(z + move)[0][0])
            if new >= now:
                damping *= 0.3
                break
            damping = max(4.0 * damping, 0.05)
        else:
            return z, step + 1
        gained, now, z = new - now, new, z + move
        if gained < 1e-4 and float(gradient @ move) < 1e-3:
            return z, step + 1
    return z, _MODE_STEPS


def _curvature(evidence: Evidence, z: Floats) -> Floats:
    """Minus the Hessian at z, (d, d), by central differences, with a lower bound on its eigenvalues."""
    d, h = len(z), _HESSIAN_STEP
    eye = h * np.eye(d)
    first, second = np.triu_indices(d, k=1)
    points = np.concatenate([z[None], z + eye, z - eye, z + eye[first] + eye[second], z - eye[first] - eye[second]])
    f = evidence.log_posterior(points)[0]
    f0, up, down = f[0], f[1 : d + 1], f[d + 1 : 2 * d + 1]
    both_up, both_down = np.split(f[2 * d + 1 :], 2)
    hessian = np.diag((up - 2 * f0 + down) / h**2)
    cross = (both_up + both_down - up[first] - up[second] - down[first] - down[second] + 2 * f0) / (2 * h**2)
    hessian[first, second] = hessian[second, first] = cross
    if not np.isfinite(hessian).all():
        return np.eye(d)
    values, vectors = np.linalg.eigh(-hessian)
    return np.asarray((vectors * np.maximum(values, _LEAST_CURVATURE)) @ vectors.T)


@lru_cache(maxsize=64)
def _points(d: int, n: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Fixed normals (n, d), their Student t stretch (n,), and normals for the prior's part (n / _PRIOR_SHARE, d)."""
    u = sobol_uniforms(d + 1, n, seed, 0)
    stretch = np.sqrt(_STUDENT_DF / chi2.ppf(u[:, d], _STUDENT_DF))
    return ndtri(u[:, :d]), stretch, sobol_normals(d, n // _PRIOR_SHARE, seed, 1)


def _sampled(evidence: Evidence, centre: Floats, factor: Floats, n: int, seed: int) -> tuple[Floats, Floats]:
    """Draws from the mixture of a Student t and the prior, and their log weights under the density of the mixture."""
    d = len(centre)
    normal, stretch, wide = _points(d, n, seed)
    z = np.concatenate([centre + (normal * stretch[:, None]) @ factor.T, wide])
    back = np.linalg.solve(factor, (z - centre).T)
    log_t = (
        gammaln((_STUDENT_DF + d) / 2)
        - gammaln(_STUDENT_DF / 2)
        - 0.5 * d * np.log(_STUDENT_DF * np.pi)
        - np.log(np.diag(factor)).sum()
        - 0.5 * (_STUDENT_DF + d) * np.log1p((back**2).sum(axis=0) / _STUDENT_DF)
    )
    log_prior = -0.5 * (z**2).sum(axis=1) - 0.5 * d * np.log(2 * np.pi)
    share = n / len(z)
    log_mixture = np.logaddexp(np.log(share) + log_t, np.log1p(-share) + log_prior)
    # with the prior's constant the mean weight is the evidence
    total = evidence.log_posterior(z)[0] - 0.5 * d * np.log(2 * np.pi)
    return z, total - log_mixture


@one_blas_thread
def posterior_of(evidence: Evidence, n_draws: int = DEFAULT_DRAWS, seed: int = 0) -> Posterior:
    """Posterior of one person.

    Parameters
    ----------
    evidence : Evidence
        Prior, doses and reports.
    n_draws : int
        Draws from the Student t, a power of two; an eighth as many come from the prior.
    seed : int
        Seed of the scrambling; all patients share the points of one seed.

    Returns
    -------
    Posterior
        ``converged`` is false if the weights of the last pass fail the diagnostics.
    """
    d = len(evidence.prior.names)
    mode, steps = _mode(evidence)
    centre = mode
    factor = np.linalg.cholesky(np.linalg.inv(_curvature(evidence, mode)))
    passes = 0
    while True:
        passes += 1
        z, log_weights = _sampled(evidence, centre, factor, n_draws, seed)
        smoothed, khat = pareto_smoothed(log_weights)
        weights = np.exp(smoothed)
        ess = 1.0 / float((weights**2).sum())
        if khat <= KHAT_LIMIT or passes == _MOST_PASSES:
            break
        centre = weights @ z
        spread = (z - centre).T @ ((z - centre) * weights[:, None])
        share = min(ess / (ess + 2.0 * d), 0.95)  # few effective draws estimate a covariance poorly
        factor = np.linalg.cholesky(share * spread + (1.0 - share) * factor @ factor.T + 1e-10 * np.eye(d))
    log_evidence = float(logsumexp(log_weights) - np.log(len(z)))
    return Posterior(evidence.prior, z, weights, mode, khat, ess, passes, steps, log_evidence)


def pareto_smoothed(log_weights: Floats) -> tuple[Floats, float]:
    """Pareto-smoothed log weights, whose exponentials sum to 1, and the shape of their tail (arviz-stats).

    Nearly equal weights have no tail: their shape is minus infinity.
    """
    from arviz_stats.base import array_stats

    finite = np.maximum(np.nan_to_num(log_weights, nan=-1e6), log_weights.max() - 1e4)
    if float(np.ptp(finite)) < 1e-9:
        return np.full(len(finite), -np.log(len(finite))), -np.inf
    smoothed, khat = array_stats.psislw(-finite, r_eff=1.0)  # the argument is minus the log weights, as in PSIS-LOO
    smoothed = np.asarray(smoothed, dtype=np.float64)
    return smoothed - logsumexp(smoothed), float(khat)
