"""The formulary: drugs of drugs.csv by name, their equivalents and plausible doses. Imports ``tables``, ``model``.

forms.csv adds forms with the release of a row of drugs.csv, such as oral solutions. A record may name them and a
recommendation may use them; the simulator's cohorts do not.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from taper_sim import tables
from taper_sim.data.problems import nearest, shown
from taper_sim.model.pharmacology import Absorption, Drug, administrations, check_one_scale, to_equivalents
from taper_sim.units import DRUG_CLASSES, EQUIVALENTS, DrugClass

__all__ = [
    "LONGEST_INTERVAL_H",
    "MAX_DOSE",
    "DoseError",
    "UnknownDrugError",
    "absorption",
    "all_forms_of",
    "check_one_scale",
    "equivalents",
    "find_drug",
    "forms",
    "formulary",
    "provenance",
    "validate_dose",
]

MAX_DOSE: Final[Mapping[DrugClass, float]] = MappingProxyType(
    {"opioid": 3000.0, "benzodiazepine": 1000.0, "gabapentinoid": 3000.0}
)
"""Largest plausible dose by class, equivalents a day. A larger number likely has a wrong unit or sums several days.

Source: assumption. Each limit is about three to thirty times the usual high-dose threshold (90 MME; 30 mg diazepam;
600 mg pregabalin), so that rare but real doses pass. Gabapentin has a lower limit, the end of its absorption table
(1600 mg per administration).
"""
LONGEST_INTERVAL_H: Final = 336
"""Longest dosing interval, hours: two weeks. Source: assumption."""
MAX_BUPRENORPHINE_MG: Final = 64.0
"""Largest plausible dose of film or tablet, mg a day: twice the highest dose in use, 32 mg. Source: assumption."""
MAX_BUPRENORPHINE_MCG_PER_H: Final = 140.0
"""Largest plausible dose of patches, mcg/h: two of the strongest patch marketed (70 mcg/h). Source: assumption."""


class UnknownDrugError(ValueError):
    """An unknown drug or formulation; the message lists the known ones."""


class DoseError(ValueError):
    """A dose in the wrong unit or an implausible dose; the message states what is allowed."""


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None


def _drug(row: tables.Row) -> Drug:
    """Build the drug of a row; errors name the row."""
    name = f"drugs.csv: {row['drug']} {row['formulation']}"
    drug_class = next((c for c in DRUG_CLASSES if c == row["drug_class"]), None)
    units: dict[str, Literal["mg", "mcg_per_h"]] = {"mg": "mg", "mcg_per_h": "mcg_per_h"}
    if drug_class is None or row["dose_unit"] not in units or row["splittable"] not in ("yes", "no"):
        given = f"{row['drug_class']}, {row['dose_unit']}, {row['splittable']}"
        raise ValueError(
            f"{name}: drug_class, dose_unit, splittable are {given}; allowed: a class, mg or mcg_per_h, yes or no"
        )
    try:
        drug = Drug(
            drug=row["drug"],
            drug_class=drug_class,
            formulation=row["formulation"],
            dose_unit=units[row["dose_unit"]],
            effect_half_life_h=float(row["effect_half_life_h"]),
            interval_h=float(row["dosing_interval_h"]),
            trough_mean=float(row["trough_mean"]),
            equivalence_factor=_number(row["equivalence_factor"]),
            equivalence_factor_alt=_number(row["equivalence_factor_alt"]),
            strengths=tuple(float(strength) for strength in row["strengths"].split(";")),
            splittable=row["splittable"] == "yes",
            capsules=tuple(float(strength) for strength in row["capsules"].split(";") if strength),
            smallest_step=float(row["smallest_step"]),
            max_step_note=row["max_step_note"],
            source=row["source"],
            verified=row["verified"],
            reviewed=tables.is_reviewed(row),
            rxnorm=row["rxnorm"],
            acetaminophen_mg=_acetaminophen_in_tablet(row["drug"]),
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    factors = [f for f in (drug.equivalence_factor, drug.equivalence_factor_alt) if f is not None]
    above_0 = [drug.effect_half_life_h, drug.interval_h, drug.smallest_step, *drug.strengths, *factors]
    if not all(0 < value < math.inf for value in above_0):
        raise ValueError(f"{name}: given {above_0}; allowed: half-life, interval, steps, strengths and factors above 0")
    if not 0 < drug.trough_mean < 1:
        raise ValueError(f"{name}: given trough_mean {drug.trough_mean:g}; allowed: above 0 and below 1")
    if list(drug.strengths) != sorted(set(drug.strengths)):
        raise ValueError(f"{name}: given strengths {row['strengths']}; allowed: ascending, without repeats")
    return drug


@cache
def formulary() -> Mapping[tuple[str, str], Drug]:
    """Every drug of ``drugs.csv`` by ``(drug, formulation)``, in the table's order; read-only."""
    drugs: dict[tuple[str, str], Drug] = {}
    for row in tables.read("drugs").rows:
        drug = _drug(row)
        if drug.key in drugs:
            raise ValueError(f"drugs.csv: {' '.join(drug.key)} is in two rows; allowed: one")
        drugs[drug.key] = drug
    return MappingProxyType(drugs)


