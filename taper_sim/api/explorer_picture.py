"""An explorer's panels as a picture, for pages where no kernel runs. Imports ``report.drawing``."""

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from taper_sim.report.drawing import DOUBLE_COLUMN_MM, GREY, PALETTE, PRINT, empty_figure, wrapped

_ACCENT, _WARNING = PALETTE[0], PALETTE[1]


def picture_png(title: str, shown: Mapping[str, Any]) -> bytes:
    """The panels of an explorer as PNG, with the answer in words above them.

    Parameters
    ----------
    title : str
    shown : mapping
        ``panels``, ``answer`` and ``basis``, as an explorer shows them.
    """
    panels = shown["panels"]
    n_rows = -(-len(panels) // 2)
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 30.0 + 45.0 * n_rows, fitted=True)
        figure.suptitle(f"{title}\n{wrapped(shown['answer'], 128, 6)}", x=0.01, ha="left", fontsize=7.0)
        grid = figure.subplots(n_rows, min(2, len(panels)), squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            (_draw_bars if panel["kind"] == "bars" else _draw_courses)(axes, panel)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        figure.supxlabel(wrapped(shown["basis"], 145, 5), fontsize=6.0)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=130)
    return out.getvalue()


def _draw_courses(axes: Axes, panel: Mapping[str, Any]) -> None:
    """Mean and bands of the people, the courses of some of them, and the mean on a constant dose."""
    days = panel["days"]
    for course in panel["people"]:
        axes.plot(days, np.array(course, dtype=np.float64), color=GREY, linewidth=0.4, alpha=0.35)
    axes.fill_between(days, panel["q10"], panel["q90"], color=_ACCENT, alpha=0.15, linewidth=0)
    axes.fill_between(days, panel["q25"], panel["q75"], color=_ACCENT, alpha=0.30, linewidth=0)
    axes.plot(days, panel["held"], color="black", linewidth=0.9, linestyle=(0, (5, 1.5)))
    axes.plot(days, panel["mean"], color=_ACCENT, linewidth=1.5)
    low, high = panel["ends"]
    axes.set_ylim(low, high or None)
    axes.set_xlabel("day")
    axes.set_title(panel["label"])


def _draw_bars(axes: Axes, panel: Mapping[str, Any]) -> None:
    """A bar a name with its number on the right; bars over the limit have another colour and a hatch."""
    limit, y = panel["limit"], range(len(panel["names"]))
    for place, value, text in zip(y, panel["values"], panel["texts"], strict=True):
        over = value > limit
        axes.barh(place, value, color=_WARNING if over else _ACCENT, hatch="///" if over else None, edgecolor="white")
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=6.0)
    axes.axvline(limit, color="black", linewidth=0.8, linestyle=(0, (5, 1.5)))
    axes.set_yticks(y, panel["names"])
    axes.invert_yaxis()
    axes.set_title(wrapped(panel["label"], 44))
