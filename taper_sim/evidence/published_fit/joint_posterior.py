"""Draws of the centres given published results, from surfaces, by NUTS. Imports ``target_emulator``, ``array_types``.

Model, with targets t of studies s on their scales:

``y_t = f_t(z) + unit_t tau lambda_s (sqrt(r) u_s + sqrt(1 - r) v_t) + e_t``,

``z, u, v ~ N(0, 1)``, ``tau ~ HalfNormal``, ``lambda_s^2 ~ InverseGamma(nu/2, nu/2)``, and ``e_t`` the published
sampling error with the error of the surface. The second term is the discrepancy: what the model, the coding of a study
and its confounding get wrong. ``lambda_s`` gives it the tails of Student's t, so that one study in conflict with the
others is named as such and does not loosen all of them. Source: Kennedy and O'Hagan 2001; assumption A73.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import nutpie
from arviz_stats.base import array_stats
from scipy.sparse import csr_array

from taper_sim.array_types import Floats, Ints
from taper_sim.evidence.predictive_interval import STUDY_ERROR_NU
from taper_sim.evidence.published_fit.target_emulator import Surface

DISCREPANCY_SCALE: Final = 0.25
"""Scale of the half-normal prior of tau, a relative error. Source: assumption A73."""
SHARED_IN_STUDY: Final = 0.5
"""Share of the discrepancy's variance that the targets of a study have in common. Source: assumption A73."""


@dataclass(frozen=True)
class TargetsToFit:
    """Published numbers with their surfaces, over m columns.

    Attributes
    ----------
    value, variance, unit : ndarray, (n_targets,)
        Published number, its sampling variance with the surface's, and the size of a relative error of 1.
    study : ndarray of int, (n_targets,)
        Number of the study, from 0.
    constant : ndarray, (n_targets,)
    linear : ndarray, (n_targets, m)
    quadratic : ndarray, (n_targets, m, m)
    """

    value: Floats
    variance: Floats
    unit: Floats
    study: Ints
    constant: Floats
    linear: Floats
    quadratic: Floats

    @classmethod
    def of(
        cls, value: Floats, se: Floats, unit: Floats, study: Sequence[str], surfaces: Sequence[Surface], columns: Ints
    ) -> "TargetsToFit":
        """With the surfaces limited to some columns; the others keep their centre."""
        return cls(
            np.asarray(value, dtype=np.float64),
            np.asarray(se) ** 2 + np.array([surface.variance for surface in surfaces]),
            np.asarray(unit, dtype=np.float64),
            np.unique(np.asarray(study), return_inverse=True)[1],
            np.array([surface.constant for surface in surfaces]),
            np.array([surface.linear[columns] for surface in surfaces]),
            np.array([surface.quadratic[np.ix_(columns, columns)] for surface in surfaces]),
        )

    @property
    def n_columns(self) -> int:
        """Columns of the surfaces."""
        return self.linear.shape[1]

    @property
    def n_studies(self) -> int:
        """Studies of the targets."""
        return int(self.study.max()) + 1

    def at(self, z: Floats) -> Floats:
        """Surfaces at points, (n_points, n_targets)."""
        curved = np.einsum("tjk,nj,nk->nt", self.quadratic, z, z, optimize=True)
        return np.asarray(self.constant + z @ self.linear.T + curved)

    def without(self, study: int) -> "TargetsToFit":
        """The targets of the other studies, which are numbered anew."""
        kept = self.study != study
        fields = {name: getattr(self, name)[kept] for name in self.__dataclass_fields__}
        fields["study"] = np.unique(fields["study"], return_inverse=True)[1]
        return TargetsToFit(**fields)

    def with_values(self, value: Floats) -> "TargetsToFit":
        """The same targets with other published numbers."""
        return replace(self, value=value)


@dataclass(frozen=True)
class FitDraws:
    """Draws of the posterior.

    Attributes
    ----------
    z : ndarray, (n_draws, m)
    tau : ndarray, (n_draws,)
        Scale of the discrepancy; 0 without one.
    size : ndarray, (n_draws, n_studies)
        ``tau lambda_s``.
    shared : ndarray, (n_draws, n_studies)
        ``u_s``.
    divergences : int
    rhat : float
        Largest R-hat of all coordinates; NaN with one chain.
    """

    z: Floats
    tau: Floats
    size: Floats
    shared: Floats
    divergences: int = 0
    rhat: float = float("nan")

    def at(self, places: Ints) -> "FitDraws":
        """Some of the draws."""
        kept = (self.z[places], self.tau[places], self.size[places], self.shared[places])
        return FitDraws(*kept, self.divergences, self.rhat)

    def shift(self, targets: TargetsToFit) -> Floats:
        """Part of the discrepancy that a study's targets share, (n_draws, n_targets)."""
        per_study = np.sqrt(SHARED_IN_STUDY) * self.size * self.shared
        return np.asarray(targets.unit * per_study[:, targets.study])

    def own_variance(self, targets: TargetsToFit) -> Floats:
        """Variance of the part of the discrepancy that each target has alone, (n_draws, n_targets)."""
        return np.asarray((1.0 - SHARED_IN_STUDY) * (targets.unit * self.size[:, targets.study]) ** 2)


