"""Surrogate of a team's margin over FTE: a monotone Gaussian process. Imports ``array_types``.

The margin of a replication is positive if the team meets every target in it. It is modelled as

    margin(team, replication) = g(team) + u(replication) + e,

with u the luck that all teams of a replication share, and e other luck; both are normal. g is a Gaussian process: a
constant, a slope and a smooth curve for each role, and a smooth surface over all roles for their interplay. Sampled
surfaces are made monotone by projection (Lin and Dunson 2014, "Bayesian monotone regression using Gaussian process
projection", Biometrika 101:303), because more staff never make a team worse (assumption A45).

The scales of the process are not estimated but averaged over: draws of their prior count with their marginal
likelihood. Few replications therefore give wide answers instead of confident ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import linalg, stats
from scipy.stats import qmc

from taper_sim.array_types import Bools, Floats, Ints

_SCALES: Final = (("slope", 1.5, 0.6), ("curve", 1.0, 0.6), ("surface", 0.5, 0.7), ("length", 0.5, 0.5))
"""Scales of g: name, median and log standard deviation of the prior. Margins are a few units, ranges 0 to 1."""
_LUCK: Final = (("shared", 0.15, 0.8), ("own", 0.2, 0.8))
"""Standard deviations of u and e, in the same form. Source of both: assumption A112."""
_LEVEL_SD: Final = 4.0
"""Standard deviation of the constant: wider than all margins."""
_N_SCALES: Final = 64
"""Draws of the scales."""
_N_KEPT: Final = 16
"""Draws of the scales that are kept, in proportion to their likelihood."""
_JITTER: Final = 1e-6
"""Added to variances, so that factors exist."""


@dataclass(frozen=True)
class Paths:
    """Sampled surfaces.

    Attributes
    ----------
    margin : ndarray, (n_paths, n_teams)
        g of each team, no smaller for a team with more staff.
    luck : ndarray, (n_paths,)
        Standard deviation of a replication's margin around g.
    """

    margin: Floats
    luck: Floats

    def feasible(self, probability: float) -> Bools:
        """Teams whose margin is positive with at least a probability, (n_paths, n_teams)."""
        return np.asarray(self.margin >= stats.norm.ppf(probability) * self.luck[:, None])


def sampled_paths(
    ranges: Floats, teams: Ints, replications: Ints, margins: Floats, shown: Ints, n_paths: int, seed: int
) -> Paths:
    """Surfaces given the replications that were run.

    Parameters
    ----------
    ranges : ndarray, (n_teams, n_roles)
        FTE of each role as a share of its range, 0 to 1.
    teams, replications : ndarray of int, (n,)
        Team and number of each replication that was run.
    margins : ndarray, (n,)
    shown : ndarray of int, (m,)
        Teams of the result.
    n_paths, seed : int

    Returns
    -------
    Paths
        Of the teams ``shown``.
    """
    rng = np.random.default_rng(seed)
    normals = stats.norm.ppf(qmc.Sobol(len(_SCALES) + len(_LUCK), seed=rng).random(_N_SCALES))
    prior = np.array([(np.log(median), sd) for _, median, sd in (*_SCALES, *_LUCK)])
    scales = np.exp(prior[:, 0] + prior[:, 1] * normals)
    run, at = _Runs.of(ranges, teams, replications), ranges[shown]
    fits = [_fit(run, margins, scale) for scale in scales]
    evidence = np.array([fit.evidence for fit in fits])
    weight = np.cumsum(np.exp(evidence - evidence.max()))
    kept = np.searchsorted(weight, (np.arange(_N_KEPT) + rng.random()) / _N_KEPT * weight[-1])  # systematic resampling
    each = -(-n_paths // _N_KEPT)
    paths = np.concatenate(
        [_sampled(fits[k], run, at, scales[k], rng.standard_normal((each, len(shown)))) for k in kept.tolist()]
    )
    luck = np.repeat(np.hypot(*scales[kept, len(_SCALES) :].T), each)
    return Paths(_monotone(paths[:n_paths], at), luck[:n_paths])


def prospects(ranges: Floats, teams: Ints, replications: Ints, margins: Floats) -> Floats:
    """Mean of g and two standard deviations, at the medians of the scales, of every team, (n_teams,).

    The parameters are those of :func:`sampled_paths`. It takes far less time, for grids of many teams.
    """
    scale = np.array([median for _, median, _ in (*_SCALES, *_LUCK)])
    run = _Runs.of(ranges, teams, replications)
    fit = _fit(run, margins, scale)
    between = _covariance(run.x, ranges, scale)[run.row]
    whitened = linalg.solve_triangular(fit.factor, between, lower=True)
    slope, curve, surface, _ = scale[: len(_SCALES)]
    before = _LEVEL_SD**2 + surface**2 + slope**2 * (ranges**2).sum(axis=1) + curve**2 * ranges.shape[1]
    left = np.clip(before - (whitened**2).sum(axis=0), 0.0, None)
    return np.asarray(between.T @ fit.solution + 2.0 * np.sqrt(left))


@dataclass(frozen=True)
class _Runs:
    """The replications that were run: each team once, ``x`` (m, n_roles), its row by replication, and shared luck.

    A team has many replications. Its covariances are computed once.
    """

    x: Floats
    row: Ints
    same: Bools

    @classmethod
    def of(cls, ranges: Floats, teams: Ints, replications: Ints) -> "_Runs":
        """The replications of :func:`sampled_paths`."""
        numbers, row = np.unique(teams, return_inverse=True)
        return cls(ranges[numbers], row, replications[:, None] == replications[None, :])


@dataclass(frozen=True)
class _Fit:
    """Factor of the covariance of the margins, their solution, and the log marginal likelihood."""

    factor: Floats
    solution: Floats
    evidence: float


def _covariance(x: Floats, y: Floats, scale: Floats) -> Floats:
    """Covariance of g between teams, (len(x), len(y))."""
    slope, curve, surface, length = scale[: len(_SCALES)]
    curves, product = np.zeros((len(x), len(y))), np.ones((len(x), len(y)))
    for role in range(x.shape[1]):
        close = np.exp(-0.5 * ((x[:, None, role] - y[None, :, role]) / length) ** 2)
        curves += close
        product *= close
    return np.asarray(_LEVEL_SD**2 + slope**2 * (x @ y.T) + curve**2 * curves + surface**2 * product)


def _fit(run: _Runs, margins: Floats, scale: Floats) -> _Fit:
    shared, own = scale[len(_SCALES) :]
    between = _covariance(run.x, run.x, scale)[np.ix_(run.row, run.row)]
    covariance = between + shared**2 * run.same + own**2 * np.eye(len(margins))
    factor = linalg.cholesky(covariance, lower=True)
    solution = linalg.cho_solve((factor, True), margins)
    return _Fit(factor, solution, float(-0.5 * margins @ solution - np.log(np.diag(factor)).sum()))


def _sampled(fit: _Fit, run: _Runs, at: Floats, scale: Floats, normals: Floats) -> Floats:
    """Draws of g at teams given the margins, (n_draws, n_teams)."""
    between = _covariance(run.x, at, scale)[run.row]
    whitened = linalg.solve_triangular(fit.factor, between, lower=True)
    left = _covariance(at, at, scale) - whitened.T @ whitened
    left[np.diag_indices_from(left)] += _JITTER * np.diag(_covariance(at[:1], at[:1], scale)).max()
    root = linalg.cholesky(left, lower=True, check_finite=False)
    return np.asarray(between.T @ fit.solution + normals @ root.T)


def _monotone(paths: Floats, at: Floats) -> Floats:
    """Projection: the mean of the smallest monotone surface above and the largest below, (n_paths, n_teams)."""
    below = (at[:, None, :] <= at[None, :, :] + 1e-9).all(axis=2)  # row team has no more staff than column team
    above, under = np.empty_like(paths), np.empty_like(paths)
    for k in range(len(at)):
        above[:, k] = paths[:, below[:, k]].max(axis=1)
        under[:, k] = paths[:, below[k]].min(axis=1)
    return (above + under) / 2.0


def shares_of_ranges(levels: Sequence[Sequence[float]] | Floats) -> Floats:
    """FTE of each team as a share of each role's range, (n_teams, n_roles); 0 for a role without a range."""
    fte = np.array(levels, dtype=np.float64)
    low, high = fte.min(axis=0), fte.max(axis=0)
    return np.asarray((fte - low) / np.where(high > low, high - low, 1.0))
