"""After a cut the rating that tells most is asked for, with what it would change."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from taper_sim.data.records import CheckIn
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.prior import DEFAULT_POPULATION
from taper_sim.inference.record import PatientRecord, record_of
from taper_sim.recommend.rating_asked import RATINGS_TRIED, rating_asked, with_choices
from taper_sim.recommend.recommendation import evidence_of
from taper_sim.safety.felt_cuts import FeltCut
from tests.recommend.test_next_cut import COMFORTABLE, SUFFERING, TODAY, answered, cut_felt


def test_a_painful_cut_asks_for_cows_and_says_what_it_would_change() -> None:
    (asked,) = (q for q in answered(SUFFERING)["questions"] if q["variable"] == "cows")
    assert "by rule" in asked["would_change"] and "13 or more" in asked["would_change"]
    assert asked["needed_before_reduction"] == "no" and "COWS now" in asked["question"]
    assert not [q for q in answered(COMFORTABLE)["questions"] if q.get("would_change")]


@pytest.mark.parametrize(
    ("cut", "rated_ago", "asked"),
    [
        (cut_felt(13, broke=False, still=False), None, True),
        (cut_felt(14, broke=False, still=False), None, False),
        (cut_felt(14, broke=True, still=False), None, True),
        (cut_felt(13, broke=True, still=False), 12, False),
        (cut_felt(13, broke=True, still=False), 14, True),  # before the cut
        (cut_felt(40, broke=True, still=False), 20, True),  # long after it
    ],
)
def test_it_is_asked_two_weeks_after_a_cut_and_after_one_that_hurt_until_somebody_rated(
    cut: FeltCut, rated_ago: int | None, asked: bool
) -> None:
    history = COMFORTABLE
    if rated_ago is not None:
        rating = CheckIn(TODAY - timedelta(days=rated_ago), "cows", 3.0)
        history = replace(history, checkins=(*history.checkins, rating))
    assert (rating_asked(history, [cut], TODAY) is not None) is asked


@pytest.mark.parametrize(
    ("drug_class", "name"), [("opioid", "cows"), ("benzodiazepine", "bwsq"), ("gabapentinoid", "clinician_rating")]
)
def test_each_class_has_its_rating(drug_class: str, name: str) -> None:
    cut = replace(cut_felt(5, broke=False, still=False), drug_class=drug_class)  # type: ignore[arg-type]
    asked = rating_asked(COMFORTABLE, [cut], TODAY)
    assert asked is not None and asked.shown()["variable"] == name
    assert "by rule" in asked.shown()["would_change"]


def test_a_high_rating_speaks_for_withdrawal_and_a_low_one_against_it() -> None:
    as_of = TODAY - timedelta(days=25)  # four days after the last cut
    record = record_of(SUFFERING, as_of)

    def evidence_for(known: PatientRecord) -> Evidence:
        return evidence_of(known, 84, 0, None, DEFAULT_POPULATION, {})[0]

    posterior = posterior_of(evidence_for(record), 1024, 0)
    kept: list[float] = []

    def chooser(draws: Posterior):  # type: ignore[no-untyped-def]
        sigma = draws.of("sigma_opioid")

        def choose(weights: np.ndarray) -> str:
            kept.append(float(weights @ sigma))
            return f"option {len(kept)}"

        return choose

    asked = rating_asked(SUFFERING, [cut_felt(29, broke=True, still=True)], as_of)
    assert asked is not None
    rated = with_choices(asked, record, evidence_for, posterior, chooser, 1)
    low, high, without = kept
    assert low < high and without < high
    assert tuple(rated.choices) == RATINGS_TRIED["cows"]
    assert rated.would_change == (
        "computed by adding it to the record: COWS 2: option 1; COWS 12: option 2; by rule, 13 or more: no reduction "
        "that day"
    )
    assert "COWS 2: no change" in replace(rated, chosen="option 1").would_change
