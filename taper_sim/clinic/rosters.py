"""Reader of a team's workbook: one row for each worker and shift. Imports ``clinic.team``, ``clinic.work``.

- Required columns, in any order: ``name, role, weekdays, start, end``.
- Optional columns: ``break_start, break_end, states, stands_in_for, on_call, on_holidays, leave, cost_usd_h,
  skills``.
- Lists are separated by spaces or commas. Weekdays may be a range such as ``mon-fri``.
- ``leave`` is a list of days of the study such as ``100-114``. ``skills`` are kinds of work; empty means all.
- ``states, stands_in_for, skills, cost_usd_h`` belong to the worker: later rows of a worker repeat them or are empty.
"""

import datetime as dt
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from taper_sim.clinic.calendars import WEEKDAYS, Shift
from taper_sim.clinic.team import MAX_COST_USD_H, QUEUES, ROLES, Team, Worker, who_may
from taper_sim.clinic.work import WORK_BY_NAME
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.units import LONGEST_D, WEEK_D

ROSTER_COLUMNS: Final = ("name", "role", "weekdays", "start", "end")
OPTIONAL_COLUMNS: Final = (
    "break_start",
    "break_end",
    "states",
    "stands_in_for",
    "on_call",
    "on_holidays",
    "leave",
    "cost_usd_h",
    "skills",
)
WORKER_COLUMNS: Final = ("states", "stands_in_for", "skills", "cost_usd_h")
"""Columns that belong to the worker, read from the worker's first row; all other columns belong to the row."""
MAX_ROWS: Final = 5000
MAX_UNPACKED_BYTES: Final = 100_000_000
"""A workbook of 5,000 rows unpacks to some megabytes."""


def read_team(path: Path) -> Team:
    """Read a team from the first worksheet of a workbook (``.xlsx``).

    Raises
    ------
    InputError
        With one problem for each merged, missing or invalid cell.
    """
    file = str(path)
    sheet, formulas = _sheets(path)
    merged = [
        Problem(file, f"cells {area.coord}", "merged cells", "one value per cell: split them and repeat the value")
        for area in sheet.merged_cells.ranges
    ]
    if merged:
        raise InputError(merged)
    lines = _lines(sheet)
    if len(lines.keys() - {1}) > MAX_ROWS:
        raise problem(file, "", f"{len(lines.keys() - {1})} rows", f"at most {MAX_ROWS}")
    wrong = _wrong_cells(sheet, formulas)
    if 1 in wrong:
        raise InputError(
            Problem(file, f"row 1, column {k}", error, "the name of a column") for k, error in wrong[1].items()
        )
    columns = _columns(lines.get(1, {}), file)
    problems: list[Problem] = []
    people: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    row_of: dict[tuple[object, ...], int] = {}
    for number in sorted((lines.keys() | wrong.keys()) - {1}):
        cells = {name: lines.get(number, {}).get(column) for name, column in columns.items()}
        errors = {name: wrong.get(number, {}).get(column) for name, column in columns.items()}
        if not any(errors.values()) and all(value is None for value in cells.values()):
            continue
        errors |= {name: errors[name] or "an empty cell" for name in ROSTER_COLUMNS if cells[name] is None}
        invalid = [Problem(file, f"row {number}, {name}", error, "a value") for name, error in errors.items() if error]
        problems += invalid
        if not invalid:
            content = _meaning(cells)
            if content in row_of:
                value = f"the same as row {row_of[content]}"
                problems.append(Problem(file, f"row {number}", value, "each worker and shift once"))
                continue
            row_of[content] = number
            people.setdefault(_text(cells["name"]), []).append((number, cells))
    if not people and not problems:
        problems.append(Problem(file, "", "no workers", "a row for each worker and shift"))
    workers = [_worker(file, name, entries, problems) for name, entries in people.items()]
    if problems:
        raise InputError(problems)
    return Team(tuple(worker for worker in workers if worker is not None))


def _sheets(path: Path) -> tuple[Any, Any]:
    """The first worksheet, with the stored values and with the formulas."""
    from openpyxl import load_workbook  # local: every scenario imports this module, few have a workbook

    value = "no such file"
    try:
        if path.is_file():
            _refuse_swelling(path)
            value = "a damaged file, or a file that is not a workbook"
            with path.open("rb") as book, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about styles and extensions, which contain no values
                values, formulas = (load_workbook(book, data_only=stored).worksheets[0] for stored in (True, False))
            return values, formulas
        if path.exists():
            value = "a folder" if path.is_dir() else "a device or another object that is not a file"
    except InputError:
        raise
    except PermissionError:
        value = "a file without read permission"
    except Exception:  # noqa: S110 - the exception depends on which part of the file is damaged
        pass
    raise problem(str(path), "", value, "a workbook (.xlsx)")


