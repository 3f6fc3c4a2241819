"""The page of the rounds edition: first screen, parts, cases. Imports ``quarter_counts``, ``first_screen``."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from taper_sim.briefs.brief_rows import PerThousand, ScreenRow, quantity_row
from taper_sim.briefs.first_screen import Aside, FirstScreen, Numbers, screen_values
from taper_sim.comparison.small_counts import CountInterval, share, share_difference
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.experiments.manifest import git_commit, versions_of
from taper_sim.report.methods import listed
from taper_sim.report.page_parts import PageSection, PageTable, rendered
from taper_sim.report.waiting_groups import group_name
from taper_sim.report.wording import number_text
from taper_sim.rounds.cases import CASE_REASONS, Case, cases_of
from taper_sim.rounds.logs import SOURCES, ClinicLogs, read_logs
from taper_sim.rounds.quarter_counts import (
    ADVERSE_KINDS,
    DECIDED_WITHIN_D,
    MEASURES,
    Quarter,
    QuarterCounts,
    comments_by_code,
    groups,
    last_day,
    quarter_of,
)
from taper_sim.rounds.small_cells import Cell, hidden_group, hidden_parts
from taper_sim.tables import UNREVIEWED

_HIDDEN: Final = f"<{SMALLEST_CELL}"
_ALERTS: Final = ("alerts", "Alerts answered in time", "% of alerts; by the urgency of the flag", False)
_DECIDED: Final = ("decided", "Offers decided in time", f"% of people with one; within {DECIDED_WITHIN_D} days", False)


def _screen_row(name: str, label: str, note: str, is_harm: bool) -> ScreenRow:
    return quantity_row(name, label, note, 0.0, "%", is_harm=is_harm, more_less=("points more", "points less"))


def _level(cell: Cell) -> PerThousand:
    """A share in % with Wilson's interval; a hidden cell counts as nobody."""
    interval = share(cell.count, cell.n)
    return PerThousand(
        100.0 * interval.estimate, 100.0 * interval.low, 100.0 * interval.high, "", 0 if cell.is_small else cell.n
    )


def _change(new: Cell, old: Cell) -> PerThousand:
    interval = share_difference((new.count, new.n), (old.count, old.n))
    n = 0 if new.is_small or old.is_small else min(new.n, old.n)
    return PerThousand(100.0 * interval.estimate, 100.0 * interval.low, 100.0 * interval.high, "", n)


def _cells(counts: QuarterCounts) -> dict[str, tuple[ScreenRow, Cell]]:
    """Row and counts of every measure in a quarter."""
    cells = {m.name: (_screen_row(m.name, m.label, m.note, m.is_harm), counts.people(m.name)) for m in MEASURES}
    if counts.logs.alerts:
        cells["alerts"] = (_screen_row(*_ALERTS), counts.alerts())
    if counts.logs.decisions:
        cells["decided"] = (_screen_row(*_DECIDED), counts.decisions())
    return cells


def rounds_numbers(new: QuarterCounts, old: QuarterCounts) -> Numbers:
    """Shares in a quarter and the quarter before, and their difference."""
    quarter, before = new.quarter, old.quarter
    now, then = _cells(new), _cells(old)
    levels: dict[tuple[str, str], PerThousand] = {}
    differences: dict[tuple[str, str], PerThousand] = {}
    rows = []
    for name, (row, cell) in now.items():
        earlier = then[name][1]
        if cell.n == 0:
            continue
        rows.append(row)
        levels[quarter.name, name] = _level(cell)
        if earlier.n:
            levels[before.name, name] = _level(earlier)
            differences[quarter.name, name] = _change(cell, earlier)
    columns = (quarter.name,)
    return Numbers({}, before.name, before.name, columns, columns, tuple(rows), levels, differences, {})


def _answer(counts: QuarterCounts, numbers: Numbers, cases: list[Case]) -> Iterator[str]:
    quarter = counts.quarter
    clear = []
    for row in numbers.rows:
        change = numbers.visible(quarter.name, row)
        if change is not None and (change.low > 0.0 or change.high < 0.0):
            side = "worse" if (change.mean > 0.0) == row.is_harm else "better"
            words = change.more_text(0, row.more_less)
            clear.append(f"“{row.label.lower()}” is {side} ({words}, {change.bounds_text(0)})")
    before = quarter.before.name
    if not any(numbers.visible(quarter.name, row) for row in numbers.rows):
        yield f"Too few people to compare {quarter.name} with {before}: small numbers are hidden."
    elif clear:
        yield f"Against {before}, in {quarter.name} {listed(clear)}."
    else:
        yield f"No measure is shown to differ between {before} and {quarter.name}: the intervals hold no difference."
    people = len(counts.care)
    yield f"{_few(people).capitalize()} people were in care in {quarter.name}, until {quarter.end:%d %B %Y}."
    yield f"To discuss: {_few(len({case.patient_id for case in cases}))} people, listed below by reason."


