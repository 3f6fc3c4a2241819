"""What is never chosen or offered, whatever the record: over generated records and generated forecasts."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.inference.record import record_of
from taper_sim.recommend.barred_options import barred, largest_step, lowers, raises
from taper_sim.recommend.choice import CHANCES, FELT, Rolled, choose, situation_of
from taper_sim.recommend.options import MAINTENANCE, Option, Situation, options_of
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import JudgedRules, judge
from taper_sim.safety.variables import Values
from tests.recommend.calm_answers import CALM_ANSWERS

TODAY = date(2026, 3, 31)
CALM = {  # reports that raise no flag, and the most adverse value of each
    "phq9_item9": (0.0, 3.0),
    "cows": (0.0, 24.0),
    "sows_gossop": (3.0, 30.0),
    "poss": (1.0, 4.0),
    "spo2": (98.0, 90.0),
    "resp_rate": (16.0, 10.0),
    "temp_c": (36.8, 39.9),
    "bwsq": (2.0, 40.0),
    "days_without_supply": (0.0, 30.0),
    "caregiver_alert": (0.0, 1.0),
}
SEDATION = ("oversedation", "breathing_depressed")
ANSWERED = CALM_ANSWERS | {"seizure_history": 0.0}
DRUGS = (("morphine", "ER", 300.0, 15.0), ("oxycodone", "IR", 90.0, 5.0), ("diazepam", "IR", 40.0, 2.0))

adverse = st.fixed_dictionaries({}, optional={name: st.floats(0.0, 1.0) for name in CALM})
taken = st.lists(
    st.tuples(st.sampled_from(DRUGS), st.integers(0, 3), st.integers(1, 120)),
    min_size=1,
    max_size=2,
    unique_by=lambda given: given[0][0],
)


def reported(worse: dict[str, float]) -> dict[str, float]:
    """Value of each report, from calm (0) to the most adverse (1)."""
    between = {name: low + worse.get(name, 0.0) * (high - low) for name, (low, high) in CALM.items()}
    return {name: round(value) if name != "temp_c" else value for name, value in between.items()}


def history_of(doses: list[tuple[tuple[str, str, float, float], int, int]], reports: dict[str, float]) -> History:
    """Records with these drugs, each cut so many of its steps so many days ago, and today's reports."""
    rows = []
    for (drug, form, dose, step), n_steps, ago in doses:
        entry = find_drug(drug, form)
        rows.append(DoseRow(TODAY - timedelta(days=400), entry, dose))
        if n_steps:
            rows.append(DoseRow(TODAY - timedelta(days=ago), entry, dose - n_steps * step))
    checkins = tuple(CheckIn(TODAY, name, float(value)) for name, value in reports.items())
    enrolled = CheckIn(TODAY - timedelta(days=130), "pain_nrs", 5.0)  # the record begins before every cut
    return History("p", (enrolled, *checkins), tuple(rows), ANSWERED)


def options_under(
    history: History, limits: Limits | None = None
) -> tuple[JudgedRules, Situation, list[Option], dict[str, Option]]:
    """Judged rules, situation, every option as barred, and the options that are offered, by name."""
    limits = limits or Limits()
    values = Values(history, TODAY, {"reduction_planned": 1.0})
    judged = judge(values, limits.acknowledged)
    situation = situation_of(record_of(history, TODAY, None), 0, limits)
    options = [barred(o, judged, values, situation, 1) for o in options_of(situation, limits, limits.horizon_days)]
    return judged, situation, options, {o.name: o for o in options if not o.blocked}


def forecast(option: Option, harm: float) -> Rolled:
    """Outcomes of an option: every chance equal to ``harm``."""
    names = (*CHANCES, *FELT)
    due = {name: harm for name in CHANCES[:3]}
    return Rolled(option, {n: (harm, harm, harm) for n in names}, dict.fromkeys(names, 0.0), 0.0, 90.0, harm, due, 512)


