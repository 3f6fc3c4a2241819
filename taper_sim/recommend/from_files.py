"""Files in, recommendations out: check-ins, doses, assessment, limits. Imports ``data``, ``recommendation``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from taper_sim.data.checkins import DATE_ALLOWED, the_date
from taper_sim.data.doses import read_histories
from taper_sim.data.fhir import BundleReading, is_json, read_bundle
from taper_sim.data.patient import Patient, read_patient
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.data.records import History
from taper_sim.inference.prior import DEFAULT_POPULATION
from taper_sim.recommend.answer import Recommendation
from taper_sim.recommend.recommendation import recommend
from taper_sim.safety.limits import Limits, read_limits

#: What a baseline assessment says, by the name that rules use.
_RISK_VARIABLES = {"earlier_overdose": "overdose_history", "earlier_seizure": "seizure_history", "sleep_apnoea": "osa"}
NAMED = 20
"""Patients of a file who are named where one of them must be chosen."""
LISTED = 20
"""Entries of a bundle that could not be read, shown in full in an answer."""
OUD_CRITERIA = 2.0
"""Criteria of opioid use disorder that a flag in a patient's file stands for: the least that makes the diagnosis."""


def answers_of(patient: Patient) -> dict[str, float]:
    """Variables that a patient's file answers, by their names in variables.csv; what it leaves out stays unknown."""
    known = {name: float(value) for name, value in patient.answers.items()}
    known |= {f"{drug_class}_use_days": float(days) for drug_class, days in patient.use_days.items()}
    given = patient.risk.model_fields_set
    known |= {v: float(getattr(patient.risk, k)) for k, v in _RISK_VARIABLES.items() if k in given}
    if "oud" in given and patient.risk.oud:
        known.setdefault("oud_criteria_count", OUD_CRITERIA)
    if "age" in patient.model_fields_set:
        known["age"] = patient.age
    if patient.female is not None:
        known |= {"sex_female": float(patient.female), "sex_male": float(not patient.female)}
    return known


def default_as_of(history: History) -> date:
    """The day asked about by default: up to which the records were written, else the last with a record, else today."""
    days = [*(c.known_on for c in history.checkins), *(row.day for row in history.doses)]
    return history.written or max(days, default=date.today())  # without any record there is nothing to say of any day


def recommend_from_files(
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
    aside: Callable[[str], None] | None = None,
    population: Path | None = None,
) -> list[Recommendation]:
    """Recommendations for one patient of the files, or for everybody.

    Parameters
    ----------
    records : Path
        Check-ins as a long CSV, or without ``doses`` a FHIR R4 Bundle (JSON).
    doses : Path, optional
        Doses as a long CSV.
    patient_id : str, optional
        Whose; may be left out where the files hold one patient.
    everybody : bool
    baseline : Path, optional
        One patient's file (YAML): assessment, risks, answers.
    limits : Path, optional
    as_of : str, optional
        Date; the last day on which anything was recorded if left out.
    horizon : int, optional
        Days, instead of the limits file's.
    seed : int
    aside : callable, optional
        Told of what does not enter: each entry of a bundle that could not be read, records after the day asked about.
    population : Path, optional
        A population that ``taper-sim fit`` wrote, instead of the shipped one.

    Raises
    ------
    InputError
        Whatever is wrong with files or arguments.
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
    listed = listed_lines(reading) if reading is not None else []
    tell = aside or (lambda line: None)
    if reading is not None:
        for entry in reading.failed[:LISTED]:
            tell(str(entry))
        if len(reading.failed) > LISTED:
            tell(f"{records}: {len(reading.failed) - LISTED} more entries were not read")
    wanted = _wanted(histories, patient_id, everybody, doses or records)
    if patient is not None and (len(wanted) != 1 or patient.id != wanted[0]):
        raise problem(str(baseline), "id", patient.id, f"the patient asked about: {', '.join(map(shown, wanted[:3]))}")
    answered = answers_of(patient) if patient is not None else {}
    believed = DEFAULT_POPULATION
    if population is not None:
        from taper_sim.inference.population.files import read_population  # its libraries take seconds to load

        believed = read_population(population)
    found = []
    for name in wanted:
        history = histories[name]
        asked_on = day or default_as_of(history)
        if day is not None and (later := later_line(history, day)):
            tell(later)
        history = replace(history, answers={**history.answers, **answered}, notes=(*history.notes, *listed))
        found.append(
            recommend(history, asked_on, patient=patient, limits=chosen_limits, seed=seed, population=believed)
        )
    return found


def _histories(records: Path, doses: Path | None) -> tuple[dict[str, History], BundleReading | None]:
    """Histories by patient, and what a bundle gave if it is one."""
    if doses is not None:
        if is_json(records):
            given = f"with {shown(records.name)}, a JSON file"
            raise InputError(Problem("--doses", "", given, "a CSV of check-ins; a FHIR Bundle holds its own doses"))
        return read_histories(records, doses), None
    if not is_json(records):
        allowed = "--doses DOSES.csv with check-ins, or a FHIR R4 Bundle (JSON) without it"
        raise InputError(Problem("--doses", "", f"nothing, with {shown(records.name)}", allowed))
    reading = read_bundle(records)
    if not reading.histories:
        raise problem(str(records), "entry", "no Patient that can be read", "a Patient, or entries that refer to one")
    return reading.histories, reading


def listed_lines(reading: BundleReading) -> list[str]:
    """Entries of a bundle that could not be read, the first in full, and what was set aside."""
    lines = [f"not read: {found}" for found in reading.failed[:LISTED]]
    more = len(reading.failed) - len(lines)
    if more > 0:
        lines.append(f"not read: {more} more entries")
    if reading.notes:
        lines.append(f"also in the bundle: {'; '.join(reading.notes)}")
    return lines


def later_line(history: History, day: date) -> str:
    """What is dated after the day asked about; empty if nothing is. Never part of an answer: nobody knew it then."""
    reports = sum(c.known_on > day for c in history.checkins)
    rows = sum(row.day > day for row in history.doses)
    said = f"{shown(history.patient_id)}: {reports} check-in(s) and {rows} dose row(s) after {day}: not used"
    return said if reports or rows else ""


def _wanted(histories: Mapping[str, History], patient_id: str | None, everybody: bool, doses: Path) -> list[str]:
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