def _few(n: int) -> str:
    """A number of people; small ones are hidden."""
    return f"{n:,}" if n == 0 or n >= SMALLEST_CELL else f"fewer than {SMALLEST_CELL}"


def _by_reason(cases: list[Case]) -> Iterator[str]:
    counts = Counter(case.reason for case in cases)
    for reason in CASE_REASONS:
        if counts[reason]:
            yield f"{reason}: {_few(counts[reason])} people."
    if not cases:
        yield "Nobody is listed to discuss."


def _adverse(*quarters: QuarterCounts) -> tuple[PageTable, ...]:
    """People by kind of adverse event in both quarters; no hidden number follows from the total."""
    columns = {}
    for each in quarters:
        events = list(each.events.values())
        parts = {kind: sum(kind in interval for interval in events) for kind in ADVERSE_KINDS}
        total = sum(bool(interval) for interval in events)
        hidden = hidden_parts(parts, total)
        cells = [_HIDDEN if kind in hidden else f"{n:,}" for kind, n in parts.items()]
        columns[each.quarter.name] = [*cells, _shown(total)]
    rows = tuple(zip((*ADVERSE_KINDS, "Any of these"), *columns.values(), strict=True))
    caption = (
        "People with an emergency or same-day flag of red_flags.csv in a check-in of the quarter. A number that could "
        "be computed from the others is hidden too."
    )
    return (PageTable(caption, ("Adverse event", *columns), rows),)


def _shown(n: int) -> str:
    return _HIDDEN if 0 < n < SMALLEST_CELL else f"{n:,}"


_ACCESS_MEASURES: Final = tuple(m for m in MEASURES if m.name in ("adverse", "checkins"))


def _equity(counts: QuarterCounts) -> tuple[tuple[str, ...], tuple[PageTable, ...]]:
    """Each group against everybody else in the last quarter."""
    rows, apart = [], []
    everybody = frozenset(counts.logs.histories)
    of: dict[str, Any] = {m.label: lambda only, m=m: counts.people(m.name, only) for m in _ACCESS_MEASURES}
    if counts.logs.alerts:
        of[_ALERTS[1]] = counts.alerts
    for attribute, level, members in groups(counts.logs):
        cells = []
        for label, cell_of in of.items():
            mine, others = cell_of(members), cell_of(everybody - members)
            if hidden_group(mine, others):
                cells.append(_HIDDEN)
                continue
            gap = share_difference((mine.count, mine.n), (others.count, others.n))
            cells.append(_gap_text(mine, others, gap))
            if gap.low > 0.0 or gap.high < 0.0:
                side = "more" if gap.estimate > 0.0 else "less"
                apart.append(
                    f"{_group(attribute, level)}: {label.lower()} {side} often than for the others, "
                    f"{_points(gap)} percentage points."
                )
        rows.append((_group(attribute, level), *cells))
    if not rows:
        return ("The folder has no characteristics of patients, so equity of access is not reported.",), ()
    if not apart:
        apart = ["No group is shown to differ from the others: the intervals hold no difference, or numbers are small."]
    caption = (
        "% of the group, % of everybody else, and the difference in percentage points with Newcombe's 95 % interval. "
        "Both are hidden if either is small. With many cells some differ by chance."
    )
    return tuple(apart), (PageTable(caption, ("People", *of), tuple(rows)),)


def _group(attribute: str, level: str) -> str:
    if attribute == "modality":
        return f"visits by {level}"
    name = group_name(f"{attribute}={level}")
    return name if name.startswith("people") else f"people with {name}"


def _points(gap: CountInterval) -> str:
    low, high = (number_text(100.0 * end, 0, signed=True) for end in (gap.low, gap.high))
    return f"{number_text(100.0 * gap.estimate, 0, signed=True)} ({low} to {high})"


def _gap_text(mine: Cell, others: Cell, gap: CountInterval) -> str:
    first, second = (number_text(100.0 * cell.count / cell.n, 0) for cell in (mine, others))
    return f"{first} and {second}: {_points(gap)}"


