"""Check-ins from a long CSV: ``patient_id,date,instrument,value``. Imports ``data``, ``tables``.

An instrument is one of scales.csv or a variable of variables.csv that is reported; a value off its scale is an error,
never rescaled. How two reports of a day, late entries and gaps are read: :mod:`taper_sim.data.reading`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from taper_sim import tables
from taper_sim.data.csv_input import Problems, read_csv
from taper_sim.data.problems import nearest, shown
from taper_sim.data.records import CheckIn

CHECKIN_COLUMNS: Final = ("patient_id", "date", "instrument", "value")
FIRST_YEAR, LAST_YEAR = 1900, 2200
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Scale:
    """What a reported value may be: ends (both included), unit in words, days its question looks back."""

    name: str
    low: float
    high: float
    boolean: bool
    recall_d: int
    unit: str


@cache
def scales() -> Mapping[str, Scale]:
    """Everything that may be reported, by instrument: scales.csv first, then variables.csv."""
    found: dict[str, Scale] = {}
    units = {row["name"]: row["unit"] for row in tables.read("variables").rows}
    for row in tables.read("scales").rows:
        if row["min"] and row["max"]:
            recall = int(float(row["recall_days"])) if row["recall_days"] else 1
            found[row["instrument"]] = Scale(
                row["instrument"],
                float(row["min"]),
                float(row["max"]),
                False,
                max(recall, 1),
                units.get(row["instrument"]) or "points",
            )
    for row in tables.read("variables").rows:
        if row["name"] not in found:
            boolean = row["type"] == "boolean"
            low, high = float(row["min"] or "-inf"), float(row["max"] or "inf")
            found[row["name"]] = Scale(row["name"], low, high, boolean, 1, row["unit"])
    return found


@lru_cache(maxsize=100_000)
def the_date(text: str) -> date | None:
    """A date written as ``2026-01-31`` in the years that may be meant, else None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None


DATE_ALLOWED: Final = f"a date that exists, written as 2026-01-31, years {FIRST_YEAR} to {LAST_YEAR}"


def value_problem(scale: Scale, text: str) -> tuple[float, str]:
    """The value of a report, and what is allowed if it is not one (else an empty text)."""
    allowed = "0 or 1" if scale.boolean else f"{scale.low:g} to {scale.high:g} {scale.unit}".rstrip()
    word = text.strip().lower()
    if scale.boolean and word in ("true", "yes", "false", "no"):
        return float(word in ("true", "yes")), ""
    try:
        value = float(word)
    except ValueError:
        return float("nan"), allowed
    right = value in (0.0, 1.0) if scale.boolean else scale.low <= value <= scale.high
    return value, "" if right else allowed


def read_checkins(path: Path) -> dict[str, tuple[CheckIn, ...]]:
    """Read a file of check-ins.

    Returns
    -------
    dict of str to tuple of CheckIn
        By patient, in canonical order; rows that say the same twice are kept once.

    Raises
    ------
    InputError
        Every problem with file, row and column.
    """
    table = read_csv(path, None)  # nobody has answered yet: that is allowed
    bad = Problems(str(path))
    for column in CHECKIN_COLUMNS:
        if column not in table.columns:
            close = nearest(column, table.columns)
            bad.said("header", f"no column {column}{close}", f"the columns {', '.join(CHECKIN_COLUMNS)}")
    bad.raise_if_any()
    known = scales()
    entered_there = "entered" in table.columns
    found: dict[str, set[CheckIn]] = {}
    columns = [table[c].tolist() for c in CHECKIN_COLUMNS]
    entries = table["entered"].tolist() if entered_there else [""] * len(table)
    for number, (patient_id, when, instrument, text, entry) in enumerate(zip(*columns, entries, strict=True), start=2):
        place, before = f"row {number}", bad.count
        if not patient_id:
            bad.add(f"{place}, patient_id", "nothing", "an id")
        day = the_date(when)
        if day is None:
            bad.add(f"{place}, date", when or "nothing", DATE_ALLOWED)
        entered = the_date(entry) if entry else None
        if entry and (entered is None or (day is not None and entered < day)):
            bad.add(f"{place}, entered", entry, f"{DATE_ALLOWED}, not before the day it is about")
        scale = known.get(instrument)
        if scale is None:
            given = "" if bad.full else f"{shown(instrument) or 'nothing'}{nearest(instrument, known)}"
            bad.said(f"{place}, instrument", given, "an instrument of scales.csv or a reported variable")
            continue
        value, allowed = value_problem(scale, text)
        if allowed:
            bad.add(f"{place}, value", f"{text or 'nothing'} ({instrument})", allowed)
        if bad.count == before and day is not None:
            found.setdefault(patient_id, set()).add(
                CheckIn(day, instrument, value, entered=entered, where=f"{path.name}, {place}")
            )
    bad.raise_if_any()
    return {patient_id: tuple(sorted(found[patient_id])) for patient_id in sorted(found)}
