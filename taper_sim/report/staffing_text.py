"""A staffing search as text for the clinic's lead. Imports ``experiments``, ``clinic``, ``tables``, ``report``."""

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
from taper_sim.report.methods import calibration_sentence, is_calibrated
from taper_sim.report.target_text import bound_sentence, chance_sentence, target_words, value_words
from taper_sim.report.what_if_text import what_if_text
from taper_sim.report.wording import count, in_words, interval_text, name_text, percent
from taper_sim.scenario.staffing_schema import Target

_MOST_ROWS = 12


def bound_text(plan: StaffingPlan) -> list[str]:
    """Warnings before the search: teams with too few hours; empty without one."""
    lines = []
    if plan.n_unable:
        lines.append(
            f"{plan.n_unable:,} of {plan.n_unable + len(plan.able):,} teams cannot serve: too few hours for the "
            "planned work. With the largest team's hours:"
        )
        lines += _lacking(plan, plan.loads)
    if any(plan.n_lacking[load] for load in plan.enrolling):
        lines.append(
            f"While the panel enrols, some of the {len(plan.able):,} remaining teams have more planned work than "
            f"hours: {ENROLMENT_MEANS}. The search keeps these teams. With the largest team's hours:"
        )
        lines += _lacking(plan, plan.enrolling)
    if plan.contenders:
        lines.append(
            f"{len(plan.contenders):,} of {len(plan.able):,} teams are compared: the budget allows no further staff in "
            "any of them."
        )
    return lines


def _lacking(plan: StaffingPlan, loads: Sequence[Load]) -> list[str]:
    """One line for each load above 1 in some team, with the number of such teams."""
    lacking = ((load, plan.n_lacking[load]) for load in loads)
    return [f"  {load}; {n:,} {'team has' if n == 1 else 'teams have'} too few" for load, n in lacking if n]


def staffing_text(done: StaffingRun) -> str:
    """The lead's summary: the chosen team, the tested teams, and the confidence of the choice."""
    plan, result, entry = done.plan, done.result, done.plan.entry
    n = done.manifest["patients"]["n"]
    targets = "; ".join(map(target_words, entry.targets))
    harm = entry.minimise == "harm"
    lines = [
        "",
        f"{plan.clinic.scenario.name}: {n:,} patients, {plan.clinic.n_days} days, {plan.arm.name}",
        f"Objective: least harm for {entry.budget_usd_week:,.0f} USD a week; also reported: {targets}"
        if harm
        else f"Objective, with a probability of {percent(entry.probability)}: {targets}",
        "",
    ]
    if not plan.able:
        lines.append("None meets: no team of these ranges has the hours for the planned work.")
        lines += [f"  {load}" for load in plan.loads if load.share > 1.0]
    elif result.chosen is None:
        lines.append("None meets the targets, or the replications are too few to show it: see the largest team's line.")
    elif harm:
        lines += _least_harm(done)
    else:
        superlative = "cheapest" if entry.minimise == "cost" else "smallest"
        of = " among the teams tested before the search stopped" if result.stopped else ""
        lines.append(f"The {superlative} team that meets the targets{of}, FTE by role:")
        lines += _composition(plan, result.chosen)
        lines.append(f"  {chance_sentence(result.chance_missed, entry.minimise)}")
    lines += ["", *_tried(done.table, entry.targets, _lost(done) if harm else None)]
    if plan.able and not harm:
        low, high = entry.zone
        lines += [
            "",
            f"Wald's sequential test decides whether a team meets the targets in {percent(high)} or in {percent(low)} "
            "of replications; between",
            f"these shares both answers are correct. All its answers together are correct with "
            f"{percent(entry.confidence)} confidence.",
            bound_sentence(entry.most_replications, entry.confidence),
            "All teams have the same patients and random numbers. Assumption: more staff never do harm.",
        ]
    if done.what_if is not None:
        lines += ["", *what_if_text(done.what_if, entry.probability)]
    lines += [
        "",
        f"{calibration_sentence(is_calibrated(done.manifest))} {tables.UNREVIEWED.capitalize()}.",
        f"Output folder: {done.folder}",
    ]
    return "\n".join(lines)


def _composition(plan: StaffingPlan, chosen: Candidate) -> list[str]:
    """The composition of a team, its size and cost, and the roles that the search varied."""
    searched = ", ".join(name_text(role) for role, _ in chosen.levels)
    return [
        f"  {team_words(plan.team(chosen))}",
        f"  {chosen.fte:g} FTE in all, {chosen.cost_usd_week:,.0f} USD a week",
        f"  (roles searched: {searched}; all other roles stay as today)",
    ]


