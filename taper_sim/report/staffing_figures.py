"""Figures of a search for a team, each with its data as CSV. Imports ``report``; reads a run folder only."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taper_sim.report.drawing import DOUBLE_COLUMN_MM, GREY, PRINT, empty_figure, svg
from taper_sim.report.wording import in_words
from taper_sim.run_folder import list_report, read_table, write_csv, write_text

HARM: Final = "composite_against_never_short"
_VERDICTS: Final = {
    "meets": ("#009E73", "o"),
    "fails": ("#D55E00", "X"),
    "undecided": (GREY, "s"),
    "best": ("#009E73", "o"),
    "as good": ("#009E73", "s"),
    "still in": (GREY, "s"),
    "eliminated": ("#D55E00", "X"),
}
"""Colour and marker of what is known of a team."""
_LABELS: Final = {
    "late": ("late or lost work, %", 100.0),
    HARM: ("harm, important differences\nagainst staff never short", 1.0),
}
"""Metrics that are drawn: label of the axis, and by what a number is multiplied for it."""
_DODGE: Final = 0.08
"""FTE by which teams of the same size are drawn apart."""


def write_staffing_figures(folder: Path) -> list[Path]:
    """Draw what the tables of a folder hold: capacity curve, harm against staffing, tornado."""
    written = []
    for name, title, source, draw in (
        ("capacity", "Patients per FTE, late work and harm", "capacity.csv", capacity),
        ("harm", "Harm and late work against staffing", "staffing.csv", harm),
        ("tornado", "What moves late work and harm", "tornado.csv", tornado),
    ):
        if not (folder / source).exists():
            continue
        figure, data = draw(read_table(folder / source))
        if len(data) == 0:
            continue
        write_text(folder / "figures" / f"{name}.svg", svg(figure, title))
        write_csv(data, folder / "figures" / f"{name}.csv")
        written += [folder / "figures" / f"{name}.svg", folder / "figures" / f"{name}.csv"]
    list_report(folder, written)
    return written


def _two() -> tuple[Figure, list[Axes]]:
    figure = empty_figure(DOUBLE_COLUMN_MM, 70.0, fitted=True)
    figure.set_layout_engine("constrained", w_pad=2.0 / 25.4)  # a reader's letters may be wider than those measured
    return figure, [figure.add_subplot(1, 2, k) for k in (1, 2)]


def _drawn(data: pd.DataFrame, metric: str, factor: float) -> pd.DataFrame:
    """Rows of a metric in the unit of its axis."""
    own = data[data["metric"] == metric].copy()
    numbers = [name for name in ("estimate", "lo95", "hi95", "change", "change_lo95", "change_hi95") if name in own]
    own[numbers] *= factor
    return own


def _bars(axes: Axes, data: pd.DataFrame, x: str, colour: str, marker: str, label: str | None = None) -> None:
    half = [(data["estimate"] - data["lo95"]).clip(lower=0), (data["hi95"] - data["estimate"]).clip(lower=0)]
    axes.errorbar(
        data[x], data["estimate"], yerr=half, fmt=marker, color=colour, markersize=4, linewidth=0.8, label=label
    )


@mpl.rc_context(PRINT)
def capacity(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Late work and harm over patients per FTE, today's team."""
    figure, both = _two()
    data = table[table["metric"].isin(_LABELS)].sort_values(["metric", "patients_per_fte"])
    for axes, (metric, (label, factor)) in zip(both, _LABELS.items(), strict=True):
        own = _drawn(data, metric, factor)
        axes.plot(own["patients_per_fte"], own["estimate"], color="#0072B2", linewidth=1.0)
        _bars(axes, own, "patients_per_fte", "#0072B2", "o")
        axes.set_xlabel("patients per FTE")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    figure.suptitle("Today's team with other panels (bars: 95 % over replications)")
    return figure, data


@mpl.rc_context(PRINT)
def harm(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Late work and harm of every team that was tried, over its FTE."""
    figure, both = _two()
    data = table[(table["role"] == "all") & table["metric"].isin(_LABELS)].sort_values(["metric", "fte"])
    for axes, (metric, (label, factor)) in zip(both, _LABELS.items(), strict=True):
        every = _drawn(data, metric, factor)
        alike = every.groupby("fte")["fte"]
        every["at"] = every["fte"] + _DODGE * (alike.cumcount() - (alike.transform("size") - 1) / 2.0)
        for verdict, (colour, marker) in _VERDICTS.items():
            own = every[every["verdict"] == verdict]
            if len(own):
                _bars(axes, own, "at", colour, marker, verdict)
        axes.set_xlabel("FTE of the team")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    handles, labels = both[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    figure.suptitle("Teams that were tried, and what was found of each")
    return figure, data


@mpl.rc_context(PRINT)
def tornado(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Change of late work and harm under each factor, the widest first."""
    figure, both = _two()
    data = table[table["metric"].isin(_LABELS)].copy()
    data["label"] = data["name"] + ": " + data["what"].map(in_words)
    order = data[data["metric"] == "late"].sort_values("change", key=abs)["label"].tolist()
    for axes, (metric, (label, factor)) in zip(both, _LABELS.items(), strict=True):
        own = _drawn(data, metric, factor).set_index("label").reindex(order)
        axes.barh(range(len(own)), own["change"], color=["#D55E00" if v > 0 else "#0072B2" for v in own["change"]])
        half = [(own["change"] - own["change_lo95"]).clip(lower=0), (own["change_hi95"] - own["change"]).clip(lower=0)]
        axes.errorbar(own["change"], range(len(own)), xerr=half, fmt="none", color="black", linewidth=0.8)
        axes.axvline(0.0, color=GREY, linewidth=0.5)
        axes.set_xlabel(f"change of {label.replace('%', 'percentage points')}")
        axes.locator_params(axis="x", nbins=5)
        axes.set_yticks(range(len(own)) if metric == "late" else [], order if metric == "late" else [])
    figure.suptitle("Against today's team on the same patients (bars: 95 %)")
    return figure, data
