"""Numbers to call in a crisis, by country. Imports ``tables``.

A country without a row has no number: the paper then says "the emergency number of your country".
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

from taper_sim import tables

DEFAULT_COUNTRY: Final = "US"
"""Country of a paper whose form states none. A design choice: the tables of drugs follow US labels."""
_TABLE: Final = "crisis_numbers"


@dataclass(frozen=True)
class CrisisLines:
    """Numbers of a country: emergency, advice by telephone, crisis line; empty where the table has none."""

    emergency: str = ""
    advice: str = ""
    crisis: str = ""


@cache
def countries() -> tuple[str, ...]:
    """ISO 3166 codes of the table, in its order."""
    return tuple(dict.fromkeys(row["country"] for row in tables.read(_TABLE).rows))


@cache
def crisis_lines(country: str) -> CrisisLines:
    """Numbers of a country."""
    rows = {row["service"]: row["number"] for row in tables.read(_TABLE).rows if row["country"] == country}
    return CrisisLines(rows.get("emergency", ""), rows.get("advice", ""), rows.get("crisis", ""))


@cache
def lines_reviewed() -> bool:
    """Whether a licensed person has reviewed every number."""
    return tables.review_status(tables.read(_TABLE).rows) == tables.REVIEWED
