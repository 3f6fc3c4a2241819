"""Alerts with an owner and an answer: flags, missed check-ins, late dose changes. Imports ``patient_store``, ``store``.

An alert is named by its kind and its day, so that new numbers that raise a flag again are a new alert. Steps are only
added: who took it, and what was answered; the newest holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from taper_sim.data.problems import InputError, problem, shown
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.store.audit_chain import ACTING, Deed, now_utc

MISSED_AFTER_D: Final = 7
"""Days without a check-in after which one is missed (assumption A138)."""
ALERT_STEPS: Final = ("owner", "answered")
_MOST_TEXT: Final = 500


@dataclass(frozen=True)
class Alert:
    """An alert of a patient with its state.

    Attributes
    ----------
    name : str
        Kind and day, such as ``missed_checkin 2026-04-02``.
    words : str
    urgency : str
        Of a flag, in words; else empty.
    owner, answer, at, by : str
        Empty until the alert is taken, and answered (with the time in UTC and who answered).
    """

    name: str
    words: str
    urgency: str = ""
    owner: str = ""
    answer: str = ""
    at: str = ""
    by: str = ""

    @property
    def state(self) -> str:
        """State in words: a colour alone never tells it."""
        return f"answered by {self.by}" if self.answer else f"taken by {self.owner}" if self.owner else "nobody has it"


def alerts_of(
    folder: PatientFolder,
    flags: Iterable[Mapping[str, Any]],
    as_of: str,
    last_checkin: date | None,
    late_change: date | None,
    today: date,
) -> tuple[Alert, ...]:
    """Alerts of a patient today, those without an answer first."""
    raised = [Alert(f"flag {f['flag']} {as_of}", str(f["flag"]).replace("_", " "), str(f["urgency"])) for f in flags]
    raised = list({alert.name: alert for alert in raised}.values())
    if last_checkin is not None and (today - last_checkin).days > MISSED_AFTER_D:
        days = (today - last_checkin).days
        raised.append(Alert(f"missed_checkin {last_checkin}", f"no check-in for {days} days"))
    if late_change is not None:
        raised.append(Alert(f"late_change {late_change}", f"the dose change of {late_change} is not in the record"))
    steps = _steps_of(folder)
    alerts = [_with_steps(alert, steps.get(alert.name, {})) for alert in raised]
    return tuple(sorted(alerts, key=lambda alert: bool(alert.answer)))


def _steps_of(folder: PatientFolder) -> dict[str, dict[str, tuple[str, str, str]]]:
    """Newest step of each kind (time, who, text), by the name of the alert."""
    query = "SELECT alert, step, at, who, text FROM alert_steps WHERE patient = ? ORDER BY number"
    steps: dict[str, dict[str, tuple[str, str, str]]] = {}
    for alert, step, at, who, text in folder.database.rows(query, folder.number):
        steps.setdefault(alert, {})[step] = (at, who, text)
    return steps


def _with_steps(alert: Alert, steps: Mapping[str, tuple[str, str, str]]) -> Alert:
    _, owner, _ = steps.get("owner", ("", "", ""))
    at, by, answer = steps.get("answered", ("", "", ""))
    return Alert(alert.name, alert.words, alert.urgency, owner, answer, at, by)


def take_step(folder: PatientFolder, alert: str, step: str, who: str, text: str) -> None:
    """Take an alert or answer it; with accounts the step is of who is signed in.

    Raises
    ------
    InputError
        With a problem for the step, the name, and a missing answer.
    """
    who, text = ACTING.get().name or who.strip(), text.strip()
    wrong = []
    kind, _, day = alert.rpartition(" ")
    if not kind or len(alert) > _MOST_TEXT or not day:
        wrong += problem("alert", "", shown(alert) or "nothing", "an alert of the list").problems
    if step not in ALERT_STEPS:
        wrong += problem("alert", "step", shown(step) or "nothing", " or ".join(ALERT_STEPS)).problems
    if not 0 < len(who) <= _MOST_TEXT:
        wrong += problem("alert", "who", shown(who) or "nothing", "a name or initials").problems
    if (step == "answered" and not text) or len(text) > _MOST_TEXT:
        wrong += problem("alert", "answer", shown(text) or "nothing", "a few words: what was done").problems
    if wrong:
        raise InputError(wrong)
    with folder.database.action(Deed(f"alert: {step}", folder.key, kind.split(" ")[0])) as connection:
        connection.execute(
            "INSERT INTO alert_steps (patient, alert, at, step, who, text) VALUES (?, ?, ?, ?, ?, ?)",
            (folder.number, alert, now_utc(), step, who, text),
        )
