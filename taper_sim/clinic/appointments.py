"""The appointment book: the first free time of an eligible worker. Imports ``clinic.cover``, ``calendars``, ``queue``.

A visit is booked with a worker of the role who has the state's licence and the skill; without one, with a worker who
covers for the role. At the time of the visit any idle eligible worker takes it. A patient has one appointment at a
time. A visit with an interpreter is booked for a time at which both workers are free.

A visit holds whole slots of the worker's grid, and begins on it. A visit that the patient does not keep holds its slots
too. A role may overbook: after the regular times of a day, some slots of each worker take a second visit.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from math import ceil, floor, inf, nan
from types import MappingProxyType
from typing import Final

from taper_sim.clinic.calendars import DAY_MIN, EVERY_DAY, Duty, OpeningHours
from taper_sim.clinic.cover import Cover
from taper_sim.clinic.queue import ANYWHERE, Server


@dataclass(frozen=True)
class BookingRule:
    """How the appointment book of a role is filled.

    Attributes
    ----------
    share : float
        Share of the working hours that may be booked; the rest is for messages, orders, alerts and overruns.
    slot_min : float
        Grid of the book, minutes: a visit holds whole slots.
    overbook : int
        Visits a day and worker that share the slots of another visit, because some patients do not come.
    """

    share: float = 0.75
    slot_min: float = 5.0
    overbook: int = 0


INTERPRETER: Final = "interpreter"
BOOKING_RULES: Final[Mapping[str, BookingRule]] = MappingProxyType(
    {
        **dict.fromkeys(("prescriber", "pharmacist", "nurse", "social_worker"), BookingRule()),
        "psychologist": BookingRule(share=0.85),
        **dict.fromkeys(("pt", "peer", INTERPRETER), BookingRule(share=0.9)),
    }
)
"""Rule of each role's book, by queue. Source: assumption A102."""
BETWEEN_MIN: Final = 15.0
"""Minutes between two appointments of a patient, because visits may overrun. Source: assumption A40."""
BOOKING_HORIZON_D: Final = 14
"""Longest delay of a visit after its planned day, days. Source: assumption A40."""
_TINY_MIN: Final = 1e-6
"""Tolerance for rounding, minutes."""
_Spans = list[tuple[float, float]]
_Eligible = tuple[str, str, str, int]
"""Who may be booked: queue, licence, kind of work, and the highest layer of their pages."""


