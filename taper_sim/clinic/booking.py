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
        self._minutes: dict[str, dict[int, float]] = {}  # of each person on each day
        self._servers = {server.name: server for server in servers}
        for server in servers:
            own = self._minutes[server.name] = defaultdict(float)
            seen: set[int] = set()
            for start, end in _daytimes(server.duties):
                day = int(start // DAY_MIN) + 1
                if day > n_days:
                    break
                own[day] += end - start
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

    def ill(self, name: str, day: int) -> None:
        """Take somebody out of the book for today: they have called in sick."""
        server = self._servers[name]
        minutes = self._minutes[name].pop(day, 0.0)
        if minutes > 0:
            self._room[server.role][day] -= minutes * BOOKED_SHARE
            self._people[server.role][day] = max(self._people[server.role][day] - 1.0, 1.0)

    def covered(self, queue: str, day: int) -> float:
        """Minutes of visits that those who are there can take on a day on which somebody is ill.

        Colleagues give all their daytime, those who stand in for them the part of theirs that is never booked.
        """
        minutes = 0.0
        for server in self._servers.values():
            own = self._minutes[server.name].get(day, 0.0)
            if server.role == queue:
                minutes += own
            elif queue in server.stands_in_for:
                minutes += (1.0 - BOOKED_SHARE) * own
        return minutes

    def free(self, queue: str, day: int, minutes: float) -> None:
        """Give back the minutes of a visit that was moved."""
        self._booked[queue][day] -= minutes

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
