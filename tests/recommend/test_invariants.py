"""What holds for every record: ceilings, holding, unconfirmed doses, the order of rows, worse reports.

What same-day flags and sedation bar is in ``test_barred_options``; both use the same generated records.
"""

from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taper_sim.data.checkins import scales
from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.recommend import recommendation
from taper_sim.recommend.barred_options import barred
from taper_sim.recommend.choice import choose
from taper_sim.recommend.options import Option, Situation, options_of, schedule_of
from taper_sim.recommend.recommendation import recommend
from taper_sim.recommend.whether_to_taper import whether_to_taper
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import judge
from taper_sim.safety.validity import USUAL_SIGNS, worse
from taper_sim.safety.variables import Values
from taper_sim.units import DRUG_CLASSES, MONTH_D
from tests.recommend.test_barred_options import (
    ANSWERED,
    CALM_REPORTS,
    DRUGS,
    TODAY,
    adverse,
    forecast,
    history_of,
    options_under,
    reported,
    taken,
)

Cuts = list[tuple[tuple[str, str, float, float], int, int]]
MOST_STEP_SHARE = 0.25
"""Largest step of any option as a share of the original dose."""


def courses(option: Option, situation: Situation, k: int) -> list[tuple[int, float]]:
    """Day and dose of one class after each step of an option."""
    return [(day, float(equivalents_of(slots)[k])) for day, slots in option.steps]


@settings(max_examples=60, deadline=None)
@given(taken, st.sampled_from((7, 14, 28, 56)), st.sampled_from((28, 84, 364)))
def test_no_reduction_runs_ahead_of_the_ceiling_or_takes_a_quarter_at_once(
    doses: Cuts, every: int, horizon: int
) -> None:
    limits = Limits(step_every_d=every, horizon_days=horizon)
    _, situation, options, _ = options_under(history_of(doses, CALM_REPORTS), limits)
    for option in options:
        if option.kind != "reduce" or not option.steps or option.drug_class is None:
            continue
        k = DRUG_CLASSES.index(option.drug_class)
        original = situation.original_equivalents(option.drug_class)
        rate = situation.ceilings[option.drug_class].pct_per_28d / 100.0 * original / MONTH_D
        start = before = float(equivalents_of(situation.now)[k])
        for day, dose in courses(option, situation, k):
            assert start - dose <= rate * (day - 1 + max(every, MONTH_D)) + 1e-6 * original, (option.name, day)
            assert before - dose <= MOST_STEP_SHARE * original * (1 + 1e-6), (option.name, day)
            assert dose <= before + 1e-6 * original, (option.name, day)
            before = dose


own_ways = st.tuples(
    st.sampled_from(DRUGS), st.sampled_from((None, 4.0, 6.0, 8.0, 12.0, 24.0)), st.booleans(), st.integers(1, 10)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(own_ways, min_size=1, max_size=3, unique_by=lambda way: way[0][0]))
def test_holding_is_exactly_what_is_taken(
    ways: list[tuple[tuple[str, str, float, float], float | None, bool, int]],
) -> None:
    rows = tuple(
        DoseRow(
            TODAY - timedelta(days=400),
            find_drug(drug, form),
            dose - n * step,
            as_needed=as_needed,
            interval_h=hours,
            product=f"brand of {drug}",
        )
        for (drug, form, dose, step), hours, as_needed, n in ways
    )
    history = History("p", tuple(CheckIn(TODAY, name, x) for name, x in CALM_REPORTS.items()), rows, ANSWERED)
    _, situation, options, _ = options_under(history)
    hold = next(o for o in options if o.name == "hold")
    days = [(TODAY + timedelta(days=d)).isoformat() for d in range(100)]
    schedule = {(str(r["drug"]), str(r["formulation"])): r for r in schedule_of(hold, situation.now, days)}
    assert set(schedule) == {row.drug.key for row in rows}
    for row in rows:
        line = schedule[row.drug.key]
        assert (line["dose_mg_per_day"], line["interval_h"], line["as_needed"]) == (
            row.dose,
            row.interval_h,
            row.as_needed,
        )
        assert line["product"] == row.product
        assert str(line["tablets"]).startswith("unchanged: exactly as taken now")


def refuse(*_: object) -> None:
    """Takes the place of the model, which an unconfirmed dose must not reach."""
    raise AssertionError("the model was asked about a dose that is not confirmed")


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(DRUGS), st.floats(8.0, 20.0), st.booleans(), st.integers(0, 27), adverse)
def test_nothing_is_offered_from_a_dose_that_is_not_confirmed(
    drug: tuple[str, str, float, float], ratio: float, up: bool, ago: int, reports: dict[str, float]
) -> None:
    entry, dose = find_drug(drug[0], drug[1]), drug[2] / 4.0
    now = dose * ratio if up else dose / ratio
    rows = (DoseRow(TODAY - timedelta(days=400), entry, dose), DoseRow(TODAY - timedelta(days=ago), entry, now))
    checkins = tuple(CheckIn(TODAY, name, float(x)) for name, x in reported(reports).items())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recommendation, "record_of", refuse)
        answer = recommend(History("p", checkins, rows, ANSWERED), TODAY)
    assert answer.status in ("abstain", "urgent")
    assert answer.as_dict()["options"] == []
    assert answer.as_dict()["chosen"] is None


