"""Drugs by arithmetic: level, equivalence, what can be dispensed, and how it is divided over the day."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from taper_sim.model import pharmacology as ph
from taper_sim.model.pharmacology import Absorption, Drug, Tablet


def drug(name: str = "morphine", formulation: str = "ER", **changes: object) -> Drug:
    """Write out a drug as the table has it: the model reads no files."""
    base = Drug(
        drug="morphine",
        drug_class="opioid",
        formulation="ER",
        dose_unit="mg",
        effect_half_life_h=9.5,
        interval_h=12.0,
        trough_mean=0.46,
        equivalence_factor=1.0,
        equivalence_factor_alt=None,
        strengths=(15.0, 30.0, 60.0),
        splittable=False,
        smallest_step=15.0,
    )
    return replace(base, drug=name, formulation=formulation, **changes)  # type: ignore[arg-type]


ER = drug()
IR = drug(formulation="IR", strengths=(15.0, 30.0), splittable=True, smallest_step=7.5, interval_h=4.0)
METHADONE = drug("methadone", "IR", equivalence_factor=4.7, strengths=(5.0, 10.0), splittable=True, smallest_step=2.5)
FENTANYL = drug(
    "fentanyl",
    "TD",
    dose_unit="mcg_per_h",
    equivalence_factor=2.4,
    interval_h=72.0,
    smallest_step=12.0,
    strengths=(12.0, 25.0, 37.5, 50.0, 75.0, 100.0),
)
BUP_SL = drug(
    "buprenorphine",
    "SL film/tablet",
    equivalence_factor=None,
    interval_h=24.0,
    smallest_step=2.0,
    strengths=(2.0, 4.0, 8.0, 12.0),
)
BUP_TD = drug(
    "buprenorphine",
    "TD",
    dose_unit="mcg_per_h",
    equivalence_factor=None,
    interval_h=168.0,
    smallest_step=5.0,
    strengths=(5.0, 7.5, 10.0, 15.0, 20.0),
)
DIAZEPAM = drug(
    "diazepam", "IR", drug_class="benzodiazepine", strengths=(2.0, 5.0, 10.0), splittable=True, smallest_step=1.0
)
GABAPENTIN = drug(
    "gabapentin",
    "IR",
    drug_class="gabapentinoid",
    equivalence_factor=1 / 6,
    interval_h=8.0,
    strengths=(100.0, 300.0, 400.0, 600.0, 800.0),
    smallest_step=100.0,
)
ABSORBED = Absorption(
    np.array([0.0, 100, 200, 300, 400, 800, 1200, 1600]), np.array([0.0, 180, 360, 540, 564, 816, 1188, 1296]) / 3
)
ALL = (ER, IR, METHADONE, FENTANYL, BUP_SL, BUP_TD, DIAZEPAM, GABAPENTIN)


# level


@pytest.mark.parametrize("trough_mean", [1e-6, 0.1, 0.46, 0.54, 0.7, 0.85, 0.92, 0.999])
def test_the_shape_of_the_day_has_mean_1_and_solves_its_equation(trough_mean: float) -> None:
    shape = ph.within_day_shape(trough_mean)
    assert shape.shape == (4,)
    assert shape.mean() == pytest.approx(1.0, abs=1e-15)
    x = math.log(shape[0] / shape[1]) * 4
    assert x / math.expm1(x) == pytest.approx(trough_mean, rel=1e-12)
    assert np.all(np.diff(shape) < 0)
    np.testing.assert_allclose(np.diff(np.log(shape)), -x / 4, rtol=1e-9)  # points a quarter of a day apart


def test_a_steadier_formulation_has_a_flatter_day() -> None:
    swings = [np.ptp(ph.within_day_shape(trough_mean)) for trough_mean in (0.3, 0.5, 0.7, 0.9)]
    assert swings == sorted(swings, reverse=True)


@pytest.mark.parametrize("trough_mean", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_a_trough_that_is_no_share_of_the_mean_is_refused(trough_mean: float) -> None:
    with pytest.raises(ValueError, match="above 0 and below 1"):
        ph.within_day_shape(trough_mean)


def test_a_level_halves_in_its_half_life() -> None:
    assert ph.level_decay(24.0) == pytest.approx(0.5)
    assert ph.level_decay([12.0, 48.0]) == pytest.approx([0.25, math.sqrt(0.5)])
    with pytest.raises(ValueError, match="above 0 hours"):
        ph.level_decay([3.0, 0.0])


# equivalence


def test_a_fentanyl_patch_of_25_mcg_per_h_is_60_mme() -> None:
    assert ph.to_equivalents(FENTANYL, 25.0) == pytest.approx(60.0)


def test_equivalents_keep_shape_and_unknown_doses() -> None:
    found = ph.to_equivalents(METHADONE, [[10.0, np.nan], [0.0, 20.0]])
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found, [[47.0, np.nan], [0.0, 94.0]])


def test_methadone_counts_by_4_7_and_is_flagged() -> None:
    assert ph.to_equivalents(METHADONE, 30.0) == pytest.approx(141.0)
    assert METHADONE.flag is not None
    assert "CDC 2022 factor 4.7; flagged: not for dose conversion" in METHADONE.flag
    assert ER.flag is None


def test_buprenorphine_counts_in_its_own_mg_and_never_in_mme() -> None:
    assert ph.to_equivalents(BUP_SL, 16.0) == 16.0
    assert ph.to_equivalents(BUP_TD, 20.0) == pytest.approx(0.48)
    assert "never converted to MME" in ph.scale_of(BUP_SL)
    assert "MME" in ph.scale_of(ER)
    assert BUP_SL.flag is not None


def test_a_total_of_buprenorphine_and_another_opioid_is_unknown() -> None:
    ph.check_one_scale([BUP_SL, DIAZEPAM, GABAPENTIN])
    ph.check_one_scale([ER, IR, METHADONE])
    with pytest.raises(ValueError, match="unknown"):
        ph.check_one_scale([BUP_SL, ER])
    with pytest.raises(ValueError, match="unknown"):
        ph.check_one_scale([BUP_SL, BUP_TD])


def test_an_opioid_without_a_factor_is_not_counted_as_zero() -> None:
    with pytest.raises(ValueError, match="no equivalence factor"):
        ph.to_equivalents(replace(ER, equivalence_factor=None), 10.0)


def test_gabapentin_at_three_doses_a_day_equals_the_table() -> None:
    daily = np.array([0.0, 300, 600, 900, 1200, 2400, 3600, 4800])
    absorbed = np.array([0.0, 180, 360, 540, 564, 816, 1188, 1296])
    np.testing.assert_allclose(ph.to_equivalents(GABAPENTIN, daily, ABSORBED), absorbed / 3.6, rtol=1e-14)


def test_equal_steps_of_gabapentin_are_not_equal_drug() -> None:
    at_1200, at_900, at_600 = ph.to_equivalents(GABAPENTIN, [1200.0, 900.0, 600.0], ABSORBED)
    assert 1 - at_900 / at_1200 < 0.10
    assert 1 - at_600 / at_900 > 0.25


def test_gabapentin_in_more_doses_is_absorbed_better() -> None:
    assert ph.to_equivalents(GABAPENTIN, 2400.0, ABSORBED, 4) > ph.to_equivalents(GABAPENTIN, 2400.0, ABSORBED, 3)


def test_extended_gabapentin_once_a_day_is_read_as_divided() -> None:
    slow = replace(GABAPENTIN, formulation="ER (gastroretentive)", interval_h=24.0)
    assert ph.to_equivalents(slow, 1800.0, ABSORBED, 1) == ph.to_equivalents(GABAPENTIN, 1800.0, ABSORBED, 3)


def test_gabapentin_above_its_table_is_refused_not_extrapolated() -> None:
    with pytest.raises(ValueError, match=r"known up to 4800 .* given 4900; check the dose, or divide"):
        ph.to_equivalents(GABAPENTIN, [900.0, 4900.0], ABSORBED)
    with pytest.raises(ValueError, match="known up to 1600"):
        ph.to_equivalents(GABAPENTIN, 1800.0, ABSORBED, 1)


def test_gabapentin_without_its_table_is_refused() -> None:
    with pytest.raises(ValueError, match="absorbed dose"):
        ph.to_equivalents(GABAPENTIN, 900.0)


@pytest.mark.parametrize("dose", [-1.0, np.inf])
def test_equivalents_of_an_impossible_dose_are_refused(dose: float) -> None:
    with pytest.raises(ValueError, match="at least 0 and finite"):
        ph.to_equivalents(ER, [10.0, dose])


@pytest.mark.parametrize("taken", ALL, ids=lambda d: "-".join(d.key))
def test_from_equivalents_undoes_to_equivalents(taken: Drug) -> None:
    doses = np.linspace(0, 300, 41)
    there = ph.to_equivalents(taken, doses, ABSORBED)
    np.testing.assert_allclose(ph.from_equivalents(taken, there, ABSORBED), doses, rtol=1e-12, atol=1e-12)


# what can be dispensed


def test_the_worked_taper_of_morphine_er_90_mg_every_8_hours_can_be_dispensed() -> None:
    totals = ph.dispensable_totals(ER, 3, 270.0)
    assert {270.0, 225.0, 180.0, 135.0, 90.0, 45.0, 30.0, 15.0, 0.0} <= set(totals)


def test_the_worked_taper_reads_as_its_source_writes_it() -> None:
    every_8_h = "in the morning, in the afternoon and at bedtime"
    assert ph.regimen(ER, 270, 3).words() == f"60 mg + 30 mg tablet {every_8_h}"
    assert ph.regimen(ER, 225, 3).words() == f"60 mg + 15 mg tablet {every_8_h}"
    assert ph.regimen(ER, 45, 3).words() == f"15 mg tablet {every_8_h}"
    assert ph.regimen(ER, 30, 3).words() == "15 mg tablet in the morning and at bedtime"
    assert ph.regimen(ER, 15, 3).words() == "15 mg tablet at bedtime"
    assert ph.regimen(ER, 0, 3).words() == "none"


def test_an_er_tablet_is_never_halved_and_an_ir_tablet_may_be() -> None:
    assert ph.dispensable_totals(ER, 2, 60.0).tolist() == [0, 15, 30, 45, 60]
    assert ph.dispensable_totals(IR, 2, 30.0).tolist() == [0, 7.5, 15, 22.5, 30]
    assert ph.regimen(IR, 22.5, 1).words() == "15 mg + half of a 15 mg tablet once a day"


def test_a_half_below_the_smallest_step_is_not_made() -> None:
    finest = ph.dispensable_totals(replace(IR, smallest_step=10.0), 1, 60.0)
    assert finest.tolist() == [0, 15, 30, 45, 60]


def test_patches_are_added_up_and_worn_together() -> None:
    totals = ph.dispensable_totals(FENTANYL, 1, 100.0)
    assert totals.tolist() == [0, 12, 25, 37.5, 50, 62, 75, 87, 100]
    assert ph.regimen(FENTANYL, 62).words() == "50 mcg/h + 12 mcg/h patch, worn together, changed every 72 h"
    with pytest.raises(ValueError, match="worn together"):
        ph.dispensable_totals(FENTANYL, 3, 100.0)


def _ways_by_hand(taken: Drug, up_to: float) -> set[float]:
    """Amounts of at most six pieces, by listing them all: another way than the table that the package fills."""
    pieces = [*taken.strengths, *(s / 2 for s in taken.strengths if taken.splittable and s / 2 >= taken.smallest_step)]
    wholes = [sum(c) for n in range(7) for c in itertools.combinations_with_replacement(taken.strengths, n)]
    fewer = [sum(c) for n in range(6) for c in itertools.combinations_with_replacement(taken.strengths, n)]
    halved = [f + half for f in fewer for half in pieces[len(taken.strengths) :]]
    return {amount for amount in [*wholes, *halved] if amount <= up_to}


@pytest.mark.parametrize("taken", [ER, IR, METHADONE, BUP_SL, DIAZEPAM, GABAPENTIN], ids=lambda d: "-".join(d.key))
def test_one_dose_is_any_sum_of_up_to_six_pieces(taken: Drug) -> None:
    up_to = taken.strengths[-1] * 0.99  # below the largest strength the cap is six pieces
    assert set(ph.dispensable_totals(taken, 1, up_to)) == _ways_by_hand(taken, up_to)


@pytest.mark.parametrize("taken", ALL, ids=lambda d: "-".join(d.key))
@pytest.mark.parametrize("doses_per_day", [1, 2, 3, 4, 6])
def test_every_total_has_a_regimen_as_even_as_the_strengths_allow(taken: Drug, doses_per_day: int) -> None:
    n = 1 if taken.is_patch else doses_per_day
    single = [0.0, *ph.dispensable_totals(taken, 1, 4 * taken.strengths[-1])]
    for total in ph.dispensable_totals(taken, n, 3 * n * taken.strengths[-1]):
        found = ph.regimen(taken, float(total), n)
        amounts = [sum(piece.amount for piece in pieces) for _, pieces in found.times]
        amounts = [0.0] * (n - len(amounts)) + amounts
        assert sum(amounts) == pytest.approx(total)
        assert amounts == sorted(amounts)
        between = [a for a in single if min(amounts) < a < max(amounts)]
        assert not between


@pytest.mark.parametrize("taken", ALL, ids=lambda d: "-".join(d.key))
def test_the_totals_of_a_smaller_dose_begin_those_of_a_larger(taken: Drug) -> None:
    n = ph.administrations(taken)
    long = ph.dispensable_totals(taken, n, 900.0)
    for up_to in (0.0, 5.0, 37.0, 90.0, 240.0, 601.0):
        np.testing.assert_array_equal(ph.dispensable_totals(taken, n, up_to), long[long <= up_to])


def test_high_doses_can_still_be_dispensed() -> None:
    assert 1200.0 in ph.dispensable_totals(ER, 2, 1200.0)
    assert ph.regimen(ER, 1200, 2).pills_per_day == {Tablet(60.0): 20}


def test_totals_shared_by_a_cohort_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ph.dispensable_totals(ER, 2, 90.0)[0] = 1.0


def test_the_interval_says_how_often_and_must_divide_the_day() -> None:
    assert [ph.administrations(d) for d in (ER, IR, BUP_SL, FENTANYL, BUP_TD)] == [2, 6, 1, 1, 1]
    assert ph.administrations(ER, 8.0) == 3
    assert ph.administrations(FENTANYL, 48.0) == 1
    for interval_h in (5.0, 36.0, 0.0, math.nan):
        with pytest.raises(ValueError, match="allowed: 1, 2, 3, 4, 6, 8, 12 or 24 h"):
            ph.administrations(ER, interval_h)


# rounding


def test_rounding_takes_the_nearest_total_and_ties_go_to_the_slower_dose() -> None:
    totals = ph.dispensable_totals(ER, 2, 90.0)
    found = ph.round_to_dispensable([81.0, 82.5, 83.0, 82.4, 7.5, 7.4, 0.0], 90.0, totals)
    assert found.tolist() == [75, 90, 90, 75, 15, 0, 0]


def test_a_tie_stays_a_tie_after_rounding_error() -> None:
    totals = ph.dispensable_totals(IR, 1, 30.0)
    assert ph.round_to_dispensable(3.75 - 1e-12, 30.0, totals) == 7.5


def test_a_reduction_never_ends_above_the_dose_before() -> None:
    totals = ph.dispensable_totals(ER, 2, 120.0)
    assert ph.round_to_dispensable(46.0, 47.0, totals) == 45.0
    assert ph.round_to_dispensable(54.0, 55.0, totals) == 45.0
    rng = np.random.Generator(np.random.PCG64(1))
    previous = rng.uniform(0, 120, 5000)
    ideal = previous * rng.uniform(0, 1, 5000)
    dispensed = ph.round_to_dispensable(ideal, previous, totals)
    assert np.all(dispensed <= previous)
    assert np.isin(dispensed, totals).all()


def test_holding_a_dose_changes_nothing_even_if_it_cannot_be_dispensed() -> None:
    totals = ph.dispensable_totals(ER, 2, 90.0)
    assert ph.round_to_dispensable([47.0, 90.0], [47.0, 90.0], totals).tolist() == [47, 90]


def test_an_increase_never_ends_below_the_dose_before() -> None:
    totals = ph.dispensable_totals(ER, 2, 90.0)
    assert ph.round_to_dispensable([50.0, 75.0, 200.0], [47.0, 60.0, 60.0], totals).tolist() == [47, 75, 90]


def test_rounding_does_not_take_a_dose_below_the_ceiling_on_pace() -> None:
    totals = ph.dispensable_totals(ER, 2, 90.0)
    found = ph.round_to_dispensable([81.0, 81.0, 20.0], 90.0, totals, at_least=[81.0, 70.0, 62.0])
    assert found.tolist() == [90, 75, 75]
    assert ph.round_to_dispensable(40.0, 47.0, totals, at_least=46.0) == 47.0


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_rounding_refuses_what_is_no_dose(bad: float) -> None:
    totals = ph.dispensable_totals(ER, 2, 90.0)
    for ideal, previous, floor in ((bad, 90.0, 0.0), (75.0, bad, 0.0), (75.0, 90.0, bad)):
        with pytest.raises(ValueError, match="finite doses"):
            ph.round_to_dispensable(ideal, previous, totals, floor)
    with pytest.raises(ValueError, match="rise from 0"):
        ph.round_to_dispensable(10.0, 20.0, [15.0, 30.0])


# regimens


def test_larger_amounts_stand_towards_bedtime() -> None:
    found = ph.regimen(ER, 240, 3)
    assert [sum(p.amount for p in pieces) for _, pieces in found.times] == [75, 75, 90]
    assert found.words().endswith("60 mg + 30 mg tablet at bedtime")


def test_pills_are_counted_by_strength_with_halves_apart() -> None:
    assert ph.regimen(ER, 240, 3).pills_per_day == {Tablet(60.0): 3, Tablet(30.0): 1, Tablet(15.0): 2}
    assert ph.regimen(IR, 45, 2).pills_per_day == {Tablet(15.0): 2, Tablet(15.0, half=True): 2}


def test_a_regimen_takes_the_fewest_tablets() -> None:
    assert ph.regimen(ER, 60, 1).pills_per_day == {Tablet(60.0): 1}
    assert ph.regimen(ER, 105, 1).pills_per_day == {Tablet(60.0): 1, Tablet(30.0): 1, Tablet(15.0): 1}


def test_a_dose_that_cannot_be_dispensed_is_refused_with_its_neighbours() -> None:
    with pytest.raises(ValueError, match=r"made of 15, 30, 60 mg, taken 2 times a day; given 47; nearest: 45 and 60"):
        ph.regimen(ER, 47, 2)


def test_an_interval_without_a_name_still_has_words() -> None:
    assert ph.regimen(IR, 60, 8).words().startswith("half of a 15 mg tablet as dose 1 of 8")


@pytest.mark.parametrize("n", [1, 3])
def test_the_neighbours_of_a_refused_dose_are_named_for_a_drug_of_one_strength(n: int) -> None:
    one = replace(METHADONE, strengths=(10.0,), splittable=False, smallest_step=10.0)
    with pytest.raises(ValueError, match=r"given 95; nearest: 90 and 100"):
        ph.regimen(one, 95.0, n)


def test_what_is_dispensed_is_what_is_taken() -> None:
    schedule = [(1, ph.regimen(ER, 90, 2)), (15, ph.regimen(ER, 75, 2))]
    assert ph.to_dispense(schedule, 1, 29) == {30.0: 28 + 28, 15.0: 28 + 14}


def test_halves_are_rounded_up_to_whole_tablets_over_the_supply() -> None:
    schedule = [(1, ph.regimen(IR, 22.5, 1))]
    assert ph.to_dispense(schedule, 1, 8) == {15.0: 7 + 4}


def test_at_most_28_days_are_dispensed_at_once() -> None:
    schedule = [(1, ph.regimen(ER, 90, 2))]
    with pytest.raises(ValueError, match="at most 28 days are dispensed at once; given 29"):
        ph.to_dispense(schedule, 1, 30)
    with pytest.raises(ValueError, match="given 0"):
        ph.to_dispense(schedule, 5, 5)
    with pytest.raises(ValueError, match="begin by day 0"):
        ph.to_dispense(schedule, 0, 5)


def test_patches_are_dispensed_by_changes() -> None:
    assert ph.to_dispense([(1, ph.regimen(FENTANYL, 62))], 1, 29) == {50.0: 10, 12.0: 10}
    every_48_h = ph.regimen(FENTANYL, 25, change_every_h=48.0)
    assert ph.to_dispense([(1, every_48_h)], 1, 29) == {25.0: 14}
    assert ph.to_dispense([(1, ph.regimen(BUP_TD, 10))], 1, 29) == {10.0: 4}


def test_a_supply_mixes_no_drugs() -> None:
    with pytest.raises(ValueError, match="one drug in one formulation"):
        ph.to_dispense([(1, ph.regimen(ER, 90, 2)), (8, ph.regimen(IR, 30, 2))], 1, 15)


def test_an_amount_may_have_as_many_extra_pieces_as_stated_and_no_more():
    units = drug(strengths=(1.0, 10.0), smallest_step=1.0)
    totals = ph.dispensable_totals(units, 1, 9.0)
    assert totals[totals < 10.0].tolist() == [float(n) for n in range(ph.EXTRA_PIECES + 1)]


def test_a_total_beside_a_dispensable_one_is_refused_at_the_tolerance():
    units = drug(strengths=(1.0, 10.0), smallest_step=1.0)
    ph.regimen(units, 1.0, 1)
    with pytest.raises(ValueError, match="a total is made of"):
        ph.regimen(units, 1.0 + 1.5e-9, 1)


def test_strengths_that_are_capsules_are_called_so() -> None:
    mixed = drug("gabapentin", "IR", strengths=(100.0, 300.0, 600.0), splittable=False, capsules=(100.0, 300.0))
    assert ph.regimen(mixed, 900.0, 1).words() == "600 mg tablet + 300 mg capsule once a day"
    assert ph.regimen(mixed, 1000.0, 1).words() == "600 mg tablet + 300 mg + 100 mg capsule once a day"
    assert (mixed.form_of(600.0), mixed.form_of(300.0)) == ("tablet", "capsule")
