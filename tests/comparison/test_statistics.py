"""Intervals over parameter draws, quantiles, CVaR, Pareto front."""

import numpy as np
import pytest
from scipy.stats import t as student

from taper_sim.comparison.statistics import (
    OverDraws,
    mixture_quantiles,
    over_draws,
    pareto_front,
    spread_quantiles,
    tail_terms,
)

RNG = np.random.default_rng(5)


def test_with_one_draw_the_interval_is_the_usual_one_of_a_mean():
    values = RNG.normal(3.0, 2.0, 400)
    mean = over_draws(values, np.zeros(400, dtype=int))
    half = student.ppf(0.975, 399) * values.std(ddof=1) / 20
    assert mean.quantile(0.025) == pytest.approx(values.mean() - half, abs=1e-9)
    assert mean.quantile(0.975) == pytest.approx(values.mean() + half, abs=1e-9)


def test_draws_without_differences_add_no_variance():
    values = RNG.normal(0.0, 1.0, 4000)
    mean = over_draws(values, np.arange(4000) % 50)
    # by chance the estimated sd between draws exceeds a tenth of the sd between patients with probability below 1e-6
    assert mean.between_sd < 0.1


def test_the_sd_between_draws_is_estimated_without_the_monte_carlo_error():
    n_draws, per_draw, between = 200, 50, 0.5
    draw = np.repeat(np.arange(n_draws), per_draw)
    values = RNG.normal(0.0, between, n_draws)[draw] + RNG.normal(0.0, 2.0, n_draws * per_draw)
    mean = over_draws(values, draw)
    # tolerance: five sds of the variance estimate, each sqrt(2/199) (0.25 + 4/50)
    assert mean.between_sd**2 == pytest.approx(0.25, abs=5 * np.sqrt(2 / 199) * 0.33)
    assert mean.mc_se == pytest.approx(0.02, rel=0.05)


def test_the_interval_has_its_nominal_coverage_of_a_new_draw():
    n_trials, covered = 400, 0
    for _ in range(n_trials):
        means = RNG.normal(1.0, 0.3, 50)
        draw = np.repeat(np.arange(50), 20)
        mean = over_draws(means[draw] + RNG.normal(0.0, 1.0, 1000), draw)
        covered += mean.quantile(0.025) < RNG.normal(1.0, 0.3) < mean.quantile(0.975)
    # 95 %, less the loss from estimating mean and sd from 50 draws, less three binomial sds
    assert covered / n_trials > 0.93 - 3 * np.sqrt(0.95 * 0.05 / n_trials)
    assert covered / n_trials < 0.985


def _mixtures() -> list[OverDraws]:
    """Means of many shapes: few or many draws, near or far apart, with or without variation between patients."""
    mixtures = []
    for k in range(400):
        n, n_draws = int(RNG.integers(1, 300)), int(RNG.integers(1, 60))
        draw, scale = RNG.integers(0, n_draws, n), 10.0 ** RNG.integers(-3, 2)
        people = (RNG.normal(size=n), RNG.exponential(size=n) ** 3, 1.0 * (RNG.random(n) < 0.05), np.zeros(n))[k % 4]
        mixtures.append(over_draws(people + scale * RNG.normal(size=n_draws)[draw], draw))
    return mixtures


def test_quantiles_invert_the_distribution_function():
    mixtures, chances = _mixtures(), (0.001, 0.025, 0.4, 0.975)
    for mean, quantiles in zip(mixtures, mixture_quantiles(mixtures, chances), strict=True):
        for q, x in zip(chances, quantiles, strict=True):
            tolerance = 1e-9 * max(mean.width, abs(x), 1e-3)
            assert mean.chance_below(x - tolerance) <= q + 1e-12
            assert mean.chance_below(x + tolerance) >= q - 1e-12
        assert (np.diff(quantiles) >= -1e-9 * max(np.ptp(quantiles), mean.width)).all()


def test_quantiles_computed_together_equal_those_computed_alone():
    mixtures = _mixtures()
    for mean, quantiles in zip(mixtures, mixture_quantiles(mixtures, [0.025, 0.975]), strict=True):
        alone = [mean.quantile(0.025), mean.quantile(0.975)]
        assert quantiles == pytest.approx(alone, rel=1e-9, abs=1e-9 * mean.width)


def test_no_means_have_no_quantiles():
    assert mixture_quantiles([], [0.025, 0.975]).shape == (0, 2)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_quantiles_of_patients_equal_numpys_to_the_bit(n: int):
    values, chances = RNG.normal(size=(3, 20, n)), (0.0, 0.05, 0.25, 0.5, 0.9, 1.0)
    assert (spread_quantiles(values, chances) == np.quantile(values, chances, axis=-1)).all()
    values[RNG.random(values.shape) < 0.3] = np.nan
    values[0, 0] = np.nan
    values[..., 0][1:] = 0.0  # every row has a value
    quantiles, expected = spread_quantiles(values, chances)[:, 1:], np.nanquantile(values[1:], chances, axis=-1)
    assert (quantiles == expected).all()
    assert np.isnan(spread_quantiles(values, chances)[:, 0, 0]).all()


def test_the_order_of_patients_has_no_effect():
    values, draw = RNG.normal(size=300), np.arange(300) % 7
    order = RNG.permutation(300)
    a, b = over_draws(values, draw), over_draws(values[order], draw[order])
    assert a.quantile(0.1) == pytest.approx(b.quantile(0.1), abs=1e-12)


def test_a_mean_without_patients_is_an_error():
    with pytest.raises(ValueError, match="at least one person"):
        over_draws(np.array([]), np.array([], dtype=int))


def test_a_difference_of_exactly_zero_is_better_with_probability_one_half():
    assert over_draws(np.zeros(40), np.arange(40) % 4).chance_below(0.0) == 0.5


def test_the_mean_of_the_tail_terms_is_the_mean_of_the_worst_twentieth():
    values = RNG.normal(size=2000)
    worst = np.sort(values)[-100:].mean()
    assert tail_terms(values).mean() == pytest.approx(worst, abs=1e-12)


def test_the_pareto_front_holds_the_rows_that_no_other_row_dominates():
    points = np.array([[1.0, 5.0], [2.0, 2.0], [5.0, 1.0], [3.0, 3.0], [2.0, 2.0]])
    assert pareto_front(points).tolist() == [True, True, True, False, True]