class _LogPosterior:
    """Log posterior and gradient of (z, log tau, log lambda², u); without a discrepancy of z alone."""

    def __init__(self, targets: TargetsToFit, scale: float):
        self.targets, self.scale = targets, scale
        self.m, self.n = targets.n_columns, targets.n_studies
        self.dim = self.m + (1 + 2 * self.n if scale > 0.0 else 0)
        self._flat = csr_array(targets.quadratic.reshape(-1, self.m))  # a target sees few columns
        self._owner = (targets.study[:, None] == np.arange(self.n)).astype(np.float64)

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        t = self.targets
        z = x[: self.m]
        curve = (self._flat @ z).reshape(-1, self.m)
        fitted = t.constant + t.linear @ z + curve @ z
        slope = np.zeros(self.dim)
        value = -0.5 * float(z @ z)
        slope[: self.m] = -z
        variance = t.variance
        if self.scale > 0.0:
            log_tau, log_square, u = x[self.m], x[self.m + 1 : self.m + 1 + self.n], x[self.m + 1 + self.n :]
            tau, square, half = np.exp(log_tau), np.exp(log_square), 0.5 * STUDY_ERROR_NU
            size = t.unit * tau * np.exp(0.5 * log_square)[t.study]
            shift = np.sqrt(SHARED_IN_STUDY) * size * u[t.study]
            own = (1.0 - SHARED_IN_STUDY) * size**2
            variance = variance + own
            rest = t.value - fitted - shift
            by_variance = 0.5 * (rest**2 / variance - 1.0) / variance  # slope of the log density
            by_log_size = rest / variance * shift + 2.0 * by_variance * own
            value += -0.5 * (tau / self.scale) ** 2 + log_tau - 0.5 * float(u @ u)
            value += float((-half * log_square - half / square).sum())
            slope[self.m] = 1.0 - (tau / self.scale) ** 2 + by_log_size.sum()
            slope[self.m + 1 : self.m + 1 + self.n] = half / square - half + 0.5 * (self._owner.T @ by_log_size)
            slope[self.m + 1 + self.n :] = -u + np.sqrt(SHARED_IN_STUDY) * (self._owner.T @ (rest / variance * size))
        else:
            rest = t.value - fitted
        value -= 0.5 * float((rest**2 / variance + np.log(variance)).sum())
        pull = rest / variance
        slope[: self.m] += pull @ t.linear + 2.0 * (pull @ curve)
        return value, slope


def sample_posterior(
    targets: TargetsToFit,
    draws: int = 1000,
    tune: int = 600,
    chains: int = 1,
    seed: int = 0,
    scale: float = DISCREPANCY_SCALE,
) -> FitDraws:
    """Draw the centres given the targets.

    Parameters
    ----------
    targets : TargetsToFit
    draws, tune : int
        Draws and warm-up draws of each chain.
    chains : int
        One after another.
    seed : int
    scale : float
        Scale of the half-normal prior of tau; 0 for a model without discrepancy.
    """
    log_posterior = _LogPosterior(targets, scale)
    m, n, dim = log_posterior.m, log_posterior.n, log_posterior.dim

    def make_expand(*_: Any) -> Any:
        return lambda x: {"x": np.asarray(x)}

    model = nutpie.compiled_pyfunc.from_pyfunc(
        dim,
        lambda: log_posterior,
        make_expand,
        [np.dtype(np.float64)],
        [(dim,)],
        ["x"],
        make_initial_point_fn=lambda seed: _start(dim, m, n, scale, seed),
    )
    chain = nutpie.sample(
        model, draws=draws, tune=tune, chains=chains, cores=1, seed=seed, progress_bar=False, target_accept=0.9
    )
    by_chain = np.asarray(chain.posterior["x"].values)
    x = by_chain.reshape(-1, dim)
    rhat = float("nan")
    if chains > 1:
        rhat = max(float(array_stats.rhat(by_chain[:, :, k], chain_axis=0, draw_axis=1)) for k in range(dim))
    divergences = int(chain.sample_stats["diverging"].sum())
    if scale == 0.0:
        nothing = np.zeros((len(x), n))
        return FitDraws(x, np.zeros(len(x)), nothing, nothing, divergences, rhat)
    tau = np.exp(x[:, m])
    size = tau[:, None] * np.exp(0.5 * x[:, m + 1 : m + 1 + n])
    return FitDraws(x[:, :m], tau, size, x[:, m + 1 + n :], divergences, rhat)


def _start(dim: int, m: int, n: int, scale: float, seed: int) -> Floats:
    """A first point near the centres."""
    start = 0.3 * np.random.default_rng(seed).standard_normal(dim)
    if scale > 0.0:
        start[m] += np.log(scale)
    return start


def prior_draws(targets: TargetsToFit, draws: int, seed: int, scale: float = DISCREPANCY_SCALE) -> FitDraws:
    """Draws of everything from the prior."""
    generator = np.random.default_rng(seed)
    n = targets.n_studies
    tau = np.abs(scale * generator.standard_normal(draws))
    squares = 0.5 * STUDY_ERROR_NU / generator.standard_gamma(0.5 * STUDY_ERROR_NU, (draws, n))
    z = generator.standard_normal((draws, targets.n_columns))
    return FitDraws(z, tau, tau[:, None] * np.sqrt(squares), generator.standard_normal((draws, n)))
