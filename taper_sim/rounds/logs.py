"""Reads a clinic's logs: one folder, or the folders of ``serve --data``. Imports ``data``, ``recommend``.

Files: docs/how-to/rounds.md. Every problem is one line; a folder with a problem is not reported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from taper_sim import tables
from taper_sim.data.checkins import DATE_ALLOWED, the_date
from taper_sim.data.csv_input import Problems, read_csv
from taper_sim.data.patient import read_patient
from taper_sim.data.patient_files import BASELINE_FILE, BUNDLE_FILE, DECISION_FILE, DOSE_FILE, histories_in
from taper_sim.data.patients import BOOLEANS, MODALITIES, read_patients
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.data.records import History
from taper_sim.recommend.decision_log import read_log
from taper_sim.run_folder import sha256_of

ALERT_FILE: Final = "alerts.csv"
TRAIT_FILE: Final = "patients.csv"
FEEDBACK_FILE: Final = "feedback.csv"
CODE_FILE: Final = "feedback_codes.csv"
ALERT_COLUMNS: Final = ("patient_id", "alert", "raised", "owner", "answered")
FEEDBACK_COLUMNS: Final = ("patient_id", "date", "source", "code")
CODE_COLUMNS: Final = ("code", "meaning")
SOURCES: Final = ("patient", "caregiver")
DUE_H: Final[Mapping[str, float]] = {"emergency": 1.0, "same_day": 24.0, "within_72h": 72.0, "next_visit": 28 * 24.0}
"""Hours within which an alert is to be answered, by the urgency of its flag. Source: A133."""
_LONGEST_H: Final = 8_760.0
_TIME_ALLOWED: Final = "a time written as 2026-01-31T14:05"
_ANSWERS: Final = {"sleep_apnoea": "osa", "earlier_overdose": "overdose_history", "earlier_seizure": "seizure_history"}
"""Columns of a patients file whose variable in the rules has another name."""


@dataclass(frozen=True)
class LoggedAlert:
    """An alert: whom it is about, when it was raised and answered (None: open), and its time limit in hours."""

    patient_id: str
    name: str
    raised: datetime
    answered: datetime | None
    due_h: float

    def is_late(self, end: datetime) -> bool | None:
        """Whether it was answered late or is overdue at the end of the records; None while it may still be in time."""
        until = end if self.answered is None else self.answered
        hours = (until - self.raised).total_seconds() / 3600.0
        return hours > self.due_h if self.answered is not None or hours > self.due_h else None


@dataclass(frozen=True)
class Comment:
    """A coded comment of a patient or a caregiver."""

    patient_id: str
    day: Any
    source: str
    code: str


@dataclass(frozen=True)
class ClinicLogs:
    """What a clinic recorded.

    Attributes
    ----------
    histories : mapping of str to History
        Check-ins and doses by patient.
    traits : mapping of str to mapping of str to str
        Characteristics by patient: *yes* or *no*, and the modality.
    decisions : tuple of dict
        Lines of the decision logs.
    alerts : tuple of LoggedAlert
    comments : tuple of Comment
    codes : mapping of str to str
        Meaning of each code of feedback.
    files : mapping of str to str
        SHA-256 of every file read, by its path inside the folder.
    notes : tuple of str
        What the folder does not have.
    """

    histories: Mapping[str, History]
    traits: Mapping[str, Mapping[str, str]]
    decisions: tuple[dict[str, Any], ...]
    alerts: tuple[LoggedAlert, ...]
    comments: tuple[Comment, ...]
    codes: Mapping[str, str]
    files: Mapping[str, str]
    notes: tuple[str, ...]


def read_logs(folder: Path) -> ClinicLogs:
    """Read a folder of logs.

    Parameters
    ----------
    folder : Path
        With ``doses.csv`` or a bundle of many patients; or with a folder for each patient.

    Raises
    ------
    InputError
        Every problem of every file, one line each.
    """
    if not folder.is_dir():
        raise problem(str(folder), "", "no folder", "a folder of logs")
    places = [folder] if _has_records(folder) else [p for p in sorted(folder.iterdir()) if _has_records(p)]
    if not places:
        raise problem(str(folder), "", f"no {DOSE_FILE}", "a folder of logs, or one that `serve --data` wrote")
    bad: list[Problem] = []
    notes: list[str] = []
    histories: dict[str, History] = {}
    decisions: list[dict[str, Any]] = []
    traits: dict[str, Mapping[str, str]] = {}
    for place in places:
        try:
            read = histories_in(place)
        except InputError as error:
            bad += error.problems
            continue
        for patient_id, history in read.items():
            if patient_id in histories:
                bad.append(Problem(str(place), "", f"patient {shown(patient_id)} a second time", "each patient once"))
            histories[patient_id] = history
            if place != folder and (place / BASELINE_FILE).exists():
                bad += _collected(lambda p=place, i=patient_id: traits.update({i: _of_baseline(p / BASELINE_FILE)}))
        if (place / DECISION_FILE).exists():
            log = read_log(place / DECISION_FILE)
            decisions += log.lines
            bad += [p for p in log.problems if p.place]
            notes += [f"{DECISION_FILE}: {p.given}." for p in log.problems if not p.place]  # of an earlier version
    if bad:  # every other file names these patients
        raise InputError(bad)
    alerts: tuple[LoggedAlert, ...] = ()
    comments: tuple[Comment, ...] = ()
    codes: Mapping[str, str] = {}
    for name, what in (
        (ALERT_FILE, "the answering of alerts"),
        (TRAIT_FILE, "equity of access"),
        (FEEDBACK_FILE, "feedback"),
    ):
        path = folder / name
        if not path.exists():
            if not (name == TRAIT_FILE and traits):
                notes.append(f"The folder has no {name}: {what} is not reported.")
            continue
        try:
            if name == ALERT_FILE:
                alerts = tuple(_alerts(path, histories))
            elif name == TRAIT_FILE:
                traits |= _traits(path)
            else:
                codes = _codes(folder / CODE_FILE)
                comments = tuple(_comments(path, codes, histories))
        except InputError as error:
            bad += error.problems
    if not decisions:
        notes.append(f"The folder has no {DECISION_FILE}: decisions are not reported.")
    unknown = [name for name in {str(line.get("patient_id")) for line in decisions} if name not in histories]
    bad += [Problem(DECISION_FILE, "", f"patient {shown(n)}", f"a patient of {DOSE_FILE}") for n in sorted(unknown)]
    if bad:
        raise InputError(bad)
    for name, history in histories.items():
        histories[name] = replace(history, answers={**history.answers, **_answers(traits.get(name, {}))})
    return ClinicLogs(
        histories, traits, tuple(decisions), alerts, comments, codes, dict(_hashes(folder, places)), tuple(notes)
    )


def _has_records(place: Path) -> bool:
    return place.is_dir() and ((place / DOSE_FILE).exists() or (place / BUNDLE_FILE).exists())


def _collected(do: Any) -> list[Problem]:
    try:
        do()
    except InputError as error:
        return error.problems
    return []


def _hashes(folder: Path, places: list[Path]) -> Iterator[tuple[str, str]]:
    for place in dict.fromkeys([folder, *places]):
        for path in sorted(place.iterdir()):
            if path.is_file() and path.suffix in (".csv", ".json", ".jsonl", ".yaml"):
                yield path.relative_to(folder).as_posix(), sha256_of(path)


def _answers(traits: Mapping[str, str]) -> dict[str, float]:
    """Characteristics as variables of the rules."""
    return {_ANSWERS[name]: float(value == "yes") for name, value in traits.items() if name in _ANSWERS and value != ""}


def _of_baseline(path: Path) -> Mapping[str, str]:
    """Characteristics of a patient's own file."""
    patient = read_patient(path)
    traits: dict[str, str] = {}
    for part in (patient.risk, patient.access):
        for name in BOOLEANS:
            if isinstance(value := getattr(part, name, None), bool):
                traits[name] = "yes" if value else "no"
    modality = getattr(patient.access, "modality", None)
    return traits | ({"modality": str(modality)} if modality else {})