ACETAMINOPHEN_MG_PER_TABLET: Final = 325.0
"""Acetaminophen in a tablet of a combination, mg. Source: US limit per dosage unit of prescription combinations since
2014; not re-read."""
_ACETAMINOPHEN_MG: Final[Mapping[str, float]] = {"codeine-acetaminophen": 300.0}
"""The same where a combination's tablets hold less. Source: US label of 300/15, 300/30 and 300/60 mg (drugs.csv)."""


def _acetaminophen_in_tablet(drug: str) -> float:
    """Acetaminophen in a tablet of a drug, mg; 0 without."""
    return _ACETAMINOPHEN_MG.get(drug, ACETAMINOPHEN_MG_PER_TABLET) if "acetaminophen" in drug else 0.0


def _form(row: tables.Row) -> Drug:
    """Build the drug of a row of ``forms.csv``; errors name the row."""
    name = f"forms.csv: {row['drug']} {row['formulation']}"
    base = formulary().get((row["drug"], row["release_of"]))
    if base is None or (row["drug"], row["formulation"]) in formulary():
        raise ValueError(f"{name}: release_of is {row['release_of']}; allowed: a row of drugs.csv, by another form")
    try:
        concentration, volume = _number(row["mg_per_ml"]), _number(row["measured_ml"])
        strengths = tuple(float(strength) for strength in row["strengths"].split(";") if strength)
        acetaminophen = _number(row["acetaminophen_mg_per_unit"]) or 0.0
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if concentration is not None and volume is not None and not strengths:
        strengths = (round(concentration * volume, 6),)
    if not strengths or not all(0 < strength < math.inf for strength in strengths):
        raise ValueError(f"{name}: allowed: strengths above 0, or mg_per_ml with measured_ml")
    return replace(
        base,
        formulation=row["formulation"],
        strengths=strengths,
        splittable=False,
        smallest_step=strengths[0],
        max_step_note="",
        source=row["source"],
        verified=row["verified"],
        reviewed=tables.is_reviewed(row),
        rxnorm="",
        mg_per_ml=concentration,
        release_of=row["release_of"],
        acetaminophen_mg=acetaminophen,
        capsules=(),
    )


@cache
def forms() -> Mapping[tuple[str, str], Drug]:
    """Every form of ``forms.csv`` by ``(drug, formulation)``, in the table's order; read-only.

    A form has the release, half-life and equivalents of the row of ``drugs.csv`` that ``release_of`` names.
    """
    rows = [_form(row) for row in tables.read("forms").rows]
    if len({drug.key for drug in rows}) < len(rows):
        raise ValueError("forms.csv: a drug and formulation is in two rows; allowed: one")
    return MappingProxyType({drug.key: drug for drug in rows})


def all_forms_of(ingredient: str) -> tuple[Drug, ...]:
    """Every form of an ingredient, combinations with acetaminophen included; ``drugs.csv`` before ``forms.csv``."""
    rows = (*formulary().values(), *forms().values())
    return tuple(drug for drug in rows if drug.drug.split("-")[0] == ingredient)


@cache
def absorption() -> Absorption:
    """Gabapentin swallowed and absorbed per administration, mg, read-only arrays (n_rows,).

    The table's ``absorbed_mg`` is per day; divided by ``doses_per_day`` it is per administration.
    """
    rows = tables.read("gabapentin_absorption").rows
    single = np.array([float(row["single_dose_mg"]) for row in rows])
    absorbed = np.array([float(row["absorbed_mg"]) / float(row["doses_per_day"]) for row in rows])
    if single[0] != 0 or absorbed[0] != 0 or np.any(np.diff(single) <= 0) or np.any(np.diff(absorbed) <= 0):
        raise ValueError("gabapentin_absorption.csv: single_dose_mg and absorbed_mg must rise from 0")
    for array in (single, absorbed):
        array.setflags(write=False)
    return Absorption(single, absorbed)


