"""Life outside the taper as states of the filter: its system for one person's reports, and its days, compiled.

Imports ``model.life``, ``inference.observation``. Pain, distress, insomnia, function, the season and, where craving is
reported, craving are linear: what life adds to a report is a load on these states (docs/inference.md, "Likelihood").
The moments of a tile of vectors are one array, a row of lanes each: the packed lower triangle of the covariance, in
which the mean is a last row as if it were one more state, and behind it room for a square of five by five.
"""

from functools import lru_cache
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference.course import STRIDE
from taper_sim.inference.observation import (
    CRAVING,
    DISTRESS,
    FUNCTION,
    INSOMNIA,
    PAIN,
    SLEEP,
    STEPS,
    WITHDRAWAL,
    Reports,
)
from taper_sim.model import life
from taper_sim.model.compiled.jit import inlined, kept_by_sources
from taper_sim.model.life import LIFE_STATES, LifeSystem, life_system

ORDER: Final = ("P", "M", "I", "U", "season", "C")
"""Order of the states here: craving, which nothing else depends on, is last and absent where nobody asks for it."""
N_CORE: Final = 5
_PLACES: Final = np.array([LIFE_STATES.index(name) for name in ORDER])
_P, _M, _I, _U, _SEASON, _C = range(6)
_MOST_ROWS: Final = 4095  # that a row's number is masked by it shows the compiler that it is not negative
SQUARE: Final = N_CORE * N_CORE


@lru_cache(maxsize=64)
def _whole_system(shared: Any) -> LifeSystem:
    system = life_system(shared)
    feeds_back = system.transition[np.ix_(_PLACES[:N_CORE], _PLACES[[_U, _C]])].copy()
    feeds_back[_U, 0] = 0.0
    if feeds_back.any() or np.delete(system.transition[_PLACES[_SEASON]], _PLACES[_SEASON]).any():
        raise AssertionError("function and craving act on no other domain, and nothing acts on the season")
    return system


@lru_cache(maxsize=64)
def ordered_system(shared: Any, n: int) -> LifeSystem:
    """Life's system at these couplings, its first ``n`` states in the order of :data:`ORDER`."""
    system, places = _whole_system(shared), _PLACES[:n]
    square = np.ix_(places, places)
    return LifeSystem(system.transition[square], system.shocks[square], system.stationary[square], system.lead[places])


def load_of(kind: int, scale: float, shared: Any) -> Floats:
    """What each state of life adds to a report of this kind, on the scale on which noise is added, (6,)."""
    load = np.zeros(len(ORDER))
    if kind == PAIN:
        load[_P] = 1.0
    elif kind == DISTRESS:
        load[_M] = scale
    elif kind == INSOMNIA:
        load[_I] = scale
    elif kind == FUNCTION:
        load[_U] = 1.0
    elif kind == CRAVING:
        load[_C] = scale
    elif kind == WITHDRAWAL:
        load[[_P, _M, _I]] = shared.sows_p, shared.sows_m, shared.sows_i
    elif kind == STEPS:
        load[[_P, _I, _U]] = -shared.steps_p, -shared.steps_i, shared.steps_u
    elif kind == SLEEP:
        load[_I] = -shared.hours_i
    return load


def system_of(shared: Any, reports: Reports, *, craving: bool = False) -> Floats:
    """Life's system for a person's reports, as the compiled filter reads it.

    Parameters
    ----------
    shared : Couplings
        From ``course.couplings``.
    reports : Reports
    craving : bool
        Whether craving is a state even if it is not reported.

    Returns
    -------
    ndarray, (3 n + 1 + n_slots, n)
        Below each other: transition, shocks and covariance on day 0 (at a person's factor 1), n rows each; mean on day
        0; loads of each instrument present. n is 6 with craving and 5 without.
    """
    n = len(ORDER) if craving or (reports.kind == CRAVING).any() else N_CORE
    system = ordered_system(shared, n)
    loads = [load_of(int(kind), float(scale), shared)[:n] for kind, scale in zip(*reports[_KIND_SCALE], strict=True)]
    parts = (*system.transition, *system.shocks, *system.stationary, system.lead, *loads)
    return np.ascontiguousarray(np.stack(parts))


_KIND_SCALE: Final = slice(Reports._fields.index("kind"), Reports._fields.index("scale") + 1)

