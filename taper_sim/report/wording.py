"""Numbers, roles and kinds of work as the clinic's pages and figures show them. Imports ``clinic.team``."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from taper_sim.clinic.team import ROLES

_NAMES: Final[Mapping[str, str]] = {"np_pa": "NP/PA", "pt": "physical therapist"}


def words(name: str) -> str:
    """A role or kind of work in words: ``social_worker`` is *social worker*."""
    return _NAMES.get(name) or name.replace("alert_", "alert: ").replace("_", " ").replace("checkin", "check-in")


def in_words(text: str) -> str:
    """A text with every role in it in words, such as the name of a person or of a team."""
    return " ".join(words(part) if part in ROLES else part for part in text.split(" "))


def number(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """Thousands set apart, no sign before nothing; a dash where there is no number."""
    if pd.isna(value):
        return "-"
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return text.lstrip("+-") if is_nothing(value, digits) else text


def is_nothing(value: float, digits: int) -> bool:
    """Whether a number is 0 as it is shown."""
    return round(value, digits) == 0.0


def interval(value: float, low: float, high: float, digits: int = 1, *, signed: bool = False) -> str:
    """A number and its interval in brackets; one replication has none."""
    shown, *ends = (number(one, digits, signed=signed) for one in (value, low, high))
    return shown if pd.isna(low) else f"{shown} ({ends[0]} to {ends[1]})"


def percent(share: float, digits: int = 0) -> str:
    """A share of one as per cent."""
    return f"{number(100.0 * share, digits)} %"


def count(n: int, what: str) -> str:
    """So many of something: *1 replication*, *3 replications*."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
