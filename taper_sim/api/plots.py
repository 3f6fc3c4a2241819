"""Figures of a comparison. Imports the figures of ``report``.

A notebook shows a figure that is the last line of a cell; ``.savefig`` writes it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from taper_sim.api.display import show_figures
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.report.drawing import DOUBLE_COLUMN_MM, GREY, PRINT, empty_figure, styles_of, wrapped
from taper_sim.report.forest_figure import FOREST_OUTCOMES, forest_figure
from taper_sim.report.pareto_figure import PARETO_X, PARETO_Y, pareto_axes, pareto_figure
from taper_sim.report.tail_figure import tail_figure
from taper_sim.report.trajectory_figure import QUANTITIES, day_ticks, trajectories_figure

if TYPE_CHECKING:
    from taper_sim.api.comparison import Comparison

_COLUMNS: Final = 4
_PANEL_MM: Final = 38.0
_TAIL_FIRST: Final = "withdrawal_peak"


class ComparisonPlots:
    """Figures of a comparison.

    Parameters
    ----------
    result : Comparison
    """

    def __init__(self, result: "Comparison"):
        self._result = result
        show_figures()

    def __repr__(self) -> str:
        return ".plot has trajectories(), forest(), tail() and pareto()"

    def _names(self, protocols: Sequence[str] | None) -> list[str]:
        known = self._result.protocols
        names = known if protocols is None else list(protocols)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(
                Problem("plot", "protocols", f"{shown(name)}{nearest(str(name), known)}", "; ".join(known))
                for name in unknown
            )
        return names

    def trajectories(self, quantity: str | None = None, protocols: Sequence[str] | None = None) -> Figure:
        """Draw courses by day.

        Parameters
        ----------
        quantity : str, optional
            One of the quantities of ``.trajectories``, in a panel a protocol, the other protocols in grey. If omitted,
            all quantities.
        protocols : sequence of str, optional
            All if omitted.
        """
        names, table = self._names(protocols), self._result.trajectories
        known = list(dict.fromkeys(table["quantity"]))
        if quantity is not None and quantity not in known:
            given = f"{shown(quantity)}{nearest(quantity, known)}"
            raise InputError(Problem("plot.trajectories", "quantity", given, ", ".join(known)))
        if not (table["n"] >= SMALLEST_CELL).any():
            raise problem(
                "plot.trajectories", "", f"fewer people than {SMALLEST_CELL}", f"{SMALLEST_CELL} people and more"
            )
        if quantity is None:
            return trajectories_figure(table, names, self._result.reference)[0]
        return _panels(table, names, self._result.reference, quantity)

    def forest(self, outcomes: Sequence[str] | None = None, protocols: Sequence[str] | None = None) -> Figure:
        """Draw differences against the reference with 95 % intervals; right is better.

        Parameters
        ----------
        outcomes : sequence of str, optional
            From top to bottom; if omitted, those with a smallest important difference, then events.
        protocols : sequence of str, optional
        """
        if len(self._result.protocols) < 2:
            raise problem("plot.forest", "", "one protocol", "two protocols and more")
        names = self._names(protocols)
        chosen = FOREST_OUTCOMES if outcomes is None else tuple(outcomes)
        table = self._result.differences
        table = table[table["protocol"].isin(names)]
        try:
            return forest_figure(table, names, self._result.reference, chosen)[0]
        except ValueError as error:
            known = ", ".join(dict.fromkeys(table["outcome"]))
            raise problem("plot.forest", "outcomes", str(error), f"outcomes of the run: {known}") from None

    def pareto(self, x: str | None = None, y: str | None = None) -> Figure:
        """Draw the harm of each protocol against the dose reduction that it reaches.

        Parameters
        ----------
        x, y : str, optional
            Outcomes of dose reduction and of harm.
        """
        default = pareto_axes(self._result.summary) or (PARETO_X[0], PARETO_Y[0])
        across, up = x or default[0], y or default[1]
        try:
            return pareto_figure(self._result.summary, self._result.protocols, self._result.reference, across, up)[0]
        except ValueError as error:
            known = ", ".join(dict.fromkeys(self._result.summary["outcome"]))
            raise problem("plot.pareto", "", str(error), f"outcomes of the run: {known}") from None

    def tail(self, outcome: str = _TAIL_FIRST) -> Figure:
        """Draw the mean of all people and the mean of the worst 5 %.

        Parameters
        ----------
        outcome : str, optional
            An outcome with a ``…_cvar95``.
        """
        table = self._result.tail(outcome)
        whole = table[(table["subgroup"] == "all") & (table["n"] >= SMALLEST_CELL)]
        if whole.empty:
            raise problem("plot.tail", "", f"fewer people than {SMALLEST_CELL}", f"{SMALLEST_CELL} people and more")
        return tail_figure(whole, self._result.protocols, self._result.reference, outcome)[0]


def _panels(table: pd.DataFrame, names: Sequence[str], reference: str, quantity: str) -> Figure:
    """A panel a protocol: its mean and bands, the means of the others in grey, the reference's dashed."""
    rows = table[table["quantity"] == quantity]
    courses = {name: rows[rows["protocol"] == name].sort_values("day") for name in names}
    against = rows[rows["protocol"] == reference].sort_values("day")
    styles = styles_of(names, reference)
    n_columns = min(_COLUMNS, len(names))
    n_rows = -(-len(names) // n_columns)
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 12.0 + _PANEL_MM * n_rows, fitted=True)
        grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, name in zip(grid, names, strict=False):
            for other in names:
                axes.plot(courses[other]["day"], courses[other]["mean"], color=GREY, linewidth=0.4, zorder=1)
            course, colour = courses[name], styles[name].colour
            axes.fill_between(course["day"], course["q10"], course["q90"], color=colour, alpha=0.15, linewidth=0)
            axes.fill_between(course["day"], course["q25"], course["q75"], color=colour, alpha=0.30, linewidth=0)
            if name != reference and len(against):
                axes.plot(against["day"], against["mean"], color=GREY, linewidth=0.9, linestyle=(0, (5, 1.5)))
            axes.plot(course["day"], course["mean"], color=colour, linewidth=1.3, zorder=3)
            axes.set_title(wrapped(name, 26, 2))
        for axes in grid[len(names) :]:
            axes.set_axis_off()
        for axes in grid[max(0, len(names) - n_columns) : len(names)]:
            axes.set_xlabel("day")
            axes.tick_params(labelbottom=True)
        last = int(rows["day"].max())
        grid[0].set_xlim(0, last)
        grid[0].set_xticks(day_ticks(last, 4))
        label = QUANTITIES[quantity][0].replace("\n", " ") if quantity in QUANTITIES else f"{quantity} (0-1)"
        figure.supylabel(label, fontsize=7.0)
        figure.suptitle(
            "Thick: mean; bands: 25 to 75 % and 10 to 90 % of people; grey: means of the other protocols; dashed: "
            f"{wrapped(reference, 40, 1)}",
            fontsize=7.0,
        )
    return figure
