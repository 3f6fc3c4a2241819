"""False alerts and alert fatigue. Imports ``clinic.panel``, ``clinic.work``, ``rng``.

An alert is classified when a worker takes it up. The counts by patient are service metrics. The consequences of a
dismissed alert are in ``coupling``.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd

from taper_sim import rng
from taper_sim.array_types import Floats
from taper_sim.clinic import work
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.panel import Panel
from taper_sim.clinic.queue import Job
from taper_sim.model.compiled import rows

JUDGED: Final = {
    "alert_spike": "alarms",
    "alert_missed_checkins": "silence_alarms",
    "alert_unreported_dose": "dose_alarms",
}
"""Alerts that may be false, and the names of their counts."""
ALARM_COUNTS: Final = tuple(name for kind in JUDGED.values() for name in (kind, f"false_{kind}", f"dismissed_{kind}"))
"""Names of the counts by patient: alarms, false alarms, true alarms that were dismissed unread."""


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
        self._day = 0

    def morning(self, day: int, jobs: Iterable[Job]) -> None:
        """Count the day's alerts by role."""
        self._day, self.today = day, {}
        for job in jobs:
            if job.work in work.ALERTS:
                self.today[job.role] = self.today.get(job.role, 0.0) + 1.0

    def heard(self, alert: Job) -> bool:
        """Classify an alert that a worker takes up; False if alert fatigue dismisses it unread."""
        patient, name = alert.patient, JUDGED.get(alert.work)
        if name is None:
            return True
        true = bool(alert.note)
        if alert.work == "alert_spike":
            true = bool(self._panel.state(rows.W_ALL)[patient] > self._panel.coefficient("limit_w")[patient])
        self.counted[name][patient] += 1.0
        self.counted[f"false_{name}"][patient] += not true
        dismissed = self._dismissed(alert)
        self.counted[f"dismissed_{name}"][patient] += dismissed and true
        return not dismissed

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
