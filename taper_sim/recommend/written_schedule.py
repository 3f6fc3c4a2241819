"""An option's schedule as a pharmacist writes it: changes, tablets, supplies. Imports ``data``, ``situation``.

A change of a prescription has the product, the amount at each time of the day, and its supplies until the next change:
the day of each, the days it lasts (``model.pharmacology.MAX_DISPENSED_D`` at most), the quantity.
"""

from collections.abc import Sequence
from typing import Final

from taper_sim.data import formulary
from taper_sim.data.brand_names import named_drug
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken
from taper_sim.model.pharmacology import MAX_DISPENSED_D, regimen, to_dispense
from taper_sim.recommend.situation import Option

ACETAMINOPHEN_MOST_MG: Final = 4000.0
"""Largest dose of acetaminophen, mg a day. Source: US labels of combination products; A82."""


def schedule_of(option: Option, now: DrugsTaken, dates: Sequence[str]) -> list[dict[str, object]]:
    """Schedule of an option from tomorrow on, a row for each change: date, drug, formulation, dose, tablets, supplies.

    What does not change goes on exactly as it is taken now: only a change has tablets and supplies of its own.

    Parameters
    ----------
    option : Option
    now : DrugsTaken
        Drugs today.
    dates : sequence of str
        ``dates[d]`` is the date d days from today; the last is the day after the horizon.
    """
    rows: list[dict[str, object]] = []
    steps = option.steps or ((1, now),)
    if steps[0][0] != 1:
        steps = ((1, now), *steps)
    before: dict[tuple[str, str], float] = {}
    taken = {slot.drug.key: slot.dose for slot in now}  # a first step tomorrow may end one of these
    for number, (day, slots) in enumerate(steps):
        after = {slot.drug.key: slot for slot in slots}
        for key, slot in after.items():
            if before.get(key) == slot.dose:
                continue
            if slot in now:
                rows.append(_row(dates[day], slot, slot.unchanged_words))
            else:
                later = (start for start, drugs in steps[number + 1 :] if _dose_of(drugs, key) != slot.dose)
                rows.append(
                    _row(dates[day], slot, slot.words, supplies_of(slot, day, next(later, len(dates) - 1), dates))
                )
        for key, dose in (before or taken).items():
            if key not in after and dose > 0:
                rows.append(_row(dates[day], DrugTaken(formulary.find_drug(*key), 0.0, 1), "stop"))
        before = {key: slot.dose for key, slot in after.items()} | {key: 0.0 for key in before if key not in after}
    return rows


def _dose_of(slots: DrugsTaken, key: tuple[str, str]) -> float:
    return next((slot.dose for slot in slots if slot.drug.key == key), 0.0)


Supply = tuple[str, int, dict[str, float]]
"""Date, days supplied, and quantity by product in words."""


def supplies_of(slot: DrugTaken, from_day: int, until_day: int, dates: Sequence[str]) -> list[Supply]:
    """What is dispensed of one product at one dose for the days ``from_day`` to ``until_day - 1``.

    Whole tablets, capsules, films and patches, rounded up in each supply; mL of a liquid. A drug taken as needed has
    the quantity of its largest dose. Empty for a dose that the formulary's strengths do not make.
    """
    try:
        tablets = regimen(
            slot.drug, slot.dose, slot.times, change_every_h=slot.interval_h if slot.drug.is_patch else None
        )
    except ValueError:
        return []
    supplies = []
    for day in range(from_day, until_day, MAX_DISPENSED_D):
        end = min(day + MAX_DISPENSED_D, until_day)
        counts = to_dispense([(from_day, tablets)], day, end)
        supplies.append((dates[day], end - day, {_product(slot, s): _amount(slot, s, n) for s, n in counts.items()}))
    return supplies


def _product(slot: DrugTaken, strength: float) -> str:
    if slot.drug.mg_per_ml is not None:
        return f"mL of {slot.drug.mg_per_ml:g} mg/mL {slot.drug.formulation}"
    return f"{strength:g} {slot.drug.unit} {slot.drug.form_of(strength)}"


def _amount(slot: DrugTaken, strength: float, count: int) -> float:
    """Pieces, or mL of a liquid, of which a piece is the smallest amount that is measured."""
    return count if slot.drug.mg_per_ml is None else round(count * strength / slot.drug.mg_per_ml, 3)


def acetaminophen_words(slots: DrugsTaken) -> list[str]:
    """A sentence for each combination whose acetaminophen may exceed its largest dose."""
    sentences = []
    for slot in slots:
        per_unit, drug = slot.drug.acetaminophen_mg, slot.drug
        if not per_unit:
            continue
        strength = _strength_of(slot.product)
        strengths = (drug.strengths[-1], drug.strengths[0]) if strength is None else (strength,)
        amounts = [slot.dose / s * per_unit for s in strengths]
        if drug.mg_per_ml is not None:
            amounts = [slot.dose / drug.mg_per_ml * per_unit]
        if max(amounts) > ACETAMINOPHEN_MOST_MG:
            known = f"{min(amounts):.0f} mg a day"
            if len(amounts) > 1:
                known = f"{min(amounts):.0f} to {max(amounts):.0f} mg a day, by the strength of the tablets"
            sentences.append(
                f"acetaminophen in {slot.product or drug.drug}: {known}; more than "
                f"{ACETAMINOPHEN_MOST_MG:g} mg a day from all products harms the liver: count the tablets"
            )
    return sentences


def _strength_of(product: str) -> float | None:
    """Strength of the opioid, mg, in a tablet of a product; None if its name does not tell."""
    try:
        return named_drug(product).strength if product else None
    except ValueError:
        return None


def _row(date: str, slot: DrugTaken, tablets: str, supplies: Sequence[Supply] = ()) -> dict[str, object]:
    doses: dict[str, object] = (
        {"dose_mg_per_day": None, "dose_mcg_per_h": slot.dose} if slot.drug.is_patch else {"dose_mg_per_day": slot.dose}
    )
    drug: dict[str, object] = {"drug": slot.drug.drug, "formulation": slot.drug.formulation}
    own: dict[str, object] = {"interval_h": slot.interval_h, "as_needed": slot.as_needed}
    dispensed: dict[str, object] = {
        "dispense_on": [day for day, _, _ in supplies],
        "days_supplied": [days for _, days, _ in supplies],
        "quantity": [quantity for _, _, quantity in supplies],
    }
    return {"date": date, **drug, **doses, "tablets": tablets, **own, "product": slot.product or None, **dispensed}
