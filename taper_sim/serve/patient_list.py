"""All patients by urgency: flags, check-ins, doses that are due. Imports ``reckoner``, ``agreement``, ``patient_view``.

A patient whose answer is not computed yet is listed first, because nothing is known of them yet.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from taper_sim.data.checkins import the_date
from taper_sim.data.problems import InputError
from taper_sim.data.records import History
from taper_sim.serve.agreement import decisions_of
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.patient_view import URGENCIES, URGENCY_WORDS, sentence, status_words
from taper_sim.serve.reckoner import Reckoner
from taper_sim.serve.record_folder import without_folders


@dataclass(frozen=True)
class PatientRow:
    """A patient of the list; ``order`` puts the most urgent first."""

    key: str
    patient_id: str
    clinician: str
    order: int
    urgency: str
    status: str
    headline: str
    flags: tuple[str, ...]
    last_checkin: str
    days_since: int | None
    due: str
    decision: str
    is_waiting: bool = False


def patient_rows(folders: list[PatientFolder], reckoner: Reckoner, today: date) -> list[PatientRow]:
    """A row for each patient, the most urgent first; answers that are missing are being computed."""
    rows = [_row(folder, reckoner, today) for folder in folders]
    return sorted(rows, key=lambda row: (row.order, row.patient_id))


def _row(folder: PatientFolder, reckoner: Reckoner, today: date) -> PatientRow:
    try:
        about = folder.about()
        future = reckoner.wanted(folder)
        if not future.done():
            waiting = (str(about.get("id") or folder.name), str(about.get("clinician") or ""), -1)
            return PatientRow(folder.key, *waiting, "", "being computed", "", (), "", None, "", "", True)
        if not isinstance(future.exception(), InputError | None):
            return _without_answer(folder, "the computation failed: open the patient to try again")
        reckoned = future.result()
        answer = reckoned.weighed.answer.as_dict()
        reports = [c.day for c in reckoned.history.checkins]
    except InputError as error:
        return _without_answer(folder, " ".join(map(str, without_folders(error).problems)))
    raised = [f for f in answer["red_flags"] if f["state"] == "true" and not f["acknowledged_by"]]
    urgency = min((URGENCIES.index(f["urgency"]) for f in raised), default=len(URGENCIES))
    last = max(reports, default=None)
    decision = next(iter(decisions_of(folder)), None)
    return PatientRow(
        folder.key,
        str(answer["patient_id"]),
        str(about.get("clinician") or ""),
        urgency,
        URGENCY_WORDS[URGENCIES[urgency]] if urgency < len(URGENCIES) else "None",
        status_words(answer),
        sentence(answer["headline"]),
        tuple(dict.fromkeys(f["flag"].replace("_", " ") for f in raised)),
        "" if last is None else last.isoformat(),
        None if last is None else (today - last).days,
        _due(reckoned.history, decision, today),
        "" if decision is None else f"{decision['on']}: {decision.get('action') or 'decided'} ({decision['by']})",
    )


def _without_answer(folder: PatientFolder, words: str) -> PatientRow:
    """A row of a patient of whom nothing is known, with the reason."""
    return PatientRow(folder.key, folder.name, "", -2, "", "no answer", words, (), "", None, "", "")


def _due(history: History, decision: dict[str, Any] | None, today: date) -> str:
    """What is due next by the last decision: a day to decide again, a change, or a change that the record lacks."""
    if decision is None:
        return "no decision yet"
    if decision.get("until"):
        return f"decide again on {decision['until']}"
    days = {d: row for row in decision.get("schedule", []) if (d := the_date(str(row["date"]))) is not None}
    changes = sorted(d for d, row in days.items() if not str(row["tablets"]).startswith("unchanged"))
    recorded = [row.day for row in history.doses]
    late = [d for d in changes if d < today and not any(r >= d for r in recorded)]
    if late:
        return f"late: the dose change of {late[0]} is not in the record"
    coming = [d for d in changes if d >= today]
    return f"dose change on {coming[0]}" if coming else "no change planned"
