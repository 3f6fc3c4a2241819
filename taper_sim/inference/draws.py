"""Quasi-random points that all patients share: scrambled Sobol points, equally likely draws. Imports nothing.

A seed gives the same points in every process, so one record always gives one answer.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from taper_sim.array_types import Floats, Ints

_LEAST: Final = 1e-12  # a normal of 0 or 1 is infinite


def sobol_uniforms(d: int, n: int, *seed: int) -> Floats:
    """Scrambled Sobol points inside the unit cube, (n, d); n is a power of two."""
    points = qmc.Sobol(d, rng=np.random.default_rng(list(seed))).random(n)
    return np.asarray(np.clip(points, _LEAST, 1 - _LEAST))


@lru_cache(maxsize=192)
def sobol_normals(d: int, n: int, *seed: int) -> Floats:
    """Scrambled Sobol points as standard normals, (n, d); n is a power of two. The array is shared and read-only."""
    normals = np.asarray(ndtri(sobol_uniforms(d, n, *seed)))
    normals.flags.writeable = False
    return normals


def equal_draws(weights: Floats, n: int) -> Ints:
    """Indices of n equally likely draws from weighted draws (systematic resampling), (n,).

    Parameters
    ----------
    weights : ndarray, (n_draws,)
        Not negative; they need not sum to 1.
    n : int
        Number of draws; an index may occur more than once.
    """
    cumulated = np.cumsum(weights)
    return np.minimum(np.searchsorted(cumulated, (np.arange(n) + 0.5) / n * cumulated[-1]), len(weights) - 1)
