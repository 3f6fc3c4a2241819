"""The event log: one row for each job, one row for each duty period. Imports ``clinic.queue``, ``clinic.work``.

Every measure of the queue is computed from these two tables (``measures``), never inside the run.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats
from taper_sim.clinic.calendars import OpeningHours
from taper_sim.clinic.queue import JOB_OUTCOMES, Job, Server
from taper_sim.clinic.work import CLOCK_MIN

EVENT_COLUMNS: Final = (
    "work_id",
    "patient_id",
    "work",
    "role",
    "resource",
    "urgency",
    "requested",
    "started",
    "ended",
    "outcome",
    "licence",
    "n_items",
    "busy",
    "due",
    "interrupted",
    "why",
    "travel",
    "clock",
)


def events_table(jobs: Sequence[Job], ids: Sequence[str] = (), opening: OpeningHours | None = None) -> pd.DataFrame:
    """One row for each job, in the order of the requests.

    Parameters
    ----------
    jobs : sequence of Job
    ids : sequence of str
        Patients' ids by row; by default the number of the row.
    opening : OpeningHours, optional
        Working time in which clocks run; by default they run at all times.

    Returns
    -------
    DataFrame
        :data:`EVENT_COLUMNS`. Times are minutes from the start of day 1, NaN for events that did not occur.

        - ``busy``: service time (minutes). ``travel``: travel time within it (minutes).
        - ``due``: minute at which the work was first due; a visit may have been booked for a later minute.
        - ``clock``: minutes from ``due`` within which the work should begin, closed hours included
          (:func:`clocks_in_working_time`).
        - ``interrupted``: number of interruptions. They add ``ended - started - busy`` minutes.
        - ``why``: reason for a cancellation.
        - ``outcome``: ``open`` if the job had not ended when the run stopped.
    """
    ordered = sorted(jobs, key=lambda job: (job.requested, job.work_id))
    due = np.array([job.due for job in ordered], dtype=np.float64)
    clock = np.array([CLOCK_MIN[job.urgency] if math.isnan(job.clock) else job.clock for job in ordered], dtype=float)
    patients = [("" if job.patient < 0 else ids[job.patient] if ids else str(job.patient)) for job in ordered]
    return pd.DataFrame(
        {
            "work_id": np.array([job.work_id for job in ordered], dtype=np.int64),
            "patient_id": pd.Series(patients, dtype="str"),
            "work": pd.Series([job.work for job in ordered], dtype="str"),
            "role": pd.Series([job.role for job in ordered], dtype="str"),
            "resource": pd.Series([job.resource for job in ordered], dtype="str"),
            "urgency": np.array([job.urgency for job in ordered], dtype=np.int64),
            "requested": np.array([job.requested for job in ordered], dtype=np.float64),
            "started": np.array([job.started for job in ordered], dtype=np.float64),
            "ended": np.array([job.ended for job in ordered], dtype=np.float64),
            "outcome": pd.Categorical([job.outcome for job in ordered], categories=list(JOB_OUTCOMES)),
            "licence": pd.Series([job.licence for job in ordered], dtype="str"),
            "n_items": np.array([job.n_items for job in ordered], dtype=np.int64),
            "busy": np.array([job.minutes for job in ordered], dtype=np.float64),
            "due": due,
            "interrupted": np.array([job.interrupted for job in ordered], dtype=np.int64),
            "why": pd.Series([job.why for job in ordered], dtype="str"),
            "clock": clocks_in_working_time(due, clock, opening),
            "travel": np.array([job.travel for job in ordered], dtype=np.float64),
        },
        columns=list(EVENT_COLUMNS),
    )


def clocks_in_working_time(due: Floats, clock: Floats, opening: OpeningHours | None) -> Floats:
    """Minutes from ``due`` to the end of each clock, (n,).

    The clock of work that cannot wait runs at all times, every other one in working time. Source: assumption A103.
    """
    if opening is None:
        return clock
    waits = clock > CLOCK_MIN[0]
    minutes = clock.copy()
    minutes[waits] = opening.after(due[waits], clock[waits]) - due[waits]
    return minutes


def duty_table(servers: Sequence[Server]) -> pd.DataFrame:
    """One row for each duty period: ``resource, role, start, end, on_call``; minutes from the start of day 1."""
    rows = [
        (server.name, server.role, duty.start, duty.end, duty.urgent_only)
        for server in servers
        for duty in server.duties
    ]
    return pd.DataFrame(rows, columns=["resource", "role", "start", "end", "on_call"])
