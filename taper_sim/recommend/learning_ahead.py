"""How much a trial at a lower dose would teach, before it is made. Imports ``inference``, ``ahead``.

Preposterior analysis by moments (Heath, Manolopoulou and Baio 2018, Med Decis Making 38:163). Means over 28 days sum up
the reports of the trial. Given a person's values they are normal, with life outside the taper and the noise of reports
as their covariance. A regression over the posterior draws says how far they follow what the patient wants to know.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.special import ndtri

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference import rollout
from taper_sim.inference.life_block import ORDER, ordered_system
from taper_sim.inference.observation import BY_NAME
from taper_sim.recommend.ahead import PersonAhead
from taper_sim.units import MONTH_D

SETTLED: Final = (0.2, 0.8)
"""Chances below or above which a question counts as settled. Source: A96."""
_ANSWERED: Final = 0.8
"""Share of days with a check-in in the trial. Source: A96; docs/events.md, "check-ins done"."""
_NODES: Final = 200  # equally likely outcomes of a trial
_DOMAINS: Final = (
    (rollout.PAIN_MEAN, at.P0, ORDER.index("P"), "pain_nrs"),
    (rollout.DISTRESS_MEAN, at.M0, ORDER.index("M"), "mood_item"),
    (rollout.INSOMNIA_MEAN, at.I0, ORDER.index("I"), "sleep_item"),
    (rollout.FUNCTION_MEAN, at.U0, ORDER.index("U"), "function"),
)
"""Figure, set point, state of life and instrument of each domain."""


_LASTING: Final = 2  # b and beta
_SET_POINTS: Final = [domain[1] for domain in _DOMAINS]


class LifeNow(NamedTuple):
    """Life outside the taper today, given each draw: mean (n, 6) and covariance (n, 6, 6), states of ``ORDER``."""

    mean: Floats
    covariance: Floats


@lru_cache(maxsize=64)
def _life_of_months(shared: Any, n_months: int) -> tuple[Floats, Floats]:
    """Means over 28 days of life's four domains: what they inherit from today, and the covariance of what is new.

    Returns
    -------
    inherited : ndarray, (n_months * 4, 6)
    new : ndarray, (n_months * 4, n_months * 4)
        At a person's factor 1.
    """
    system, places = ordered_system(shared, len(ORDER)), [domain[2] for domain in _DOMAINS]
    n_days = n_months * MONTH_D
    powers = np.empty((n_days + 1, len(ORDER), len(ORDER)))
    powers[0] = np.eye(len(ORDER))
    for day in range(n_days):
        powers[day + 1] = system.transition @ powers[day]
    sums = np.concatenate([np.zeros((1, len(ORDER), len(ORDER))), np.cumsum(powers, axis=0)])  # of powers below k
    inherited = np.concatenate(
        [(sums[(m + 1) * MONTH_D + 1] - sums[m * MONTH_D + 1])[places] / MONTH_D for m in range(n_months)]
    )
    shock_day = np.arange(1, n_days + 1)
    per_shock = np.empty((n_days, n_months * len(places), len(ORDER)))
    for m in range(n_months):
        end, begin = (np.maximum(day - shock_day + 1, 0) for day in ((m + 1) * MONTH_D, m * MONTH_D))
        per_shock[:, m * len(places) : (m + 1) * len(places)] = (sums[end] - sums[begin])[:, places] / MONTH_D
    new = np.einsum("dij,jk,dlk->il", per_shock, system.shocks, per_shock, optimize=True)
    return inherited, new


def told_apart(person: PersonAhead, column: int, path: Floats, life: LifeNow) -> Floats:
    """Expected reports of a course at each draw, in units of their noise, (n, n_months * 4).

    Parameters
    ----------
    person : PersonAhead
    column : int
    path : ndarray, (n_days,)
        Shares of the original dose; whole months.
    life : LifeNow
    """
    n_months, v = len(path) // MONTH_D, person.values
    months = np.diff(summed_changes(person, column, path), axis=0) / MONTH_D + v[:, _SET_POINTS]
    inherited, new = _life_of_months(person.shared, n_months)
    mean = months.transpose(1, 0, 2).reshape(len(v), -1) + life.mean @ inherited.T
    covariance = _noise(v, new) + inherited @ life.covariance.mean(axis=0) @ inherited.T
    return np.asarray(solve_triangular(cholesky(covariance, lower=True), mean.T, lower=True).T)


def summed_changes(person: PersonAhead, column: int, path: Floats) -> Floats:
    """Changes of the four domains from the set points, summed to the end of each month, (n_months + 1, n, 4)."""
    n_months = len(path) // MONTH_D
    sums = np.zeros((n_months + 1, len(person.values), len(_DOMAINS)))
    for m in range(1, n_months + 1):
        f = person.figures(path[: m * MONTH_D], column)
        sums[m] = m * MONTH_D * f[:, [domain[0] for domain in _DOMAINS]]
    return sums


def _noise(values: Floats, new: Floats) -> Floats:
    """Covariance of monthly means given the person and life today; ``new`` is that of life to come at factor 1."""
    size, noise = float(np.mean(values[:, at.LIFE] ** 2)), float(np.mean(values[:, at.NOISE] ** 2))
    covariance = size * new
    n_months = len(covariance) // len(_DOMAINS)
    covariance[np.diag_indices(len(covariance))] += np.tile([_variance(name, noise) for *_, name in _DOMAINS], n_months)
    return np.asarray(covariance)


def lasting_places(column: int) -> list[int]:
    """Places of the two values by which a lower dose lasts, b and beta, of one class; courses are linear in them."""
    return [at.B + column, at.BETA + column]


def with_more_lasting(person: PersonAhead, column: int) -> PersonAhead:
    """The draws of a person, then the same at b + 1, then the same at beta + 1: one roll-out carries all."""
    values = np.tile(person.values, (1 + _LASTING, 1))
    n = len(person.values)
    for k, place in enumerate(lasting_places(column), start=1):
        values[k * n : (k + 1) * n, place] += 1.0
    return replace(person, values=values, today=person.today.of(np.tile(np.arange(n), 1 + _LASTING)))


class LastingTrial:
    """What the reports of a course would tell of the values by which a lower dose lasts, b and beta.

    These, the set points and life today are normal with the moments of the posterior draws. Monthly means are linear in
    them: in b and beta by slopes that roll-outs at b + 1 and beta + 1 give, in the set points by 1, in life by what
    they inherit of it.

    Parameters
    ----------
    values : ndarray, (n, N_VALUES)
    weights : ndarray, (n,)
        They sum to 1.
    life : LifeNow
        Of the same draws.
    shared : Couplings
    column : int
        The class.

    Attributes
    ----------
    mean, covariance : ndarray, (2,) and (2, 2)
        Of b and beta today.
    """

    def __init__(self, values: Floats, weights: Floats, life: LifeNow, shared: Any, column: int):
        self.column, self._shared, self._values = column, shared, values
        states = np.concatenate([values[:, [*lasting_places(column), *_SET_POINTS]], life.mean], axis=1)
        centre = weights @ states
        self._spread = (states - centre).T @ ((states - centre) * weights[:, None])
        n_life = life.mean.shape[1]
        self._spread[-n_life:, -n_life:] += np.einsum("n,nij->ij", weights, life.covariance)
        self.mean, self.covariance = centre[:_LASTING], self._spread[:_LASTING, :_LASTING]

    def slopes(self, person: PersonAhead, path: Floats) -> Floats:
        """Change of the monthly means of a course for each unit of b and beta, (n_months, 4, 2).

        ``person`` is from :func:`with_more_lasting`.
        """
        sums = summed_changes(person, self.column, path)
        means = sums.reshape(len(sums), 1 + _LASTING, -1, len(_DOMAINS)).mean(axis=2)
        return np.asarray(np.diff(means[:, 1:] - means[:, :1], axis=0).transpose(0, 2, 1) / MONTH_D)

    def covariance_left(self, slopes: Floats) -> Floats:
        """Covariance of b and beta after the reports of a course, (2, 2), from its :meth:`slopes`."""
        n_months = len(slopes)
        inherited, new = _life_of_months(self._shared, n_months)
        set_points = np.tile(np.eye(len(_DOMAINS)), (n_months, 1))
        loads = np.concatenate([slopes.reshape(-1, _LASTING), set_points, inherited], axis=1)
        shared = loads @ self._spread[:, :_LASTING]
        reports = loads @ self._spread @ loads.T + _noise(self._values, new)
        return np.asarray(self.covariance - shared.T @ np.linalg.solve(reports, shared))


def _variance(name: str, noise: float) -> float:
    """Variance of a month's mean of a daily item, on the scale of its domain."""
    item = BY_NAME[name]
    of_day = noise * (item.white**2 + item.slow**2) + item.step**2 / 12.0
    return of_day / item.scale**2 / (MONTH_D * _ANSWERED)


