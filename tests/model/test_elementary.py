"""exp, log, cos and sin of the kernel against extended precision, and the integer that needs no conversion."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from taper_sim import rng
from taper_sim.model.compiled import elementary

RELATIVE = 2e-15  # the module promises 1e-14
LONG = np.longdouble
TURN = 8 * np.arctan(LONG(1))

_exp, _log, _turn, _integer = (
    njit(function) for function in (elementary.exp, elementary.log, elementary.cos_sin_turn, elementary.small_integer)
)


@njit
def _each(function: Any, x: Any) -> Any:
    y = np.empty(len(x))
    for k in range(len(x)):
        y[k] = function(x[k])
    return y


@njit
def _both(x: Any) -> Any:
    c, s = np.empty(len(x)), np.empty(len(x))
    for k in range(len(x)):
        c[k], s[k] = _turn(x[k])
    return c, s


def relative_error(got: Any, want: Any) -> float:
    return float(np.max(np.abs((got - want) / want)))


def dense(low: float, high: float, n: int = 200_000) -> np.ndarray:
    return np.concatenate([[low, high], np.random.default_rng(1).uniform(low, high, n)])


@pytest.mark.parametrize(("low", "high"), [(-700.0, 700.0), (-20.0, 5.0), (-1e-3, 1e-3), (-1e-12, 1e-12)])
def test_exp_is_right_to_the_last_digits(low: float, high: float) -> None:
    x = dense(low, high)
    assert relative_error(_each(_exp, x), np.exp(x.astype(LONG))) < RELATIVE


def test_exp_is_exact_at_zero_and_clamped_outside_its_range() -> None:
    assert _exp(0.0) == 1.0
    assert _exp(1e6) == _exp(700.0) and _exp(-1e6) == _exp(-700.0)
    assert np.isfinite(_exp(700.0)) and _exp(-700.0) > 0.0


def test_exp_is_right_where_it_switches_to_the_next_power_of_two() -> None:
    k = np.arange(-1000, 1000) + 0.5
    x = np.concatenate([np.nextafter(k * np.log(2.0), side) for side in (-np.inf, np.inf)])
    assert relative_error(_each(_exp, x), np.exp(x.astype(LONG))) < RELATIVE


@pytest.mark.parametrize(("low", "high"), [(-707.0, 709.0), (-23.0, 5.0), (0.05, 3.0), (-3.0, -0.05)])
def test_log_is_right_to_the_last_digits(low: float, high: float) -> None:
    x = np.exp(dense(low, high))
    x = x[np.abs(x - 1.0) > 0.01]
    assert relative_error(_each(_log, x), np.log(x.astype(LONG))) < RELATIVE


def test_log_near_one_is_right_to_the_last_digits_of_the_distance_and_zero_at_one() -> None:
    x = 1.0 + np.concatenate([dense(-0.01, 0.01), dense(-1e-9, 1e-9)])
    assert np.max(np.abs(_each(_log, x) - np.log(x.astype(LONG)))) < 1e-17 + RELATIVE * np.max(np.abs(x - 1.0))
    assert _log(1.0) == 0.0


def test_log_is_right_at_the_ends_of_normal_numbers_and_of_a_uniform() -> None:
    tiny, huge = np.finfo(float).tiny, np.finfo(float).max
    root = np.sqrt(0.5)
    x = np.array([tiny, huge, 2.0, 0.5, np.nextafter(root, 0), root, np.nextafter(root, 1)])
    x = np.append(x, [rng.uniform(np.uint64(0)), rng.uniform(np.uint64(2**31 - 7))])
    assert relative_error(_each(_log, x), np.log(x.astype(LONG))) < RELATIVE


def test_cosine_and_sine_of_a_turn_are_right_to_the_last_digits() -> None:
    words = np.random.default_rng(2).integers(0, 2**32, 400_000, dtype=np.uint64)
    u = rng.uniform(words)
    for got, want in zip(_both(u), (np.cos(TURN * u.astype(LONG)), np.sin(TURN * u.astype(LONG))), strict=True):
        assert np.max(np.abs(got - want)) < 1e-15
        away = np.abs(want) > 1e-2  # nearer to a zero extended precision itself is no better
        assert relative_error(got[away], want[away]) < RELATIVE


def test_cosine_and_sine_are_exact_on_the_quarters_and_meet_on_the_eighths() -> None:
    cosine, sine = _both(np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    np.testing.assert_array_equal(cosine, [1.0, 0.0, -1.0, 0.0, 1.0])
    np.testing.assert_array_equal(sine, [0.0, 1.0, 0.0, -1.0, 0.0])
    eighths = np.array([1, 3, 5, 7]) / 8.0
    for u in (eighths, np.nextafter(eighths, 0), np.nextafter(eighths, 1)):
        cosine, sine = _both(u)
        np.testing.assert_allclose(cosine, np.sqrt(0.5) * np.array([1, -1, -1, 1]), rtol=RELATIVE)
        np.testing.assert_allclose(sine, np.sqrt(0.5) * np.array([1, 1, -1, -1]), rtol=RELATIVE)


def test_small_integers_are_exact_to_the_last_one_allowed() -> None:
    edges = np.array([0, 1, 2**31, 2**32 - 1, 2**52 - 1], dtype=np.uint64)
    words = np.concatenate([edges, np.random.default_rng(3).integers(0, 2**52, 10_000, dtype=np.uint64)])
    np.testing.assert_array_equal(_each(_integer, words), words.astype(np.float64))
