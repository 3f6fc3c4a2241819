"""People of a population fit: files in, evidence and traits of each out. Imports ``data``, ``record``, ``patient``.

Who cannot be followed (no dose history, doses that cannot be converted, no report that teaches the model) is left out
and named; the others go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from taper_sim.data.doses import one_scale_problem, read_histories
from taper_sim.data.patients import PatientTable, read_patients
from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.data.records import History
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.observation import Reports, names_of
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import ASSESSED, Population, key_of, prior_of
from taper_sim.inference.record import NoDoseHistory, PatientRecord, record_of, regimen_of, reports_for, used_by_model
from taper_sim.model.parameters import MEDIAN_USE_DAYS
from taper_sim.units import DRUG_CLASSES

FLAGS = ("mood_disorder", "oud")
"""Flags of a baseline assessment that are traits of ``prior.TRAITS``."""
_SYMBOLS = ("sigma", "tau_F", "tau_L", "EC50", "b")


@dataclass(frozen=True)
class RecordedPerson:
    """One person of a fit.

    Attributes
    ----------
    id : str
    taken : tuple of bool
        Classes taken at the start.
    buprenorphine : bool
    regimen : Regimen
    reports : Reports
    failed_tapers : int
    traits : mapping
        Of ``prior.TRAITS``, those that are known.
    assessed : mapping
        Baseline values of an assessment: one more report each.
    """

    id: str
    taken: tuple[bool, bool, bool]
    buprenorphine: bool
    regimen: Regimen = field(repr=False)
    reports: Reports = field(repr=False)
    failed_tapers: int = 0
    traits: Mapping[str, float] = field(default_factory=dict)
    assessed: Mapping[str, float] = field(default_factory=dict)

    @property
    def n_days(self) -> int:
        """Days followed."""
        return len(self.regimen.dose) - 1

    def evidence(self, population: Population) -> Evidence:
        """What her posterior is computed from if she comes from ``population``; an assessment does not enter."""
        prior = prior_of(
            self.taken,
            -(-self.n_days // at.SEGMENT_D),
            tuple(names_of(self.reports)),
            buprenorphine=self.buprenorphine,
            failed_tapers=self.failed_tapers,
            population=population,
            traits=self.traits,
        )
        return Evidence(prior, at.couplings(self.buprenorphine), self.regimen, self.reports)

    def keys(self, names: Sequence[str]) -> list[str]:
        """Names in a population of the values of her prior: people on buprenorphine have some of their own."""
        own = {
            f"{symbol}_{drug_class}": key_of(symbol, drug_class, self.buprenorphine)
            for symbol in _SYMBOLS
            for drug_class in DRUG_CLASSES
        }
        return [own.get(name, name) for name in names]


def traits_of(record: PatientRecord, flags: Mapping[str, bool]) -> dict[str, float]:
    """Traits of a person: flags that are known, and days of use where they are recorded."""
    known = {name: float(value) for name, value in flags.items()}
    k = int(np.argmax(record.classes))
    if not any(note.startswith(f"days of {DRUG_CLASSES[k]} use") for note in record.notes):
        known["log_use"] = float(np.log(record.use_days[k] / MEDIAN_USE_DAYS))
    return known


def read_people(checkins: Path, doses: Path, patients: Path | None = None) -> tuple[list[RecordedPerson], list[str]]:
    """People of the files, and who was left out and why, a line each.

    Parameters
    ----------
    checkins, doses : Path
        Long CSVs, as ``recommend`` reads them.
    patients : Path, optional
        A row a patient: baseline assessment, failed tapers, days of use, flags (docs/population.md).

    Raises
    ------
    InputError
        Whatever is wrong with the files; and if nobody is left.
    """
    histories = read_histories(checkins, doses)
    table = None if patients is None else read_patients(patients, {}, drop_missing=False, strict=True)
    if table is not None:
        strangers = [i for i in table.ids if i not in histories]
        if strangers:
            raise InputError(
                [Problem(str(patients), "patient_id", shown(i), f"a patient of {doses.name}") for i in strangers[:20]]
            )
    found, left_out = [], []
    for patient_id, history in histories.items():
        try:
            found.append(_person(history, table))
        except NoDoseHistory as error:
            left_out.append(f"patient {shown(patient_id)} is left out: {error}")
    if not found:
        raise problem(
            str(checkins),
            "",
            f"nobody to learn from ({left_out[0] if left_out else 'no patient'})",
            "check-ins and doses of at least one person that the model can follow",
        )
    return found, left_out


def _person(history: History, table: PatientTable | None) -> RecordedPerson:
    wrong = one_scale_problem(history.doses)
    if wrong is not None:
        raise NoDoseHistory(f"doses that cannot be converted: {wrong[0]}; {wrong[1]}")
    numbers: dict[str, float] = {}
    flags: dict[str, bool] = {}
    if table is not None and history.patient_id in table.ids:
        row = table.ids.index(history.patient_id)
        numbers = {name: float(values[row]) for name, values in table.numbers.items()}
        flags = {name: bool(values[row]) for name, values in table.booleans.items()}
    answers = {f"{c}_use_days": numbers[f"use_days_{c}"] for c in DRUG_CLASSES if f"use_days_{c}" in numbers}
    history = replace(history, answers={**history.answers, **answers})
    as_of = max([*(c.known_on for c in history.checkins), *(row.day for row in history.doses)])
    record = replace(record_of(history, as_of), imposed=flags.get("imposed", False))
    used, _ = used_by_model(record)
    if not used:
        raise NoDoseHistory("no report that teaches the model")
    return RecordedPerson(
        history.patient_id,
        record.classes,
        record.buprenorphine,
        regimen_of(record),
        reports_for(record, used, record.n_days),
        int(numbers.get("failed_tapers", 0)),
        traits_of(record, {name: flags[name] for name in FLAGS if name in flags}),
        {name: numbers[name] for name in (*ASSESSED, "sows_gossop") if name in numbers},
    )


def people_of(each: Sequence[tuple[str, Regimen, Reports]], **more: Any) -> list[RecordedPerson]:
    """People whose doses and reports are at hand, all alike otherwise: for studies of simulated people."""
    return [
        RecordedPerson(name, tuple(bool(t) for t in regimen.taken), False, regimen, reports, **more)  # type: ignore[arg-type]
        for name, regimen, reports in each
    ]
