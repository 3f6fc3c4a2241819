"""Capacity of the appointment book without simulation: what it can place. Imports ``staffing.bounds``, ``clinic``.

A worker's week is filled with visits as the book fills it: whole slots, breaks, opening hours, the share of the hours
that may be booked, overbooking. A visit counts with its whole length whether or not the patient comes, because the book
holds its time. The book is full at the panel whose visits take the whole week.

While the panel enrols, first visits come on top. Visits are placed in the order of their planned days, so a visit
begins in time if the book places all visits planned up to its day before its clock ends.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import inf
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.clinic import work
from taper_sim.clinic.appointments import BOOKING_HORIZON_D, INTERPRETER, BookingRule, Diary, TimeSlot, daytimes
from taper_sim.clinic.calendars import DAY_MIN, OpeningHours, Shift
from taper_sim.clinic.coupling import Setting
from taper_sim.clinic.modality import visit_minutes
from taper_sim.clinic.panel import enrolment
from taper_sim.clinic.queue import ANYWHERE, Server
from taper_sim.clinic.staffing.bounds import Load
from taper_sim.clinic.team import ROLES, Team, Worker
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.simulation.cohort import MODALITIES, Cohort
from taper_sim.simulation.layout import CarePlan
from taper_sim.units import WEEK_D

LATE_SHARE: Final = 0.1
"""Share of late visits up to which a panel fits while it enrols: the target of assumption A46."""
_WEEKS: Final = 2
"""Weeks that are filled: what the end of the last day wastes is then below one visit in two weeks."""
_N_LENGTHS: Final = 48
"""Lengths of visits in the sample that fills the weeks."""
_NEAR: Final = 0.7
"""Loads from this share of the highest are rehearsed."""
_PRECISION: Final = 0.02
"""Precision of a rehearsed panel, as a share of it."""
_CYCLES, _COUNTED = 5, 2
"""Visits of a patient in the rehearsal of a steady state, and the last ones, which count."""
_GOLDEN: Final = (np.sqrt(5.0) - 1.0) / 2.0
_FIRST: Final = WEEK_D
"""First day that is filled, a Monday."""
_LAST: Final = _FIRST + _WEEKS * WEEK_D - 1
BOOKED_AGAIN: Final[Mapping[str, float]] = MappingProxyType({"psychologist": 0.08, INTERPRETER: 0.007})
"""Visits that are booked once more because the patient left the waiting room, a visit, in a full book. A psychologist's
groups delay visits; an interpreter has nothing besides visits. Source: assumption A104."""
_BOOKED_AGAIN: Final = 0.02
Lengths = tuple[float, ...]
Rules = tuple[tuple[str, BookingRule], ...]


@dataclass(frozen=True)
class Demanded:
    """Booked visits of a queue, for the patients of a state.

    Attributes
    ----------
    queue : str
    state : str or None
        State whose licence the visits need; None: visits of all patients.
    share : float
        Share of the patients who live in the state.
    n_patients : int
    every_d : float
        Days between two visits of a patient; inf without visits after the first.
    first, later : ndarray, (n,)
        Minutes of each patient's first visit and of a later one, travel included; 0 without one.
    setting : Setting
    parts : tuple of (str, ndarray, ndarray)
        Visits that a patient has in turn: queue, minutes of the first and of a later one. ``first`` and ``later`` add
        them up.
    """

    queue: str
    state: str | None
    share: float
    n_patients: int
    every_d: float
    first: Floats
    later: Floats
    setting: Setting = field(repr=False)
    parts: tuple[tuple[str, Floats, Floats], ...] = ()

    def lengths(self, over_d: float) -> Lengths:
        """A sample of the lengths of visits in the order of booking.

        Parameters
        ----------
        over_d : float
            Days of enrolment, of which the visits are a mixture of first and later ones; inf: later ones only.
        """
        later = 1.0 if np.isinf(over_d) else 0.5 * max(over_d - self.every_d, 0.0) ** 2 / (over_d * self.every_d)
        firsts = 1.0 if np.isfinite(over_d) else 0.0
        minutes = np.concatenate([self.first, self.later])
        weight = np.repeat([firsts, later], len(self.first)) * (minutes > 0)
        order = np.argsort(minutes, kind="stable")
        below = np.cumsum(weight[order])
        at = (np.arange(_N_LENGTHS) + 1) * _GOLDEN % 1.0  # a sequence that spreads evenly in every part
        chosen = order[np.minimum(np.searchsorted(below, at * below[-1], side="right"), len(order) - 1)]
        return tuple(float(length) for length in np.round(minutes[chosen] / len(self.parts), 6))

    def eligible(self, team: Team) -> list[Worker]:
        """Workers who may be booked, as in the book: those of the role or, without one, those who cover for it."""
        kind = "" if self.queue == INTERPRETER else "visit"
        able = [worker for worker in team.workers if self._may(worker, kind)]
        return [worker for worker in able if worker.role.queue == self.queue] or able

    def _may(self, worker: Worker, kind: str) -> bool:
        server = Server(worker.name, worker.role.queue, (), worker.stands_in_for, worker.licences, worker.skills)
        return server.may_do(self.queue, self.state or ANYWHERE, kind)

    def daily_h(self, team: Team, over_d: float, n_days: int) -> Floats:
        """Hours of visits that the book can place on each day, (n_days,); ``over_d`` as in :meth:`lengths`."""
        return self._daily_h(self.eligible(team), team, over_d, n_days, self.setting.opening)

    def able_h(self, team: Team) -> float:
        """Hours of visits that the book can place in a week without leave and public holidays."""
        present = Team(tuple(replace(worker, leave=(), holidays=frozenset()) for worker in team.workers))
        opening = replace(self.setting.opening, holidays=frozenset())
        daily = self._daily_h(self.eligible(present), present, np.inf, 2 * WEEK_D, opening)
        return float(daily[WEEK_D:].sum())

    def _daily_h(
        self, workers: Sequence[Worker], team: Team, over_d: float, n_days: int, opening: OpeningHours
    ) -> Floats:
        able, lengths = np.zeros(n_days), self.lengths(over_d)
        every_week = replace(opening, holidays=frozenset())
        for worker in workers:
            booked = tuple(self.setting.booking.items())
            if self.queue == INTERPRETER:
                everybody = tuple(replace(member, leave=(), holidays=frozenset()) for member in team.workers)
                placed, daytime = _filled_together(
                    everybody, tuple(part[0] for part in self.parts), booked, every_week, lengths
                )
            else:
                placed, daytime = _filled(worker.role.name, worker.shifts, booked, every_week, lengths)
            if daytime > 0:
                able += placed / daytime * _daytime_h(worker, opening, n_days)
        return able / (1.0 + booked_again(self.queue))


@dataclass(frozen=True, kw_only=True)
class BookLoad(Load):
    """Booked visits of a week after enrolment; ``able_h`` is what the appointment book can place.

    Attributes
    ----------
    demanded : Demanded
    """

    demanded: Demanded = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The appointment book of the queue and, for the load of a state, the state."""
        return f"{super().name}, appointment book"

    @property
    def metric(self) -> str:
        """Start of the metric's name in ``staffing.csv``."""
        return "booked_load"

    @property
    def _hours(self) -> str:
        return f"{self.asked_h:.0f} h of visits a week for {self.able_h:.0f} h that the book can place"

    def able(self, team: Team) -> float:
        """Hours of visits that the book of another team can place in a week."""
        return self.demanded.able_h(team)