with kept_by_sources(__file__, life):

    @inlined
    def at_row(row: int) -> int:
        """Place of the first lane of a row."""
        return (row & _MOST_ROWS) * STRIDE

    @inlined
    def place(i: int, k: int) -> int:
        """Place of the first lane of an element of the packed lower triangle."""
        return at_row(i * (i + 1) // 2 + k if i >= k else k * (k + 1) // 2 + i)

    @inlined
    def n_rows_of(n_states: int) -> int:
        """Rows of the moments of so many states."""
        return (n_states + 1) * (n_states + 2) // 2 + SQUARE

    @inlined
    def start_life(moments: Any, lanes: int, n_states: int, system: Any, squared: Any) -> None:
        """Moments of day 0; ``squared`` is the square of each lane's factor."""
        n = system.shape[1]
        for i in range(n):
            lead, at = system[3 * n, i], place(n_states, i)
            for j in range(lanes):
                moments[at + j] = lead
            for k in range(i + 1):
                size, at = system[2 * n + i, k], place(i, k)
                for j in range(lanes):
                    moments[at + j] = size * squared[j]

    @inlined
    def replace_state(moments: Any, lanes: int, n_states: int, to: int, own: float, source: int, weight: float) -> None:
        """``x_to <- own x_to + weight x_source`` in the mean and the covariance."""
        at, across, of = place(to, to), place(to, source), place(source, source)
        for j in range(lanes):
            moments[at + j] = own * (own * moments[at + j] + 2.0 * weight * moments[across + j]) + (
                weight * weight * moments[of + j]
            )
        for q in range(n_states + 1):
            if q != to:
                at, of = place(to, q), place(source, q)
                for j in range(lanes):
                    moments[at + j] = own * moments[at + j] + weight * moments[of + j]

    @inlined
    def advance_life(moments: Any, lanes: int, n_states: int, system: Any, squared: Any) -> None:
        """A day of life: moments of all states move, and the shocks of the day are added.

        Each column of the covariance, and the mean, moves as a state does. The block of the core is unfolded into the
        square for it, which is turned around in between.
        """
        n = system.shape[1]
        for k in range(5 if n > 5 else 0):  # craving first, from yesterday's values
            replace_state(moments, lanes, n_states, 5, system[5, 5] if k == 0 else 1.0, k, system[5, k])
        pp, pm, pi, ps = system[0, 0], system[0, 1], system[0, 2], system[0, 4]
        mp, mm, mi, ms = system[1, 0], system[1, 1], system[1, 2], system[1, 4]
        ip, im, ii, is_ = system[2, 0], system[2, 1], system[2, 2], system[2, 4]
        up, um, ui, uu, us = system[3, 0], system[3, 1], system[3, 2], system[3, 3], system[3, 4]
        ss = system[4, 4]
        square = (n_states + 1) * (n_states + 2) // 2
        for i in range(5):
            for k in range(5):
                of, to = place(i, k), at_row(square + 5 * i + k)
                for j in range(lanes):
                    moments[to + j] = moments[of + j]
        turn = n_states + 1 - 5 + 5
        for column in range(turn + 5):
            if column == turn:
                for i in range(5):
                    for k in range(i):
                        here, there = at_row(square + 5 * i + k), at_row(square + 5 * k + i)
                        for j in range(lanes):
                            one = moments[here + j]
                            moments[here + j] = moments[there + j]
                            moments[there + j] = one
            q = column + 5
            row = q * (q + 1) // 2 if q <= n_states else square + 5 * ((q - n_states - 1) % 5)
            at = at_row(row)
            for j in range(lanes):
                p, m, i_, u, s = (
                    moments[at + j],
                    moments[at + STRIDE + j],
                    moments[at + 2 * STRIDE + j],
                    moments[at + 3 * STRIDE + j],
                    moments[at + 4 * STRIDE + j],
                )
                moments[at + j] = pp * p + pm * m + pi * i_ + ps * s
                moments[at + STRIDE + j] = mp * p + mm * m + mi * i_ + ms * s
                moments[at + 2 * STRIDE + j] = ip * p + im * m + ii * i_ + is_ * s
                moments[at + 3 * STRIDE + j] = up * p + um * m + ui * i_ + uu * u + us * s
                moments[at + 4 * STRIDE + j] = ss * s
        for i in range(n):
            for k in range(i + 1):
                size, at = system[n + i, k], place(i, k)
                of = at_row(square + 5 * i + k) if i < 5 else at
                for j in range(lanes):
                    moments[at + j] = moments[of + j] + size * squared[j]
