"""A reduction is made of products that exist, keeps the rate of its pace, and is written as a pharmacist writes it."""

import math
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken, equivalents_of
from taper_sim.data.formulary import find_drug
from taper_sim.data.original_dose import OriginalDose
from taper_sim.model.pharmacology import Drug, administrations, dispensable_totals, regimen
from taper_sim.recommend.dispensed_forms import MOST_STEP_PCT, USUAL_STEP_PCT, groups_of, ways_of
from taper_sim.recommend.options import Option, Situation, options_of, schedule_of
from taper_sim.recommend.reduction_steps import in_smaller_steps, taper_at_pace, wait_d
from taper_sim.recommend.written_schedule import acetaminophen_words
from taper_sim.safety.ceilings import Ceiling
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES

DAYS = 84
DATES = [(date(2026, 3, 31) + timedelta(days=d)).isoformat() for d in range(DAYS + 2)]


def taking(*drugs: tuple[str, str, float], ceiling: float = 10.0, recent: np.ndarray | None = None) -> Situation:
    """A person who has taken these drugs unchanged, or with these recent doses."""
    now = tuple(DrugTaken(drug := find_drug(name, form), dose, administrations(drug)) for name, form, dose in drugs)
    dose = equivalents_of(now)
    original = {c: OriginalDose(tuple(s for s in now if s.drug.drug_class == c), "x") for c in DRUG_CLASSES}
    ceilings = {c: Ceiling(c, ceiling, "b", ceiling, "p") for c in DRUG_CLASSES}
    days = np.tile(dose, (28, 1)) if recent is None else recent
    return Situation(now, {c: o for c, o in original.items() if o.drugs}, days, dose, {}, ceilings, {})


def taper(situation: Situation, pct: float = 10.0, **limits: float) -> Option:
    """Taper of the first class."""
    return taper_at_pace(situation, situation.classes[0], pct, Limits(**limits), DAYS)  # type: ignore[arg-type]


def levels(option: Option, situation: Situation) -> list[tuple[int, float]]:
    """Days and equivalents of the class, today first."""
    assert option.drug_class is not None
    k = DRUG_CLASSES.index(option.drug_class)
    return [(day, float(equivalents_of(slots)[k])) for day, slots in ((0, situation.now), *option.steps)]


def products(slots: DrugsTaken) -> list[str]:
    """Products in words."""
    return [f"{slot.drug.drug} {slot.drug.formulation} {slot.dose:g}" for slot in slots]


# -- the rule ----------------------------------------------------------------------------------------------------------


def test_a_step_of_an_eighth_waits_five_weeks_at_a_tenth_in_four() -> None:
    assert (wait_d(12.5, 10.0), wait_d(10.0, 10.0), wait_d(10.1, 10.0), wait_d(12.5, 5.0)) == (35, 28, 35, 70)
    option = taper(taking(("oxycodone", "IR", 20.0)))
    assert [(day, products(slots)) for day, slots in option.steps] == [
        (36, ["oxycodone IR 17.5"]),
        (71, ["oxycodone IR 15"]),
    ]


def test_a_step_within_the_pace_begins_tomorrow() -> None:
    option = taper(taking(("oxycodone", "IR", 60.0)))
    assert [day for day, _ in option.steps] == [1, 29, 57]


def test_reductions_of_the_last_weeks_count() -> None:
    recent = np.zeros((28, 3))
    recent[:18, 0], recent[18:, 0] = 67.5, 60.0  # 5 mg of 45 mg ten days ago: 11 % of the dose now
    option = taper(taking(("oxycodone", "IR", 40.0), recent=recent))
    assert option.steps[0][0] == 19  # when 28 days have passed


def everyone() -> list[Drug]:
    """Every form that a record can name."""
    return [*formulary.formulary().values(), *formulary.forms().values()]


