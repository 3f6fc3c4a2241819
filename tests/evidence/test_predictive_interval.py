"""The predictive interval: parameters and published error in, the number of people out."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, t

from taper_sim.evidence.predictive_interval import (
    STUDY_ERROR,
    STUDY_ERROR_NU,
    DrawEstimates,
    by_draw,
    few_events,
    from_scale,
    predicted,
    relative_unit,
    to_scale,
)
from taper_sim.evidence.study_measures import Measured
from tests.conftest import ROOT


def one_each(values: np.ndarray) -> Measured:
    return Measured(values, np.ones_like(values))


def test_scales_are_inverse_to_each_other():
    for scale, values in (("log", [0.1, 3.0]), ("logit", [0.02, 0.9]), ("linear", [-2.0, 5.0])):
        there = to_scale(np.array(values), scale)  # type: ignore[arg-type]
        assert from_scale(there, scale) == pytest.approx(values)  # type: ignore[arg-type]
    assert np.isnan(to_scale(np.array([0.0]), "log")).all()


def test_the_jackknife_of_a_mean_is_its_squared_standard_error():
    rng = np.random.default_rng(2)
    values = rng.normal(3.0, 2.0, 1000)
    estimates = by_draw("mean", one_each(values), None, np.zeros(1000, dtype=np.int64), 1)
    assert estimates.values[0] == pytest.approx(values.mean())
    # ten groups, 9 degrees of freedom: 99.8 % of chi2(9)/9 lies from 0.128 to 3.10
    assert 0.128 < estimates.variances[0] / (4.0 / 1000) < 3.10


def test_the_chance_of_few_people_is_taken_out_of_the_spread_between_draws():
    rng = np.random.default_rng(3)
    n_draws, a_draw, sd = 400, 100, 5.0
    draw = np.repeat(np.arange(n_draws), a_draw)
    centres = rng.normal(0.0, 1.0, n_draws)
    noise = rng.normal(0.0, sd, len(draw))  # sd of a draw's mean: 0.5
    with_spread = by_draw("mean", one_each(centres[draw] + noise), None, draw, n_draws)
    assert with_spread.values.std() > 1.05
    found = predicted(with_spread, 0.0)
    assert found is not None
    # sd 1 of the centres, with a standard error of 1/sqrt(800) and that of the correction: within 4 %, 3 sigma 0.12
    assert (found.model_hi95 - found.model_lo95) / (2 * 1.96) == pytest.approx(1.0, abs=0.14)
    assert found.noise_share == pytest.approx(0.2, abs=0.06)
    without = predicted(by_draw("mean", one_each(noise), None, draw, n_draws), 0.0)
    assert without is not None and without.model_hi95 - without.model_lo95 < 0.8


def test_the_published_error_widens_the_interval_and_not_the_model_interval():
    estimates = DrawEstimates(np.linspace(-1.0, 1.0, 41), np.zeros(41), "linear")
    narrow, wide = predicted(estimates, 1e-9), predicted(estimates, 1.0)
    assert narrow is not None and wide is not None
    assert (narrow.model_lo95, narrow.model_hi95) == pytest.approx((wide.model_lo95, wide.model_hi95))
    assert (narrow.lo95, narrow.hi95) == pytest.approx((-0.95, 0.95), abs=0.03)
    # a uniform of half width 1 with a normal of sd 1: 97.5 % quantile 2.13 (numerically)
    assert wide.hi95 == pytest.approx(2.22, abs=0.1) and wide.lo95 == pytest.approx(-wide.hi95)
    assert wide.width == pytest.approx(wide.hi95 / 1.96, rel=1e-3)


def test_a_new_study_has_an_error_of_its_own():
    estimates = DrawEstimates(np.zeros(1), np.zeros(1), "linear")
    own = predicted(estimates, 1.0, 2.0)
    assert own is not None and own.lo95 == pytest.approx(-own.hi95)
    chance = t(STUDY_ERROR_NU, scale=2.0)
    exact = brentq(lambda x: chance.expect(lambda e: norm.cdf(x - e), lb=-200, ub=200) - 0.975, 0.0, 20.0)
    assert own.hi95 == pytest.approx(exact, rel=0.03)
    assert own.holds(exact - 0.3) and not own.holds(exact + 0.3)


def test_the_error_of_a_study_is_that_of_the_fit():
    run = pd.read_csv(ROOT / "docs" / "tables" / "calibration_run.csv", index_col=0).iloc[:, 0]
    assert float(run["tau: median and 95 % interval"].split()[0]) == STUDY_ERROR
    assert relative_unit(-0.2, 0.5, "linear") == 0.5 and relative_unit(-3.0, 0.5, "linear") == 3.0
    assert relative_unit(-3.0, 0.5, "log") == relative_unit(0.1, 0.5, "logit") == 1.0


def test_one_draw_gives_the_published_error_and_that_of_the_number_of_people():
    found = predicted(DrawEstimates(np.array([0.0]), np.array([9.0]), "linear"), 4.0)
    assert found is not None and found.hi95 == pytest.approx(1.96 * 5.0, rel=0.01) and found.n_draws == 1


def test_draws_without_an_estimate_are_left_out_unless_they_are_most():
    values = np.array([1.0, 1.0, np.nan])
    found = predicted(DrawEstimates(values, np.zeros(3), "linear"), 1.0)
    assert found is not None and found.n_draws == 2
    assert predicted(DrawEstimates(np.array([1.0, np.nan, np.nan]), np.zeros(3), "linear"), 1.0) is None


def test_few_events_are_those_of_the_rarer_side_of_the_rarer_arm():
    many, few = one_each(np.repeat([1.0, 0.0], 50)), one_each(np.repeat([1.0, 0.0], [2, 98]))
    assert not few_events("odds_ratio", [many, many], 10)
    assert few_events("odds_ratio", [many, few], 10)
    assert few_events("proportion", [one_each(1.0 - few.top)], 10)
    assert not few_events("mean", [few], 10)
