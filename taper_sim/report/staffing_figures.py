"""Figures of a staffing search, each with its data as CSV. Imports ``report.drawing``; reads an output folder only."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taper_sim.report.drawing import BLUE, DOUBLE_COLUMN_MM, GREEN, GREY, ORANGE, PRINT, empty_figure
from taper_sim.report.page_parts import write_figure
from taper_sim.report.replicated import without_few
from taper_sim.report.wording import in_words
from taper_sim.run_folder import read_table
from taper_sim.scenario.staffing_schema import AGAINST

HARM: Final = f"composite{AGAINST}"
_VERDICTS: Final = {
    "meets": (GREEN, "o"),
    "fails": (ORANGE, "X"),
    "undecided": (GREY, "s"),
    "best": (GREEN, "o"),
    "as good": (GREEN, "s"),
    "still in": (GREY, "s"),
    "eliminated": (ORANGE, "X"),
}
"""Colour and marker of each verdict."""
_LABELS: Final = {
    "late": ("late or lost work, %", 100.0),
    HARM: ("harm, important differences\nminus unlimited staff", 1.0),
}
"""Label of the axis and factor on the values, by metric."""
_ENDS: Final = ("lo95", "hi95", "change_lo95", "change_hi95")
_DODGE: Final = 0.08
"""Distance between teams of the same size in the figure, FTE."""


def write_staffing_figures(folder: Path) -> list[Path]:
    """Draw the figures of the folder's tables: capacity curve, harm by staffing, tornado.

    An interval from too few replications is neither drawn nor in the figure's data.
    """
    written = []
    for name, title, source, draw in (
        ("capacity", "Late work and harm by patients per FTE", "capacity.csv", capacity),
        ("harm", "Late work and harm by staffing", "staffing.csv", harm),
        ("tornado", "Sensitivity of late work and harm", "tornado.csv", tornado),
    ):
        if not (folder / source).exists():
            continue
        figure, data = draw(without_few(read_table(folder / source), *_ENDS))
        if len(data):
            written += write_figure(folder, name, title, (figure, data))
    return written


def _two_panels() -> tuple[Figure, list[Axes]]:
    figure = empty_figure(DOUBLE_COLUMN_MM, 70.0, fitted=True)
    figure.set_layout_engine("constrained", w_pad=2.0 / 25.4)  # the reader's font may be wider
    return figure, [figure.add_subplot(1, 2, k) for k in (1, 2)]


def _drawn(data: pd.DataFrame, metric: str, factor: float) -> pd.DataFrame:
    """Rows of a metric in the unit of its axis."""
    rows = data[data["metric"] == metric].copy()
    numbers = [name for name in ("estimate", "lo95", "hi95", "change", "change_lo95", "change_hi95") if name in rows]
    rows[numbers] *= factor
    return rows


def _bars(axes: Axes, data: pd.DataFrame, x: str, colour: str, marker: str, label: str | None = None) -> None:
    half = [(data["estimate"] - data["lo95"]).clip(lower=0), (data["hi95"] - data["estimate"]).clip(lower=0)]
    axes.errorbar(
        data[x], data["estimate"], yerr=half, fmt=marker, color=colour, markersize=4, linewidth=0.8, label=label
    )


@mpl.rc_context(PRINT)
def capacity(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Late work and harm of today's team by patients per FTE."""
    figure, panels = _two_panels()
    data = table[table["metric"].isin(_LABELS)].sort_values(["metric", "patients_per_fte"])
    for axes, (metric, (label, factor)) in zip(panels, _LABELS.items(), strict=True):
        rows = _drawn(data, metric, factor)
        axes.plot(rows["patients_per_fte"], rows["estimate"], color=BLUE, linewidth=1.0)
        _bars(axes, rows, "patients_per_fte", BLUE, "o")
        axes.set_xlabel("patients per FTE")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    figure.suptitle("Today's team with other panels (bars: 95 % over replications)")
    return figure, data


@mpl.rc_context(PRINT)
def harm(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Late work and harm of every tested team by its FTE."""
    figure, panels = _two_panels()
    data = table[(table["role"] == "all") & table["metric"].isin(_LABELS)].sort_values(["metric", "fte"])
    for axes, (metric, (label, factor)) in zip(panels, _LABELS.items(), strict=True):
        rows = _drawn(data, metric, factor)
        same_size = rows.groupby("fte")["fte"]
        rows["at"] = rows["fte"] + _DODGE * (same_size.cumcount() - (same_size.transform("size") - 1) / 2.0)
        for verdict, (colour, marker) in _VERDICTS.items():
            teams = rows[rows["verdict"] == verdict]
            if len(teams):
                _bars(axes, teams, "at", colour, marker, verdict)
        axes.set_xlabel("FTE of the team")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    handles, labels = panels[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    figure.suptitle("Tested teams by verdict")
    return figure, data


@mpl.rc_context(PRINT)
def tornado(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Change of late work and harm under each factor, the largest change first."""
    figure, panels = _two_panels()
    data = table[table["metric"].isin(_LABELS)].copy()
    data["label"] = data["name"] + ": " + data["what"].map(in_words)
    order = data[data["metric"] == "late"].sort_values("change", key=abs)["label"].tolist()
    for axes, (metric, (label, factor)) in zip(panels, _LABELS.items(), strict=True):
        rows = _drawn(data, metric, factor).set_index("label").reindex(order)
        change = rows["change"]
        axes.barh(range(len(rows)), change, color=[ORANGE if v > 0 else BLUE for v in change])
        half = [(change - rows["change_lo95"]).clip(lower=0), (rows["change_hi95"] - change).clip(lower=0)]
        axes.errorbar(change, range(len(rows)), xerr=half, fmt="none", color="black", linewidth=0.8)
        axes.axvline(0.0, color=GREY, linewidth=0.5)
        axes.set_xlabel(f"change of {label.replace('%', 'percentage points')}")
        axes.locator_params(axis="x", nbins=5)
        axes.set_yticks(range(len(rows)) if metric == "late" else [], order if metric == "late" else [])
    figure.suptitle("Change from today's team, same patients (bars: 95 %)")
    return figure, data
