"""Every equation of the model on its three backends: NumPy, Numba and PyTensor."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from taper_sim.model import equations
from taper_sim.model.compiled import jit

EQUATIONS = {
    name: function
    for name, function in inspect.getmembers(equations, inspect.isfunction)
    if function.__module__ == equations.__name__ and not name.startswith("_")
}
N = 200
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def arguments(function: Callable[..., Any], seed: int = 0) -> list[np.ndarray]:
    """Positive numbers of many sizes, one array an argument; differences inside an equation take both signs.

    What is left after a day (``decay``) and a correlation (``r``) lie between 0 and 1.
    """
    rng = np.random.default_rng(seed)
    names = inspect.signature(function).parameters
    values = [10.0 ** rng.uniform(-2, 1, N) for _ in names]
    return [v / (1.0 + v) if name in ("decay", "r") else v for name, v in zip(names, values, strict=True)]


every_equation = pytest.mark.parametrize("name", sorted(EQUATIONS))


def test_the_module_has_its_equations() -> None:
    assert {"pos", "relax", "effect", "drive", "pain_target", "log_hazard_overdose", "sows_mean"} <= set(EQUATIONS)


@every_equation
def test_an_equation_is_the_same_for_arrays_of_any_shape_and_for_numbers(name: str) -> None:
    function = EQUATIONS[name]
    values = arguments(function)
    flat = function(*values)
    assert flat.shape == (N,) and np.isfinite(flat).all()
    np.testing.assert_array_equal(function(*(v.reshape(20, 10) for v in values)).ravel(), flat)
    one = [function(*(float(v[k]) for v in values)) for k in range(20)]
    np.testing.assert_allclose(one, flat[:20], **EXACT)


@every_equation
def test_an_equation_uses_every_argument_it_takes(name: str) -> None:
    function = EQUATIONS[name]
    values = arguments(function)
    usual = function(*values)
    for k, parameter in enumerate(inspect.signature(function).parameters):
        changed = [v * 1.1 if j == k else v for j, v in enumerate(values)]
        assert not np.array_equal(function(*changed), usual), parameter


@every_equation
def test_numba_gives_what_numpy_gives(name: str) -> None:
    function = EQUATIONS[name]
    assert jit.inlined is not None  # its import makes an equation known to the others
    values = arguments(function, seed=1)
    compiled = njit(fastmath={"contract"}, error_model="numpy")(function)
    got = [compiled(*(float(v[k]) for v in values)) for k in range(N)]
    np.testing.assert_allclose(got, function(*values), **EXACT)


@every_equation
def test_pytensor_gives_what_numpy_gives_with_the_right_gradients(name: str) -> None:
    import pytensor  # takes seconds, and only this test wants it
    from pytensor import tensor as pt

    function = EQUATIONS[name]
    values = arguments(function, seed=2)
    inputs = [pt.dvector(parameter) for parameter in inspect.signature(function).parameters]
    value = function(*inputs)
    # in Python, without rewriting: what is tested is the graph that the equation makes
    mode = pytensor.compile.mode.Mode(linker="py", optimizer=None)
    graph = pytensor.function(inputs, [value, *pytensor.grad(value.sum(), inputs)], mode=mode)
    result, *gradients = graph(*values)
    np.testing.assert_allclose(result, function(*values), **EXACT)
    for k, gradient in enumerate(gradients):
        assert np.isfinite(gradient).all()
        step = 1e-5 * values[k]
        above, below = ([v + sign * step if j == k else v for j, v in enumerate(values)] for sign in (1, -1))
        slope = (function(*above) - function(*below)) / (2 * step)
        scale = np.abs(function(*values)) / values[k]
        np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-6 * max(1.0, float(scale.max())))


def test_the_positive_part_is_smooth_and_nearly_the_positive_part() -> None:
    x = np.linspace(-2, 2, 4001)
    assert np.max(np.abs(equations.pos(x) - np.maximum(x, 0))) == pytest.approx(5e-4, rel=1e-6)
    assert (equations.pos(x) > 0).all() and (np.diff(equations.pos(x)) > 0).all()


def test_a_day_of_relaxing_ends_at_the_target_and_two_half_ways_are_one_way() -> None:
    assert equations.relax(3.0, 3.0, 0.9) == 3.0
    twice = equations.relax(equations.relax(5.0, 1.0, 0.8), 1.0, 0.8)
    assert twice == pytest.approx(equations.relax(5.0, 1.0, 0.64), rel=1e-15)
