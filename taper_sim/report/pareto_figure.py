"""Harm against benefit of a comparison's protocols. Imports ``comparison``, ``run_tables``, ``drawing``."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from taper_sim.comparison.statistics import pareto_front
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.report.drawing import (
    DOUBLE_COLUMN_MM,
    GREY,
    LABELS_MM,
    LETTER_MM,
    PRINT,
    Style,
    empty_figure,
    legend_entry,
    longest_line,
    place,
    styles_of,
    wrapped,
)
from taper_sim.report.run_tables import label_of, outcome_of

#: Benefit and harm of the Pareto figure: the first outcome of each list that the run reports.
PARETO_X: Final = ("dose_reduction_pct", "dose_exposure")
PARETO_Y: Final = (
    "withdrawal_peak_cvar95",
    "withdrawal_area_cvar95",
    "days_over_limit_cvar95",
    "withdrawal_sows_gossop",
    "pain_nrs_change",
    "phq9_change",
    "function_change",
)

WITHDRAWAL_LIMIT: Final = float(CHANCE_BY_SYMBOL["limit_w"].value)  # type: ignore[arg-type]  # it has no classes
"""Mean peak withdrawal, 0 to 1, up to which a protocol can be on the front of the Pareto figure. Source: the limit of
``days_over_limit``."""
MOST_NAMED: Final = 5
"""Protocols whose names stand beside their points; a larger number is in a legend."""
_PEAK: Final = "withdrawal_peak"


def pareto_data(summary: pd.DataFrame, protocols: Sequence[str], x: str, y: str) -> pd.DataFrame:
    """Means of two outcomes by protocol with 95 % intervals, and whether a protocol is on the Pareto front of means.

    The largest reduction is on every front of reduction and harm, so that a front of all protocols would praise an
    abrupt stop. If the run reports the peak of withdrawal, only protocols whose mean peak is within
    :data:`WITHDRAWAL_LIMIT` can be on the front.
    """
    whole = summary[(summary["subgroup"] == "all") & (summary["n"] >= SMALLEST_CELL)]
    cells = {(row["protocol"], row["outcome"]): row for row in whole.to_dict("records")}
    rows = []
    for name in protocols:
        across, up = cells.get((name, x)), cells.get((name, y))
        if across is not None and up is not None:
            ends = [cell[column] for cell in (across, up) for column in ("mean", "lo95", "hi95")]
            rows.append((name, x, *ends[:3], y, *ends[3:], min(across["n"], up["n"])))
    columns = ["protocol", "x_outcome", "x_mean", "x_lo95", "x_hi95", "y_outcome", "y_mean", "y_lo95", "y_hi95", "n"]
    data = pd.DataFrame(rows, columns=columns)
    signs = np.array(
        [-1.0 if (o := outcome_of(name)) is not None and o.direction == "higher" else 1.0 for name in (x, y)]
    )
    points = data[["x_mean", "y_mean"]].to_numpy(dtype=np.float64)
    peaks = {name: float(cells[name, _PEAK]["mean"]) for name in data["protocol"] if (name, _PEAK) in cells}
    within = np.array([not peaks or peaks.get(name, np.inf) <= WITHDRAWAL_LIMIT for name in data["protocol"]], bool)
    front = np.zeros(len(data), dtype=bool)
    if within.any():
        front[within] = pareto_front((points * signs)[within])
    data["on_front"] = front
    return data


def pareto_axes(summary: pd.DataFrame) -> tuple[str, str] | None:
    """Outcomes of the Pareto figure, the first of each list that has an interval; None if a list has none."""
    reported = set(summary.loc[(summary["subgroup"] == "all") & summary["lo95"].notna(), "outcome"])
    x, y = (next((name for name in names if name in reported), None) for names in (PARETO_X, PARETO_Y))
    return None if x is None or y is None else (x, y)


def pareto_figure(
    summary: pd.DataFrame, protocols: Sequence[str], reference: str, x: str = PARETO_X[0], y: str = PARETO_Y[0]
) -> tuple[Figure, pd.DataFrame]:
    """Draw the harm of each protocol against its benefit, with a line along the Pareto front of the means.

    Parameters
    ----------
    summary : DataFrame
        ``summary.csv``.
    protocols : sequence of str
    reference : str
    x, y : str
        Outcomes of benefit and of harm.

    Returns
    -------
    Figure
    DataFrame
        Result of :func:`pareto_data`.

    Raises
    ------
    ValueError
        If no protocol has both outcomes of :data:`SMALLEST_CELL` people.
    """
    data = pareto_data(summary, protocols, x, y)
    if data.empty:
        raise ValueError(f"no protocol has both {x} and {y} of {SMALLEST_CELL} people or more")
    styles = styles_of(protocols, reference)
    direct = len(data) <= MOST_NAMED
    front_label = "front of the means: within the\nwithdrawal limit, no other such\nprotocol better in both"
    with mpl.rc_context(PRINT):
        keys = [
            legend_entry(styles[str(row["protocol"])], str(row["protocol"]), 52, filled=bool(row["on_front"]))
            for row in data.to_dict("records")
            if not direct
        ]
        keys.append(Line2D([], [], color=GREY, linewidth=0.9, linestyle=(0, (4, 2)), label=front_label))
        legend_mm = 10.0 + LETTER_MM * longest_line(str(key.get_label()) for key in keys)
        height = max(80.0, 25.0 + 6.0 * len(data))
        figure = empty_figure(DOUBLE_COLUMN_MM, height, fitted=False)
        width = DOUBLE_COLUMN_MM - LABELS_MM - legend_mm
        axes = place(figure, LABELS_MM - 3.0, 3.0, width, height - 14.0)
        for row in data.to_dict("records"):
            _draw_point(axes, row, styles[str(row["protocol"])])
        front = data[data["on_front"]].sort_values(["x_mean", "y_mean"])
        axes.plot(front["x_mean"], front["y_mean"], color=GREY, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
        axes.set_xlabel(_axis_label(x))
        axes.set_ylabel(_axis_label(y))
        if direct:
            _name_points(axes, data, styles)
        figure.legend(
            handles=keys,
            loc="center right",
            title="filled: on the front",
            title_fontsize=6.5,
            alignment="left",
            labelspacing=0.9,
        )
    return figure, data


def _draw_point(axes: Axes, row: Mapping[Hashable, Any], style: Style) -> None:
    """The means of a protocol with their intervals as a cross."""
    x_mean, y_mean = [row["x_mean"]] * 2, [row["y_mean"]] * 2
    axes.plot([row["x_lo95"], row["x_hi95"]], y_mean, color=style.colour, linewidth=0.6, alpha=0.7)
    axes.plot(x_mean, [row["y_lo95"], row["y_hi95"]], color=style.colour, linewidth=0.6, alpha=0.7)
    axes.plot(
        row["x_mean"],
        row["y_mean"],
        color=style.colour,
        marker=style.marker,
        markersize=5,
        zorder=3,
        markerfacecolor=style.colour if row["on_front"] else "white",
        linestyle="none",
    )


def _name_points(axes: Axes, data: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    """The name of each protocol beside its point, towards the middle of the figure, in turn above and below."""
    low, high = axes.get_xlim()
    for k, row in enumerate(data.sort_values(["x_mean", "y_mean"]).to_dict("records")):
        on_left = row["x_mean"] < 0.5 * (low + high)
        axes.annotate(
            wrapped(str(row["protocol"]), 36),
            (row["x_mean"], row["y_mean"]),
            xytext=(6 if on_left else -6, 5 if k % 2 == 0 else -5),
            textcoords="offset points",
            ha="left" if on_left else "right",
            va="bottom" if k % 2 == 0 else "top",
            fontsize=6.5,
            color=styles[str(row["protocol"])].colour,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0.0, "pad": 0.5},
            zorder=4,
        )


def _axis_label(name: str) -> str:
    outcome = outcome_of(name)
    if outcome is None:
        return label_of(name)
    better = {"lower": ", lower is better", "higher": ", higher is better", "neither": ""}[outcome.direction]
    return f"{label_of(name)} ({outcome.unit}{better})"
