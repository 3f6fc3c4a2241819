"""A comparison as text for a terminal. Imports ``experiments.compare``, ``tables``."""

from collections.abc import Hashable, Mapping
from typing import Any

from taper_sim import tables
from taper_sim.experiments.compare import Comparison

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


def _cell(row: Mapping[Hashable, Any], form: str) -> str:
    factor = 100.0 if row["unit"] == _AS_PERCENT else 1.0
    mean, low, high = (form.format(factor * row[name]) for name in ("mean", "lo95", "hi95"))
    return f"{mean} ({low}, {high})"


def comparison_text(done: Comparison) -> str:
    """The table a person reads first: a protocol a line, mean and 95 % interval over parameter draws."""
    whole = {
        (row["protocol"], row["outcome"]): row
        for row in done.summary[done.summary["subgroup"] == "all"].to_dict("records")
    }
    names = [arm.name for arm in done.plan.arms]
    width = max(len(name) for name in [*names, "protocol"]) + 2
    cells = [shown for shown in _SHOWN if (names[0], shown[0]) in whole]
    plan = done.plan
    what = f"{done.scenario.name}: {len(plan.cohort):,} patients, {plan.n_days} days"
    lines = ["", *done.manifest["evidence_warnings"]]
    lines += [f"{what}, {plan.ensemble.n_draws} parameter draws, seed {plan.seed}", ""]
    lines.append("protocol".ljust(width) + "".join(title.rjust(_WIDTH) for _, title, _ in cells))
    for name in names:
        line = name.ljust(width)
        for outcome, _, form in cells:
            row = whole.get((name, outcome))
            line += ("-" if row is None else _cell(row, form)).rjust(_WIDTH)
        lines.append(line)
    lines += [
        "",
        "Means over patients, in brackets the 95 % interval over parameter draws with Monte Carlo error.",
        "Withdrawal 0 to 1, pain in NRS points, function in points of 100, changes since day 0.",
        f"Not calibrated to published results. {tables.UNREVIEWED.capitalize()}.",
        f"Output folder: {done.folder}",
    ]
    page = done.folder / "report.html"
    if page.exists():
        lines.append(f"Report: {page}")
    return "\n".join(lines)