def _refuse_swelling(path: Path) -> None:
    """Refuse a workbook that takes far more room than its file, before any of it is unpacked."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as book:
        unpacked = sum(part.file_size for part in book.infolist())
    if unpacked > MAX_UNPACKED_BYTES:
        raise problem(
            str(path), "", f"a workbook that unpacks to {unpacked:,} bytes", f"at most {MAX_UNPACKED_BYTES:,}"
        )


def _lines(sheet: Any) -> dict[int, dict[int, Any]]:
    """Values of the non-empty cells, by row and column."""
    lines: dict[int, dict[int, Any]] = {}
    # iter_rows would create every cell up to the last formatted one
    for (row, column), cell in sorted(sheet._cells.items()):
        if _text(cell.value) != "":
            lines.setdefault(row, {})[column] = cell.value
    return lines


def _wrong_cells(sheet: Any, formulas: Any) -> dict[int, dict[int, str]]:
    """Invalid formulas by row and column: formulas without a stored value, and formulas with an error."""
    wrong: dict[int, dict[int, str]] = {}
    for (row, column), cell in sorted(formulas._cells.items()):
        stored = sheet._cells.get((row, column))
        if cell.data_type == "f" and (stored is None or stored.value is None):
            wrong.setdefault(row, {})[column] = "a formula whose value is not in the file"
        elif stored is not None and stored.data_type == "e":
            wrong.setdefault(row, {})[column] = f"the error {stored.value}"
    return wrong


def _columns(header: Mapping[int, Any], file: str) -> dict[str, int]:
    names = [_text(cell).lower() for cell in header.values()]
    valid = (*ROSTER_COLUMNS, *OPTIONAL_COLUMNS)
    problems = [
        Problem(
            file, f"row 1, column {column}", f"{shown(name)}, an unknown column{nearest(name, valid)}", ", ".join(valid)
        )
        for column, name in zip(header, names, strict=True)
        if name not in valid
    ]
    problems += [
        Problem(file, "row 1", f"column {name} twice", "each column once")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    problems += [
        Problem(file, "row 1", f"no column {name}", ", ".join(ROSTER_COLUMNS))
        for name in ROSTER_COLUMNS
        if name not in names
    ]
    if problems:
        raise InputError(problems)
    return dict(zip(names, header, strict=True))


def _worker(file: str, name: str, entries: list[tuple[int, dict[str, Any]]], problems: list[Problem]) -> Worker | None:
    before = len(problems)
    shifts, leave = [], []
    number, first = entries[0]
    role = ROLES.get(_text(first["role"]).lower())
    if role is None:
        value = f"{shown(_text(first['role']))}, an unknown role{nearest(_text(first['role']), ROLES)}"
        problems.append(Problem(file, f"row {number}, role", value, f"one of {', '.join(ROLES)}"))
    for row, cells in entries:
        if _text(cells["role"]).lower() != _text(first["role"]).lower():
            problems.append(Problem(file, f"row {row}, role", f"another role of {shown(name)}", "one role per worker"))
        problems += [
            Problem(
                file,
                f"row {row}, {column}",
                f"{shown(_text(cells[column]))}, where row {number} has {shown(_text(first[column])) or 'nothing'}",
                f"as in row {number}, or an empty cell",
            )
            for column in WORKER_COLUMNS
            if _listed(cells.get(column)) not in ([], _listed(first.get(column)))
        ]
        try:
            shift = _shift(cells)
            problems += shift.problems(file, f"row {row}")
            shifts.append(shift)
            leave += _spans(cells.get("leave"))
        except ValueError as error:
            value, _, allowed = str(error).partition("; allowed: ")
            problems.append(Problem(file, f"row {row}", value, allowed))
    stands_in = tuple(_listed(first.get("stands_in_for")))
    for queue in stands_in:
        if queue not in QUEUES:
            value = f"{shown(queue)}, an unknown queue{nearest(queue, QUEUES)}"
            problems.append(Problem(file, f"row {number}, stands_in_for", value, ", ".join(QUEUES)))
        elif role is not None and role.name not in who_may(queue):
            value = f"a {role.name} for the work of a {queue}"
            problems.append(Problem(file, f"row {number}, stands_in_for", value, f"{', '.join(who_may(queue))} only"))
    skills = _listed(first.get("skills"))
    for kind in skills:
        if kind not in WORK_BY_NAME:
            value = f"{shown(kind)}, an unknown kind of work{nearest(kind, WORK_BY_NAME)}"
            problems.append(Problem(file, f"row {number}, skills", value, ", ".join(WORK_BY_NAME)))
    cost = first.get("cost_usd_h")
    a_number = isinstance(cost, int | float) and not isinstance(cost, bool)
    if cost is not None and not (a_number and 0 <= cost <= MAX_COST_USD_H):
        allowed = f"a number from 0 to {MAX_COST_USD_H:,.0f}"
        problems.append(Problem(file, f"row {number}, cost_usd_h", shown(_text(cost)), allowed))
    if len(problems) > before or role is None:
        return None
    states = frozenset(_listed(first.get("states"))) or None
    usd = role.cost_usd_h if cost is None else float(cost)
    return Worker(name, role, tuple(shifts), tuple(leave), states, stands_in, usd, frozenset(skills) or None)


def _meaning(cells: Mapping[str, Any]) -> tuple[object, ...]:
    """What a row says, however it is spelt: *mon-fri* and *mon, tue, wed, thu, fri* are the same days."""
    shift_columns = ("weekdays", "start", "end", "break_start", "break_end", "on_call", "on_holidays")
    others = [name for name in (*ROSTER_COLUMNS, *OPTIONAL_COLUMNS) if name not in shift_columns]
    try:
        shift: object = _shift(cells)
    except ValueError:  # reported with the row's other problems
        shift = tuple(_text(cells.get(name)).lower() for name in shift_columns)
    return (shift, *(_text(cells.get(name)).lower() for name in others))


def _shift(cells: Mapping[str, Any]) -> Shift:
    start, end = minutes_of(cells["start"], "start"), minutes_of(cells["end"], "end")
    breaks: tuple[tuple[float, float], ...] = ()
    edges = [_text(cells.get(name)) for name in ("break_start", "break_end")]
    if any(edges):
        if not all(edges):
            raise ValueError("half a break; allowed: both break_start and break_end, or neither")
        breaks = ((minutes_of(cells["break_start"], "break_start"), minutes_of(cells["break_end"], "break_end")),)
    on_call, on_holidays = (_yes_or_no(cells, name) for name in ("on_call", "on_holidays"))
    return Shift(weekdays_of(_text(cells["weekdays"])), start, end, breaks, on_call, on_holidays)


def _yes_or_no(cells: Mapping[str, Any], name: str) -> bool:
    given = _text(cells.get(name)).lower()
    if given not in ("", "0", "1", "no", "yes", "false", "true"):
        raise ValueError(f"{name} {shown(given)}; allowed: yes or no")
    return given in ("1", "yes", "true")


def weekdays_of(text: str) -> tuple[int, ...]:
    """Weekdays of a text such as ``mon-fri`` or ``mon wed``; raises ValueError for any other text."""
    weekdays: list[int] = []
    for part in re.split(r"[,\s]+", text.strip().lower()):
        first, _, last = part.partition("-")
        if first not in WEEKDAYS or (last and last not in WEEKDAYS):
            raise ValueError(f"weekdays {shown(text)}; allowed: {', '.join(WEEKDAYS)}, or a range such as mon-fri")
        k = WEEKDAYS.index(first)
        stop = WEEKDAYS.index(last) if last else k
        weekdays += [(k + i) % WEEK_D for i in range((stop - k) % WEEK_D + 1)]
    return tuple(sorted(set(weekdays)))


def minutes_of(value: Any, name: str) -> float:
    """Minutes after midnight of a time: a cell's value or a text hh:mm; 24:00 and later are on the next day."""
    if isinstance(value, dt.time):
        return value.hour * 60.0 + value.minute
    if isinstance(value, dt.timedelta):
        return value.total_seconds() / 60.0
    match = re.fullmatch(r"(\d{1,2}):(\d{2})(?::00)?", _text(value))
    if match is None or int(match[2]) > 59 or int(match[1]) > 48:
        raise ValueError(f"{name} {shown(_text(value))}; allowed: a time such as 08:30")
    return int(match[1]) * 60.0 + int(match[2])


def _spans(value: Any) -> list[tuple[int, int]]:
    spans = []
    for part in _listed(value):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        first, last = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
        if not 1 <= first <= last <= LONGEST_D:
            raise ValueError(f"leave {shown(part)}; allowed: days of the study, 1 to {LONGEST_D}, such as 100-114")
        spans.append((first, last))
    return spans


def _listed(value: Any) -> list[str]:
    return [part for part in re.split(r"[,;\s]+", _text(value)) if part]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
