"""A team read from a spreadsheet: a row for each person and shift. Imports ``clinic.team``, ``clinic.work``.

Columns, in any order: ``name, role, weekdays, start, end`` and, where they apply, ``break_start, break_end, states,
stands_in_for, on_call, leave, cost_usd_h, skills``. Lists are separated by spaces or commas; weekdays may be a range
such as ``mon-fri``; leave is pairs of days of the study such as ``100-114``; skills are kinds of work, all if empty.
"""

import datetime as dt
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from taper_sim.clinic.calendars import WEEKDAYS, Shift
from taper_sim.clinic.team import QUEUES, ROLES, Team, Worker
from taper_sim.clinic.work import BY_NAME
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown

NEEDED: Final = ("name", "role", "weekdays", "start", "end")
OPTIONAL: Final = ("break_start", "break_end", "states", "stands_in_for", "on_call", "leave", "cost_usd_h", "skills")
MAX_ROWS: Final = 5000


def read_team(path: Path) -> Team:
    """Read a team from the first sheet of a workbook (``.xlsx``).

    Raises
    ------
    InputError
        With a line for each merged, missing or wrong cell.
    """
    from openpyxl import load_workbook  # here: few scenarios have a workbook, all load this module
    from openpyxl.utils.exceptions import InvalidFileException

    file = str(path)
    if not path.is_file():
        raise problem(file, "", "a folder" if path.is_dir() else "no such file", "a workbook (.xlsx)")
    try:
        sheet = load_workbook(path, data_only=True).worksheets[0]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError):
        raise problem(file, "", "a file that is no workbook", "a workbook (.xlsx)") from None
    merged = [
        Problem(file, f"cells {area.coord}", "merged cells", "one cell a value: split them and repeat the value")
        for area in sheet.merged_cells.ranges
    ]
    if merged:
        raise InputError(merged)
    if sheet.max_row > MAX_ROWS + 1:
        raise problem(file, "", f"{sheet.max_row - 1} rows", f"at most {MAX_ROWS}")
    lines = [list(line) for line in sheet.iter_rows(values_only=True)]
    columns = _columns(lines[0] if lines else [], file)
    problems: list[Problem] = []
    people: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, line in enumerate(lines[1:], start=2):
        cells = {name: line[k] if k < len(line) else None for name, k in columns.items()}
        if all(_text(value) == "" for value in cells.values()):
            continue
        missing = [name for name in NEEDED if _text(cells[name]) == ""]
        if missing:
            problems += [Problem(file, f"row {number}, {name}", "an empty cell", "a value") for name in missing]
            continue
        people.setdefault(_text(cells["name"]), []).append((number, cells))
    if not people and not problems:
        problems.append(Problem(file, "", "no people", "a row for each person and shift"))
    workers = [_worker(file, name, entries, problems) for name, entries in people.items()]
    if problems:
        raise InputError(problems)
    return Team(tuple(worker for worker in workers if worker is not None))


def _columns(header: list[Any], file: str) -> dict[str, int]:
    names = [_text(cell).lower() for cell in header]
    known = (*NEEDED, *OPTIONAL)
    found = [
        Problem(file, f"row 1, column {k + 1}", f"{shown(name)}, an unknown column{nearest(name, known)}",
                ", ".join(known))
        for k, name in enumerate(names)
        if name and name not in known
    ]  # fmt: skip
    found += [Problem(file, "row 1", f"column {name} twice", "each column once") for name in sorted(
        {name for name in names if name and names.count(name) > 1})]  # fmt: skip
    found += [Problem(file, "row 1", f"no column {name}", ", ".join(NEEDED)) for name in NEEDED if name not in names]
    if found:
        raise InputError(found)
    return {name: names.index(name) for name in names if name}


