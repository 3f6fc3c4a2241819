"""All patients by urgency: flags, check-ins, doses that are due. Imports ``reckoner``, ``alerts``, ``sparklines``.

A patient whose answer is not computed yet is listed first, because nothing is known of them yet.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from taper_sim.data.checkins import the_date
from taper_sim.data.problems import InputError
from taper_sim.data.records import History
from taper_sim.serve.agreement import decisions_of
from taper_sim.serve.alerts import Alert, alerts_of
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.patient_view import URGENCIES, URGENCY_WORDS, sentence, status_words
from taper_sim.serve.reckoner import Reckoner
from taper_sim.serve.record_folder import without_folders
from taper_sim.serve.sparklines import Trend, trends_of


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
    alerts: tuple[Alert, ...] = ()
    trends: tuple[Trend, ...] = ()

    @property
    def n_open(self) -> int:
        """Number of alerts without an answer."""
        return sum(not alert.answer for alert in self.alerts)


def patient_rows(folders: list[PatientFolder], reckoner: Reckoner, today: date) -> list[PatientRow]:
    """A row for each patient, the most urgent first; answers that are missing are being computed."""
    rows = [_row(folder, reckoner, today) for folder in folders]
    return sorted(rows, key=lambda row: (row.order, -row.n_open, row.patient_id))


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
    late = _late_change(reckoned.history, decision, today)
    return PatientRow(
        folder.key,
        str(answer["patient_id"]),
        str(about.get("clinician") or ""),
        urgency,
        URGENCY_WORDS[URGENCIES[urgency]] if urgency < len(URGENCIES) else "No flag",
        status_words(answer),
        sentence(answer["headline"]),
        tuple(dict.fromkeys(f["flag"].replace("_", " ") for f in raised)),
        "" if last is None else last.isoformat(),
        None if last is None else (today - last).days,
        _due(decision, late, today),
        "" if decision is None else f"{decision['on']}: {decision.get('action') or 'decided'} ({decision['by']})",
        alerts=alerts_of(folder, raised, answer["as_of"], last, late, today),
        trends=trends_of(reckoned.history.checkins, today),
    )


def _without_answer(folder: PatientFolder, words: str) -> PatientRow:
    """A row of a patient of whom nothing is known, with the reason."""
    return PatientRow(folder.key, folder.name, "", -2, "", "no answer", words, (), "", None, "", "")


def _changes(decision: dict[str, Any] | None) -> list[date]:
    """Days on which the last decision changes a dose."""
    rows = {} if decision is None else {the_date(str(row["date"])): row for row in decision.get("schedule", [])}
    return sorted(day for day, row in rows.items() if day and not str(row["tablets"]).startswith("unchanged"))


def _late_change(history: History, decision: dict[str, Any] | None, today: date) -> date | None:
    """Day of the first agreed change before today that the record lacks."""
    recorded = [row.day for row in history.doses]
    late = [day for day in _changes(decision) if day < today and not any(r >= day for r in recorded)]
    return late[0] if late else None


def _due(decision: dict[str, Any] | None, late: date | None, today: date) -> str:
    """What is due next by the last decision: a day to decide again, a change, or a change that the record lacks."""
    if decision is None:
        return "no decision yet"
    if decision.get("until"):
        return f"decide again on {decision['until']}"
    if late is not None:
        return f"late: the dose change of {late} is not in the record"
    coming = [day for day in _changes(decision) if day >= today]
    return f"dose change on {coming[0]}" if coming else "no change planned"