@dataclass(frozen=True, kw_only=True)
class BookWave(BookLoad):
    """Booked visits while the panel enrols, at the day on which they are most behind.

    The load is above 1 if more than :data:`LATE_SHARE` of the visits planned in these days begin late.

    Attributes
    ----------
    n_days : int
        Days of the run.
    asked_d : int
        Day up to which the visits are planned. ``able_h`` counts the hours before their clock ends.
    """

    n_days: int
    asked_d: int

    @property
    def metric(self) -> str:
        """Start of the metric's name in ``staffing.csv``."""
        return "booked_load_enrolling"

    @property
    def _hours(self) -> str:
        return (
            f"{self.asked_h:,.0f} h of visits planned by day {self.asked_d} for {self.able_h:,.0f} h that the book can "
            "place in time"
        )

    def able(self, team: Team) -> float:
        """Hours of another team on the same terms: the load is ``asked_h`` ÷ this."""
        _, share = _most_behind(self.demanded, team, self.n_days)
        return self.asked_h / share if share > 0 else np.inf


def book_loads(cohort: Cohort, care: CarePlan, setting: Setting, team: Team) -> list[BookLoad]:
    """Load of every appointment book in a week after enrolment, then of every state, the highest first.

    Empty for unlimited staff. A clinic without interpreters uses a vendor, who has no book.
    """
    loads = []
    for demanded in _demanded(cohort, care, setting, team):
        if np.isfinite(demanded.every_d):
            asked_h = demanded.share * float(demanded.later.sum()) * WEEK_D / demanded.every_d / 60.0
            able_h = demanded.able_h(team)
            loads.append(
                BookLoad(demanded.queue, asked_h, able_h, demanded.n_patients, demanded.state, demanded=demanded)
            )
    return sorted(loads, key=lambda load: (load.state is not None, -load.share))


