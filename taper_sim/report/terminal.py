"""A comparison as text for a terminal. Imports ``experiments.compare``, ``tables``."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from taper_sim import tables
from taper_sim.experiments.compare import ComparisonRun
from taper_sim.report.methods import calibration_sentence, is_calibrated

_SHOWN = (
    ("dose_reduction_pct", "dose down %", "{:.0f}"),
    ("withdrawal_peak", "peak withdrawal", "{:.2f}"),
    ("pain_nrs_change", "pain change", "{:+.1f}"),
    ("function_change", "function change", "{:+.1f}"),
    ("mental_health_crisis", "crisis %", "{:.1f}"),
    ("retained", "retained %", "{:.0f}"),
)
_WIDTH = 20
_AS_PERCENT = "share of people"
KEY_TO_CELLS: Final = (
    "Means over patients, in brackets the 95 % interval over parameter draws with Monte Carlo error. Too few: too few",
    "people or events for an interval (interval_reason in summary.csv).",
    "Withdrawal 0 to 1, pain in NRS points, function in points of 100, changes since day 0.",
)


def _cell(row: Mapping[Hashable, Any], form: str) -> str:
    factor = 100.0 if row["unit"] == _AS_PERCENT else 1.0
    mean, low, high = (form.format(factor * row[name]) for name in ("mean", "lo95", "hi95"))
    if math.isnan(row["lo95"]):
        return f"{mean} (too few)"
    return f"{mean} ({low}, {high})"


def key_cells(summary: pd.DataFrame, protocols: Sequence[str]) -> pd.DataFrame:
    """Key outcomes of all people as text, mean and 95 % interval over parameter draws, a row a protocol."""
    whole = {(row["protocol"], row["outcome"]): row for row in summary[summary["subgroup"] == "all"].to_dict("records")}
    shown = [cell for cell in _SHOWN if (protocols[0], cell[0]) in whole]
    cells = {
        title: ["-" if (row := whole.get((name, outcome))) is None else _cell(row, form) for name in protocols]
        for outcome, title, form in shown
    }
    return pd.DataFrame(cells, index=pd.Index(protocols, name="protocol"))


def table_lines(cells: pd.DataFrame) -> list[str]:
    """The lines of a table of text, protocols on the left."""
    width = max(len(str(name)) for name in [*cells.index, "protocol"]) + 2
    lines = ["protocol".ljust(width) + "".join(str(title).rjust(_WIDTH) for title in cells.columns)]
    for name, *texts in cells.itertuples():
        lines.append(str(name).ljust(width) + "".join(str(text).rjust(_WIDTH) for text in texts))
    return lines


def comparison_text(done: ComparisonRun) -> str:
    """The table a person reads first: a protocol a line, mean and 95 % interval over parameter draws."""
    plan = done.plan
    what = f"{done.scenario.name}: {len(plan.cohort):,} patients, {plan.n_days} days"
    lines = ["", *done.manifest["evidence_warnings"]]
    lines += [f"{what}, {plan.ensemble.n_draws} parameter draws, seed {plan.seed}", ""]
    lines += table_lines(key_cells(done.summary, [arm.name for arm in plan.arms]))
    lines += [
        "",
        *KEY_TO_CELLS,
        f"{calibration_sentence(is_calibrated(done.manifest))} {tables.UNREVIEWED.capitalize()}.",
        f"Output folder: {done.folder}",
    ]
    page = done.folder / "report.html"
    if page.exists():
        lines.append(f"Report: {page}")
    return "\n".join(lines)
