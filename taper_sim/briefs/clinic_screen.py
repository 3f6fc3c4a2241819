"""The first screen of a clinic run. Imports ``first_screen``, ``team_rows``, ``report.clinic_page``."""

from collections.abc import Iterator, Sequence
from typing import Final

from taper_sim.briefs.brief_rows import PerThousand, ScreenRow
from taper_sim.briefs.certainty import CERTAINTY_RULES
from taper_sim.briefs.first_screen import Aside, FirstScreen, Numbers, raised_by, time_words
from taper_sim.briefs.team_rows import (
    CAPTION,
    EVENT_ROWS,
    LATE_OR_LOST,
    LOWER_DOSE,
    ORDER_WAIT,
    UNLIMITED,
    estimate,
    more_replications,
    notes_of,
    rated,
    without_difference,
)
from taper_sim.report.clinic_cost import staff_sentences
from taper_sim.report.clinic_page import ClinicTables, answer_of_clinic, lever_sentence
from taper_sim.report.run_tables import rows_by, rows_where
from taper_sim.report.waiting_groups import groups_sentences

_OF_PATIENTS: Final[tuple[ScreenRow, ...]] = (*EVENT_ROWS, LOWER_DOSE)
_OF_SERVICE: Final[tuple[ScreenRow, ...]] = (LATE_OR_LOST, ORDER_WAIT)


def clinic_numbers(tables: ClinicTables) -> Numbers:
    """Numbers of the patients and of the service under each protocol, and the differences from unlimited staff."""
    levels: dict[tuple[str, str], PerThousand] = {}
    differences: dict[tuple[str, str], PerThousand] = {}
    columns = {name: "this team" if len(tables.protocols) == 1 else name for name in tables.protocols}
    for protocol, column in columns.items():
        own = [rows_where(table, protocol=protocol, subgroup="all") for table in (tables.summary, tables.differences)]
        outcomes, changes = (rows_by(table, "outcome") for table in own)
        for row in _OF_PATIENTS:
            if (row.name,) not in outcomes or (row.name,) not in changes:
                continue
            level = estimate(outcomes[row.name,], row, tables.patients, n=tables.n)
            change = estimate(changes[row.name,], row, tables.patients, n=tables.n, is_difference=True)
            levels[column, row.name], differences[column, row.name] = level, change
            if len(columns) == 1:
                levels[UNLIMITED, row.name] = without_difference(level, change)
        service = rows_by(rows_where(tables.service, protocol=protocol, role="", work="", subgroup="all"), "metric")
        for row in _OF_SERVICE:
            if (row.name,) in service:
                levels[column, row.name] = estimate(service[row.name,], row, tables.patients)
    named = {name for _, name in levels}
    rows = tuple(row for row in (*_OF_PATIENTS, *_OF_SERVICE) if row.name in named)
    shown = tuple(columns.values())
    certainty = rated(tables.manifest, rows, differences)
    return Numbers(tables.manifest, UNLIMITED, UNLIMITED, shown, shown, rows, levels, differences, certainty)


def clinic_screen(tables: ClinicTables, _: Sequence[str] = ()) -> FirstScreen:
    """The first screen of a clinic run."""
    numbers = clinic_numbers(tables)
    serious = [row for row in numbers.rows if row.is_serious]
    answer = tuple(sentence for protocol in tables.protocols for sentence in answer_of_clinic(tables, protocol))
    asides = (
        Aside("Who waits longer", tuple(_waits(tables))),
        Aside("What it costs in people's time", tuple(staff_sentences(tables.service, tables.manifest))),
        Aside(
            "What would change the answer",
            (
                *more_replications(tables.n),
                *raised_by(numbers, serious, CERTAINTY_RULES),
                *lever_sentence(tables.manifest),
            ),
        ),
    )
    heads = {**dict.fromkeys(numbers.shown, f"{tables.patients:,} patients")}
    title = f"Of 1,000 people or as stated, over {time_words(tables.days)}"
    return FirstScreen(
        numbers,
        answer,
        numbers.lowest(serious),
        title,
        CAPTION,
        asides,
        notes_of(numbers.rows, tables.n),
        heads,
        " of the harms",
    )


def _waits(tables: ClinicTables) -> Iterator[str]:
    lines = []
    for protocol in tables.protocols:
        service = rows_where(tables.service, protocol=protocol, role="", work="")
        for line in groups_sentences(service[service["subgroup"] != "all"], tables.n):
            if line not in lines:
                lines.append(line)
                yield line if line.startswith(("Not reported", "The model")) else tables.of(protocol, line)
