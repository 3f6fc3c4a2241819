"""The queue: people at work, work that waits, a clock (SimPy). Imports ``clinic.calendars``.

Whoever is free takes, of the work they may do, what triage puts first. Nobody is taken off what they have begun,
unless the engine is told to preempt: then work that cannot wait interrupts work that can, and what was interrupted is
finished by the same person straight afterwards (preemptive-resume). Work for which the waiting patient has no more
patience leaves the queue (it *reneges*); work begun before the end of a shift is finished in overtime. A patient is
in one place at a time: what needs the patient there waits while another does, and a visit that needs a second person
(an interpreter) begins when both are free. What is asked for at a minute is there before anybody takes work at that
minute, so that who comes on duty at eight finds the patient of eight o'clock in the queue. The engine knows nothing
of pain: what comes in is a :class:`Job`, what comes out is the same job with its times, and everything that is
reported is computed from those.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, Final

import simpy
from simpy.core import EventPriority
from simpy.events import NORMAL, URGENT

from taper_sim.clinic.calendars import Duty

OUTCOMES: Final = ("done", "no_show", "reneged", "cancelled", "open")
ANYWHERE: Final = ""
"""Licence that everybody has: work that is bound to no state."""


@dataclass(slots=True, eq=False)
class Job:
    """A piece of work.

    Attributes
    ----------
    work_id : int
    patient : int
        Row of the patient, −1 where there is none (a batch, a meeting).
    work : str
        Kind of work.
    role : str
        Whose work it is.
    urgency : int
        0 cannot wait, 1 today, 2 within days, 3 routine.
    requested : float
        Minute at which it is asked for.
    minutes : float
        How long it takes.
    rank : tuple
        What triage sorts by; the smallest is done first. Ties go by ``work_id``.
    patience : float
        Minutes after which it is no longer waited for.
    licence : str
        State whose licence is needed.
    n_items : int
        How many things it holds (check-ins of a batch).
    no_show : bool
        The patient does not come: ``minutes`` is then the time lost.
    started, ended : float
        NaN until it happens.
    outcome : str
        One of :data:`OUTCOMES`; ``open`` until it ends.
    resource : str
        Who did it.
    note : object
        What whoever made the job wants to find again.
    due : float
        Minute at which it was wanted first, where it was put off before it was asked for; else ``requested``.
    interrupts, yields : bool
        Whether it may interrupt what yields, and whether it may be interrupted, where the engine preempts.
    interrupted : int
        How often it was.
    why : str
        What it was cancelled for.
    travel : float
        Minutes of it that are on the way.
    present : bool
        The patient takes part.
    companion : Job or None
        A second person's part, which begins when this does and not without it.
    clock : float
        Minutes from ``due`` within which it is to be begun; NaN: those of its urgency.
    """

    work_id: int
    patient: int
    work: str
    role: str
    urgency: int
    requested: float
    minutes: float
    rank: tuple[float, ...] = ()
    patience: float = math.inf
    licence: str = ANYWHERE
    n_items: int = 1
    no_show: bool = False
    started: float = math.nan
    ended: float = math.nan
    outcome: str = "open"
    resource: str = ""
    note: Any = None
    due: float = math.nan
    interrupts: bool = False
    yields: bool = False
    interrupted: int = 0
    why: str = ""
    travel: float = 0.0
    present: bool = False
    companion: "Job | None" = None
    clock: float = math.nan

    def __post_init__(self) -> None:
        """Work that was not put off is due when it is asked for."""
        if math.isnan(self.due):
            self.due = self.requested


@dataclass(frozen=True)
class Server:
    """Somebody at work, as the queue sees them.

    Attributes
    ----------
    name, role : str
    duties : sequence of Duty
        Stretches in which work may be begun, in order.
    stands_in_for : tuple of str
        Roles whose work is taken when the own role has none waiting, the first first.
    licences : frozenset of str or None
        States; None is all.
    skills : frozenset of str or None
        Kinds of work; None is all.
    """

    name: str
    role: str
    duties: Sequence[Duty]
    stands_in_for: tuple[str, ...] = ()
    licences: frozenset[str] | None = None
    skills: frozenset[str] | None = None

    def may_do(self, role: str, licence: str, kind: str = "") -> bool:
        """Whether work of a role, a state and, where given, a kind may be done by this person."""
        allowed = licence == ANYWHERE or self.licences is None or licence in self.licences
        skilled = not kind or self.skills is None or kind in self.skills
        return allowed and skilled and (role == self.role or role in self.stands_in_for)


@dataclass(slots=True, eq=False)
class _Desk:
    """A server's place in a running simulation."""

    server: Server
    tiers: list[list[tuple[str, str, str]]] = field(default_factory=list)
    until: float = -math.inf
    urgent_only: bool = False
    job: Job | None = None
    began: float = math.nan  # the piece of the job that is being done now
    left: float = 0.0  # minutes of it
    turn: int = 0  # number of the piece: what ends an interrupted one is no longer listened to
    laid_aside: list[tuple[Job, float]] = field(default_factory=list)  # interrupted work and the minutes it still takes


