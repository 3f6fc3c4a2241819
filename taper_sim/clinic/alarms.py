"""False alerts, their accuracy, alert fatigue. Imports ``clinic.panel``, ``clinic.work``, ``rng``, ``alarm_response``.

An alert is classified when a worker takes it up. The counts by patient are service metrics. The consequences of a
dismissed alert are in ``coupling``. The accuracy of the alerts does not depend on when they are read: a patient is in
*need* on a day in care on which withdrawal is over its limit or a crisis, an overdose or a seizure happens.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pandas as pd

from taper_sim import rng
from taper_sim.array_types import Bools, Floats
from taper_sim.clinic import work
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.panel import Panel
from taper_sim.clinic.queue import Job
from taper_sim.model.compiled import rows
from taper_sim.simulation.alarm_response import RED_FLAGS

AHEAD_D: Final = 7
"""Days after an alert in which need makes it true; need after as many days without is a new episode. Source: A110."""
JUDGED: Final = {
    "alert_spike": "alarms",
    "alert_missed_checkins": "silence_alarms",
    "alert_unreported_dose": "dose_alarms",
}
"""Alerts that may be false, and the names of their counts."""
ALARM_COUNTS: Final = tuple(name for kind in JUDGED.values() for name in (kind, f"false_{kind}", f"dismissed_{kind}"))
"""Names of the counts by patient: alarms, false alarms, true alarms that were dismissed unread."""
NEED_COUNTS: Final = ("need_episodes", "need_alarmed", "need_read")
"""Names of the counts of episodes of need by patient (:meth:`Alarms.accuracy`)."""


class Alarms:
    """Alarm counts of a clinic's patients.

    Parameters
    ----------
    panel : Panel
    seed : int
    duty : DataFrame
        As ``event_log.duty_table``.
    n_days : int
    """

    def __init__(self, panel: Panel, seed: int, duty: pd.DataFrame, n_days: int):
        self._panel, self._seed = panel, seed
        self.counted = {name: np.zeros(len(panel)) for name in ALARM_COUNTS}
        self.on_duty = {role: people_on_duty(duty, role, n_days) for role in sorted(set(duty["role"]))}
        self.today: dict[str, float] = {}
        self._day, self._n_days = 0, n_days
        self._need = np.zeros((len(panel), n_days + 1), dtype=bool)
        self._n_events = self._events()
        self._raised: list[tuple[Job, int]] = []
        self._escalation: dict[Job, Job] = {}
        self._unread: set[Job] = set()

    def morning(self, day: int, jobs: Iterable[Job]) -> None:
        """Count the day's alerts by role."""
        self._day, self.today = day, {}
        for job in jobs:
            if job.work in work.ALERTS:
                self.today[job.role] = self.today.get(job.role, 0.0) + 1.0
            if job.work in JUDGED:
                self._raised.append((job, day))

    def night(self, day: int, present: Bools) -> None:
        """Record the patients in need on a day that has been simulated."""
        before, self._n_events = self._n_events, self._events()
        self._need[:, day] = present & (self._over_limit() | (self._n_events > before))

    def pass_on(self, alert: Job, escalation: Job) -> None:
        """Record the escalation of an alert."""
        self._escalation[alert] = escalation

    def is_over_limit(self, patient: int) -> bool:
        """Whether a patient's withdrawal is over its limit."""
        return bool(self._over_limit()[patient])

    def _over_limit(self) -> Bools:
        return np.asarray(self._panel.state(rows.W_ALL) > self._panel.coefficient("limit_w"))

    def _events(self) -> Floats:
        return np.sum([self._panel.sums(row) for row in RED_FLAGS], axis=0)

    def heard(self, alert: Job) -> bool:
        """Classify an alert that a worker takes up; False if alert fatigue dismisses it unread."""
        patient, name = alert.patient, JUDGED.get(alert.work)
        if name is None:
            return True
        true = bool(alert.note)
        if alert.work == "alert_spike":
            true = self.is_over_limit(patient)
        self.counted[name][patient] += 1.0
        self.counted[f"false_{name}"][patient] += not true
        dismissed = self._dismissed(alert)
        self.counted[f"dismissed_{name}"][patient] += dismissed and true
        if dismissed:
            self._unread.add(alert)
        return not dismissed

    def accuracy(self) -> dict[str, Floats]:
        """Accuracy of the alerts of :data:`JUDGED`, by patient, (n,) each.

        Returns
        -------
        dict of str to ndarray
            ``raised_…`` and ``true_…`` for each kind: alerts, and those with need from the day before to
            :data:`AHEAD_D` days later; alerts of the last :data:`AHEAD_D` days of the run do not count.
            ``need_episodes``, ``need_alarmed``, ``need_read``: episodes of need, those with an alert from
            :data:`AHEAD_D` days before to the morning after the episode, and those in which a worker had read such an
            alert by then. ``false_alarm_min``: minutes of work on alerts that were not true.
        """
        n = len(self._panel)
        counts = {f"{what}_{name}": np.zeros(n) for name in JUDGED.values() for what in ("raised", "true")}
        counts |= {name: np.zeros(n) for name in (*NEED_COUNTS, "false_alarm_min")}
        of_patient: dict[int, list[tuple[Job, int]]] = {}
        for alert, day in self._raised:
            of_patient.setdefault(alert.patient, []).append((alert, day))
            if day + AHEAD_D > self._n_days:
                continue
            true = bool(self._need[alert.patient, day - 1 : day + AHEAD_D + 1].any())
            counts[f"raised_{JUDGED[alert.work]}"][alert.patient] += 1.0
            counts[f"true_{JUDGED[alert.work]}"][alert.patient] += true
            if not true:
                done = [job for job in (alert, self._escalation.get(alert)) if job and job.outcome == "done"]
                counts["false_alarm_min"][alert.patient] += sum(job.minutes for job in done)
        for patient in range(n):
            for first, last in episodes(self._need[patient]):
                alerts = [alert for alert, day in of_patient.get(patient, ()) if first - AHEAD_D <= day <= last + 1]
                counts["need_episodes"][patient] += 1.0
                counts["need_alarmed"][patient] += len(alerts) > 0
                counts["need_read"][patient] += any(self._read_by(alert, last + 1) for alert in alerts)
        return counts

    def _read_by(self, alert: Job, day: int) -> bool:
        """Whether a worker has read an alert or completed its escalation by the end of a day."""
        jobs = [job for job in (alert, self._escalation.get(alert)) if job is not None and job.outcome == "done"]
        return alert not in self._unread and any(job.ended <= day * DAY_MIN for job in jobs)

    def _dismissed(self, alert: Job) -> bool:
        """Whether alert fatigue dismisses an alert: a draw of (patient, day, kind). Source: assumption A39."""
        people = self.on_duty[alert.role][self._day] if alert.role in self.on_duty else 0.0
        too_many = self.today.get(alert.role, 0.0) / people - work.FATIGUE_FROM if people > 0 else 0.0
        if too_many <= 0:
            return False
        share = work.FATIGUE_SHARE * too_many / (too_many + work.FATIGUE_FROM)
        call = work.FIRST_CALL + 8 * work.NUMBER[alert.work] + 7
        u = rng.uniform(rng.words(self._seed, self._panel.cohort.keys[alert.patient], self._day, call)[0])
        return float(u) < share


def episodes(need: Bools) -> Iterator[tuple[int, int]]:
    """First and last day of each episode of need: days with need, at most :data:`AHEAD_D` apart."""
    days = np.flatnonzero(need)
    for part in np.split(days, np.flatnonzero(np.diff(days) > AHEAD_D) + 1):
        if len(part):
            yield int(part[0]), int(part[-1])


def people_on_duty(duty: pd.DataFrame, role: str, n_days: int) -> Floats:
    """People of a role on duty on each day, without on-call periods, (n_days + 1,)."""
    people = np.zeros(n_days + 1)
    role_duty = duty[(duty["role"] == role) & ~duty["on_call"].astype(bool)]
    for _, periods in role_duty.groupby("resource"):
        first = (periods["start"].to_numpy() // DAY_MIN).astype(int) + 1
        last = np.ceil(periods["end"].to_numpy() / DAY_MIN).astype(int)
        days = {day for a, b in zip(first, last, strict=True) for day in range(a, min(b, n_days) + 1)}
        people[list(days)] += 1.0
    return people
