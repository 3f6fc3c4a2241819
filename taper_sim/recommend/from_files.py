"""Recommendations from files of check-ins, doses and limits. Imports ``data``, ``recommend``, ``safety``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from taper_sim.data.added_checkins import with_added
from taper_sim.data.checkins import DATE_ALLOWED, the_date
from taper_sim.data.doses import read_histories
from taper_sim.data.fhir import BundleReading, is_json, read_bundle
from taper_sim.data.patient import Patient, read_patient
from taper_sim.data.problems import InputError, Problem, counted, nearest, problem, shown
from taper_sim.data.records import History
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.recommend.own_plan import Weighed
from taper_sim.recommend.recommendation import weigh
from taper_sim.safety.limits import Limits, read_limits

#: Names that rules use for the risks of a baseline assessment.
_RISK_VARIABLES = {
    "earlier_overdose": "overdose_history",
    "earlier_seizure": "seizure_history",
    "sleep_apnoea": "osa",
    "failed_tapers": "failed_tapers",
}
NAMED = 20
"""Number of patients that an error message lists."""
LISTED = 20
"""Number of reasons for unreadable entries of a bundle that an answer shows; entries alike are one line."""
OUD_CRITERIA = 2.0
"""Criteria of opioid use disorder that the flag ``oud`` of a patient's file implies: the minimum for the diagnosis."""


def answers_of(patient: Patient) -> dict[str, float]:
    """Values of a patient's file by their names in variables.csv; values that the file omits stay unknown."""
    known = {name: float(value) for name, value in patient.answers.items()}
    known |= {f"{drug_class}_use_days": float(days) for drug_class, days in patient.use_days.items()}
    given = patient.risk.model_fields_set
    known |= {v: float(getattr(patient.risk, k)) for k, v in _RISK_VARIABLES.items() if k in given}
    if "oud" in given and patient.risk.oud:
        known.setdefault("oud_criteria_count", OUD_CRITERIA)
    if "imposed" in patient.model_fields_set:
        known["taper_imposed"] = float(patient.imposed)
    if "age" in patient.model_fields_set:
        known["age"] = patient.age
    if patient.female is not None:
        known |= {"sex_female": float(patient.female), "sex_male": float(not patient.female)}
    return known


def default_as_of(history: History) -> date:
    """Default day of a recommendation: the day the records were written, else of the last record, else today."""
    days = [*(c.known_on for c in history.checkins), *(row.day for row in history.doses)]
    return history.written or max(days, default=date.today())  # without any record there is nothing to say of any day


def recommend_from_files(records: Path, doses: Path | None = None, **arguments: Any) -> list[RecommendationFields]:
    """Recommendations for one patient of the files, or for all patients; parameters of :func:`weigh_from_files`."""
    return [weighed.answer for weighed in weigh_from_files(records, doses, **arguments)]


