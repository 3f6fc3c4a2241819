"""Simulated life outside the taper of one person, in days, for simulated reports. Imports ``life_block``.

Draws of the system that the filter follows (``inference.life_block``), for predictive draws and simulated people.
"""

from typing import Any

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference.life_block import ORDER, ordered_system

_JITTER = 1e-14  # on covariances of fewer shocks than states


def lived(size: float, shared: Any, n_days: int, generator: np.random.Generator) -> Floats:
    """Life outside the taper by day, (n_days + 1, 6), in the order of ``life_block.ORDER``; day 0 is enrolment.

    Parameters
    ----------
    size : float
        The person's factor on life (``course.LIFE``), no unit.
    shared : Couplings
    n_days : int
    generator : numpy.random.Generator
    """
    system, n = ordered_system(shared, len(ORDER)), len(ORDER)
    first, later = (np.linalg.cholesky(x + _JITTER * np.eye(n)) for x in (system.stationary, system.shocks))
    path = np.empty((n_days + 1, n))
    for day in range(n_days + 1):
        before = system.transition @ path[day - 1] if day else system.lead
        path[day] = before + size * (later if day else first) @ generator.standard_normal(n)
    return path


def recalled(x: Floats, days: int) -> Floats:
    """Means of the last ``days`` days by day, (n_days + 1,); days before day 0 are as day 0."""
    total = np.cumsum(np.concatenate([np.full(days, x[0]), x]))
    return np.asarray(total[days:] - total[:-days]) / days
