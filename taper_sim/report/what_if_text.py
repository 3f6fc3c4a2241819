"""What-if analyses of a staffing search as text: levers, tornado, capacity. Imports ``experiments.what_if``."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.experiments.what_if import WhatIf
from taper_sim.report.wording import count, in_words, interval_text, is_nothing, number_text, percent
from taper_sim.scenario.staffing_schema import AGAINST

_HARM: Final = f"composite{AGAINST}"
WHAT_IF_METRICS: Final = (
    ("late", "late or lost work, %", 100.0, 1),
    ("order_wait_days", "days a patient's order waits", 1.0, 1),
    ("withdrawal_peak", "peak withdrawal, 0-1", 1.0, 2),
    (_HARM, "harm minus that with unlimited staff, important differences", 1.0, 3),
    ("dose_reduction_pct", "dose down, %", 1.0, 1),
    ("cost", "cost, USD per patient and 30 days", 1.0, 0),
)
_LARGEST: Final = 5
"""Rows of the printed tornado."""


def what_if_text(analyses: WhatIf, probability: float) -> list[str]:
    """Changes under the lead's levers, the largest effects on late work, and the capacity of today's team."""
    levers = analyses.levers
    bracket = " (95 % intervals over replications in brackets)" if levers["n_replications"].max() > 1 else ""
    lines = [f"Today's team, and changes to it{bracket}:"]
    for name, rows in levers.groupby("name", sort=False):
        first = rows.iloc[0]
        size = f"{first['patients']:,} patients, {first['fte']:g} FTE, {first['cost_usd_week']:,.0f} USD a week"
        lines.append(f"  {str(name).capitalize()}: {in_words(first['what'])} ({size})")
        replications = count(int(first["n_replications"]), "replication")
        lines.append(f"    all targets met in {percent(first['p_meets'])} of {replications}")
        for metric, label, factor, digits in WHAT_IF_METRICS:
            for _, row in rows[rows["metric"] == metric].iterrows():
                value = f"    {label}: {number_text(factor * row['estimate'], digits)}"
                lines.append(value if name == "as it is" else f"{value}, {change_text(row, factor, digits)}")
    lines += _tornado(analyses.tornado)
    if len(analyses.capacity):
        lines += ["", *capacity_text(analyses.capacity, probability)]
    return lines


def _tornado(table: pd.DataFrame) -> Iterator[str]:
    """Factors by the size of their effect on late work, each with its effect on harm."""
    late = table[table["metric"] == "late"].sort_values("change", key=abs, ascending=False).head(_LARGEST)
    harms = table[table["metric"] == _HARM].set_index(["name", "what"])
    if len(late):
        yield ""
        yield "Largest effects on today's late work (percentage points), and on harm (important differences):"
    for _, row in late.iterrows():
        harm = harms.loc[(row["name"], row["what"])]
        yield f"  {str(row['name']).capitalize()}: {in_words(row['what'])}"
        yield f"    late or lost work {change_text(row, 100.0, 1)}; harm {change_text(harm, 1.0, 3)}"


def capacity_text(table: pd.DataFrame, probability: float) -> list[str]:
    """Panel sizes at which today's team meets its targets."""
    panels = table.drop_duplicates("patients").sort_values("patients")
    largest, beyond = largest_panel(table, probability)
    if largest is not None:
        more = " (the largest panel tested: test larger ones)" if beyond is None else ""
        first = f"Today's team meets its targets with up to {largest:,} patients{more}:"
    else:
        first = "Today's team meets its targets with none of these panels:"
    numbers = table.drop_duplicates(["patients", "metric"]).set_index(["patients", "metric"])["estimate"]
    lines = [first, "patients  per FTE  targets met  late %    harm"]
    for _, panel in panels.iterrows():
        late, harm = (numbers.get((panel["patients"], name), np.nan) for name in ("late", _HARM))
        met, late_text = percent(panel["p_meets"]), number_text(100.0 * late, 0)
        size = f"{panel['patients']:8,}{panel['patients_per_fte']:9.1f}"
        lines.append(f"{size}{met:>13}{late_text:>8}{number_text(harm, 3, signed=True):>8}")
    return [*lines, "(harm: the composite outcome minus that with unlimited staff, in smallest important differences)"]


def largest_panel(table: pd.DataFrame, probability: float) -> tuple[int | None, int | None]:
    """The largest tested panel up to which the targets are met with the probability, and the next panel tested."""
    panels = table.drop_duplicates("patients").sort_values("patients")
    sizes = [int(patients) for patients in panels["patients"]]
    kept = int(((panels["p_meets"] < probability).cumsum() == 0).sum())
    return sizes[kept - 1] if kept else None, sizes[kept] if kept < len(sizes) else None


def change_text(row: pd.Series, factor: float, digits: int) -> str:
    """A change with its interval and its direction."""
    change, low, high = (factor * row[name] for name in ("change", "change_lo95", "change_hi95"))
    if change == 0.0 and not (low < 0.0 < high):
        return "no change"
    shown = interval_text(change, low, high, digits, signed=True)
    if np.isnan(low):
        return shown
    if all(is_nothing(end, digits) for end in (low, high)):
        return "almost no change"
    if low <= 0.0 <= high:
        return f"{shown}: no clear change"
    return f"{shown}: {'less' if high < 0 else 'more'}"
