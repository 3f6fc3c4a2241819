"""A quadratic surface for each target: screening of columns, fit, cross-validated error. Imports ``array_types``.

The surface is the mean of a Gaussian process whose kernel has a constant, a linear and a quadratic part, which is a
ridge regression whose penalties maximise the marginal likelihood. A place has an effect of its own, so that
its people are not taken for an effect of the parameters.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize
from scipy.special import stdtr

from taper_sim.array_types import Bools, Floats, Ints

FALSE_DISCOVERIES: Final = 0.05
"""Expected share of false pairs of target and column among those that pass (Benjamini and Hochberg 1995)."""
MOST_COLUMNS: Final = 30
"""Most columns of one target. A design choice: more would need more points."""
FOLDS: Final = 8
"""Groups of places that the cross-validation leaves out in turn."""
EARLIER: Final = 4.0
"""Times as large is the noise of points before the last wave, which lie farther from the posterior. A design choice."""
_ITERATIONS: Final = 15
"""Of the optimisation of a surface's variances; more change a surface little."""
_LEAST_SIGNAL: Final = 0.05
"""Share of the variance between points that is not of the people, below which no share explained is given."""
_LEAST_LOG, _MOST_LOG = -16.0, 8.0  # of the variances in the optimisation, the target's variance being 1


@dataclass(frozen=True)
class VisibleColumns:
    """Which target sees which column.

    Attributes
    ----------
    slope : ndarray, (n_targets, n_columns)
        Linear effect of one prior sd.
    visible : ndarray of bool, (n_targets, n_columns)
    """

    slope: Floats
    visible: Bools


def screen(z: Floats, values: Floats, slot: Ints) -> VisibleColumns:
    """Find the columns that each target sees, by linear regression with an effect of each place.

    Parameters
    ----------
    z : ndarray, (n_points, n_columns)
    values : ndarray, (n_points, n_targets)
        NaN where there is no estimate.
    slot : ndarray of int, (n_points,)
        Place of each point.
    """
    d, n_targets = z.shape[1], values.shape[1]
    slope, p = np.zeros((n_targets, d)), np.ones((n_targets, d))
    places = (slot[:, None] == np.unique(slot)).astype(np.float64)
    for t in range(n_targets):
        there = np.isfinite(values[:, t])
        y = values[there, t]
        x = np.column_stack([z, places])[there]
        x = x[:, np.abs(x).sum(axis=0) > 0]
        spare = len(y) - x.shape[1]
        if spare < 1 or np.ptp(y) == 0.0:
            continue
        inverse = np.linalg.inv(x.T @ x)
        b = inverse @ (x.T @ y)
        noise = ((y - x @ b) ** 2).sum() / spare
        slope[t] = b[:d]
        if noise > 0.0:
            p[t] = 2.0 * stdtr(spare, -np.abs(b[:d]) / np.sqrt(noise * np.diag(inverse)[:d]))
    ordered = np.sort(p.ravel())
    allowed = FALSE_DISCOVERIES * np.arange(1, p.size + 1) / p.size
    passing = np.flatnonzero(ordered <= allowed)
    limit = ordered[passing[-1]] if len(passing) else -1.0
    visible = p <= limit
    for t in range(n_targets):
        if visible[t].sum() > MOST_COLUMNS:
            visible[t] &= p[t] <= np.sort(p[t])[MOST_COLUMNS - 1]
    return VisibleColumns(slope, visible)


@dataclass(frozen=True)
class Surface:
    """The surface of one target: ``constant + linear z + z' quadratic z``.

    Attributes
    ----------
    constant : float
    linear : ndarray, (n_columns,)
    quadratic : ndarray, (n_columns, n_columns)
        Symmetric.
    variance : float
        Cross-validated error of the surface, without the chance of the people.
    noise : float
        Mean variance of the points by the number of their people.
    explained : float
        Share of the variance between the points of the last wave, less that of the people, that the surface explains
        when their places are left out; NaN where the points hardly differ.
    """

    constant: float
    linear: Floats
    quadratic: Floats
    variance: float
    noise: float
    explained: float

    def at(self, z: Floats) -> Floats:
        """Values at points, (n_points,)."""
        return self.constant + z @ self.linear + ((z @ self.quadratic) * z).sum(axis=1)