def find_drug(name: str, formulation: str | None = None) -> Drug:
    """Look up a drug by the names of drugs.csv, without regard to case; near matches are not accepted.

    Parameters
    ----------
    name : str
        As in ``drugs.csv``, such as ``morphine``.
    formulation : str, optional
        As in ``drugs.csv``, such as ``ER``, or in ``forms.csv``, such as ``oral solution``; optional for a drug with
        one formulation in ``drugs.csv``.

    Raises
    ------
    UnknownDrugError
        If the drug is unknown (the message shows the nearest name), the formulation is unknown, or the drug has several
        formulations and none is given.
    """
    drugs = formulary()
    known = list(dict.fromkeys(drug for drug, _ in drugs))
    lower_name = name.strip().lower()
    if lower_name not in known:
        raise UnknownDrugError(
            f"drug {shown(name)} is not in the formulary{nearest(lower_name, known)}"
            + ("" if nearest(lower_name, known) else f"; known: {', '.join(known)}")
        )
    usual = {form.lower(): drug for (drug_name, form), drug in drugs.items() if drug_name == lower_name}
    known_forms = usual | {form.lower(): drug for (drug_name, form), drug in forms().items() if drug_name == lower_name}
    formulations = ", ".join(drug.formulation for drug in known_forms.values())
    if formulation is None:
        if len(usual) > 1:
            raise UnknownDrugError(f"{lower_name} needs a formulation; allowed: {formulations}")
        return next(iter(usual.values()))
    match = known_forms.get(formulation.strip().lower())
    if match is None:
        raise UnknownDrugError(f"{lower_name} has no formulation {shown(formulation)}; allowed: {formulations}")
    return match


def equivalents(drug: Drug, dose_per_day: float, interval_h: float | None = None) -> float:
    """Equivalents a day of a dose (``model.pharmacology.to_equivalents``); gabapentin by gabapentin_absorption.csv."""
    return float(to_equivalents(drug, dose_per_day, absorption(), administrations(drug, interval_h)))


def provenance(drugs: list[Drug]) -> list[dict[str, object]]:
    """Provenance of the tables used, for outputs: rows, verification and review status, one entry per table."""
    keys = {drug.key for drug in drugs}
    table = tables.read("drugs")
    used = [table.provenance(row for row in table.rows if (row["drug"], row["formulation"]) in keys)]
    if keys & set(forms()):
        table = tables.read("forms")
        used.append(table.provenance(row for row in table.rows if (row["drug"], row["formulation"]) in keys))
    if any(drug.drug == "gabapentin" for drug in drugs):
        used.append(tables.read("gabapentin_absorption").provenance())
    return used


def validate_dose(
    drug: Drug,
    dose_mg_per_day: float | None = None,
    dose_mcg_per_h: float | None = None,
    interval_h: float | None = None,
) -> float:
    """Refuse a dose in the wrong unit and an implausible dose.

    Parameters
    ----------
    drug : Drug
        Determines which of the two units is right.
    dose_mg_per_day : float, optional
        mg a day, for all drugs except patches; 0 means stopped.
    dose_mcg_per_h : float, optional
        mcg/h, for patches.
    interval_h : float, optional
        The patient's own dosing interval, hours; checked if given.

    Returns
    -------
    float
        The dose in the drug's own unit.

    Raises
    ------
    DoseError
        If the unit is wrong, both units or none are given, the number is negative or not finite, or the dose exceeds
        the limit of its class (:data:`MAX_DOSE`). The message has one line: what was given, what is allowed.
    """
    name = " ".join(drug.key)
    doses = {"dose_mg_per_day": dose_mg_per_day, "dose_mcg_per_h": dose_mcg_per_h}
    right_unit, wrong_unit = list(doses)[::-1] if drug.is_patch else list(doses)
    kind = "a patch, released in mcg/h" if drug.is_patch else "no patch, taken in mg a day"
    dose = doses[right_unit]
    if doses[wrong_unit] is not None:
        raise DoseError(f"{name} is {kind}: given {wrong_unit} {doses[wrong_unit]}; allowed: {right_unit} alone")
    if dose is None:
        raise DoseError(f"{name} is {kind}: no dose given; allowed: {right_unit}, 0 or more")
    if not math.isfinite(dose) or dose < 0:
        raise DoseError(f"{name}: given {right_unit} {dose}; allowed: a finite number, 0 or more")
    try:
        if drug.is_buprenorphine:
            administrations(drug, interval_h)
            amount, largest = dose, MAX_BUPRENORPHINE_MCG_PER_H if drug.is_patch else MAX_BUPRENORPHINE_MG
            scale = "mcg/h" if drug.is_patch else "mg a day"
        else:
            amount, largest = equivalents(drug, dose, interval_h), MAX_DOSE[drug.drug_class]
            scale = EQUIVALENTS[drug.drug_class]
    except ValueError as error:
        raise DoseError(f"{name}: given {right_unit} {dose:g}: {error}") from None
    if amount > largest:
        raise DoseError(
            f"{name}: given {right_unit} {dose:g}, which is {amount:g} {scale}; allowed: at most {largest:g}; "
            "check the unit, and that it is one day's dose"
        )
    return float(dose)
