"""One screen: what to do today, what happened, the options that differ; no statistics; and what holds comes first."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from taper_sim.comparison.chance_words import chance_in_words, interval_in_words
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.inference import own_noise
from taper_sim.inference.predictive_checks import PredictiveChecks
from taper_sim.recommend import recommendation
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.recommend.options import Option
from taper_sim.recommend.recommendation import recommend
from taper_sim.recommend.shown_options import equal_to
from taper_sim.report.decision import recommendation_text
from taper_sim.report.decision_words import WIDTH
from taper_sim.safety.limits import Limits
from tests.recommend.test_next_cut import AFTER_A_CUT, COMFORTABLE, SUFFERING, TODAY, tapered_person
from tests.recommend.test_past_cuts import LASTING

LINES = 32
STATISTICS = re.compile(r"sigma|k-hat|khat|posterior|standard deviation|predictive p|\bp 0\.|effective draws|\b0\.0\b")


def fields_of(history: History, days_ago: int = 0, **limits: Any) -> RecommendationFields:
    """The answer so many days ago, with few draws."""
    return recommend(history, TODAY - timedelta(days=days_ago), limits=Limits(**limits), draws=512)


@pytest.mark.parametrize(("history", "days_ago"), [(COMFORTABLE, 0), (SUFFERING, 0), (SUFFERING, 24), (LASTING, 0)])
def test_the_first_screen_has_one_screen_and_no_statistics(history: History, days_ago: int) -> None:
    answer = fields_of(history, days_ago)
    text = recommendation_text(answer)
    lines = text.splitlines()
    assert len(lines) <= (LINES if history is COMFORTABLE else LINES + 6), text
    assert max(map(len, lines)) <= WIDTH + 1
    assert not STATISTICS.search(text), STATISTICS.search(text)
    assert lines[1].lower().startswith(str(answer.fields["headline"])[:20])
    assert f"chosen: {answer.fields['chosen']}" in text
    assert "not clinically reviewed" in text and "not a medical device" in text
    details = recommendation_text(answer, details=True)
    assert "k-hat" in details and "past forecasts" in details and len(details.splitlines()) > len(lines)
    for name in ("sigma_opioid", *(o["name"] for o in answer.fields["options"])):
        assert name in " ".join(details.split())
    assert not re.search(r"(?<![+-])\b0\.0 \(", details)  # a gain of +0.0 is no chance


def test_past_cuts_come_before_the_options_and_those_before_the_schedule() -> None:
    text = recommendation_text(fields_of(SUFFERING))
    places = [text.index(words) for words in ("what past cuts did", "2 of 2 cuts broke a limit", "options that differ")]
    assert places == sorted(places)
    assert "ask for COWS" in text and "schedule: unchanged" in text
    comfortable = recommendation_text(fields_of(COMFORTABLE))
    assert "no limit broken after any of 2" in comfortable
    chosen = next(o for o in fields_of(COMFORTABLE).fields["options"] if o["rank"] == 1)
    comfortable = " ".join(comfortable.split())
    assert comfortable.index("options that differ") < comfortable.index(chosen["schedule"][0]["tablets"])


def test_options_with_the_same_doses_are_one_row() -> None:
    answer = fields_of(COMFORTABLE).fields
    options = {o["name"]: o for o in answer["options"]}
    same = {name: o["same_as"] for name, o in options.items()}
    assert same["maintain long term at this dose"] == "hold"
    assert [same[o["name"]] for o in answer["options"] if o["kind"] == "monitor"] == ["hold"]
    assert same[answer["chosen"]] is None
    for name, first in same.items():
        if first is not None:
            assert options[name]["schedule"] == options[first]["schedule"] and same[first] is None
            assert options[name]["status"] == options[first]["status"]
    offered = [o for o in answer["options"] if o["kind"] == "reduce" and o["status"] == "offered"]
    schedules = [str(o["schedule"]) for o in offered if o["same_as"] is None]
    assert len(schedules) == len(set(schedules))
    adjunct = [o for o in answer["options"] if o["kind"] == "adjunct"]
    assert adjunct and adjunct[0]["same_as"] is None
    assert "hold = maintain = closer monitoring" in recommendation_text(RecommendationFields(answer))


def test_the_chosen_option_stands_for_those_that_equal_it() -> None:
    options = [Option("hold", "hold"), Option("maintain", "maintain"), Option("other", "refer", rolled=False)]
    assert equal_to(options, "maintain") == {"hold": "maintain", "maintain": None, "other": None}
    assert equal_to(options, "hold") == {"hold": None, "maintain": "hold", "other": None}


def test_a_broken_limit_is_a_reason_to_hold_and_to_see_them_before_any_abstention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object) -> PredictiveChecks:
        return PredictiveChecks(0.001, 1.0, 1.0, 1.0, 1.0)

    for module in (recommendation, own_noise):
        monkeypatch.setattr(module, "predictive_checks_of", failing)
    for history, days_ago, first in (
        (SUFFERING, 24, "hold, see the person today: no dose is reduced; a limit on what is felt is broken"),
        (COMFORTABLE, 0, "hold until the prescriber has looked: no forecast is given: the reports scatter"),
        (LASTING, 0, "hold, see the person"),
    ):
        answer = fields_of(history, days_ago)
        assert answer.status == "abstain"
        assert str(answer.fields["headline"]).startswith(first)
        if first.startswith("hold, see"):
            assert answer.fields["reasons"][0].startswith(("hold, see the person", "see the person today"))
        assert recommendation_text(answer).splitlines()[1].lower().startswith(first[:20])
        assert not STATISTICS.search(recommendation_text(answer))


def test_far_over_a_limit_today_means_see_them_today() -> None:
    far = {name: 2.4 * by for name, by in AFTER_A_CUT.items()}
    answer = fields_of(tapered_person(far, 8), 22)
    assert answer.fields["headline"] == "hold, see the person today: no dose is reduced"
    assert answer.fields["chosen"] == "hold" or answer.status == "abstain"


def test_an_emergency_is_the_first_sentence_and_no_rating_is_asked_for() -> None:
    seizure = replace(SUFFERING, checkins=(*SUFFERING.checkins, CheckIn(TODAY, "seizure", 1.0)))
    answer = fields_of(seizure)
    assert str(answer.fields["headline"]).startswith("act now, call prescriber now")
    assert not any(q.get("would_change") for q in answer.fields["questions"])


def test_a_question_stands_in_words_and_many_are_counted() -> None:
    unknown = replace(COMFORTABLE, answers={n: x for n, x in COMFORTABLE.answers.items() if n != "seizure"})
    answer = fields_of(unknown)
    asked = "a question comes first: Since the last check-in, did you have a fit"
    assert asked in answer.fields["headline"]
    assert f"%: {asked}" in " ".join(recommendation_text(answer).split())
    answer = fields_of(replace(COMFORTABLE, answers={"opioid_use_days": 2000.0}))
    assert re.search(r"[0-9]+ questions come first", str(answer.fields["headline"]))
    assert "blue_lips" not in recommendation_text(answer)


def test_under_sedation_the_first_sentence_bars_a_rise_too() -> None:
    sleepy = replace(COMFORTABLE, checkins=(*COMFORTABLE.checkins, CheckIn(TODAY, "poss", 3.0)))
    assert str(fields_of(sleepy).fields["headline"]).endswith("no dose is reduced, and none is raised")


def test_silence_since_the_last_check_in_is_shown() -> None:
    assert "days, the last on" not in recommendation_text(fields_of(COMFORTABLE))
    later = recommend(COMFORTABLE, TODAY + timedelta(days=20), limits=Limits(), draws=512)
    assert f"days, the last on {TODAY.isoformat()}" in " ".join(recommendation_text(later).split())


def test_what_must_be_asked_is_asked_and_the_rest_is_counted() -> None:
    unknown = replace(COMFORTABLE, answers={"opioid_use_days": 2000.0})
    answer = fields_of(unknown)
    text = recommendation_text(answer)
    needed = [q for q in answer.fields["questions"] if q["needed_before_reduction"] == "yes"]
    assert "to ask before any reduction:" in text and f"and {len(needed) - 2} more: --details" in text
    assert f"{len(needed)} questions come first" in str(answer.fields["headline"])
    assert needed[-1]["question"] in " ".join(recommendation_text(answer, details=True).split())


def test_a_person_without_a_cut_and_one_without_a_dose_get_a_screen() -> None:
    steady = replace(COMFORTABLE, doses=COMFORTABLE.doses[:1])
    assert "what past cuts did" not in recommendation_text(fields_of(steady))
    stopped = replace(COMFORTABLE, doses=(*COMFORTABLE.doses, DoseRow(TODAY, COMFORTABLE.doses[0].drug, 0.0)))
    assert "nothing is left to reduce" in " ".join(recommendation_text(fields_of(stopped)).split())


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.0, "under 1 %"), (0.0099, "under 1 %"), (0.01, "1 %"), (0.5, "50 %"), (0.995, "over 99 %"), (None, "-")],
)
def test_no_chance_is_nothing_or_certain(p: float | None, words: str) -> None:
    assert chance_in_words(p) == words
    assert interval_in_words(p, 0.0, 1.0).startswith(words)