@settings(max_examples=100, deadline=None)
@given(
    taken, adverse, st.lists(st.floats(0.0, 0.3), min_size=40, max_size=40), st.sampled_from(["fastest", "least loss"])
)
def test_under_a_same_day_flag_nothing_reduces_and_under_sedation_nothing_rises(
    doses: list[tuple[tuple[str, str, float, float], int, int]],
    worse: dict[str, float],
    harms: list[float],
    prefer: str,
) -> None:
    limits = Limits(prefer=prefer)  # type: ignore[arg-type]
    judged, situation, options, offered = options_under(history_of(doses, reported(worse)), limits)
    assume(not judged.urgent)
    rolled = {o.name: forecast(o, harm) for o, harm in zip(options, harms, strict=False)}
    chosen = next(o for o in options if o.name == choose(rolled, options, limits)[0])
    assert not chosen.blocked
    now = equivalents_of(situation.now)
    if judged.raised("same_day"):
        assert not any(o.kind == "reduce" for o in offered.values())
        for option in offered.values():
            assert all((equivalents_of(slots) >= now - 1e-9).all() for _, slots in option.steps), option.name
    if {f.flag for f in judged.raised()} & set(SEDATION):
        assert chosen.kind in ("hold", "maintain")
        for option in offered.values():
            assert all((equivalents_of(slots) <= now + 1e-9).all() for _, slots in option.steps), option.name
            assert not option.adjunct


@settings(max_examples=60, deadline=None)
@given(taken, adverse, st.sampled_from(sorted(CALM)), st.floats(0.0, 1.0))
def test_a_worse_report_never_allows_a_reduction_that_was_barred(
    doses: list[tuple[tuple[str, str, float, float], int, int]], worse: dict[str, float], name: str, by: float
) -> None:
    before = worse.get(name, 0.0)
    judged, situation, _, offered = options_under(history_of(doses, reported(worse)))
    after = {**worse, name: before + by * (1.0 - before)}
    judged_worse, _, _, offered_worse = options_under(history_of(doses, reported(after)))
    assume(not judged.urgent and not judged_worse.urgent)
    lowering = {n for n, o in offered.items() if lowers(o, situation)}
    assert {n for n, o in offered_worse.items() if lowers(o, situation)} <= lowering


CUT_FAST = [(DRUGS[0], 3, 19)]
CALM_REPORTS = {name: low for name, (low, _) in CALM.items()}


@pytest.mark.parametrize(("report", "value"), [("phq9_item9", 3.0), ("cows", 24.0), ("temp_c", 38.5), ("spo2", 92.0)])
def test_the_pace_of_the_taper_under_way_allows_no_reduction_under_a_flag(report: str, value: float) -> None:
    flagged = history_of(CUT_FAST, {**CALM_REPORTS, report: value})
    assert not [o for o in options_under(flagged)[3].values() if o.kind == "reduce"]
    calm = options_under(history_of([(DRUGS[0], 1, 40)], CALM_REPORTS))
    assert [o for o in calm[3].values() if o.kind == "reduce"]


def test_an_acknowledged_flag_allows_a_reduction_and_acknowledged_sedation_still_no_rise() -> None:
    sedated = history_of([(DRUGS[0], 1, 20)], {**CALM_REPORTS, "poss": 3.0})
    signed = Limits(acknowledged={"oversedation": {"by": "Dr A", "reason": "seen"}})  # type: ignore[dict-item]
    _, situation, options, offered = options_under(sedated, signed)
    assert [o for o in offered.values() if o.kind == "reduce"]
    assert not [o for o in offered.values() if raises(o, situation)]
    assert any(o.kind == "step_back" and o.blocked for o in options)


def test_a_change_of_opioid_without_stated_doses_counts_as_less() -> None:
    _, situation, options, _ = options_under(history_of(CUT_FAST, CALM_REPORTS))
    other = next(o for o in options if o.name.startswith("rotate to another opioid"))
    assert lowers(other, situation) and raises(other, situation)
    assert not lowers(replace(other, kind="refer"), situation)


