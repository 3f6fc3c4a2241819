"""Mean of everybody beside the mean of the worst 5 %, by protocol. Imports ``run_tables``, ``drawing``."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.drawing import DOUBLE_COLUMN_MM, PRINT, empty_figure, styles_of, wrapped
from taper_sim.report.run_tables import TAIL, label_of, outcome_of

TAIL_OUTCOME: Final = "withdrawal_peak"
"""Outcome of the report's figure: the peak of withdrawal, which a mean hides most."""
_KEYS: Final = ["protocol", "subgroup"]
_APART: Final = 0.14  # of a row, between the two intervals of a protocol

_MARGIN_IN: Final = 0.1
"""Margin left and right, inches: a name may be drawn wider than the layout measured it."""


def tail_rows(summary: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """A row a protocol and subgroup: mean and interval of everybody and of the worst 5 %; empty without them."""
    everybody = summary.loc[summary["outcome"] == outcome, [*_KEYS, "n", "mean", "lo95", "hi95", "unit"]]
    worst = summary.loc[summary["outcome"] == outcome + TAIL, [*_KEYS, "mean", "lo95", "hi95"]]
    worst = worst.rename(columns={"mean": "worst5", "lo95": "worst5_lo95", "hi95": "worst5_hi95"})
    table = everybody.merge(worst, on=_KEYS, validate="1:1")
    return table[[*_KEYS, "n", "mean", "lo95", "hi95", "worst5", "worst5_lo95", "worst5_hi95", "unit"]]


def tail_data(summary: pd.DataFrame, outcome: str = TAIL_OUTCOME) -> pd.DataFrame:
    """The rows of all people that the figure may show."""
    rows = tail_rows(summary, outcome)
    return rows[(rows["subgroup"] == "all") & (rows["n"] >= SMALLEST_CELL)]


def tail_figure(
    table: pd.DataFrame, names: Sequence[str], reference: str, outcome: str = TAIL_OUTCOME
) -> tuple[Figure, pd.DataFrame]:
    """A line a protocol from the mean of everybody to that of the worst 5 %, each with its interval and its number."""
    styles = styles_of(names, reference)
    rows = {row["protocol"]: row for row in table.to_dict("records")}
    drawn = [name for name in names if name in rows]
    places = 2 if float(table["worst5"].abs().max()) < 10.0 else 1
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 26.0 + 7.0 * len(drawn), fitted=True)
        figure.set_layout_engine("constrained", w_pad=_MARGIN_IN)
        axes = figure.subplots()
        for y, name in enumerate(drawn):
            row, style = rows[name], styles[name]
            axes.plot([row["mean"], row["worst5"]], [y - _APART, y + _APART], color=style.colour, linewidth=0.7)
            for point, face, at in (("", style.colour, y - _APART), ("worst5", "white", y + _APART)):
                mean, low, high = (row["mean"], row["lo95"], row["hi95"]) if not point else _worst(row)
                axes.plot([low, high], [at, at], color=style.colour, linewidth=2.2, alpha=0.35)
                axes.plot(
                    mean, at, color=style.colour, marker=style.marker, markersize=4.5, markerfacecolor=face, zorder=3
                )
            for x, text in ((1.02, f"{row['mean']:.{places}f}"), (1.12, f"{row['worst5']:.{places}f}")):
                axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=6.5)
        for x, text in ((1.02, "mean"), (1.12, "worst 5 %")):
            axes.text(x, -0.8, text, transform=axes.get_yaxis_transform(), va="center", fontsize=6.5, weight="bold")
        axes.set_yticks(np.arange(len(drawn)), [wrapped(name, 34, 2) for name in drawn])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        known = outcome_of(outcome)
        axes.set_xlabel(f"{label_of(outcome)} ({known.unit if known is not None else ''})")
        figure.suptitle("Filled: mean of everybody. Open: mean of the worst 5 %. Bars: 95 % intervals.", fontsize=7.0)
    return figure, table


def _worst(row: Mapping[Hashable, Any]) -> tuple[float, float, float]:
    return row["worst5"], row["worst5_lo95"], row["worst5_hi95"]
