"""Intervals over draws, tails, Pareto."""

import numpy as np
import pytest
from scipy.stats import norm

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
    known = over_draws(values, np.zeros(400, dtype=int))
    half = norm.ppf(0.975) * values.std(ddof=1) / 20
    assert known.quantile(0.025) == pytest.approx(values.mean() - half, abs=1e-9)
    assert known.quantile(0.975) == pytest.approx(values.mean() + half, abs=1e-9)


def test_draws_that_do_not_differ_add_nothing():
    values = RNG.normal(0.0, 1.0, 4000)
    known = over_draws(values, np.arange(4000) % 50)
    # chance alone makes the between part exceed a tenth of the sd of people with probability far below 1e-6
    assert known.between_sd < 0.1


def test_the_spread_between_draws_is_found_and_not_the_monte_carlo_error():
    n_draws, each, between = 200, 50, 0.5
    draw = np.repeat(np.arange(n_draws), each)
    values = RNG.normal(0.0, between, n_draws)[draw] + RNG.normal(0.0, 2.0, n_draws * each)
    known = over_draws(values, draw)
    # sd of the estimate of the variance: sqrt(2/199) (0.25 + 4/50); five of them
    assert known.between_sd**2 == pytest.approx(0.25, abs=5 * np.sqrt(2 / 199) * 0.33)
    assert known.mc_se == pytest.approx(0.02, rel=0.05)


def test_the_interval_covers_the_mean_of_the_draw_that_holds_as_often_as_it_says():
    n_trials, covered = 400, 0
    for _ in range(n_trials):
        means = RNG.normal(1.0, 0.3, 50)
        draw = np.repeat(np.arange(50), 20)
        known = over_draws(means[draw] + RNG.normal(0.0, 1.0, 1000), draw)
        covered += known.quantile(0.025) < RNG.normal(1.0, 0.3) < known.quantile(0.975)
    # 95 % minus the loss of estimating mean and spread from 50 draws; three binomial sds
    assert covered / n_trials > 0.93 - 3 * np.sqrt(0.95 * 0.05 / n_trials)
    assert covered / n_trials < 0.985


def _mixtures() -> list[OverDraws]:
    """Means of many shapes: few draws and many, near and far apart, people who differ and people who do not."""
    made = []
    for k in range(400):
        n, n_draws = int(RNG.integers(1, 300)), int(RNG.integers(1, 60))
        draw, apart = RNG.integers(0, n_draws, n), 10.0 ** RNG.integers(-3, 2)
        people = (RNG.normal(size=n), RNG.exponential(size=n) ** 3, 1.0 * (RNG.random(n) < 0.05), np.zeros(n))[k % 4]
        made.append(over_draws(people + apart * RNG.normal(size=n_draws)[draw], draw))
    return made


def test_quantiles_are_where_the_chance_is_reached():
    made, chances = _mixtures(), (0.001, 0.025, 0.4, 0.975)
    for known, found in zip(made, mixture_quantiles(made, chances), strict=True):
        for q, x in zip(chances, found, strict=True):
            room = 1e-9 * max(known.mc_se, abs(x), 1e-3)
            assert known.chance_below(x - room) <= q + 1e-12
            assert known.chance_below(x + room) >= q - 1e-12
        assert (np.diff(found) >= -1e-9 * max(np.ptp(found), known.mc_se)).all()


def test_quantiles_of_many_are_those_of_each():
    made = _mixtures()
    for known, found in zip(made, mixture_quantiles(made, [0.025, 0.975]), strict=True):
        alone = [known.quantile(0.025), known.quantile(0.975)]
        assert found == pytest.approx(alone, rel=1e-9, abs=1e-9 * known.mc_se)


def test_nothing_has_no_quantiles():
    assert mixture_quantiles([], [0.025, 0.975]).shape == (0, 2)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_quantiles_of_people_are_those_of_numpy_to_the_bit(n: int):
    values, chances = RNG.normal(size=(3, 20, n)), (0.0, 0.05, 0.25, 0.5, 0.9, 1.0)
    assert (spread_quantiles(values, chances) == np.quantile(values, chances, axis=-1)).all()
    values[RNG.random(values.shape) < 0.3] = np.nan
    values[0, 0] = np.nan
    values[..., 0][1:] = 0.0  # somebody is there
    found, expected = spread_quantiles(values, chances)[:, 1:], np.nanquantile(values[1:], chances, axis=-1)
    assert (found == expected).all()
    assert np.isnan(spread_quantiles(values, chances)[:, 0, 0]).all()


def test_row_order_changes_nothing():
    values, draw = RNG.normal(size=300), np.arange(300) % 7
    order = RNG.permutation(300)
    a, b = over_draws(values, draw), over_draws(values[order], draw[order])
    assert a.quantile(0.1) == pytest.approx(b.quantile(0.1), abs=1e-12)


def test_nobody_is_an_error():
    with pytest.raises(ValueError, match="at least one person"):
        over_draws(np.array([]), np.array([], dtype=int))


def test_no_difference_at_all_is_neither_better_nor_worse():
    assert over_draws(np.zeros(40), np.arange(40) % 4).chance_below(0.0) == 0.5


def test_tail_terms_have_the_mean_of_the_worst_twentieth():
    values = RNG.normal(size=2000)
    worst = np.sort(values)[-100:].mean()
    assert tail_terms(values).mean() == pytest.approx(worst, abs=1e-12)


def test_pareto_front_keeps_what_nothing_beats():
    points = np.array([[1.0, 5.0], [2.0, 2.0], [5.0, 1.0], [3.0, 3.0], [2.0, 2.0]])
    assert pareto_front(points).tolist() == [True, True, True, False, True]
