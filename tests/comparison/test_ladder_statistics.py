"""The ladder's statistics: the knob that is set, the loss, the gap and its interval."""

import numpy as np
import pytest

from taper_sim.comparison.ladder_statistics import PolicyResult, best_knob, gap_of, resampled
from taper_sim.comparison.loss import Loss

LOSS = Loss()


def judged(exposure: np.ndarray, over: float = 0.0, seeds: int = 1) -> PolicyResult:
    """People who differ in exposure alone; the first ``over`` share of them were over the limit."""
    n = len(exposure)
    still = np.zeros(n)
    peak = np.where(np.arange(n) < over * n, 0.3, 0.0)
    figures = {
        "exposure": exposure,
        "pain": still,
        "function": still,
        "distress": still,
        "peak": peak,
        "days_over": still,
    }
    return PolicyResult(figures, np.arange(n) * seeds // n)


def test_a_full_stop_counts_two_important_differences_of_one_of_four_domains() -> None:
    loss = LOSS.of_person(*(np.array([x]) for x in (1.0, 0.0, 0.0, 0.0)))
    assert loss[0] == pytest.approx(0.5)
    worse = LOSS.of_person(*(np.array([x]) for x in (0.0, 1.0, -10.0, 5 / 27)))
    assert worse[0] == pytest.approx(0.75)


def test_the_loss_of_a_policy_counts_the_worst_twentieth() -> None:
    own = np.r_[np.zeros(95), np.ones(5)]
    assert LOSS.terms(own).mean() == pytest.approx(0.8 * 0.05 + 0.2 * 1.0)


def test_a_decision_weighs_harm_beyond_staying_on_the_full_dose_more() -> None:
    good, bad = LOSS.decision_loss(np.array([0.3, 0.6]))
    assert good == pytest.approx(0.8 * 0.3)
    assert bad == pytest.approx(0.8 * 0.6 + 0.2 / 0.05 * 0.1)


def test_the_knob_is_the_cheapest_of_those_within_the_share_else_the_gentlest() -> None:
    slow, right, fast = (judged(np.full(100, e), over) for e, over in ((0.9, 0.0), (0.5, 0.1), (0.2, 0.2)))
    assert best_knob([slow, right, fast], LOSS, 0.15, 0.10) == (1, True)
    assert best_knob([fast, right], LOSS, 0.15, 0.05) == (1, False)


def test_a_policy_that_is_the_rival_closes_nothing_and_one_that_is_the_oracle_closes_all() -> None:
    luck = np.random.default_rng(1)
    base = luck.random(200)
    rival, oracle = judged(base, seeds=2), judged(base - 0.3, seeds=2)
    none = gap_of(rival, {"other": rival, "worse": judged(base + 0.1)}, oracle, LOSS, 1)
    assert (none.best_other, none.gap, none.gap_lo95, none.gap_hi95) == ("other", 0.0, 0.0, 0.0)
    whole = gap_of(oracle, {"other": rival}, oracle, LOSS, 1)
    assert (whole.gap, whole.gap_low, whole.gap_high) == (1.0, 1.0, 1.0)
    half = gap_of(judged(base - 0.15, seeds=2), {"other": rival}, oracle, LOSS, 1)
    assert half.gap == pytest.approx(0.5)
    assert half.gain_lo95 == pytest.approx(half.gain)  # everybody gains the same


def test_without_room_there_is_no_gap_to_speak_of() -> None:
    same = judged(np.full(40, 0.5))
    assert np.isnan(gap_of(same, {"other": same}, same, LOSS, 1).gap)


def test_samples_are_drawn_within_each_seed() -> None:
    seed_of = np.repeat([0, 1], [30, 10])
    places = resampled(seed_of, 5, 50)
    assert ((places < 30).sum(axis=1) == 30).all()
    assert len(np.unique(places[:, :30])) == 30
