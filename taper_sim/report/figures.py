"""Figures of a comparison for print, each with its data as CSV. Imports ``comparison``, ``run_tables``, ``drawing``.

A figure function takes data frames and returns the figure and its data. :func:`write_figures` reads an output folder
only. Sizes are in millimetres of print, colours are those of Okabe and Ito (2008), and lines differ in more than their
colour. The same folder gives the same bytes.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from taper_sim.comparison.statistics import pareto_front
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.report.drawing import (
    DOUBLE_COLUMN_MM,
    GREY,
    PRINT,
    REFERENCE_COLOUR,
    SINGLE_COLUMN_MM,
    Style,
    empty_figure,
    inset,
    legend_entry,
    place,
    styles_of,
    svg,
    wrapped,
)
from taper_sim.report.run_tables import RunTables, label_of, outcome_of, read_run
from taper_sim.run_folder import write_csv, write_text

MOST_FACETS: Final = 6  # protocols in separate columns; a larger number shares the axes

#: Outcomes of the forest plot: those with a smallest important difference, then events. The Pareto figure has benefit.
FOREST_OUTCOMES: Final = (
    "withdrawal_peak",
    "withdrawal_peak_cvar95",
    "days_over_limit",
    "pain_nrs_change",
    "function_change",
    "phq9_change",
    "isi_change",
    "lapse_days",
    "composite",
    "return_to_higher_dose",
    "dropout",
    "urgent_visit",
    "mental_health_crisis",
    "overdose",
    "seizure",
    "death",
)

_HARMS: Final = (
    "mental_health_crisis",
    "overdose",
    "overdose_or_withdrawal",
    "overdose_or_suicide_event",
    "overdose_or_suicide_death",
    "seizure",
    "death",
)

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
_PEAK: Final = "withdrawal_peak"

_FROM_ZERO: Final = ("dose", "withdrawal")

_LABELS_MM: Final = 19.0  # left margin of a frame: a label of two lines and numbers such as 0.0025
_GAP_MM: Final = 5.5  # gap between frames
_LETTER_MM: Final = 1.4  # width of a letter of a name, an upper estimate
_BELOW_FOREST_MM: Final = 14.0  # margin below a forest panel: numbers and a label of two lines

_QUANTITIES: Final[Mapping[str, tuple[str, str]]] = {  # name: (axis label, unit)
    "dose": ("prescribed dose\n(share of start)", "share of start, mean over classes taken"),
    "withdrawal": ("withdrawal\n(0-1)", "0-1"),
    "pain": ("pain\n(NRS, 0-10)", "NRS points"),
    "function": ("function\n(0-100, high is good)", "points 0-100"),
    "distress": ("low mood, distress\n(0-1)", "0-1"),
}


def _day_ticks(last: int, most: int) -> list[int]:
    steps = (1, 2, 7, 14, 28, 56, 91, 182, 364, 728, 1820, 3640)
    step = next(step for step in steps if last / step <= most or step == steps[-1])
    return list(range(0, last + 1, step))


def trajectories_figure(
    trajectories: pd.DataFrame, protocols: Sequence[str], reference: str
) -> tuple[Figure, pd.DataFrame]:
    """Draw dose, withdrawal, pain, function and distress by day and protocol.

    Up to :data:`MOST_FACETS` protocols have separate columns with the mean, the median, the bands of 25 to 75 % and 10
    to 90 % of people, and the reference's mean in grey. A larger number of protocols share the axes: their means, on
    the reference's band of 25 to 75 %.

    Parameters
    ----------
    trajectories : DataFrame
        ``trajectories.csv``.
    protocols : sequence of str
        In the order of the figure.
    reference : str

    Returns
    -------
    Figure
    DataFrame
        The rows of ``trajectories.csv`` in the figure, with the unit.

    Raises
    ------
    ValueError
        If no cell has :data:`SMALLEST_CELL` people.
    """
    shown = trajectories["quantity"].isin(list(_QUANTITIES)) & (trajectories["n"] >= SMALLEST_CELL)
    data = trajectories[shown & trajectories["protocol"].isin(list(protocols))].reset_index(drop=True)
    data.insert(2, "unit", [_QUANTITIES[name][1] for name in data["quantity"]])
    if data.empty:
        raise ValueError(f"no trajectories of {SMALLEST_CELL} people or more")
    courses = {
        (str(protocol), str(quantity)): rows
        for (protocol, quantity), rows in data.groupby(["protocol", "quantity"], sort=False)
    }
    quantities = [name for name in _QUANTITIES if name in set(data["quantity"])]
    drawn = [name for name in protocols if any((name, q) in courses for q in quantities)]
    with mpl.rc_context(PRINT):
        if len(drawn) <= MOST_FACETS:
            return _facets(courses, quantities, drawn, reference), data
        return _overlay(courses, quantities, drawn, reference), data


def _facets(
    courses: Mapping[tuple[str, str], pd.DataFrame], quantities: Sequence[str], drawn: Sequence[str], reference: str
) -> Figure:
    styles = styles_of(drawn, reference)
    titles = [wrapped(protocol, 24 if len(drawn) < 6 else 19) for protocol in drawn]
    keys = _facet_keys(reference if len(drawn) > 1 and reference in drawn else None)
    per_line = 5 if len(drawn) > 2 else 3
    top, bottom = 3.0 + 3.0 * _most_lines(titles), 12.0 + 4.5 * -(-len(keys) // per_line)
    width = DOUBLE_COLUMN_MM if len(drawn) > 2 else 120.0
    figure = empty_figure(width, top + bottom + 34.0 * len(quantities) - _GAP_MM, fitted=False)
    inner = (width - _LABELS_MM - 4.0 - _GAP_MM * (len(drawn) - 1)) / len(drawn)
    grid = figure.subplots(
        len(quantities),
        len(drawn),
        sharex=True,
        sharey="row",
        squeeze=False,
        gridspec_kw=inset(figure, _LABELS_MM, 4.0, top, bottom)
        | {"wspace": _GAP_MM / inner, "hspace": _GAP_MM / (34.0 - _GAP_MM)},
    )
    last = max(int(rows["day"].max()) for rows in courses.values())
    grid[0, 0].set_xlim(0, last)
    grid[0, 0].set_xticks(_day_ticks(last, 4 if len(drawn) < 5 else 2))
    for i, quantity in enumerate(quantities):
        # set before drawing: on shared axes every new band would rescale all of them
        grid[i, 0].set_ylim(*_limits(quantity, [courses[key] for key in courses if key[1] == quantity]))
        for j, protocol in enumerate(drawn):
            axes = grid[i, j]
            rows, against = courses.get((protocol, quantity)), courses.get((reference, quantity))
            if rows is not None:
                colour = styles[protocol].colour
                axes.fill_between(rows["day"], rows["q10"], rows["q90"], color=colour, alpha=0.15, linewidth=0)
                axes.fill_between(rows["day"], rows["q25"], rows["q75"], color=colour, alpha=0.30, linewidth=0)
                axes.plot(rows["day"], rows["q50"], color=colour, linewidth=0.9, linestyle=(0, (1, 1)))
            if against is not None and protocol != reference:
                axes.plot(against["day"], against["mean"], color=GREY, linewidth=0.9, linestyle=(0, (5, 1.5)))
            if rows is not None:
                axes.plot(rows["day"], rows["mean"], color=colour, linewidth=1.3)
            if i == 0:
                axes.set_title(titles[j])
        grid[i, 0].set_ylabel(_QUANTITIES[quantity][0])
    for axes in grid[-1]:
        axes.set_xlabel("day")
    figure.legend(handles=keys, loc="lower center", ncols=per_line)
    return figure


def _longest_line(texts: Iterable[str]) -> int:
    return max(len(line) for text in texts for line in text.split("\n"))


def _limits(quantity: str, courses: Iterable[pd.DataFrame]) -> tuple[float, float]:
    """Range of bands and means with a margin of 5 %; dose and withdrawal start at 0."""
    values = np.concatenate([rows[["mean", "q10", "q90"]].to_numpy().ravel() for rows in courses])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.05
    return 0.0 if quantity in _FROM_ZERO else low - room, high + room


def _facet_keys(reference: str | None) -> list[Line2D | Patch]:
    """Legend of lines and bands, with the reference's mean if other protocols are drawn."""
    black = REFERENCE_COLOUR
    keys: list[Line2D | Patch] = [
        Line2D([], [], color=black, linewidth=1.3, label="mean"),
        Line2D([], [], color=black, linewidth=0.9, linestyle=(0, (1, 1)), label="median"),
        Patch(facecolor=black, alpha=0.40, label="25 to 75 % of people"),
        Patch(facecolor=black, alpha=0.15, label="10 to 90 %"),
    ]
    if reference is not None:
        label = f"mean of {wrapped(reference, 32, 1)}"
        keys.append(Line2D([], [], color=GREY, linewidth=0.9, linestyle=(0, (5, 1.5)), label=label))
    return keys