def _traits(path: Path) -> dict[str, Mapping[str, str]]:
    table = read_patients(path, {}, drop_missing=False, strict=True)
    rows: dict[str, dict[str, str]] = {name: {} for name in table.ids}
    for column, values in table.booleans.items():
        for patient_id, value in zip(table.ids, values, strict=True):
            rows[patient_id][column] = "yes" if value else "no"
    if table.modality is not None:
        for patient_id, place in zip(table.ids, table.modality, strict=True):
            rows[patient_id]["modality"] = MODALITIES[int(place)]
    return dict(rows)


def _columns(path: Path, wanted: tuple[str, ...], bad: Problems) -> list[list[str]]:
    table = read_csv(path, None)
    for column in wanted:
        if column not in table.columns:
            bad.add_text("header", f"no column {column}{nearest(column, table.columns)}", ", ".join(wanted))
    bad.raise_if_any()
    due = table["due_h"].tolist() if "due_h" in table.columns else [""] * len(table)
    return [*(table[column].tolist() for column in wanted), due]


def _time(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.replace(tzinfo=None) if the_date(text[:10]) is not None else None


def _alerts(path: Path, histories: Mapping[str, History]) -> Iterator[LoggedAlert]:
    bad = Problems(str(path))
    urgency = {row["flag"]: row["urgency"] for row in tables.read("red_flags").rows}
    alerts = []
    for number, (who, name, raised, _, answered, due) in enumerate(
        zip(*_columns(path, ALERT_COLUMNS, bad), strict=True), start=2
    ):
        place, before = f"row {number}", bad.count
        if who not in histories:
            bad.add(f"{place}, patient_id", who or "nothing", f"a patient of {DOSE_FILE}")
        start, end = _time(raised), _time(answered) if answered else None
        if start is None:
            bad.add(f"{place}, raised", raised or "nothing", _TIME_ALLOWED)
        if answered and (end is None or (start is not None and end < start)):
            bad.add(f"{place}, answered", answered, f"{_TIME_ALLOWED}, not before it was raised; empty while open")
        due_h = _hours(due) if due else DUE_H.get(urgency.get(name, ""))
        if due_h is None:
            if due:
                bad.add(f"{place}, due_h", due, f"hours, above 0 to {_LONGEST_H:g}")
            else:
                given = f"{shown(name) or 'nothing'}{nearest(name, urgency)}"
                bad.add_text(f"{place}, alert", given, "a flag of red_flags.csv, or a column due_h with hours")
        if bad.count == before and start is not None and due_h is not None:
            alerts.append(LoggedAlert(who, name, start, end, due_h))
    bad.raise_if_any()
    yield from alerts


def _hours(text: str) -> float | None:
    try:
        hours = float(text)
    except ValueError:
        return None
    return hours if 0.0 < hours <= _LONGEST_H else None


def _codes(path: Path) -> dict[str, str]:
    bad = Problems(str(path))
    codes: dict[str, str] = {}
    for number, (code, meaning, _) in enumerate(zip(*_columns(path, CODE_COLUMNS, bad), strict=True), start=2):
        if not code or code in codes:
            bad.add(f"row {number}, code", f"{code} a second time" if code else "nothing", "each code once")
        codes[code] = meaning or code
    bad.raise_if_any()
    return codes


def _comments(path: Path, codes: Mapping[str, str], histories: Mapping[str, History]) -> Iterator[Comment]:
    bad = Problems(str(path))
    comments = []
    for number, (who, when, source, code, _) in enumerate(
        zip(*_columns(path, FEEDBACK_COLUMNS, bad), strict=True), start=2
    ):
        place, before = f"row {number}", bad.count
        if who not in histories:
            bad.add(f"{place}, patient_id", who or "nothing", f"a patient of {DOSE_FILE}")
        day = the_date(when)
        if day is None:
            bad.add(f"{place}, date", when or "nothing", DATE_ALLOWED)
        if source not in SOURCES:
            bad.add(f"{place}, source", source or "nothing", " or ".join(SOURCES))
        if code not in codes:
            bad.add(f"{place}, code", f"{code or 'nothing'}{nearest(code, codes)}", f"a code of {CODE_FILE}")
        if bad.count == before:
            comments.append(Comment(who, day, source, code))
    bad.raise_if_any()
    yield from comments