def book_waves(cohort: Cohort, care: CarePlan, setting: Setting, team: Team, n_days: int) -> list[BookWave]:
    """Load of every appointment book while the panel enrols, and by state, the highest first.

    Only the days of the run count; the clock of the visits may end after it.
    """
    waves = []
    for demanded in _demanded(cohort, care, setting, team):
        day, share = _most_behind(demanded, team, n_days)
        if share > 0:
            asked_h = float(_asked_h(demanded, n_days)[day - 1])
            able_h = asked_h / share
            n, state = demanded.n_patients, demanded.state
            waves.append(
                BookWave(demanded.queue, asked_h, able_h, n, state, demanded=demanded, n_days=n_days, asked_d=day)
            )
    return sorted(waves, key=lambda load: -load.share)


def _demanded(cohort: Cohort, care: CarePlan, setting: Setting, team: Team) -> Iterator[Demanded]:
    """The visits that each book has to place, as ``demand`` books them."""
    if team.unlimited:
        return
    n = len(cohort)
    modality = cohort.modality if care.modality is None else np.full(n, MODALITIES.index(care.modality))
    home = setting.home_visits
    length = visit_minutes(cohort, modality, None if home is None else np.full(n, 2.0 * home.travel_min))
    every = care.visit_every_d if care.visit_every_d > 0 else np.inf
    does = {kind: float(kind in setting.does) for kind in ("initial_assessment", "visit")}
    interpreted: list[tuple[str, Floats, Floats]] = []
    whole = sum(share for _, share in setting.states)
    for queue in DISCIPLINES:
        if not (care.planned.get(queue, 0.0) > 0 and np.isfinite(every)):
            continue
        minutes = [does[kind] * length.with_patient(work.WORK_BY_NAME[kind].minutes(queue)) for kind in does]
        first, later = (with_patient + (with_patient > 0) * length.travel for with_patient in minutes)
        foreign = ~cohort.flags["language_match"] * float("interpreting" in setting.does)
        interpreted.append((queue, minutes[0] * foreign, minutes[1] * foreign))
        places: list[tuple[str | None, float]] = [(None, 1.0)]
        if queue in work.LICENSED:
            places += [(state, share / whole) for state, share in setting.states]
        for state, share in places:
            if first.any() or later.any():
                part = (queue, first, later)
                yield Demanded(queue, state, share, round(share * n), every, first, later, setting, (part,))
    first = sum((of_first for _, of_first, _ in interpreted), np.zeros(n))
    later = sum((of_later for _, _, of_later in interpreted), np.zeros(n))
    if team.of(INTERPRETER) and (first.any() or later.any()):
        yield Demanded(INTERPRETER, None, 1.0, n, every, first, later, setting, tuple(interpreted))


