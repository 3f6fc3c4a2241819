"""Courses by day under the protocols of a comparison. Imports ``comparison``, ``drawing``.

Up to three protocols share the axes, with their names at the ends of their lines. From four on each protocol has axes
of its own (small multiples): a column each up to six, a row each from seven on.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.drawing import (
    DOUBLE_COLUMN_MM,
    GREY,
    LABELS_MM,
    LETTER_MM,
    PRINT,
    REFERENCE_COLOUR,
    Style,
    empty_figure,
    inset,
    label_line_ends,
    longest_line,
    most_lines,
    styles_of,
    wrapped,
)

MOST_TOGETHER: Final = 3
"""Protocols that share the axes."""
MOST_FACETS: Final = 6
"""Protocols in columns; a larger number is in rows."""

_FROM_ZERO: Final = ("dose", "withdrawal")
_GAP_MM: Final = 5.5  # gap between frames
_PANEL_MM: Final = 34.0  # height of a row of quantities, with its gap
_ROW_MM: Final = 20.0  # height of a row of a protocol, with its gap

#: Quantities of the figure: label of the axis, unit.
QUANTITIES: Final[Mapping[str, tuple[str, str]]] = {
    "dose": ("prescribed dose\n(share of start)", "share of start, mean over classes taken"),
    "withdrawal": ("withdrawal\n(0-1)", "0-1"),
    "pain": ("pain\n(NRS, 0-10)", "NRS points"),
    "function": ("function\n(0-100, high is good)", "points 0-100"),
    "distress": ("low mood, distress\n(0-1)", "0-1"),
}

Courses = Mapping[tuple[str, str], pd.DataFrame]
"""Rows of ``trajectories.csv`` by protocol and quantity."""


def trajectories_figure(
    trajectories: pd.DataFrame, protocols: Sequence[str], reference: str
) -> tuple[Figure, pd.DataFrame]:
    """Draw dose, withdrawal, pain, function and distress by day and protocol.

    Each protocol has its mean and the bands of 25 to 75 % and 10 to 90 % of people. A protocol with axes of its own has
    its median too, and the reference's mean in grey.

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
    shown = trajectories["quantity"].isin(list(QUANTITIES)) & (trajectories["n"] >= SMALLEST_CELL)
    data = trajectories[shown & trajectories["protocol"].isin(list(protocols))].reset_index(drop=True)
    data.insert(2, "unit", [QUANTITIES[name][1] for name in data["quantity"]])
    if data.empty:
        raise ValueError(f"no trajectories of {SMALLEST_CELL} people or more")
    courses = {
        (str(protocol), str(quantity)): rows
        for (protocol, quantity), rows in data.groupby(["protocol", "quantity"], sort=False)
    }
    quantities = [name for name in QUANTITIES if name in set(data["quantity"])]
    drawn = [name for name in protocols if any((name, q) in courses for q in quantities)]
    with mpl.rc_context(PRINT):
        if len(drawn) <= MOST_TOGETHER:
            return _together(courses, quantities, drawn, reference), data
        if len(drawn) <= MOST_FACETS:
            return _columns(courses, quantities, drawn, reference), data
        return _rows(courses, quantities, drawn, reference), data


def day_ticks(last: int, most: int) -> list[int]:
    """Days from 0 at which an axis has its marks, about ``most`` of them."""
    steps = (1, 2, 7, 14, 28, 56, 91, 182, 364, 728, 1820, 3640)
    step = next(step for step in steps if last / step <= most or step == steps[-1])
    return list(range(0, last + 1, step))


def _together(courses: Courses, quantities: Sequence[str], drawn: Sequence[str], reference: str) -> Figure:
    """A panel a quantity, with the mean and the bands of every protocol and its name at the end of its line."""
    styles = styles_of(drawn, reference)
    names = {name: wrapped(name, 26) for name in drawn}
    right, top, bottom = 4.0 + LETTER_MM * longest_line(names.values()), 3.0, 16.0
    figure = empty_figure(DOUBLE_COLUMN_MM, top + bottom + _PANEL_MM * len(quantities) - _GAP_MM, fitted=False)
    sides = inset(figure, LABELS_MM, right, top, bottom) | {"hspace": _GAP_MM / (_PANEL_MM - _GAP_MM)}
    grid = figure.subplots(len(quantities), 1, sharex=True, squeeze=False, gridspec_kw=sides).ravel()
    last = _last_day(courses)
    for axes, quantity in zip(grid, quantities, strict=True):
        axes.set_ylim(*_limits(quantity, [courses[key] for key in courses if key[1] == quantity]))
        ends = []
        for name in drawn:
            rows, style = courses.get((name, quantity)), styles[name]
            if rows is None:
                continue
            _bands(axes, rows, GREY if name == reference else style.colour, 0.08, 0.14)
            axes.plot(rows["day"], rows["mean"], color=style.colour, linestyle=style.line, linewidth=1.3)
            end = rows["mean"].dropna()
            if len(end):
                ends.append((names[name], float(end.iloc[-1]), style.colour))
        label_line_ends(axes, ends, _PANEL_MM - _GAP_MM)
        axes.set_ylabel(QUANTITIES[quantity][0])
    grid[0].set_xlim(0, last)
    grid[0].set_xticks(day_ticks(last, 8))
    grid[-1].set_xlabel("day")
    keys = [
        Line2D([], [], color=REFERENCE_COLOUR, linewidth=1.3, label="line: mean of people"),
        Patch(facecolor=GREY, alpha=0.21, label="25 to 75 % of people"),
        Patch(facecolor=GREY, alpha=0.08, label="10 to 90 %"),
    ]
    figure.legend(handles=keys, loc="lower center", ncols=3)
    return figure


