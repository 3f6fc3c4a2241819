"""Shares of the original dose become tablets: each case is worked out by hand from the strengths of the formulary."""

from dataclasses import replace

import numpy as np
import pytest

from taper_sim.data.formulary import find_drug
from taper_sim.policies.interface import Rotation
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.dispensing import Dispenser, known_of
from tests.conftest import opioid_cohort

MORPHINE = find_drug("morphine", "ER")  # 15, 30, 60, 100, 200 mg, never halved; 1 mg is 1 MME
OXYCODONE = find_drug("oxycodone", "IR")  # 5 to 30 mg, halved to 2.5 mg; 1 mg is 1.5 MME
FENTANYL = find_drug("fentanyl", "TD")  # 12 to 100 mcg/h; 1 mcg/h is 2.4 MME
LORAZEPAM = find_drug("lorazepam", "IR")  # 0.5, 1, 2 mg, halved to 0.25 mg; 1 mg is 10 mg of diazepam
DRUGS = (MORPHINE, OXYCODONE, LORAZEPAM, FENTANYL)
Slot = tuple[int, float, int]  # place in DRUGS, dose in the drug's own unit, administrations a day
NONE: Slot = (-1, 0.0, 0)


def people(*persons: tuple[Slot, ...]) -> Cohort:
    """People who take these drugs."""
    slots = np.array([[*person, *[NONE] * (3 - len(person))] for person in persons], dtype=np.float64)
    dose = np.zeros((len(persons), 3))
    for row, person in enumerate(persons):
        for drug, amount, _ in person:
            dose[row, 1 if drug == 2 else 0] += amount * {0: 1.0, 1: 1.5, 2: 10.0, 3: 2.4}[drug]
    return replace(
        opioid_cohort(len(persons)),
        drugs=DRUGS,
        slot_drug=slots[..., 0].astype(np.int64),
        slot_dose=slots[..., 1],
        slot_times=slots[..., 2].astype(np.int64),
        dose=dose,
    )


def shares(*opioid: float, benzodiazepine: float = 1.0) -> np.ndarray:
    """Shares of each person's opioid, and of everybody's benzodiazepine."""
    return np.array([[share, benzodiazepine, 1.0] for share in opioid])


def rotation(to: str, *who: bool, ratio: float = 1.0, times: int = 2) -> Rotation:
    """The named people change to morphine or oxycodone."""
    return Rotation(np.array(who), 0, MORPHINE if to == "morphine" else OXYCODONE, times, ratio)


def test_a_share_of_one_keeps_a_dose_that_no_tablets_make_before_and_after_a_reduction() -> None:
    dispenser = Dispenser(people(((0, 47.0, 2),)))
    assert dispenser.dispense(shares(1.0))[0, 0] == 47.0
    assert dispenser.dispense(shares(0.7))[0, 0] == 30.0  # 32.9 mg: nearer to 30 than to 45
    assert dispenser.dispense(shares(1.0))[0, 0] == 47.0  # tablets alone would make 45


def test_a_share_of_one_of_one_class_keeps_its_own_class_alone() -> None:
    dispenser = Dispenser(people(((0, 47.0, 2), (2, 1.1, 1))))
    dose = dispenser.dispense(shares(1.0, benzodiazepine=0.5))
    assert dose[0].tolist() == [47.0, 5.0, 0.0]  # 0.55 mg: half a milligram
    assert dispenser.dispense(shares(0.5))[0].tolist() == [30.0, 11.0, 0.0]  # 23.5 mg: nearer to 30 than to 15


def test_rounding_begins_at_the_ideal_dose_so_that_errors_do_not_add_up() -> None:
    dispenser = Dispenser(people(((0, 90.0, 3),)))
    dispensed = [dispenser.dispense(shares(share))[0, 0] for share in (0.9, 0.8, 0.7, 0.6, 0.5)]
    assert dispensed == [75.0, 75.0, 60.0, 60.0, 45.0]  # of 81, 72, 63, 54 and 45 mg


def test_a_preview_dispenses_nothing() -> None:
    dispenser = Dispenser(people(((0, 90.0, 2),)))
    assert dispenser.dispense(shares(0.5), preview=True)[0, 0] == 45.0
    assert dispenser.dispensed_equivalents()[0, 0] == 90.0
    assert dispenser.rounding_error()[0, 0] == 0.0


def test_two_drugs_of_a_class_are_reduced_alike_and_add_up_in_equivalents() -> None:
    dispenser = Dispenser(people(((0, 60.0, 2), (1, 40.0, 4)), ((0, 60.0, 2),), ((3, 50.0, 1),)))
    dose = dispenser.dispense(shares(0.5, 0.5, 0.5))
    assert dose[:, 0].tolist() == [30.0 + 1.5 * 20.0, 30.0, 2.4 * 25.0]
    assert dispenser.dispensed_equivalents().tolist() == dose.tolist()


def test_the_same_drug_is_divided_by_each_person_s_own_times_a_day() -> None:
    once, thrice = (0, 90.0, 1), (0, 90.0, 3)
    dose = Dispenser(people((once,), (thrice,))).dispense(shares(0.8, 0.8))  # 72 mg
    assert dose[:, 0].tolist() == [75.0, 75.0]
    dose = Dispenser(people(((1, 10.0, 1),), ((1, 10.0, 4),))).dispense(shares(0.7, 0.7))
    assert dose[:, 0].tolist() == [1.5 * 7.5, 1.5 * 7.5]


