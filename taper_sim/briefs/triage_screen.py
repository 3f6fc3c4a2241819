"""The first screen of a comparison of triage rules. Imports ``first_screen``, ``team_rows``, ``report.triage_page``."""

from collections.abc import Sequence
from dataclasses import replace

from taper_sim.briefs.brief_rows import PerThousand
from taper_sim.briefs.certainty import CERTAINTY_RULES
from taper_sim.briefs.first_screen import Aside, FirstScreen, Numbers, raised_by, time_words
from taper_sim.briefs.team_rows import (
    CAPTION,
    EVENT_ROWS,
    FUNCTION_ROW,
    LATE_OR_LOST,
    LATE_URGENT,
    ORDER_WAIT,
    PAIN_ROW,
    REDUCTION,
    estimate,
    more_replications,
    notes_of,
    rated,
)
from taper_sim.report.run_tables import rows_by, rows_where
from taper_sim.report.triage_page import TriageTables, answer_of_triage, apart_sentences
from taper_sim.report.wording import name_text

_LOST = " lost"  # ends the name of a metric of harm against unlimited staff in triage.csv
_AGAINST = tuple(
    (f"{row.name}{_LOST}", replace(row, note=f"{row.note}; minus unlimited staff"))
    for row in (*(row for row in EVENT_ROWS if row.is_serious), FUNCTION_ROW, PAIN_ROW, REDUCTION)
)
_ROWS = (
    *_AGAINST[:3],
    ("late of urgency 0", LATE_URGENT),
    ("late of all work", LATE_OR_LOST),
    ("order_wait_days", ORDER_WAIT),
    *_AGAINST[3:],
)


def triage_numbers(tables: TriageTables) -> Numbers:
    """Numbers of all patients under each rule, and the changes from the first rule."""
    table = rows_where(tables.table, subgroup="all")
    cells = rows_by(table, "triage", "metric")
    people = int(tables.manifest["patients"]["n"])
    levels: dict[tuple[str, str], PerThousand] = {}
    differences: dict[tuple[str, str], PerThousand] = {}
    names = {rule: name_text(rule) for rule in tables.rules}
    for rule, column in names.items():
        for metric, row in _ROWS:
            if (rule, metric) not in cells:
                continue
            levels[column, row.name] = estimate(cells[rule, metric], row, people)
            if rule != tables.rules[0]:
                differences[column, row.name] = estimate(
                    cells[rule, metric], row, people, what="change", is_difference=True
                )
    named = {name for _, name in levels}
    rows = tuple(row for _, row in _ROWS if row.name in named)
    first, *others = names.values()
    certainty = rated(tables.manifest, rows, differences)
    return Numbers(tables.manifest, first, first, tuple(others), tuple(others), rows, levels, differences, certainty)


def triage_screen(tables: TriageTables, _: Sequence[str] = ()) -> FirstScreen:
    """The first screen of a comparison of triage rules."""
    numbers = triage_numbers(tables)
    rated_rows = [row for row in numbers.rows if row.is_serious or row.name == LATE_URGENT.name] or list(numbers.rows)
    asides = (
        Aside("Who waits longer, and who is harmed", tuple(apart_sentences(tables.table))),
        Aside(
            "What it costs in people's time",
            ("A rule changes the order of the work and no hours: every rule has the same team.",),
        ),
        Aside(
            "What would change the answer",
            (*more_replications(tables.n), *raised_by(numbers, rated_rows, CERTAINTY_RULES)),
        ),
    )
    return FirstScreen(
        numbers,
        tuple(answer_of_triage(tables.table)),
        numbers.lowest(rated_rows),
        f"Of 1,000 people or as stated, over {time_words(numbers.days)}",
        CAPTION.replace("this team", "each rule"),
        asides,
        notes_of(numbers.rows, tables.n),
        {numbers.comparator: "comparator"},
    )
