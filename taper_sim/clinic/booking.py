"""Appointments: the first day with room with somebody who may see the patient. Imports ``clinic.calendars``.

A visit is booked with a person: one of the role, with the state's licence and the skill; where nobody of the role has
them, with somebody who stands in. Whoever is free takes it when the time comes. A patient who needs an interpreter is
booked when one has room too.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from taper_sim.clinic.calendars import DAY_MIN, Duty
from taper_sim.clinic.simulation import ANYWHERE, Server

BOOKED_SHARE: Final = 0.75
"""Share of the minutes on duty that may be booked; the rest is for messages, orders and alerts. Source: A40."""
INTERPRETED_SHARE: Final = 0.9
"""The same of interpreters, whose work is visits alone. Source: A40."""
HORIZON_D: Final = 14
"""Days after the planned one on which a visit may still take place. Source: A40."""
DAYTIME_MIN: Final = (480.0, 1080.0)
"""Minutes after midnight between which visits are booked. Source: A40."""
_SLOT_MIN: Final = 5.0
_TINY: Final = 1e-9
"""Of a slot, against rounding."""
INTERPRETER: Final = "interpreter"


@dataclass(frozen=True)
class Slot:
    """An appointment: when it begins (minute), and whom it keeps for how many minutes, the interpreter last."""

    at: float
    held: tuple[tuple[str, float], ...] = ()

    @property
    def day(self) -> int:
        """Of the calendar."""
        return int(self.at // DAY_MIN) + 1


NOWHERE: Final = Slot(np.nan)


class _Page:
    """Somebody's days in the book."""

    def __init__(self, server: Server, n_days: int):
        self.server = server
        self._share = INTERPRETED_SHARE if server.role == INTERPRETER else BOOKED_SHARE
        self.daytimes: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for start, end in _daytimes(server.duties):
            self.daytimes[int(start // DAY_MIN) + 1].append((start, end))
        self.minutes = {day: sum(end - start for start, end in own) for day, own in self.daytimes.items()}
        self.left = [self.minutes.get(day, 0.0) * self._share for day in range(n_days + 1)]  # that may still be booked

    def next_slot(self, day: int) -> float:
        """When the next visit begins: visits are spread over the whole of the daytime on duty."""
        after = _SLOT_MIN * np.floor((self.minutes[day] - self.left[day] / self._share) / _SLOT_MIN + _TINY)
        for start, end in self.daytimes[day]:
            if after < end - start:
                return float(start + after)
            after -= end - start
        return self.daytimes[day][-1][0]


class Diary:
    """The appointment book of everybody.

    Parameters
    ----------
    servers : sequence of Server
    last_day : int
        Of the book.
    unlimited : bool
        There is always room, at eight in the morning.
    """

    def __init__(self, servers: Sequence[Server], last_day: int, *, unlimited: bool):
        self._unlimited, self._last_day = unlimited, last_day
        self._pages = {server.name: _Page(server, last_day) for server in servers}
        self._able: dict[tuple[str, str, str], list[_Page]] = {}

    def book(
        self, queue: str, day: int, minutes: float, *, licence: str = ANYWHERE, kind: str = "",
        interpreting: float = 0.0,
    ) -> Slot | None:  # fmt: skip
        """Book a visit from ``day`` on; None where there is no room in time.

        Parameters
        ----------
        queue : str
        day : int
            Of the calendar.
        minutes : float
        licence : str
            State in which the patient lives.
        kind : str
            Of work, where skills count.
        interpreting : float
            Minutes of one of the clinic's interpreters; 0 where none is needed.
        """
        if self._unlimited:
            return Slot((day - 1) * DAY_MIN + DAYTIME_MIN[0])
        wanted = [(self._who_may(queue, licence, kind), minutes)]
        if interpreting > 0:
            wanted.append((self._who_may(INTERPRETER, ANYWHERE, ""), interpreting))
        for at in range(day, min(day + HORIZON_D, self._last_day) + 1):
            found = [(max(pages, key=lambda page: page.left[at]), takes) for pages, takes in wanted if pages]
            if len(found) == len(wanted) and all(takes <= page.left[at] for page, takes in found):
                begins = max(page.next_slot(at) for page, _ in found)
                for page, takes in found:
                    page.left[at] -= takes
                return Slot(begins, tuple((page.server.name, takes) for page, takes in found))
        return None

    def free(self, slot: Slot) -> None:
        """Give back the minutes of a visit that does not take place then."""
        for name, minutes in slot.held:
            self._pages[name].left[slot.day] += minutes

    def ill(self, name: str, day: int) -> None:
        """Take somebody out of the book for today: they have called in sick."""
        page = self._pages[name]
        page.left[day], page.minutes[day] = -np.inf, 0.0

    def cover(self, day: int) -> "Cover":
        """What those who are there can take on a day on which somebody is ill."""
        return Cover([(page.server, page.minutes.get(day, 0.0)) for page in self._pages.values()])

    def _who_may(self, queue: str, licence: str, kind: str) -> list[_Page]:
        """With whom a visit may be booked."""
        key = queue, licence, kind
        if key not in self._able:
            able = [page for page in self._pages.values() if page.server.may_do(queue, licence, kind)]
            self._able[key] = [page for page in able if page.server.role == queue] or able
        return self._able[key]


class Cover:
    """Minutes of visits that those at work today can take.

    Colleagues give all their daytime, those who stand in for them the part of theirs that is never booked.

    Parameters
    ----------
    minutes : sequence of (Server, float)
        Daytime minutes on duty of each.
    """

    def __init__(self, minutes: Sequence[tuple[Server, float]]):
        self._servers = [server for server, _ in minutes]
        self._own = {server.name: time for server, time in minutes}
        self._spare = {server.name: (1.0 - BOOKED_SHARE) * time for server, time in minutes}

    def take(self, queue: str, minutes: float, licence: str = ANYWHERE, kind: str = "") -> bool:
        """Whether somebody can take a visit; if so, those are minutes they no longer have."""
        able = [server for server in self._servers if server.may_do(queue, licence, kind)]
        for left, names in (
            (self._own, [server.name for server in able if server.role == queue]),
            (self._spare, [server.name for server in able if server.role != queue]),
        ):
            first = max(names, key=left.__getitem__, default=None)
            if first is not None and minutes <= left[first]:
                left[first] -= minutes
                return True
        return False


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
