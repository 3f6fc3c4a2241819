"""The doses of a day on which a recommendation is based, for readers to check. Imports ``data``, ``variables``."""

from datetime import date
from typing import Any

from taper_sim.data import formulary
from taper_sim.data.records import History
from taper_sim.safety.variables import Values
from taper_sim.units import DRUG_CLASSES, EQUIVALENTS


def doses_shown(history: History, day: date) -> list[dict[str, Any]]:
    """Dose rows in force on a day: drug, dose in its own unit, equivalents, start, and place in the file.

    ``equivalents`` is None for buprenorphine, which has no equivalents.
    """
    return [
        {
            "drug": row.drug.drug,
            "formulation": row.drug.formulation,
            "drug_class": row.drug.drug_class,
            "dose_mg_per_day": None if row.drug.is_patch else row.dose,
            "dose_mcg_per_h": row.dose if row.drug.is_patch else None,
            "taken": row.taken,
            "equivalents": None if row.drug.is_buprenorphine else round(formulary.equivalents(row.drug, row.dose), 6),
            "equivalents_unit": EQUIVALENTS[row.drug.drug_class],
            "as_needed": row.as_needed,
            "since": row.day.isoformat(),
            "where": row.where,
        }
        for row in sorted(Values(history, day).in_force(day), key=lambda row: row.order[1:])
    ]


def equivalents_shown(history: History, day: date) -> dict[str, float | None]:
    """Equivalents a day by class.

    None if unknown: before the first row, with buprenorphine, and for a class of which an entry could not be read. An
    unread entry of an unknown drug makes every class unknown.
    """
    values = Values(history, day)
    unread = {entry.drug_class for entry in history.as_of(day).unread}
    doses = {
        drug_class: None if unread & {drug_class, None} else values.dose(drug_class, day) for drug_class in DRUG_CLASSES
    }
    return {name: None if dose is None else round(dose, 6) for name, dose in doses.items()}
