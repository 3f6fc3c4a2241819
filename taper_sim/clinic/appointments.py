"""Appointments: the first day with room with somebody who may see the patient. Imports ``clinic.calendars``.

A visit is booked with a person: one of the role, with the state's licence and the skill; where nobody of the role has
them, with somebody who stands in. Whoever is free takes it when the time comes. A patient has one appointment at a
time, and one who needs an interpreter is booked when one is free too.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, nan
from typing import Final

from taper_sim.clinic.calendars import DAY_MIN, Duty
from taper_sim.clinic.queue import ANYWHERE, Server

BOOKED_SHARE: Final = 0.75
"""Share of the minutes on duty that may be booked; the rest is for messages, orders and alerts. Source: A40."""
INTERPRETED_SHARE: Final = 0.9
"""The same of interpreters, whose work is visits alone. Source: A40."""
BETWEEN_MIN: Final = 15.0
"""Minutes between two appointments of a patient: visits run over. Source: A40."""
HORIZON_D: Final = 14
"""Days after the planned one on which a visit may still take place. Source: A40."""
DAYTIME_MIN: Final = (480.0, 1080.0)
"""Minutes after midnight between which visits are booked. Source: A40."""
_SLOT_MIN: Final = 5.0
_TINY: Final = 1e-6
"""Minutes, against rounding."""
INTERPRETER: Final = "interpreter"
_Spans = list[tuple[float, float]]


@dataclass(frozen=True)
class TimeSlot:
    """An appointment: when it begins (minute), the patient, and whom it keeps for how long, the interpreter last."""

    at: float
    patient: int = -1
    held: tuple[tuple[str, float], ...] = ()

    @property
    def day(self) -> int:
        """Of the calendar."""
        return int(self.at // DAY_MIN) + 1


NOWHERE: Final = TimeSlot(nan)


class _Page:
    """Somebody's days in the book: stretches of daytime on duty, and when something is booked."""

    def __init__(self, server: Server):
        self.server = server
        self._share = INTERPRETED_SHARE if server.role == INTERPRETER else BOOKED_SHARE
        self.daytimes: dict[int, _Spans] = defaultdict(list)
        for start, end in _daytimes(server.duties):
            self.daytimes[int(start // DAY_MIN) + 1].append((start, end))
        self._longest = {day: max(end - start for start, end in own) for day, own in self.daytimes.items()}
        self.booked: dict[int, _Spans] = defaultdict(list)
        self._full_until: dict[int, float] = {}

    def take(self, day: int, begins: float, minutes: float) -> None:
        """Book."""
        insort(self.booked[day], (begins, begins + self.keeps(minutes)))
        self._full_until.pop(day, None)

    def give_back(self, day: int, begins: float, minutes: float) -> None:
        """Take out of the book."""
        self.booked[day].remove((begins, begins + self.keeps(minutes)))
        self._full_until.pop(day, None)

    def full_until(self, day: int) -> float:
        """The minute up to which a day is booked without a gap: nothing fits before it."""
        if day not in self._full_until:
            at = self.daytimes[day][0][0] if self.daytimes.get(day) else day * DAY_MIN
            for since, until in self.booked[day]:
                if since > at + _TINY:
                    break
                at = max(at, until)
            self._full_until[day] = at
        return self._full_until[day]

    def stretches(self, day: int, minutes: float) -> _Spans:
        """In which a visit of so many minutes has to lie; a very long one goes on through breaks."""
        spans = self.daytimes.get(day, [])
        return spans if not spans or minutes <= self._longest[day] else [(spans[0][0], spans[-1][1])]

    def minutes(self, day: int) -> float:
        """Daytime on duty."""
        return sum(end - start for start, end in self.daytimes.get(day, ()))

    def keeps(self, minutes: float) -> float:
        """Minutes that a visit takes up in the book: what is not to be booked lies between visits."""
        return _SLOT_MIN * ceil(minutes / self._share / _SLOT_MIN - _TINY)


class Diary:
    """The appointment book of everybody.

    Parameters
    ----------
    servers : sequence of Server
    last_day : int
        Of the book.
    unlimited : bool
        There is always room, at eight in the morning, for everything at once.
    """

    def __init__(self, servers: Sequence[Server], last_day: int, *, unlimited: bool):
        self._unlimited, self._last_day = unlimited, last_day
        self._pages = {server.name: _Page(server) for server in servers}
        self._able: dict[tuple[str, str, str], list[_Page]] = {}
        self._patients: dict[int, dict[int, _Spans]] = defaultdict(lambda: defaultdict(list))

    def book(
        self,
        queue: str,
        day: int,
        minutes: float,
        *,
        licence: str = ANYWHERE,
        kind: str = "",
        interpreting: float = 0.0,
        patient: int = -1,
    ) -> TimeSlot | None:
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
        patient : int
            Who has no other appointment at that time; −1 where that does not matter.
        """
        if self._unlimited:
            return TimeSlot((day - 1) * DAY_MIN + DAYTIME_MIN[0], patient)
        for at in range(day, min(day + HORIZON_D, self._last_day) + 1):
            taken = self._patients[patient].get(at, []) if patient >= 0 else []
            found: tuple[float, list[tuple[_Page, float]]] | None = None
            able = [page for page in self._who_may(queue, licence, kind) if page.daytimes.get(at)]
            soonest = _patient_free(min((page.daytimes[at][0][0] for page in able), default=0.0), minutes, taken)
            for page in able:
                if found is not None and found[0] <= soonest:
                    break
                for second in self._who_may(INTERPRETER, ANYWHERE, "") if interpreting > 0 else (None,):
                    both = [(page, minutes)] + ([] if second is None else [(second, interpreting)])
                    if second is page or (found and max(one.full_until(at) for one, _ in both) >= found[0]):
                        continue
                    begins = _first_fit(at, both, taken)
                    if begins is not None and (found is None or begins < found[0]):
                        found = begins, both
            if found is not None:
                begins, both = found
                for page, takes in both:
                    page.take(at, begins, takes)
                if patient >= 0:
                    self._patients[patient][at].append((begins, begins + minutes + BETWEEN_MIN))
                return TimeSlot(begins, patient, tuple((page.server.name, takes) for page, takes in both))
        return None

    def free(self, slot: TimeSlot) -> None:
        """Give back the time of a visit that does not take place then."""
        for name, minutes in slot.held:
            self._pages[name].give_back(slot.day, slot.at, minutes)
        if slot.patient >= 0 and slot.held:
            self._patients[slot.patient][slot.day].remove((slot.at, slot.at + slot.held[0][1] + BETWEEN_MIN))

    def ill(self, name: str, day: int) -> None:
        """Take somebody out of the book for today: they have called in sick."""
        self._pages[name].daytimes.pop(day, None)

    def cover(self, day: int) -> "Cover":
        """What those who are there can take on a day on which somebody is ill."""
        return Cover([(page.server, page.minutes(day)) for page in self._pages.values()])

    def _who_may(self, queue: str, licence: str, kind: str) -> list[_Page]:
        """With whom a visit may be booked."""
        key = queue, licence, kind
        if key not in self._able:
            able = [page for page in self._pages.values() if page.server.may_do(queue, licence, kind)]
            self._able[key] = [page for page in able if page.server.role == queue] or able
        return self._able[key]


def _first_fit(day: int, people: Sequence[tuple[_Page, float]], taken: _Spans) -> float | None:
    """The first minute of a day at which everybody is on duty and free for their minutes, and the patient too.

    Parameters
    ----------
    day : int
    people : sequence of (_Page, float)
        Whom it needs, and for how many minutes; the first one's visit it is.
    taken : list of (float, float)
        The patient's other appointments of the day, with the minutes that are left after each.
    """
    first, minutes = people[0]
    for start, end in first.stretches(day, minutes):
        at = max(start, first.full_until(day))
        while at + minutes <= end + _TINY:
            after = _patient_free(at, minutes, taken)
            for page, takes in people:
                after = max(after, _free_from(page, day, after, takes))
            if after == at:
                return at
            at = after
    return None


def _patient_free(at: float, minutes: float, taken: _Spans) -> float:
    """The first minute from one on at which none of a patient's other appointments is in the way."""
    for since, until in taken:
        if since < at + minutes + BETWEEN_MIN - _TINY and at < until - _TINY:
            return _patient_free(until, minutes, taken)
    return at


def _free_from(page: _Page, day: int, at: float, minutes: float) -> float:
    """The first minute from one on at which somebody is on duty and free for so long; past the day if never."""
    length = page.keeps(minutes)
    booked = page.booked[day]
    for start, end in page.stretches(day, minutes):
        begins = max(at, start, page.full_until(day))
        for since, until in booked[max(bisect_left(booked, (begins,)) - 1, 0) :]:
            if since < begins + length - _TINY and begins < until - _TINY:
                begins = until
        if begins + minutes <= end + _TINY:
            return begins
    return (day + 1) * DAY_MIN


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