def with_a_switch_at_once(option: Option, situation: Situation) -> list[tuple[int, float]]:
    """The levels, as if a switch that takes its weeks were whole on its first day: it waits for all of its cut."""
    steps = levels(option, situation)
    if not option.steps:
        return steps
    gone = {slot.drug.key for slot in situation.now} - {slot.drug.key for slot in option.steps[-1][1]}
    stages = [day for day, slots in option.steps if gone & {slot.drug.key for slot in slots}]
    if not option.needs or not stages:
        return steps
    begins = next(day for day, slots in option.steps if len(slots) > len(situation.now))
    whole = next(level for day, level in steps if day > max(stages))
    return [*(pair for pair in steps if pair[0] < begins), (begins, whole)] + [
        pair for pair in steps if pair[0] > max(stages) and pair[1] != whole
    ]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """One or two drugs of one class at doses that exist, with recent reductions or without."""
    first = draw(st.sampled_from(everyone()))
    same = [d for d in everyone() if d.drug_class == first.drug_class and not (d.is_buprenorphine or d.is_patch)]
    others = [] if first.is_buprenorphine else draw(st.lists(st.sampled_from(same), max_size=1))
    taken = []
    for drug in {d.key: d for d in (first, *others)}.values():
        most = 3600.0 if drug.drug == "gabapentin" else 8 * drug.strengths[-1]  # the end of its absorption table
        totals = dispensable_totals(drug, administrations(drug), most)
        at = draw(st.integers(1, min(len(totals) - 1, 60)))
        taken.append((drug.drug, drug.formulation, float(totals[at])))
    situation = taking(*taken, ceiling=draw(st.sampled_from([5.0, 10.0, 15.0, 20.0, 30.0])))
    if draw(st.booleans()):
        days, share = draw(st.integers(1, 27)), draw(st.floats(1.0, 1.1))
        situation.recent[: 28 - days] *= share
    return situation


@settings(max_examples=150, deadline=None)
@given(situations(), st.sampled_from([2.5, 5.0, 7.5, 10.0, 15.0, 20.0]), st.sampled_from([7, 14, 28]))
def test_every_reduction_keeps_the_rule(situation: Situation, pct: float, every: int) -> None:
    option = taper(situation, pct, step_every_d=every)
    ceiling = next(iter(situation.ceilings.values())).pct_per_28d
    if option.blocked:
        assert not option.steps and ("ceiling" in option.blocked)
        return
    assert pct <= ceiling
    assert option == taper(situation, pct, step_every_d=every)
    k = DRUG_CLASSES.index(situation.classes[0])
    original = situation.original_equivalents(situation.classes[0])
    course = [*situation.recent[:, k]]
    by_day = dict(levels(option, situation))
    for day in range(1, DAYS + 1):
        course.append(by_day.get(day, course[-1]))
    before = 0
    for (_, earlier), (_, later) in pairwise(levels(option, situation)):
        assert 100 * (earlier - later) / original >= -1e-6  # no dose rises
    for (_, earlier), (day, later) in pairwise(with_a_switch_at_once(option, situation)):
        cut = 100 * (earlier - later) / original
        first_change = option.needs and day == option.steps[0][0]
        assert cut <= (50.0 if first_change else MOST_STEP_PCT) + 1e-6
        if cut > pct * every / 28 + 1e-6:  # it waits
            assert day - max(before, 1) >= 28 * cut / pct - 1e-6
            assert original * (cut - 1e-6) / 100 <= pct / 100 * original * (day - 1) / 28 + 1e-6 * original
        if cut <= ceiling:
            assert 100 * (course[28 + day - 29] - later) / original <= ceiling + 1e-6
        before = day
    for a in range(DAYS):  # over any stretch of days the rate, and one interval or one larger step ahead of it
        for b in range(a + 1, DAYS + 1):
            fall = 100 * (course[27 + a] - course[27 + b]) / original
            assert fall <= ceiling * (b - a) / 28 + max(ceiling, 50.0 if option.needs else MOST_STEP_PCT) + 1e-6


@settings(max_examples=150, deadline=None)
@given(situations(), st.sampled_from([5.0, 10.0]))
def test_every_dose_is_made_of_products_at_times_that_stay(situation: Situation, pct: float) -> None:
    option = taper(situation, pct)
    if option.blocked:
        return
    written: dict[tuple[str, str], list[int]] = {}
    for number, (_, slots) in enumerate(option.steps):
        for slot in slots:
            written.setdefault(slot.drug.key, []).append(number)
            if slot in situation.now:
                continue
            taken = regimen(slot.drug, slot.dose, slot.times)
            of_day = sum(piece.amount * count for piece, count in taken.pills_per_day.items())
            assert of_day == pytest.approx(slot.dose)
            own = next((s for s in situation.now if s.drug.drug == slot.drug.drug), None)
            now = set() if own is None else {own.times, len(regimen(own.drug, own.dose, own.times).times)}
            switched = {own.times - 1, own.times - 2} if own is not None and option.needs else set()
            most = max(administrations(slot.drug), *(s.times for s in situation.now))
            assert slot.times in now | switched | {administrations(slot.drug), 3, 2, 1} and slot.times <= most
    for numbers in written.values():  # no product comes and goes
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


