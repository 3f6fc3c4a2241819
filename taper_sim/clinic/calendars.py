"""Work schedules and opening hours. Imports ``data.problems``, ``units``.

Times are minutes; day d (1 is the first) runs from ``(d - 1) * 1440`` to ``d * 1440``. Weekday 0 is Monday, and day d
falls on weekday ``d % 7``, as the model counts weekends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data.problems import Problem
from taper_sim.units import WEEK_D

DAY_MIN: Final = 1440.0
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, order=True)
class Duty:
    """A duty period, in which a worker may begin work.

    Attributes
    ----------
    start, end : float
        Minutes from the start of day 1; the period includes ``start`` and excludes ``end``.
    urgent_only : bool
        On call: only work of urgency 0 is begun.
    """

    start: float
    end: float
    urgent_only: bool = False


@dataclass(frozen=True)
class Shift:
    """A weekly shift.

    Attributes
    ----------
    weekdays : tuple of int
        Weekdays on which the shift begins, 0 Monday to 6 Sunday.
    start_min, end_min : float
        Minutes after midnight; an end above 1440 is on the next day.
    breaks : tuple of (float, float)
        Start and end of each break, minutes after midnight of the day on which the shift begins.
    urgent_only : bool
        An on-call shift.
    on_holidays : bool
        The shift takes place on public holidays too; an on-call shift always does.
    """

    weekdays: tuple[int, ...]
    start_min: float
    end_min: float
    breaks: tuple[tuple[float, float], ...] = ()
    urgent_only: bool = False
    on_holidays: bool = False

    def problems(self, file: str, place: str) -> list[Problem]:
        """Invalid values of the shift, one problem each."""
        problems = []
        if not self.start_min < self.end_min:
            value = f"a shift from {clock(self.start_min)} to {clock(self.end_min)}, which is not positive"
            problems.append(Problem(file, place, value, "an end after the start (after midnight: 24:00 and more)"))
        if self.end_min - self.start_min > DAY_MIN:
            problems.append(
                Problem(file, place, f"a shift of {self.end_min - self.start_min:g} min", "at most 24 hours")
            )
        if not 0 <= self.start_min < DAY_MIN:
            problems.append(Problem(file, place, f"a start of {clock(self.start_min)}", "00:00 to 23:59"))
        if not self.weekdays or any(day not in range(WEEK_D) for day in self.weekdays):
            problems.append(Problem(file, place, f"weekdays {self.weekdays}", f"some of {', '.join(WEEKDAYS)}"))
        for start, end in self.breaks if self.start_min < self.end_min else ():
            if not self.start_min <= start < end <= self.end_min:
                value = f"a break from {clock(start)} to {clock(end)}"
                problems.append(Problem(file, place, value, "a break inside its shift, its end after its start"))
        return problems


@dataclass(frozen=True)
class OpeningHours:
    """Working time of the clinic: open weekdays, opening hours, public holidays.

    Attributes
    ----------
    weekdays : frozenset of int
        Open weekdays, 0 Monday to 6 Sunday.
    start_min, end_min : float
        Opening hours, minutes after midnight.
    holidays : frozenset of int
        Days of the study on which the clinic is closed.
    """

    weekdays: frozenset[int] = frozenset(range(WEEK_D))
    start_min: float = 480.0
    end_min: float = 1080.0
    holidays: frozenset[int] = frozenset()

    def is_open(self, day: int) -> bool:
        """Whether the clinic is open on a day of the study."""
        return weekday_of(day) in self.weekdays and day not in self.holidays

    def after(self, since: Floats, minutes: Floats) -> Floats:
        """The minute at which a clock ends that runs in working time, (n,).

        Parameters
        ----------
        since : ndarray, (n,)
            Minute at which the clock starts; in closed hours it starts at the next opening.
        minutes : ndarray, (n,)
            Length of the clock: 1440 minutes are a working day, whatever the opening hours.

        Returns
        -------
        ndarray, (n,)
            A clock of whole working days ends at the same time of day as it starts. One that would end at the closing
            of a day ends at the next opening.
        """
        if len(since) == 0:
            return np.zeros(0)
        length = self.end_min - self.start_min
        needed = float(np.max(minutes)) / DAY_MIN + 2.0
        last = int(np.max(since) // DAY_MIN) + 1
        opens = [day for day in range(int(np.min(since) // DAY_MIN) + 1, last + 1) if self.is_open(day)]
        while needed > 0:
            last += 1
            if self.is_open(last):
                opens.append(last)
                needed -= 1.0
        begins = (np.array(opens) - 1.0) * DAY_MIN + self.start_min
        k = np.searchsorted(begins, since, side="right") - 1
        inside = np.where(k >= 0, np.minimum(since - begins[np.maximum(k, 0)], length), 0.0)
        worked = np.maximum(k, 0) * length + inside + minutes / DAY_MIN * length
        days = np.floor(worked / length + 1e-9)
        return np.asarray(begins[days.astype(np.int64)] + np.maximum(worked - days * length, 0.0))


EVERY_DAY: Final = OpeningHours()
"""Open every day from 08:00 to 18:00. Source of the hours: assumption A40."""


def clock(minutes: float) -> str:
    """Minutes after midnight as hh:mm."""
    whole = round(minutes)
    sign = "-" if whole < 0 else ""
    return f"{sign}{abs(whole) // 60:02d}:{abs(whole) % 60:02d}"


def weekday_of(day: int) -> int:
    """Weekday of a day of the study, 0 Monday."""
    return day % WEEK_D


def duties(
    shifts: Sequence[Shift], n_days: int, leave: Sequence[tuple[int, int]] = (), holidays: frozenset[int] = frozenset()
) -> list[Duty]:
    """Expand weekly shifts to the duty periods of a study.

    Parameters
    ----------
    shifts : sequence of Shift
    n_days : int
        Days 1 to ``n_days``.
    leave : sequence of (int, int)
        First and last day of each absence; no shift begins on such a day.
    holidays : frozenset of int
        Public holidays: only on-call shifts, and shifts ``on_holidays``, begin on such a day.

    Returns
    -------
    list of Duty
        In order of time, without breaks; on-call periods without the regular ones. A worker finishes work that was
        begun before a break or before the end of the shift: the break is then shorter, and the excess is overtime.
    """
    away = {day for first, last in leave for day in range(first, last + 1)}
    regular: list[Duty] = []
    on_call: list[Duty] = []
    for day in range(1, n_days + 1):
        if day in away:
            continue
        midnight = (day - 1) * DAY_MIN
        for shift in shifts:
            if weekday_of(day) not in shift.weekdays:
                continue
            if day in holidays and not (shift.on_holidays or shift.urgent_only):
                continue
            at = shift.start_min
            for start, end in (*sorted(shift.breaks), (shift.end_min, shift.end_min)):
                if start > at:
                    period = Duty(midnight + at, midnight + start, shift.urgent_only)
                    (on_call if shift.urgent_only else regular).append(period)
                at = max(at, end)
    regular = merged(regular)
    return sorted([*regular, *_outside(merged(on_call), regular)])


def on_duty_min(periods: Sequence[Duty], first: int, last: int) -> float:
    """Minutes on duty from the start of day ``first`` to the end of day ``last``, without on-call periods."""
    begin, end = (first - 1) * DAY_MIN, last * DAY_MIN
    return sum(max(0.0, min(duty.end, end) - max(duty.start, begin)) for duty in periods if not duty.urgent_only)


def merged(periods: Sequence[Duty]) -> list[Duty]:
    """Union of duty periods, in order of time."""
    union: list[Duty] = []
    for period in sorted(periods):
        if union and period.start <= union[-1].end:
            last = union.pop()
            period = Duty(last.start, max(last.end, period.end), last.urgent_only)
        union.append(period)
    return union


def _outside(periods: Sequence[Duty], others: Sequence[Duty]) -> list[Duty]:
    """The parts of duty periods outside of others."""
    parts = []
    for period in periods:
        at = period.start
        for other in others:
            if other.end <= at or other.start >= period.end:
                continue
            if other.start > at:
                parts.append(Duty(at, other.start, period.urgent_only))
            at = max(at, other.end)
        if at < period.end:
            parts.append(Duty(at, period.end, period.urgent_only))
    return parts
