"""Cohorts from patients' files and from tables of patients and drugs. Imports the other modules of ``cohort``."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Floats
from taper_sim.data.patient import Patient
from taper_sim.data.patients import MODALITIES, DrugRow, PatientTable
from taper_sim.model.parameters import BASELINE_LIMITS, DISCIPLINES, MEDIAN_USE_DAYS, Baseline
from taper_sim.model.pharmacology import administrations
from taper_sim.simulation.cohort.arrays import FLAGS, Cohort, with_doses, without_drugs
from taper_sim.simulation.cohort.sampled import (
    MOOD_DISORDER_T,
    distress_of_promis,
    function_of_promis,
    insomnia_of_promis,
)
from taper_sim.units import DRUG_CLASSES


def from_patients(patients: Sequence[Patient], *, spread: bool = False, description: str = "") -> Cohort:
    """Build a cohort from patients' files; a missing entry takes the median patient's value."""
    n = len(patients)
    drugs = tuple(dict.fromkeys(entry.row for patient in patients for entry in patient.drugs))
    n_slots = max([1, *(len(patient.drugs) for patient in patients)])
    slot_drug = np.full((n, n_slots), -1)
    slot_dose, slot_times = np.zeros((n, n_slots)), np.ones((n, n_slots), dtype=np.int64)
    use_days = np.full((n, 3), MEDIAN_USE_DAYS)
    fixed: dict[str, Floats] = {}
    for row, patient in enumerate(patients):
        for slot, entry in enumerate(patient.drugs):
            slot_drug[row, slot] = drugs.index(entry.row)
            slot_dose[row, slot] = entry.dose
            slot_times[row, slot] = administrations(entry.row, entry.interval_h)
        for drug_class, days in patient.use_days.items():
            use_days[row, DRUG_CLASSES.index(drug_class)] = days
        for symbol, value in patient.parameters.items():
            if isinstance(value, dict):
                array = fixed.setdefault(symbol, np.full((n, 3), np.nan))
                for drug_class, number in value.items():
                    array[row, DRUG_CLASSES.index(drug_class)] = number
            else:
                fixed.setdefault(symbol, np.full(n, np.nan))[row] = value
    flags = {name: np.array([_flag(patient, name) for patient in patients], dtype=bool) for name in FLAGS}
    zeros = np.zeros((n, 3))
    return with_doses(
        Cohort(
            ids=tuple(patient.id for patient in patients),
            keys=np.array([rng.patient_key(patient.id) for patient in patients], dtype=np.uint64),
            drugs=drugs,
            slot_drug=slot_drug,
            slot_dose=slot_dose,
            slot_times=slot_times,
            dose=zeros,
            use_days=use_days,
            half_life_h=zeros,
            trough_mean=zeros,
            buprenorphine=np.zeros(n, dtype=bool),
            baseline={
                name: np.array([getattr(patient.baseline, name) for patient in patients]) for name in BASELINE_LIMITS
            },
            flags=flags,
            failed_tapers=np.array([patient.risk.failed_tapers for patient in patients], dtype=np.float64),
            age=np.array([patient.age for patient in patients]),
            modality=np.array([MODALITIES.index(patient.access.modality) for patient in patients]),
            fixed=fixed,
            care=np.array([[getattr(patient.care, d) for d in DISCIPLINES] for patient in patients]),
            spread=spread,
            description=description,
        )
    )


def _flag(patient: Patient, name: str) -> bool:
    for section in (patient.risk, patient.access):
        if hasattr(section, name):
            return bool(getattr(section, name))
    answer = {"agreed": "patient_agreed_to_taper"}.get(name, name)
    return bool(getattr(patient, name, None) or patient.answers.get(answer, name == "agreed"))


_TRUE_BY_DEFAULT = ("agreed", "broadband", "device", "transport", "language_match", "literacy")
_PROMIS = {"promis_pf": "function", "promis_depression": "distress", "promis_sleep": "insomnia"}


def from_table(table: PatientTable, description: str) -> Cohort:
    """Build a cohort without drugs from a table of patients; a missing column takes the median patient's value."""
    n = len(table.ids)
    columns = dict(table.numbers)
    for t_score, convert in (
        ("promis_pf", function_of_promis),
        ("promis_depression", distress_of_promis),
        ("promis_sleep", insomnia_of_promis),
    ):
        if t_score in columns:
            columns.setdefault(_PROMIS[t_score], convert(columns[t_score]))
    median = Baseline()
    flags = {
        name: np.array(table.booleans.get(name, np.full(n, name in _TRUE_BY_DEFAULT)), dtype=bool) for name in FLAGS
    }
    if "mood_disorder" not in table.booleans and "promis_depression" in columns:
        flags["mood_disorder"] = columns["promis_depression"] >= MOOD_DISORDER_T
    cohort = without_drugs(
        table.ids,
        np.array([rng.patient_key(patient_id) for patient_id in table.ids], dtype=np.uint64),
        {name: columns.get(name, np.full(n, getattr(median, name))) for name in BASELINE_LIMITS},
        flags=flags,
        failed_tapers=columns.get("failed_tapers", np.zeros(n)),
        age=columns.get("age", np.full(n, 55.0)),
        modality=np.zeros(n, dtype=np.int64) if table.modality is None else table.modality,
        description=description,
    )
    use_days = cohort.use_days.copy()
    for k, drug_class in enumerate(DRUG_CLASSES):
        if f"use_days_{drug_class}" in columns:
            use_days[:, k] = columns[f"use_days_{drug_class}"]
    return replace(cohort, use_days=use_days)


def with_drugs(cohort: Cohort, drug_rows: Sequence[DrugRow]) -> Cohort:
    """Add the drugs of a drugs file to a cohort."""
    row_of = {patient_id: row for row, patient_id in enumerate(cohort.ids)}
    drugs = tuple(dict.fromkeys(drug_row.drug for drug_row in drug_rows))
    number = {drug: k for k, drug in enumerate(drugs)}
    used = np.zeros(len(cohort), dtype=np.int64)
    n_slots = max(np.unique([row_of[drug_row.patient_id] for drug_row in drug_rows], return_counts=True)[1])
    slot_drug = np.full((len(cohort), n_slots), -1)
    slot_dose, slot_times = np.zeros((len(cohort), n_slots)), np.ones((len(cohort), n_slots), dtype=np.int64)
    for drug_row in drug_rows:
        row = row_of[drug_row.patient_id]
        slot_drug[row, used[row]] = number[drug_row.drug]
        slot_dose[row, used[row]], slot_times[row, used[row]] = drug_row.dose, drug_row.times
        used[row] += 1
    return with_doses(replace(cohort, drugs=drugs, slot_drug=slot_drug, slot_dose=slot_dose, slot_times=slot_times))
