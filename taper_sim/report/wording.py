"""Text of numbers, roles and kinds of work in the clinic's reports. Imports ``clinic.team``."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from taper_sim.clinic.team import ROLES

_NAMES: Final[Mapping[str, str]] = {
    "np_pa": "NP/PA",
    "pt": "physical therapist",
    "first_come": "first come, first served",
}


def name_text(name: str) -> str:
    """A role or kind of work in words: ``social_worker`` is *social worker*."""
    return _NAMES.get(name) or name.replace("alert_", "alert: ").replace("_", " ").replace("checkin", "check-in")


def in_words(text: str) -> str:
    """A text, such as the name of a worker or of a team, with its roles in words."""
    return " ".join(name_text(part) if part in ROLES else part for part in text.split(" "))


def number_text(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """A number with a separator of thousands and without a sign of zero; a dash for a missing value."""
    if pd.isna(value):
        return "-"
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return text.lstrip("+-") if is_nothing(value, digits) else text


def is_nothing(value: float, digits: int) -> bool:
    """Whether a number rounds to 0."""
    return round(value, digits) == 0.0


def interval_text(value: float, low: float, high: float, digits: int = 1, *, signed: bool = False) -> str:
    """A number with its interval in brackets; without brackets for a missing interval."""
    shown, *ends = (number_text(part, digits, signed=signed) for part in (value, low, high))
    return shown if pd.isna(low) else f"{shown} ({ends[0]} to {ends[1]})"


def percent(share: float, digits: int = 0) -> str:
    """A share in per cent."""
    return f"{number_text(100.0 * share, digits)} %"


def count(n: int, what: str) -> str:
    """A count with its noun: *1 replication*, *3 replications*."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
