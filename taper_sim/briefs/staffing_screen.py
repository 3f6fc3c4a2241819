"""The first screen of a search for a team. Imports ``first_screen``, ``team_rows``, ``report.staffing_page``."""

from collections.abc import Iterator, Sequence

import pandas as pd

from taper_sim.briefs.brief_rows import PerThousand
from taper_sim.briefs.certainty import CERTAINTY_RULES
from taper_sim.briefs.first_screen import Aside, FirstScreen, Numbers, raised_by, time_words
from taper_sim.briefs.team_rows import (
    CAPTION,
    DROPOUT,
    EVENT_ROWS,
    LATE_OR_LOST,
    ORDER_WAIT,
    REDUCTION,
    UNLIMITED,
    estimate,
    more_replications,
    notes_of,
    rated,
    with_difference,
    without_difference,
)
from taper_sim.report.run_tables import rows_by, rows_where
from taper_sim.report.staffing_page import StaffingTables, answer_of_staffing, groups_of_teams, lever_sentences
from taper_sim.report.wording import number_text
from taper_sim.scenario.staffing_schema import AGAINST

_TODAY = "today's team"
_CHOSEN = "the chosen team"
_ROWS = (*EVENT_ROWS, DROPOUT, REDUCTION, LATE_OR_LOST, ORDER_WAIT)


def _columns(tables: StaffingTables) -> dict[str, pd.DataFrame]:
    """Rows of all roles of today's team and of the chosen team, where the run has them."""
    columns = {}
    if len(tables.levers):
        columns[_TODAY] = rows_where(tables.levers, name="as it is")
    if tables.chosen is not None:
        columns[_CHOSEN] = rows_where(tables.teams, team=tables.chosen, role="all")
    return {name: rows for name, rows in columns.items() if len(rows)}


def staffing_numbers(tables: StaffingTables) -> Numbers:
    """Numbers of the patients and of the service under today's team and the chosen one.

    The columns have different numbers of replications. A later column shows unlimited staff in the first column's
    replications plus its own difference, where it has one, so that a row can be read across.
    """
    people = int(tables.manifest["patients"]["n"])
    levels: dict[tuple[str, str], PerThousand] = {}
    differences: dict[tuple[str, str], PerThousand] = {}
    columns = _columns(tables)
    for column, table in columns.items():
        cells = rows_by(table, "metric")
        for row in _ROWS:
            if (row.name,) not in cells:
                continue
            level = levels[column, row.name] = estimate(cells[row.name,], row, people)
            if (key := (f"{row.name}{AGAINST}",)) in cells:
                change = differences[column, row.name] = estimate(cells[key], row, people, is_difference=True)
                if (UNLIMITED, row.name) in levels:
                    levels[column, row.name] = with_difference(levels[UNLIMITED, row.name], change)
                else:
                    levels[UNLIMITED, row.name] = without_difference(level, change)
    named = {name for _, name in levels}
    rows = tuple(row for row in _ROWS if row.name in named)
    shown = tuple(columns)
    certainty = rated(tables.manifest, rows, differences)
    return Numbers(tables.manifest, UNLIMITED, UNLIMITED, shown, shown, rows, levels, differences, certainty)


def staffing_screen(tables: StaffingTables, _: Sequence[str] = ()) -> FirstScreen:
    """The first screen of a search for a team."""
    numbers = staffing_numbers(tables)
    serious = [row for row in numbers.rows if row.is_serious]
    asides = (
        Aside("Who waits longer", groups_of_teams(tables)[0]),
        Aside("What it costs in people's time", (*_cost(tables), *lever_sentences(tables))),
        Aside(
            "What would change the answer",
            (*more_replications(tables.n_what_if), *raised_by(numbers, serious, CERTAINTY_RULES)),
        ),
    )
    return FirstScreen(
        numbers,
        tuple(answer_of_staffing(tables)),
        numbers.lowest(serious),
        f"Of 1,000 people or as stated, over {time_words(tables.days)}",
        CAPTION,
        asides,
        notes_of(numbers.rows, tables.n_what_if, _TODAY),
        _heads(tables),
        " of the harms",
    )


def _heads(tables: StaffingTables) -> dict[str, str]:
    heads: dict[str, str] = {}
    if len(tables.levers):
        today = rows_where(tables.levers, name="as it is").iloc[0]
        heads[_TODAY] = f"{today['fte']:g} FTE"
    if tables.manifest["chosen"] is not None:
        heads[_CHOSEN] = ", ".join(f"{role} {fte:g}" for role, fte in tables.manifest["chosen"]["fte"].items())
    return heads


def _cost(tables: StaffingTables) -> Iterator[str]:
    """Staff and cost of today's team beside those of the chosen one."""
    chosen = tables.manifest["chosen"]
    if len(tables.levers):
        today = rows_where(tables.levers, name="as it is").iloc[0]
        yield f"Today's team: {today['fte']:g} FTE, {number_text(today['cost_usd_week'], 0)} USD a week."
    if chosen is not None:
        yield f"The chosen team: {number_text(chosen['cost_usd_week'], 0)} USD a week."
