"""The search for a team as text for whoever leads the clinic. Imports ``scenario``, ``tables``, ``report``."""

from collections.abc import Sequence

import pandas as pd

from taper_sim import tables
from taper_sim.clinic.staffing.bounds import Load
from taper_sim.clinic.staffing.feasibility import Verdict
from taper_sim.clinic.staffing.search import Candidate
from taper_sim.clinic.team import FULL_TIME_H, Team
from taper_sim.experiments.staffing_run import StaffingRun
from taper_sim.experiments.team_search import AGAINST, ALL_TARGETS, StaffingPlan
from taper_sim.report.clinic_text import ENROLMENT_MEANS
from taper_sim.report.target_text import found_words, target_words
from taper_sim.report.what_if_text import what_if_text
from taper_sim.report.wording import count, in_words, interval, percent, words
from taper_sim.scenario.staffing_schema import Target

_MOST_ROWS = 12


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
    targets = "; ".join(map(target_words, entry.targets))
    harm = entry.minimise == "harm"
    lines = [
        "",
        f"{plan.clinic.scenario.name}: {n:,} patients, {plan.clinic.n_days} days, {plan.arm.name}",
        f"Wanted: least harm for {entry.budget_usd_week:,.0f} USD a week; looked at besides: {targets}"
        if harm
        else f"Wanted with a probability of {percent(entry.probability)}: {targets}",
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
        lines.append(f"The {what} team that meets them{of}, FTE of everybody in it:")
        lines += _who(plan, found.chosen)
    lines += ["", *_tried(done.table, entry.targets, _lost(done) if harm else None)]
    if plan.able and not harm:
        low, high = entry.zone
        lines += [
            "",
            f"A team is said to meet the targets where Wald's test tells {percent(high)} of replications from "
            f"{percent(low)}; between these,",
            f"either answer counts as right. Every such answer together is right with {percent(entry.confidence)} "
            "confidence. All teams meet the",
            "same patients with the same luck. That more people never do harm is taken for granted.",
        ]
    if done.what_if is not None:
        lines += ["", *what_if_text(done.what_if, entry.probability)]
    lines += [
        "",
        f"Not calibrated to published results. {tables.UNREVIEWED.capitalize()}.",
        f"Run folder: {done.folder}",
    ]
    return "\n".join(lines)


def _who(plan: StaffingPlan, chosen: Candidate) -> list[str]:
    """Everybody in a team, its size and cost, and which roles were searched."""
    searched = ", ".join(words(role) for role, _ in chosen.levels)
    return [
        f"  {everybody(plan.team(chosen))}",
        f"  {chosen.fte:g} FTE in all, {chosen.cost_usd_week:,.0f} USD a week",
        f"  (searched: {searched}; whoever else there is stays as today)",
    ]


def everybody(team: Team) -> str:
    """Every role of a team with its FTE, and those who are on call only."""
    said, called = [], []
    for role in dict.fromkeys(worker.role.name for worker in team.workers):
        own = [worker.hours_a_week for worker in team.workers if worker.role.name == role]
        if any(own):
            said.append(f"{words(role)} {sum(own) / FULL_TIME_H:g}")
        if not all(own):
            called.append(f"{words(role)} {own.count(0.0)}")
    return ", ".join(said) + (f"; people on call only: {', '.join(called)}" if called else "")


def _least_harm(done: StaffingRun) -> list[str]:
    """Which team loses least, or that it was not decided; how sure that is."""
    found, entry = done.found, done.plan.entry
    chosen = found.chosen
    if chosen is None:
        return []
    if found.stopped:
        left = [one.name for one, said in found.tried.items() if said is Verdict.STILL_IN]
        lines = [f"Not decided after {count(entry.most_replications, 'replication')}. Still in:"]
        lines += [*(f"  {in_words(name)}" for name in left), "The least harm so far, FTE of everybody in it:"]
    else:
        lines = ["The team that does least harm, FTE of everybody in it:"]
    lines += _who(done.plan, chosen)
    row = _lost(done).loc[[chosen.name]].iloc[0]
    lines += [
        f"  {words(entry.loses.name)} against staff never short {_harm(row)}, {entry.loses.unit}",
        "",
        f"By the procedure of Kim and Nelson: with {percent(entry.confidence)} confidence the best of "
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
    return interval(row["estimate"], row["lo95"], row["hi95"], 3)


def _tried(table: pd.DataFrame, targets: Sequence[Target], lost: pd.DataFrame | None) -> list[str]:
    """Teams by cost with the target each misses most often; where harm is compared by harm, with its size."""
    every = table[table["metric"] == ALL_TARGETS].sort_values("cost")
    if len(every) == 0:
        return []
    if lost is not None:
        every = every.set_index("team").loc[lost.sort_values("estimate").index].reset_index()
    width = max(len(in_words(name)) for name in every["team"]) + 2
    wanted = {str(target): target for target in targets}
    head = "" if lost is None else "harm".rjust(28)
    lines = ["team tried".ljust(width) + "USD a week".rjust(12) + head + "meets all".rjust(24) + "  verdict"]
    for _, row in every.head(_MOST_ROWS).iterrows():
        share = f"{percent(row['estimate'])} ({percent(row['lo95'])} to {percent(row['hi95'])})"
        said = f"  {row['verdict']}, {count(row['n_replications'], 'replication')}"
        size = "" if lost is None else _harm(lost.loc[[row["team"]]].iloc[0]).rjust(28)
        lines.append(
            in_words(row["team"]).ljust(width) + f"{row['cost']:,.0f}".rjust(12) + size + share.rjust(24) + said
        )
        if lost is None and row["verdict"] != "meets":
            own = table[(table["team"] == row["team"]) & table["p_meets"].notna() & (table["metric"] != ALL_TARGETS)]
            worst = own.sort_values("p_meets").head(1)
            for _, one in worst.iterrows():
                target = wanted[one["target"]]
                found = f"found {found_words(target, one['estimate'])}, kept in {percent(one['p_meets'])}"
                lines.append(f"    most often missed: {target_words(target)}, {found}")
    if len(every) > _MOST_ROWS:
        lines.append(f"  and {len(every) - _MOST_ROWS} more in staffing.csv")
    return lines
