"""What the doses alone show: falls, gaps, restarts, rises, slips of the decimal point. Imports ``data``, ``units``.

Each function takes the level of one class by day, from the first day looked at to today, in equivalents a day; the
variables of variables.csv that use them are in :mod:`taper_sim.safety.variables`. Periods and shares: A75.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import takewhile
from typing import Final

from taper_sim.data.records import DoseRow
from taper_sim.units import MONTH_D, TOLERANCE

FALL_LOOKBACK_D: Final = 28
"""Days after an abrupt fall during which it is a danger."""
_FALL_WITHIN_D: Final = 7
"""Days within which a fall in several steps counts as one."""
_USUAL_D: Final = 180
"""Days before a fall whose highest dose is its reference: the last small step of a slow taper is no abrupt stop."""
_HELD_D: Final = 3
"""Days for which a dose must have been in force to be such a reference: a corrected slip is none. Source: A155."""
FALL_DAYS: Final = FALL_LOOKBACK_D + _USUAL_D
"""Days before today for which :func:`largest_fall_pct` needs levels."""
RESTART_LOOKBACK_D: Final = 14
"""Days after a restart during which tolerance may still be lost: the model's ``tau_R`` (docs/model.md)."""
GAP_DAYS: Final = 400
RISE_WITHIN_D: Final = 14
ENTRY_LOOKBACK_D: Final = 28
CHANGE_KEPT_D: Final = 14
"""Days after a change from one opioid to another during which the new dose counts as unsettled. Source: A146."""
LEAST_CONVERTED: Final = 0.5
"""Lowest share of the former MME at which a change to another opioid is no reduction. Source: A146."""
_PACE_PCT: Final = 10.0
"""Pace that a step keeps by waiting, percent of the original dose in 28 days. Source: opioid_step_too_large."""
_WAITING_STEP_PCT: Final = 15.0
"""Largest step that may wait, percent of the original dose. Source: A153."""


def has_waited(step_pct: float, days: int) -> bool:
    """Whether a step, in percent of the original dose, is small enough to wait and came after enough days."""
    return step_pct <= _WAITING_STEP_PCT + TOLERANCE and days >= MONTH_D * step_pct / _PACE_PCT - TOLERANCE


def largest_fall_pct(levels: Sequence[float]) -> float:
    """Largest fall within 7 days that began at most 28 days ago, percent of the highest dose of the 180 days before.

    A dose that has been given back since is no fall: the dose after it is that of the day or today's, if higher. A dose
    that was in force on fewer than 3 of the days before is no reference. ``levels[-1]`` is today's.
    """
    today = len(levels) - 1
    falls = [0.0]
    for day in range(max(today - FALL_LOOKBACK_D, 1), today + 1):
        if levels[day] < levels[day - 1] - TOLERANCE:
            before = _held(levels[max(day - _FALL_WITHIN_D, 0) : day])
            usual = _held(levels[max(day - _USUAL_D, 0) : day])
            if usual > 0:
                falls.append(100.0 * (before - max(levels[day], levels[today])) / usual)
    return round(max(falls), 9)


def _held(levels: Sequence[float]) -> float:
    """Highest dose of these days that was in force on at least 3 of them, or on all if they are fewer."""
    return sorted(levels)[-min(_HELD_D, len(levels))]


def restart_of(levels: Sequence[float]) -> tuple[int, float] | None:
    """Days without before the last restart of the last 14 days, and the dose since in percent of that before.

    None without such a restart; a first start is none.
    """
    today = len(levels) - 1
    for day in range(today, max(today - RESTART_LOOKBACK_D, 1) - 1, -1):
        if levels[day] > 0 and levels[day - 1] == 0:
            gap = len(list(takewhile(lambda level: level == 0, reversed(levels[:day]))))
            if gap == day:
                return None
            return gap, round(100.0 * max(levels[day:]) / levels[day - gap - 1], 9)
    return None


def rise_pct(levels: Sequence[float]) -> float:
    """Today's dose above the first dose of these days, percent; 0 if the class is not taken or was not raised."""
    first = next((level for level in levels if level > 0), 0.0)
    return round(max(100.0 * (levels[-1] - first) / first, 0.0), 9) if first else 0.0


def largest_entry_ratio(rows: Iterable[DoseRow], as_of: date) -> float:
    """Largest ratio of today's dose of a drug to its dose 28 days ago, or its first since, in either direction.

    1 if no drug changed, and for drugs that were stopped: a stop is no slip of the decimal point.
    """
    since = as_of - timedelta(days=ENTRY_LOOKBACK_D)
    first: dict[tuple[str, str], float] = {}
    now: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.day <= as_of:
            if row.day <= since or not first.get(row.drug.key):
                first[row.drug.key] = row.dose
            now[row.drug.key] = row.dose
    ratios = [now[key] / first[key] for key in now if now[key] > 0 and first[key] > 0]
    return round(max((max(ratio, 1.0 / ratio) for ratio in ratios), default=1.0), 9)
