"""What late or undone work does to a patient: the paths, one list. Imports ``clinic.panel``, ``clinic.work``.

A path acts on the patient's own equations: the dose taken, the orders in force, engagement. The course and its hazards
follow from these. Unlimited staff do all work within its day, so no path acts. A path that is switched off has no
effect: the patient fares in this respect as with unlimited staff.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.clinic import work
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.panel import Panel
from taper_sim.clinic.queue import Job
from taper_sim.model.compiled import rows


@dataclass(frozen=True)
class HarmPath:
    """A path from late work to a patient.

    Attributes
    ----------
    name : str
        Switch in the scenario.
    late_work : str
        The work that is late or not done.
    mechanism : str
        Effect on the patient's equations.
    assumption : str
        Number of the assumption.
    moves : str
        Number of a run that the path moves: an outcome or a service metric.
    """

    name: str
    late_work: str
    mechanism: str
    assumption: str
    moves: str


HARM_PATHS: Final[tuple[HarmPath, ...]] = (
    HarmPath(
        "late_refill",
        "a refill that is not processed before the supply at home ends",
        "the dose taken is 0 until it is processed; the prescribed dose stays",
        "A105",
        "withdrawal_peak",
    ),
    HarmPath(
        "unread_alarm",
        "an alarm, or its escalation, that no worker has completed",
        "it pauses no reduction, and the planned response waits; a true alarm without an answer on its day lowers "
        "engagement",
        "A106",
        "days_over_limit",
    ),
    HarmPath(
        "unanswered_message",
        "a message without an answer within its patience",
        "engagement falls by a fixed amount",
        "A108",
        "dropout",
    ),
    HarmPath(
        "silence",
        "no contact for two weeks after a planned visit that the clinic did not hold",
        "the set point of engagement is lower until the next contact",
        "A109",
        "dropout",
    ),
)
PATHS_BY_NAME: Final = {path.name: path for path in HARM_PATHS}
RESERVE_D: Final = 5
"""Days of supply at home, beyond the day itself, when a refill is requested. Source: assumption A105."""
UNANSWERED_LOSS: Final = 0.05
"""Fall of engagement (0-1) by an unanswered message, or a true alarm unanswered on its day. Source: A106, A108."""
SILENCE_D: Final = 14
"""Days without a contact after a visit that the clinic did not hold. Source: assumption A109."""
SILENCE_LOSS: Final = 0.1
"""Fall of the set point of engagement (0-1) during silence. Source: assumption A109; A2 (full nursing care)."""
CONTACTS: Final = work.WITH_PATIENT | {
    "message",
    "escalation",
    "alert_red_flag",
    "alert_spike",
    "alert_missed_checkins",
    "alert_missed_visit",
}
"""Kinds of work in which a worker and the patient are in contact."""
CALLS_FOR_HELP: Final = ("alert_spike", "alert_red_flag")
"""Alerts to which the planned care has a response (``simulation.alarm_response``)."""
HARM_COUNTS: Final = ("days_without_supply", "unanswered", "days_silent")
"""Names of the counts by patient."""


class LateWork:
    """Late work of a running clinic and its effects on the patients.

    Parameters
    ----------
    panel : Panel
        n patients.
    paths : iterable of str
        Names of the paths that act.
    done_here : frozenset of str
        Kinds of work that the clinic does.

    Attributes
    ----------
    counted : dict of str to ndarray (n,)
        Days in care without supply at home; unanswered messages, and true alarms unanswered on their day; days of
        silence. Each counts although its path is off.
    """

    def __init__(self, panel: Panel, paths: Iterable[str], done_here: frozenset[str]):
        n = len(panel)
        self._panel, self._paths = panel, frozenset(paths)
        self.counted = {name: np.zeros(n) for name in HARM_COUNTS}
        self._dispenses, self._meets = "refill" in done_here, {"visit", "initial_assessment"} <= done_here
        self._supply_until = panel.starts + work.REFILL_EVERY_D - 1.0 + RESERVE_D
        self._engagement = panel.parameter(rows.N0)
        self._unanswered, self._lost = np.zeros(n), np.zeros(n)
        self._called, self._replied = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self._contact_day = np.full(n, -np.inf)
        self._waiting_since = np.full(n, np.inf)

    def acts(self, path: str) -> bool:
        """Whether a path acts in this run."""
        return path in self._paths

    def holds_orders(self, job: Job) -> bool:
        """Whether a change of dose waits while a job is open: work of effect ``order`` that a worker knows of.

        An alarm that no worker has completed pauses nothing, unless its path is off.
        """
        unknown = self.acts("unread_alarm") and (job.work in work.ALERTS or job.work == "escalation")
        return work.WORK_BY_NAME[job.work].effect == "order" and not unknown

    def ended(self, job: Job, day: int) -> None:
        """Record a job of a patient that has ended on a day."""
        patient, done = job.patient, job.outcome == "done"
        if job.work == "refill" and done:
            requested_day = job.due // DAY_MIN + 1.0
            lasts = requested_day + work.REFILL_EVERY_D + RESERVE_D
            self._supply_until[patient] = max(self._supply_until[patient], lasts)
        if job.work in CONTACTS and done:
            self._contact_day[patient], self._waiting_since[patient] = day, np.inf
        if job.work == "message" and job.outcome == "reneged":
            self._unanswered[patient] += 1.0
            self._lost[patient] += UNANSWERED_LOSS * self.acts("unanswered_message")

    def called(self, patient: int) -> None:
        """Record a new true alarm of a patient."""
        self._called[patient] = True

    def replied(self, patient: int) -> None:
        """Record that a worker has completed an alarm of a patient, or its escalation."""
        self._replied[patient] = True

    def visits_due(self, day: int, patients: Bools) -> None:
        """Record at night that ``patients`` came, or would have come, to a visit planned for today."""
        if self._meets:
            not_held = patients & (self._contact_day < day) & (self._waiting_since > day)
            self._waiting_since[not_held] = day

    def night(self, day: int, cared_for: Bools) -> None:
        """Apply the effects before the patients' day; ``cared_for`` are the clinic's patients, (n,)."""
        panel = self._panel
        without = cared_for & (self._supply_until < day) & self._dispenses
        silent = cared_for & (day - self._waiting_since >= SILENCE_D)
        self.counted["days_without_supply"] += without
        unanswered_alarm = self._called & ~self._replied
        self.counted["days_silent"] += silent
        self.counted["unanswered"] += (self._unanswered + unanswered_alarm) * cared_for
        panel.put_parameter(rows.SUPPLY, np.where(without & self.acts("late_refill"), 0.0, 1.0))
        silenced = np.where(silent & self.acts("silence"), self._engagement - SILENCE_LOSS, self._engagement)
        panel.put_parameter(rows.N0, silenced)
        lost: Floats = (self._lost + UNANSWERED_LOSS * (unanswered_alarm & self.acts("unread_alarm"))) * cared_for
        if lost.any():
            engagement = panel.state(rows.N)
            panel.put_state(rows.N, np.where(lost > 0, np.maximum(engagement - lost, 0.0), engagement))
        self._unanswered[:], self._lost[:] = 0.0, 0.0
        self._called[:], self._replied[:] = False, False
