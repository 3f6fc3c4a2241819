"""Reads cohorts from CSV: one row per patient, and a file of drugs. Imports ``data``, ``model``.

Every problem is one line with file, row and column. Rows are numbered as in an editor; the header is row 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.data import formulary
from taper_sim.data.brand_names import named_drug
from taper_sim.data.csv_input import Problems, read_csv
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.data.yaml_input import divided
from taper_sim.model.parameters import BASELINE_LIMITS
from taper_sim.model.pharmacology import Drug, administrations, check_one_scale

#: Columns of a patients file: name → lowest and highest value. ``promis_*`` are T-scores; they replace a missing column
#: of the model's own scale.
NUMBERS: Final[Mapping[str, tuple[float, float]]] = {
    **BASELINE_LIMITS,
    "promis_pf": (10.0, 80.0),
    "promis_depression": (30.0, 90.0),
    "promis_sleep": (20.0, 90.0),
    "age": (0.0, 120.0),
    "failed_tapers": (0.0, 50.0),
    "use_days_opioid": (1.0, 36500.0),
    "use_days_benzodiazepine": (1.0, 36500.0),
    "use_days_gabapentinoid": (1.0, 36500.0),
}
BOOLEANS: Final = (
    "mood_disorder",
    "ptsd",
    "oud",
    "earlier_overdose",
    "earlier_seizure",
    "sleep_apnoea",
    "renal_impairment",
    "pregnant",
    "naloxone_at_home",
    "agreed",
    "imposed",
    "female",
    "broadband",
    "device",
    "transport",
    "language_match",
    "literacy",
    "caregiver",
    "peer_support",
    "catastrophising",
)
MODALITIES: Final = ("video", "phone", "in_person")
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "false", "no"}
_DRUG_COLUMNS: Final = ("patient_id", "drug", "formulation", "dose_mg_per_day", "dose_mcg_per_h", "interval_h")


@dataclass(frozen=True)
class PatientTable:
    """Patients of a file: ids, numbers and booleans by column, and the number of rows dropped for missing values.

    ``modality`` is the index into :data:`MODALITIES` of each patient's visits, None without that column.
    """

    ids: tuple[str, ...]
    numbers: Mapping[str, Floats]
    booleans: Mapping[str, Bools]
    dropped: int
    modality: Ints | None = None


@dataclass(frozen=True)
class DrugRow:
    """A drug of a patient: dose in the drug's own unit (mg a day; patches mcg/h), administrations a day."""

    patient_id: str
    drug: Drug
    dose: float
    times: int


def _numbers(
    table: pd.DataFrame, column: str, name: str, limits: tuple[float, float], bad: Problems, missing_allowed: bool
) -> Floats:
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
    empty = (table[column] == "").to_numpy() | table[column].str.lower().isin(["nan", "na", "null"]).to_numpy()
    low, high = limits
    with np.errstate(invalid="ignore"):
        out_of_range = ~empty & ~((values >= low) & (values <= high))
    missing = empty & (not missing_allowed)
    allowed = f"a number from {low:g} to {high:g}" if column == name else f"{name}, a number from {low:g} to {high:g}"
    bad.rows(table, column, out_of_range, allowed)
    bad.rows(table, column, missing, f"{allowed} (drop_missing: true drops such rows)")
    return values


def _booleans(table: pd.DataFrame, column: str, bad: Problems) -> Bools:
    text = table[column].str.lower()
    bad.rows(table, column, ~text.isin(_TRUE | _FALSE).to_numpy(), "1, 0, true, false, yes or no")
    return text.isin(_TRUE).to_numpy()


def _modality(table: pd.DataFrame, column: str, bad: Problems) -> Ints:
    text = table[column].str.lower()
    bad.rows(table, column, ~text.isin(MODALITIES).to_numpy(), f"one of {', '.join(MODALITIES)}")
    return np.maximum(pd.Index(MODALITIES).get_indexer(pd.Index(text)), 0)


