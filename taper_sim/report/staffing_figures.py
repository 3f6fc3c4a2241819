"""Figures of a staffing search, each with its data as CSV. Imports ``report.drawing``; reads an output folder only."""

from functools import partial
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taper_sim.report.drawing import BLUE, GREEN, GREY, ORANGE, PAGE, PAGE_COLUMN_MM, empty_figure, wrapped
from taper_sim.report.page_parts import write_figure
from taper_sim.report.replicated import without_few
from taper_sim.report.wording import in_words, number_text
from taper_sim.run_folder import read_table
from taper_sim.scenario.staffing_schema import AGAINST

HARM: Final = f"composite{AGAINST}"
_VERDICTS: Final = {
    "meets": (GREEN, "o"),
    "fails": (ORANGE, "X"),
    "undecided": (GREY, "s"),
    "set aside": (GREY, "."),
    "best": (GREEN, "o"),
    "as good": (GREEN, "s"),
    "still in": (GREY, "s"),
    "eliminated": (ORANGE, "X"),
}
"""Colour and marker of each verdict."""
_ENDS: Final = ("lo95", "hi95", "change_lo95", "change_hi95")
_DODGE: Final = 0.08
"""Distance between teams of the same size in the figure, FTE."""


def write_staffing_figures(folder: Path, late_target: float | None = None, chosen: str | None = None) -> list[Path]:
    """Draw the figures of the folder's tables: capacity curve, harm by staffing, tornado.

    An interval from too few replications is neither drawn nor in the figure's data.

    Parameters
    ----------
    folder : Path
    late_target : float, optional
        Largest share of late work that the run aims at.
    chosen : str, optional
        Name of the chosen team.
    """
    written = []
    for name, title, source, draw in (
        ("capacity", "Late work by size of the panel", "capacity.csv", partial(capacity, target=late_target)),
        ("harm", "Harm by staffing", "staffing.csv", partial(harm, chosen=chosen)),
        ("tornado", "Sensitivity of late work", "tornado.csv", tornado),
    ):
        if not (folder / source).exists():
            continue
        figure, data = draw(without_few(read_table(folder / source), *_ENDS))
        if len(data):
            written += write_figure(folder, name, title, (figure, data))
    return written


def _one_panel(height_mm: float) -> tuple[Figure, Axes]:
    figure = empty_figure(PAGE_COLUMN_MM, height_mm, fitted=True)
    figure.set_layout_engine("constrained", w_pad=2.0 / 25.4)  # the reader's font may be wider
    return figure, figure.add_subplot()


def _in_unit(data: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Rows of a metric in the unit of its axis."""
    rows = data.copy()
    numbers = [name for name in ("estimate", "lo95", "hi95", "change", "change_lo95", "change_hi95") if name in rows]
    rows[numbers] *= factor
    return rows


def _bars(axes: Axes, data: pd.DataFrame, x: str, colour: str, marker: str, label: str | None = None) -> None:
    half = [(data["estimate"] - data["lo95"]).clip(lower=0), (data["hi95"] - data["estimate"]).clip(lower=0)]
    axes.errorbar(
        data[x], data["estimate"], yerr=half, fmt=marker, color=colour, markersize=4, linewidth=0.8, label=label
    )


@mpl.rc_context(PAGE)
def capacity(table: pd.DataFrame, *, target: float | None = None) -> tuple[Figure, pd.DataFrame]:
    """Late work of today's team by size of the panel; above each panel the share of runs that meet all targets."""
    figure, axes = _one_panel(75.0)
    data = table[table["metric"] == "late"].sort_values("patients")
    rows = _in_unit(data, 100.0)
    axes.plot(rows["patients"], rows["estimate"], color=BLUE, linewidth=1.0)
    _bars(axes, rows, "patients", BLUE, "o")
    highest = float(rows[["estimate", "hi95"]].max().max()) if len(rows) else 1.0
    top = 1.25 * max(highest, 100.0 * (target or 0.0), 1.0)
    for row in rows.to_dict("records"):
        above = np.nanmax([row["estimate"], row["hi95"]]) + 0.02 * top
        axes.annotate(f"{row['p_meets']:.0%}", (row["patients"], above), ha="center", va="bottom", color=GREY)
    if target is not None:
        axes.axhline(100.0 * target, color=GREY, linewidth=0.7)
        axes.annotate(
            f"target: at most {target:.0%} late", (0.0, 100.0 * target), (3, 2), textcoords="offset points", color=GREY
        )
    axes.set_ylim(0.0, top)
    axes.set_xlim(left=0.0)
    axes.margins(x=0.06)
    axes.set_xlabel("patients of the panel")
    axes.set_ylabel("late or lost work, %")
    axes.set_title("Above a point: replications that met all targets")
    return figure, data


@mpl.rc_context(PAGE)
def harm(table: pd.DataFrame, *, chosen: str | None = None) -> tuple[Figure, pd.DataFrame]:
    """Harm of every tested team by its FTE."""
    figure, axes = _one_panel(75.0)
    data = table[(table["role"] == "all") & (table["metric"] == HARM)].sort_values("fte")
    rows = data.copy()
    same_size = rows.groupby("fte")["fte"]
    rows["at"] = rows["fte"] + _DODGE * (same_size.cumcount() - (same_size.transform("size") - 1) / 2.0)
    for verdict, (colour, marker) in _VERDICTS.items():
        teams = rows[rows["verdict"] == verdict]
        if len(teams):
            _bars(axes, teams, "at", colour, marker, verdict)
    for row in rows[rows["team"] == chosen].to_dict("records") if chosen is not None else ():
        top = np.nanmax([row["estimate"], row["hi95"]])
        axes.annotate("chosen", (row["at"], top), (0, 4), textcoords="offset points", ha="center")
    axes.set_xlabel("FTE of the team")
    axes.set_ylabel("harm, important differences\nminus unlimited staff")
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    axes.set_title("A marker a tested team, by its verdict on the targets")
    return figure, data


@mpl.rc_context(PAGE)
def tornado(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Change of late work under each factor, the largest change first, with its size beside the bar."""
    data = table[table["metric"] == "late"].sort_values("change", key=abs)
    figure, axes = _one_panel(24.0 + 9.0 * max(len(data), 3))
    rows = _in_unit(data, 100.0)
    change = rows["change"]
    axes.barh(range(len(rows)), change, color=[ORANGE if v > 0 else BLUE for v in change], height=0.65)
    half = [(change - rows["change_lo95"]).clip(lower=0), (rows["change_hi95"] - change).clip(lower=0)]
    axes.errorbar(change, range(len(rows)), xerr=half, fmt="none", color="black", linewidth=0.8)
    axes.axvline(0.0, color=GREY, linewidth=0.5)
    for place, row in enumerate(rows.to_dict("records")):
        right = np.nanmax([row["change"], row["change_hi95"], 0.0])
        axes.annotate(
            number_text(row["change"], 1, signed=True),
            (right, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            color=GREY,
        )
    axes.margins(x=0.12)
    axes.set_xlabel("change of late or lost work, percentage points")
    axes.locator_params(axis="x", nbins=6)
    names = [f"{row['name']}: {in_words(row['what'])}" for row in rows.to_dict("records")]
    axes.set_yticks(range(len(rows)), [wrapped(name, 24) for name in names])
    axes.set_title("Change from today's team, same patients")
    return figure, data