@lru_cache(maxsize=1024)
def _filled(
    role: str, shifts: tuple[Shift, ...], rules: Rules, opening: OpeningHours, lengths: Lengths
) -> tuple[float, float]:
    """Hours of visits that the book places in some weeks of a worker, and the bookable daytime, h."""
    worker = Worker("one", ROLES[role], shifts)
    daytime = float(_daytime_h(worker, opening, _LAST)[_FIRST - 1 :].sum())
    diary = Diary([worker.server(_LAST)], _LAST, unlimited=False, rules=dict(rules), opening=opening)
    placed = 0.0
    for minutes in itertools.cycle(lengths) if daytime > 0 else ():
        if diary.book(worker.role.queue, _FIRST, minutes) is None:
            break
        placed += minutes / 60.0
    return placed, daytime


@lru_cache(maxsize=256)
def _filled_together(
    workers: tuple[Worker, ...], disciplines: tuple[str, ...], rules: Rules, opening: OpeningHours, lengths: Lengths
) -> tuple[float, float]:
    """Hours of visits with an interpreter that the book places in some weeks, and the interpreters' daytime, h.

    As many patients as a day holds come at a time. Of them each discipline in turn is booked, as in the clinic.
    """
    interpreters = [worker for worker in workers if INTERPRETER in (worker.role.queue, *worker.stands_in_for)]
    daily = np.sum([_daytime_h(worker, opening, _LAST)[_FIRST - 1 :] for worker in interpreters], axis=0)
    daytime = float(daily.sum())
    if daytime <= 0:
        return 0.0, 0.0
    of_a_patient_h = len(disciplines) * sum(lengths) / len(lengths) / 60.0
    together = max(1, int(daytime / np.count_nonzero(daily) / of_a_patient_h))
    servers = [worker.server(_LAST) for worker in workers]
    diary = Diary(servers, _LAST, unlimited=False, rules=dict(rules), opening=opening)
    placed = 0.0
    visits = itertools.cycle(lengths)
    for first in itertools.count(0, together):
        for queue, patient in itertools.product(disciplines, range(first, first + together)):
            minutes = next(visits)
            if diary.book(queue, _FIRST, minutes, kind="visit", interpreting=minutes, patient=patient) is None:
                return placed, daytime
            placed += minutes / 60.0
    raise AssertionError("a book of some weeks is never full")


