"""A faster computation of the posterior, for thousands of patients at every decision. Imports ``posterior``, ``draws``.

The search for the mode starts at the previous mode and uses one-sided differences. The Fisher information of the
predictions, which the search computes, replaces the Hessian. Importance sampling with Pareto-smoothed weights corrects
the approximation. The proposal is normal, because in the 20 or so dimensions of a year's record a Student t leaves few
effective draws (docs/personal-pace.md, "Speed").
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.special import logsumexp

from taper_sim.array_types import Floats
from taper_sim.inference.blas_threads import one_blas_thread
from taper_sim.inference.draws import sobol_normals
from taper_sim.inference.posterior import Evidence, Posterior, pareto_smoothed
from taper_sim.inference.prior import Prior

_STEP: Final = 0.02  # step of finite differences, prior sds
_MOST_STEPS: Final = 6
_ENOUGH: Final = 0.1  # expected gain in log posterior below which the search ends
_LONGEST: Final = 1.5  # largest step, prior sds


@dataclass(frozen=True)
class Proposal:
    """Draws near the mode that still have to be weighted.

    Attributes
    ----------
    prior : Prior
    z : ndarray, (n, d)
        Whitened.
    mode : ndarray, (d,)
    log_density : ndarray, (n,)
        Log density of the normal that the draws follow, but for a constant.
    mode_steps : int
    """

    prior: Prior
    z: Floats = field(repr=False)
    mode: Floats = field(repr=False)
    log_density: Floats = field(repr=False)
    mode_steps: int

    def weighted(self, log_likelihood: Floats) -> Posterior:
        """Posterior, given the log likelihood of each draw, (n,)."""
        log_weights = log_likelihood - 0.5 * (self.z**2).sum(axis=1) - self.log_density
        smoothed, khat = pareto_smoothed(log_weights)
        weights = np.exp(smoothed)
        ess = 1.0 / float((weights**2).sum())
        log_evidence = float(logsumexp(log_weights) - np.log(len(self.z)))
        return Posterior(self.prior, self.z, weights, self.mode, khat, ess, 1, self.mode_steps, log_evidence)


def warm_started_posterior(evidence: Evidence, start: Floats, n_draws: int, seed: int = 0) -> Posterior:
    """Posterior of one person, from the mode on fewer data; arguments as in :func:`proposal_near`."""
    proposal = proposal_near(evidence, start, n_draws, seed)
    return proposal.weighted(evidence.log_likelihood(proposal.z))


@one_blas_thread
def proposal_near(evidence: Evidence, start: Floats, n_draws: int, seed: int = 0) -> Proposal:
    """Draws of one person's values near the mode, from the mode on fewer data.

    Parameters
    ----------
    evidence : Evidence
    start : ndarray, (d,)
        A point near the mode, whitened.
    n_draws : int
        A power of two.
    seed : int
        Seed of the points.

    Returns
    -------
    Proposal
    """
    d = len(start)
    step = _STEP * np.eye(d)
    z, best, information, damping, steps = start, -np.inf, np.eye(d), 0.0, 0
    move = np.zeros(d)
    while True:
        steps += 1
        total, centre, spread = evidence.log_posterior(np.concatenate([z[None], z + step]), predicted=True)
        if total[0] >= best:
            best, at, damping = float(total[0]), z, 0.3 * damping
            gradient = (total[1:] - total[0]) / _STEP
            d_centre = (centre[1:] - centre[0]) / _STEP / np.sqrt(spread[0])
            d_spread = np.log(spread[1:] / spread[0]) / _STEP
            information = d_centre @ d_centre.T + 0.5 * d_spread @ d_spread.T + np.eye(d)
        else:
            damping = max(4.0 * damping, 0.3)
        move = np.linalg.solve(information + damping * np.diag(np.diag(information)), gradient)
        move *= min(1.0, _LONGEST / max(float(np.abs(move).max()), 1e-12))
        if float(gradient @ move) < _ENOUGH or steps == _MOST_STEPS:
            break
        z = at + move
    mode = at + move if damping == 0.0 else at
    factor = np.linalg.cholesky(np.linalg.inv(information))
    normal = sobol_normals(d, n_draws, seed, 4)
    log_normal = -0.5 * (normal**2).sum(axis=1) - np.log(np.diag(factor)).sum()
    return Proposal(evidence.prior, mode + normal @ factor.T, mode, log_normal, steps)
