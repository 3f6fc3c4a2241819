"""The queueing engine: servers, waiting jobs and a simulation clock (SimPy). Imports ``clinic.calendars``.

- Discipline: an idle server takes the highest-ranked job among those they may do. The triage rule sets the rank.
- Preemption: off by default. With it, a job that cannot wait interrupts one that can. The same server finishes the
  interrupted job directly afterwards (preemptive-resume).
- Reneging: a job leaves the queue when the patient's patience ends.
- Overtime: a server finishes a job that was begun before the end of the shift.
- Presence: a patient attends one job at a time. Other jobs that need the patient wait.
- Joint service: a visit that needs a second server (an interpreter) begins when both servers are idle.
- Simultaneous events: jobs requested at a minute arrive before any server takes work at that minute. A server who
  comes on duty at 08:00 therefore finds the patient of 08:00 in the queue.

The engine has no clinical content. It receives a :class:`Job` and writes the job's times. Every reported measure is
computed from these times.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Final

import simpy
from simpy.core import EventPriority, SimTime
from simpy.events import NORMAL, URGENT

from taper_sim.clinic.calendars import Duty

JOB_OUTCOMES: Final = ("done", "no_show", "reneged", "cancelled", "open")
ANYWHERE: Final = ""
"""Licence that every server holds: the job is bound to no state."""


@dataclass(slots=True, eq=False)
class Job:
    """A piece of work for one server.

    Attributes
    ----------
    work_id : int
    patient : int
        Row of the patient; −1 for a job without a patient (a batch, a meeting).
    work : str
        Kind of work.
    role : str
        Role whose queue the job joins.
    urgency : int
        0 cannot wait, 1 today, 2 within days, 3 routine.
    requested : float
        Minute of the request.
    minutes : float
        Service time, minutes.
    rank : tuple
        Sort key of the triage rule; the smallest is served first. ``work_id`` breaks ties.
    patience : float
        Minutes of waiting after which the job reneges.
    licence : str
        State whose licence the server needs.
    n_items : int
        Items in the job (check-ins of a batch).
    no_show : bool
        The patient does not come; ``minutes`` is then the time lost.
    started, ended : float
        Minutes of start and end; NaN before them.
    outcome : str
        One of :data:`JOB_OUTCOMES`; ``open`` until the job ends.
    resource : str
        Name of the server.
    note : object
        Data of the code that made the job; the engine does not read it.
    due : float
        Minute at which the work was first due. It precedes ``requested`` where the work was postponed before the
        request; by default it equals ``requested``.
    interrupts, yields : bool
        Whether the job may interrupt a job that yields, and whether it may be interrupted, in an engine with
        preemption.
    interrupted : int
        Number of interruptions.
    why : str
        Reason for a cancellation.
    travel : float
        Travel time within ``minutes``, minutes.
    present : bool
        The patient takes part.
    companion : Job or None
        The second server's part. Both parts begin together.
    clock : float
        Minutes from ``due`` within which the job should begin; NaN: the limit of its urgency.
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
        """A job that was not postponed is due at its request."""
        if math.isnan(self.due):
            self.due = self.requested

    @property
    def waits(self) -> bool:
        """Whether the job is open and has not begun."""
        return self.outcome == "open" and math.isnan(self.started)


@dataclass(frozen=True)
class Server:
    """A member of staff in the queueing model.

    Attributes
    ----------
    name, role : str
    duties : sequence of Duty
        Periods in which the server may begin work, in order of time.
    stands_in_for : tuple of str
        Roles that the server covers while the server's own queue is empty, in order of preference.
    licences : frozenset of str or None
        States in which the server is licensed; None: all.
    skills : frozenset of str or None
        Kinds of work that the server can do; None: all.
    """

    name: str
    role: str
    duties: Sequence[Duty]
    stands_in_for: tuple[str, ...] = ()
    licences: frozenset[str] | None = None
    skills: frozenset[str] | None = None

    def may_do(self, role: str, licence: str, kind: str = "") -> bool:
        """Whether the server may do work of a role and a state and, if ``kind`` is not empty, of a kind."""
        allowed = licence == ANYWHERE or self.licences is None or licence in self.licences
        skilled = not kind or self.skills is None or kind in self.skills
        return allowed and skilled and (role == self.role or role in self.stands_in_for)