# -- products ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drug", "form", "dose", "ceiling", "first"),
    [
        ("morphine", "IR", 30.0, 10.0, (1, ["morphine oral solution 27"])),
        ("morphine", "ER", 30.0, 10.0, (1, ["morphine ER 15", "morphine oral solution 12"])),
        ("morphine", "ER", 60.0, 10.0, (71, ["morphine ER 45"])),
        ("clonazepam", "IR", 2.0, 5.0, (71, ["clonazepam IR 1.75"])),
        ("clonazepam", "IR", 1.0, 5.0, (71, ["clonazepam orally disintegrating tablet 0.875"])),
        ("buprenorphine", "SL film/tablet", 16.0, 10.0, (36, ["buprenorphine SL film/tablet 14"])),
        ("fentanyl", "TD", 100.0, 10.0, (43, ["fentanyl TD 87"])),
        ("temazepam", "IR capsule", 30.0, 5.0, (1, ["diazepam IR 15"])),
        ("hydromorphone", "ER", 8.0, 10.0, (1, ["hydromorphone IR 8"])),
    ],
)
def test_the_nearest_product_that_makes_a_small_step_is_used(
    drug: str, form: str, dose: float, ceiling: float, first: tuple[int, list[str]]
) -> None:
    option = taper(taking((drug, form, dose), ceiling=ceiling), ceiling)
    day, slots = option.steps[0]
    assert (day, products(slots)) == first
    assert bool(option.needs) is (first[1][0].split()[0] != drug or (form == "ER" and "IR" in first[1][0]))


@pytest.mark.parametrize(("drug", "form"), [("tramadol", "ER"), ("codeine", "IR"), ("oxycodone", "ER")])
def test_nobody_gets_acetaminophen_for_want_of_a_finer_tablet(drug: str, form: str) -> None:
    for way, *_ in ways_of(groups_of(taking((drug, form, 60.0)).now)):
        assert not way[0].drug.acetaminophen_mg and (way[0].beside is None or not way[0].beside.acetaminophen_mg)


def test_a_patch_is_left_for_another_opioid_only_with_a_pharmacist_and_at_least_a_quarter_lower() -> None:
    situation = taking(("fentanyl", "TD", 25.0))
    option = taper(situation)
    assert option.needs.startswith("a pharmacist checks the rotation") and "after a change to morphine" in option.name
    assert levels(option, situation)[1][1] <= 0.75 * situation.original_equivalents("opioid")
    for small in (("buprenorphine", "SL film/tablet", 2.0), ("buprenorphine", "TD", 5.0)):  # no equivalence at all
        blocked = taper(taking(small)).blocked
        assert "100 % of the original dose" in blocked and "no equivalence is offered" in blocked


def test_a_large_step_has_a_variant_in_smaller_ones_and_no_other_has() -> None:
    situation = taking(("morphine", "ER", 60.0))
    names = [o.name for o in options_of(situation, Limits(), DAYS) if o.kind == "reduce" and not o.blocked]
    variants = [name for name in names if "in smaller steps with morphine oral solution" in name]
    assert len(variants) == 1 and variants[0].startswith("reduce opioid by 10 %")
    finer = in_smaller_steps(taper(situation), situation, Limits(), DAYS)
    assert finer is not None and products(finer.steps[0][1]) == ["morphine ER 45", "morphine oral solution 9"]
    assert max(a - b for (_, a), (_, b) in pairwise(levels(finer, situation))) <= USUAL_STEP_PCT / 100 * 60.0
    small = taking(("oxycodone", "IR", 60.0))
    assert in_smaller_steps(taper(small), small, Limits(), DAYS) is None


@pytest.mark.parametrize(("form", "dose"), [("ER", 75.0), ("ER", 60.0), ("ER", 105.0)])
def test_immediate_release_beside_extended_release_is_taken_at_all_its_times(form: str, dose: float) -> None:
    situation = taking(("morphine", form, dose))
    plan = in_smaller_steps(taper(situation, 5.0), situation, Limits(), DAYS) or taper(situation, 2.5)
    beside = [slot for _, slots in plan.steps for slot in slots if slot.drug.formulation != "ER"]
    assert beside and all(len(regimen(slot.drug, slot.dose, slot.times).times) == 3 for slot in beside)


