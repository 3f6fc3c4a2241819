"""Appointments: the first day with room. Imports ``clinic.calendars``, ``clinic.simulation``."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from taper_sim.clinic.calendars import DAY_MIN, Duty
from taper_sim.clinic.simulation import Server

BOOKED_SHARE: Final = 0.75
"""Share of the minutes on duty that may be booked; the rest is for messages, orders and alerts. Source: A40."""
HORIZON_D: Final = 14
"""Days after the planned one on which a visit may still take place. Source: A40."""
DAYTIME_MIN: Final = (480.0, 1080.0)
"""Minutes after midnight between which visits are booked. Source: A40."""
_SLOT_MIN: Final = 5.0


class Diary:
    """The appointment book of every queue.

    Parameters
    ----------
    servers : sequence of Server
    n_days : int
    unlimited : bool
        There is always room, at eight in the morning.
    """

    def __init__(self, servers: Sequence[Server], n_days: int, *, unlimited: bool):
        self._unlimited, self._n_days = unlimited, n_days
        self._room: dict[str, list[float]] = defaultdict(lambda: [0.0] * (n_days + 1))
        self._opens: dict[str, list[float]] = defaultdict(lambda: [np.inf] * (n_days + 1))
        self._people: dict[str, list[float]] = defaultdict(lambda: [0.0] * (n_days + 1))
        self._booked: dict[str, list[float]] = defaultdict(lambda: [0.0] * (n_days + 1))
        for server in servers:
            seen: set[int] = set()
            for start, end in _daytimes(server.duties):
                day = int(start // DAY_MIN) + 1
                if day > n_days:
                    break
                self._room[server.role][day] += (end - start) * BOOKED_SHARE
                self._opens[server.role][day] = min(self._opens[server.role][day], start)
                if day not in seen:
                    self._people[server.role][day] += 1.0
                    seen.add(day)

    def book(self, queue: str, day: int, minutes: float) -> float | None:
        """Book a visit of ``queue`` from ``day`` on; the minute it begins, or None where there is no room in time."""
        if self._unlimited:
            return (day - 1) * DAY_MIN + DAYTIME_MIN[0]
        room, booked = self._room[queue], self._booked[queue]
        for at in range(day, min(day + HORIZON_D, self._n_days) + 1):
            if booked[at] + minutes <= room[at]:
                after = booked[at] / self._people[queue][at] / BOOKED_SHARE
                booked[at] += minutes
                return self._opens[queue][at] + _SLOT_MIN * np.floor(after / _SLOT_MIN)
        return None

    def filled(self, queue: str) -> float:
        """Booked minutes ÷ minutes that could be booked, of the days that have any."""
        room = sum(self._room[queue])
        return sum(self._booked[queue]) / room if room > 0 else np.nan


def _daytimes(duties: Sequence[Duty]) -> Iterator[tuple[float, float]]:
    """The parts of stretches of duty in which visits are booked, on-call stretches left out."""
    for duty in duties:
        if duty.urgent_only:
            continue
        for day in range(int(duty.start // DAY_MIN), int(duty.end // DAY_MIN) + 1):
            start = max(duty.start, day * DAY_MIN + DAYTIME_MIN[0])
            end = min(duty.end, day * DAY_MIN + DAYTIME_MIN[1])
            if start < end:
                yield start, end
