"""The same people under further draws of the parameters, where people are few. Imports ``rng``, ``simulation``.

Every person lives under one draw. A comparison of few people then has few under each draw, and says little about the
spread between draws. A replicate is the same person, with the same assessment and drugs, under another draw and with
other random numbers. Only the standard deviation between draws is estimated from replicates (``statistics``).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.model.compiled import rows
from taper_sim.simulation.ensemble import draw_of

MOST_ROWS: Final = 4096
"""People times replicates: the rows of one job, so that a large ensemble of few people is not a large run."""
_DAY: Final = rng.DAY_PERSON - 1  # no day of a study
_KEYS: Final = np.uint64(2**63 - 1)


def n_replicates(n_people: int, n_draws: int) -> int:
    """Draws under which each person lives, at least 1.

    The kernel computes people of one draw in tiles of 32. Replicates fill the tiles, which costs little: with 50 draws,
    up to 1,600 rows. Fewer people than a table shows have none, because they have no interval either.
    """
    if n_people < SMALLEST_CELL:
        return 1
    return min(n_draws, max(1, min(rows.LANES * n_draws, MOST_ROWS) // n_people))


def keys_of(keys: NDArray[np.uint64], n_draws: int, replicates: int) -> NDArray[np.uint64]:
    """Keys of people and of their replicates, (n * replicates,): first the people, then replicate by replicate.

    A key decides the random numbers, and modulo ``n_draws`` the draw. It depends on the person's key alone.
    """
    parts, size, own = [keys], np.uint64(n_draws), draw_of(keys, n_draws)
    for number in range(1, replicates):
        low, high, *_ = rng.words(0, keys, _DAY, number)
        fresh = ((high << np.uint64(32)) | low) & _KEYS
        wanted = (own + number * n_draws // replicates) % n_draws
        parts.append(fresh - fresh % size + wanted.astype(np.uint64))
    return np.concatenate(parts)