_Key = tuple[str, str, str]  # role, state, and kind of work where somebody's skills are not all
_Entry = tuple[tuple[float, ...], int, Job]


class Engine:
    """A queue that runs.

    Parameters
    ----------
    servers : sequence of Server
    unlimited : bool
        Everything is begun the moment it is asked for; nobody is needed.
    preempt : bool
        Whether work that interrupts is begun at once where somebody is at work on what yields.
    finished : callable, optional
        Called with each job that has ended, at the moment it ends; may submit more.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        unlimited: bool = False,
        preempt: bool = False,
        finished: Callable[[Job], None] | None = None,
    ):
        self.env = simpy.Environment()
        self.unlimited, self.preempt = unlimited, preempt
        self.jobs: list[Job] = []
        self._finished = finished
        self._desks = [_Desk(server) for server in servers]
        self._by_kind = any(server.skills is not None for server in servers)
        self._to_come: list[tuple[float, int, Job]] = []
        self._next_arrival = math.inf
        self._queues: dict[_Key, list[_Entry]] = {}
        self._desks_of: dict[_Key, list[_Desk]] = {}
        self._here: set[int] = set()  # patients who are with somebody
        self._of_patient: dict[int, list[tuple[_Key, _Entry]]] = {}  # waiting work that needs the patient
        self._of_two: list[tuple[_Key, _Entry]] = []  # waiting work that needs a second person
        for desk in self._desks:
            self.env.process(self._roster(desk))

    @property
    def now(self) -> float:
        """Minutes from the start of day 1."""
        return float(self.env.now)

    def submit(self, job: Job) -> None:
        """Ask for a piece of work, at its ``requested`` time, which may be now or later."""
        if job.requested < self.now:
            raise ValueError(f"work {job.work_id} is asked for at {job.requested}, before now ({self.now})")
        self.jobs.append(job)
        if job.companion is not None:
            self.jobs.append(job.companion)
        heappush(self._to_come, (job.requested, len(self.jobs), job))
        if job.requested < self._next_arrival:
            self._await_arrival()

    def cancel(self, job: Job, why: str = "") -> None:
        """Take waiting work out of the queue; what has been begun is finished."""
        if job.outcome == "open" and math.isnan(job.started):
            job.why = why
            self._end(job, "cancelled")

    def at(self, when: float, what: Callable[..., None], *arguments: Any) -> None:
        """Have something done at a minute."""
        self._at(when, what, *arguments)

    def run(self, until: float) -> None:
        """Let time pass up to ``until``; what happens at that very minute happens in the next call."""
        self.env.run(until=until)

    def waiting(self) -> list[Job]:
        """Work that has been asked for and not begun."""
        return [job for job in self.jobs if job.outcome == "open" and math.isnan(job.started)]

    # -- what happens ----------------------------------------------------------------------------------------------

    def _await_arrival(self) -> None:
        """One event for the next work to come, not one for each: a long list of it costs nothing while it waits."""
        self._next_arrival = self._to_come[0][0] if self._to_come else math.inf
        if self._to_come:
            self._at(self._next_arrival, self._arrivals, self._next_arrival, priority=URGENT)

    def _arrivals(self, awaited: float) -> None:
        if awaited != self._next_arrival:  # something earlier has been asked for since, and has its own event
            return
        while self._to_come and self._to_come[0][0] <= self.env.now:
            self._arrive(heappop(self._to_come)[2])
        self._await_arrival()

    def _at(self, when: float, what: Callable[..., None], *arguments: Any, priority: EventPriority = NORMAL) -> None:
        event = simpy.Event(self.env)
        event._ok, event._value = True, None  # as a timeout has it
        event.callbacks.append(lambda _: what(*arguments))
        self.env.schedule(event, priority, max(0.0, when - self.env.now))

    def _roster(self, desk: _Desk) -> Any:
        """The days of one server, a SimPy process."""
        for duty in desk.server.duties:
            if duty.start > self.env.now:
                yield self.env.timeout(duty.start - self.env.now)
            if duty.end <= self.env.now:
                continue
            desk.until, desk.urgent_only = duty.end, duty.urgent_only
            if desk.job is None:
                self._take_next(desk)
                self._begin_some(self._of_two)
            yield self.env.timeout(duty.end - self.env.now)

    def _open_queue(self, key: _Key) -> None:
        """Make a queue and tell everybody who serves it, those of the role before those who stand in."""
        self._queues[key] = []
        role = key[0]
        able = [desk for desk in self._desks if desk.server.may_do(*key)]
        self._desks_of[key] = sorted(able, key=lambda d: _tier(d.server, role))
        for desk in able:
            tier = _tier(desk.server, role)
            while len(desk.tiers) <= tier:
                desk.tiers.append([])
            desk.tiers[tier].append(key)

    def _arrive(self, job: Job) -> None:
        if job.outcome != "open":
            return
        if self.unlimited:
            self._begin(None, job)
            return
        key = self._key(job)
        desk = self._idle(key, job)
        if desk is None and self.preempt and job.interrupts:
            desk = self._interruptible(key, job)
            if desk is not None:
                self._interrupt(desk)
        if desk is not None:
            self._begin(desk, job)
            return
        entry = job.rank, job.work_id, job
        heappush(self._queues[key], entry)
        if job.present:
            self._of_patient.setdefault(job.patient, []).append((key, entry))
        if job.companion is not None:
            self._of_two.append((key, entry))
        if job.patience < math.inf:
            self._at(job.requested + job.patience, self._lose_patience, job)

    def _key(self, job: Job) -> _Key:
        key = (job.role, job.licence, job.work if self._by_kind else "")
        if key not in self._queues:
            self._open_queue(key)
        return key

    def _may_begin(self, desk: _Desk, job: Job) -> bool:
        on_duty = self.env.now < desk.until and (not desk.urgent_only or job.urgency == 0)
        return on_duty and self._others_free(job, desk)

    def _others_free(self, job: Job, desk: _Desk) -> bool:
        """Whether whoever else it needs is free: the patient, a second person."""
        if job.present and job.patient in self._here:
            return False
        return job.companion is None or self._second(job.companion, desk) is not None

    def _idle(self, key: _Key, job: Job, besides: _Desk | None = None) -> _Desk | None:
        """Somebody free who can begin it now, those of the role first."""
        able = (desk for desk in self._desks_of[key] if desk.job is None and desk is not besides)
        return next((desk for desk in able if self._may_begin(desk, job)), None)

    def _second(self, companion: Job, first: _Desk) -> _Desk | None:
        """Somebody who is free for the second person's part, besides the first."""
        return self._idle(self._key(companion), companion, first)

    def _begin_some(self, waiting: list[tuple[_Key, _Entry]]) -> None:
        """Begin, in the order of triage, what of some waiting work can be begun now."""
        waiting[:] = [one for one in waiting if one[1][2].outcome == "open" and math.isnan(one[1][2].started)]
        for key, entry in sorted(waiting, key=lambda one: one[1][:2]):
            desk = self._idle(key, entry[2])
            if desk is not None:
                self._remove(key, entry)
                self._begin(desk, entry[2])

    def _interruptible(self, key: _Key, urgent: Job) -> _Desk | None:
        """Of those on duty who may do a queue's work and are at work on what yields: the most routine, begun last."""
        found: tuple[tuple[int, float], _Desk] | None = None
        for desk in self._desks_of[key]:
            job = desk.job
            if job is not None and job.yields and not desk.urgent_only and self._may_begin(desk, urgent):
                routine = job.urgency, desk.began
                if found is None or routine > found[0]:
                    found = routine, desk
        return None if found is None else found[1]

    def _interrupt(self, desk: _Desk) -> None:
        job = desk.job
        if job is None:
            raise ValueError(f"{desk.server.name} is at work on nothing that could be interrupted")
        job.interrupted += 1
        desk.laid_aside.append((job, desk.began + desk.left - self.env.now))

    def _resume(self, desk: _Desk) -> None:
        """Go on with what was interrupted, after whatever else interrupts; in overtime if need be."""
        for tier in desk.tiers if self.env.now < desk.until else ():
            waiting = [
                (e, key) for key in tier if (e := self._least(key, desk, lambda job: job.interrupts)) is not None
            ]
            if waiting:
                entry, key = min(waiting, key=lambda one: one[0][:2])
                self._remove(key, entry)
                self._begin(desk, entry[2])
                return
        self._work(desk, *desk.laid_aside.pop())

    def _least(self, key: _Key, desk: _Desk, which: Callable[[Job], bool]) -> _Entry | None:
        """What triage puts first of some of a queue's work that somebody can begin now."""
        able = (
            entry
            for entry in self._queues[key]
            if entry[2].outcome == "open" and which(entry[2]) and self._others_free(entry[2], desk)
        )
        return min(able, key=lambda entry: entry[:2], default=None)

    def _take_next(self, desk: _Desk) -> None:
        if desk.laid_aside:
            self._resume(desk)
            return
        if not self.env.now < desk.until:
            return
        for tier in desk.tiers:
            best: tuple[_Entry, _Key] | None = None
            for key in tier:
                entry = self._first(key, desk)
                if entry is not None and (best is None or entry[:2] < best[0][:2]):
                    best = entry, key
            if best is not None:
                entry, key = best
                self._remove(key, entry)
                self._begin(desk, entry[2])
                return

    def _first(self, key: _Key, desk: _Desk) -> _Entry | None:
        """What triage puts first in a queue, of what somebody can begin now."""
        queue = self._queues[key]
        while queue and queue[0][2].outcome != "open":
            heappop(queue)
        if desk.urgent_only:
            return self._least(key, desk, lambda job: job.urgency == 0)
        if not queue or self._others_free(queue[0][2], desk):
            return queue[0] if queue else None
        return self._least(key, desk, lambda job: True)

    def _remove(self, key: _Key, entry: _Entry) -> None:
        queue = self._queues[key]
        if queue[0] is entry:
            heappop(queue)
        else:
            queue.remove(entry)
            heapify(queue)

    def _begin(self, desk: _Desk | None, job: Job) -> None:
        job.started = self.env.now
        if job.present:
            self._here.add(job.patient)
        if desk is None:
            self._at(self.env.now + job.minutes, self._complete, None, job, 0)
        else:
            job.resource = desk.server.name
            self._work(desk, job, job.minutes)
        if job.companion is not None:
            self._begin(None if desk is None else self._second(job.companion, desk), job.companion)

    def _work(self, desk: _Desk, job: Job, minutes: float) -> None:
        """Somebody at work on a piece of a job that takes so many minutes, unless it is interrupted."""
        desk.job, desk.began, desk.left = job, self.env.now, minutes
        desk.turn += 1
        self._at(self.env.now + minutes, self._complete, desk, job, desk.turn)

    def _complete(self, desk: _Desk | None, job: Job, turn: int) -> None:
        if desk is not None:
            if desk.turn != turn:  # it was interrupted since
                return
            desk.job = None
        if job.present:
            self._here.discard(job.patient)
        self._end(job, "no_show" if job.no_show else "done")
        if desk is not None and desk.job is None:
            self._take_next(desk)
        if job.present and job.patient in self._of_patient:
            self._begin_some(self._of_patient[job.patient])
        if self._of_two:
            self._begin_some(self._of_two)

    def _lose_patience(self, job: Job) -> None:
        if job.outcome == "open" and math.isnan(job.started):
            self._end(job, "no_show" if job.no_show else "reneged")

    def _end(self, job: Job, outcome: str) -> None:
        job.ended, job.outcome = self.env.now, outcome
        if outcome == "cancelled":
            job.requested = min(job.requested, job.ended)  # an appointment that was to come
        if job.companion is not None and math.isnan(job.started):
            job.companion.why, job.companion.requested = job.why, job.requested
            self._end(job.companion, outcome)
        if self._finished is not None:
            self._finished(job)


def _tier(server: Server, role: str) -> int:
    """0 for the own role, then the roles stood in for in their order."""
    return 0 if role == server.role else 1 + server.stands_in_for.index(role)
