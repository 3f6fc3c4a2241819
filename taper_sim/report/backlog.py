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
from taper_sim.report.drawing import BLUE, GREEN, GREY, ORANGE, PAGE, PAGE_COLUMN_MM, empty_figure, spread
from taper_sim.report.wording import name_text
from taper_sim.units import WEEK_D

BACKLOG_COLUMNS: Final = ("protocol", "replication", "role", "week", "waiting", "begun_a_day", "backlog_d")
_LONGEST: Final = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"))
"""Colour, line and marker of the disciplines with the longest backlogs; the others are grey."""


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


@mpl.rc_context(PAGE)
def backlog_figure(backlog: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Mean backlog over replications by week, a line for each discipline with its name at the end; and the data.

    The disciplines with the longest mean backlog have colours.
    """
    data = backlog.groupby(["role", "week"], as_index=False)[["waiting", "begun_a_day", "backlog_d"]].mean()
    figure = empty_figure(PAGE_COLUMN_MM, 75.0, fitted=True)
    axes = figure.add_subplot()
    known = data.dropna(subset=["backlog_d"])
    order = known.groupby("role")["backlog_d"].mean().sort_values(ascending=False).index
    top = float(known["backlog_d"].max()) if len(known) else 1.0
    lasts = []
    for k, role in enumerate(order):
        rows = known[known["role"] == role]
        colour, line, marker = _LONGEST[k] if k < len(_LONGEST) else (GREY, "-", "")
        width = 1.3 if k < len(_LONGEST) else 0.7
        axes.plot(
            rows["week"],
            rows["backlog_d"],
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=2.5,
            linewidth=width,
            zorder=len(order) - k + 2,
        )
        lasts.append((float(rows["week"].iloc[-1]), float(rows["backlog_d"].iloc[-1]), colour, name_text(str(role))))
    last_week = float(known["week"].max()) if len(known) else 1.0
    beside = last_week + 0.04 * max(last_week - 1.0, 1.0)
    for at, (week, value, colour, name) in zip(spread([last[1] for last in lasts], top / 14.0), lasts, strict=True):
        axes.annotate(
            name,
            (week, value),
            (beside, at),
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4},
        )
    axes.set_xlabel("week")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("backlog, days of work")
    axes.set_ylim(bottom=0)
    axes.set_title("Work due and not begun at midnight, booked visits included")
    return figure, data
