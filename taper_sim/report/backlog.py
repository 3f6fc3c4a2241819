"""Backlog of a clinic by discipline and week, as numbers and a figure. Imports ``clinic.lateness``, ``report.drawing``.

The backlog at midnight is the work that was due and had not begun, booked visits included: a visit counts from the day
on which it was first due, not from its appointment. It is in days of work: pieces of the discipline that wait, divided
by the pieces that it begins on a mean day. By Little's law this is the mean wait of a piece if the backlog is stable.
"""

from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from taper_sim.clinic import lateness
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.report.drawing import (
    BLUE,
    DOUBLE_COLUMN_MM,
    GREEN,
    GREY,
    ORANGE,
    PRINT,
    PURPLE,
    REFERENCE_COLOUR,
    empty_figure,
)
from taper_sim.report.wording import name_text
from taper_sim.units import WEEK_D

BACKLOG_COLUMNS: Final = ("protocol", "replication", "role", "week", "waiting", "begun_a_day", "backlog_d")
_COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE, REFERENCE_COLOUR, GREY)
_LINES: Final = ("-", "--", "-.")


def backlog_by_week(events: pd.DataFrame, n_days: int) -> pd.DataFrame:
    """Backlog of each discipline in each whole week.

    Parameters
    ----------
    events : DataFrame
        ``events.parquet``.
    n_days : int
        Days of the run. The days after the last whole week do not count; a shorter run is one week.

    Returns
    -------
    DataFrame
        :data:`BACKLOG_COLUMNS`: mean number of waiting pieces at the seven midnights of a week, pieces begun on a mean
        day of the run, and their quotient in days (NaN for a discipline that began nothing).
    """
    end = float(n_days * DAY_MIN)
    judged = events[~lateness.again(events)]
    left = judged["due"].to_numpy(dtype=np.float64) + lateness.wait_from_due(judged, end)
    judged = judged.assign(left=left)
    midnights = np.arange(1, n_days + 1) * float(DAY_MIN)
    weeks = max(1, n_days // WEEK_D)
    rows = []
    for (protocol, replication, role), jobs in judged.groupby(["protocol", "replication", "role"], observed=True):
        due, gone = np.sort(jobs["due"].to_numpy(dtype=np.float64)), np.sort(jobs["left"].to_numpy(dtype=np.float64))
        # work that leaves at the end of the run still waits at the last midnight
        waiting = np.searchsorted(due, midnights) - np.searchsorted(gone, midnights)
        begun = float(jobs["started"].notna().sum()) / n_days
        for week in range(weeks):
            mean = float(waiting[week * WEEK_D : (week + 1) * WEEK_D].mean())
            days = mean / begun if begun > 0 else np.nan
            rows.append((str(protocol), int(str(replication)), str(role), week + 1, mean, begun, days))
    table = pd.DataFrame(rows, columns=list(BACKLOG_COLUMNS))
    return table.astype({"waiting": float, "begun_a_day": float, "backlog_d": float})


@mpl.rc_context(PRINT)
def backlog_figure(backlog: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Mean backlog over replications by week, a line for each discipline with its name at the end; and the data."""
    data = backlog.groupby(["role", "week"], as_index=False)[["waiting", "begun_a_day", "backlog_d"]].mean()
    figure = empty_figure(DOUBLE_COLUMN_MM, 75.0, fitted=True)
    axes = figure.add_subplot()
    for k, (role, rows) in enumerate(data.groupby("role")):
        colour, line = _COLOURS[k % len(_COLOURS)], _LINES[(k + k // len(_COLOURS)) % len(_LINES)]
        axes.plot(
            rows["week"], rows["backlog_d"], color=colour, linestyle=line, linewidth=1.1, label=name_text(str(role))
        )
    axes.set_xlabel("week")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("backlog, days of work")
    axes.set_ylim(bottom=0)
    axes.set_title("Work that was due and had not begun at midnight, booked visits included")
    if len(data):
        figure.legend(loc="outside lower center", ncols=5)
    return figure, data
