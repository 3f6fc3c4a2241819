"""Rank correlation and first-order index from given draws, against functions whose answer is known."""

import numpy as np
import pytest
from scipy.stats import binom

from taper_sim.api.draw_sensitivity import Measure, first_order_index, rank_correlation

N_DRAWS = 50
REPLICATES = 60


def _linear(seed: int, weights: tuple[float, ...], noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N_DRAWS, len(weights)))
    return x, x @ np.array(weights) + noise * rng.standard_normal(N_DRAWS)


@pytest.mark.parametrize(("weight", "share"), [(1.0, 1 / 1.74), (0.5, 0.25 / 1.74), (0.0, 0.0)])
def test_the_interval_of_the_index_covers_the_share_of_the_variance(weight: float, share: float) -> None:
    others = {1.0: (0.5,), 0.5: (1.0,), 0.0: (1.0, 0.5)}[weight]
    covered = 0
    for seed in range(REPLICATES):
        x, y = _linear(seed, (weight, *others), 0.7)
        index = first_order_index(x[:, 0], y, seed)
        covered += index.lo95 <= share <= index.hi95
    assert covered >= binom.ppf(0.001, REPLICATES, 0.95)


def test_the_bias_of_the_index_is_small_at_fifty_draws() -> None:
    indices = []
    for seed in range(REPLICATES):
        x, y = _linear(seed, (1.0, 0.5), 0.7)
        indices.append(first_order_index(x[:, 0], y, seed).value)
    error = np.std(indices, ddof=1) / np.sqrt(REPLICATES)
    assert abs(np.mean(indices) - 1 / 1.74) < 0.04 + 3 * error


def test_a_dependence_without_direction_has_an_index_and_no_correlation() -> None:
    x = np.linspace(-1.0, 1.0, N_DRAWS)
    assert first_order_index(x, x**2, 1).value > 0.9
    assert abs(rank_correlation(x, x**2, 1).value) < 0.1


def test_only_the_order_of_the_parameter_counts() -> None:
    x, y = _linear(3, (1.0, 0.5), 0.7)
    assert first_order_index(x[:, 0], y, 1) == first_order_index(np.exp(x[:, 0]), y, 1)
    assert rank_correlation(x[:, 0], y, 1) == rank_correlation(np.exp(x[:, 0]), y, 1)


def test_the_same_draws_give_the_same_numbers_whatever_the_global_seed() -> None:
    x, y = _linear(3, (1.0, 0.5), 0.7)
    np.random.seed(1)  # noqa: NPY002 - the global state that must not matter
    first = first_order_index(x[:, 0], y, 1)
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert first_order_index(x[:, 0], y, 1) == first
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


@pytest.mark.parametrize("measure", [rank_correlation, first_order_index])
def test_a_constant_or_too_few_draws_give_no_number(measure) -> None:
    x, y = _linear(3, (1.0,), 0.7)
    for parameter, outcome in ((x[:3, 0], y[:3]), (np.ones(N_DRAWS), y), (x[:, 0], np.ones(N_DRAWS))):
        assert np.isnan(measure(parameter, outcome, 1)).all()


def test_draws_without_people_are_left_out() -> None:
    x, y = _linear(3, (1.0, 0.5), 0.7)
    gaps = y.copy()
    gaps[::7] = np.nan
    there = np.isfinite(gaps)
    assert first_order_index(x[:, 0], gaps, 1) == first_order_index(x[there, 0], y[there], 1)


def test_resamples_of_equal_outcomes_give_no_interval_and_no_number() -> None:
    rare = np.zeros(N_DRAWS)
    rare[0] = 1.0  # half of the draws often lack it
    assert np.isnan(first_order_index(np.arange(N_DRAWS, dtype=float), rare, 1)).all()
    assert isinstance(first_order_index(np.arange(N_DRAWS, dtype=float), rare, 1), Measure)