@pytest.mark.parametrize(
    ("n_steps", "ago", "allowed"),
    [(1, 5, True), (1, 28, True), (1, 29, False), (19, 50, False), (19, 10, False), (4, 14, True), (10, 14, False)],
)
def test_a_step_back_is_to_a_dose_that_is_still_tolerated(n_steps: int, ago: int, allowed: bool) -> None:
    # 300 mg less 60 mg, 14 days ago: 262 mg are tolerated, and 300 is below 1.25 times that; less 150: 205 mg
    options = options_under(history_of([(DRUGS[0], n_steps, ago)], CALM_REPORTS))[2]
    back = next(o for o in options if o.kind == "step_back")
    assert ("former dose" not in back.blocked and "tolerance" not in back.blocked) is allowed


def test_maintenance_is_chosen_on_buprenorphine_for_opioid_use_disorder_until_acknowledged() -> None:
    entry = find_drug("buprenorphine", "SL film/tablet")
    checkins = tuple(CheckIn(TODAY, name, value) for name, value in CALM_REPORTS.items())
    dose = DoseRow(TODAY - timedelta(days=400), entry, 24.0)
    signed = {"oud_maintenance": {"by": "Dr A", "reason": "their own wish, informed"}}
    for criteria, acknowledged, reduces in ((2.0, {}, False), (2.0, signed, True), (1.0, {}, True)):
        history = History("p", checkins, (dose,), {**ANSWERED, "oud_criteria_count": criteria})
        limits = Limits(acknowledged=acknowledged)  # type: ignore[arg-type]
        judged, _, options, offered = options_under(history, limits)
        assert any(o.kind == "reduce" for o in offered.values()) is reduces
        rolled = {o.name: forecast(o, 0.0) for o in options}
        maintain = "; ".join(f.action for f in judged.maintained)
        name = choose(rolled, options, limits, maintain)[0]
        assert name.startswith("reduce") if reduces else name == MAINTENANCE


def after_a_cut(pain: float, ago: int) -> History:
    """A cut of 30 mg so many days ago, pain 5 before it and ``pain`` in the week after, 5 since."""
    history = history_of([(DRUGS[0], 2, ago)], CALM_REPORTS)
    days = [(k, pain if ago - 7 < k <= ago else 5.0) for k in range(ago + 14)]
    return replace(
        history, checkins=(*history.checkins, *(CheckIn(TODAY - timedelta(days=k), "pain_nrs", x) for k, x in days))
    )


def test_a_painful_cut_pauses_the_taper_and_then_bars_steps_over_half_of_it_until_acknowledged() -> None:
    signed = {name: {"by": "Dr A", "reason": "talked"} for name in ("cut_broke_limit", "cut_not_recovered")}
    for pain, ago, acknowledged, above, at_most in (  # mg
        (8.0, 5, {}, -1.0, 0.0),
        (8.0, 40, {}, 0.0, 15.0),
        (8.0, 40, signed, 15.0, 30.0),
        (5.0, 40, {}, 15.0, 30.0),
    ):
        limits = Limits(acknowledged=acknowledged)  # type: ignore[arg-type]
        _, situation, _, offered = options_under(after_a_cut(pain, ago), limits)
        steps = [largest_step(o, situation, 0) for o in offered.values() if o.kind == "reduce"]
        assert above < max(steps, default=0.0) <= at_most, (pain, ago)


def test_a_pause_chooses_hold_whatever_the_forecast() -> None:
    _, _, options, _ = options_under(after_a_cut(8.0, 5))
    for harm in (0.0, 0.9):
        rolled = {o.name: forecast(o, 0.0 if o.kind == "step_back" else harm) for o in options}
        assert choose(rolled, options, Limits(), pause="why") == ("hold", ["why"])
