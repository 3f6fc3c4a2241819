"""Figures of a population, of one patient's days and of a sensitivity analysis. Imports ``api.display``, ``report``."""

from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taper_sim.api.display import show_figures
from taper_sim.report.drawing import BLUE, DOUBLE_COLUMN_MM, GREY, ORANGE, PRINT, empty_figure

_PANELS: Final = (
    ("withdrawal", "withdrawal (0-1)"),
    ("pain", "pain (NRS, 0-10)"),
    ("function", "function (0-100)"),
    ("distress", "distress (0-1)"),
)


def population_figure(table: pd.DataFrame) -> Figure:
    """Draw centres and spreads with their 90 % intervals."""
    show_figures()
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 20.0 + 4.5 * int(table["what"].value_counts().max()), fitted=True)
        grid = figure.subplots(1, 2, squeeze=False).ravel()
        for axes, what in zip(grid, ("centre", "spread"), strict=True):
            rows = table[table["what"] == what]
            y = np.arange(len(rows))[::-1]
            axes.hlines(y, rows["lo90"], rows["hi90"], color=BLUE, linewidth=1.2)
            axes.plot(rows["mean"], y, "o", color=BLUE, markersize=3.0)
            axes.set_yticks(y, rows["value"])
            axes.set_title("centre, 90 % interval" if what == "centre" else "spread between people, 90 % interval")
            axes.set_xlabel("value, its logarithm where it is positive by nature")
    return figure


def trace_figure(days: pd.DataFrame) -> Figure:
    """Draw doses, then withdrawal, pain, function and distress by day."""
    doses = [name for name in days.columns if name.startswith("dose_") and (days[name] > 0).any()]
    show_figures()
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 12.0 + 28.0 * (1 + len(_PANELS)), fitted=True)
        grid = figure.subplots(1 + len(_PANELS), 1, sharex=True)
        for name in doses:
            grid[0].step(days["day"], days[name], where="post", linewidth=1.1, label=name.removeprefix("dose_"))
        grid[0].set_ylabel("dose (equivalents a day)")
        grid[0].set_ylim(bottom=0.0)
        grid[0].legend()
        for axes, (name, label) in zip(grid[1:], _PANELS, strict=True):
            axes.plot(days["day"], days[name], color=BLUE, linewidth=1.1)
            axes.set_ylabel(label)
        grid[-1].set_xlabel("day")
    return figure


def tornado_figure(rows: pd.DataFrame, outcome: str, what: str) -> Figure:
    """Draw what an outcome is at a parameter's low and high value, and its rank correlation over draws."""
    rows = rows.assign(size=rows["swing"].abs()).sort_values("size")
    y = np.arange(len(rows))
    show_figures()
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 26.0 + 6.0 * len(rows), fitted=True)
        left, right = figure.subplots(1, 2, sharey=True)
        left.hlines(y, rows["outcome_at_low"], rows["outcome_at_high"], color=GREY, linewidth=5.0, alpha=0.35)
        left.plot(rows["outcome_at_low"], y, "s", color=BLUE, markersize=4.0, label="at the 5th percentile")
        left.plot(rows["outcome_at_high"], y, "^", color=ORANGE, markersize=4.5, label="at the 95th percentile")
        left.set_yticks(y, rows["parameter"])
        left.set_xlabel(f"{outcome}, one parameter at a time")
        left.legend(loc="best")
        right.hlines(y, rows["lo95"], rows["hi95"], color=BLUE, linewidth=1.2)
        right.plot(rows["rank_correlation"], y, "o", color=BLUE, markersize=3.5)
        right.axvline(0.0, color="black", linewidth=0.7)
        right.set_xlim(-1.05, 1.05)
        right.set_xlabel("rank correlation over draws, 95 % interval")
        figure.suptitle(what, fontsize=7.0)
    return figure
