"""Scores against hand calculations, intervals over people, baseline forecasts that use the usable visits only."""

from dataclasses import replace

import numpy as np
import pytest

from taper_sim.studies.trial_tapers import baseline_forecasts
from taper_sim.studies.trial_tapers.predict import INFORMATION, visits_to_predict
from taper_sim.studies.trial_tapers.scores import calibration, category_scores, mean_and_interval
from taper_sim.studies.trial_tapers.taper_people import Taper


def taper(who: str, phase: int, category: list[int]) -> Taper:
    """A taper with weekly visits, the second half of them after the reduction begins."""
    n = 7 * len(category)
    dose = np.where(np.arange(n) < n // 2, 16.0, 8.0)
    day = np.arange(len(category)) * 7 + 3
    return Taper(who, phase, dose, 3, n // 2, n - 1, day, np.array(category), np.zeros(len(category)))


def test_scores_by_hand() -> None:
    scores = category_scores(np.array([[0.5, 0.3, 0.2, 0.0], [0.1, 0.2, 0.3, 0.4]]), np.array([0, 2]))
    assert scores["log_loss"] == pytest.approx([-np.log(0.5), -np.log(0.3)])
    assert scores["brier"] == pytest.approx([0.25 + 0.09 + 0.04, 0.01 + 0.04 + 0.49 + 0.16])
    assert scores["rps"] == pytest.approx([0.25 + 0.04 + 0.0, 0.01 + 0.09 + 0.16])
    assert scores["brier_withdrawal"] == pytest.approx([0.25, 0.01])


def test_the_interval_is_over_people_and_not_over_visits() -> None:
    generator = np.random.default_rng(5)
    values = np.repeat(generator.standard_normal(200), 10)  # a person has ten visits with one value
    who = np.repeat(np.arange(200).astype(str), 10)
    mean, low, high = mean_and_interval(values, who, 1)
    assert mean == pytest.approx(values.mean())
    # a standard error of 1/sqrt(200) is known to 5 % from 200 people, to 4 % from 4,000 replicates at its ends
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(200), rel=0.1)


def test_a_calibration_table_has_the_shares_of_its_bins() -> None:
    table = calibration(np.repeat([0.1, 0.8], 50), np.r_[np.arange(50) < 5, np.arange(50) < 45], n_bins=2)
    assert table["n"].tolist() == [50, 50] and table["share"].tolist() == [0.1, 0.9]
    assert (table["lo95"] < table["share"]).all() and (table["share"] < table["hi95"]).all()
    assert table["lo95"][1] == pytest.approx(0.7864, abs=1e-3)  # Wilson, 45 of 50


def test_an_ordinal_regression_recovers_the_shares_of_the_data() -> None:
    # one covariate with two values, proportional odds: P(0) is 0.8 and 0.5
    odds = np.array([4.0, 1.0])
    p0, p01 = odds / (1 + odds), 5 * odds / (1 + 5 * odds)
    shares = np.stack([p0, p01 - p0, (1 - p01) * 0.8, (1 - p01) * 0.2], axis=1)
    counts = np.round(shares * 4000).astype(int)
    y = np.concatenate([np.repeat(np.arange(4), row) for row in counts])
    x = np.repeat([0.0, 1.0], counts.sum(axis=1))[:, None]
    fitted = baseline_forecasts.Ordinal(x, y).chances(np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(fitted[:, :2], shares[:, :2], atol=0.01)
    np.testing.assert_allclose(fitted.sum(axis=1), 1.0)


def test_baseline_forecasts_use_the_usable_visits_and_no_other() -> None:
    generator = np.random.default_rng(1)
    people = {}
    for k in range(80):  # half of them without withdrawal, half mostly with withdrawal
        ill = k % 2
        draw = [[int(generator.random() < (0.75 if ill else 0.02)) for _ in range(10)] for _ in range(2)]
        people[str(k)] = (taper(str(k), 1, draw[0]), taper(str(k), 2, draw[1]))
    regression = baseline_forecasts.Mixed(people)
    for information in INFORMATION:
        visits = visits_to_predict(people, information)
        ill = np.array([int(v.who) % 2 for v in visits], dtype=bool)
        mixed = regression.predict(visits)
        for chances in (
            baseline_forecasts.last_value(visits, visits),
            baseline_forecasts.person_mean(visits, visits),
            mixed,
        ):
            assert chances.sum(axis=1) == pytest.approx(1.0)
            assert chances[ill, 0].mean() < chances[~ill, 0].mean() - 0.1
        first = visits[0]
        hidden = replace(first.taper, category=np.where(first.known, first.taper.category, 3))
        other = visits_to_predict({first.who: (first.person[0], hidden)}, information)[0]
        np.testing.assert_array_equal(regression.predict([other])[0], mixed[0])
        np.testing.assert_array_equal(
            baseline_forecasts.last_value(visits, [other])[0], baseline_forecasts.last_value(visits, [first])[0]
        )
        np.testing.assert_array_equal(
            baseline_forecasts.person_mean(visits, [other])[0], baseline_forecasts.person_mean(visits, [first])[0]
        )
