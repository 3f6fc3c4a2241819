"""Clinic and patients, day by day, each acting on the other. Imports ``clinic``, ``simulation``.

The order of a day d of the calendar:

1. What the patients' day d − 1 left becomes work, with what is planned for d (``demand``).
2. The queue works until midnight (``simulation``). What ends has its effect (``work``): visits deliver care, reviews
   make check-ins known, signatures let orders go.
3. At night the policy decides on what has been read, for those whose work of effect ``order`` is finished; the others
   go on with the dose they have.
4. The patients live day d with the care they had and the dose they were given (the kernel).

A team that is never short finishes everything within the day. Nobody waits, every check-in is read, every visit that
the patient keeps takes place when planned: the result is then the cohort simulation, to the bit. A helper who changes
nothing in the queue changes nothing in the patients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.clinic import work
from taper_sim.clinic.absence import Illness, absences_table, spells, without_the_ill
from taper_sim.clinic.alarms import COUNTED as ALARMS_COUNTED
from taper_sim.clinic.alarms import Alarms
from taper_sim.clinic.appointments import HORIZON_D, Diary
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.demand import Appointment, Demand
from taper_sim.clinic.event_log import duty_table, events_table
from taper_sim.clinic.modality import IN_PERSON, HomeVisits, barriers
from taper_sim.clinic.panel import Panel, enrolment
from taper_sim.clinic.queue import ANYWHERE, Engine, Job
from taper_sim.clinic.team import Team
from taper_sim.clinic.triage import FORESEES, RULES
from taper_sim.model.compiled import rows
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.policies.interface import Policy
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble
from taper_sim.simulation.layout import CarePlan

_STATE_CALL = 900  # of the generator: the state a patient lives in
COUNTED: Final = ("days_waiting", *ALARMS_COUNTED)
"""What is counted of each patient while the clinic runs."""
_BOOKED = ("visit", "initial_assessment")
_GROUP_CARE = 0.5  # the group's share of psychology's care. Source: assumption A38
_SELF_CARE = 0.3  # of nursing's care: what a patient has learned to do by herself. Source: assumption A38


@dataclass(frozen=True)
class Setting:
    """How a clinic works, besides who works in it.

    Attributes
    ----------
    triage : str
        A name of ``triage.RULES``.
    enrol_over_d : int
        Days over which the panel enrols.
    without : frozenset of str
        Kinds of work (``work.KINDS``) that this clinic does not do.
    states : tuple of (str, float)
        States in which patients live, with shares; empty: one, which needs no licence.
    orders_by : str
        "prescriber", or "pharmacist" under an agreement on joint practice.
    in_person_from : int or None
        Calendar day from which a prescriber's visit has to be in person (rules on controlled substances).
    illness : Illness or None
        How often staff falls ill at short notice; None: never.
    preempt : bool
        Whether what cannot wait interrupts work at which no patient is present (``work.INTERRUPTS``, ``work.YIELDS``).
    home_visits : HomeVisits or None
        Visits in person are at the patient's home; None: patients come to the clinic.
    """

    triage: str = "urgency"
    enrol_over_d: int = 1
    without: frozenset[str] = frozenset()
    states: tuple[tuple[str, float], ...] = ()
    orders_by: str = "prescriber"
    in_person_from: int | None = None
    illness: Illness | None = None
    preempt: bool = False
    home_visits: HomeVisits | None = None

    @property
    def is_plain(self) -> bool:
        """Whether, with staff that is never short, this clinic gives its patients what the cohort simulation does."""
        return not self.without and self.in_person_from is None and self.home_visits is None

    @property
    def does(self) -> frozenset[str]:
        """Kinds of work that are done."""
        return frozenset(kind.name for kind in work.KINDS) - self.without

    def needed(self, care: CarePlan) -> dict[str, str]:
        """Queues that get work, each with a kind that needs it."""
        found: dict[str, str] = {}
        for kind in work.KINDS:
            if kind.name not in self.does or kind.name == "interpreting":
                continue
            queue = self.orders_by if kind.name == "dose_order" else kind.queue
            if kind.queue == work.EACH:
                planned = [name for name in DISCIPLINES if care.planned.get(name, 0.0) > 0]
            elif kind.name in work.WITH_CARE_OF:
                planned = [queue] if care.planned.get(work.WITH_CARE_OF[kind.name], 0.0) > 0 else []
            elif kind.name == "pharmacist_review" and self.orders_by == "pharmacist":
                planned = []
            else:
                planned = [queue]
            for name in planned:
                found.setdefault(name, kind.name)
        return found


@dataclass
class Served:
    """What a clinic did and what became of its patients.

    Attributes
    ----------
    events, duty, absences : DataFrame
        As ``records.events_table``, ``records.duty_table`` (without those who were ill), ``absence.absences_table``.
    outcomes : dict of str to ndarray (n,)
        One number a patient (``outcomes``), over each patient's own days.
    clinic : dict of str to ndarray (n,)
        What the clinic owes each patient: ``days_waiting`` (days on which an order was not followed yet),
        ``unread`` (share of check-ins that nobody had read by the night they came in), ``care`` (share of kept planned
        visits that took place, all disciplines), ``alarms`` and ``false_alarms`` (spike alerts, and those without
        withdrawal over the limit), ``dismissed_alarms`` (true ones that nobody read); the same of missed check-ins
        (``silence_alarms``, false without withdrawal over the limit or a dose that was not ordered) and of doses that
        were not ordered (``dose_alarms``, false where none was taken); ``lapse_days`` and ``lapse_days_found``.
    starts : ndarray of int, (n,)
    """

    events: pd.DataFrame
    duty: pd.DataFrame
    outcomes: dict[str, Floats]
    clinic: dict[str, Floats]
    starts: Ints
    absences: pd.DataFrame = field(default_factory=pd.DataFrame)


def serve(
    cohort: Cohort,
    build: Callable[[], Policy],
    ensemble: Ensemble,
    seed: int,
    n_days: int,
    care: CarePlan,
    team: Team,
    setting: Setting,
    tick: Callable[[int], None] | None = None,
) -> Served:
    """Run a clinic.

    Parameters
    ----------
    cohort : Cohort
        n people.
    build : callable
        A fresh policy.
    ensemble : Ensemble
    seed : int
        Two teams on one seed meet the same patients and the same luck.
    n_days : int
        Days of the calendar.
    care : CarePlan
        What the protocol plans for everybody.
    team : Team
    setting : Setting
    tick : callable, optional
        Called with the patient-days done after each day.

    Returns
    -------
    Served
    """
    clinic = _Clinic(cohort, build, ensemble, seed, n_days, care, team, setting)
    for day in range(1, n_days + 1):
        clinic.day(day)
        if tick is not None:
            tick(len(cohort))
    return clinic.served()


class _Clinic:
    """A clinic at work; see :func:`serve`."""

    def __init__(
        self,
        cohort: Cohort,
        build: Callable[[], Policy],
        ensemble: Ensemble,
        seed: int,
        n_days: int,
        care: CarePlan,
        team: Team,
        setting: Setting,
    ):
        n = len(cohort)
        self.n_days, self.team, self.setting, self.seed = n_days, team, setting, seed
        starts = enrolment(n, setting.enrol_over_d, n_days)
        self.panel = Panel(cohort, build, ensemble, seed, n_days, care, starts)
        self.ill = spells(team, seed, n_days, setting.illness)
        servers = without_the_ill(team, self.ill).servers(n_days)
        self.engine = Engine(servers, unlimited=team.unlimited, preempt=setting.preempt, finished=self._ended)
        self.duty = duty_table(servers)
        last = n_days + HORIZON_D  # the clinic goes on after the run; and nobody knows of illness ahead
        self.diary = Diary(team.servers(last), last, unlimited=team.unlimited)
        self.demand = Demand(
            self.panel,
            self.diary,
            RULES[setting.triage],
            seed,
            setting.does,
            self._licences(cohort),
            interpreters=team.unlimited or bool(team.of("interpreter")),
            in_person_from=setting.in_person_from,
            orders_by=setting.orders_by,
            home_visits=setting.home_visits,
            foresight=self._foresight(cohort),
        )
        self.alarms = Alarms(self.panel, seed, self.duty, n_days)
        self.today = 0
        self.open: list[set[Job]] = [set() for _ in range(n)]
        self.gates = np.zeros(n, dtype=np.int64)
        self.read = np.zeros((n, n_days + 1), dtype=bool)
        self.came = np.zeros((n, n_days + 1), dtype=bool)
        self.read_in_time = np.zeros((n, n_days + 1), dtype=bool)
        self.seen_today = np.zeros((n, len(DISCIPLINES)), dtype=bool)
        self.group_today = np.zeros(n, dtype=bool)
        self.answered, self.asked = np.zeros(n), np.zeros(n)
        self.handed_off = np.zeros(n, dtype=bool)
        self.taught, self.self_taught = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.peer_day = np.full(n, -np.inf)
        self.understood = cohort.flags["language_match"] | ("interpreting" in setting.does)
        self.kept, self.given = np.zeros(n), np.zeros(n)
        self.clinic = {"days_waiting": np.zeros(n)} | self.alarms.counted
        self._miss_fixed = self.panel.parameter(rows.MISS_FIXED)
        self._present_before = np.zeros(n, dtype=bool)
        if setting.home_visits is not None:
            self._barriers_change(barriers(cohort, self.panel.modality, None), self.panel.modality)

    def _foresight(self, cohort: Cohort) -> Any:
        """What predicts risk, loaded only where triage asks for it and somebody can be short."""
        if self.setting.triage != FORESEES or self.team.unlimited:
            return None
        from taper_sim.clinic.predicted_risk import RiskPredictor

        return RiskPredictor(cohort, self.n_days)

    def _licences(self, cohort: Cohort) -> Sequence[str]:
        if not self.setting.states:
            return [ANYWHERE] * len(cohort)
        names = [name for name, _ in self.setting.states]
        shares = np.cumsum([share for _, share in self.setting.states])
        u = rng.person_uniforms(self.seed, cohort.keys, 1, first_call=_STATE_CALL)[:, 0]
        return [names[int(k)] for k in np.minimum(np.searchsorted(shares, u * shares[-1]), len(names) - 1)]

    # -- a day -----------------------------------------------------------------------------------------------------

    def day(self, day: int) -> None:
        """One day of the calendar, in the order of the module's first lines."""
        panel, self.today = self.panel, day
        present = panel.present(day)
        for patient in np.flatnonzero(self._present_before & ~present).tolist():
            self._cancel_open(patient, work.LEFT)
        self._present_before = present
        self._rule_in_person(day)
        self._called_in_sick(day)
        self.seen_today[:] = False
        self.group_today[:] = False
        jobs = self.demand.of_day(day, present, self.handed_off)
        self.came[:, day - 1] = ~np.isnan(panel.reports).all(axis=1) & present & (panel.study_day(day) > 1)
        self.alarms.morning(day, jobs)
        for job in jobs:
            self._submit(job)
        self.engine.run(day * DAY_MIN)
        self.read[self.handed_off, day - 1] = True  # whoever has them now reads them
        self.read_in_time[:, day - 1] = self.read[:, day - 1]
        self._care(day, present)
        self._help(day)
        waits = (self.gates > 0) | self.demand.watch.unassessed
        panel.live(day, waits, self.read)
        self.clinic["days_waiting"] += panel.waiting() & present

    def _cancel_open(self, patient: int, why: str) -> None:
        for job in sorted(self.open[patient], key=lambda j: j.work_id):
            self.engine.cancel(job, why)

    def _submit(self, job: Job) -> None:
        if job.outcome != "open":  # no room in the diary, or only after the run: it is written down
            self.engine.jobs.append(job)
            return
        if job.patient >= 0:
            self.open[job.patient].add(job)
            if _holds_orders(job):
                self.gates[job.patient] += 1
            if job.work == "message":
                self.asked[job.patient] += 1.0
        if job.work in work.ALERTS and not self.team.unlimited:
            self.engine.at(job.requested + work.ESCALATION_MIN[job.urgency], self._overdue, job)
        self.engine.submit(job)

    def _overdue(self, alert: Job) -> None:
        """Nobody has begun an alert within its clock: it goes to the prescriber instead."""
        if alert.outcome == "open" and np.isnan(alert.started) and "escalation" in self.setting.does:
            for job in self.demand.escalate(alert, self.engine.now, self.today, overdue=True):
                self._submit(job)
            self.engine.cancel(alert, work.PASSED_ON)

    def _called_in_sick(self, day: int) -> None:
        """The morning's illness: booked visits that those who are there cannot take as well go to a later day."""
        ill = [w for w in self.team.workers for first, last in self.ill.get(w.name, ()) if first <= day <= last]
        if not ill:
            return
        for worker in ill:
            self.diary.ill(worker.name, day)
        cover = self.diary.cover(day)
        for queue in dict.fromkeys(worker.role.queue for worker in ill):
            today = [
                job
                for jobs in self.open
                for job in jobs
                if job.work in _BOOKED and np.isnan(job.started) and job.note.slot.day == day
            ]
            for job in sorted(today, key=lambda job: (job.requested, job.work_id)):
                part = next((one for one in (job, job.companion) if one is not None and one.role == queue), None)
                if part is None:
                    continue
                _, minutes = job.note.slot.held[0 if part is job else -1]
                if cover.take(queue, minutes, part.licence, part.work):
                    continue
                self.engine.cancel(job, work.STAFF_ILL)
                for again in self.demand.booked(job.work, job.role, job.patient, not job.no_show, job.note, day + 1):
                    self._submit(again)

    # -- what ends, and its effect -----------------------------------------------------------------------------------

    def _ended(self, job: Job) -> None:
        patient, done = job.patient, job.outcome == "done"
        if patient >= 0:
            self.open[patient].discard(job)
            if _holds_orders(job):
                self.gates[patient] -= 1
        if job.work in _BOOKED:
            self._visit_ended(job)
        elif job.work == "group_session" and done:
            self.group_today[job.note[0]] = True
        elif job.work == "message" and done:
            self.answered[patient] += 1.0
        elif job.work == "checkin_batch" and done:
            members, day = job.note
            self.read[members, day] = True
        elif job.work == "checkin_review" and done:
            self.read[patient, job.note] = True
        elif job.work in work.ALERTS:
            self._alert_ended(job)
        elif job.work == "dose_order" and done:
            for review in self.demand.review_order(patient, self.engine.now, self.today):
                self._submit(review)
        elif job.work == "education" and done:
            self.taught[patient] = True
        elif job.work == "self_management" and done:
            self.self_taught[patient] = True
        elif job.work == "peer_session" and done:
            self.peer_day[patient] = self.today
        elif job.work == "handoff" and done:
            self.handed_off[patient] = True
            self._cancel_open(patient, work.HANDED_OFF)
        if job.work in ("dose_order", "pharmacist_review") and not self._orders_open(patient):
            self.demand.watch.order_open_since[patient] = np.inf

    def _orders_open(self, patient: int) -> bool:
        return any(job.work in ("dose_order", "pharmacist_review") for job in self.open[patient])

    def _visit_ended(self, job: Job) -> None:
        what: Appointment = job.note
        if job.role == "prescriber" and job.outcome in ("done", "no_show"):
            for order in self.demand.assessed(job.patient, self.engine.now, self.today):
                self._submit(order)
        if job.outcome == "done" and self.understood[job.patient]:
            if what.planned_day == self.today:
                self.seen_today[job.patient, what.discipline] = True
            else:  # from today on the care counts as delivered, to the next planned visit
                self.panel.deliver(job.patient, what.discipline)
                self.given[job.patient] += 1.0
        elif job.outcome == "reneged" and what.moved == 0 and self.today < self.n_days:
            job.why, moved = work.PUT_OFF, replace(what, moved=1)
            for again in self.demand.booked(job.work, job.role, job.patient, True, moved, self.today + 1):
                self._submit(again)
        elif job.outcome == "cancelled":  # it has not begun: the time is somebody else's
            self.diary.free(what.slot)

    def _alert_ended(self, alert: Job) -> None:
        patient = alert.patient
        self.demand.watch.open_alert[alert.work][patient] = False
        read = alert.outcome == "done" and self.alarms.heard(alert)
        if alert.work == "alert_unreported_dose" and (read or alert.why == work.PASSED_ON):
            self.demand.watch.found[patient] += alert.note
        if alert.outcome != "done":
            return
        if alert.work == "alert_red_flag" and "escalation" in self.setting.does:
            for job in self.demand.escalate(alert, self.engine.now, self.today, overdue=False):
                self._submit(job)
        elif alert.work == "alert_late_dose":
            for job in sorted(self.open[patient], key=lambda j: j.work_id):
                if job.work in ("dose_order", "pharmacist_review") and np.isnan(job.started):
                    again = self.demand.hurried(job, self.engine.now)
                    self._submit(again)
                    self.engine.cancel(job, work.HURRIED)
        elif alert.work == "alert_spike" and not read:  # and the check-in with it
            self.read[patient, self.today - 1] = False
            for job in sorted(self.open[patient], key=lambda j: j.work_id):
                if job.work == "checkin_review" and job.note == self.today - 1:
                    self.engine.cancel(job, work.DISMISSED)

    # -- from the clinic to the patients -------------------------------------------------------------------------------

    def _care(self, day: int, present: Bools) -> None:
        """Care of the visits planned for today: what took place, before the patients live the day."""
        panel, does = self.panel, self.setting.does
        due = panel.due(day, rows.VISIT_EVERY, first=1) & present
        if not due.any():
            return
        elsewhere = self.handed_off  # what was planned goes on with somebody else
        served = self.seen_today | elsewhere[:, None]
        share = served.astype(np.float64)
        group = self.group_today | elsewhere
        share[:, 3] = (1.0 - _GROUP_CARE) * served[:, 3] + _GROUP_CARE * group
        if "message" in does:
            share[:, 4] *= np.where((self.asked > 0) & ~elsewhere, self.answered / np.maximum(self.asked, 1.0), 1.0)
            self.asked[due], self.answered[due] = 0.0, 0.0
            for p in np.flatnonzero(due).tolist():  # what still waits counts in the next interval too
                self.asked[p] = sum(job.work == "message" for job in self.open[p])
        share[:, 4] *= np.where(self.self_taught | elsewhere, 1.0, 1.0 - _SELF_CARE)
        for d in range(len(DISCIPLINES)):
            panel.put_parameter(rows.PLANNED + d, panel.planned[:, d] * share[:, d])  # read on the day it is due
        who = np.flatnonzero(due & ~elsewhere)
        comes = np.zeros(len(due), dtype=bool)
        comes[who] = panel.keeps_visit(day, who)
        wanted = (panel.planned > 0).sum(axis=1)
        self.kept += np.where(comes, wanted, 0)
        self.given += np.where(comes, (served & (panel.planned > 0)).sum(axis=1), 0)

    def _help(self, day: int) -> None:
        """Fewer check-ins are missed with a caregiver who was taught, and with peers who were seen."""
        panel, does = self.panel, self.setting.does
        flags, own = panel.cohort.flags, panel.study_day(day)
        last_due = day - (own - 1) % work.PEER_EVERY_D
        untaught = flags["caregiver"] & ~(self.taught | self.handed_off)
        alone = flags["peer_support"] & ~((self.peer_day >= last_due) | self.handed_off)
        if "education" not in does:
            untaught = flags["caregiver"]
        lost = panel.coefficient("miss_help") * (untaught * 1.0 + alone * 1.0)
        panel.put_parameter(rows.MISS_FIXED, np.where(lost > 0, self._miss_fixed + lost, self._miss_fixed))

    def _rule_in_person(self, day: int) -> None:
        """From a date on, visits have to be in person: other barriers count."""
        if self.setting.in_person_from == day:
            home, own = self.setting.home_visits, self.panel.modality
            self._barriers_change(barriers(self.panel.cohort, own, home), np.full(len(own), IN_PERSON))

    def _barriers_change(self, before: Floats, modality: Ints) -> None:
        """Count the barriers to visits of a modality instead of those that have been counted."""
        panel = self.panel
        more = barriers(panel.cohort, modality, self.setting.home_visits) - before
        fixed = panel.parameter(rows.NOSHOW_FIXED) + panel.coefficient("noshow_access") * more
        panel.put_parameter(rows.NOSHOW_FIXED, fixed)

    # -- at the end ----------------------------------------------------------------------------------------------------

    def served(self) -> Served:
        """Everything that is reported is computed from this."""
        came = self.came.sum(axis=1)
        unread = (self.came & ~self.read_in_time).sum(axis=1)
        nan = np.full(len(came), np.nan)
        self.clinic["unread"] = np.divide(unread, came, out=nan.copy(), where=came > 0)
        self.clinic["care"] = np.divide(self.given, self.kept, out=nan.copy(), where=self.kept > 0)
        self.clinic["lapse_days"] = self.demand.watch.lapses.copy()
        self.clinic["lapse_days_found"] = self.demand.watch.found.copy()
        events = events_table(self.engine.jobs, self.panel.cohort.ids)
        absences = absences_table(self.team, self.ill)
        return Served(events, self.duty, self.panel.outcomes(), self.clinic, self.panel.starts, absences)


def _holds_orders(job: Job) -> bool:
    """Whether a change of dose waits while this is open: all work of effect ``order``."""
    return work.BY_NAME[job.work].effect == "order"


__all__ = ["Served", "Setting", "serve"]
