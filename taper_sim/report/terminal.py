"""A comparison as text for a terminal. Imports ``scenario.comparing``, ``tables``."""

from collections.abc import Hashable, Mapping
from typing import Any

from taper_sim import tables
from taper_sim.scenario.comparing import Comparison

_SHOWN = (
    ("dose_reduction_pct", "dose down %", "{:.0f}"),
    ("withdrawal_peak", "peak withdr.", "{:.2f}"),
    ("days_over_limit", "days over", "{:.1f}"),
    ("pain_nrs_change", "pain", "{:+.2f}"),
    ("function_change", "function", "{:+.1f}"),
    ("phq9_change", "PHQ-9", "{:+.1f}"),
    ("mental_health_crisis", "crisis", "{:.3f}"),
    ("overdose", "overdose", "{:.4f}"),
    ("retained", "retained", "{:.2f}"),
)


def _cell(row: Mapping[Hashable, Any], form: str) -> str:
    return f"{form.format(row['mean'])} ({form.format(row['lo95'])}, {form.format(row['hi95'])})"


def comparison_text(done: Comparison) -> str:
    """The table a person reads first: a protocol a line, mean and 95 % interval over parameter draws."""
    whole = {
        (row["protocol"], row["outcome"]): row
        for row in done.summary[done.summary["subgroup"] == "all"].to_dict("records")
    }
    names = [arm.name for arm in done.plan.arms]
    width = max(len(name) for name in [*names, "protocol"]) + 2
    cells = [shown for shown in _SHOWN if (names[0], shown[0]) in whole]
    lines = ["", f"{done.scenario.name}: {len(done.plan.cohort):,} patients, {done.plan.n_days} days, "
             f"{done.plan.ensemble.n_draws} parameter draws, seed {done.plan.seed}", ""]  # fmt: skip
    lines.append("protocol".ljust(width) + "".join(title.rjust(20) for _, title, _ in cells))
    for name in names:
        line = name.ljust(width)
        for outcome, _, form in cells:
            row = whole.get((name, outcome))
            line += " -".rjust(20) if row is None else _cell(row, form).rjust(20)
        lines.append(line)
    lines += [
        "",
        "Means over patients, in brackets the 95 % interval over parameter draws with Monte Carlo error; withdrawal",
        "0-1, pain in NRS points, function in points of 100, PHQ-9 points, changes from day 0; the last three as shares.",
        f"Not calibrated to published results. {tables.UNREVIEWED.capitalize()}.",
        f"Run folder: {done.folder}",
    ]
    page = done.folder / "report.html"
    if page.exists():
        lines.append(f"Report: {page}")
    return "\n".join(lines)