def _feedback(logs: ClinicLogs, quarter: Quarter) -> tuple[PageTable, ...]:
    """People by code of their feedback, of patients and of caregivers, in both quarters."""
    if not logs.codes:
        return ()
    columns = {}
    for source in SOURCES:
        for each in (quarter.before, quarter):
            parts = comments_by_code(logs, each, source)
            people = {c.patient_id for c in logs.comments if c.source == source and each.has(c.day)}
            hidden = hidden_parts(parts, len(people))
            columns[f"{source}s, {each.name}"] = [_HIDDEN if code in hidden else f"{n:,}" for code, n in parts.items()]
    rows = tuple(zip(logs.codes.values(), *columns.values(), strict=True))
    caption = "People with a comment of this code in the quarter; a person counts once a code."
    return (PageTable(caption, ("Feedback", *columns), rows),)


def _case_table(cases: list[Case]) -> tuple[PageTable, ...]:
    if not cases:
        return ()
    rows = tuple((case.reason, case.patient_id, case.why) for case in cases)
    return (PageTable("By reason, then by id, from the records on the last day.", ("Reason", "Patient", "Why"), rows),)


def rounds_screen(logs: ClinicLogs) -> tuple[FirstScreen, tuple[PageSection, ...]]:
    """First screen and parts of a folder of logs."""
    end = last_day(logs)
    quarter = quarter_of(end, end)
    new, old = QuarterCounts(logs, quarter), QuarterCounts(logs, quarter.before)
    numbers = rounds_numbers(new, old)
    cases = cases_of(logs, end)
    gaps, gap_tables = _equity(new)
    asides = (
        Aside("To discuss", tuple(_by_reason(cases))),
        Aside("Equity of access", gaps),
        Aside("What this page cannot say", (*logs.notes, "Why a number changed: the people of the quarters differ.")),
    )
    screen = FirstScreen(
        numbers,
        tuple(_answer(new, numbers, cases)),
        "",
        f"{quarter.before.name} and {quarter.name}, % of people or of alerts",
        "Large: the share. Below: the difference from the quarter before, in percentage points, with the 95 % interval "
        "(Wilson, Newcombe). A filled mark: the interval is clear of no difference.",
        asides,
        (f"{_HIDDEN}: hidden, because the number, or the rest, is 1 to {SMALLEST_CELL - 1} (assumption A133).",),
        {quarter.name: f"until {quarter.end.isoformat()}"},
    )
    sections = (
        PageSection(
            "cases",
            "Cases to discuss",
            ("This part has patients' ids. It is for the care team, and it is not in print.",),
            _case_table(cases),
            is_printed=False,
        ),
        PageSection("adverse", "Adverse events", (), _adverse(old, new)),
        PageSection("equity", "Equity of access", gaps, gap_tables),
        PageSection("feedback", "Feedback of patients and caregivers", (), _feedback(logs, quarter)),
        PageSection("definitions", "Definitions", tuple(_definitions())),
    )
    return screen, sections


def _definitions() -> Iterator[str]:
    yield (
        "In care: from the first record to the last, or while a dose is in force. A quarter is a calendar quarter, cut "
        "at the last day of the records."
    )
    for measure in MEASURES:
        yield f"{measure.label}: {measure.note}."
    yield f"{_ALERTS[1]}: an emergency within 1 hour, a same-day flag within 24 hours, then 72 hours and 28 days."
    yield (
        "Intervals take the people of two quarters as different people. Where they are the same, the interval of the "
        "difference is too wide rather than too narrow."
    )


def rounds_page(folder: Path) -> tuple[FirstScreen, str]:
    """First screen and page of a folder of logs.

    Raises
    ------
    InputError
        For every problem of the files.
    """
    logs = read_logs(folder)
    screen, sections = rounds_screen(logs)
    record: dict[str, Any] = {
        "clinical_review": UNREVIEWED,
        "git_commit": git_commit(),
        "versions": versions_of("taper-sim", "pandas", "scipy"),
        "inputs_sha256": logs.files,
    }
    text = rendered(
        "run.html.jinja",
        record,
        title="Rounds",
        question="What changed since the last quarter, and whom should we discuss?",
        subject="rounds edition",
        cautions=(
            f"{UNREVIEWED.capitalize()}.",
            "A clinic's own records: an audit, not a study. A difference may come from who was in care.",
        ),
        **screen_values(screen),
        sections=[section for section in sections if not section.is_empty],
    )
    return screen, text