def read_patients(path: Path, columns: Mapping[str, str], *, drop_missing: bool, strict: bool) -> PatientTable:
    """Read a file of patients.

    Parameters
    ----------
    path : Path
        The CSV.
    columns : mapping of column name to the file's name
        For files with other column names, such as ``{"pain": "PAIN_INTENSITY_AVERAGE"}``.
    drop_missing : bool
        Whether rows with a missing value are dropped and counted. If False, a missing value is an error.
    strict : bool
        Whether an unknown column is an error (a file in this format) or is ignored (a registry's file).

    Raises
    ------
    InputError
        Every problem with file, row and column.
    """
    table = read_csv(path)
    bad = Problems(str(path))
    known = ["patient_id", *NUMBERS, *BOOLEANS, "modality"]
    for name, column in columns.items():
        if name not in known:
            raise problem(str(path), f"columns.{name}", f"an unknown name{nearest(name, known)}", ", ".join(known))
        if column not in table.columns:
            raise problem(
                str(path), "header", f"no column {column}{nearest(column, table.columns)}", f"a column for {name}"
            )
    mapped = {column: name for name, column in columns.items()}
    names = {column: mapped.get(column, column) for column in table.columns}
    if "patient_id" not in names.values():
        given = f"{len(table.columns)} columns, none of them patient_id{nearest('patient_id', table.columns)}"
        allowed = "a column patient_id; another name for it goes under columns, such as {patient_id: ID}"
        raise InputError(Problem(str(path), "header", given, allowed))
    if strict:
        for column, name in names.items():
            if name not in known:
                given = f"an unknown column {shown(column)}{nearest(column, known)}"
                bad.add_text("header", given, f"one of {', '.join(known)}")
    numbers = {
        name: _numbers(table, column, name, NUMBERS[name], bad, drop_missing)
        for column, name in names.items()
        if name in NUMBERS and (strict or column in mapped)
    }
    booleans = {
        name: _booleans(table, column, bad)
        for column, name in names.items()
        if name in BOOLEANS and (strict or column in mapped)
    }
    how = next((column for column, name in names.items() if name == "modality" and (strict or column in mapped)), None)
    modality = None if how is None else _modality(table, how, bad)
    ids = table[next(column for column, name in names.items() if name == "patient_id")]
    keep = np.ones(len(table), dtype=bool)
    if drop_missing:
        keep &= (ids != "").to_numpy()
        for values in numbers.values():
            keep &= ~np.isnan(values)
    has_id = (ids != "").to_numpy()
    bad.rows(table, str(ids.name), keep & ~has_id, "an id")
    repeated = keep & has_id & ids.where(keep & has_id).duplicated().to_numpy()
    bad.rows(table, str(ids.name), repeated, "each patient once", " a second time")
    bad.raise_if_any()
    if not keep.any():
        raise problem(str(path), "", "no row without missing values: an empty cohort", "at least one patient")
    return PatientTable(
        tuple(ids[keep]),
        {name: values[keep] for name, values in numbers.items()},
        {name: values[keep] for name, values in booleans.items()},
        int((~keep).sum()),
        None if modality is None else modality[keep],
    )


def _optional_number(text: str, place: str, bad: Problems) -> float | None:
    if text == "":
        return None
    try:
        return float(text)
    except ValueError:
        bad.add(place, text, "a number")
        return None


def read_drugs(path: Path, patients: Sequence[str]) -> list[DrugRow]:
    """Read the patients' drugs: ``patient_id,drug,formulation,dose_mg_per_day`` (patches ``dose_mcg_per_h``).

    Raises
    ------
    InputError
        Unknown drug, wrong unit, mg for a patch, implausible dose, unknown patient, repeated drug, or a patient without
        drugs.
    """
    table = read_csv(path)
    bad = Problems(str(path))
    for column in table.columns if set(table.columns) & set(_DRUG_COLUMNS) else ():  # else it is another file
        if column not in _DRUG_COLUMNS:
            given = f"an unknown column {shown(column)}{nearest(column, _DRUG_COLUMNS)}"
            bad.add_text("header", given, f"one of {', '.join(_DRUG_COLUMNS)}")
    for column in ("patient_id", "drug"):
        if column not in table.columns:
            bad.add("header", f"no column {column}", ", ".join(_DRUG_COLUMNS))
    bad.raise_if_any()
    known, listed, rows = set(patients), set(), []
    cell: Callable[[Any, str], str] = lambda row, column: getattr(row, column, "")  # noqa: E731
    for number, row in enumerate(table.itertuples(index=False), start=2):
        place = f"row {number}"
        patient_id = cell(row, "patient_id")
        if patient_id not in known:
            bad.add(f"{place}, patient_id", patient_id, "a patient of the patients file")
        before = bad.count
        mg = _optional_number(cell(row, "dose_mg_per_day"), f"{place}, dose_mg_per_day", bad)
        rate = _optional_number(cell(row, "dose_mcg_per_h"), f"{place}, dose_mcg_per_h", bad)
        interval_h = _optional_number(cell(row, "interval_h"), f"{place}, interval_h", bad)
        if interval_h is not None and not 1 <= interval_h <= formulary.LONGEST_INTERVAL_H:
            bad.add(f"{place}, interval_h", interval_h, f"1 to {formulary.LONGEST_INTERVAL_H} h")
        if bad.count > before:
            continue
        try:
            named = named_drug(cell(row, "drug"), cell(row, "formulation") or None)
            drug, dose = named.drug, formulary.validate_dose(named.drug, mg, rate, interval_h)
            named.check(dose)
            if (patient_id, drug.key) in listed:
                bad.add_text(
                    place, f"{' '.join(drug.key)} of patient {shown(patient_id)} a second time", "each drug once"
                )
            listed.add((patient_id, drug.key))
            rows.append(DrugRow(patient_id, drug, dose, administrations(drug, interval_h)))
        except ValueError as error:
            bad.add_text(place, *divided(str(error), "a drug, formulation and dose of `taper-sim drugs`"))
    bad.raise_if_any()
    by_patient: dict[str, list[Drug]] = {patient_id: [] for patient_id in patients}
    for drug_row in rows:
        if drug_row.dose > 0:
            by_patient[drug_row.patient_id].append(drug_row.drug)
    for patient_id, drugs in by_patient.items():
        if not drugs:
            bad.add_text("", f"no drug for patient {shown(patient_id)}", "at least one drug with a dose above 0")
        try:
            check_one_scale(drugs)
        except ValueError as error:
            given, allowed = divided(str(error), "one scale of opioid dose")
            bad.add_text("", f"patient {shown(patient_id)}: {given}", allowed)
    bad.raise_if_any()
    return rows
