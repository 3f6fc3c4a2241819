"""Life outside the taper today and on the days ahead, at each draw of a person's values. Imports ``likelihood``.

The filter gives the mean and covariance of life on the last day of the record, together with its means over the
reference days; each draw of the values gets one draw of them. Days ahead follow with normals that all options of a
person share (docs/inference.md, "Attribution").
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference.course import LIFE, P0, U0, Regimen
from taper_sim.inference.draws import sobol_normals
from taper_sim.inference.life_block import N_CORE, ORDER, ordered_system, system_of
from taper_sim.inference.likelihood import at_end
from taper_sim.inference.observation import Reports, with_sums

REFERENCE_D: Final = 14
"""Days before the first reduction whose mean is the reference. A design choice."""
AHEAD: Final = ("P", "M", "I", "U", "C")
"""States of life on the days ahead, in the order of their axis."""
LANES: Final = 32  # the roll-out reads so many draws side by side
_SUMMED: Final = (ORDER.index("P"), ORDER.index("U"))
_TODAY, _LATER = 21, 22  # seeds of the normals
_JITTER: Final = 1e-10  # relative, on a covariance whose states may coincide


@dataclass(frozen=True)
class Today:
    """A person on the last day of the record, a row for each draw of the values.

    Attributes
    ----------
    states : ndarray, (n, N_STATE)
        Course due to the taper, as in ``inference.course``.
    drifts : ndarray, (n,)
        Drift of log sigma so far.
    life : ndarray, (n, 6)
        Life today, in the order of ``life_block.ORDER``.
    reference : ndarray, (n, 2)
        Pain and function as felt on average over the reference days.
    reference_life : ndarray, (n, 2)
        The part of the reference that is life.
    """

    states: Floats = field(repr=False)
    drifts: Floats = field(repr=False)
    life: Floats = field(repr=False)
    reference: Floats = field(repr=False)
    reference_life: Floats = field(repr=False)

    def of(self, draws: Any) -> "Today":
        """Rows of some draws."""
        parts = (self.states, self.drifts, self.life, self.reference, self.reference_life)
        return Today(*(part[draws] for part in parts))


def reference_days(first_cut: int | None, n_days: int) -> tuple[int, int]:
    """First and last day of the reference: before the first reduction, or else the start of the record."""
    if first_cut is None:
        return 0, min(REFERENCE_D - 1, n_days)
    return max(first_cut - REFERENCE_D, 0), first_cut - 1


class MomentsToday(NamedTuple):
    """A person on the last day of a regimen, given the reports, at each of n vectors of values.

    Attributes
    ----------
    mean, covariance : ndarray, (n, 8) and (n, 8, 8)
        Of life today, in the order of ``life_block.ORDER``, and of its reference means of pain and function.
    states, drifts : ndarray, (n, N_STATE) and (n,)
        Course due to the taper.
    course_reference : ndarray, (n, 2)
        Reference means of pain and function as felt without life.
    log_likelihood : ndarray, (n,)
        Of the reports, which the same pass gives.
    """

    mean: Floats
    covariance: Floats
    states: Floats
    drifts: Floats
    course_reference: Floats
    log_likelihood: Floats

    def of(self, draws: Any) -> "MomentsToday":
        """Rows of some draws."""
        return MomentsToday(*(part[draws] for part in self))

    def drawn(self, seed: int) -> Today:
        """One draw of life for each vector of values; ``seed`` is that of the normals, whatever the record."""
        n, n_states = self.mean.shape
        size = np.sqrt(np.maximum(np.diagonal(self.covariance, axis1=1, axis2=2), 1e-30))
        correlation = self.covariance / (size[:, :, None] * size[:, None, :])
        root = np.linalg.cholesky(correlation + _JITTER * np.eye(n_states))
        normals = sobol_normals(n_states, 1 << max(n - 1, 0).bit_length(), seed, _TODAY)[:n]
        drawn = self.mean + size * np.einsum("nij,nj->ni", root, normals)
        life, reference_life = drawn[:, : len(ORDER)], drawn[:, len(ORDER) :]
        return Today(self.states, self.drifts, life, self.course_reference + reference_life, reference_life)

    def without_chance(self) -> tuple[Today, Floats, Floats]:
        """The course alone with life at its mean, and life's mean (n, 6) and covariance (n, 6, 6)."""
        n, reference = len(ORDER), self.course_reference
        mean, covariance = self.mean[:, :n], self.covariance[:, :n, :n]
        return Today(self.states, self.drifts, mean, reference, np.zeros_like(reference)), mean, covariance


