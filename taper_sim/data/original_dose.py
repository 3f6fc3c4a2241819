"""The original dose of a drug class: the dose in force when this taper began. Imports ``drugs_taken``.

Percentages of a recommendation are percentages of it. Source: assumption A74 (docs/assumptions.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

from taper_sim.data.drugs_taken import DrugsTaken, equivalents_of
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE, DrugClass

PLATEAU_D: Final = 60
"""Days unchanged from which a dose is a plateau. Source: assumption A74."""
_EQUIVALENTS_IN_SHORT: Final[dict[DrugClass, str]] = {
    "opioid": "MME",
    "benzodiazepine": "mg of diazepam",
    "gabapentinoid": "mg of pregabalin",
}
HELD_D: Final = MONTH_D
"""Days unchanged from which a dose after the last plateau can be the original one. Source: assumption A74."""


@dataclass(frozen=True)
class OriginalDose:
    """The original dose of one class.

    Attributes
    ----------
    drugs : DrugsTaken
        Drugs of the class at that dose.
    why : str
        The rule that made it the original dose, in words.
    """

    drugs: DrugsTaken
    why: str

    @property
    def equivalents(self) -> float:
        """Equivalents a day; of buprenorphine mg a day."""
        return sum(slot.equivalents for slot in self.drugs)

    @property
    def words(self) -> str:
        """The dose in the drugs' own units and in equivalents, such as ``120 mg a day, 120 MME``."""
        of_drug = [f"{slot.dose:g} {slot.drug.unit}" + ("" if slot.drug.is_patch else " a day") for slot in self.drugs]
        if len(self.drugs) > 1:
            of_drug = [
                f"{slot.drug.drug} {slot.drug.formulation} {amount}"
                for slot, amount in zip(self.drugs, of_drug, strict=True)
            ]
        amounts = " and ".join(of_drug)
        if self.drugs[0].drug.is_buprenorphine:
            return amounts
        return f"{amounts}, {self.equivalents:.4g} {_EQUIVALENTS_IN_SHORT[self.drugs[0].drug.drug_class]}"


def original_level(levels: Sequence[tuple[date, float]], today: date) -> int | None:
    """Number of the level that is the original dose, by the rule of assumption A74.

    Of these the highest: the last plateau (``PLATEAU_D`` days or more unchanged); later doses held for ``HELD_D`` days
    or more; today's dose. Without a plateau the first recorded dose replaces it, because its beginning is not recorded.
    A class that has been stopped is judged on the last day on which it was taken.

    Parameters
    ----------
    levels : sequence of (date, float)
        First day and dose of a class, any one unit, in order of time.
    today : date

    Returns
    -------
    int or None
        None for a class without a dose.
    """
    merged: list[int] = []  # numbers of the levels that differ from the one before
    for number, (_, dose) in enumerate(levels):
        if not merged or abs(dose - levels[merged[-1]][1]) > TOLERANCE:
            merged.append(number)
    if merged and levels[merged[-1]][1] <= TOLERANCE:
        today = levels[merged.pop()][0] - timedelta(days=1)
    if not merged:
        return None
    starts = [levels[number][0] for number in merged]
    held = [(end - start).days for start, end in pairwise([*starts, today + timedelta(days=1)])]
    last_plateau = max((k for k, days in enumerate(held) if days >= PLATEAU_D), default=0)
    candidates = [
        k for k in range(last_plateau, len(merged)) if k in (last_plateau, len(merged) - 1) or held[k] >= HELD_D
    ]
    return merged[max(candidates, key=lambda k: (levels[merged[k]][1], k))]


def _of_class(slots: DrugsTaken, drug_class: DrugClass) -> DrugsTaken:
    return tuple(slot for slot in slots if slot.drug.drug_class == drug_class)


def original_doses(
    prescribed: Sequence[tuple[date, DrugsTaken]], today: date, stated: DrugsTaken = ()
) -> dict[DrugClass, OriginalDose]:
    """Original dose of each class that has been taken.

    Parameters
    ----------
    prescribed : sequence of (date, DrugsTaken)
        Days on which the prescription changes, and the drugs from that day on, in order of time.
    today : date
    stated : DrugsTaken
        Original doses stated by the user. A stated class needs no record.

    Returns
    -------
    dict of drug class to OriginalDose
        A change to or from buprenorphine begins a new history of the class: the two have no common scale.
    """
    originals: dict[DrugClass, OriginalDose] = {}
    for k, drug_class in enumerate(DRUG_CLASSES):
        of_class = [(day, _of_class(slots, drug_class)) for day, slots in prescribed if day <= today]
        if stated_drugs := _of_class(stated, drug_class):
            originals[drug_class] = OriginalDose(stated_drugs, "stated in the patient's file")
            continue
        scales = [None if not slots else slots[0].drug.is_buprenorphine for _, slots in of_class]
        last_scale = next((scale for scale in reversed(scales) if scale is not None), None)
        begin = max((n + 1 for n, scale in enumerate(scales) if scale not in (None, last_scale)), default=0)
        of_class = of_class[begin:]
        levels = [(day, float(equivalents_of(slots)[k])) for day, slots in of_class]
        number = original_level(levels, today)
        if number is not None:
            originals[drug_class] = OriginalDose(of_class[number][1], _why(levels, number, today))
    return originals


def _why(levels: Sequence[tuple[date, float]], number: int, today: date) -> str:
    since, dose = levels[number]
    end = next((day for day, later in levels[number:] if abs(later - dose) > TOLERANCE), None)
    days = ((end or today + timedelta(days=1)) - since).days
    if end is None:
        return f"today's dose, unchanged since {since}"
    if days >= PLATEAU_D:
        return f"held for {days} days from {since} until this taper began on {end}"
    return f"no dose was held for {PLATEAU_D} days: the highest one, from {since} to {end - timedelta(days=1)}"
