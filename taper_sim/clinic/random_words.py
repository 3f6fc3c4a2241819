"""Words of random draws for people of a clinic's day, compiled. Imports ``rng``, ``model.compiled.jit``.

A clinic asks for the words of one or a few people many thousand times, for which the calls of NumPy in ``rng.words``
take longer than the arithmetic. The words are integers, so both give the same bits.
"""

from typing import Any

import numpy as np

from taper_sim import rng
from taper_sim.model.compiled.jit import fast, kept_by_sources

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)

with kept_by_sources(__file__):

    @fast
    def _fill(k0: Any, k1: Any, keys: Any, day: Any, call: Any, words: Any) -> None:
        for row in range(len(keys)):
            low, high = keys[row] & _MASK, keys[row] >> _SHIFT
            words[0, row], words[1, row], words[2, row], words[3, row] = rng.philox(low, high, day, call, k0, k1)


def words_of(seed: int, keys: rng.RandomWords, day: int, call: int) -> rng.RandomWords:
    """Four words for each key, (4, n): those of ``rng.words``.

    Parameters
    ----------
    seed : int
        0 to 2^64 − 1.
    keys : ndarray of uint64, (n,)
    day, call : int
        Each from 0 to below 2^32.
    """
    words = np.empty((4, len(keys)), dtype=np.uint64)
    _fill(np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32), keys, np.uint64(day), np.uint64(call), words)
    return words
