"""A way back up: who is offered it, how far and how fast, and what bars it."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.inference.record import record_of
from taper_sim.recommend import recommendation
from taper_sim.recommend.barred_options import barred
from taper_sim.recommend.choice import situation_of
from taper_sim.recommend.personal_decisions import WAY_BACK_PCT
from taper_sim.recommend.recommendation import recommend
from taper_sim.recommend.situation import Option, Situation
from taper_sim.recommend.way_back import IN_STEPS, MOST_RISE_PCT, STEP_BACK_MARGIN, lost_tolerance_to, steps_back
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import JudgedRules, judge
from taper_sim.safety.variables import Values
from tests.recommend.test_barred_options import ANSWERED, CALM_REPORTS, SEDATION, adverse, reported
from tests.recommend.test_next_cut import COMFORTABLE, SUFFERING, TODAY, answered
from tests.recommend.test_past_cuts import LASTING

DRUGS = (("morphine", "ER", 15.0), ("oxycodone", "IR", 5.0), ("diazepam", "IR", 2.0), ("methadone", "IR", 5.0))
courses = st.tuples(
    st.sampled_from(DRUGS), st.lists(st.tuples(st.integers(1, 90), st.integers(1, 24)), min_size=2, max_size=6)
)
Course = tuple[tuple[str, str, float], list[tuple[int, int]]]


def record_with(course: Course, reports: dict[str, float] | None = None, **answers: float) -> History:
    """Doses in units of a step, each held for so many days to today, after one that was held for 400 days."""
    (drug, form, step), held = course
    days = [sum(d for d, _ in held[k:]) for k in range(len(held))]
    rows = [
        DoseRow(TODAY - timedelta(days=ago), find_drug(drug, form), n * step)
        for ago, (_, n) in zip(days, held, strict=True)
    ]
    first = replace(rows[0], day=rows[0].day - timedelta(days=400))
    checkins = [CheckIn(TODAY, name, float(x)) for name, x in (reports or CALM_REPORTS).items()]
    checkins.append(CheckIn(first.day, "pain_nrs", 5.0))
    return History("p", tuple(checkins), (first, *rows[1:]), {**ANSWERED, **answers})


def step_back(history: History, reason: str = "worse") -> tuple[JudgedRules, Situation, Option | None]:
    """The step back of the class of a record, as barred."""
    limits = Limits()
    values = Values(history, TODAY, {"reduction_planned": 1.0})
    judged, situation = judge(values, {}), situation_of(record_of(history, TODAY, None), 0, limits)
    options = steps_back(situation, limits, limits.horizon_days, dict.fromkeys(situation.classes, reason))
    return judged, situation, next((barred(o, judged, values, situation, 1) for o in options), None)


@settings(max_examples=150, deadline=None)
@given(courses)
def test_a_way_back_rises_by_what_tolerance_allows_to_doses_that_were_taken(course: Course) -> None:
    _, situation, option = step_back(record_with(course))
    assume(option is not None and option.variant == IN_STEPS)
    assert option is not None and option.drug_class is not None
    k = ("opioid", "benzodiazepine", "gabapentinoid").index(option.drug_class)
    original = situation.original_equivalents(option.drug_class)
    levels = [float(equivalents_of(slots)[k]) for slots in (situation.now, *(slots for _, slots in option.steps))]
    days = [day for day, _ in option.steps]
    assert days[0] == 1 and all(later - day >= 28 for day, later in pairwise(days))
    for number, (dose, higher) in enumerate(pairwise(levels)):
        assert dose < higher <= original * (1 + 1e-6)
        at_once = number == 0 and option.drug_class in situation.step_back_to
        if at_once and not lost_tolerance_to(situation, option.drug_class):
            assert higher <= max(situation.before_cut[k], STEP_BACK_MARGIN * dose) * (1 + 1e-6)
        else:
            assert higher <= STEP_BACK_MARGIN * dose * (1 + 1e-6)
            assert higher - dose <= MOST_RISE_PCT / 100.0 * original * (1 + 1e-6)


@settings(max_examples=80, deadline=None)
@given(courses, adverse)
def test_nothing_rises_under_sedation_or_after_a_large_rise(course: Course, reports: dict[str, float]) -> None:
    judged, _, option = step_back(record_with(course, reported(reports)))
    assume(option is not None)
    assert option is not None
    flags = {f.flag for f in judged.raised()}
    if flags & {*SEDATION, "large_rise", "restart_after_gap"}:
        assert option.blocked


@pytest.mark.parametrize(
    ("doses", "levels"),
    [
        ([(400, 12), (50, 11), (27, 10)], [165.0, 180.0]),  # one step of the record after another
        ([(400, 12), (50, 11), (58, 10)], [165.0, 180.0]),  # a dose of 58 days ago, by the rule of the way back
        ([(400, 12), (50, 6)], [105.0, 120.0, 150.0]),  # at most a quarter at a time, in tablets of 15 mg
        ([(400, 20), (50, 1)], []),  # 300 to 15 mg: nothing between 15 and 18.75 mg of this product
        ([(400, 12), (20, 14), (27, 10)], [180.0]),  # 210 mg is above the dose before the taper
    ],
)
def test_the_way_back_by_hand(doses: list[tuple[int, int]], levels: list[float]) -> None:
    _, _, option = step_back(record_with((DRUGS[0], doses)))
    assert option is not None
    if levels:
        assert not option.blocked and option.variant == IN_STEPS
        assert [float(equivalents_of(slots)[0]) for _, slots in option.steps] == levels
    else:
        assert "former dose is not given again" in option.blocked and option.variant == ""
    assert MOST_RISE_PCT == WAY_BACK_PCT


@pytest.mark.parametrize(
    ("answers", "reason"),
    [({"naloxone_at_home": 0.0}, "no naloxone at home"), ({"opioid_days_without": 4.0}, "none was taken for 4 days")],
)
def test_a_way_back_needs_naloxone_and_a_dose_that_is_taken(answers: dict[str, float], reason: str) -> None:
    history = record_with((DRUGS[0], [(400, 12), (50, 11), (27, 10)]), None, **answers)
    _, _, option = step_back(history)
    assert option is not None and reason in option.blocked


def steps_back_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Options that step back."""
    return [o for o in answer["options"] if o["kind"] == "step_back"]


