"""A switch of a benzodiazepine takes its weeks: one dose of the day after another, never up, dates as its name says."""

import pytest

from taper_sim.data.drugs_taken import DrugTaken
from taper_sim.data.formulary import find_drug
from taper_sim.model.pharmacology import regimen
from taper_sim.recommend.gradual_switch import in_words, switched
from taper_sim.units import TOLERANCE

DIAZEPAM = find_drug("diazepam", "IR")


@pytest.mark.parametrize(
    ("drug", "form", "dose", "times", "diazepam", "days", "words"),
    [
        ("lorazepam", "IR", 3.0, 3, 30.0, [1, 8, 15], "over 2 weeks"),
        ("lorazepam", "IR", 2.0, 2, 20.0, [1, 8], "over a week"),
        ("oxazepam", "IR capsule", 45.0, 3, 22.5, [1, 8, 15], "over 2 weeks"),
        ("alprazolam", "ER", 3.0, 1, 60.0, [1, 8, 15], "over 2 weeks"),
        ("temazepam", "IR capsule", 30.0, 1, 15.0, [1], "from one day to the next"),
    ],
)
def test_the_doses_of_the_day_are_replaced_week_by_week(
    drug: str, form: str, dose: float, times: int, diazepam: float, days: list[int], words: str
) -> None:
    slot, to = DrugTaken(find_drug(drug, form), dose, times), DrugTaken(DIAZEPAM, diazepam, 2)
    other = DrugTaken(find_drug("morphine", "ER"), 60.0, 2)
    steps = switched(slot, to, (other,), 1)
    assert [day for day, _ in steps] == days and in_words(steps) == words
    assert steps[-1][1] == (other, to)
    before = slot.equivalents
    for number, (_, slots) in enumerate(steps):
        parts = slots[1:]
        assert slots[0] == other
        total = sum(part.equivalents for part in parts)
        assert to.equivalents - TOLERANCE <= total <= before + TOLERANCE
        assert [part.drug.drug for part in parts] == ([drug, "diazepam"] if number < len(steps) - 1 else ["diazepam"])
        assert all(regimen(part.drug, part.dose, part.times).times for part in parts)
        before = total
    left = [slots[1].dose for _, slots in steps[:-1]]
    assert left == sorted(left, reverse=True) and len(set(left)) == len(left)