@dataclass(frozen=True)
class TimeSlot:
    """An appointment: its start (minute), the patient, and each worker with their minutes, the interpreter last.

    ``layers`` has for each worker 0 for a regular time, 1 for one that shares its slots with another visit.
    """

    at: float
    patient: int = -1
    held: tuple[tuple[str, float], ...] = ()
    layers: tuple[int, ...] = ()

    @property
    def day(self) -> int:
        """Calendar day of the appointment."""
        return int(self.at // DAY_MIN) + 1


NOWHERE: Final = TimeSlot(nan)


class _Page:
    """A worker's page of the book: bookable daytime by day, and booked spans by day.

    The page of layer 1 has the same daytime and takes at most ``rule.overbook`` visits a day.
    """

    def __init__(self, server: Server, rule: BookingRule, daytimes: dict[int, _Spans], layer: int):
        self.server, self.layer, self.rule = server, layer, rule
        self._most = rule.overbook if layer else None
        self.daytimes = daytimes
        self._longest = {day: max(end - start for start, end in spans) for day, spans in self.daytimes.items()}
        self.booked: dict[int, _Spans] = defaultdict(list)
        self._full_until: dict[int, float] = {}
        self._first_free: dict[int, dict[tuple[float, bool], float]] = defaultdict(dict)

    def take(self, day: int, begins: float, minutes: float) -> None:
        """Book a visit."""
        insort(self.booked[day], (begins, begins + self.booked_min(minutes)))
        self.changed(day)

    def give_back(self, day: int, begins: float, minutes: float) -> None:
        """Remove a booked visit."""
        self.booked[day].remove((begins, begins + self.booked_min(minutes)))
        self.changed(day)

    def changed(self, day: int) -> None:
        """Forget what was computed from the visits and the daytime of a day."""
        self._full_until.pop(day, None)
        self._first_free.pop(day, None)

    def is_open(self, day: int) -> bool:
        """Whether the page takes visits of a day."""
        return bool(self.daytimes.get(day)) and (self._most is None or len(self.booked[day]) < self._most)

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

    def first_free(self, day: int, minutes: float, *, on_grid: bool) -> float:
        """The first minute of a day at which the worker alone is free for a visit; infinite without one.

        Between two changes of the day it is computed once. No visit of this length with a second worker, or with
        another appointment of the patient, begins earlier.
        """
        kept = self._first_free[day]
        if (minutes, on_grid) not in kept:
            begins: float | None = None
            if self.is_open(day) and on_grid:
                begins = _first_fit(day, [(self, minutes)], [])
            elif self.is_open(day):
                begins = _free_from(self, day, 0.0, minutes, on_grid=False)
            kept[minutes, on_grid] = inf if begins is None or begins >= day * DAY_MIN + DAY_MIN else begins
        return kept[minutes, on_grid]

    def begins_at(self, day: int, at: float, minutes: float) -> bool:
        """Whether the worker alone can begin a visit at a time."""
        return self.is_open(day) and _free_from(self, day, at, minutes, on_grid=True) == at

    def slots(self, day: int, minutes: float) -> Iterator[float]:
        """Times of a day at which a slot begins with a visit's minutes before the end of the span."""
        for start, end in self.bookable(day, minutes):
            n = floor((end + _TINY_MIN - minutes - start) / self.rule.slot_min)
            yield from (start + self.rule.slot_min * k for k in range(n + 1))

    def bookable(self, day: int, minutes: float) -> _Spans:
        """Spans that can hold a visit; a visit longer than every span extends over the breaks."""
        spans = self.daytimes.get(day, [])
        return spans if not spans or minutes <= self._longest[day] else [(spans[0][0], spans[-1][1])]

    def minutes(self, day: int) -> float:
        """Daytime on duty, minutes."""
        return sum(end - start for start, end in self.daytimes.get(day, ()))

    def booked_min(self, minutes: float) -> float:
        """Minutes that a visit occupies in the book: whole slots, with its part of the time that may not be booked."""
        slot = self.rule.slot_min
        return slot * ceil(minutes / self.rule.share / slot - _TINY_MIN)

    def on_grid(self, start: float, at: float) -> float:
        """The first minute from ``at`` at which a slot begins; the grid begins at ``start``."""
        slot = self.rule.slot_min
        return start + slot * ceil((at - start) / slot - _TINY_MIN)


class _Offers:
    """The first free minutes of several pages on a day, for visits of one length, the earliest first.

    A booking only delays these minutes, so an outdated one is too early: it is renewed when it comes first.
    """

    def __init__(self, pages: Sequence[_Page], day: int, minutes: float, *, on_grid: bool):
        self._pages, self._day, self._minutes, self._on_grid = pages, day, minutes, on_grid
        free = ((self._first_free(k), k) for k in range(len(pages)))
        self._heap = [(at, k) for at, k in free if at < inf]
        heapify(self._heap)

    def _first_free(self, k: int) -> float:
        return self._pages[k].first_free(self._day, self._minutes, on_grid=self._on_grid)

    def first(self) -> tuple[float, int] | None:
        """The earliest first free minute, with the number of its page; None without one."""
        heap = self._heap
        while heap:
            at, k = heap[0]
            now = self._first_free(k)
            if now == at:
                return heap[0]
            if now < inf:
                heapreplace(heap, (now, k))
            else:
                heappop(heap)
        return None

    def ascending(self) -> Iterator[tuple[float, int, _Page]]:
        """Each first free minute with the number and the page, the earliest first."""
        shown = []
        try:
            while (offer := self.first()) is not None:
                shown.append(heappop(self._heap))
                yield (*offer, self._pages[offer[1]])
        finally:
            for offer in shown:
                heappush(self._heap, offer)


class Diary:
    """The appointment book of all workers.

    Parameters
    ----------
    servers : sequence of Server
    last_day : int
        Last day of the book.
    unlimited : bool
        Unlimited capacity: every visit is booked at the opening of its planned day.
    rules : mapping of str to BookingRule
        By queue of the worker's role; others have :data:`BOOKING_RULES`.
    opening : OpeningHours
        Visits take place on open days, within the opening hours.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        last_day: int,
        *,
        unlimited: bool,
        rules: Mapping[str, BookingRule] = BOOKING_RULES,
        opening: OpeningHours = EVERY_DAY,
    ):
        self._unlimited, self._last_day, self._opening = unlimited, last_day, opening
        self._pages: dict[tuple[str, int], _Page] = {}
        for server in servers:
            rule = rules.get(server.role, BOOKING_RULES[server.role])
            spans: dict[int, _Spans] = defaultdict(list)
            for start, end in daytimes(server.duties, opening):
                spans[int(start // DAY_MIN) + 1].append((start, end))
            for layer in range(2 if rule.overbook else 1):
                self._pages[server.name, layer] = _Page(server, rule, spans, layer)
        self._layers = range(1 + max((layer for _, layer in self._pages), default=0))
        self._eligible: dict[_Eligible, list[_Page]] = {}
        self._offers: dict[int, dict[tuple[_Eligible, float], _Offers]] = defaultdict(dict)
        self._times: dict[int, dict[tuple[_Eligible, float], list[float]]] = defaultdict(dict)
        self._busy: dict[int, dict[tuple[_Eligible, float, float], int]] = defaultdict(dict)
        self._no_room: dict[int, set[tuple[_Eligible, float, float]]] = defaultdict(set)
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
            return TimeSlot((day - 1) * DAY_MIN + self._opening.start_min, patient)
        for at in range(day, min(day + BOOKING_HORIZON_D, self._last_day) + 1):
            taken = self._patients[patient].get(at, []) if patient >= 0 else []
            for layer in self._layers:
                visit = self._earliest(at, minutes, interpreting, taken, (queue, licence, kind, layer))
                if visit is None:
                    continue
                begins, parts = visit
                for page, part_min in parts:
                    page.take(at, begins, part_min)
                if patient >= 0:
                    self._patients[patient][at].append((begins, begins + minutes + BETWEEN_MIN))
                held = tuple((page.server.name, part_min) for page, part_min in parts)
                return TimeSlot(begins, patient, held, tuple(page.layer for page, _ in parts))
        return None

    def _earliest(
        self, day: int, minutes: float, interpreting: float, taken: _Spans, eligible: _Eligible
    ) -> tuple[float, list[tuple[_Page, float]]] | None:
        """The earliest time of a day for a visit, with its pages; None without one.

        Of pages with the same time, the first of the role, and of interpreters the first, is taken.
        """
        if (eligible, minutes, interpreting) in self._no_room[day]:
            return None
        if taken and not interpreting:
            return self._earliest_beside(day, minutes, taken, eligible)
        earliest: tuple[float, int, int, list[tuple[_Page, float]]] | None = None
        for at, k, page in self._offers_of(day, eligible, minutes).ascending():
            if earliest is not None and (at, k) > earliest[:2]:
                break
            for second, j, parts in self._joint(day, page, minutes, interpreting, eligible[-1]):
                bound = max(at, second), k, j
                if earliest is not None and bound[0] > earliest[0]:
                    break
                if earliest is not None and bound > earliest[:3]:
                    continue
                begins = at if len(parts) == 1 and not taken else _first_fit(day, parts, taken)
                if begins is not None and (earliest is None or (begins, k, j) < earliest[:3]):
                    earliest = begins, k, j, parts
        if earliest is None and not taken:
            self._no_room[day].add((eligible, minutes, interpreting))
        return None if earliest is None else (earliest[0], earliest[3])

    def _earliest_beside(
        self, day: int, minutes: float, taken: _Spans, eligible: _Eligible
    ) -> tuple[float, list[tuple[_Page, float]]] | None:
        """The earliest time of a day for a visit beside a patient's other appointments, with its page.

        It goes through the times at which slots begin. Bookings only make pages busy, so of the first pages that were
        busy at a time the number is kept, and no page is asked twice in vain.
        """
        offer = self._offers_of(day, eligible, minutes).first()
        if offer is None:
            return None
        pages, busy = self._who_may(*eligible), self._busy[day]
        times = self._times_of(day, eligible, minutes)
        for at in times[bisect_left(times, offer[0]) :]:
            if _patient_free(at, minutes, taken) > at:
                continue
            k = busy.get((eligible, minutes, at), 0)
            while k < len(pages) and not pages[k].begins_at(day, at, minutes):
                k += 1
            busy[eligible, minutes, at] = k
            if k < len(pages):
                return at, [(pages[k], minutes)]
        return None

    def _times_of(self, day: int, eligible: _Eligible, minutes: float) -> list[float]:
        """Times of a day at which a slot begins that a visit fits behind, ascending."""
        times = self._times[day]
        if (eligible, minutes) not in times:
            alike = {(*page.bookable(day, minutes), page.rule.slot_min): page for page in self._who_may(*eligible)}
            starts = {at for page in alike.values() for at in page.slots(day, minutes)}
            times[eligible, minutes] = sorted(starts)
        return times[eligible, minutes]

    def _joint(
        self, day: int, page: _Page, minutes: float, interpreting: float, layer: int
    ) -> Iterator[tuple[float, int, list[tuple[_Page, float]]]]:
        """The parts of a visit on a page: alone, or with each interpreter, the first who is free first."""
        if not interpreting:
            yield 0.0, 0, [(page, minutes)]
            return
        interpreters = self._offers_of(day, (INTERPRETER, ANYWHERE, "", layer), interpreting, on_grid=False)
        for at, j, other in interpreters.ascending():
            if other.server is not page.server:
                yield at, j, [(page, minutes), (other, interpreting)]

    def _offers_of(self, day: int, eligible: _Eligible, minutes: float, *, on_grid: bool = True) -> _Offers:
        offers = self._offers[day]
        if (eligible, minutes) not in offers:
            offers[eligible, minutes] = _Offers(self._who_may(*eligible), day, minutes, on_grid=on_grid)
        return offers[eligible, minutes]

    def free(self, slot: TimeSlot) -> None:
        """Release the time of a visit that does not take place."""
        for (name, minutes), layer in zip(slot.held, slot.layers, strict=True):
            self._pages[name, layer].give_back(slot.day, slot.at, minutes)
        self._offers.pop(slot.day, None)  # the day has room again
        self._busy.pop(slot.day, None)
        self._no_room.pop(slot.day, None)
        if slot.patient >= 0 and slot.held:
            self._patients[slot.patient][slot.day].remove((slot.at, slot.at + slot.held[0][1] + BETWEEN_MIN))

    def ill(self, name: str, day: int) -> None:
        """Remove a worker's daytime of a day on which they are ill."""
        self._pages[name, 0].daytimes.pop(day, None)  # the pages of a worker share their daytimes
        for layer in self._layers:
            if (name, layer) in self._pages:
                self._pages[name, layer].changed(day)

    def cover(self, day: int) -> Cover:
        """Capacity of the workers on duty, on a day on which a worker is ill."""
        return Cover(
            [(page.server, page.minutes(day), page.rule.share) for page in self._pages.values() if not page.layer]
        )

    def _who_may(self, queue: str, licence: str, kind: str, layer: int) -> list[_Page]:
        """Pages up to a layer of the workers who may be booked: those of the role or, without one, who cover for it."""
        key: _Eligible = queue, licence, kind, layer
        if key not in self._eligible:
            pages = (page for page in self._pages.values() if page.layer <= layer)
            eligible = [page for page in pages if page.server.may_do(queue, licence, kind)]
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
        at = first.on_grid(start, max(start, first.full_until(day)))
        while at + minutes <= end + _TINY_MIN:
            after = _patient_free(at, minutes, taken)
            for k, (page, part_min) in enumerate(parts):
                after = max(after, _free_from(page, day, after, part_min, on_grid=k == 0))
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


def _free_from(page: _Page, day: int, at: float, minutes: float, *, on_grid: bool) -> float:
    """The first minute from ``at`` at which a worker is free for the visit; after the day if there is none.

    The visit begins on the grid of the worker to whom it belongs. An interpreter begins with that worker.
    """
    length = page.booked_min(minutes)
    booked = page.booked[day]
    for start, end in page.bookable(day, minutes):
        begins = max(at, start, page.full_until(day))
        if on_grid:
            begins = page.on_grid(start, begins)
        for k in range(max(bisect_left(booked, (begins,)) - 1, 0), len(booked)):
            since, until = booked[k]
            if since >= begins + length - _TINY_MIN:
                break  # as do all later visits
            if begins < until - _TINY_MIN:
                begins = page.on_grid(start, until) if on_grid else until
        if begins + minutes <= end + _TINY_MIN:
            return begins
    return (day + 1) * DAY_MIN


def daytimes(duties: Sequence[Duty], opening: OpeningHours) -> Iterator[tuple[float, float]]:
    """Bookable parts of duty periods, minutes: within the opening hours, without on-call periods."""
    for duty in duties:
        if duty.urgent_only:
            continue
        for midnights in range(int(duty.start // DAY_MIN), int(duty.end // DAY_MIN) + 1):
            start = max(duty.start, midnights * DAY_MIN + opening.start_min)
            end = min(duty.end, midnights * DAY_MIN + opening.end_min)
            if start < end and opening.is_open(midnights + 1):
                yield start, end
