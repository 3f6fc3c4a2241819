"""Compiled words of random draws."""

import numpy as np

from taper_sim import rng
from taper_sim.clinic.random_words import words_of


def test_the_words_are_those_of_the_generator():
    keys = np.array([3, 2**63 + 7, rng.ENSEMBLE - 1], dtype=np.uint64)
    words = rng.words(2**62 + 5, keys, 7, 1200)
    assert np.array_equal(words_of(2**62 + 5, keys, 7, 1200), np.array(words))
