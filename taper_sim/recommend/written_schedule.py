"""An option's schedule, a row for each change of a prescription, with tablets. Imports ``data``, ``situation``."""

from collections.abc import Sequence

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken
from taper_sim.recommend.situation import Option


def schedule_of(option: Option, now: DrugsTaken, dates: Sequence[str]) -> list[dict[str, object]]:
    """Schedule of an option from tomorrow on, a row for each change: date, drug, formulation, dose, tablets.

    What does not change goes on exactly as it is taken now: only a change has tablets of its own. ``dates[d]`` is the
    date d days from today.
    """
    rows: list[dict[str, object]] = []
    steps = option.steps or ((1, now),)
    if steps[0][0] != 1:
        steps = ((1, now), *steps)
    before: dict[tuple[str, str], float] = {}
    for day, slots in steps:
        after = {slot.drug.key: slot for slot in slots}
        for key, slot in after.items():
            if before.get(key) != slot.dose:
                rows.append(_row(dates[day], slot, slot.unchanged_words if slot in now else slot.words))
        for key in before:
            if key not in after and before[key] > 0:
                rows.append(_row(dates[day], DrugTaken(formulary.find_drug(*key), 0.0, 1), "stop"))
        before = {key: slot.dose for key, slot in after.items()} | {key: 0.0 for key in before if key not in after}
    return rows


def _row(date: str, slot: DrugTaken, tablets: str) -> dict[str, object]:
    doses: dict[str, object] = (
        {"dose_mg_per_day": None, "dose_mcg_per_h": slot.dose} if slot.drug.is_patch else {"dose_mg_per_day": slot.dose}
    )
    drug: dict[str, object] = {"drug": slot.drug.drug, "formulation": slot.drug.formulation}
    own: dict[str, object] = {"interval_h": slot.interval_h, "as_needed": slot.as_needed}
    return {"date": date, **drug, **doses, "tablets": tablets, **own, "product": slot.product or None}
