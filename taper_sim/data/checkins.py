"""Reads check-ins from a long CSV: ``patient_id,date,instrument,value``. Imports ``data``, ``tables``.

An instrument is a row of scales.csv or a reported variable of variables.csv. A value outside its scale is an error,
never rescaled. :mod:`taper_sim.data.reading` documents repeated reports of a day, late entries and gaps.
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
    """Scale of an instrument: ends (both included), unit in words, recall period in days."""

    name: str
    low: float
    high: float
    boolean: bool
    recall_d: int
    unit: str


@cache
def scales() -> Mapping[str, Scale]:
    """Scales of all instruments by name: rows of scales.csv first, then of variables.csv."""
    by_instrument: dict[str, Scale] = {}
    units = {row["name"]: row["unit"] for row in tables.read("variables").rows}
    for row in tables.read("scales").rows:
        if row["min"] and row["max"]:
            recall = int(float(row["recall_days"])) if row["recall_days"] else 1
            by_instrument[row["instrument"]] = Scale(
                row["instrument"],
                float(row["min"]),
                float(row["max"]),
                False,
                max(recall, 1),
                units.get(row["instrument"]) or "points",
            )
    for row in tables.read("variables").rows:
        if row["name"] not in by_instrument:
            boolean = row["type"] == "boolean"
            low, high = float(row["min"] or "-inf"), float(row["max"] or "inf")
            by_instrument[row["name"]] = Scale(row["name"], low, high, boolean, 1, row["unit"])
    return by_instrument


@lru_cache(maxsize=100_000)
def the_date(text: str) -> date | None:
    """Parse a date written as ``2026-01-31``, years 1900 to 2200; else None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        return None
    return parsed if FIRST_YEAR <= parsed.year <= LAST_YEAR else None


DATE_ALLOWED: Final = f"a date that exists, written as 2026-01-31, years {FIRST_YEAR} to {LAST_YEAR}"


def value_problem(scale: Scale, text: str) -> tuple[float, str]:
    """Value of a report, and the allowed values if the text is invalid (else an empty text)."""
    allowed = "0 or 1" if scale.boolean else f"{scale.low:g} to {scale.high:g} {scale.unit}".rstrip()
    word = text.strip().lower()
    if scale.boolean and word in ("true", "yes", "false", "no"):
        return float(word in ("true", "yes")), ""
    try:
        value = float(word)
    except ValueError:
        return float("nan"), allowed
    valid = value in (0.0, 1.0) if scale.boolean else scale.low <= value <= scale.high
    return value, "" if valid else allowed


def read_checkins(path: Path) -> dict[str, tuple[CheckIn, ...]]:
    """Read a file of check-ins.

    Returns
    -------
    dict of str to tuple of CheckIn
        By patient, in canonical order; identical rows are kept once.

    Raises
    ------
    InputError
        Every problem with file, row and column.
    """
    table = read_csv(path, None)  # a file without reports is allowed
    bad = Problems(str(path))
    for column in CHECKIN_COLUMNS:
        if column not in table.columns:
            close = nearest(column, table.columns)
            bad.add_text("header", f"no column {column}{close}", f"the columns {', '.join(CHECKIN_COLUMNS)}")
    bad.raise_if_any()
    known_scales = scales()
    has_entered = "entered" in table.columns
    reports: dict[str, set[CheckIn]] = {}
    columns = [table[c].tolist() for c in CHECKIN_COLUMNS]
    entries = table["entered"].tolist() if has_entered else [""] * len(table)
    for number, (patient_id, when, instrument, text, entry) in enumerate(zip(*columns, entries, strict=True), start=2):
        place, before = f"row {number}", bad.count
        if not patient_id:
            bad.add(f"{place}, patient_id", "nothing", "an id")
        day = the_date(when)
        if day is None:
            bad.add(f"{place}, date", when or "nothing", DATE_ALLOWED)
        entered = the_date(entry) if entry else None
        if entry and (entered is None or (day is not None and entered < day)):
            bad.add(f"{place}, entered", entry, f"{DATE_ALLOWED}, not before the day of the report")
        scale = known_scales.get(instrument)
        if scale is None:
            given = "" if bad.full else f"{shown(instrument) or 'nothing'}{nearest(instrument, known_scales)}"
            bad.add_text(f"{place}, instrument", given, "an instrument of scales.csv or a reported variable")
            continue
        value, allowed = value_problem(scale, text)
        if allowed:
            bad.add(f"{place}, value", f"{text or 'nothing'} ({instrument})", allowed)
        if bad.count == before and day is not None:
            reports.setdefault(patient_id, set()).add(
                CheckIn(day, instrument, value, entered=entered, where=f"{path.name}, {place}")
            )
    bad.raise_if_any()
    return {patient_id: tuple(sorted(reports[patient_id])) for patient_id in sorted(reports)}