def _daytime_h(worker: Worker, opening: OpeningHours, n_days: int) -> Floats:
    """Hours of bookable daytime of a worker on each day, (n_days,)."""
    hours = np.zeros(n_days + 1)
    for start, end in daytimes(worker.server(n_days).duties, opening):
        day = int(start // DAY_MIN)
        hours[min(day, n_days)] += (end - start) / 60.0
    return hours[:n_days]


def _asked_h(demanded: Demanded, n_days: int) -> Floats:
    """Hours of the visits planned up to each day of enrolment, (days,)."""
    over_d = min(demanded.setting.enrol_over_d, n_days)
    starts = enrolment(len(demanded.first), over_d, n_days)
    first, later = (
        np.bincount(starts, weights=minutes, minlength=over_d + 1)[1:] for minutes in (demanded.first, demanded.later)
    )
    days = np.arange(over_d)
    since = days[:, None] - days[None, :]  # days since the start of the patients of each day
    times = np.floor(np.maximum(since, 0) / demanded.every_d)
    return np.asarray(demanded.share * ((since >= 0) @ first + times @ later) / 60.0)


def _most_behind(demanded: Demanded, team: Team, n_days: int) -> tuple[int, float]:
    """The load while the panel enrols, and the day that it belongs to.

    The load of a day is hours of visits planned up to it ÷ hours that the book places before their clock ends. The
    result is exceeded on the days of :data:`LATE_SHARE` of the visits.
    """
    asked = _asked_h(demanded, n_days)
    opening = demanded.setting.opening
    days = np.arange(1, len(asked) + 1)
    due = np.asarray((days - 1.0) * DAY_MIN + opening.start_min, dtype=np.float64)
    clock = work.CLOCK_MIN[work.WORK_BY_NAME["visit"].urgency]
    until = (opening.after(due, np.full(len(due), clock)) // DAY_MIN).astype(np.int64)  # the day before the clock ends
    able_by = np.cumsum(demanded.daily_h(team, float(len(asked)), int(until.max())))[until - 1]
    load = np.divide(asked, able_by, out=np.full(len(asked), np.inf), where=able_by > 0)
    load[asked == 0] = 0.0
    visits = np.diff(asked, prepend=0.0)
    order = np.argsort(load, kind="stable")
    below = np.cumsum(visits[order])
    k = int(order[min(np.searchsorted(below, (1.0 - LATE_SHARE) * below[-1]), len(order) - 1)]) if below[-1] > 0 else 0
    return int(days[k]), float(load[k])


def rehearsed(loads: Sequence[BookLoad], team: Team) -> list[BookLoad]:
    """The loads, with those near the highest measured by a rehearsal of the book instead of by hours.

    The rehearsal books the visits of a panel day by day, as the clinic does, and finds the largest panel of which at
    most :data:`LATE_SHARE` of the visits begin late. ``able_h`` is then the hours of that panel's visits.
    """
    nearly = _least_rehearsed(loads)
    return [_rehearsed(load, team) if load.share >= nearly else load for load in loads]


def fewest_rehearsed(loads: Sequence[Load], team: Team, n: int) -> tuple[Load, int] | None:
    """As :func:`fewest_patients` of the rehearsed loads, in less time.

    A book in which the fewest patients of the loads before it are seen in time allows no fewer, and is not measured.
    """
    books = [load for load in loads if isinstance(load, BookLoad)]
    nearly = _least_rehearsed(books)
    others = [load for load in loads if not isinstance(load, BookLoad) or load.share < nearly]
    fewest = fewest_patients(others, n)
    near = [load for load in books if load.share >= nearly]
    for load in sorted(near, key=lambda load: load.share, reverse=True):
        if fewest is None or not _in_time(load.demanded, team, fewest[1], days_of(load)):
            measured = fewest_patients([_rehearsed(load, team)], n)
            fewest = min(filter(None, (fewest, measured)), key=lambda pair: pair[1], default=None)
    return fewest


def _least_rehearsed(books: Sequence[BookLoad]) -> float:
    """Share from which a load is rehearsed; infinite without work."""
    highest = max((load.share for load in books), default=0.0)
    return _NEAR * highest if highest > 0 else inf


def days_of(load: BookLoad) -> int | None:
    """Days of the run for a load of the days of enrolment; None for one in steady state."""
    return load.n_days if isinstance(load, BookWave) else None


def _rehearsed(load: BookLoad, team: Team) -> BookLoad:
    """A load by rehearsal: bisection between panels, from the one at which the hours are full."""
    whole = len(load.demanded.first)
    n_days = days_of(load)
    low, high = 0, max(4, int(1.6 * whole / load.share))
    n = max(1, int(whole / load.share))
    while high - low > max(1, _PRECISION * high):
        if _in_time(load.demanded, team, n, n_days):
            low = n
        else:
            high = n
        n = (low + high) // 2 if low else max(1, int(0.8 * high))
        if high == 1:
            break
    return replace(load, able_h=load.asked_h * max(low, 0) / whole)


def late_share(demanded: Demanded, team: Team, n: int, n_days: int | None) -> float:
    """Share of late visits if a panel's visits are booked day by day as they are planned.

    Parameters
    ----------
    demanded : Demanded
    team : Team
    n : int
        Patients of the whole panel; those of the cohort repeat if they are fewer.
    n_days : int or None
        Days of the run, for the visits of the days of enrolment; None: visits of a panel in steady state, without first
        visits, leave and public holidays.
    """
    counted, begins_late = _rehearsal(demanded, team, n, n_days)
    return sum(begins_late) / counted if counted else 0.0


def _in_time(demanded: Demanded, team: Team, n: int, n_days: int | None) -> bool:
    """Whether at most :data:`LATE_SHARE` of the visits begin late; the rehearsal ends as soon as this is certain."""
    counted, begins_late = _rehearsal(demanded, team, n, n_days)
    late = 0
    for left, is_late in zip(range(counted - 1, -1, -1), begins_late, strict=True):
        late += is_late
        if late > LATE_SHARE * counted:
            return False
        if late + left <= LATE_SHARE * counted:
            return True
    return True


def _rehearsal(demanded: Demanded, team: Team, n: int, n_days: int | None) -> tuple[int, Iterator[bool]]:
    """The visits that count, and of each in the order of booking whether it begins late."""
    setting, opening = demanded.setting, demanded.setting.opening
    n_of = round(demanded.share * n)
    rows_of = np.arange(n_of) % len(demanded.first)
    workers = team.workers
    if n_days is None:
        opening = replace(opening, holidays=frozenset())
        workers = tuple(replace(worker, leave=(), holidays=frozenset()) for worker in workers)
        over_d, last_day = int(demanded.every_d), int(_CYCLES * demanded.every_d)
        since = last_day - int(_COUNTED * demanded.every_d)
    else:
        over_d = last_day = min(setting.enrol_over_d, n_days)
        since = 0
    if demanded.queue != INTERPRETER:
        workers = tuple(demanded.eligible(Team(workers)))
    end = last_day + BOOKING_HORIZON_D
    servers = [worker.server(end) for worker in workers]
    diary = Diary(servers, end, unlimited=False, rules=setting.booking, opening=opening)
    planned = sorted(  # as the clinic books: of a day each discipline in turn, its first visits first
        (int(day), part, n_days is None or day > start, patient)
        for patient, start in enumerate(enrolment(n_of, over_d, last_day).tolist() if n_of else ())
        for day in np.arange(start, last_day + 1, demanded.every_d).tolist()
        for part in range(len(demanded.parts))
    )
    visits = []
    for day, part, is_later, patient in planned:
        queue, first, later = demanded.parts[part]
        minutes = float((later if is_later else first)[rows_of[patient]])
        if minutes > 0:
            interpreting = minutes if demanded.queue == INTERPRETER else 0.0
            visits.append((day, (queue, minutes, interpreting, demanded.state or ANYWHERE, patient)))
    days = np.arange(1, last_day + 1)
    clock = np.full(last_day, work.CLOCK_MIN[work.WORK_BY_NAME["visit"].urgency])
    until = opening.after(np.asarray((days - 1.0) * DAY_MIN + opening.start_min, dtype=np.float64), clock)

    def begins_late() -> Iterator[bool]:
        put_off = 0.0
        for day, visit in visits:
            slot = _booked(diary, day, *visit)
            if day > since:
                yield slot is None or bool(slot.at > until[day - 1])
            put_off += booked_again(demanded.queue)
            if put_off >= 1.0 and slot is not None:
                put_off -= 1.0
                _booked(diary, slot.day + 1, *visit)

    return sum(day > since for day, _ in visits), begins_late()


def booked_again(queue: str) -> float:
    """Visits that are booked once more, a visit."""
    return BOOKED_AGAIN.get(queue, _BOOKED_AGAIN)


def _booked(
    diary: Diary, day: int, queue: str, minutes: float, interpreting: float, licence: str, patient: int
) -> TimeSlot | None:
    return diary.book(queue, day, minutes, licence=licence, kind="visit", interpreting=interpreting, patient=patient)


def fewest_patients(loads: Sequence[Load], n: int) -> tuple[Load, int] | None:
    """The load that allows the fewest of a panel of ``n`` patients, and their number; None without work.

    The load of a state counts for the whole panel, of which the state has its share.
    """
    first = max(loads, key=lambda load: load.share, default=None)
    return None if first is None or first.share <= 0 else (first, int(n / first.share))