@dataclass(slots=True, eq=False)
class _Desk:
    """The state of a server while the simulation runs."""

    server: Server
    tiers: list[list["_Key"]] = field(default_factory=list)
    until: float = -math.inf
    urgent_only: bool = False
    job: Job | None = None
    began: float = math.nan  # start of the current segment of the job
    left: float = 0.0  # minutes of the segment
    segment: int = 0  # number of the segment; the scheduled end of an interrupted segment is ignored
    preempted: list[tuple[Job, float]] = field(default_factory=list)  # interrupted jobs and their remaining minutes


_Key = tuple[str, str, str, bool]
"""Role, state, kind of work (empty if every server has all skills), whether the work cannot wait."""
_Entry = tuple[tuple[float, ...], int, Job]


class _Arrival(simpy.Timeout):
    """A timeout that precedes all other events of its minute."""


class _Environment(simpy.Environment):
    """SimPy's environment with arrivals first: SimPy itself gives all timeouts the priority ``NORMAL``."""

    def schedule(self, event: simpy.Event, priority: EventPriority = NORMAL, delay: SimTime = 0) -> None:
        """Schedule an event; an :class:`_Arrival` is urgent."""
        super().schedule(event, URGENT if isinstance(event, _Arrival) else priority, delay)


class Engine:
    """A multi-server queue with a simulation clock.

    Parameters
    ----------
    servers : sequence of Server
    unlimited : bool
        Every job begins at its request and occupies no server.
    preempt : bool
        Whether a job that interrupts begins at once if a server is busy with a job that yields.
    finished : callable, optional
        Called with each job at the moment it ends; may submit further jobs.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        unlimited: bool = False,
        preempt: bool = False,
        finished: Callable[[Job], None] | None = None,
    ):
        self.env = _Environment()
        self.unlimited, self.preempt = unlimited, preempt
        self.jobs: list[Job] = []
        self._finished = finished
        self._desks = [_Desk(server) for server in servers]
        self._by_kind = any(server.skills is not None for server in servers)
        self._future: list[tuple[float, int, Job]] = []
        self._next_arrival = math.inf
        self._queues: dict[_Key, list[_Entry]] = {}
        self._desks_of: dict[_Key, list[_Desk]] = {}
        self._in_service: set[int] = set()  # patients who take part in a job now
        self._waiting_for: dict[int, list[tuple[_Key, _Entry]]] = {}  # waiting jobs that need the patient
        self._until_free: dict[int, list[tuple[_Key, _Entry]]] = {}  # those of them that left the queue
        self._waiting_for_two: list[tuple[_Key, _Entry]] = []  # waiting jobs that need a second server
        for desk in self._desks:
            self.env.process(self._roster(desk))

    @property
    def now(self) -> float:
        """Minutes from the start of day 1."""
        return float(self.env.now)

    def submit(self, job: Job) -> None:
        """Add a job, which arrives at its ``requested`` time.

        Raises
        ------
        ValueError
            If that time lies in the past.
        """
        if job.requested < self.now:
            raise ValueError(f"work {job.work_id} is requested at {job.requested}, before now ({self.now})")
        self.jobs.append(job)
        if job.companion is not None:
            self.jobs.append(job.companion)
        heappush(self._future, (job.requested, len(self.jobs), job))
        if job.requested < self._next_arrival:
            self._await_arrival()

    def cancel(self, job: Job, why: str = "") -> None:
        """Take a waiting job out of the queue; a job that has begun is finished."""
        if job.waits:
            job.why = why
            self._end(job, "cancelled")

    def at(self, minute: float, call: Callable[..., None], *arguments: Any) -> None:
        """Schedule a call."""
        timeout = simpy.Timeout(self.env, max(0.0, minute - self.env.now))
        timeout.callbacks.append(lambda _: call(*arguments))

    def run(self, until: float) -> None:
        """Advance the clock to ``until``; events of that very minute belong to the next call."""
        self.env.run(until=until)

    def waiting(self) -> list[Job]:
        """Jobs that have not begun, of those submitted."""
        return [job for job in self.jobs if job.waits]

    # -- events ----------------------------------------------------------------------------------------------------

    def _await_arrival(self) -> None:
        """Schedule one event for the next arrival. One event for each future job would make every event slower."""
        self._next_arrival = awaited = self._future[0][0] if self._future else math.inf
        if self._future:
            arrival = _Arrival(self.env, max(0.0, awaited - self.env.now))
            arrival.callbacks.append(lambda _: self._arrivals(awaited))

    def _arrivals(self, awaited: float) -> None:
        if awaited != self._next_arrival:  # an earlier job was submitted since and has its own event
            return
        while self._future and self._future[0][0] <= self.env.now:
            self._arrive(heappop(self._future)[2])
        self._await_arrival()

    def _roster(self, desk: _Desk) -> Any:
        """The duty periods of one server, a SimPy process."""
        for duty in desk.server.duties:
            if duty.start > self.env.now:
                yield self.env.timeout(duty.start - self.env.now)
            if duty.end <= self.env.now:
                continue
            desk.until, desk.urgent_only = duty.end, duty.urgent_only
            if desk.job is None:
                self._take_next(desk)
                self._begin_some(self._waiting_for_two)
            yield self.env.timeout(duty.end - self.env.now)

    def _open_queue(self, key: _Key) -> None:
        """Open a queue and assign its servers, those of the role before those who cover for it."""
        self._queues[key] = []
        role = key[0]
        eligible = [desk for desk in self._desks if desk.server.may_do(*key[:3])]
        self._desks_of[key] = sorted(eligible, key=lambda desk: _tier(desk.server, role))
        for desk in eligible:
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
            self._waiting_for.setdefault(job.patient, []).append((key, entry))
        if job.companion is not None:
            self._waiting_for_two.append((key, entry))
        if job.patience < math.inf:
            self.at(job.requested + job.patience, self._lose_patience, job)

    def _key(self, job: Job) -> _Key:
        key = job.role, job.licence, job.work if self._by_kind else "", job.urgency == 0
        if key not in self._queues:
            self._open_queue(key)
        return key

    def _may_begin(self, desk: _Desk, job: Job) -> bool:
        on_duty = self.env.now < desk.until and (not desk.urgent_only or job.urgency == 0)
        return on_duty and self._others_free(job, desk)

    def _others_free(self, job: Job, desk: _Desk) -> bool:
        """Whether the patient and, for a job that needs one, a second server are free."""
        if job.present and job.patient in self._in_service:
            return False
        return job.companion is None or self._idle_companion(job.companion, desk) is not None

    def _idle(self, key: _Key, job: Job, besides: _Desk | None = None) -> _Desk | None:
        """An idle server other than ``besides`` who can begin the job now, those of the role first."""
        idle = (desk for desk in self._desks_of[key] if desk.job is None and desk is not besides)
        return next((desk for desk in idle if self._may_begin(desk, job)), None)

    def _idle_companion(self, companion: Job, first: _Desk) -> _Desk | None:
        """An idle server for the second part of a joint job, other than the first server."""
        return self._idle(self._key(companion), companion, first)

    def _begin_some(self, waiting: list[tuple[_Key, _Entry]]) -> None:
        """Begin every job of a list that can begin now, in the order of triage."""
        waiting[:] = [(key, entry) for key, entry in waiting if entry[2].waits]
        for key, entry in sorted(waiting, key=lambda pair: pair[1][:2]):
            desk = self._idle(key, entry[2])
            if desk is not None:
                self._remove(key, entry)
                self._begin(desk, entry[2])

    def _interruptible(self, key: _Key, urgent: Job) -> _Desk | None:
        """The server to interrupt for an urgent job, if any: the least urgent job that yields, begun last."""
        target: tuple[tuple[int, float], _Desk] | None = None
        for desk in self._desks_of[key]:
            job = desk.job
            if job is not None and job.yields and not desk.urgent_only and self._may_begin(desk, urgent):
                routine = job.urgency, desk.began
                if target is None or routine > target[0]:
                    target = routine, desk
        return None if target is None else target[1]

    def _interrupt(self, desk: _Desk) -> None:
        job = desk.job
        if job is None:
            raise ValueError(f"{desk.server.name} has no job to interrupt")
        job.interrupted += 1
        desk.preempted.append((job, desk.began + desk.left - self.env.now))

    def _resume(self, desk: _Desk) -> None:
        """Begin another waiting job that interrupts, else resume the interrupted one, if necessary in overtime."""
        for tier in desk.tiers if self.env.now < desk.until else ():
            waiting = [
                (entry, key)
                for key in tier
                if (entry := self._least(key, desk, lambda job: job.interrupts)) is not None
            ]
            if waiting:
                entry, key = min(waiting, key=lambda pair: pair[0][:2])
                self._remove(key, entry)
                self._begin(desk, entry[2])
                return
        self._work(desk, *desk.preempted.pop())

    def _least(self, key: _Key, desk: _Desk, condition: Callable[[Job], bool] = lambda job: True) -> _Entry | None:
        """The highest-ranked job of a queue that meets a condition and that a server can begin now.

        It walks the heap in order and stops at the first such job, so a long queue costs no more than a short one.
        """
        queue = self._queues[key]
        ahead = [(queue[0][:2], 0)] if queue else []
        while ahead:
            _, k = heappop(ahead)
            job = queue[k][2]
            if job.waits and condition(job) and self._others_free(job, desk):
                return queue[k]
            for below in (2 * k + 1, 2 * k + 2):
                if below < len(queue):
                    heappush(ahead, (queue[below][:2], below))
        return None

    def _take_next(self, desk: _Desk) -> None:
        if desk.preempted:
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
        """The highest-ranked job of a queue that a server can begin now."""
        if desk.urgent_only and not key[-1]:
            return None
        queue = self._queues[key]
        while queue and (not (job := queue[0][2]).waits or (job.present and job.patient in self._in_service)):
            entry = heappop(queue)
            if job.waits:  # it comes back when its patient is free: a long queue of the busy costs nothing
                self._until_free.setdefault(job.patient, []).append((key, entry))
        if not queue or self._others_free(queue[0][2], desk):
            return queue[0] if queue else None
        return self._least(key, desk)

    def _remove(self, key: _Key, entry: _Entry) -> None:
        """Take a job that begins from its queue; one that is not the first stays there until it comes first."""
        if self._queues[key][0] is entry:
            heappop(self._queues[key])

    def _begin(self, desk: _Desk | None, job: Job) -> None:
        job.started = self.env.now
        if job.present:
            self._in_service.add(job.patient)
        if desk is None:
            self.at(self.env.now + job.minutes, self._complete, None, job, 0)
        else:
            job.resource = desk.server.name
            self._work(desk, job, job.minutes)
        if job.companion is not None:
            self._begin(None if desk is None else self._idle_companion(job.companion, desk), job.companion)

    def _work(self, desk: _Desk, job: Job, minutes: float) -> None:
        """Start a segment of a job, which ends after ``minutes`` unless it is interrupted."""
        desk.job, desk.began, desk.left = job, self.env.now, minutes
        desk.segment += 1
        self.at(self.env.now + minutes, self._complete, desk, job, desk.segment)

    def _complete(self, desk: _Desk | None, job: Job, segment: int) -> None:
        if desk is not None:
            if desk.segment != segment:  # the segment was interrupted
                return
            desk.job = None
        if job.present:
            self._in_service.discard(job.patient)
            for key, entry in self._until_free.pop(job.patient, ()):
                heappush(self._queues[key], entry)
        self._end(job, "no_show" if job.no_show else "done")
        if desk is not None and desk.job is None:
            self._take_next(desk)
        if job.present and job.patient in self._waiting_for:
            self._begin_some(self._waiting_for[job.patient])
        if self._waiting_for_two:
            self._begin_some(self._waiting_for_two)

    def _lose_patience(self, job: Job) -> None:
        if job.waits:
            self._end(job, "no_show" if job.no_show else "reneged")

    def _end(self, job: Job, outcome: str) -> None:
        job.ended, job.outcome = self.env.now, outcome
        if outcome == "cancelled":
            job.requested = min(job.requested, job.ended)  # a future appointment never arrived
        if job.companion is not None and math.isnan(job.started):
            job.companion.why, job.companion.requested = job.why, job.requested
            self._end(job.companion, outcome)
        if self._finished is not None:
            self._finished(job)


def _tier(server: Server, role: str) -> int:
    """0 for the server's own role, then 1, 2, ... for the roles that the server covers, in their order."""
    return 0 if role == server.role else 1 + server.stands_in_for.index(role)
