"""Figures of a search for a team, each with its data as CSV. Imports ``report.drawing``; reads a run folder only."""

from pathlib import Path
from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taper_sim.report.drawing import DOUBLE_COLUMN_MM, GREY, empty_figure, svg
from taper_sim.runs import write_csv, write_text

HARM: Final = "composite_against_never_short"
_VERDICTS: Final = {
    "meets": ("#009E73", "o"), "fails": ("#D55E00", "X"), "undecided": (GREY, "s"),
    "best": ("#009E73", "o"), "as good": ("#009E73", "s"), "still in": (GREY, "s"), "eliminated": ("#D55E00", "X"),
}  # fmt: skip
"""Colour and marker of what is known of a team."""
_LABELS: Final = {
    "late": "late or lost work, share",
    HARM: "harm, important differences\nagainst staff never short",
}


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
        figure, data = draw(pd.read_csv(folder / source))
        if len(data) == 0:
            continue
        write_text(folder / "figures" / f"{name}.svg", svg(figure, title))
        write_csv(data, folder / "figures" / f"{name}.csv")
        written.append(folder / "figures" / f"{name}.svg")
    return written


def _two() -> tuple[Figure, list[Axes]]:
    figure = empty_figure(DOUBLE_COLUMN_MM, 70.0, fitted=True)
    return figure, [figure.add_subplot(1, 2, k) for k in (1, 2)]


def _bars(axes: Axes, data: pd.DataFrame, x: str, colour: str, marker: str, label: str | None = None) -> None:
    half = [(data["estimate"] - data["lo95"]).clip(lower=0), (data["hi95"] - data["estimate"]).clip(lower=0)]
    axes.errorbar(
        data[x], data["estimate"], yerr=half, fmt=marker, color=colour, markersize=4, linewidth=0.8, label=label
    )


def capacity(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Late work and harm over patients per FTE, today's team."""
    figure, both = _two()
    data = table[table["metric"].isin(_LABELS)].sort_values(["metric", "patients_per_fte"])
    for axes, (metric, label) in zip(both, _LABELS.items(), strict=True):
        own = data[data["metric"] == metric]
        axes.plot(own["patients_per_fte"], own["estimate"], color="#0072B2", linewidth=1.0)
        _bars(axes, own, "patients_per_fte", "#0072B2", "o")
        axes.set_xlabel("patients per FTE")
        axes.set_ylabel(label, fontsize=8)
    figure.suptitle("Today's team with other panels (bars: 95 % over replications)")
    return figure, data


def harm(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Late work and harm of every team that was tried, over its FTE."""
    figure, both = _two()
    data = table[(table["role"] == "all") & table["metric"].isin(_LABELS)].sort_values(["metric", "fte"])
    for axes, (metric, label) in zip(both, _LABELS.items(), strict=True):
        for verdict, (colour, marker) in _VERDICTS.items():
            own = data[(data["metric"] == metric) & (data["verdict"] == verdict)]
            if len(own):
                _bars(axes, own, "fte", colour, marker, verdict)
        axes.set_xlabel("FTE of the team")
        axes.set_ylabel(label, fontsize=8)
    handles, labels = both[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    figure.suptitle("Teams that were tried, and what was found of each")
    return figure, data


def tornado(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Change of late work and harm under each factor, the widest first."""
    figure, both = _two()
    data = table[table["metric"].isin(_LABELS)].copy()
    data["label"] = data["name"] + ": " + data["what"]
    order = data[data["metric"] == "late"].sort_values("change", key=abs)["label"].tolist()
    for axes, (metric, label) in zip(both, _LABELS.items(), strict=True):
        own = data[data["metric"] == metric].set_index("label").reindex(order)
        axes.barh(range(len(own)), own["change"], color=["#D55E00" if v > 0 else "#0072B2" for v in own["change"]])
        half = [(own["change"] - own["change_lo95"]).clip(lower=0), (own["change_hi95"] - own["change"]).clip(lower=0)]
        axes.errorbar(own["change"], range(len(own)), xerr=half, fmt="none", color="black", linewidth=0.8)
        axes.axvline(0.0, color=GREY, linewidth=0.5)
        axes.set_xlabel(f"change of\n{label}", fontsize=8)
        axes.locator_params(axis="x", nbins=4)
        axes.set_yticks(range(len(own)), order if metric == "late" else [""] * len(own), fontsize=8)
    figure.suptitle("Against today's team on the same patients (bars: 95 %)")
    return figure, data