def _columns(courses: Courses, quantities: Sequence[str], drawn: Sequence[str], reference: str) -> Figure:
    """Small multiples: a column a protocol, a row a quantity."""
    titles = [wrapped(protocol, 24 if len(drawn) < 6 else 19) for protocol in drawn]
    top, bottom = 3.0 + 3.0 * most_lines(titles), 16.5
    figure = empty_figure(DOUBLE_COLUMN_MM, top + bottom + _PANEL_MM * len(quantities) - _GAP_MM, fitted=False)
    inner = (DOUBLE_COLUMN_MM - LABELS_MM - 4.0 - _GAP_MM * (len(drawn) - 1)) / len(drawn)
    sides = inset(figure, LABELS_MM, 4.0, top, bottom)
    sides |= {"wspace": _GAP_MM / inner, "hspace": _GAP_MM / (_PANEL_MM - _GAP_MM)}
    grid = figure.subplots(len(quantities), len(drawn), sharex=True, sharey="row", squeeze=False, gridspec_kw=sides)
    _fill(grid, courses, quantities, drawn, reference, 4 if len(drawn) < 5 else 2)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    for row, quantity in zip(grid, quantities, strict=True):
        row[0].set_ylabel(QUANTITIES[quantity][0])
    figure.legend(handles=_keys(reference if reference in drawn else None), loc="lower center", ncols=5)
    return figure


def _rows(courses: Courses, quantities: Sequence[str], drawn: Sequence[str], reference: str) -> Figure:
    """Small multiples: a row a protocol, a column a quantity."""
    names = [wrapped(protocol, 24) for protocol in drawn]
    left, top, bottom = 13.0 + LETTER_MM * longest_line(names), 9.5, 16.5
    figure = empty_figure(DOUBLE_COLUMN_MM, top + bottom + _ROW_MM * len(drawn) - _GAP_MM, fitted=False)
    gap = _GAP_MM + 3.0
    inner = (DOUBLE_COLUMN_MM - left - 4.0 - gap * (len(quantities) - 1)) / len(quantities)
    sides = inset(figure, left, 4.0, top, bottom)
    sides |= {"wspace": gap / inner, "hspace": _GAP_MM / (_ROW_MM - _GAP_MM)}
    grid = figure.subplots(len(drawn), len(quantities), sharex=True, sharey="col", squeeze=False, gridspec_kw=sides)
    _fill(grid.T, courses, quantities, drawn, reference, 2)
    for axes, quantity in zip(grid[0], quantities, strict=True):
        axes.set_title(wrapped(QUANTITIES[quantity][0].replace("\n", " "), 16))
    for row, name in zip(grid, names, strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=10.0)
    figure.legend(handles=_keys(reference if reference in drawn else None), loc="lower center", ncols=5)
    return figure


def _fill(
    grid: np.ndarray, courses: Courses, quantities: Sequence[str], drawn: Sequence[str], reference: str, n_ticks: int
) -> None:
    """Draw every protocol into its axes; ``grid`` is (quantity, protocol), and a quantity shares its scale."""
    styles, last = styles_of(drawn, reference), _last_day(courses)
    grid[0, 0].set_xlim(0, last)
    grid[0, 0].set_xticks(day_ticks(last, n_ticks))
    for i, quantity in enumerate(quantities):
        # set before drawing: on shared axes every new band would rescale all of them
        grid[i, 0].set_ylim(*_limits(quantity, [courses[key] for key in courses if key[1] == quantity]))
        for j, protocol in enumerate(drawn):
            against = courses.get((reference, quantity)) if protocol != reference else None
            _course(grid[i, j], courses.get((protocol, quantity)), against, styles[protocol])
    for axes in grid.ravel():
        if axes.get_subplotspec().is_last_row():
            axes.set_xlabel("day")


def _course(axes: Axes, rows: pd.DataFrame | None, against: pd.DataFrame | None, style: Style) -> None:
    """Bands, median and mean of a protocol, and the reference's mean in grey."""
    if rows is not None:
        _bands(axes, rows, style.colour, 0.15, 0.30)
        axes.plot(rows["day"], rows["q50"], color=style.colour, linewidth=0.9, linestyle=(0, (1, 1)))
    if against is not None:
        axes.plot(against["day"], against["mean"], color=GREY, linewidth=0.9, linestyle=(0, (5, 1.5)))
    if rows is not None:
        axes.plot(rows["day"], rows["mean"], color=style.colour, linewidth=1.3)


def _bands(axes: Axes, rows: pd.DataFrame, colour: str, outer: float, inner: float) -> None:
    axes.fill_between(rows["day"], rows["q10"], rows["q90"], color=colour, alpha=outer, linewidth=0)
    axes.fill_between(rows["day"], rows["q25"], rows["q75"], color=colour, alpha=inner, linewidth=0)


def _last_day(courses: Courses) -> int:
    return max(int(rows["day"].max()) for rows in courses.values())


def _limits(quantity: str, courses: Iterable[pd.DataFrame]) -> tuple[float, float]:
    """Range of bands and means with a margin of 5 %; dose and withdrawal start at 0."""
    values = np.concatenate([rows[["mean", "q10", "q90"]].to_numpy().ravel() for rows in courses])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.05
    return 0.0 if quantity in _FROM_ZERO else low - room, high + room


def _keys(reference: str | None) -> list[Line2D | Patch]:
    """Legend of lines and bands, with the reference's mean if it is drawn."""
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