def share_learnt(wanted: Floats, reports: Floats) -> float:
    """Share of the variance of what is wanted that the reports would explain, 0 to 1.

    Parameters
    ----------
    wanted : ndarray, (n,)
        At equally likely draws, neighbours alike.
    reports : ndarray, (n, n_reports)
        Expected at the same draws, in units of their noise: a report has variance 1 given the draw.

    Returns
    -------
    float
        Each half of the draws is predicted by coefficients of the other half, so that chance explains nothing.
    """
    everybody = np.arange(len(wanted))
    explained = 0.0
    for half in (0, 1):
        fit, check = everybody % 2 == half, everybody % 2 != half
        x, y = reports[fit] - reports[fit].mean(axis=0), wanted[fit] - wanted[fit].mean()
        coefficients = np.linalg.solve(x.T @ x / len(y) + np.eye(x.shape[1]), x.T @ y / len(y))
        predicted = (reports[check] - reports[check].mean(axis=0)) @ coefficients
        total = float(np.mean(predicted**2) + coefficients @ coefficients) * float(np.var(wanted[check]))
        if total > 0.0:
            shared = float(np.mean(predicted * (wanted[check] - wanted[check].mean())))
            explained += max(shared, 0.0) ** 2 / total / 2.0
    return min(explained, 1.0)