def fit_surface(
    z: Floats, values: Floats, variances: Floats, slot: Ints, last: Bools, visible: Bools, slope: Floats
) -> Surface:
    """Fit the surface of one target.

    Parameters
    ----------
    z : ndarray, (n_points, n_columns)
    values, variances : ndarray, (n_points,)
        Estimates and their variances by the number of people; points with NaN are left out.
    slot : ndarray of int, (n_points,)
    last : ndarray of bool, (n_points,)
        Points of the last wave, for which the surface has to be good.
    visible : ndarray of bool, (n_columns,)
        Columns of the surface.
    slope : ndarray, (n_columns,)
        Linear effects of the screening: curvature is expected along columns with large effects.
    """
    there = np.isfinite(values)
    z, values, variances, slot, last = z[there], values[there], variances[there], slot[there], last[there]
    d = z.shape[1]
    noise = float(np.nanmean(variances[last]))
    spread = float(values.var())
    columns = np.flatnonzero(visible)
    if not len(columns) or spread == 0.0:
        return Surface(float(values.mean()), np.zeros(d), np.zeros((d, d)), spread / max(len(values), 1), noise, 0.0)
    size = np.abs(slope[columns])
    kernels = _Kernels(z[:, columns], np.sqrt(size / size.max()), slot)
    centre, unit = float(values.mean()), float(np.sqrt(spread))
    y = (values - centre) / unit
    fit = _Fit.of(kernels, y, np.where(last, 1.0, EARLIER))
    score = float((fit.left_out(slot)[last] ** 2).mean())
    linear, quadratic = np.zeros(d), np.zeros((d, d))
    linear[columns] = fit.linear * unit
    quadratic[np.ix_(columns, columns)] = fit.quadratic * unit
    error = max(score * spread - noise, fit.mean_variance(last) * spread)
    signal = float(values[last].var()) - noise
    explained = 1.0 - error / signal if signal > _LEAST_SIGNAL * spread else float("nan")
    return Surface(fit.constant * unit + centre, linear, quadratic, error, noise, explained)


class _Kernels:
    """Gram matrices of the parts of a surface over the points."""

    def __init__(self, z: Floats, scale: Floats, slot: Ints):
        self.z, self.scale = z, scale
        scaled = (z * scale) @ (z * scale).T
        same = (slot[:, None] == slot[None, :]).astype(np.float64)
        self.parts = (np.ones_like(same), z @ z.T / z.shape[1], scaled**2 / (scale**2).sum() ** 2, same)


def _inverse(factor: Floats) -> Floats:
    """Inverse of a matrix from its upper Cholesky factor."""
    upper = lapack.dpotri(factor)[0]
    return np.asarray(np.triu(upper) + np.triu(upper, 1).T)


@dataclass(frozen=True)
class _Fit:
    """A fit on the scale on which the target has mean 0 and variance 1."""

    kernels: _Kernels
    y: Floats
    amount: Floats
    inverse: Floats

    @classmethod
    def of(cls, kernels: _Kernels, y: Floats, noise_times: Floats) -> "_Fit":
        """With the variances of the parts and of the noise that maximise the marginal likelihood."""
        parts = [*kernels.parts, np.diag(noise_times)]

        def minus_evidence(log_amount: Floats) -> tuple[float, Floats]:
            amount = np.exp(log_amount)
            whole = sum(a * part for a, part in zip(amount, parts, strict=True))
            factor, _ = lapack.dpotrf(whole)
            inverse = _inverse(factor)
            weights = inverse @ y
            value = 0.5 * float(y @ weights) + float(np.log(np.diag(factor)).sum())
            slopes = [
                0.5 * a * (float(np.vdot(inverse, part)) - float(weights @ part @ weights))
                for a, part in zip(amount, parts, strict=True)
            ]
            return value, np.array(slopes)

        start = np.log([0.1, 0.5, 0.1, 0.01, 0.3])
        ends = [(_LEAST_LOG, _MOST_LOG)] * 4 + [(-9.0, 2.0)]
        optimum = minimize(
            minus_evidence,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=ends,
            options={"maxiter": _ITERATIONS, "ftol": 1e-5},
        )
        amount = np.exp(optimum.x)
        whole = sum(a * part for a, part in zip(amount, parts, strict=True))
        return cls(kernels, y, amount, _inverse(lapack.dpotrf(whole)[0]))

    @property
    def weights(self) -> Floats:
        return self.inverse @ self.y

    @property
    def constant(self) -> float:
        return float(self.amount[0] * self.weights.sum())

    @property
    def linear(self) -> Floats:
        z = self.kernels.z
        return np.asarray(self.amount[1] / z.shape[1] * (z.T @ self.weights))

    @property
    def quadratic(self) -> Floats:
        scale = self.kernels.scale
        scaled = self.kernels.z * scale
        inner = (scaled * self.weights[:, None]).T @ scaled
        return np.asarray(self.amount[2] / (scale**2).sum() ** 2 * inner * np.outer(scale, scale))

    def left_out(self, slot: Ints) -> Floats:
        """Error at each point when the places of its group are left out."""
        errors = np.empty_like(self.y)
        for fold in range(FOLDS):
            out = np.flatnonzero(slot % FOLDS == fold)
            if len(out):
                errors[out] = np.linalg.solve(self.inverse[np.ix_(out, out)], self.weights[out])
        return errors

    def mean_variance(self, last: Bools) -> float:
        """Mean variance of the surface over the points of the last wave."""
        whole = sum(a * part for a, part in zip(self.amount[:3], self.kernels.parts[:3], strict=True))
        rows = np.asarray(whole)[last]
        own = np.diag(np.asarray(whole))[last]
        return float((own - ((rows @ self.inverse) * rows).sum(axis=1)).mean())
