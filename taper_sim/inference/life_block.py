"""Life outside the taper as states of the filter: its system for one person's reports, and its days, compiled.

Imports ``model.life``, ``inference.observation``. Pain, distress, insomnia, function, the season and, where craving is
reported, craving are linear: what life adds to a report is a load on these states (docs/inference.md, "Likelihood").
Moments are those of a tile of vectors: ``m[state * STRIDE + lane]``, and of the covariance the packed lower triangle.
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
    return LifeSystem(
        system.transition[square], system.shocks[square], system.stationary[square], system.lead[places]
    )


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
    def place(i: int, k: int) -> int:
        """Place of an element of the packed lower triangle."""
        return int((i * (i + 1) // 2 + k if i >= k else k * (k + 1) // 2 + i) * STRIDE)

    @inlined
    def _core_day(a: Any, lanes: int, first: int, step: int, system: Any) -> None:
        """Five rows of ``a``, from ``first`` on and ``step`` apart: a day of the core states, in place."""
        pp, pm, pi, ps = system[0, 0], system[0, 1], system[0, 2], system[0, 4]
        mp, mm, mi, ms = system[1, 0], system[1, 1], system[1, 2], system[1, 4]
        ip, im, ii, is_ = system[2, 0], system[2, 1], system[2, 2], system[2, 4]
        up, um, ui, uu, us = system[3, 0], system[3, 1], system[3, 2], system[3, 3], system[3, 4]
        ss = system[4, 4]
        r0, r1, r2 = first * STRIDE, (first + step) * STRIDE, (first + 2 * step) * STRIDE
        r3, r4 = (first + 3 * step) * STRIDE, (first + 4 * step) * STRIDE
        for j in range(lanes):
            p, m, i, u, s = a[r0 + j], a[r1 + j], a[r2 + j], a[r3 + j], a[r4 + j]
            a[r0 + j] = pp * p + pm * m + pi * i + ps * s
            a[r1 + j] = mp * p + mm * m + mi * i + ms * s
            a[r2 + j] = ip * p + im * m + ii * i + is_ * s
            a[r3 + j] = up * p + um * m + ui * i + uu * u + us * s
            a[r4 + j] = ss * s

    @inlined
    def _craving_day(m: Any, cov: Any, lanes: int, n_states: int, system: Any, square: Any) -> None:
        """A day of craving, state 5: ``C <- sum of coefficients x states``, all of yesterday."""
        for j in range(lanes):  # the row applied once, at craving's own column
            square[j] = system[5, 5] * cov[place(5, 5) + j]
        for k in range(5):
            a, at = system[5, k], place(5, k)
            for j in range(lanes):
                square[j] += a * cov[at + j]
        for q in range(n_states):
            if q != 5:
                at, own = place(5, q), system[5, 5]
                for j in range(lanes):
                    cov[at + j] *= own
                for k in range(5):
                    a, of = system[5, k], place(k, q)
                    for j in range(lanes):
                        cov[at + j] += a * cov[of + j]
        at, own = place(5, 5), system[5, 5]
        for j in range(lanes):
            cov[at + j] = own * square[j]
            m[5 * STRIDE + j] *= own
        for k in range(5):
            a, of = system[5, k], place(5, k)
            for j in range(lanes):
                cov[at + j] += a * cov[of + j]
                m[5 * STRIDE + j] += a * m[k * STRIDE + j]

    @inlined
    def start_life(m: Any, cov: Any, lanes: int, system: Any, squared: Any, at_squared: int) -> None:
        """Moments of day 0; ``squared`` holds the square of each lane's factor from ``at_squared`` on."""
        n = system.shape[1]
        for i in range(n):
            lead = system[3 * n, i]
            for j in range(lanes):
                m[i * STRIDE + j] = lead
            for k in range(i + 1):
                size, at = system[2 * n + i, k], place(i, k)
                for j in range(lanes):
                    cov[at + j] = size * squared[at_squared + j]

    @inlined
    def advance_life(
        m: Any, cov: Any, lanes: int, n_states: int, system: Any, squared: Any, at_squared: int, square: Any
    ) -> None:
        """A day of life: moments of all ``n_states`` states move, and the shocks of the day are added.

        ``square`` is room for 25 rows.
        """
        n = system.shape[1]
        if n > 5:
            _craving_day(m, cov, lanes, n_states, system, square)
        _core_day(m, lanes, 0, 1, system)
        for q in range(5, n_states):
            _core_day(cov, lanes, q * (q + 1) // 2, 1, system)
        for i in range(5):
            for k in range(5):
                at, to = place(i, k), (5 * i + k) * STRIDE
                for j in range(lanes):
                    square[to + j] = cov[at + j]
        for i in range(5):
            _core_day(square, lanes, 5 * i, 1, system)
        for i in range(5):
            _core_day(square, lanes, i, 5, system)
        for i in range(5):
            for k in range(i + 1):
                at, of = place(i, k), (5 * i + k) * STRIDE
                for j in range(lanes):
                    cov[at + j] = square[of + j]
        for i in range(n):
            for k in range(i + 1):
                size, at = system[n + i, k], place(i, k)
                for j in range(lanes):
                    cov[at + j] += size * squared[at_squared + j]

    @inlined
    def gather(m: Any, cov: Any, lanes: int, n_states: int, to: int, source: int, opening: float) -> None:
        """State ``to`` adds up state ``source`` over days: today's is added, or opens the sum ``opening`` times."""
        own, weight = (0.0, opening) if opening > 0.0 else (1.0, 1.0)
        at, across, of = place(to, to), place(to, source), place(source, source)
        for j in range(lanes):
            cov[at + j] = own * (cov[at + j] + 2.0 * weight * cov[across + j]) + weight * weight * cov[of + j]
            m[to * STRIDE + j] = own * m[to * STRIDE + j] + weight * m[source * STRIDE + j]
        for q in range(n_states):
            if q != to:
                at, of = place(to, q), place(source, q)
                for j in range(lanes):
                    cov[at + j] = own * cov[at + j] + weight * cov[of + j]