def moments_today(
    values: Floats, shared: Any, regimen: Regimen, reports: Reports, first_cut: int | None
) -> MomentsToday:
    """Moments on the last day of the regimen, given the reports and each vector of values, (n, N_VALUES)."""
    n_days = len(regimen.dose) - 1
    days = reference_days(first_cut, n_days)
    summed = with_sums(reports, _SUMMED, *days, n_days)
    system = system_of(shared, summed, craving=True)
    states, drifts, packed, log_likelihood = at_end(values, shared, regimen, summed, system, days)
    k = len(ORDER) + summed.gather.shape[1]
    places = np.r_[: len(ORDER), k - 2, k - 1]
    row, column = np.tril_indices(k)
    covariance = np.empty((len(values), k, k))
    covariance[:, row, column] = covariance[:, column, row] = packed[:, k : k + k * (k + 1) // 2]
    scale = np.r_[np.ones(len(ORDER)), np.full(2, 1.0 / (days[1] - days[0] + 1))]
    mean = packed[:, places] * scale
    covariance = covariance[:, places][:, :, places] * np.outer(scale, scale)
    return MomentsToday(mean, covariance, states, drifts, packed[:, -2:], log_likelihood)


def today_of(
    values: Floats, shared: Any, regimen: Regimen, reports: Reports, first_cut: int | None, seed: int
) -> Today:
    """One draw of life today for each vector of values.

    Parameters
    ----------
    values : ndarray, (n, N_VALUES)
    shared : Couplings
    regimen : Regimen
        Of the record, to today.
    reports : Reports
    first_cut : int or None
        Day of the first reduction.
    seed : int
        Seed of the normals, a row for each vector whatever the record.
    """
    return moments_today(values, shared, regimen, reports, first_cut).drawn(seed)


def known_today(values: Floats, states: Floats, drifts: Floats, season: Floats) -> Today:
    """The same where the whole state is known: pain, distress … of ``states`` hold life already, but the season."""
    life = np.zeros((len(values), len(ORDER)))
    life[:, ORDER.index("season")] = season
    return Today(states, drifts, life, values[:, [P0, U0]], np.zeros((len(values), 2)))


@lru_cache(maxsize=4)
def _normals(n_ahead: int, n: int, seed: int) -> Floats:
    normals = np.random.default_rng([seed, _LATER]).standard_normal((n_ahead, len(ORDER), n))
    normals.flags.writeable = False
    return normals


@lru_cache(maxsize=8)
def _shocks(root: bytes, n_ahead: int, padded: int, seed: int) -> Floats:
    """Shocks of the days ahead at a person's factor 1, (n_ahead, 6, padded); ``root`` is of their covariance."""
    normals = _normals(n_ahead, -(-padded // 1024) * 1024, seed)[:, :, :padded]
    square = np.frombuffer(root).reshape(len(ORDER), len(ORDER))
    shocks = np.einsum("ij,djn->din", square, normals)
    shocks.flags.writeable = False
    return shocks


def life_ahead(today: Today, values: Floats, shared: Any, n_ahead: int, seed: int) -> Floats:
    """Life on each day ahead, (n_ahead, 5, n padded to a multiple of :data:`LANES`), states of :data:`AHEAD`."""
    system, n = ordered_system(shared, len(ORDER)), len(values)
    padded = -(-n // LANES) * LANES
    rows = np.minimum(np.arange(padded), n - 1)
    x, size = today.life[rows].T, values[rows, LIFE]
    root = np.linalg.cholesky(system.shocks + 1e-14 * np.eye(len(ORDER)))
    shocks = size * _shocks(root.tobytes(), n_ahead, padded, seed)
    path = np.empty((n_ahead, len(AHEAD), padded))
    for day in range(n_ahead):
        x = np.einsum("ij,jn->in", system.transition, x) + shocks[day]
        path[day, : N_CORE - 1], path[day, N_CORE - 1] = x[: N_CORE - 1], x[len(ORDER) - 1]
    return path


NO_LIFE_AHEAD: Final = np.empty((0, len(AHEAD), LANES))
"""For a roll-out whose figures of what is felt nobody reads."""
