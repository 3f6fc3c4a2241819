"""What past cuts did, and how likely the taper is the cause: a range, in words, and only where something is worse."""

from datetime import timedelta
from types import MappingProxyType

import pytest

from taper_sim.inference.attribution import Attribution, PartOfChange, range_in_words, share_in_words
from taper_sim.recommend.past_cuts import Blame
from tests.recommend.test_next_cut import COMFORTABLE, CUTS_AGO, SUFFERING, TODAY, answered, tapered_person

LASTING = tapered_person({}, 0, lasting={"pain_nrs": 1.3, "function": -8.0})


def test_lasting_harm_means_hold_or_step_back_and_both_causes_with_their_chances() -> None:
    answer = answered(LASTING)
    assert answer["chosen"] == "hold" or answer["chosen"].startswith("step back")
    assert not any(o["kind"] == "reduce" and o["status"] == "offered" for o in answer["options"])
    cause = answer["attribution"]
    assert cause["day"] == TODAY.isoformat() and cause["points_worse"] > 0.5
    assert 0.0 <= cause["low"] < cause["high"] <= 1.0 and cause["high"] - cause["low"] > 0.05
    assert "may be the taper, may be the course of" in cause["words"]
    assert cause["words"].count("likely") == 2 and cause["words"] in answer["reasons"]


def test_a_reaction_that_has_passed_is_attributed_on_its_own_day() -> None:
    cause = answered(SUFFERING)["attribution"]
    assert cause["day"] == (TODAY - timedelta(days=CUTS_AGO[-1] - 7)).isoformat()
    assert cause["low"] > 0.5  # eight days of withdrawal and pain from the day after each cut


def test_nothing_is_attributed_where_nothing_is_worse() -> None:
    answer = answered(COMFORTABLE)
    assert answer["attribution"] is None
    assert [cut["broke_limit"] for cut in answer["past_cuts"]] == [False, False]


def test_each_past_cut_is_listed_with_its_worst_day_and_its_days_over() -> None:
    rows = answered(SUFFERING)["past_cuts"]
    assert [row["date"] for row in rows] == [(TODAY - timedelta(days=ago)).isoformat() for ago in CUTS_AGO]
    for row in rows:
        assert row["equivalents_before"] - row["equivalents_after"] == pytest.approx(7.5)
        felt = {felt["instrument"]: felt for felt in row["felt"]}
        assert felt["sows_gossop"]["broke_limit"] and felt["sows_gossop"]["worst"] > 9.0
        assert 0 < felt["sows_gossop"]["days_over"] <= felt["sows_gossop"]["days_reported"]
        assert 8 <= felt["sows_gossop"]["days_to_recover"] <= row["days_to_recover"] <= 12  # eight days are bad
        assert row["not_back_after_days"] is None
    for row, days in zip(answered(LASTING)["past_cuts"], (CUTS_AGO[0] - CUTS_AGO[1], CUTS_AGO[1]), strict=True):
        assert (row["days_to_recover"], row["not_back_after_days"]) == (None, days)


def blamed(low: float, high: float, outcome: str = "pain") -> Blame:
    """A change of two points that is the taper's with these chances."""
    change = PartOfChange(2.0 if outcome == "pain" else -2.0, -1.0, 3.0)
    under = MappingProxyType({0.5: low, 2.0: high})
    return Blame(TODAY, True, Attribution(outcome, change, {}, 0.5 * (low + high), under))


def test_the_range_is_that_over_all_priors_tried_and_its_words_are_simple_fractions() -> None:
    blame = blamed(1 / 6, 0.6)
    assert blame.shown()["low"] == pytest.approx(0.167) and blame.shown()["high"] == pytest.approx(0.6)
    assert "between a sixth and three fifths likely to be the taper" in blame.words
    assert "between two fifths and five sixths likely the course of the pain" in blame.words
    assert "function is 2.0 points below" in blamed(0.2, 0.4, "function").words
    assert "very likely to be the taper" in blamed(0.95, 1.0).words
    middle = Attribution("pain", PartOfChange(1, 0, 2), {}, 0.9, MappingProxyType({0.5: 0.4, 2.0: 0.7}))
    assert (middle.low, middle.high) == (0.4, 0.9)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.16, 0.61, "between a sixth and three fifths"),
        (0.32, 0.34, "about a third"),
        (0.0, 0.01, "very unlikely"),
        (0.95, 0.99, "very likely"),
        (0.0, 0.5, "between one in twenty and a half"),
    ],
)
def test_ranges_in_words(low: float, high: float, words: str) -> None:
    assert range_in_words(low, high) == words
    assert share_in_words(low) in words or words.startswith("very")
