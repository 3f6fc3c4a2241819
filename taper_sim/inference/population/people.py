"""People of a population fit: reads files, returns evidence and traits of each person. Imports ``data``, ``inference``.

A patient is left out, with a note, if the model cannot follow them: no dose history, doses that cannot be converted, or
no report that informs the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from taper_sim.data.doses import one_scale_problem, read_histories
from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.data.patients import PatientTable, read_patients
from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.data.records import History
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.observation import Reports, instrument_names
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import ASSESSED, PopulationPrior, prior_of, value_key
from taper_sim.inference.record import NoDoseHistory, PatientRecord, record_of, regimen_of, reports_for, used_by_model
from taper_sim.model.parameters import MEDIAN_USE_DAYS
from taper_sim.units import DRUG_CLASSES

TRAIT_FLAGS = ("mood_disorder", "oud")
"""Flags of a baseline assessment that are among ``prior.TRAITS``."""
_CLASS_SYMBOLS = ("sigma", "tau_F", "tau_L", "EC50", "b", "beta")


@dataclass(frozen=True)
class RecordedPerson:
    """One person of a fit.

    Attributes
    ----------
    id : str
        Patient id of the files.
    taken : tuple of bool
        Whether each class is taken at the start.
    buprenorphine : bool
        Whether the opioid is buprenorphine.
    regimen : Regimen
    reports : Reports
    failed_tapers : int
        Number of earlier failed tapers.
    traits : mapping of str to float
        Known traits, of ``prior.TRAITS``.
    assessed : mapping of str to float
        Baseline assessment by value. The set points' are reports of day 0 among ``reports``; others count as one report
        of the value.
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
        """Days from the start of the record to its end."""
        return len(self.regimen.dose) - 1

    def evidence(self, population: PopulationPrior) -> Evidence:
        """Evidence for the person's posterior with the prior of ``population``.

        Of the baseline assessment it has what is a report of day 0, and nothing of engagement, craving and withdrawal.
        """
        prior = prior_of(
            self.taken,
            -(-self.n_days // at.SEGMENT_D),
            tuple(instrument_names(self.reports)),
            buprenorphine=self.buprenorphine,
            failed_tapers=self.failed_tapers,
            population=population,
            traits=self.traits,
        )
        return Evidence(prior, at.couplings(self.buprenorphine), self.regimen, self.reports)

    def keys(self, names: Sequence[str]) -> list[str]:
        """Names, in a population, of the values of the person's prior; some differ for people on buprenorphine."""
        keys = {
            f"{symbol}_{drug_class}": value_key(symbol, drug_class, self.buprenorphine)
            for symbol in _CLASS_SYMBOLS
            for drug_class in DRUG_CLASSES
        }
        return [keys.get(name, name) for name in names]


def traits_of(record: PatientRecord, flags: Mapping[str, bool]) -> dict[str, float]:
    """Traits of a person: known flags, and the log of days of use if these are recorded."""
    traits = {name: float(value) for name, value in flags.items()}
    k = int(np.argmax(equivalents_of(record.segments[0][1]) > 0))  # of the classes taken at the start
    if not any(note.startswith(f"days of {DRUG_CLASSES[k]} use") for note in record.notes):
        traits["log_use"] = float(np.log(record.use_days[k] / MEDIAN_USE_DAYS))
    return traits


def read_people(checkins: Path, doses: Path, patients: Path | None = None) -> tuple[list[RecordedPerson], list[str]]:
    """Read people from files.

    Parameters
    ----------
    checkins, doses : Path
        Long CSV files, as ``recommend`` reads them.
    patients : Path, optional
        CSV file with a row a patient: baseline assessment, failed tapers, days of use, flags (docs/population.md).

    Returns
    -------
    list of RecordedPerson
    list of str
        A line for each patient who is left out, with the reason.

    Raises
    ------
    InputError
        For every problem of the files, or if no patient can be followed.
    """
    histories = read_histories(checkins, doses)
    table = None if patients is None else read_patients(patients, {}, drop_missing=False, strict=True)
    if table is not None:
        without_doses = [i for i in table.ids if i not in histories]
        if without_doses:
            allowed = f"a patient of {doses.name}"
            raise InputError([Problem(str(patients), "patient_id", shown(i), allowed) for i in without_doses[:20]])
    people, left_out = [], []
    for patient_id, history in histories.items():
        try:
            people.append(_person(history, table))
        except NoDoseHistory as error:
            left_out.append(f"patient {shown(patient_id)} is left out: {error}")
    if not people:
        raise problem(
            str(checkins),
            "",
            f"no patient that the model can follow ({left_out[0] if left_out else 'no patient'})",
            "check-ins and doses of at least one person that the model can follow",
        )
    return people, left_out


def _person(history: History, table: PatientTable | None) -> RecordedPerson:
    """One person of the files.

    Raises
    ------
    NoDoseHistory
        If the model cannot follow the person.
    """
    scale_problem = one_scale_problem(history.doses)
    if scale_problem is not None:
        raise NoDoseHistory(f"doses that cannot be converted: {scale_problem[0]}; {scale_problem[1]}")
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
        raise NoDoseHistory("no report that informs the model")
    assessed = {name: numbers[name] for name in (*ASSESSED, "sows_gossop") if name in numbers}
    return RecordedPerson(
        history.patient_id,
        record.classes,
        record.buprenorphine,
        regimen_of(record),
        reports_for(record, used, record.n_days, assessed),
        int(numbers.get("failed_tapers", 0)),
        traits_of(record, {name: flags[name] for name in TRAIT_FLAGS if name in flags}),
        assessed,
    )
