"""When somebody is at work: weekly shifts, breaks, leave, on call. Imports ``data.problems``.

Times are minutes; day d (1 is the first) runs from ``(d - 1) * 1440`` to ``d * 1440``. Weekday 0 is Monday, and day d
falls on weekday ``d % 7``, as the model counts weekends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from taper_sim.data.problems import Problem

DAY_MIN: Final = 1440.0
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, order=True)
class Duty:
    """A stretch in which work may be begun.

    Attributes
    ----------
    start, end : float
        Minutes from the start of day 1; work may begin at ``start`` and no more at ``end``.
    urgent_only : bool
        On call: only what cannot wait is begun.
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
        0 Monday to 6 Sunday: the days on which it begins.
    start_min, end_min : float
        Minutes after midnight; an end above 1440 lies on the next day.
    breaks : tuple of (float, float)
        Start and end of each break, minutes after midnight of the day on which the shift begins.
    urgent_only : bool
        An on-call shift.
    """

    weekdays: tuple[int, ...]
    start_min: float
    end_min: float
    breaks: tuple[tuple[float, float], ...] = ()
    urgent_only: bool = False

    def problems(self, file: str, place: str) -> list[Problem]:
        """What is wrong with the shift, one line each."""
        found = []
        if not self.start_min < self.end_min:
            given = f"a shift from {clock(self.start_min)} to {clock(self.end_min)}, which is not positive"
            found.append(Problem(file, place, given, "an end after the start (after midnight: 24:00 and more)"))
        if self.end_min - self.start_min > DAY_MIN:
            found.append(Problem(file, place, f"a shift of {self.end_min - self.start_min:g} min", "at most 24 hours"))
        if not 0 <= self.start_min < DAY_MIN:
            found.append(Problem(file, place, f"a start of {clock(self.start_min)}", "00:00 to 23:59"))
        if not self.weekdays or any(day not in range(7) for day in self.weekdays):
            found.append(Problem(file, place, f"weekdays {self.weekdays}", f"some of {', '.join(WEEKDAYS)}"))
        for start, end in self.breaks if self.start_min < self.end_min else ():
            if not self.start_min <= start < end <= self.end_min:
                given = f"a break from {clock(start)} to {clock(end)}"
                found.append(Problem(file, place, given, "a break inside its shift, its end after its start"))
        return found


def clock(minutes: float) -> str:
    """Minutes after midnight as hh:mm."""
    whole = round(minutes)
    sign = "-" if whole < 0 else ""
    return f"{sign}{abs(whole) // 60:02d}:{abs(whole) % 60:02d}"


def weekday_of(day: int) -> int:
    """Weekday of a day of the study, 0 Monday."""
    return day % 7


def duties(shifts: Sequence[Shift], n_days: int, leave: Sequence[tuple[int, int]] = ()) -> list[Duty]:
    """Write a week's shifts out over the days of a study.

    Parameters
    ----------
    shifts : sequence of Shift
    n_days : int
        Days 1 to ``n_days``.
    leave : sequence of (int, int)
        First and last day of each absence; no shift begins on such a day.

    Returns
    -------
    list of Duty
        In order of time, breaks cut out, on-call stretches where no shift is. Work already begun runs on into a break
        or past the end; the break is then shorter, the rest overtime.
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
            at = shift.start_min
            for start, end in (*sorted(shift.breaks), (shift.end_min, shift.end_min)):
                if start > at:
                    piece = Duty(midnight + at, midnight + start, shift.urgent_only)
                    (on_call if shift.urgent_only else regular).append(piece)
                at = max(at, end)
    regular = merged(regular)
    return sorted([*regular, *_without(merged(on_call), regular)])


def on_duty_min(stretches: Sequence[Duty], first: int, last: int) -> float:
    """Minutes of stretches from the start of a day to the end of another, on call left out."""
    begin, end = (first - 1) * DAY_MIN, last * DAY_MIN
    return sum(max(0.0, min(one.end, end) - max(one.start, begin)) for one in stretches if not one.urgent_only)


def merged(pieces: Sequence[Duty]) -> list[Duty]:
    """The same stretches with overlaps joined."""
    joined: list[Duty] = []
    for piece in sorted(pieces):
        if joined and piece.start <= joined[-1].end:
            last = joined.pop()
            piece = Duty(last.start, max(last.end, piece.end), last.urgent_only)
        joined.append(piece)
    return joined


def _without(pieces: Sequence[Duty], taken: Sequence[Duty]) -> list[Duty]:
    """What is left of stretches outside of others."""
    left = []
    for piece in pieces:
        at = piece.start
        for other in taken:
            if other.end <= at or other.start >= piece.end:
                continue
            if other.start > at:
                left.append(Duty(at, other.start, piece.urgent_only))
            at = max(at, other.end)
        if at < piece.end:
            left.append(Duty(at, piece.end, piece.urgent_only))
    return left
