"""Statistics of studies against numbers worked out by hand."""

import math

import numpy as np
import pytest

from taper_sim.evidence.coded_words import STATISTICS
from taper_sim.evidence.study_measures import Measured
from taper_sim.evidence.study_statistics import ONE_ARM, TWO_ARMS, statistic_of


def people(*values: float) -> Measured:
    return Measured(np.array(values, dtype=np.float64), np.ones(len(values)))


def counts(with_it: int, without: int) -> Measured:
    return people(*([1.0] * with_it + [0.0] * without))


def test_every_statistic_of_the_vocabulary_has_a_function_of_its_number_of_arms():
    assert set(ONE_ARM) == {name for name, s in STATISTICS.items() if not s.two_arms}
    assert set(TWO_ARMS) == {name for name, s in STATISTICS.items() if s.two_arms}


def test_statistics_of_a_two_by_two_table():
    arm, reference = counts(30, 70), counts(10, 90)
    assert statistic_of("proportion", arm, None) == pytest.approx(0.3)
    assert statistic_of("odds_ratio", arm, reference) == pytest.approx((30 * 90) / (70 * 10))
    assert statistic_of("risk_ratio", arm, reference) == pytest.approx(3.0)
    assert statistic_of("risk_difference", arm, reference) == pytest.approx(0.2)


def test_an_empty_cell_gets_half_a_person_in_every_cell():
    assert statistic_of("odds_ratio", counts(3, 7), counts(0, 10)) == pytest.approx((3.5 * 10.5) / (7.5 * 0.5))
    assert statistic_of("risk_ratio", counts(3, 7), counts(0, 10)) == pytest.approx((3.5 / 11) / (0.5 / 11))


def test_rates_divide_events_by_person_time():
    arm = Measured(np.array([1.0, 0.0, 2.0]), np.array([0.5, 0.1, 0.4]))  # 3 events in 100 person-years
    reference = Measured(np.array([1.0, 0.0]), np.array([1.5, 0.5]))  # 1 event in 200
    assert statistic_of("rate_per_100py", arm, None) == pytest.approx(3.0)
    assert statistic_of("rate_ratio", arm, reference) == pytest.approx(6.0)
    none = Measured(np.array([0.0, 0.0]), np.array([1.0, 1.0]))
    assert statistic_of("rate_per_100py", none, None) == pytest.approx(0.25)
    assert statistic_of("rate_ratio", arm, none) == pytest.approx(3.5 / 0.25)


def test_means_medians_and_differences():
    arm, reference = people(1.0, 2.0, 6.0), people(0.0, 1.0, 2.0)
    assert statistic_of("mean", arm, None) == pytest.approx(3.0)
    assert statistic_of("median", arm, None) == pytest.approx(2.0)
    assert statistic_of("mean_difference", arm, reference) == pytest.approx(2.0)
    # variances 7 and 1, pooled sd 2
    assert statistic_of("standardised_mean_difference", arm, reference) == pytest.approx(1.0)
    assert statistic_of("geometric_mean", people(1.0, 4.0), None) == pytest.approx(2.0)
    assert statistic_of("geometric_mean_ratio", people(1.0, 4.0), people(1.0, 1.0)) == pytest.approx(2.0)
    assert math.isnan(statistic_of("geometric_mean", people(0.0, 4.0), None))


def test_people_with_base_0_are_not_counted():
    arm = Measured(np.array([1.0, 9.0, 3.0]), np.array([1.0, 0.0, 1.0]))
    arm.top[1] = 0.0
    assert statistic_of("mean", arm, None) == pytest.approx(2.0)
    assert statistic_of("median", arm, None) == pytest.approx(2.0)
    nobody = Measured(np.zeros(2), np.zeros(2))
    assert math.isnan(statistic_of("mean", nobody, None))
    assert math.isnan(statistic_of("odds_ratio", nobody, counts(1, 1)))


def test_hazard_ratio_of_one_interval_is_the_ratio_of_risks():
    arm = Measured(np.array([[1.0], [1.0], [0.0], [0.0]]), np.ones((4, 1)))
    reference = Measured(np.array([[1.0], [0.0], [0.0], [0.0]]), np.ones((4, 1)))
    assert statistic_of("hazard_ratio", arm, reference) == pytest.approx(2.0)


def test_hazard_ratio_solves_the_score_equation_of_cox():
    # arm: 4 at risk, 2 events, then 2 at risk, 1 event; reference: 4 at risk, 1 event, then 3 at risk, 1 event
    arm = Measured(np.array([[1, 0], [1, 0], [0, 1], [0, 0.0]]), np.array([[1, 0], [1, 0], [1, 1], [1, 1.0]]))
    reference = Measured(np.array([[1, 0], [0, 1], [0, 0], [0, 0.0]]), np.array([[1, 0], [1, 1], [1, 1], [1, 1.0]]))
    ratio = statistic_of("hazard_ratio", arm, reference)
    # 3 - 3x/(x + 1) - 4x/(2x + 3) = 0, hence 4x^2 - 2x - 9 = 0
    score = 3.0 - 3.0 * 4 * ratio / (4 * ratio + 4) - 2.0 * 2 * ratio / (2 * ratio + 3)
    assert score == pytest.approx(0.0, abs=1e-9)
    assert ratio == pytest.approx((1.0 + math.sqrt(37.0)) / 4.0, rel=1e-6)


def test_hazard_ratio_recovers_a_constant_ratio_of_hazards():
    rng = np.random.default_rng(1)
    n, edges = 200_000, np.arange(13.0)

    def arm_of(rate: float) -> Measured:
        time = rng.exponential(1.0 / rate, n)[:, None]
        at_risk = time > edges[:-1]
        return Measured((at_risk & (time <= edges[1:])).astype(float), at_risk.astype(float))

    ratio = statistic_of("hazard_ratio", arm_of(0.01), arm_of(0.005))
    # about 22,600 and 11,600 events: four standard errors of the log ratio are 0.045
    assert abs(math.log(ratio / 2.0)) < 0.045
