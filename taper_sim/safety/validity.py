"""Validity periods of reports, and the choice among reports of one day. Imports ``data``, ``tables``.

The periods are those of the table in docs/red-flags.md. An expired report leaves its variable unknown, never false.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from taper_sim import tables
from taper_sim.data.checkins import scales

REPORT_KEEPS_D: Final = 7
"""Shortest validity of an answer, days; longer if the recall period is longer. A design choice."""
ALARM_KEEPS_D: Final = 28
"""Validity of a reported alarm, days, unless a later answer withdraws it. A design choice: alarms persist."""
ASK_AGAIN_D: Final = 90
"""Validity of consent and of a negative pregnancy answer, days; the opposite answers are alarms. A design choice."""
STANDING_KEEPS_D: Final = 365
"""Validity of a questionnaire without recall period (``recall_days`` empty), days. A design choice."""
_KEEPS_BY_SOURCE: Final = {"baseline": 36_500, "lab": 365, "order": 90}
ASK_AGAIN: Final = frozenset({"pregnant", "patient_agreed_to_taper"})
_PERIOD = re.compile(r"_(\d+)d$")
SAFER_TRUE: Final = frozenset(
    {
        "naloxone_at_home",
        "patient_agreed_to_taper",
        "pdmp_checked_90d",
        "emergency_contact_recorded",
        "location_recorded",
    }
)
USUAL_SIGNS: Final = {"resp_rate": 16.0, "hr": 75.0, "sbp": 120.0, "temp_c": 37.0, "spo2": 100.0}
"""Usual values of signs that are worse on both sides: of two values the one farther from it is worse."""


@cache
def variable_rows() -> Mapping[str, tables.Row]:
    """Rows of variables.csv by name."""
    return {row["name"]: row for row in tables.read("variables").rows}


@cache
def keeps_for_d(name: str) -> int:
    """Validity of a report of a variable, days, without extension for alarms (see :func:`keeps_value_for_d`)."""
    row = variable_rows().get(name)
    source = row["source"] if row is not None else "check-in"
    period = _PERIOD.search(name)
    if source == "order" and period is not None:  # "in the last 14 days" does not cover the following day
        return int(period[1])
    standing = any(r["instrument"] == name and not r["recall_days"] for r in tables.read("scales").rows)
    recall = STANDING_KEEPS_D if standing else scales()[name].recall_d if name in scales() else 1
    return _KEEPS_BY_SOURCE.get(source, max(REPORT_KEEPS_D, recall))


@cache
def is_asked(name: str) -> bool:
    """Whether a variable is an answer or a device reading of a day, not a fact that holds until it is changed."""
    row = variable_rows().get(name)
    return row is None or row["source"] in ("check-in", "device")


def worse(name: str, values: list[float]) -> float:
    """The most adverse of several values of one day; a derived variable has the direction of its instrument."""
    if name in USUAL_SIGNS:
        return max(values, key=lambda v: abs(v - USUAL_SIGNS[name]))
    row = variable_rows().get(name)
    instruments = {name} if row is None else {name, row["instrument"]}
    better_high = any(
        r["instrument"] in instruments and r["direction"] == "higher_is_better" for r in tables.read("scales").rows
    )
    return min(values) if better_high or name in SAFER_TRUE else max(values)


def keeps_value_for_d(name: str, value: float, at_least: int = 0) -> int:
    """Validity of this value of a variable, days; for answers and device readings at least ``at_least``."""
    boolean = name in scales() and scales()[name].boolean
    alarm = boolean and (value == 0.0) == (name in SAFER_TRUE)
    if name in ASK_AGAIN and not alarm:
        return ASK_AGAIN_D
    if not is_asked(name):
        return keeps_for_d(name)
    return max(keeps_for_d(name), at_least, ALARM_KEEPS_D if alarm else 0)
