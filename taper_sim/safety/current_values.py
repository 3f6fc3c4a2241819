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
    """Equivalents a day by class; None if unknown: before the first row, or with buprenorphine."""
    values = Values(history, day)
    doses = {drug_class: values.dose(drug_class, day) for drug_class in DRUG_CLASSES}
    return {name: None if dose is None else round(dose, 6) for name, dose in doses.items()}
