"""Forest plot of a comparison with its numbers. Imports ``comparison``, ``run_tables``, ``drawing``."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.drawing import (
    DOUBLE_COLUMN_MM,
    GREY,
    LETTER_MM,
    PRINT,
    SINGLE_COLUMN_MM,
    Style,
    empty_figure,
    legend_entry,
    longest_line,
    most_lines,
    place,
    styles_of,
    wrapped,
)
from taper_sim.report.run_tables import label_of, outcome_of

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

_BELOW_FOREST_MM: Final = 14.0  # margin below a forest panel: numbers and a label of two lines
_NUMBER_SIZE: Final = 5.5
_DIGIT_MM: Final = 1.17  # width of a letter of a number beside a row, an upper estimate


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
    """Draw differences from the reference with 95 % intervals and their numbers; right is better for every outcome.

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
    outcome_mm = 2.7 * len(drawn) + 2.0
    panels = {panel: outcome_mm * part["outcome"].nunique() for panel, part in rows.items()}
    tallest = max(sum(panels[panel] + _BELOW_FOREST_MM for panel in column) for column in columns)
    per_line = 3 if len(columns) == 2 else 1
    keys = [legend_entry(styles[name], name, 36) for name in drawn]
    title = f"Against {wrapped(reference, 90, 1)}: means with 95 % intervals; right of 0 is better"
    title = wrapped(title, 140 if len(columns) == 2 else 62)
    width, top = DOUBLE_COLUMN_MM if len(columns) == 2 else SINGLE_COLUMN_MM, 3.0 + 3.0 * most_lines([title])
    with mpl.rc_context(PRINT):
        legend_mm = 3.0 + 3.5 * most_lines(str(key.get_label()) for key in keys) * -(-len(drawn) // per_line)
        figure = empty_figure(width, top + tallest + legend_mm, fitted=False)
        for j, column in enumerate(columns):
            stretch = (tallest - _BELOW_FOREST_MM * len(column)) / sum(panels[panel] for panel in column)
            down = top
            names = (_name_of(name) for panel in column for name in rows[panel]["outcome"])
            names_mm = 5.0 + LETTER_MM * longest_line(names)
            numbers_mm = 3.0 + _DIGIT_MM * longest_line(text for panel in column for text in _numbers(rows[panel]))
            for panel in column:
                frame = (j * width / len(columns) + names_mm, down, width / len(columns) - names_mm - numbers_mm)
                _forest_panel(place(figure, *frame, stretch * panels[panel]), rows[panel], panel, drawn, styles)
                down += stretch * panels[panel] + _BELOW_FOREST_MM
        figure.legend(handles=keys, loc="lower center", ncols=per_line)
        figure.suptitle(title, fontsize=7.0, x=0.01, y=1.0 - 1.0 / (25.4 * figure.get_size_inches()[1]), ha="left")
    return figure, data


def _name_of(outcome: str) -> str:
    return wrapped(label_of(outcome), 20)


def _numbers(data: pd.DataFrame) -> list[str]:
    """Text beside each row: the point and the ends of its interval, on the scale of the axis."""
    columns = (data[name].tolist() for name in ("better", "better_lo95", "better_hi95"))
    return [f"{_number(mean)} ({_number(low)}, {_number(high)})" for mean, low, high in zip(*columns, strict=True)]


def _number(value: float) -> str:
    text = f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}"
    return text.replace("-", "−") if float(text) != 0.0 else text.removeprefix("-")


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
        for place_, text in zip(y, _numbers(part), strict=True):
            axes.text(1.03, place_, text, transform=axes.get_yaxis_transform(), va="center", fontsize=_NUMBER_SIZE)
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
    axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [_name_of(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
