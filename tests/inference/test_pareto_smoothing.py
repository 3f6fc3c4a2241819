"""Pareto-smoothed weights: those of arviz-stats, and what their tail says."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from taper_sim.array_types import Floats
from taper_sim.inference.pareto_smoothing import pareto_smoothed

SHAPES = {
    "normal": lambda luck, n: 2.0 * luck.standard_normal(n),
    "heavy": lambda luck, n: luck.standard_t(2.0, n),
    "half impossible": lambda luck, n: np.where(np.arange(n) % 2, -1e300, luck.standard_normal(n)),
    "tied": lambda luck, n: np.round(luck.standard_normal(n), 1),
    "tiny": lambda luck, n: 1e-7 * luck.standard_normal(n),
}


@pytest.mark.parametrize("n", [72, 225, 226, 2304])
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_are_to_the_bit_those_of_arviz_stats(shape: str, n: int) -> None:
    log_weights: Floats = SHAPES[shape](np.random.default_rng(n), n)
    bounded = np.maximum(log_weights, log_weights.max() - 1e4)
    theirs, their_khat = array_stats.psislw(-bounded)  # the argument is minus the log weights, as in PSIS-LOO
    ours, khat = pareto_smoothed(log_weights)
    np.testing.assert_array_equal(ours, theirs - logsumexp(theirs))
    np.testing.assert_equal(khat, float(their_khat))


def test_a_plateau_of_the_largest_weights_has_no_shape_that_could_be_trusted() -> None:
    weights, khat = pareto_smoothed(np.minimum(np.random.default_rng(0).standard_normal(1000), 0.2))
    assert not khat <= 0.7
    np.testing.assert_allclose(np.exp(weights).sum(), 1.0)


def test_weights_of_one_size_have_no_tail() -> None:
    weights, khat = pareto_smoothed(np.full(1000, -3.0))
    assert khat == -np.inf
    np.testing.assert_allclose(np.exp(weights).sum(), 1.0)


def test_weights_with_a_heavy_tail_are_not_trusted() -> None:
    luck = np.random.default_rng(1)
    heavy = np.log(luck.pareto(0.8, 4000) + 1.0)
    light = luck.standard_normal(4000) * 0.3
    assert pareto_smoothed(heavy)[1] > 0.7 > pareto_smoothed(light)[1]
