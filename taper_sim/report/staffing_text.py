"""The search for a team as text for whoever leads the clinic. Imports ``scenario``, ``tables``."""

from collections.abc import Sequence

import pandas as pd

from taper_sim import tables
from taper_sim.clinic.bounds import Load
from taper_sim.clinic.feasibility import Verdict
from taper_sim.report.clinic_text import ENROLMENT_MEANS
from taper_sim.scenario.staffing import AGAINST, ALL_TARGETS, StaffingPlan
from taper_sim.scenario.staffing_run import StaffingRun
from taper_sim.scenario.what_if import WhatIf

_MOST_ROWS = 12
_HARM = "composite_against_never_short"


def bound_text(plan: StaffingPlan) -> list[str]:
    """What is known before anything runs: teams without the hours; empty where all have them."""
    lines = []
    if plan.n_unable:
        lines.append(
            f"{plan.n_unable:,} of {plan.n_unable + len(plan.able):,} teams cannot serve: too few hours for the "
            "planned work. With the largest team's hours:"
        )
        lines += _lacking(plan, plan.loads)
    if any(plan.n_lacking[load] for load in plan.enrolling):
        lines.append(
            f"While the panel enrols, some of the {len(plan.able):,} teams in question have more planned work than "
            f"hours: {ENROLMENT_MEANS}. None is left out for it. With the largest team's hours:"
        )
        lines += _lacking(plan, plan.enrolling)
    if plan.contenders:
        lines.append(
            f"{len(plan.contenders):,} of {len(plan.able):,} teams are compared: those to which nobody of the ranges "
            "can be added within the budget."
        )
    return lines


def _lacking(plan: StaffingPlan, loads: Sequence[Load]) -> list[str]:
    """A line for each load for which a team lacks hours, and how many teams do."""
    said = ((load, plan.n_lacking[load]) for load in loads)
    return [f"  {load}; {n:,} {'team has' if n == 1 else 'teams have'} too few" for load, n in said if n]


def staffing_text(done: StaffingRun) -> str:
    """The page a lead reads first."""
    plan, found, entry = done.plan, done.found, done.plan.entry
    n = done.manifest["patients"]["n"]
    targets = "; ".join(map(str, entry.targets))
    harm = entry.minimise == "harm"
    lines = [
        "",
        f"{plan.clinic.scenario.name}: {n:,} patients, {plan.clinic.n_days} days, {plan.arm.name}",
        f"Wanted: least harm for {entry.budget_usd_week:,.0f} USD a week; looked at besides: {targets}"
        if harm
        else f"Wanted with a probability of {entry.probability:.0%}: {targets}",
        "",
    ]
    if not plan.able:
        lines.append("None meets: no team of these ranges has the hours for the planned work.")
        lines += [f"  {load}" for load in plan.loads if load.share > 1.0]
    elif found.chosen is None:
        lines.append("None meets the targets, or shows it within the replications: see the numbers of the largest.")
    elif harm:
        lines += _least_harm(done)
    else:
        what = "cheapest" if entry.minimise == "cost" else "smallest"
        of = " of those tried before the search had to stop" if found.stopped else ""
        chosen = found.chosen
        lines.append(f"The {what} team that meets them{of}: {chosen.name}")
        lines.append(f"  {chosen.fte:g} FTE in all, {chosen.cost_usd_week:,.0f} USD a week")
    lines += ["", *_tried(done.table, _lost(done) if harm else None)]
    if plan.able and not harm:
        low, high = entry.zone
        lines += [
            "",
            f"A team is said to meet the targets where Wald's test tells {high:.0%} of replications from {low:.0%}; "
            "between these,",
            f"either answer counts as right. Every such answer together is right with {entry.confidence:.0%} "
            "confidence. All teams meet the",
            "same patients with the same luck. That more people never do harm is taken for granted.",
        ]
    if done.what_if is not None:
        lines += ["", *_what_if(done.what_if, entry.probability)]
    lines += [
        "",
        f"Not calibrated to published results. {tables.UNREVIEWED.capitalize()}.",
        f"Run folder: {done.folder}",
    ]
    return "\n".join(lines)


def _least_harm(done: StaffingRun) -> list[str]:
    """Which team loses least, or that it was not decided; how sure that is."""
    found, entry = done.found, done.plan.entry
    chosen = found.chosen
    if chosen is None:
        return []
    if found.stopped:
        left = [one.name for one, said in found.tried.items() if said is Verdict.STILL_IN]
        lines = [f"Not decided after {entry.most_replications} replications. Still in:"]
        lines += [*(f"  {name}" for name in left), f"The least harm so far: {chosen.name}"]
    else:
        lines = [f"The team that does least harm: {chosen.name}"]
    row = _lost(done).loc[[chosen.name]].iloc[0]
    lines += [
        f"  {chosen.fte:g} FTE in all, {chosen.cost_usd_week:,.0f} USD a week; {row['metric']} {_harm(row)}, "
        f"{entry.loses.unit}",
        "",
        f"By the procedure of Kim and Nelson: with {entry.confidence:.0%} confidence the best of "
        f"{len(found.tried):,} teams" + (" is still in" if found.stopped else "") + ", if it is better than",
        f"others by {entry.unimportant:g}; nearer ones count as equal. Teams of the budget with no more of any",
        "role than one of these were left out: that more people never do harm is taken for granted. All teams meet the",
        "same patients with the same luck.",
    ]
    return lines