def _most_lines(texts: Iterable[str]) -> int:
    return max(text.count("\n") + 1 for text in texts)


def _overlay(
    courses: Mapping[tuple[str, str], pd.DataFrame], quantities: Sequence[str], drawn: Sequence[str], reference: str
) -> Figure:
    styles = styles_of(drawn, reference)
    columns = 2
    n_rows = -(-len(quantities) // columns)
    per_line = 3 if len(drawn) <= 24 else 4
    figure = empty_figure(DOUBLE_COLUMN_MM, 15.0 + 52.0 * n_rows + 6.5 * -(-len(drawn) // per_line), fitted=True)
    grid = figure.subplots(n_rows, columns, sharex=True, squeeze=False).ravel()
    last = max(int(rows["day"].max()) for rows in courses.values())
    for axes, quantity in zip(grid, quantities, strict=False):
        band = courses.get((reference, quantity))
        if band is not None and quantity != "withdrawal":
            axes.fill_between(band["day"], band["q25"], band["q75"], color=GREY, alpha=0.15, linewidth=0)
        for protocol in drawn:
            rows, style = courses.get((protocol, quantity)), styles[protocol]
            if rows is not None:
                axes.plot(rows["day"], rows["mean"], color=style.colour, linestyle=style.line, linewidth=1.1)
                every = max(1, len(rows) // 4)
                axes.plot(
                    rows["day"].iloc[::every],
                    rows["mean"].iloc[::every],
                    color=style.colour,
                    linestyle="none",
                    marker=style.marker,
                    markersize=2.6,
                )
        axes.set_ylabel(_QUANTITIES[quantity][0])
        axes.set_xlabel("day")
        axes.tick_params(labelbottom=True)
    for axes in grid[len(quantities) :]:
        axes.set_axis_off()
    grid[0].set_xlim(0, last)
    grid[0].set_xticks(_day_ticks(last, 6))
    _from_zero(grid, quantities)
    keys: list[Line2D | Patch] = [
        legend_entry(styles[name], name, 36 if per_line == 3 else 26, line=True) for name in drawn
    ]
    keys.append(Patch(facecolor=GREY, alpha=0.15, label="25 to 75 % of people, reference"))
    figure.legend(handles=keys, loc="outside lower center", ncols=per_line)
    return figure


def _from_zero(axes: Iterable[Axes], quantities: Sequence[str]) -> None:
    for panel, quantity in zip(axes, quantities, strict=False):
        if quantity in _FROM_ZERO:
            panel.set_ylim(bottom=0.0)


def forest_data(differences: pd.DataFrame, outcomes: Sequence[str] = FOREST_OUTCOMES) -> pd.DataFrame:
    """Differences of all people on the scale of the forest plot; positive is better.

    ``better`` is the difference ÷ the smallest important difference (``panel`` ``important``). For outcomes without one
    it is people per 100 (``panel`` ``harm`` for harms, else ``course``). ``mean``, ``lo95`` and ``hi95`` are those of
    ``differences.csv``.
    """
    rows = []
    whole = differences[(differences["subgroup"] == "all") & (differences["n"] >= SMALLEST_CELL)]
    rows_of: dict[str, list[dict[Hashable, Any]]] = {}
    for row in whole.to_dict("records"):
        rows_of.setdefault(row["outcome"], []).append(row)
    for name in outcomes:
        outcome = outcome_of(name)
        if outcome is None or outcome.direction == "neither":
            continue
        panel = "important" if outcome.important is not None else "harm" if name in _HARMS else "course"
        factor = (1.0 / outcome.important if outcome.important is not None else 100.0) * (
            -1.0 if outcome.direction == "lower" else 1.0
        )
        for row in rows_of.get(name, ()):
            if np.isnan(row["lo95"]):  # a point without an interval would look certain
                continue
            ends = sorted((factor * row["lo95"], factor * row["hi95"]))
            rows.append(
                (
                    row["protocol"],
                    row["reference"],
                    name,
                    row["unit"],
                    row["direction"],
                    row["mean"],
                    row["lo95"],
                    row["hi95"],
                    row["n"],
                    panel,
                    outcome.important,
                    factor * row["mean"] + 0.0,
                    *ends,
                )
            )
    columns = [
        "protocol",
        "reference",
        "outcome",
        "unit",
        "direction",
        "mean",
        "lo95",
        "hi95",
        "n",
        "panel",
        "smallest_important_difference",
        "better",
        "better_lo95",
        "better_hi95",
    ]
    return pd.DataFrame(rows, columns=columns)


def forest_figure(
    differences: pd.DataFrame, protocols: Sequence[str], reference: str, outcomes: Sequence[str] = FOREST_OUTCOMES
) -> tuple[Figure, pd.DataFrame]:
    """Draw differences from the reference with 95 % intervals; right is better for every outcome.

    Parameters
    ----------
    differences : DataFrame
        ``differences.csv``.
    protocols : sequence of str
        In the order of the figure; the reference has no row.
    reference : str
    outcomes : sequence of str
        From top to bottom. Outcomes with a smallest important difference are in its units (lines at −1 and 1), the
        others in people per 100.

    Returns
    -------
    Figure
    DataFrame
        Result of :func:`forest_data`.

    Raises
    ------
    ValueError
        If no difference has :data:`SMALLEST_CELL` people.
    """
    data = forest_data(differences, outcomes)
    if data.empty:
        raise ValueError(f"no differences of {SMALLEST_CELL} people or more")
    drawn = [name for name in protocols if name in set(data["protocol"])]
    styles = styles_of(protocols, reference)
    rows = {panel: part for panel in ("important", "course", "harm") if len(part := data[data["panel"] == panel])}
    right = [panel for panel in ("course", "harm") if panel in rows]
    columns = [column for column in (["important"] if "important" in rows else [], right) if column]
    outcome_mm = (2.3 if len(drawn) <= 8 else 1.6) * len(drawn) + 3.0
    panels = {panel: outcome_mm * part["outcome"].nunique() for panel, part in rows.items()}
    tallest = max(sum(panels[panel] + _BELOW_FOREST_MM for panel in column) for column in columns)
    per_line = 3 if len(columns) == 2 else 1
    keys = [legend_entry(styles[name], name, 36) for name in drawn]
    title = f"Against {wrapped(reference, 90, 1)}: means with 95 % intervals; right of 0 is better"
    title = wrapped(title, 140 if len(columns) == 2 else 62)
    width, top = DOUBLE_COLUMN_MM if len(columns) == 2 else SINGLE_COLUMN_MM, 3.0 + 3.0 * _most_lines([title])
    with mpl.rc_context(PRINT):
        legend_mm = 3.0 + 3.5 * _most_lines(str(key.get_label()) for key in keys) * -(-len(drawn) // per_line)
        figure = empty_figure(width, top + tallest + legend_mm, fitted=False)
        for j, column in enumerate(columns):
            stretch = (tallest - _BELOW_FOREST_MM * len(column)) / sum(panels[panel] for panel in column)
            down = top
            names = (_name_of(name) for panel in column for name in rows[panel]["outcome"])
            names_mm = 5.0 + _LETTER_MM * _longest_line(names)
            for panel in column:
                frame = (j * width / len(columns) + names_mm, down, width / len(columns) - names_mm - 3.0)
                _forest_panel(place(figure, *frame, stretch * panels[panel]), rows[panel], panel, drawn, styles)
                down += stretch * panels[panel] + _BELOW_FOREST_MM
        figure.legend(handles=keys, loc="lower center", ncols=per_line)
        figure.suptitle(title, fontsize=7.0, x=0.01, y=1.0 - 1.0 / (25.4 * figure.get_size_inches()[1]), ha="left")
    return figure, data


def _name_of(outcome: str) -> str:
    return wrapped(label_of(outcome), 20)


def _forest_panel(
    axes: Axes, data: pd.DataFrame, panel: str, drawn: Sequence[str], styles: Mapping[str, Style]
) -> None:
    names = list(dict.fromkeys(data["outcome"]))
    step = 0.8 / max(len(drawn), 2)
    for i in range(1, len(names), 2):
        axes.axhspan(i - 0.5, i + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
    for k, (protocol, part) in enumerate((name, data[data["protocol"] == name]) for name in drawn):
        style = styles[protocol]
        middle, worst, best = (part[column].to_numpy() for column in ("better", "better_lo95", "better_hi95"))
        y = np.array([names.index(name) for name in part["outcome"]]) + (k - (len(drawn) - 1) / 2) * step
        axes.hlines(y, worst, best, color=style.colour, linewidth=1.0)
        axes.plot(middle, y, color=style.colour, marker=style.marker, markersize=3.2, linestyle="none")
    axes.axvline(0.0, color="black", linewidth=0.7, zorder=1)
    if panel == "important":
        for x in (-1.0, 1.0):
            axes.axvline(x, color=GREY, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        axes.set_xlabel("difference ÷ smallest important difference\n(left: worse, right: better; dashed: −1 and 1)")
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -1.3), max(high, 1.3))
    else:
        unit = "people per 100" if panel == "course" else "people with the event per 100"
        axes.set_xlabel(f"{unit}\n(left: worse, right: better)")
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -1.0), max(high, 1.0))
    axes.locator_params(axis="x", nbins=7, steps=[1, 2, 5, 10])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [_name_of(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


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
    with mpl.rc_context(PRINT):
        keys = [
            legend_entry(styles[str(row["protocol"])], str(row["protocol"]), 52, filled=bool(row["on_front"]))
            for row in data.to_dict("records")
        ]
        keys.append(
            Line2D(
                [],
                [],
                color=GREY,
                linewidth=0.9,
                linestyle=(0, (4, 2)),
                label="front of the means: within the\nwithdrawal limit, no other such\nprotocol better in both",
            )
        )
        legend_mm = 10.0 + _LETTER_MM * _longest_line(str(key.get_label()) for key in keys)
        height = max(80.0, 25.0 + 6.0 * len(data))
        figure = empty_figure(DOUBLE_COLUMN_MM, height, fitted=False)
        axes = place(figure, _LABELS_MM - 3.0, 3.0, DOUBLE_COLUMN_MM - _LABELS_MM - legend_mm, height - 14.0)
        for row in data.to_dict("records"):
            style = styles[str(row["protocol"])]
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
        front = data[data["on_front"]].sort_values(["x_mean", "y_mean"])
        axes.plot(front["x_mean"], front["y_mean"], color=GREY, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
        axes.set_xlabel(_axis_label(x))
        axes.set_ylabel(_axis_label(y))
        figure.legend(
            handles=keys,
            loc="center right",
            title="filled: on the front",
            title_fontsize=6.5,
            alignment="left",
            labelspacing=0.9,
        )
    return figure, data


def _axis_label(name: str) -> str:
    outcome = outcome_of(name)
    if outcome is None:
        return label_of(name)
    better = {"lower": ", lower is better", "higher": ", higher is better", "neither": ""}[outcome.direction]
    return f"{label_of(name)} ({outcome.unit}{better})"


def all_figures(run: RunTables) -> dict[str, tuple[Figure, pd.DataFrame]]:
    """All figures of a run by name, without those in which every cell has fewer than :data:`SMALLEST_CELL` people."""
    figures = {}
    if (run.trajectories["n"] >= SMALLEST_CELL).any():
        figures["trajectories"] = trajectories_figure(run.trajectories, run.protocols, run.reference)
    if not forest_data(run.differences).empty:
        figures["forest"] = forest_figure(run.differences, run.protocols, run.reference)
    outcomes = pareto_axes(run.summary)
    if outcomes is not None and not pareto_data(run.summary, run.protocols, *outcomes).empty:
        figures["pareto"] = pareto_figure(run.summary, run.protocols, run.reference, *outcomes)
    return figures


def write_figures(folder: Path, run: RunTables | None = None) -> list[Path]:
    """Write ``figures/NAME.svg`` and ``figures/NAME.csv`` of an output folder.

    Parameters
    ----------
    folder : Path
        Output folder of a finished run; the function reads its manifest and its tables only.
    run : Run, optional
        The run, if the caller has read it.

    Returns
    -------
    list of Path
        The new files, each SVG before its CSV.
    """
    run = read_run(folder) if run is None else run
    written = []
    for name, (figure, data) in all_figures(run).items():
        content = svg(figure, f"{run.manifest['scenario']['name']}: {name}")
        picture, numbers = folder / "figures" / f"{name}.svg", folder / "figures" / f"{name}.csv"
        write_text(picture, content)
        write_csv(data, numbers)
        written += [picture, numbers]
    return written
