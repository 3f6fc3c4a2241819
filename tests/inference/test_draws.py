"""Fixed points and equally likely draws."""

import numpy as np
import pytest

from taper_sim.inference.draws import equal_draws, sobol_normals, sobol_uniforms


def test_equal_draws_stand_for_the_weights_to_less_than_one_draw() -> None:
    weights = np.random.default_rng(5).random(300) ** 6
    counts = np.bincount(equal_draws(weights, 64), minlength=300)
    assert counts.sum() == 64
    assert (np.abs(counts - 64 * weights / weights.sum()) < 1.0 + 1e-9).all()


def test_draws_without_weight_are_never_taken() -> None:
    assert set(equal_draws(np.array([0.0, 1.0, 0.0, 3.0, 0.0]), 8)) == {1, 3}


def test_the_same_seed_gives_the_same_points_and_another_seed_others() -> None:
    first = sobol_uniforms(3, 32, 7, 1)
    np.testing.assert_array_equal(first, sobol_uniforms(3, 32, 7, 1))
    assert not np.array_equal(first, sobol_uniforms(3, 32, 7, 2))


def test_the_normals_fill_space_more_evenly_than_chance_would() -> None:
    normals = sobol_normals(6, 256, 0, 4)
    assert np.abs(normals.mean(axis=0)).max() < 0.03  # by chance 0.06 on average
    assert np.abs(normals.std(axis=0) - 1.0).max() < 0.03


def test_shared_normals_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        sobol_normals(2, 8, 0, 4)[0, 0] = 1.0
