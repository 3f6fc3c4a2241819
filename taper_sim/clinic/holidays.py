"""Public holidays: United States federal holidays by rule, and a reader of a list. Imports ``data.problems``."""

import csv
import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from taper_sim.data.problems import InputError, Problem, problem, shown

MAX_HOLIDAYS: Final = 5000
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_FIXED: Final = ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))
"""Month and day. Source: 5 U.S.C. 6103(a); 19 June since 2021."""
_NTH: Final = ((1, _MONDAY, 3), (2, _MONDAY, 3), (9, _MONDAY, 1), (10, _MONDAY, 2), (11, _THURSDAY, 4))
"""Month, weekday and its number in the month. Source: 5 U.S.C. 6103(a)."""
_JUNETEENTH_SINCE: Final = 2021


def us_federal_holidays(first: dt.date, last: dt.date) -> frozenset[dt.date]:
    """Days off on which United States federal holidays are observed, from ``first`` to ``last``.

    A holiday on a Saturday is observed on the Friday before, one on a Sunday on the Monday after. Source: 5 U.S.C.
    6103; Executive Order 11582.
    """
    days = (day for year in range(first.year, last.year + 2) for day in _of_year(year))
    return frozenset(day for day in days if first <= day <= last)


def _of_year(year: int) -> Iterable[dt.date]:
    for month, day in _FIXED:
        if month != 6 or year >= _JUNETEENTH_SINCE:
            date = dt.date(year, month, day)
            yield date + dt.timedelta({_SATURDAY: -1, _SUNDAY: 1}.get(date.weekday(), 0))
    for month, weekday, number in _NTH:
        first = dt.date(year, month, 1)
        yield first + dt.timedelta((weekday - first.weekday()) % 7 + 7 * (number - 1))
    last = dt.date(year, 5, 31)  # Memorial Day: the last Monday of May
    yield last - dt.timedelta((last.weekday() - _MONDAY) % 7)


def read_holidays(path: Path) -> tuple[dt.date, ...]:
    """Read public holidays from a CSV file with a column ``date`` (such as 2026-12-25); other columns are free text.

    Raises
    ------
    InputError
        With one problem for each invalid or repeated date.
    """
    file = str(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            lines = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error):
        given = "a file that is not text" if path.is_file() else "no such file"
        raise problem(file, "", given, "a CSV file with a column date") from None
    if not lines or "date" not in lines[0]:
        raise problem(file, "row 1", "no column date, or no row", "a column date with a day such as 2026-12-25 a row")
    if len(lines) > MAX_HOLIDAYS:
        raise problem(file, "", f"{len(lines):,} rows", f"at most {MAX_HOLIDAYS:,}")
    problems: list[Problem] = []
    rows: dict[dt.date, int] = {}
    for number, line in enumerate(lines, start=2):
        text = (line["date"] or "").strip()
        try:
            date = dt.date.fromisoformat(text)
        except ValueError:
            problems.append(Problem(file, f"row {number}, date", shown(text), "a day such as 2026-12-25"))
            continue
        if date in rows:
            problems.append(Problem(file, f"row {number}, date", f"{date}, as in row {rows[date]}", "each day once"))
        rows.setdefault(date, number)
    if problems:
        raise InputError(problems)
    return tuple(rows)


def days_of_study(dates: Iterable[dt.date], first_day: dt.date) -> frozenset[int]:
    """Days of the study (1 is ``first_day``) of some dates; dates before it are left out."""
    return frozenset(number for date in dates if (number := (date - first_day).days + 1) >= 1)
