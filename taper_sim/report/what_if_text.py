"""What else a search for a team asks, as text: levers, what may come, other panels. Imports ``scenario.what_if``."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.experiments.what_if import WhatIf
from taper_sim.report.wording import count, in_words, interval, is_nothing, number, percent

_HARM: Final = "composite_against_never_short"
_SHOWN: Final = (
    ("late", "late or lost work, %", 100.0, 1),
    ("order_wait_days", "days a patient's order waits", 1.0, 1),
    ("withdrawal_peak", "peak withdrawal, 0-1", 1.0, 2),
    (_HARM, "harm against staff never short, important differences", 1.0, 3),
    ("dose_reduction_pct", "dose down, %", 1.0, 1),
    ("cost", "cost, USD a patient and 30 days", 1.0, 0),
)
_LARGEST: Final = 5
"""Rows of the tornado that the page has."""


def what_if_text(asked: WhatIf, probability: float) -> list[str]:
    """The lead's levers, what moves late work most, and how many patients today's team can have."""
    levers = asked.levers
    bracket = " (in brackets the 95 % interval over replications)" if levers["n_replications"].max() > 1 else ""
    lines = [f"Today's team, and what would change it{bracket}:"]
    for name, own in levers.groupby("name", sort=False):
        first = own.iloc[0]
        size = f"{first['patients']:,} patients, {first['fte']:g} FTE, {first['cost_usd_week']:,.0f} USD a week"
        lines.append(f"  {str(name).capitalize()}: {in_words(first['what'])} ({size})")
        lines.append(f"    all targets met in {percent(first['p_meets'])} of {_replications(first)}")
        for metric, said, factor, digits in _SHOWN:
            for _, row in own[own["metric"] == metric].iterrows():
                value = f"    {said}: {number(factor * row['estimate'], digits)}"
                lines.append(value if name == "as it is" else f"{value}, {change_text(row, factor, digits)}")
    lines += _tornado(asked.tornado)
    if len(asked.capacity):
        lines += ["", *capacity_text(asked.capacity, probability)]
    return lines


def _replications(row: pd.Series) -> str:
    return count(int(row["n_replications"]), "replication")


def _tornado(table: pd.DataFrame) -> Iterator[str]:
    """What moves late work most, the largest first, and what each does to harm."""
    late = table[table["metric"] == "late"].sort_values("change", key=abs, ascending=False).head(_LARGEST)
    harms = table[table["metric"] == _HARM].set_index(["name", "what"])
    if len(late):
        yield ""
        yield "What moves today's late work most (percentage points), and what it does to harm (important differences):"
    for _, row in late.iterrows():
        harm = harms.loc[(row["name"], row["what"])]
        yield f"  {str(row['name']).capitalize()}: {in_words(row['what'])}"
        yield f"    late or lost work {change_text(row, 100.0, 1)}; harm {change_text(harm, 1.0, 3)}"


def capacity_text(table: pd.DataFrame, probability: float) -> list[str]:
    """How many patients today's team can have."""
    panels = table.drop_duplicates("patients").sort_values("patients")
    kept = panels[(panels["p_meets"] < probability).cumsum() == 0]
    if len(kept):
        last = kept.iloc[-1]
        more = " (the largest of these panels: look at larger ones)" if len(kept) == len(panels) else ""
        first = f"Today's team keeps its targets with up to {last['patients']:,} patients{more}:"
    else:
        first = "Today's team keeps its targets with none of these panels:"
    numbers = table.drop_duplicates(["patients", "metric"]).set_index(["patients", "metric"])["estimate"]
    lines = [first, "patients  per FTE  targets met  late %    harm"]
    for _, one in panels.iterrows():
        late, harm = (numbers.get((one["patients"], name), np.nan) for name in ("late", _HARM))
        met, shown = percent(one["p_meets"]), number(harm, 3, signed=True)
        lines.append(
            f"{one['patients']:8,}{one['patients_per_fte']:9.1f}{met:>13}{number(100.0 * late, 0):>8}{shown:>8}"
        )
    return [*lines, "(harm: the composite outcome against staff never short, in smallest important differences)"]


def change_text(row: pd.Series, factor: float, digits: int) -> str:
    """A change with its interval, and what it comes to."""
    change, low, high = (factor * row[name] for name in ("change", "change_lo95", "change_hi95"))
    if change == 0.0 and not (low < 0.0 < high):
        return "no change"
    said = interval(change, low, high, digits, signed=True)
    if np.isnan(low):
        return said
    if all(is_nothing(end, digits) for end in (low, high)):
        return "next to no change"
    if low <= 0.0 <= high:
        return f"{said}: no clear change"
    return f"{said}: {'less' if high < 0 else 'more'}"
