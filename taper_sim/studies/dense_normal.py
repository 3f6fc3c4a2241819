"""Reports of one person as one dense normal: mean of life and covariances. Imports ``model.life``, ``inference``.

Given the person's values all reports are jointly normal, but for those that enter the likelihood as intervals. The
covariance is ``life^2 K_life + noise^2 K_noise + rounding``: life outside the taper from the powers of its system
(``model.life.life_system``), noise from the instruments. Nothing of the filter of ``inference.likelihood`` is used.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference.observation import (
    CRAVING,
    DISTRESS,
    FUNCTION,
    INSOMNIA,
    PAIN,
    PLACES,
    SLEEP,
    STEPS,
    WITHDRAWAL,
    Instrument,
    Reports,
    with_rows,
)
from taper_sim.model.life import LIFE_STATES, N_LIFE, life_system

_P, _M, _I, _U, _C = (LIFE_STATES.index(state) for state in ("P", "M", "I", "U", "C"))
_ROWS: Final = ("day", "slot", "y", "low", "high", "rounding", "interval")


class DenseNormal(NamedTuple):
    """Reports of one person as a normal vector, given the course due to the taper and the factors life and noise.

    Attributes
    ----------
    lead : ndarray, (n_reports,)
        Mean of life in each report.
    life, noise : ndarray, (n_reports, n_reports)
        Covariance of life and of noise at factor 1.
    fixed : ndarray, (n_reports,)
        Variance of rounding, and of the error of an assessment.
    """

    lead: Floats
    life: Floats
    noise: Floats
    fixed: Floats


def without_intervals(reports: Reports) -> Reports:
    """The reports without those at the ends of their scale and without categories, which no normal describes."""
    kept = ~reports.interval
    return with_rows(reports, **{name: getattr(reports, name)[kept] for name in _ROWS})


def dense_normal(reports: Reports, shared: Any) -> DenseNormal:
    """The normal vector of a person's reports.

    Raises
    ------
    ValueError
        If a report enters the likelihood as an interval (:func:`without_intervals`).
    """
    if reports.interval.any():
        raise ValueError("a report is an interval: no normal describes it")
    used = [PLACES[place] for place in reports.place]
    n, n_days = len(reports.day), int(reports.day.max(initial=0))
    lead, covariance = _life_by_day(shared, n_days)
    loads = np.zeros((n, n_days + 1, N_LIFE))
    for r, (day, slot) in enumerate(zip(reports.day, reports.slot, strict=True)):
        i = used[slot]
        for back in range(i.recall_d):
            loads[r, max(day - back, 0)] += _load(i, shared) / i.recall_d
    flat = loads.reshape(n, -1)
    slot, day = reports.slot, reports.day
    white, slow = reports.white[slot], reports.slow[slot]
    same_day, gap = day[:, None] == day[None, :], np.abs(day[:, None] - day[None, :])
    shared_part = white * reports.shared[slot]
    noise = same_day * np.outer(shared_part, shared_part)
    noise += (slot[:, None] == slot[None, :]) * np.outer(slow, slow) * reports.decay[slot][:, None] ** gap
    own = white**2 * (1.0 - reports.shared[slot] ** 2)
    assessed = reports.assessed[slot]
    noise += np.diag(np.where(assessed, 0.0, own))
    return DenseNormal(
        flat @ lead.ravel(), flat @ covariance @ flat.T, noise, reports.rounding + np.where(assessed, own, 0.0)
    )


def _life_by_day(shared: Any, n_days: int) -> tuple[Floats, Floats]:
    """Mean (n_days + 1, N_LIFE) and covariance of the states of life on all days, one after the other, at factor 1."""
    system = life_system(shared)
    n = n_days + 1
    lead, covariance = np.empty((n, N_LIFE)), np.empty((n, N_LIFE, n, N_LIFE))
    now, here = system.lead, system.stationary
    for day in range(n):
        if day:
            now = system.transition @ now
            here = system.transition @ here @ system.transition.T + system.shocks
        lead[day], ahead = now, here
        for later in range(day, n):
            covariance[later, :, day], covariance[day, :, later] = ahead, ahead.T
            ahead = system.transition @ ahead
    return lead, covariance.reshape(n * N_LIFE, n * N_LIFE)


def _load(i: Instrument, c: Any) -> Floats:
    """What a unit of each state of life adds to a report, on the scale on which noise is added, (N_LIFE,)."""
    by_kind = {
        PAIN: {_P: 1.0},
        DISTRESS: {_M: i.scale},
        INSOMNIA: {_I: i.scale},
        FUNCTION: {_U: 1.0},
        CRAVING: {_C: i.scale},
        WITHDRAWAL: {_P: c.sows_p, _M: c.sows_m, _I: c.sows_i},
        STEPS: {_P: -c.steps_p, _I: -c.steps_i, _U: c.steps_u},
        SLEEP: {_I: -c.hours_i},
    }
    load = np.zeros(N_LIFE)
    for state, size in by_kind.get(i.kind, {}).items():
        load[state] = size
    return load