def test_of_two_drugs_one_is_lowered_at_a_time_and_the_other_stays_as_it_is() -> None:
    situation = taking(("morphine", "ER", 120.0), ("oxycodone", "IR", 60.0))
    option = taper(situation)
    for (_, earlier), (_, later) in pairwise([(0, situation.now), *option.steps]):
        assert len(set(products(earlier)) ^ set(products(later))) == 2


# -- what is dispensed -------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(situations())
def test_supplies_add_up_to_the_doses_of_their_days(situation: Situation) -> None:
    option = taper(situation)
    rows = [row for row in schedule_of(option, situation.now, DATES) if row["quantity"]] if option.steps else []
    for row in rows:
        drug = find_drug(str(row["drug"]), str(row["formulation"]))
        dose = row["dose_mcg_per_h"] if drug.is_patch else row["dose_mg_per_day"]
        assert isinstance(dose, float) and isinstance(row["days_supplied"], list)
        assert isinstance(row["dispense_on"], list) and isinstance(row["quantity"], list)
        assert row["dispense_on"][0] == row["date"]
        for day, days, quantity in zip(row["dispense_on"], row["days_supplied"], row["quantity"], strict=True):
            assert 1 <= days <= 28 and day >= str(row["date"])
            if drug.mg_per_ml is not None:
                assert sum(quantity.values()) * drug.mg_per_ml == pytest.approx(dose * days)
                continue
            sizes = {float(words.split()[0]): count for words, count in quantity.items()}
            assert all(count == int(count) for count in sizes.values())
            given_out, over = sum(size * count for size, count in sizes.items()), sum(sizes) / 2
            if drug.is_patch:
                assert given_out == pytest.approx(dose * math.ceil(days * 24 / drug.interval_h))
            else:
                assert dose * days - 1e-6 <= given_out <= dose * days + over + 1e-6


def test_a_schedule_states_tablets_dates_and_days_until_the_next_change() -> None:
    situation = taking(("oxycodone", "IR", 20.0))
    rows = schedule_of(taper(situation), situation.now, DATES)
    assert rows[0]["quantity"] == []  # what is taken now is not rewritten
    assert rows[1]["dispense_on"] == ["2026-05-06", "2026-06-03"] and rows[1]["days_supplied"] == [28, 7]
    assert rows[1]["quantity"] == [{"5 mg tablet": 98}, {"5 mg tablet": 25}]  # 3.5 a day


def test_acetaminophen_is_counted() -> None:
    percocet = (DrugTaken(find_drug("oxycodone-acetaminophen", "IR"), 80.0, 4),)
    assert "2600 to 10400 mg a day" in acetaminophen_words(percocet)[0]
    few = (DrugTaken(find_drug("oxycodone-acetaminophen", "IR"), 20.0, 4),)
    assert acetaminophen_words(few) == []


def test_a_plan_goes_on_in_its_products_when_it_is_asked_again() -> None:
    """Morphine ER 45 mg with 9 mg of solution: the solution is lowered and raised, and never dropped on the way."""
    situation = taking(("morphine", "ER", 45.0), ("morphine", "oral solution", 9.0))
    option = taper(situation)
    assert len(option.steps) == 3 and not option.needs
    for _, slots in option.steps:
        assert [slot.drug.formulation for slot in slots] == ["ER", "oral solution"]
    lowest = taper(taking(("morphine", "ER", 15.0), ("morphine", "oral solution", 3.0)), step_every_d=14)
    assert all("IR" not in slot.drug.formulation for _, slots in lowest.steps for slot in slots)


def test_a_patch_worn_for_two_days_stays_one() -> None:
    patch = DrugTaken(find_drug("fentanyl", "TD"), 100.0, 1, interval_h=48.0)
    situation = taking(("fentanyl", "TD", 100.0))
    situation = replace(situation, now=(patch,))
    rows = schedule_of(taper(situation), situation.now, DATES)
    assert "changed every 48 h" in str(rows[1]["tablets"]) and rows[1]["quantity"][0] == {  # type: ignore[index]
        "75 mcg/h patch": 14,
        "12 mcg/h patch": 14,
    }
