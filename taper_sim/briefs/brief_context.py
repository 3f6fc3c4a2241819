"""What stands beside the committee's table: who is harmed, what would change the answer. Imports ``brief_words``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from taper_sim.briefs.brief import CommitteeBrief
from taper_sim.briefs.brief_rows import frequency
from taper_sim.briefs.brief_words import groups, harmful, serious_rows
from taper_sim.briefs.certainty import CERTAINTY_RULES
from taper_sim.briefs.first_screen import Aside, raised_by
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.harm_words import PER
from taper_sim.report.methods import listed
from taper_sim.report.run_tables import RunTables, rows_by, rows_where
from taper_sim.report.waiting_groups import ACCESS, group_name
from taper_sim.report.wording import number_text

_WORST: Final = "days_over_limit_cvar95"
MOST_GROUPS: Final = 3
"""Subgroups whose answer differs that the first screen names; the details have all of them."""


def harmed(run: RunTables, brief: CommitteeBrief) -> Aside:
    """Who is harmed: the worst 5 % of people, subgroups whose answer differs, access."""
    return Aside("Who is harmed", (*_worst(run, brief), *_groups(run, brief), *_access(run)))


def _worst(run: RunTables, brief: CommitteeBrief) -> Iterator[str]:
    rows = rows_by(rows_where(run.summary, subgroup="all", outcome=_WORST), "protocol")
    days = {
        name: float(row["mean"])
        for name in brief.shown
        if (row := rows.get((name,))) is not None and row["n"] >= SMALLEST_CELL
    }
    if len(days) > 1:
        most, least = max(days, key=lambda name: days[name]), min(days, key=lambda name: days[name])
        yield (
            f"The 5 % of people with the most withdrawal spend {number_text(days[most], 0)} days in strong withdrawal "
            f"under {most}, and {number_text(days[least], 0)} under {least}."
        )


def _groups(run: RunTables, brief: CommitteeBrief) -> Iterator[str]:
    """Subgroups in which a serious harm differs from that of all people, the largest differences first (A117)."""
    if not {str(name) for name in run.differences["subgroup"]} - {"all"}:
        yield "The run has no subgroups, so it cannot say for whom the answer differs."
        return
    if brief.comparator != run.reference:
        yield f"Subgroups are compared with {run.reference} only; see the details."
        return
    apart = sorted(_apart(run, brief), key=lambda item: -item[0])
    for _, sentence in apart[:MOST_GROUPS]:
        yield sentence
    if not apart:
        yield "No subgroup of the run is shown to have more of these harms than all people, by an amount that matters."


def _apart(run: RunTables, brief: CommitteeBrief) -> Iterator[tuple[float, str]]:
    rows = run.differences[(run.differences["subgroup"] != "all") & (run.differences["n"] >= SMALLEST_CELL)]
    by_cell = rows_by(rows, "subgroup", "protocol", "outcome")
    for row in serious_rows(brief):
        of_group: dict[str, tuple[float, str]] = {}
        for (group, name, outcome), cell in by_cell.items():
            whole = brief.visible(name, row) if name in brief.shown and outcome == row.name else None
            if whole is None:
                continue
            change = frequency(cell)
            if change.has_interval and change.low > whole.mean and change.mean - whole.mean >= row.important:
                text = (
                    f"{group_name(group)}: {number_text(change.mean, 0)} more {row.events} in {PER:,.0f} under {name}, "
                    f"against {number_text(whole.mean, 0)} of all people."
                )
                of_group[group] = max(
                    of_group.get(group, (0.0, "")), ((change.mean - whole.mean) / row.important, text)
                )
        yield from ((size, f"{text[:1].upper()}{text[1:]}") for size, text in of_group.values())


def _access(run: RunTables) -> Iterator[str]:
    reported = {str(group).partition("=")[0] for group in run.summary["subgroup"]}
    if not reported & set(ACCESS):
        yield "Access: the run has no subgroup by language, broadband or transport, so it cannot show a gap."


def cost(manifest: Mapping[str, Any], clinic: Sequence[str]) -> Aside:
    """What it costs in people's time: the sentences of a clinic run, or what the scenario plans.

    Parameters
    ----------
    manifest : mapping
    clinic : sequence of str
        Sentences of a clinic run; empty without one.
    """
    care = manifest["scenario"].get("care") or {}
    visits, checkins = care.get("visit_every_d"), care.get("checkin_every_d")
    planned = [
        f"a visit every {visits} days" if visits else "",
        f"a check-in every {checkins} days" if checkins else "",
    ]
    plan = listed([part.replace("every 1 days", "every day") for part in planned if part])
    sentences = [f"Planned for each person: {plan}, with {_team(care)}."] if plan else []
    if not clinic:
        sentences.append("No clinic run is given (--clinic), so this page cannot say how many staff hours that takes.")
    return Aside("What it costs in people's time", (*sentences, *clinic))


def _team(care: Mapping[str, Any]) -> str:
    names = [str(name) for name in care.get("disciplines", {})]
    return listed(["physical therapist" if name == "pt" else name.replace("_", " ") for name in names]) or "no team"


def would_change(brief: CommitteeBrief) -> Aside:
    """What would change the answer: what would raise the certainty of the serious harms, and another line."""
    sentences = list(raised_by(brief, serious_rows(brief), CERTAINTY_RULES))
    worse, others = groups(brief)
    for row in serious_rows(brief):
        if worse and others and harmful(brief, row):
            line = number_text(row.important, 0)
            sentences.append(f"A committee for which {line} more {row.events} in {PER:,.0f} do not matter.")
    return Aside("What would change the answer", tuple(sentences))