def chance_settled(wanted: Floats, learnt: float) -> float:
    """Expected chance that the sign of what is wanted is settled, once a share of its variance is learnt.

    Parameters
    ----------
    wanted : ndarray, (n,)
        At equally likely draws.
    learnt : float
        From :func:`share_learnt`.
    """
    mean = wanted.mean()
    moved = mean + np.sqrt(learnt) * wanted.std() * ndtri((np.arange(_NODES) + 0.5) / _NODES)
    left = np.sort(np.sqrt(1.0 - learnt) * (wanted - mean))
    above = 1.0 - np.searchsorted(left, -moved, side="right") / len(left)
    return float(np.mean((above < SETTLED[0]) | (above > SETTLED[1])))


def value_of_knowing(gains: Floats) -> float:
    """Expected value of perfect information about the best of several doses, in the unit of the gains.

    Parameters
    ----------
    gains : ndarray, (n_doses, n)
        Gain over today's dose, which is one of the doses, at equally likely draws.
    """
    return float(gains.max(axis=0).mean() - gains.mean(axis=1).max())


def value_of_trial(gains: Floats, learnt: Sequence[float]) -> float:
    """Expected value of the sample information of a trial about the best of several doses, in the unit of the gains.

    Parameters
    ----------
    gains : ndarray, (n_doses, n)
        As in :func:`value_of_knowing`.
    learnt : sequence of float, (n_doses,)
        Share of the variance of each that the trial explains; what it tells of one dose it tells of all.
    """
    z = ndtri((np.arange(_NODES) + 0.5) / _NODES)
    means, sds = gains.mean(axis=1), np.sqrt(np.asarray(learnt)) * gains.std(axis=1)
    return float((means[:, None] + sds[:, None] * z).max(axis=0).mean() - means.max())


def is_settled(chance: float) -> bool:
    """Whether a chance is clear."""
    return not SETTLED[0] <= chance <= SETTLED[1]