def test_a_dose_may_be_raised_by_a_quarter_and_no_further() -> None:
    dispenser = Dispenser(people(((0, 60.0, 1),)))
    assert dispenser.dispense(shares(1.25))[0, 0] == 75.0
    assert dispenser.dispense(shares(2.0))[0, 0] == 75.0


def test_a_small_dose_still_has_one_step() -> None:
    """A quarter above 10 mg is less than the smallest tablet of 15 mg, which can be dispensed nevertheless."""
    dispenser = Dispenser(people(((0, 10.0, 1),)))
    assert dispenser.dispense(shares(1.5))[0, 0] == 15.0


def test_the_share_reached_goes_on_after_a_rotation() -> None:
    dispenser = Dispenser(people(((0, 120.0, 2),), ((0, 120.0, 2),)))
    dispenser.dispense(shares(0.5, 0.5))
    dispenser.rotate(rotation("oxycodone", True, False, ratio=0.75))
    # 0.75 x 120 MME is 60 mg of oxycodone, of which half is taken
    assert dispenser.dispensed_equivalents()[:, 0].tolist() == [45.0, 60.0]
    assert dispenser.dispensed[0, 0] == 30.0
    assert dispenser.dispense(shares(0.5, 0.5))[:, 0].tolist() == [45.0, 60.0]
    assert dispenser.dispense(shares(0.25, 0.25))[:, 0].tolist() == [1.5 * 15.0, 30.0]
    assert dispenser.cohort.slot_times[:, 0].tolist() == [2, 2]


def test_after_a_rotation_the_whole_new_dose_is_rounded_to_tablets() -> None:
    dispenser = Dispenser(people(((0, 47.0, 1),)))
    dispenser.rotate(rotation("oxycodone", True, times=1))
    assert dispenser.dispense(shares(0.9))[0, 0] == pytest.approx(1.5 * 27.5)  # 28.2 mg
    assert dispenser.dispense(shares(1.0))[0, 0] == pytest.approx(1.5 * 32.5)  # 31.33 mg: up from 27.5, to tablets


def test_a_rotation_ends_every_old_drug_of_the_class_and_no_other() -> None:
    dispenser = Dispenser(people(((2, 2.0, 2), (1, 40.0, 4), (0, 60.0, 2)), ((2, 2.0, 2),)))
    dispenser.rotate(rotation("morphine", True, True))
    assert dispenser.cohort.slot_drug.tolist() == [[2, 0, -1], [2, -1, -1]]  # the second takes no opioid
    assert dispenser.dispense(shares(1.0, 1.0)).tolist() == [[120.0, 20.0, 0.0], [0.0, 20.0, 0.0]]
    assert dispenser.dispensed.tolist() == [[2.0, 120.0, 0.0], [2.0, 0.0, 0.0]]


def test_a_rotation_may_bring_a_drug_that_nobody_took() -> None:
    few = replace(people(((0, 60.0, 2),)), drugs=(MORPHINE,))
    dispenser = Dispenser(few)
    dispenser.rotate(rotation("oxycodone", True, times=4))
    assert dispenser.cohort.drugs == (MORPHINE, OXYCODONE)
    assert dispenser.dispensed_equivalents()[0, 0] == pytest.approx(60.0)
    assert few.drugs == (MORPHINE,) and few.slot_drug[0, 0] == 0  # the cohort of others is as it was


def test_the_rounding_error_is_a_share_of_the_original_dose() -> None:
    dispenser = Dispenser(people(((0, 90.0, 1),), ((0, 60.0, 1),), ((2, 2.0, 1),)))
    dispenser.dispense(shares(0.8, 0.9, 0.5))
    error = dispenser.rounding_error()
    # 72 mg become 75, 54 mg become 60; who takes no opioid has no error
    assert error[:, 0] == pytest.approx([3.0 / 90.0, 6.0 / 60.0, 0.0])
    assert error[:, 1:].tolist() == [[0.0, 0.0]] * 3


def test_after_a_rotation_the_rounding_error_is_a_share_of_the_new_dose() -> None:
    dispenser = Dispenser(people(((0, 120.0, 2),)))
    dispenser.rotate(rotation("oxycodone", True, ratio=0.5))
    dispenser.dispense(shares(0.9))  # 36 mg become 35
    assert dispenser.rounding_error()[0, 0] == pytest.approx(-1.0 / 40.0)


def test_a_policy_sees_the_dose_in_mg_of_a_single_drug_and_the_names_of_all() -> None:
    known = known_of(people(((0, 60.0, 2), (1, 40.0, 4)), ((0, 60.0, 2), (2, 2.0, 2)), ((3, 50.0, 1),)), seed=5)
    np.testing.assert_array_equal(known.dose_mg, [[np.nan, 0, 0], [60, 2, 0], [np.nan, 0, 0]])  # a patch: no mg a day
    assert list(known.drug) == [{0: "morphine + oxycodone"}, {0: "morphine", 1: "lorazepam"}, {0: "fentanyl"}]
    assert known.seed == 5
