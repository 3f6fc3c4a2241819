"""Metrics by month while the panel enrols: patients, demand, lateness, cost. Imports ``clinic.service``, ``units``."""

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools
from taper_sim.clinic import lateness
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.coupling import Served
from taper_sim.clinic.measures import left_queue, overlap
from taper_sim.clinic.service import METRIC_COLUMNS
from taper_sim.clinic.team import Team
from taper_sim.units import MONTH_D


def by_month(served: Served, team: Team, n_days: int) -> pd.DataFrame:
    """Metrics of each month (28 days) of a run; the last month may be shorter.

    Parameters
    ----------
    served : Served
    team : Team
    n_days : int

    Returns
    -------
    DataFrame
        As ``service.metrics``, with ``subgroup`` ``month=1``, ``month=2``, ...: ``enrolled`` (patients enrolled at the
        end of the month), ``asked`` (jobs a week), ``late``, ``late_closed``, ``late_people`` (shares), ``queue``
        (mean number of waiting jobs), ``cost`` (USD per enrolled patient and 30 days).
    """
    end = n_days * DAY_MIN
    events = served.events
    late, judged = lateness.late(events, end), lateness.judged(events, end)
    closed = lateness.late_closed(events, served.duty, team, end)
    requested, left = events["requested"].to_numpy(), left_queue(events, end)
    rows: list[tuple[str, str, str, str, str, float]] = []
    days = [*range(0, n_days, MONTH_D), n_days]
    costs = np.diff(team.costs_usd(days))
    for month, (first, last, cost) in enumerate(zip(days, days[1:], costs.tolist(), strict=False), start=1):
        low, high = first * DAY_MIN, last * DAY_MIN
        assessed = (requested >= low) & (requested < high) & judged
        patient_days = np.clip(last - np.maximum(served.starts - 1, first), 0, None).sum()
        keys = ("", "", f"month={month}")
        rows += [
            ("enrolled", *keys, "patients", float((served.starts <= last).sum())),
            ("asked", *keys, "a week", float(assessed.sum()) / ((last - first) / 7.0)),
            ("late", *keys, "share", _mean(late[assessed])),
            ("late_closed", *keys, "share", _mean(closed[assessed])),
            ("late_people", *keys, "share", _mean((late & ~closed)[assessed])),
            ("queue", *keys, "waiting, mean", float(overlap(requested, left, low, high).sum() / (high - low))),
            ("cost", *keys, "USD a patient and 30 days", 30.0 * cost / patient_days if patient_days else np.nan),
        ]
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def _mean(values: Bools) -> float:
    return float(values.mean()) if len(values) else np.nan
