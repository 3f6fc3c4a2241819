"""The ladder's statistics: tuning of the knob, loss, share of the gap closed and its interval."""

import numpy as np
import pytest

from taper_sim.comparison.ladder_statistics import PolicyResult, best_knob, gap_of, hindsight_room, resampled
from taper_sim.comparison.loss import Loss

LOSS = Loss()


def result_of(exposure: np.ndarray, over: float = 0.0, seeds: int = 1) -> PolicyResult:
    """Results of patients who differ only in exposure; the first share ``over`` of them exceeded the limit."""
    n = len(exposure)
    unchanged = np.zeros(n)
    peak = np.where(np.arange(n) < over * n, 0.3, 0.0)
    figures = {
        "exposure": exposure,
        "pain": unchanged,
        "function": unchanged,
        "distress": unchanged,
        "peak": peak,
        "days_over": unchanged,
    }
    return PolicyResult(figures, np.arange(n) * seeds // n)


def test_a_full_stop_counts_two_important_differences_of_one_of_four_domains() -> None:
    loss = LOSS.of_person(*(np.array([x]) for x in (1.0, 0.0, 0.0, 0.0)))
    assert loss[0] == pytest.approx(0.5)
    worse = LOSS.of_person(*(np.array([x]) for x in (0.0, 1.0, -10.0, 5 / 27)))
    assert worse[0] == pytest.approx(0.75)


def test_the_loss_of_a_policy_includes_the_mean_of_the_worst_twentieth() -> None:
    losses = np.r_[np.zeros(95), np.ones(5)]
    assert LOSS.terms(losses).mean() == pytest.approx(0.8 * 0.05 + 0.2 * 1.0)


def test_a_decision_penalises_harm_beyond_the_loss_at_the_full_dose() -> None:
    good, bad = LOSS.decision_loss(np.array([0.3, 0.6]))
    assert good == pytest.approx(0.8 * 0.3)
    assert bad == pytest.approx(0.8 * 0.6 + 0.2 / 0.05 * 0.1)


def test_the_knob_has_the_least_loss_within_the_share_else_the_smallest_share() -> None:
    slow, right, fast = (result_of(np.full(100, e), over) for e, over in ((0.9, 0.0), (0.5, 0.1), (0.2, 0.2)))
    assert best_knob([slow, right, fast], LOSS, 0.15, 0.10) == (1, True)
    assert best_knob([fast, right], LOSS, 0.15, 0.05) == (1, False)


def test_the_best_other_policy_closes_none_of_the_gap_and_the_oracle_closes_all() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(200)
    other, oracle = result_of(base, seeds=2), result_of(base - 0.3, seeds=2)
    none = gap_of(other, {"other": other, "worse": result_of(base + 0.1)}, oracle, LOSS, 1)
    assert (none.best_other, none.gap, none.gap_lo95, none.gap_hi95) == ("other", 0.0, 0.0, 0.0)
    whole = gap_of(oracle, {"other": other}, oracle, LOSS, 1)
    assert (whole.gap, whole.gap_low, whole.gap_high) == (1.0, 1.0, 1.0)
    half = gap_of(result_of(base - 0.15, seeds=2), {"other": other}, oracle, LOSS, 1)
    assert half.gap == pytest.approx(0.5)
    assert half.gain_lo95 == pytest.approx(half.gain)  # every patient gains the same


def test_the_gap_is_missing_if_the_oracle_is_not_better() -> None:
    same = result_of(np.full(40, 0.5))
    assert np.isnan(gap_of(same, {"other": same}, same, LOSS, 1).gap)


def test_no_policy_that_chooses_between_the_courses_gains_more_than_hindsight() -> None:
    luck = np.random.default_rng(4)
    low, high = (result_of(luck.random(200)) for _ in range(2))
    oracle = result_of(luck.random(200))
    room = hindsight_room({"low": low, "high": high}, oracle, LOSS)
    courses = np.stack([r.figures["exposure"] for r in (low, high, oracle)])
    for number in range(20):
        chosen = result_of(courses[np.random.default_rng(number).integers(0, 3, 200), np.arange(200)])
        assert gap_of(chosen, {"low": low, "high": high}, oracle, LOSS, 1).gain < room
    of_best = result_of(courses.min(axis=0))
    assert gap_of(of_best, {"low": low, "high": high}, oracle, LOSS, 1).gain == pytest.approx(room)


def test_bootstrap_resamples_keep_the_number_of_patients_of_each_seed() -> None:
    seed_of = np.repeat([0, 1], [30, 10])
    places = resampled(seed_of, 5, 50)
    assert ((places < 30).sum(axis=1) == 30).all()
    assert len(np.unique(places[:, :30])) == 30
