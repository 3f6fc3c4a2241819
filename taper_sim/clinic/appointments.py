"""The appointment book: the first free time of an eligible worker. Imports ``clinic.calendars``, ``clinic.queue``.

A visit is booked with a worker of the role who has the state's licence and the skill; without one, with a worker who
covers for the role. At the time of the visit any idle eligible worker takes it. A patient has one appointment at a
time. A visit with an interpreter is booked for a time at which both workers are free.
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
"""Share of the minutes on duty open to booking; the rest is for messages, orders and alerts. Source: assumption A40."""
INTERPRETED_SHARE: Final = 0.9
"""The same share for interpreters, whose only work is visits. Source: assumption A40."""
BETWEEN_MIN: Final = 15.0
"""Minutes between two appointments of a patient, because visits may overrun. Source: assumption A40."""
BOOKING_HORIZON_D: Final = 14
"""Longest delay of a visit after its planned day, days. Source: assumption A40."""
DAYTIME_MIN: Final = (480.0, 1080.0)
"""First and last minute after midnight of bookable time. Source: assumption A40."""
_GRID_MIN: Final = 5.0
_TINY_MIN: Final = 1e-6
"""Tolerance for rounding, minutes."""
INTERPRETER: Final = "interpreter"
_Spans = list[tuple[float, float]]


@dataclass(frozen=True)
class TimeSlot:
    """An appointment: its start (minute), the patient, and each worker with their minutes, the interpreter last."""

    at: float
    patient: int = -1
    held: tuple[tuple[str, float], ...] = ()

    @property
    def day(self) -> int:
        """Calendar day of the appointment."""
        return int(self.at // DAY_MIN) + 1


NOWHERE: Final = TimeSlot(nan)


class _Page:
    """A worker's page of the book: bookable daytime by day, and booked spans by day."""

    def __init__(self, server: Server):
        self.server = server
        self._share = INTERPRETED_SHARE if server.role == INTERPRETER else BOOKED_SHARE
        self.daytimes: dict[int, _Spans] = defaultdict(list)
        for start, end in _daytimes(server.duties):
            self.daytimes[int(start // DAY_MIN) + 1].append((start, end))
        self._longest = {day: max(end - start for start, end in spans) for day, spans in self.daytimes.items()}
        self.booked: dict[int, _Spans] = defaultdict(list)
        self._full_until: dict[int, float] = {}

    def take(self, day: int, begins: float, minutes: float) -> None:
        """Book a visit."""
        insort(self.booked[day], (begins, begins + self.booked_min(minutes)))
        self._full_until.pop(day, None)

    def give_back(self, day: int, begins: float, minutes: float) -> None:
        """Remove a booked visit."""
        self.booked[day].remove((begins, begins + self.booked_min(minutes)))
        self._full_until.pop(day, None)

    def full_until(self, day: int) -> float:
        """End of the gapless booked time at the beginning of a day, minutes; nothing fits before it."""
        if day not in self._full_until:
            at = self.daytimes[day][0][0] if self.daytimes.get(day) else day * DAY_MIN
            for since, until in self.booked[day]:
                if since > at + _TINY_MIN:
                    break
                at = max(at, until)
            self._full_until[day] = at
        return self._full_until[day]

    def bookable(self, day: int, minutes: float) -> _Spans:
        """Spans that can hold a visit; a visit longer than every span extends over the breaks."""
        spans = self.daytimes.get(day, [])
        return spans if not spans or minutes <= self._longest[day] else [(spans[0][0], spans[-1][1])]

    def minutes(self, day: int) -> float:
        """Daytime on duty, minutes."""
        return sum(end - start for start, end in self.daytimes.get(day, ()))

    def booked_min(self, minutes: float) -> float:
        """Minutes that a visit occupies in the book, with its part of the time that is not open to booking."""
        return _GRID_MIN * ceil(minutes / self._share / _GRID_MIN - _TINY_MIN)


class Diary:
    """The appointment book of all workers.

    Parameters
    ----------
    servers : sequence of Server
    last_day : int
        Last day of the book.
    unlimited : bool
        Unlimited capacity: every visit is booked at 08:00 of its planned day.
    """

    def __init__(self, servers: Sequence[Server], last_day: int, *, unlimited: bool):
        self._unlimited, self._last_day = unlimited, last_day
        self._pages = {server.name: _Page(server) for server in servers}
        self._eligible: dict[tuple[str, str, str], list[_Page]] = {}
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
        """Book a visit on the first possible day from ``day``.

        Parameters
        ----------
        queue : str
        day : int
            Planned calendar day.
        minutes : float
        licence : str
            State in which the patient lives.
        kind : str
            Kind of work, for workers with limited skills.
        interpreting : float
            Minutes of one of the clinic's interpreters; 0 without one.
        patient : int
            Row of the patient, who has one appointment at a time; −1 without this condition.

        Returns
        -------
        TimeSlot or None
            None if no appointment is free within :data:`BOOKING_HORIZON_D`.
        """
        if self._unlimited:
            return TimeSlot((day - 1) * DAY_MIN + DAYTIME_MIN[0], patient)
        for at in range(day, min(day + BOOKING_HORIZON_D, self._last_day) + 1):
            taken = self._patients[patient].get(at, []) if patient >= 0 else []
            earliest: tuple[float, list[tuple[_Page, float]]] | None = None
            on_duty = [page for page in self._who_may(queue, licence, kind) if page.daytimes.get(at)]
            soonest = _patient_free(min((page.daytimes[at][0][0] for page in on_duty), default=0.0), minutes, taken)
            for page in on_duty:
                if earliest is not None and earliest[0] <= soonest:
                    break
                for second in self._who_may(INTERPRETER, ANYWHERE, "") if interpreting > 0 else (None,):
                    parts = [(page, minutes)] + ([] if second is None else [(second, interpreting)])
                    if second is page or (earliest and max(p.full_until(at) for p, _ in parts) >= earliest[0]):
                        continue
                    begins = _first_fit(at, parts, taken)
                    if begins is not None and (earliest is None or begins < earliest[0]):
                        earliest = begins, parts
            if earliest is not None:
                begins, parts = earliest
                for page, part_min in parts:
                    page.take(at, begins, part_min)
                if patient >= 0:
                    self._patients[patient][at].append((begins, begins + minutes + BETWEEN_MIN))
                return TimeSlot(begins, patient, tuple((page.server.name, part_min) for page, part_min in parts))
        return None

    def free(self, slot: TimeSlot) -> None:
        """Release the time of a visit that does not take place."""
        for name, minutes in slot.held:
            self._pages[name].give_back(slot.day, slot.at, minutes)
        if slot.patient >= 0 and slot.held:
            self._patients[slot.patient][slot.day].remove((slot.at, slot.at + slot.held[0][1] + BETWEEN_MIN))

    def ill(self, name: str, day: int) -> None:
        """Remove a worker's daytime of a day on which they are ill."""
        self._pages[name].daytimes.pop(day, None)

    def cover(self, day: int) -> "Cover":
        """Capacity of the workers on duty, on a day on which a worker is ill."""
        return Cover([(page.server, page.minutes(day)) for page in self._pages.values()])

    def _who_may(self, queue: str, licence: str, kind: str) -> list[_Page]:
        """Pages of the workers who may be booked: those of the role or, without one, those who cover for it."""
        key = queue, licence, kind
        if key not in self._eligible:
            eligible = [page for page in self._pages.values() if page.server.may_do(queue, licence, kind)]
            self._eligible[key] = [page for page in eligible if page.server.role == queue] or eligible
        return self._eligible[key]


def _first_fit(day: int, parts: Sequence[tuple[_Page, float]], taken: _Spans) -> float | None:
    """The first minute of a day at which every worker and the patient are free for the visit.

    Parameters
    ----------
    day : int
    parts : sequence of (_Page, float)
        Workers and their minutes; the visit belongs to the first worker.
    taken : list of (float, float)
        The patient's other appointments of the day, each with the time after it.
    """
    first, minutes = parts[0]
    for start, end in first.bookable(day, minutes):
        at = max(start, first.full_until(day))
        while at + minutes <= end + _TINY_MIN:
            after = _patient_free(at, minutes, taken)
            for page, part_min in parts:
                after = max(after, _free_from(page, day, after, part_min))
            if after == at:
                return at
            at = after
    return None


def _patient_free(at: float, minutes: float, taken: _Spans) -> float:
    """The first minute from ``at`` without a conflict with the patient's other appointments."""
    for since, until in taken:
        if since < at + minutes + BETWEEN_MIN - _TINY_MIN and at < until - _TINY_MIN:
            return _patient_free(until, minutes, taken)
    return at


def _free_from(page: _Page, day: int, at: float, minutes: float) -> float:
    """The first minute from ``at`` at which a worker is free for the visit; after the day if there is none."""
    length = page.booked_min(minutes)
    booked = page.booked[day]
    for start, end in page.bookable(day, minutes):
        begins = max(at, start, page.full_until(day))
        for since, until in booked[max(bisect_left(booked, (begins,)) - 1, 0) :]:
            if since < begins + length - _TINY_MIN and begins < until - _TINY_MIN:
                begins = until
        if begins + minutes <= end + _TINY_MIN:
            return begins
    return (day + 1) * DAY_MIN


class Cover:
    """Minutes of visits that the workers on duty can take over.

    Colleagues of the role offer their whole daytime; covering workers offer the share that is not open to booking.

    Parameters
    ----------
    minutes : sequence of (Server, float)
        Each worker's daytime on duty, minutes.
    """

    def __init__(self, minutes: Sequence[tuple[Server, float]]):
        self._servers = [server for server, _ in minutes]
        self._daytime = {server.name: time for server, time in minutes}
        self._spare = {server.name: (1.0 - BOOKED_SHARE) * time for server, time in minutes}

    def take(self, queue: str, minutes: float, licence: str = ANYWHERE, kind: str = "") -> bool:
        """Whether a worker can take a visit; if so, its minutes are deducted."""
        eligible = [server for server in self._servers if server.may_do(queue, licence, kind)]
        for left, names in (
            (self._daytime, [server.name for server in eligible if server.role == queue]),
            (self._spare, [server.name for server in eligible if server.role != queue]),
        ):
            first = max(names, key=left.__getitem__, default=None)
            if first is not None and minutes <= left[first]:
                left[first] -= minutes
                return True
        return False


def _daytimes(duties: Sequence[Duty]) -> Iterator[tuple[float, float]]:
    """Bookable parts of duty periods, without on-call periods."""
    for duty in duties:
        if duty.urgent_only:
            continue
        for day in range(int(duty.start // DAY_MIN), int(duty.end // DAY_MIN) + 1):
            start = max(duty.start, day * DAY_MIN + DAYTIME_MIN[0])
            end = min(duty.end, day * DAY_MIN + DAYTIME_MIN[1])
            if start < end:
                yield start, end