@settings(max_examples=40, deadline=None)
@given(taken, adverse, adverse, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    doses: Cuts, reports: dict[str, float], again: dict[str, float], luck: object
) -> None:
    history = history_of(doses, reported(reports))
    twice = [CheckIn(TODAY - timedelta(days=ago), n, float(x)) for ago in (0, 3) for n, x in reported(again).items()]
    history = replace(history, checkins=(*history.checkins, *twice))  # two reports of an instrument on one day too
    rows, checkins = list(history.doses), list(history.checkins)
    luck.shuffle(rows)  # type: ignore[attr-defined]
    luck.shuffle(checkins)  # type: ignore[attr-defined]
    mixed = History("p", tuple(checkins), tuple(rows), dict(reversed(list(history.answers.items()))))
    assert options_under(mixed)[2] == options_under(history)[2]
    now, then = (Values(h, TODAY, {"reduction_planned": 1.0}) for h in (history, mixed))
    assert judge(now) == judge(then)
    assert whether_to_taper(now, Limits()) == whether_to_taper(then, Limits())


def chosen_pace(history: History, harms: list[float], limits: Limits) -> float:
    """Pace of the chosen option if each option has the same forecast whatever is reported; -1 for no options at all."""
    judged, _, options, _ = options_under(history, limits)
    if judged.urgent or judged.unconfirmed:
        return -1.0
    rolled = {o.name: forecast(o, harm) for o, harm in zip(options, harms, strict=False)}
    pause = "why" if judged.unsigned("pause_until_acknowledged") else ""
    maintain = "" if judged.holding else "; ".join(f.flag for f in judged.maintained)
    name = choose(rolled, options, limits, maintain, pause)[0]
    return next(o.pct_per_28d for o in options if o.name == name)


def grid(name: str) -> list[float]:
    """Values of an instrument, the least adverse first; of two-sided signs those above the usual value."""
    scale = scales()[name]
    low, high = max(scale.low, -100.0), min(scale.high, 400.0)
    n = int(min(high - low, 12))
    points = {round(low + (high - low) * k / n, 1) for k in range(n + 1)}
    usual = USUAL_SIGNS.get(name)
    if usual is None:
        return sorted(points, reverse=worse(name, [low, high]) == low)
    side = [x for x in points if (x >= usual if usual < high else x <= usual)]
    return sorted(side, key=lambda x: abs(x - usual))


@pytest.mark.parametrize("name", sorted(scales()))
def test_a_worse_report_of_any_instrument_today_never_makes_the_answer_faster(name: str) -> None:
    answers = {n: x for n, x in ANSWERED.items() if n != name}
    calm = {n: x for n, x in CALM_REPORTS.items() if n != name}
    for doses in ([(DRUGS[0], 1, 60), (DRUGS[2], 0, 1)], [(DRUGS[1], 2, 20)]):
        paces = [
            chosen_pace(replace(history_of(doses, {**calm, name: x}), answers=answers), [0.0] * 60, Limits())
            for x in grid(name)
        ]
        assert paces == sorted(paces, reverse=True), (name, list(zip(grid(name), paces, strict=True)))


@cache
def planned() -> tuple[Situation, list[Option]]:
    """Situation and options of a person whose dose was cut 60 days ago; reports change neither."""
    _, situation, _, _ = options_under(history_of([(DRUGS[0], 1, 60)], CALM_REPORTS))
    return situation, options_of(situation, Limits(), Limits().horizon_days)


def pace_with(name: str, ago: int, value: float) -> float:
    """Pace of the chosen option if an instrument had this value so many days ago, with the forecasts of a calm person.

    -1 for no options at all.
    """
    situation, options = planned()
    answers = {n: x for n, x in ANSWERED.items() if n != name}
    history = history_of([(DRUGS[0], 1, 60)], {n: x for n, x in CALM_REPORTS.items() if n != name})
    earlier = CheckIn(TODAY - timedelta(days=ago), name, value)
    values = Values(replace(history, checkins=(*history.checkins, earlier), answers=answers), TODAY)
    values = replace(values, assumed={"reduction_planned": 1.0})
    judged = judge(values, {})
    if judged.urgent or judged.unconfirmed:
        return -1.0
    after = [barred(option, judged, values, situation, 1) for option in options]
    maintain = "" if judged.holding else "; ".join(f.flag for f in judged.maintained)
    pause = "why" if judged.unsigned("pause_until_acknowledged") else ""
    chosen = choose({o.name: forecast(o, 0.0) for o in after}, after, Limits(), maintain, pause)[0]
    return next(o.pct_per_28d for o in after if o.name == chosen)


@pytest.mark.parametrize("name", sorted(scales()))
def test_a_worse_report_of_an_earlier_day_since_the_cut_never_makes_the_answer_faster(name: str) -> None:
    # reports of the days before the cut are left out: they are what the later ones are compared with
    points = grid(name)
    points = [points[0], points[len(points) // 2], points[-1]]
    paces = [pace_with(name, 1, x) for x in points]
    assert paces == sorted(paces, reverse=True), (name, list(zip(points, paces, strict=True)))


def test_some_report_of_an_earlier_day_holds_the_taper() -> None:
    names = ("phq9_item9", "cows", "sows_gossop", "poss", "spo2", "resp_rate", "temp_c", "suicidal_intent", "seizure")
    held = [name for name in names if pace_with(name, 1, grid(name)[-1]) < pace_with(name, 1, grid(name)[0])]
    assert len(held) >= 5, held


@pytest.mark.parametrize("day", [TODAY, TODAY - timedelta(days=1)])
def test_the_generated_records_are_offered_reductions_when_nothing_is_wrong(day: date) -> None:
    calm = history_of([(DRUGS[0], 1, 60)], CALM_REPORTS)
    assert chosen_pace(calm, [0.0] * 60, Limits()) > 0.0
