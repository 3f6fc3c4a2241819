"""The record of many patients at once as the likelihood reads it. Imports ``observation``."""

from datetime import date
from functools import cache
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data.records import CheckIn
from taper_sim.inference.observation import Reports, reports_of

_ANY_DAY: Final = date(2026, 1, 5)


@cache
def _as_read(instrument: str) -> Floats:
    """What each whole number of a scale stands for: y, low, high, rounding, interval; (largest + 1, 5)."""
    largest = {"sows_gossop": 30, "function": 100}.get(instrument, 10)
    still = np.zeros(2)
    rows = []
    for value in range(largest + 1):
        r = reports_of([(1, CheckIn(_ANY_DAY, instrument, float(value)))], still.astype(np.int64), still)
        rows.append((r.y[0], r.low[0], r.high[0], r.rounding[0], float(r.interval[0])))
    return np.array(rows)


@cache
def _frame(instruments: tuple[str, ...]) -> Reports:
    """Reports of no days, with these instruments' noise."""
    still = np.zeros(2)
    return reports_of([(1, CheckIn(_ANY_DAY, name, 1.0)) for name in instruments], still.astype(np.int64), still)


def laid_out(values: Floats, instruments: tuple[str, ...], column: int) -> Reports:
    """Reports of one person for the likelihood, as ``observation.reports_of`` lays them out, but all at once.

    Parameters
    ----------
    values : ndarray, (n_days, n_instruments)
        Day 1 first; NaN where none came. Whole numbers of the instruments' scales, in the order of ``INSTRUMENTS``.
    instruments : tuple of str
    column : int
        Class that is reduced.
    """
    came = ~np.isnan(values)
    there = came.any(axis=0)
    used = tuple(name for name, present in zip(instruments, there, strict=True) if present)
    frame = _frame(used)
    day, slot = np.nonzero(came[:, there])
    read = np.empty((len(day), 5))
    given = values[:, there][day, slot].astype(np.int64)
    for k, name in enumerate(used):
        mine = slot == k
        read[mine] = _as_read(name)[given[mine]]
    n = len(values) + 1
    return frame._replace(
        day=day + 1, slot=slot, y=read[:, 0].copy(), low=read[:, 1].copy(), high=read[:, 2].copy(),
        rounding=read[:, 3].copy(), interval=read[:, 4] > 0, weekend=np.zeros(n),
        last_cut=np.full(n, column, dtype=np.int64),
    )  # fmt: skip
