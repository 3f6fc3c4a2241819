"""Results of a ladder of policies as text and one figure with its data. Imports ``report.drawing``, ``tables``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taper_sim import tables
from taper_sim.report.drawing import BLUE, DOUBLE_COLUMN_MM, GREY, PRINT, REFERENCE_COLOUR, empty_figure, wrapped
from taper_sim.report.listings import as_table
from taper_sim.report.methods import calibration_sentence, is_calibrated
from taper_sim.run_folder import MANIFEST_FILE, read_record, read_table

_COLOURS: Final = {"other": GREY, "personal": BLUE, "bound": REFERENCE_COLOUR, "oracle": REFERENCE_COLOUR}
_MARKERS: Final = {"other": "s", "personal": "o", "bound": "D", "oracle": "D"}
ORACLE_MINIMISES: Final = (
    "The oracle minimises the expected loss of dose, pain, function and distress over the year ahead with the true "
    "state known, unless the scenario gives another call. It weighs no crisis, overdose or death."
)
_SHOWN: Final = (
    "knob",
    "share_over",
    "days_over",
    "exposure",
    "pain",
    "function",
    "distress",
    "cvar95",
    "loss",
    "lo95",
    "hi95",
)


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def ladder_text(folder: Path) -> str:
    """Tables of a finished ladder by truth and ceiling, each with one line per personalised policy."""
    ladder, gap = read_table(folder / "ladder.csv"), read_table(folder / "gap.csv")
    parts = []
    for (truth, ceiling), part in ladder.groupby(["truth", "ceiling"], sort=False):
        parts.append(f"Truth: {truth}; ceiling {ceiling}; {part['n'].iloc[0]} people")
        rows = [(r["policy"], *(_number(r[name]) for name in _SHOWN)) for r in part.to_dict("records")]
        parts.append(as_table(("policy", *_SHOWN), rows))
        comparisons = [r for r in gap.to_dict("records") if r["truth"] == truth and r["ceiling"] == ceiling]
        parts += dict.fromkeys(map(_comparison_line, comparisons)) or ["No personalised policy: no gap to close."]
        parts.append("")
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    basis = calibration_sentence(is_calibrated(manifest))
    parts.append(f"Loss: smallest important differences; lower is better. {basis}")
    parts.append(ORACLE_MINIMISES)
    parts.append(f"{tables.UNREVIEWED.capitalize()}.")
    return "\n".join(parts)


def _comparison_line(row: Mapping[Any, Any]) -> str:
    """The gain of a personalised policy over its comparator, and the closed share of the gap to the oracle."""
    gain = f"{row['gain']:+.3f} ({row['gain_lo95']:+.3f} to {row['gain_hi95']:+.3f})"
    if not np.isfinite(row["gap"]):
        share = "no gap to the oracle: the oracle is not better"
    else:
        share = f"{row['gap']:.0%} of the gap to the oracle closed"
        if np.isfinite(row["gap_lo95"]):
            share += f" ({row['gap_lo95']:.0%} to {row['gap_hi95']:.0%})"
    return f"{row['policy']} against {row['rival']}: reduction of the loss {gain}, negative is worse; {share}"


def ladder_figure(ladder: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Loss of every policy with its interval, one panel for each truth and ceiling; the figure and its data."""
    with mpl.rc_context(PRINT):
        groups = list(ladder.groupby(["truth", "ceiling"], sort=False))
        columns = min(2, len(groups))
        lines = -(-len(groups) // columns)
        policies = list(dict.fromkeys(ladder["policy"]))
        figure = empty_figure(DOUBLE_COLUMN_MM, 14.0 + lines * (12.0 + 4.5 * len(policies)), fitted=True)
        axes = np.atleast_1d(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel())
        for panel, ((truth, ceiling), part) in zip(axes, groups, strict=False):
            for y, r in enumerate(part.to_dict("records")):
                panel.plot([r["lo95"], r["hi95"]], [y, y], color=_COLOURS[r["role"]], linewidth=1.0)
                panel.plot([r["loss"]], [y], _MARKERS[r["role"]], color=_COLOURS[r["role"]], markersize=3.5)
            panel.set_yticks(range(len(part)), [wrapped(name, 24, 1) for name in part["policy"]])
            panel.invert_yaxis()
            panel.set_title(f"{truth}, ceiling {ceiling}")
            panel.set_xlabel("loss, important differences (lower is better);\nthe oracle minimises its expectation")
        for panel in axes[len(groups) :]:
            panel.set_visible(False)
    drawn = ladder[["truth", "ceiling", "policy", "role", "loss", "lo95", "hi95", "n"]]
    return figure, drawn
