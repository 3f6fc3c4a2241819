"""Wording that the first screen of a recommendation and its details share. Imports nothing of the package."""

import textwrap
from collections.abc import Sequence
from typing import Any, Final

WIDTH: Final = 100
_LEAST, _MOST = 0.01, 0.99


def chance_in_words(p: float | None) -> str:
    """A chance in percent; below 1 % and above 99 % in words, because neither is 0 or 1."""
    if p is None:
        return "-"
    if p < _LEAST:
        return "under 1 %"
    return "over 99 %" if p > _MOST else f"{100 * p:.0f} %"


def interval_in_words(p: float | None, low: float | None, high: float | None) -> str:
    """A chance and its 90 % interval, in percent."""
    if p is None or low is None or high is None:
        return "-"
    return f"{chance_in_words(p)} ({100 * low:.0f} to {100 * high:.0f})"


def _plain(text: str) -> str:
    """A text of which every letter can be printed."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def filled(text: str, indent: str = "") -> str:
    """A paragraph, wrapped; what cannot be printed becomes a blank."""
    return textwrap.fill(_plain(text), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def point(text: str, indent: str = "  ") -> str:
    """A text as a point of a list, wrapped; what cannot be printed becomes a blank."""
    plain = _plain(text)
    return textwrap.fill(plain, WIDTH, initial_indent=f"{indent}- ", subsequent_indent=f"{indent}  ")


def amount_in_words(row: dict[str, Any]) -> str:
    """Dose of a row of a schedule or of the doses, in its own unit."""
    per_day = row["dose_mg_per_day"]
    return f"{per_day:g} mg a day" if per_day is not None else f"{row['dose_mcg_per_h']:g} mcg/h"


def dose_in_words(row: dict[str, Any]) -> str:
    """A dose in force: drug, amount, equivalents, since when."""
    equal = f" ({row['equivalents']:g} {row['equivalents_unit']})" if row["equivalents"] is not None else ""
    most = ", at most, as needed" if row["as_needed"] else ""
    return f"{row['drug']} {row['formulation']} {amount_in_words(row)}{equal}{most}, since {row['since']}"


def points_of_schedule(rows: Sequence[dict[str, Any]], indent: str) -> list[str]:
    """A line for each change of a schedule: date, drug, dose, tablets."""
    return [
        textwrap.fill(
            f"{row['date']}: {row['drug']} {row['formulation']} {amount_in_words(row)}: {row['tablets']}",
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
        )
        for row in rows
    ]
