"""A panel month by month while it enrols: patients, work, lateness, cost. Imports ``clinic.service``."""

from typing import Final

import numpy as np
import pandas as pd

from taper_sim.clinic import lateness
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.coupling import Served
from taper_sim.clinic.measures import left_queue, overlap
from taper_sim.clinic.service import COLUMNS
from taper_sim.clinic.team import Team

MONTH_D: Final = 28
"""Days of a month, as protocols count it."""


def by_month(served: Served, team: Team, n_days: int) -> pd.DataFrame:
    """Months of a run, the last one perhaps short.

    Parameters
    ----------
    served : Served
    team : Team
    n_days : int

    Returns
    -------
    DataFrame
        As ``service.metrics``, ``subgroup`` ``month=1`` and on: ``enrolled`` (patients enrolled at its end), ``asked``
        (pieces of work a week), ``late`` (share), ``queue`` (pieces of work that wait, mean), ``cost`` (USD a patient
        enrolled and 30 days).
    """
    end = n_days * DAY_MIN
    events = served.events
    late, judged = lateness.late(events, end), lateness.judged(events, end)
    requested, gone = events["requested"].to_numpy(), left_queue(events, end)
    rows: list[tuple[str, str, str, str, str, float]] = []
    for month, first in enumerate(range(0, n_days, MONTH_D), start=1):
        last = min(first + MONTH_D, n_days)
        low, high = first * DAY_MIN, last * DAY_MIN
        asked = (requested >= low) & (requested < high) & judged
        patient_days = np.clip(last - np.maximum(served.starts - 1, first), 0, None).sum()
        cost = team.cost_usd(last) - team.cost_usd(first)
        place = ("", "", f"month={month}")
        rows += [
            ("enrolled", *place, "patients", float((served.starts <= last).sum())),
            ("asked", *place, "a week", float(asked.sum()) / ((last - first) / 7.0)),
            ("late", *place, "share", float(late[asked].mean()) if asked.any() else np.nan),
            ("queue", *place, "waiting, mean", float(overlap(requested, gone, low, high).sum() / (high - low))),
            ("cost", *place, "USD a patient and 30 days", 30.0 * cost / patient_days if patient_days else np.nan),
        ]
    return pd.DataFrame(rows, columns=COLUMNS)
