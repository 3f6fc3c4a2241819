"""The committee's first screen as values of its template. Imports ``report.brief`` and its words and context."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from taper_sim.briefs import brief_context, brief_words
from taper_sim.briefs.brief import CommitteeBrief
from taper_sim.briefs.brief_rows import BRIEF_ROWS, BriefRow, PerThousand
from taper_sim.briefs.certainty import CERTAINTY_RULES
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.harm_words import PER
from taper_sim.report.methods import listed
from taper_sim.report.run_tables import RunTables
from taper_sim.report.wording import number_text
from taper_sim.units import DRUG_CLASSES

_DIGITS_BELOW: Final = 10.0  # a row whose numbers are all below has one decimal


def brief_values(
    run: RunTables, brief: CommitteeBrief, *, clinic: Sequence[str] = (), old: CommitteeBrief | None = None
) -> dict[str, Any]:
    """Values of the template: answer, certainty, table, boxes, and the reasons of each certainty.

    Parameters
    ----------
    run : RunTables
    brief : CommitteeBrief
    clinic : sequence of str, optional
        What a clinic run says on people's time.
    old : CommitteeBrief, optional
        Of an earlier run, to tell what changed.
    """
    asides = [
        brief_context.harmed(run, brief),
        brief_context.would_change(brief),
        brief_context.cost(run.manifest, clinic),
    ]
    if old is not None:
        asides.insert(0, brief_context.changes(brief, old))
    return {
        "answer": brief_words.answer(brief),
        "certainty": brief_words.lead_certainty(brief),
        "brief_table": _table(brief),
        "asides": asides,
        "certainties": {"rows": _certainties(brief), "rules": CERTAINTY_RULES},
    }


def _table(brief: CommitteeBrief) -> dict[str, Any]:
    protocols = (brief.comparator, *brief.shown)
    time = brief_words.time_words(brief.days)
    heads = [{"name": name, "note": _head_note(brief, name)} for name in protocols]
    caption = (
        f"Large: people of 1,000. Below: more or fewer than with {brief.comparator_is}, with the 95 % interval. A bar "
        "marks a difference that matters; it is filled where the interval is clear of no difference."
    )
    matters = [f"{row.label.lower()} {number_text(row.important, 0)}" for row in brief.rows]
    notes = [f"Differences that matter, in {PER:,.0f} people: {listed(matters)} (assumption A115)."]
    if len(brief.others) > len(brief.shown):
        spread = " from the slowest to the fastest month" if brief.pace else ""
        notes.append(
            f"Shown: {len(brief.shown)} of {len(brief.others)} protocols, evenly{spread}; brief.csv has all of them."
        )
    if len(brief.classes) > 1:
        taken = [name for name in DRUG_CLASSES if name in brief.classes]
        notes.append(f"The dose is that of the first class of {listed(taken)} that a person takes.")
    if len(brief.rows) < len(BRIEF_ROWS):
        missing = [row.label.lower() for row in BRIEF_ROWS if row not in brief.rows]
        notes.append(f"Not in this folder: {listed(missing)}.")
    rows = [_row(brief, row, protocols) for row in brief.rows]
    return {
        "title": f"Of {PER:,.0f} people, over {time}",
        "caption": caption,
        "heads": heads,
        "rows": rows,
        "notes": notes,
    }


def _head_note(brief: CommitteeBrief, name: str) -> str:
    if name == brief.comparator:
        return "comparator"
    return f"fastest month {number_text(brief.pace[name], 0)} %" if name in brief.pace else ""


def _row(brief: CommitteeBrief, row: BriefRow, protocols: Sequence[str]) -> dict[str, Any]:
    levels = [level for name in protocols if (level := brief.levels.get((name, row.name))) is not None]
    digits = 0 if any(abs(level.mean) >= _DIGITS_BELOW for level in levels) else 1
    return {
        "label": row.label,
        "note": row.note,
        "cells": [_cell(brief, row, name, digits) for name in protocols],
        "certainty": brief.words(row, [name for name in brief.shown if brief.visible(name, row)]) or "–",
    }


def _cell(brief: CommitteeBrief, row: BriefRow, name: str, digits: int) -> dict[str, str]:
    level = brief.levels.get((name, row.name))
    if level is None:
        return {"level": "–", "more": "", "bounds": "", "mark": ""}
    if level.is_hidden:
        return {"level": f"<{SMALLEST_CELL}", "more": "", "bounds": "hidden: too few people", "mark": ""}
    difference = brief.visible(name, row)
    shown = level.level_text(digits)
    if name == brief.comparator or difference is None:
        return {"level": shown, "more": "", "bounds": level.interval_text(digits), "mark": ""}
    bounds = difference.bounds_text(digits)
    return {"level": shown, "more": difference.more_text(digits), "bounds": bounds, "mark": _mark(row, difference)}


def _mark(row: BriefRow, difference: PerThousand) -> str:
    """*worse* or *better* for a difference that matters, with *clear* where its interval excludes 0, else nothing."""
    if abs(difference.mean) < row.important:
        return ""
    side = "worse" if (difference.mean > 0.0) == row.is_harm else "better"
    return f"{side} clear" if difference.low > 0.0 or difference.high < 0.0 else side


def _certainties(brief: CommitteeBrief) -> list[dict[str, str]]:
    """A row for each outcome and reason; protocols with the same reason stand together."""
    rows = []
    for row in brief.rows:
        rated = [(brief.certainty[name, row.name], name) for name in brief.others if brief.visible(name, row)]
        rated.sort(key=lambda pair: (pair[0].rank, pair[0].why))
        for (word, why), members in groupby(rated, key=lambda pair: (pair[0].word, pair[0].why)):
            names = [name for _, name in members]
            protocols = "all protocols" if len(names) == len(rated) > 1 else listed(names)
            rows.append({"label": row.label, "protocols": protocols, "word": word, "why": why})
    return rows