def test_who_is_worse_than_before_the_taper_is_offered_the_way_back_with_its_chances() -> None:
    answer = answered(LASTING)
    (back,) = steps_back_of(answer)
    assert (
        back["status"] == "offered" and back["variant"] == IN_STEPS and "a visit before each step up" in back["needs"]
    )
    assert [row["dose_mg_per_day"] for row in back["schedule"]] == [82.5, 90.0]
    assert answer["chosen"] == "hold"
    assert any("a way back up is among the options (opioid): the last 7 days are worse" in r for r in answer["reasons"])
    default, low = back["better_in_a_year"]
    assert (default["values"], low["values"]) == ("by default", "a full stop counts less")
    assert 0.0 < default["p_better"] < low["p_better"] < 1.0  # the less a full stop is worth, the better a higher dose
    for name in ("p_withdrawal_over", "p_overdose", "p_felt_pain_rise", "p_hurts_again"):
        assert back[name] is not None


def test_who_is_not_worse_is_offered_the_last_dose_alone_unless_their_values_ask_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (back,) = steps_back_of(answered(COMFORTABLE))
    assert back["name"] == "step back to the opioid dose before the last reduction"
    assert back["better_in_a_year"] is None and back["status"].startswith("blocked")  # 29 days ago
    row = {"values": "as the patient stated", "day": 364, "dose_pct_of_original": 100.0, "mc_error": 0.03}
    for p, variant in ((0.5, ""), (0.51, IN_STEPS)):
        rows = {"opioid": ({**row, "p_better": p},)}
        monkeypatch.setattr(recommendation, "better_back", lambda *_, rows=rows: rows)
        (back,) = steps_back_of(answered(COMFORTABLE))
        assert back["variant"] == variant
    assert back["better_in_a_year"] == [{**row, "p_better": 0.51}]


def test_a_dose_that_was_given_back_has_no_step_back() -> None:
    missed = (
        DoseRow(TODAY - timedelta(days=9 - k), find_drug("morphine", "ER"), mg) for k, mg in enumerate((0.0, 75.0))
    )
    assert steps_back_of(answered(replace(COMFORTABLE, doses=(*COMFORTABLE.doses, *missed)))) == []


def test_in_the_first_two_weeks_after_a_cut_the_step_back_is_that_cut_alone() -> None:
    bad_week = recommend(SUFFERING, TODAY - timedelta(days=24), draws=512).as_dict()
    assert [o["variant"] for o in steps_back_of(bad_week)] == [""]


def test_naloxone_is_asked_before_a_way_back() -> None:
    unknown = replace(LASTING, answers={n: x for n, x in LASTING.answers.items() if n != "naloxone_at_home"})
    answer = recommend(unknown, TODAY, limits=Limits(), draws=512).as_dict()
    (back,) = steps_back_of(answer)
    assert back["status"] == "blocked: ask naloxone_at_home"
    assert [q["variable"] for q in answer["questions"]].count("naloxone_at_home") == 1


def test_a_forbidden_step_back_is_no_way_back() -> None:
    (back,) = steps_back_of(answered(LASTING, allow_step_back=False))
    assert back["variant"] == "" and "does not allow" in back["status"]
