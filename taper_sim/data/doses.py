"""Reads doses from a long CSV, and patients' histories. Imports ``data``, ``model``.

Columns: ``patient_id,date,drug,formulation,dose_mg_per_day``, for patches ``dose_mcg_per_h``; where known ``taken_…``
(the dose taken), ``interval_h`` (hours between the patient's doses) and ``as_needed`` (1, 0). A row applies from its
date until the next row of that drug and formulation. A row with 0 stops the drug. Reading rules:
docs/how-to/checkins-and-doses.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from taper_sim.data import formulary
from taper_sim.data.brand_names import NamedDrug, named_drug
from taper_sim.data.checkins import DATE_ALLOWED, read_checkins, the_date
from taper_sim.data.csv_input import Problems, read_csv
from taper_sim.data.problems import InputError, Problem, nearest, shown
from taper_sim.data.records import DoseRow, History
from taper_sim.data.yaml_input import divided
from taper_sim.model.pharmacology import check_one_scale

KEY_COLUMNS: Final = ("patient_id", "date", "drug")
DOSE_COLUMNS: Final = (
    *KEY_COLUMNS,
    "formulation",
    "dose_mg_per_day",
    "dose_mcg_per_h",
    "taken_mg_per_day",
    "taken_mcg_per_h",
    "interval_h",
    "as_needed",
)
_YES_OR_NO: Final[Mapping[str, bool]] = {
    "": False,
    **dict.fromkeys(("1", "true", "yes"), True),
    **dict.fromkeys(("0", "false", "no"), False),
}


def _number(text: str, place: str, bad: Problems) -> float | None:
    """The number in a cell; None for an empty cell. Any other text is a problem."""
    if text == "":
        return None
    try:
        return float(text)
    except ValueError:
        bad.add(place, text, "a number, or an empty cell if unknown")
        return None


def _drug_or_problem(name: str, formulation: str) -> NamedDrug | formulary.UnknownDrugError:
    try:
        return named_drug(name, formulation or None)
    except formulary.UnknownDrugError as error:
        return error


def read_doses(path: Path) -> dict[str, tuple[DoseRow, ...]]:
    """Read a file of doses.

    Returns
    -------
    dict of str to tuple of DoseRow
        By patient, in canonical order.

    Raises
    ------
    InputError
        Unknown drug, wrong unit, implausible dose, impossible date, or two different rows for one drug, formulation and
        date. Every problem is reported with file, row and column. Buprenorphine with another opioid is read;
        :func:`one_scale_problem` reports it to functions that convert doses.
    """
    table = read_csv(path, "no dose", "at least one dose")
    bad = Problems(str(path))
    for column in KEY_COLUMNS:
        if column not in table.columns:
            close = nearest(column, table.columns)
            bad.add_text("header", f"no column {column}{close}", f"the columns {', '.join(DOSE_COLUMNS)}")
    if not {"dose_mg_per_day", "dose_mcg_per_h"} & set(table.columns):
        bad.add_text("header", "no column with a dose", "dose_mg_per_day, or dose_mcg_per_h for patches")
    bad.raise_if_any()
    cells = {c: table[c].tolist() if c in table.columns else [""] * len(table) for c in DOSE_COLUMNS}
    rows_of: dict[str, dict[tuple[object, ...], DoseRow]] = {}
    drug_of = lru_cache(maxsize=10_000)(_drug_or_problem)  # files have many rows and few drugs
    for k in range(len(table)):
        place, before = f"row {k + 2}", bad.count
        cell = {c: cells[c][k] for c in DOSE_COLUMNS}
        if not cell["patient_id"]:
            bad.add(f"{place}, patient_id", "nothing", "an id")
        day = the_date(cell["date"])
        if day is None:
            bad.add(f"{place}, date", cell["date"] or "nothing", DATE_ALLOWED)
        mg, rate, taken_mg, taken_rate, interval_h = (_number(cell[c], f"{place}, {c}", bad) for c in DOSE_COLUMNS[4:9])
        if interval_h is not None and not 1 <= interval_h <= formulary.LONGEST_INTERVAL_H:
            bad.add(f"{place}, interval_h", cell["interval_h"], f"1 to {formulary.LONGEST_INTERVAL_H} h")
        as_needed = _YES_OR_NO.get(cell["as_needed"].strip().lower())
        if as_needed is None:
            bad.add(f"{place}, as_needed", cell["as_needed"], "1, 0, true, false, yes or no")
        if bad.count > before or day is None or as_needed is None:
            continue
        try:
            named = drug_of(cell["drug"], cell["formulation"])
            if isinstance(named, formulary.UnknownDrugError):
                raise named
            drug = named.drug
            dose = formulary.validate_dose(drug, mg, rate, interval_h)
            has_taken = taken_mg is not None or taken_rate is not None
            taken = formulary.validate_dose(drug, taken_mg, taken_rate, interval_h) if has_taken else None
            named.check(dose)
        except ValueError as error:
            bad.add_text(place, *divided(str(error), "a drug, formulation and dose of `taper-sim drugs`"))
            continue
        where = f"{path.name}, {place}"
        row = DoseRow(day, drug, dose, taken, as_needed, where, interval_h=interval_h, product=named.product)
        patient_rows = rows_of.setdefault(cell["patient_id"], {})
        earlier = patient_rows.setdefault(row.order, row)
        if earlier is not row:
            if earlier != row:
                doses_given = (
                    f"{dose:g} {drug.unit} of {' '.join(drug.key)} on {day}, and {earlier.dose:g} {drug.unit} in "
                )
                bad.add_text(place, doses_given + earlier.where, "one row for a drug, formulation and date")
            else:
                patient_rows[row.order] = replace(earlier, copies=earlier.copies + 1)
    bad.raise_if_any()
    return {p: tuple(sorted(rows_of[p].values(), key=lambda row: row.order)) for p in sorted(rows_of)}


def one_scale_problem(rows: Sequence[DoseRow]) -> tuple[str, str] | None:
    """Problem of concurrent opioid doses on two scales, as (given, allowed); None without such doses."""
    in_force: dict[tuple[str, str], DoseRow] = {}
    last = None
    for row in [*rows, None]:
        if row is None or (last is not None and row.day != last):
            try:
                check_one_scale([row_in_force.drug for row_in_force in in_force.values() if row_in_force.dose > 0])
            except ValueError as error:
                given, allowed = divided(str(error), "one scale of opioid dose")
                return f"{given}, on {last}", allowed
        if row is not None:
            in_force[row.drug.key], last = row, row.day
    return None


def read_histories(
    checkins: Path | None, doses: Path, answers: Mapping[str, Mapping[str, float]] | None = None
) -> dict[str, History]:
    """Read the history of every patient of a doses file, with the patient's check-ins if there are any.

    Raises
    ------
    InputError
        The problems of :func:`read_doses` and ``read_checkins``, and check-ins of a patient without doses.
    """
    rows = read_doses(doses)
    reported = read_checkins(checkins) if checkins is not None else {}
    without_doses = [patient_id for patient_id in reported if patient_id not in rows]
    if without_doses:
        raise InputError(
            Problem(str(checkins), f"patient {shown(p)}", "check-ins without doses", f"a row in {doses.name}")
            for p in without_doses
        )
    histories = {}
    for patient_id, patient_rows in rows.items():
        patient_answers = MappingProxyType(dict((answers or {}).get(patient_id, {})))
        histories[patient_id] = History(patient_id, reported.get(patient_id, ()), patient_rows, patient_answers)
    return histories