def _lost(done: StaffingRun) -> pd.DataFrame:
    """The harm of each team that was tried, by team."""
    own = done.table[done.table["metric"] == f"{done.plan.entry.loses.name}{AGAINST}"]
    return own[own["role"] == "all"].set_index("team")


def _harm(row: pd.Series) -> str:
    return f"{row['estimate']:.3g} ({row['lo95']:.3g} to {row['hi95']:.3g})"


def _tried(table: pd.DataFrame, lost: pd.DataFrame | None) -> list[str]:
    """Teams by cost with the target each misses most often; where harm is compared by harm, with its size."""
    every = table[table["metric"] == ALL_TARGETS].sort_values("cost")
    if len(every) == 0:
        return []
    if lost is not None:
        every = every.set_index("team").loc[lost.sort_values("estimate").index].reset_index()
    width = max(len(str(name)) for name in every["team"]) + 2
    head = "" if lost is None else "harm".rjust(28)
    lines = ["team tried".ljust(width) + "USD a week".rjust(12) + head + "meets all".rjust(22) + "  verdict"]
    for _, row in every.head(_MOST_ROWS).iterrows():
        share = f"{row['estimate']:.0%} ({row['lo95']:.0%} to {row['hi95']:.0%})"
        said = f"  {row['verdict']}, {row['n_replications']} replications"
        size = "" if lost is None else _harm(lost.loc[[row["team"]]].iloc[0]).rjust(28)
        lines.append(str(row["team"]).ljust(width) + f"{row['cost']:,.0f}".rjust(12) + size + share.rjust(22) + said)
        if lost is None and row["verdict"] != "meets":
            own = table[(table["team"] == row["team"]) & table["p_meets"].notna() & (table["metric"] != ALL_TARGETS)]
            worst = own.sort_values("p_meets").head(1)
            lines += [
                f"    most often missed: {one['target']}, found {one['estimate']:.3g}, kept in {one['p_meets']:.0%}"
                for _, one in worst.iterrows()
            ]
    if len(every) > _MOST_ROWS:
        lines.append(f"  and {len(every) - _MOST_ROWS} more in staffing.csv")
    return lines


_SHOWN = (
    ("late", "late or lost work, %", 100.0),
    ("order_wait_days", "days a patient's order waits", 1.0),
    ("withdrawal_peak", "peak withdrawal, 0-1", 1.0),
    (_HARM, "harm against staff never short, important differences", 1.0),
    ("dose_reduction_pct", "dose down, %", 1.0),
    ("cost", "cost, USD a patient and 30 days", 1.0),
)


def _what_if(asked: WhatIf, probability: float) -> list[str]:
    """The lead's levers in plain words, then how many patients today's team can have."""
    lines = ["Today's team, and what would change it (in brackets the 95 % interval over replications):"]
    for name, own in asked.levers.groupby("name", sort=False):
        first = own.iloc[0]
        size = f"{first['patients']:,} patients, {first['fte']:g} FTE, {first['cost_usd_week']:,.0f} USD a week"
        lines.append(f"  {str(name).capitalize()}: {first['what']} ({size})")
        lines.append(f"    all targets met in {first['p_meets']:.0%} of {first['n_replications']} replications")
        for metric, said, factor in _SHOWN:
            numbers = own[own["metric"] == metric]
            if len(numbers) == 0:
                continue
            row = numbers.iloc[0]
            value = f"    {said}: {factor * row['estimate']:.3g}"
            lines.append(value if name == "as it is" else f"{value}, {_change(row, factor)}")
    if len(asked.capacity):
        lines += ["", *_capacity(asked.capacity, probability)]
    return lines


def _capacity(table: pd.DataFrame, probability: float) -> list[str]:
    """How many patients today's team can have."""
    panels = table.drop_duplicates("patients").sort_values("patients")
    kept = panels[(panels["p_meets"] < probability).cumsum() == 0]
    if len(kept):
        last = kept.iloc[-1]
        more = " (the largest of these panels: look at larger ones)" if len(kept) == len(panels) else ""
        first = f"Today's team keeps its targets with up to {last['patients']:,} patients{more}:"
    else:
        first = "Today's team keeps its targets with none of these panels:"
    number = table.drop_duplicates(["patients", "metric"]).set_index(["patients", "metric"])["estimate"]
    lines = [first, "patients  per FTE  targets met  late %    harm"]
    for _, one in panels.iterrows():
        late, harm = (number.get((one["patients"], name), float("nan")) for name in ("late", _HARM))
        lines.append(f"{one['patients']:8,}{one['patients_per_fte']:9.1f}{one['p_meets']:13.0%}{late:8.0%}{harm:+8.3f}")
    return [*lines, "(harm: the composite outcome against staff never short, in smallest important differences)"]


def _signed(value: float) -> str:
    """Three digits, and no powers of ten for what is next to nothing."""
    return f"{value:+.3g}" if abs(value) >= 5e-4 or value == 0.0 else f"{value:+.4f}"


def _change(row: pd.Series, factor: float) -> str:
    low, high = factor * row["change_lo95"], factor * row["change_hi95"]
    if low == high == 0.0:
        return "no change"
    size = f"{_signed(factor * row['change'])} ({_signed(low)} to {_signed(high)})"
    if low <= 0.0 <= high:
        return f"{size}: no clear change"
    return f"{size}: {'less' if high < 0 else 'more'}"
