"""Figure of late visits by size of the panel, of a clinic run. Imports ``report.drawing``, ``clinic.staffing``."""

from typing import Final

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from taper_sim.clinic.staffing.book import LATE_SHARE
from taper_sim.report.drawing import BLUE, GREY, ORANGE, PAGE, PAGE_COLUMN_MM, empty_figure, spread
from taper_sim.report.wording import name_text

_LINES: Final = ((BLUE, "-", "o"), (ORANGE, "--", "s"))
"""Colour, line and marker of the phases in their order."""


def full_text(name: str) -> str:
    """A load in words: *the appointment book of the psychologist*, *the hours of the nurse*."""
    queue, comma, _ = name.partition(", appointment book")
    role, licensed, state = queue.partition(" licensed in ")
    return f"the {'appointment book' if comma else 'hours'} of the {name_text(role)}{licensed}{state}"


@mpl.rc_context(PAGE)
def panel_figure(panels: pd.DataFrame, today: int) -> tuple[Figure, pd.DataFrame]:
    """Late visits by size of the panel, a line for each phase, with the target and the panel of the run; and the data.

    Parameters
    ----------
    panels : DataFrame
        Rows of ``panels.csv`` of a protocol.
    today : int
        Patients of the run.
    """
    figure = empty_figure(PAGE_COLUMN_MM, 75.0, fitted=True)
    axes = figure.add_subplot()
    right = max(float(panels["patients"].max()), float(today)) if len(panels) else float(today)
    ends = []
    for (phase, rows), (colour, line, marker) in zip(panels.groupby("phase", sort=False), _LINES, strict=False):
        late = 100.0 * rows["late"]
        axes.plot(
            rows["patients"], late, color=colour, linestyle=line, marker=marker, markersize=3.5, linewidth=1.1, zorder=3
        )
        ends.append(
            (float(late.iloc[-1]), float(rows["patients"].iloc[-1]), colour, f"{phase}\n{rows['stated'].iloc[0]:,} fit")
        )
    for at, (_, patients, colour, text) in zip(spread([end[0] for end in ends], 15.0), ends, strict=True):
        axes.annotate(
            text,
            (patients, at),
            (6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            zorder=4,
        )
    axes.axhline(100.0 * LATE_SHARE, color=GREY, linewidth=0.7)
    axes.annotate(
        f"target: at most {LATE_SHARE:.0%} late",
        (0.0, 100.0 * LATE_SHARE),
        (3, 2),
        textcoords="offset points",
        color=GREY,
    )
    axes.axvline(today, color=GREY, linewidth=0.7, linestyle=":")
    axes.annotate(f"this run: {today:,}", (today, 100.0), (3, 0), textcoords="offset points", color=GREY, va="top")
    axes.set_xlim(0.0, right * 1.02)
    axes.set_ylim(0.0, 103.0)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("patients of the panel")
    axes.set_ylabel("visits that begin late, %")
    return figure, panels