def team_words(team: Team) -> str:
    """The FTE of every role of a team, and the number of workers who are on call only."""
    on_duty, on_call = [], []
    for role in dict.fromkeys(worker.role.name for worker in team.workers):
        hours = [worker.hours_a_week for worker in team.workers if worker.role.name == role]
        if any(hours):
            on_duty.append(f"{name_text(role)} {sum(hours) / FULL_TIME_H:g}")
        if not all(hours):
            on_call.append(f"{name_text(role)} {hours.count(0.0)}")
    return ", ".join(on_duty) + (f"; people on call only: {', '.join(on_call)}" if on_call else "")


def _least_harm(done: StaffingRun) -> list[str]:
    """The team with the least harm, or the surviving teams without a decision, with the confidence."""
    result, entry = done.result, done.plan.entry
    chosen = result.chosen
    if chosen is None:
        return []
    if result.stopped:
        left = [team.name for team, verdict in result.tried.items() if verdict is Verdict.STILL_IN]
        lines = [f"Not decided after {count(entry.most_replications, 'replication')}. Still in:"]
        lines += [*(f"  {in_words(name)}" for name in left), "The team with the least harm so far, FTE by role:"]
    else:
        lines = ["The team with the least harm, FTE by role:"]
    lines += _composition(done.plan, chosen)
    row = _lost(done).loc[[chosen.name]].iloc[0]
    lines += [
        f"  {name_text(entry.loses.name)} minus that with unlimited staff: {_harm(row)}, {entry.loses.unit}",
        "",
        f"Selection by Kim and Nelson: with {percent(entry.confidence)} confidence the best of "
        f"{len(result.tried):,} teams" + (" is still in" if result.stopped else "") + ", if it is better than",
        f"the others by {entry.unimportant:g}; smaller differences count as none. A team with no more staff in any",
        "role than one of these was not tested. Assumption: more staff never do harm. All teams have the same",
        "patients and random numbers.",
    ]
    return lines


def _lost(done: StaffingRun) -> pd.DataFrame:
    """The harm of each tested team, by team."""
    rows = done.table[done.table["metric"] == f"{done.plan.entry.loses.name}{AGAINST}"]
    return rows[rows["role"] == "all"].set_index("team")


def _harm(row: pd.Series) -> str:
    return interval_text(row["estimate"], row["lo95"], row["hi95"], 3)


def _tried(table: pd.DataFrame, targets: Sequence[Target], lost: pd.DataFrame | None) -> list[str]:
    """Tested teams by cost, each with its most often missed target; in a comparison of harm, by harm with its size."""
    teams = table[table["metric"] == ALL_TARGETS].sort_values("cost")
    if len(teams) == 0:
        return []
    if lost is not None:
        teams = teams.set_index("team").loc[lost.sort_values("estimate").index].reset_index()
    width = max(len(in_words(name)) for name in teams["team"]) + 2
    target_of = {str(target): target for target in targets}
    head = "" if lost is None else "harm".rjust(28)
    lines = ["team tested".ljust(width) + "USD a week".rjust(12) + head + "meets all".rjust(24) + "  verdict"]
    for _, row in teams.head(_MOST_ROWS).iterrows():
        share = f"{percent(row['estimate'])} ({percent(row['lo95'])} to {percent(row['hi95'])})"
        verdict = f"  {row['verdict']}, {count(row['n_replications'], 'replication')}"
        size = "" if lost is None else _harm(lost.loc[[row["team"]]].iloc[0]).rjust(28)
        lines.append(
            in_words(row["team"]).ljust(width) + f"{row['cost']:,.0f}".rjust(12) + size + share.rjust(24) + verdict
        )
        if lost is None and row["verdict"] != "meets":
            rows = table[(table["team"] == row["team"]) & table["p_meets"].notna() & (table["metric"] != ALL_TARGETS)]
            for _, worst in rows.sort_values("p_meets").head(1).iterrows():
                target = target_of[worst["target"]]
                value = f"estimate {value_words(target, worst['estimate'])}, met in {percent(worst['p_meets'])}"
                lines.append(f"    most often missed: {target_words(target)}, {value}")
    if len(teams) > _MOST_ROWS:
        lines.append(f"  and {len(teams) - _MOST_ROWS} more in staffing.csv")
    return lines