def weigh_from_files(
    records: Path,
    doses: Path | None = None,
    *,
    patient_id: str | None = None,
    everybody: bool = False,
    baseline: Path | None = None,
    limits: Path | None = None,
    as_of: str | None = None,
    horizon: int | None = None,
    seed: int = 0,
    warn: Callable[[str], None] | None = None,
    population: Path | None = None,
    added: Path | None = None,
) -> list[Weighed]:
    """Options weighed for one patient of the files, or for all patients.

    Parameters
    ----------
    records : Path
        Check-ins as a long CSV, or, without ``doses``, a FHIR R4 Bundle (JSON).
    doses : Path, optional
        Doses as a long CSV.
    patient_id : str, optional
        May be omitted if the files hold one patient.
    everybody : bool
        Whether all patients get a recommendation.
    baseline : Path, optional
        One patient's file (YAML): assessment, risks, answers.
    limits : Path, optional
    as_of : str, optional
        Date; see :func:`default_as_of` if omitted.
    horizon : int, optional
        Days, instead of the limits file's.
    seed : int
    warn : callable, optional
        Receives a line for each entry of a bundle that could not be read, and for records after the day of the
        recommendation. Neither enters an answer.
    population : Path, optional
        A population that ``taper-sim fit`` wrote, instead of the default (``inference.calibrated_prior``).
    added : Path, optional
        More check-ins as a long CSV, for the patients of a bundle.

    Raises
    ------
    InputError
        With every problem of the files and arguments.
    """
    chosen_limits = read_limits(limits) if limits is not None else Limits()
    if horizon is not None:
        if not 14 <= horizon <= 364:
            raise problem("--horizon", "", horizon, "14 to 364 days")
        chosen_limits = chosen_limits.model_copy(update={"horizon_days": horizon})
    day = None
    if as_of is not None:
        day = the_date(as_of)
        if day is None:
            raise problem("--as-of", "", as_of, DATE_ALLOWED)
    patient = read_patient(baseline) if baseline is not None else None
    histories, reading = _histories(records, doses)
    if added is not None:
        histories = with_added(histories, added)
    listed = listed_lines(reading) if reading is not None else []
    warn = warn or (lambda line: None)
    if reading is not None:
        alike = counted(reading.failed)
        for entry in alike[:LISTED]:
            warn(str(entry))
        if len(alike) > LISTED:
            warn(f"{records}: entries were not read for {len(alike) - LISTED} more reasons")
    patient_ids = _chosen_ids(histories, patient_id, everybody, doses or records)
    if patient is not None and (len(patient_ids) != 1 or patient.id != patient_ids[0]):
        allowed = f"the patient of the recommendation: {', '.join(map(shown, patient_ids[:3]))}"
        raise problem(str(baseline), "id", patient.id, allowed)
    answered = answers_of(patient) if patient is not None else {}
    prior = None
    if population is not None:
        from taper_sim.inference.population.files import read_population  # its libraries take seconds to load

        prior = read_population(population)
    weighed = []
    for name in patient_ids:
        history = histories[name]
        as_of_day = day or default_as_of(history)
        if day is not None and (later := later_line(history, day)):
            warn(later)
        history = replace(history, answers={**history.answers, **answered}, notes=(*history.notes, *listed))
        weighed.append(weigh(history, as_of_day, patient=patient, limits=chosen_limits, seed=seed, population=prior))
    return weighed


def _histories(records: Path, doses: Path | None) -> tuple[dict[str, History], BundleReading | None]:
    """Histories by patient, and the reading of the bundle if ``records`` is one."""
    if doses is not None:
        if is_json(records):
            given = f"with {shown(records.name)}, a JSON file"
            raise InputError(Problem("--doses", "", given, "a CSV of check-ins; a FHIR Bundle contains doses"))
        return read_histories(records, doses), None
    if not is_json(records):
        allowed = "--doses DOSES.csv with check-ins, or a FHIR R4 Bundle (JSON) without it"
        raise InputError(Problem("--doses", "", f"nothing, with {shown(records.name)}", allowed))
    reading = read_bundle(records)
    if not reading.histories:
        raise problem(str(records), "entry", "no Patient that can be read", "a Patient, or entries that refer to one")
    return reading.histories, reading


def listed_lines(reading: BundleReading) -> list[str]:
    """Lines of an answer on a bundle: unreadable entries, the first in full, and entries that were not used."""
    alike = counted(reading.failed)
    lines = [f"not read: {failure}" for failure in alike[:LISTED]]
    if len(alike) > len(lines):
        lines.append(f"not read: entries for {len(alike) - len(lines)} more reasons")
    if reading.notes:
        lines.append(f"also in the bundle: {'; '.join(reading.notes)}")
    return lines


def later_line(history: History, day: date) -> str:
    """Number of records after a day, as a warning; empty if there are none.

    It is no part of an answer: the records were not known on that day.
    """
    reports = sum(c.known_on > day for c in history.checkins)
    rows = sum(row.day > day for row in history.doses)
    line = f"{shown(history.patient_id)}: {reports} check-in(s) and {rows} dose row(s) after {day}: not used"
    return line if reports or rows else ""


def _chosen_ids(histories: Mapping[str, History], patient_id: str | None, everybody: bool, doses: Path) -> list[str]:
    if everybody and patient_id is not None:
        raise problem("--all", "", f"with --patient {patient_id}", "one of the two")
    if everybody:
        return list(histories)
    if patient_id is not None:
        if patient_id not in histories:
            given = f"{shown(patient_id)}{nearest(patient_id, histories)}"
            raise InputError(Problem("--patient", "", given, f"a patient of {doses.name}"))
        return [patient_id]
    if len(histories) > 1:
        some = ", ".join(map(shown, list(histories)[:NAMED])) + (" …" if len(histories) > NAMED else "")
        raise InputError(Problem(str(doses), "", f"{len(histories)} patients ({some})", "--patient ID or --all"))
    return list(histories)