def _worker(file: str, name: str, entries: list[tuple[int, dict[str, Any]]], problems: list[Problem]) -> Worker | None:
    before = len(problems)
    shifts, leave = [], []
    number, first = entries[0]
    role = ROLES.get(_text(first["role"]).lower())
    if role is None:
        given = f"{shown(_text(first['role']))}, which is no role{nearest(_text(first['role']), ROLES)}"
        problems.append(Problem(file, f"row {number}, role", given, f"one of {', '.join(ROLES)}"))
    for row, cells in entries:
        if _text(cells["role"]).lower() != _text(first["role"]).lower():
            problems.append(Problem(file, f"row {row}, role", f"another role of {shown(name)}", "one role a person"))
        try:
            shift = _shift(cells)
            found = shift.problems(file, f"row {row}")
            problems += found
            shifts.append(shift)
            leave += _spans(cells.get("leave"))
        except ValueError as error:
            given, _, allowed = str(error).partition("; allowed: ")
            problems.append(Problem(file, f"row {row}", given, allowed))
    stands_in = tuple(_listed(first.get("stands_in_for")))
    for queue in stands_in:
        if queue not in QUEUES:
            given = f"{shown(queue)}, whose work is unknown{nearest(queue, QUEUES)}"
            problems.append(Problem(file, f"row {number}, stands_in_for", given, ", ".join(QUEUES)))
    skills = _listed(first.get("skills"))
    for kind in skills:
        if kind not in BY_NAME:
            given = f"{shown(kind)}, which is no kind of work{nearest(kind, BY_NAME)}"
            problems.append(Problem(file, f"row {number}, skills", given, ", ".join(BY_NAME)))
    cost = first.get("cost_usd_h")
    if _text(cost) != "" and not (isinstance(cost, int | float) and cost >= 0):
        problems.append(Problem(file, f"row {number}, cost_usd_h", shown(_text(cost)), "a number of at least 0"))
    if len(problems) > before or role is None:
        return None
    states = frozenset(_listed(first.get("states"))) or None
    usd = float(cost) if isinstance(cost, int | float) else role.cost_usd_h
    return Worker(name, role, tuple(shifts), tuple(leave), states, stands_in, usd, frozenset(skills) or None)


def _shift(cells: Mapping[str, Any]) -> Shift:
    start, end = minutes_of(cells["start"], "start"), minutes_of(cells["end"], "end")
    breaks: tuple[tuple[float, float], ...] = ()
    edges = [_text(cells.get(name)) for name in ("break_start", "break_end")]
    if any(edges):
        if not all(edges):
            raise ValueError("half a break; allowed: both break_start and break_end, or neither")
        breaks = ((minutes_of(cells["break_start"], "break_start"), minutes_of(cells["break_end"], "break_end")),)
    on_call = _text(cells.get("on_call")).lower()
    if on_call not in ("", "0", "1", "no", "yes", "false", "true"):
        raise ValueError(f"on_call {shown(on_call)}; allowed: yes or no")
    return Shift(weekdays_of(_text(cells["weekdays"])), start, end, breaks, on_call in ("1", "yes", "true"))


def weekdays_of(text: str) -> tuple[int, ...]:
    """Weekdays of a text such as ``mon-fri`` or ``mon wed``; ValueError where there are none."""
    found: list[int] = []
    for part in re.split(r"[,\s]+", text.strip().lower()):
        first, _, last = part.partition("-")
        if first not in WEEKDAYS or (last and last not in WEEKDAYS):
            raise ValueError(f"weekdays {shown(text)}; allowed: {', '.join(WEEKDAYS)}, or a range such as mon-fri")
        k = WEEKDAYS.index(first)
        stop = WEEKDAYS.index(last) if last else k
        found += [(k + i) % 7 for i in range((stop - k) % 7 + 1)]
    return tuple(sorted(set(found)))


def minutes_of(value: Any, name: str) -> float:
    """Minutes after midnight of a time (a cell's or a text hh:mm, 24:00 and more on the next day)."""
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
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"leave {shown(part)}; allowed: days of the study such as 100-114")
        spans.append((int(match[1]), int(match[2] or match[1])))
    return spans


def _listed(value: Any) -> list[str]:
    return [part for part in re.split(r"[,;\s]+", _text(value)) if part]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
