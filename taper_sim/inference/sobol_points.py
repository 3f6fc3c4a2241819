"""Scrambled Sobol points, to the bit those of ``scipy.stats.qmc.Sobol``. Imports nothing.

SciPy loads all its distributions with them, a fifth of the time of a recommendation as a whole process; nothing else in
it needs them. ``tests/inference/test_draws.py`` holds the two equal. Sources: the sequence and its direction numbers,
Joe & Kuo 2008, SIAM J Sci Comput 30(5):2635 (their file new-joe-kuo-6.21201); the scrambling, a random lower triangular
matrix and a shift, Matousek 1998, J Complexity 14:527.
"""

from functools import cache
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats

_BITS: Final = 30
_DIRECTIONS: Final = (  # of each dimension after the first: primitive polynomial, as bits, and first numbers
    "3:1 7:1,3 11:1,3,1 13:1,1,1 19:1,1,3,3 25:1,3,5,13 37:1,1,5,5,17 41:1,1,5,5,5 47:1,1,7,11,19 55:1,1,5,1,1 "
    "59:1,1,1,3,11 61:1,3,5,5,31 67:1,3,3,9,7,49 91:1,1,1,15,21,21 97:1,3,1,13,27,49 103:1,1,1,15,7,5 "
    "109:1,3,1,15,13,25 115:1,1,5,5,19,61 131:1,3,7,11,23,15,103 137:1,3,7,13,13,15,69 143:1,1,3,13,7,35,63 "
    "145:1,3,5,9,1,25,53 157:1,3,1,13,9,35,107 167:1,3,1,5,27,61,31 171:1,1,5,11,19,41,61 185:1,3,5,3,3,13,69 "
    "191:1,1,7,13,1,19,1 193:1,3,7,5,13,19,59 203:1,1,3,9,25,29,41 211:1,3,5,13,23,1,55 213:1,3,7,3,13,59,17 "
    "229:1,3,1,3,5,53,69 239:1,1,5,5,23,33,13 241:1,1,7,7,1,61,123 247:1,1,7,9,13,61,49 253:1,3,3,5,3,55,33 "
    "285:1,3,1,15,31,13,49,245 299:1,3,5,15,31,59,63,97 301:1,3,1,11,11,11,77,249 333:1,3,1,11,27,43,71,9 "
    "351:1,1,7,15,21,11,81,45 355:1,3,7,3,25,31,65,79 357:1,3,1,1,19,11,3,205 361:1,1,5,9,19,21,29,157 "
    "369:1,3,7,11,1,33,89,185 391:1,3,3,3,15,9,79,71 397:1,3,7,11,15,39,119,27 425:1,1,3,1,11,31,97,225 "
    "451:1,1,1,3,23,43,57,177 463:1,3,7,7,17,17,37,71 487:1,3,1,5,27,63,123,213 501:1,1,3,5,11,43,53,133 "
    "529:1,3,5,5,29,17,47,173,479 539:1,3,3,11,3,1,109,9,69 545:1,1,1,5,17,39,23,5,343 "
    "557:1,3,1,5,25,15,31,103,499 563:1,1,1,11,11,17,63,105,183 601:1,1,5,11,9,29,97,231,363 "
    "607:1,1,5,15,19,45,41,7,383 617:1,3,7,7,31,19,83,137,221 623:1,1,1,3,23,15,111,223,83 "
    "631:1,1,5,13,31,15,55,25,161 637:1,1,3,13,25,47,39,87,257 647:1,1,1,11,21,53,125,249,293 "
    "661:1,1,7,11,11,7,57,79,323 675:1,1,5,5,17,13,81,3,131 677:1,1,7,13,23,7,65,251,475 "
    "687:1,3,5,1,9,43,3,149,11 695:1,1,3,13,31,13,13,255,487 701:1,3,3,1,5,63,89,91,127 "
    "719:1,1,3,3,1,19,123,127,237 "
)
_WEIGHTS: Final = 2 ** np.arange(_BITS, dtype=np.uint32)
MOST_DIMENSIONS: Final = 72
"""Dimensions whose direction numbers are here: all values of a person, and one more."""


@cache
def _direction_bits() -> Any:
    """Bits of the direction numbers, most significant first, (MOST_DIMENSIONS, number, bit)."""
    numbers = np.ones((MOST_DIMENSIONS, _BITS), dtype=np.uint32)
    for dimension, entry in enumerate(_DIRECTIONS.split(), start=1):
        polynomial, first = entry.split(":")
        known = [int(number) for number in first.split(",")]
        degree = len(known)
        for j in range(_BITS):
            if j >= degree:
                new = known[j - degree] ^ known[j - degree] << degree
                for k in range(1, degree):
                    if int(polynomial) >> (degree - k) & 1:
                        new ^= known[j - k] << k
                known.append(new)
            numbers[dimension, j] = known[j]
    numbers *= _WEIGHTS[::-1]
    return numbers[:, :, None] // _WEIGHTS[::-1] % 2


def scrambled_sobol(d: int, n: int, generator: np.random.Generator) -> Floats:
    """The first n points in the unit cube, (n, d); n is a power of two.

    Raises
    ------
    ValueError
        For more than :data:`MOST_DIMENSIONS` dimensions.
    """
    if d > MOST_DIMENSIONS:
        raise ValueError(f"{d} dimensions; allowed: at most {MOST_DIMENSIONS}")
    (generator,) = generator.spawn(1)  # as SciPy does
    shift = generator.integers(0, 2, (d, _BITS), dtype=np.uint32) @ _WEIGHTS
    matrix = np.tril(generator.integers(0, 2, (d, _BITS, _BITS), dtype=np.uint32), -1) + np.eye(_BITS, dtype=np.uint32)
    bits = np.einsum("dpi,dji->djp", matrix, _direction_bits()[:d]) % 2
    steps = bits @ _WEIGHTS[::-1]
    number = np.arange(n - 1)  # each point follows from the last by the number of ones at the end of its own number
    ends = np.zeros(n - 1, dtype=np.int64)
    for k in range(1, n.bit_length()):
        ends[number % 2**k == 2**k - 1] = k
    points = np.bitwise_xor.accumulate(np.concatenate([shift[None], steps.T[ends]]), axis=0)
    return np.asarray(points * 0.5**_BITS)
