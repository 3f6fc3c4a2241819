"""Coupling of clinic and patients, day by day. Imports the rest of ``clinic``, ``policies``, ``simulation``.

The steps of a calendar day d:

1. Events of the patients' day d − 1, and work that is planned for day d, become jobs (``demand``).
2. The queue runs until midnight (``queue``). Each completed job has its effect (``work``): a visit delivers care, a
   review makes a check-in known to the policy, a signature releases a dose order, a refill renews the supply at home, a
   completed alarm brings the planned response.
3. At night the policy decides from the check-ins that were read. A patient with open work of effect ``order`` keeps
   the current dose.
4. The kernel simulates the patients' day d with the care and the dose that they received. Late work acts by the paths
   of ``harm_paths``.

Unlimited staff finish all work within the day: every check-in is read, and every visit that a patient keeps takes place
as planned. The result is then identical to the cohort simulation. Adding staff who take no work leaves every result
unchanged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.clinic import work
from taper_sim.clinic.absence import absences_table, spells, without_the_ill
from taper_sim.clinic.alarms import ALARM_COUNTS, Alarms
from taper_sim.clinic.appointments import BOOKING_HORIZON_D, Diary
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.demand import Appointment, Demand
from taper_sim.clinic.event_log import duty_table, events_table
from taper_sim.clinic.harm_paths import CALLS_FOR_HELP, HARM_COUNTS, LateWork
from taper_sim.clinic.modality import IN_PERSON, barriers
from taper_sim.clinic.panel import Panel, enrolment
from taper_sim.clinic.queue import ANYWHERE, Engine, Job
from taper_sim.clinic.setting import Setting
from taper_sim.clinic.team import Team
from taper_sim.clinic.triage import PREDICTED_RISK, RULES
from taper_sim.model.compiled import rows
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.policies.interface import Policy
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble
from taper_sim.simulation.layout import CarePlan

_STATE_CALL = 900  # call of the random generator: the patient's state of residence
PATIENT_COUNTS: Final = ("days_waiting", "days_waiting_closed", *ALARM_COUNTS, *HARM_COUNTS)
"""Names of the counts by patient."""
_BOOKED = ("visit", "initial_assessment")
_GROUP_CARE = 0.5  # share of psychology's care in groups. Source: assumption A38
_SELF_CARE = 0.3  # share of nursing's care that trained patients do themselves. Source: assumption A38


@dataclass
class Served:
    """Results of a clinic's run.

    Attributes
    ----------
    events, duty, absences : DataFrame
        As ``event_log.events_table``, ``event_log.duty_table`` (without ill workers), ``absence.absences_table``.
    outcomes : dict of str to ndarray (n,)
        Every outcome by patient (``outcomes``), over the patient's own study days.
    clinic : dict of str to ndarray (n,)
        Service by patient:

        - ``days_waiting``: working days on which an order had not taken effect; ``days_waiting_closed``: closed days.
        - ``unread``: share of check-ins that no worker had read by the night of their day or, if the clinic was closed,
          of the next working day; ``unread_closed``: share read by then, but not by the night of their own day.
        - ``care``: share of the planned visits kept by the patient that took place, all disciplines.
        - ``alarms``, ``false_alarms``, ``dismissed_alarms``: spike alerts; those without withdrawal over the limit;
          true ones that no worker read.
        - ``silence_alarms`` and the same two: alerts of missed check-ins; false without withdrawal over the limit and
          without a dose above the ordered one.
        - ``dose_alarms`` and the same two: alerts of doses above the ordered one; false if the patient took none.
        - ``lapse_days``, ``lapse_days_found``: days with such a dose, and those that the clinic knows of.
        - ``days_without_supply``, ``unanswered``, ``days_silent``: as ``harm_paths.LateWork``.
        - those of ``alarms.Alarms.accuracy``.
    starts : ndarray of int, (n,)
        Calendar day of each patient's day 1.
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
    on_progress: Callable[[int], None] | None = None,
) -> Served:
    """Run a clinic.

    Parameters
    ----------
    cohort : Cohort
        n patients.
    build : callable
        Returns a new policy.
    ensemble : Ensemble
    seed : int
        Two teams with one seed meet the same patients and the same random numbers.
    n_days : int
        Calendar days.
    care : CarePlan
        Planned care of the protocol.
    team : Team
    setting : Setting
    on_progress : callable, optional
        Called after each day with its number of patient-days.

    Returns
    -------
    Served
    """
    clinic = _Clinic(cohort, build, ensemble, seed, n_days, care, team, setting)
    for day in range(1, n_days + 1):
        clinic.day(day)
        if on_progress is not None:
            on_progress(len(cohort))
    return clinic.served()


class _Clinic:
    """The state of a running clinic; see :func:`serve`."""

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
        last = n_days + BOOKING_HORIZON_D  # the book extends beyond the run and contains no future illness
        self.diary = Diary(
            team.servers(last), last, unlimited=team.unlimited, rules=setting.booking, opening=setting.opening
        )
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
            opening=setting.opening,
            predictor=self._predictor(cohort, ensemble),
        )
        self.alarms = Alarms(self.panel, seed, self.duty, n_days)
        self.late = LateWork(self.panel, setting.harm_paths, setting.does)
        self.answered = np.zeros(n, dtype=bool)
        self._answers_alarms = care.answers_alarms and {"alert_spike", "alert_red_flag"} <= setting.does
        self.today = 0
        self.open: list[set[Job]] = [set() for _ in range(n)]
        self.gates = np.zeros(n, dtype=np.int64)
        self.read = np.zeros((n, n_days + 1), dtype=bool)
        self.came = np.zeros((n, n_days + 1), dtype=bool)
        self.read_in_time = np.zeros((n, n_days + 1), dtype=bool)
        self.read_same_day = np.zeros((n, n_days + 1), dtype=bool)
        self.unread_since = 0  # the first day whose check-ins have not come to their night
        self.seen_today = np.zeros((n, len(DISCIPLINES)), dtype=bool)
        self.group_today = np.zeros(n, dtype=bool)
        self.messages_answered, self.messages = np.zeros(n), np.zeros(n)
        self.handed_off = np.zeros(n, dtype=bool)
        self.taught, self.self_taught = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.peer_day = np.full(n, -np.inf)
        self.understood = cohort.flags["language_match"] | ("interpreting" in setting.does)
        self.visits_kept, self.visits_given = np.zeros(n), np.zeros(n)
        self.clinic = {name: np.zeros(n) for name in ("days_waiting", "days_waiting_closed")}
        self.clinic |= self.alarms.counted | self.late.counted
        self._miss_fixed = self.panel.parameter(rows.MISS_FIXED)
        self._present_before = np.zeros(n, dtype=bool)
        if setting.home_visits is not None:
            self._replace_barriers(barriers(cohort, self.panel.modality, None), self.panel.modality)

    def _predictor(self, cohort: Cohort, ensemble: Ensemble) -> Any:
        """The risk predictor; loaded only for triage by predicted risk with limited staff."""
        if self.setting.triage != PREDICTED_RISK or self.team.unlimited:
            return None
        from taper_sim.clinic.predicted_risk import RiskPredictor

        return RiskPredictor(cohort, self.n_days, ensemble=ensemble)

    def _licences(self, cohort: Cohort) -> Sequence[str]:
        if not self.setting.states:
            return [ANYWHERE] * len(cohort)
        names = [name for name, _ in self.setting.states]
        shares = np.cumsum([share for _, share in self.setting.states])
        u = rng.person_uniforms(self.seed, cohort.keys, 1, first_call=_STATE_CALL)[:, 0]
        return [names[int(k)] for k in np.minimum(np.searchsorted(shares, u * shares[-1]), len(names) - 1)]

    # -- a day -----------------------------------------------------------------------------------------------------

    def day(self, day: int) -> None:
        """Run one calendar day by the steps of the module docstring."""
        panel, self.today = self.panel, day
        present = panel.present(day)
        for patient in np.flatnonzero(self._present_before & ~present).tolist():
            self._cancel_open(patient, work.LEFT_CARE)
        self._present_before = present
        self._apply_in_person_rule(day)
        self._rebook_for_illness(day)
        self.seen_today[:] = False
        self.group_today[:] = False
        jobs = self.demand.of_day(day, present, self.handed_off)
        self.came[:, day - 1] = ~np.isnan(panel.reports).all(axis=1) & present & (panel.study_day(day) > 1)
        self.alarms.morning(day, jobs)
        for job in jobs:
            self._submit(job)
        self.engine.run(day * DAY_MIN)
        self.read[self.handed_off, day - 1] = True  # by the provider who has taken over
        self.read_same_day[:, day - 1] = self.read[:, day - 1]
        if self.setting.opening.is_open(day):  # check-ins of closed days are due by now too
            self.read_in_time[:, self.unread_since : day] = self.read[:, self.unread_since : day]
            self.unread_since = day
        self._deliver_care(day, present)
        self._apply_help(day)
        waits = (self.gates > 0) | self.demand.watch.unassessed
        self.late.night(day, present & ~self.handed_off)
        panel.live(day, waits, self.read, self._responses(present))
        self.alarms.night(day, present)
        days = "days_waiting" if self.setting.opening.is_open(day) else "days_waiting_closed"
        self.clinic[days] += panel.waiting() & present

    def _responses(self, present: Bools) -> Bools:
        """Patients who receive the planned response to an alarm today, (n,)."""
        if not self._answers_alarms:
            return np.zeros(len(present), dtype=bool)
        in_time = self.handed_off if self.late.acts("unread_alarm") else np.ones(len(present), dtype=bool)
        responses = np.where(in_time, self.panel.alarming(), self.answered) & present
        self.answered[:] = False
        return responses

    def _cancel_open(self, patient: int, why: str) -> None:
        for job in sorted(self.open[patient], key=lambda job: job.work_id):
            self.engine.cancel(job, why)

    def _submit(self, job: Job) -> None:
        if job.outcome != "open":  # without an appointment within the run: the log only
            self.engine.jobs.append(job)
            return
        if job.patient >= 0:
            self.open[job.patient].add(job)
            if self.late.holds_orders(job):
                self.gates[job.patient] += 1
            if job.work == "message":
                self.messages[job.patient] += 1.0
            if self._is_true(job.patient, job.work):
                self.late.called(job.patient)
        if job.work in work.ALERTS and not self.team.unlimited:
            self.engine.at(self._escalates_at(job), self._overdue, job)
        self.engine.submit(job)

    def _escalates_at(self, alert: Job) -> float:
        """The minute at which an alert is passed on: in working time, unless it cannot wait."""
        minutes = work.ESCALATION_MIN[alert.urgency]
        if alert.urgency == 0:
            return alert.requested + minutes
        return float(self.setting.opening.after(np.array([alert.requested]), np.array([minutes]))[0])

    def _overdue(self, alert: Job) -> None:
        """Escalate an alert that has not begun within its clock to the prescriber."""
        if alert.outcome == "open" and np.isnan(alert.started) and "escalation" in self.setting.does:
            self._escalate(alert, overdue=True)
            self.engine.cancel(alert, work.PASSED_ON)

    def _escalate(self, alert: Job, *, overdue: bool) -> None:
        for job in self.demand.escalate(alert, self.engine.now, self.today, overdue=overdue):
            self.alarms.pass_on(alert, job)
            self._submit(job)

    def _rebook_for_illness(self, day: int) -> None:
        """On a morning with illness, rebook the visits that the workers on duty cannot take over."""
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
                parts = (part for part in (job, job.companion) if part is not None and part.role == queue)
                part = next(parts, None)
                if part is None:
                    continue
                _, minutes = job.note.slot.held[0 if part is job else -1]
                if cover.take(queue, minutes, part.licence, part.work):
                    continue
                self.engine.cancel(job, work.STAFF_ILL)
                for visit in self.demand.booked(job.work, job.role, job.patient, not job.no_show, job.note, day + 1):
                    self._submit(visit)

    # -- effects of completed jobs -------------------------------------------------------------------------------------

    def _ended(self, job: Job) -> None:
        patient, done = job.patient, job.outcome == "done"
        if patient >= 0:
            self.open[patient].discard(job)
            if self.late.holds_orders(job):
                self.gates[patient] -= 1
            self.late.ended(job, self.today)
        if job.work in _BOOKED:
            self._visit_ended(job)
        elif job.work == "group_session" and done:
            self.group_today[job.note[0]] = True
        elif job.work == "message" and done:
            self.messages_answered[patient] += 1.0
        elif job.work == "checkin_batch" and done:
            members, day = job.note
            self.read[members, day] = True
        elif job.work == "checkin_review" and done:
            self.read[patient, job.note] = True
        elif job.work in work.ALERTS:
            self._alert_ended(job)
        elif job.work == "escalation" and done and job.note in CALLS_FOR_HELP:
            self._respond(patient, job.note)
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
        appointment: Appointment = job.note
        if job.role == "prescriber" and job.outcome in ("done", "no_show"):
            for order in self.demand.assessed(job.patient, self.engine.now, self.today):
                self._submit(order)
        if job.outcome == "done" and self.understood[job.patient]:
            if appointment.planned_day == self.today:
                self.seen_today[job.patient, appointment.discipline] = True
            else:  # the care counts as delivered from today until the next planned visit
                self.panel.deliver(job.patient, appointment.discipline)
                self.visits_given[job.patient] += 1.0
        elif job.outcome == "reneged" and appointment.moved == 0 and self.today < self.n_days:
            job.why, moved = work.PUT_OFF, replace(appointment, moved=1)
            for visit in self.demand.booked(job.work, job.role, job.patient, True, moved, self.today + 1):
                self._submit(visit)
        elif job.outcome == "cancelled":  # the visit has not begun: its time becomes free
            self.diary.free(appointment.slot)

    def _alert_ended(self, alert: Job) -> None:
        patient = alert.patient
        self.demand.watch.open_alert[alert.work][patient] = False
        read = alert.outcome == "done" and self.alarms.heard(alert)
        if alert.work == "alert_unreported_dose" and (read or alert.why == work.PASSED_ON):
            self.demand.watch.lapses_found[patient] += alert.note
        if alert.outcome != "done":
            return
        if alert.work == "alert_red_flag" and "escalation" in self.setting.does:
            self._escalate(alert, overdue=False)
        elif read and alert.work in CALLS_FOR_HELP:
            self._respond(patient, alert.work)
        elif alert.work == "alert_late_dose":
            for job in sorted(self.open[patient], key=lambda job: job.work_id):
                if job.work in ("dose_order", "pharmacist_review") and np.isnan(job.started):
                    self._submit(self.demand.expedited(job, self.engine.now))
                    self.engine.cancel(job, work.HURRIED)
        elif alert.work == "alert_spike" and not read:  # its check-in stays unread too
            self.read[patient, self.today - 1] = False
            for job in sorted(self.open[patient], key=lambda job: job.work_id):
                if job.work == "checkin_review" and job.note == self.today - 1:
                    self.engine.cancel(job, work.DISMISSED)

    def _respond(self, patient: int, alarm: str) -> None:
        """The planned response to a completed alarm: an event, or a check-in with withdrawal over its limit."""
        self.late.replied(patient)
        self.answered[patient] |= self._is_true(patient, alarm)

    def _is_true(self, patient: int, alarm: str) -> bool:
        """Whether an alarm is an event, or a check-in with withdrawal over its limit."""
        return alarm == "alert_red_flag" or (alarm == "alert_spike" and self.alarms.is_over_limit(patient))

    # -- from the clinic to the patients -------------------------------------------------------------------------------

    def _deliver_care(self, day: int, present: Bools) -> None:
        """Set the delivered care of patients with visits planned for today, before the patients' day."""
        panel, does = self.panel, self.setting.does
        due = panel.due(day, rows.VISIT_EVERY, first=1) & present
        if not due.any():
            return
        elsewhere = self.handed_off  # another provider continues the planned care
        served = self.seen_today | elsewhere[:, None]
        share = served.astype(np.float64)
        group = self.group_today | elsewhere
        share[:, 3] = (1.0 - _GROUP_CARE) * served[:, 3] + _GROUP_CARE * group
        if "message" in does:
            answered = self.messages_answered / np.maximum(self.messages, 1.0)
            share[:, 4] *= np.where((self.messages > 0) & ~elsewhere, answered, 1.0)
            self.messages[due], self.messages_answered[due] = 0.0, 0.0
            for p in np.flatnonzero(due).tolist():  # a message that still waits counts in the next interval too
                self.messages[p] = sum(job.work == "message" for job in self.open[p])
        share[:, 4] *= np.where(self.self_taught | elsewhere, 1.0, 1.0 - _SELF_CARE)
        for d in range(len(DISCIPLINES)):
            panel.put_parameter(rows.PLANNED + d, panel.planned[:, d] * share[:, d])  # the kernel reads it today
        patients = np.flatnonzero(due & ~elsewhere)
        comes = np.zeros(len(due), dtype=bool)
        comes[patients] = panel.keeps_visit(day, patients)
        self.late.visits_due(day, comes & (panel.planned > 0).any(axis=1))
        n_planned = (panel.planned > 0).sum(axis=1)
        self.visits_kept += np.where(comes, n_planned, 0)
        self.visits_given += np.where(comes, (served & (panel.planned > 0)).sum(axis=1), 0)

    def _apply_help(self, day: int) -> None:
        """Set the rate of missed check-ins: a trained caregiver and a recent peer session lower it."""
        panel, does = self.panel, self.setting.does
        flags, study_day = panel.cohort.flags, panel.study_day(day)
        last_due = day - (study_day - 1) % work.PEER_EVERY_D
        untaught = flags["caregiver"] & ~(self.taught | self.handed_off)
        alone = flags["peer_support"] & ~((self.peer_day >= last_due) | self.handed_off)
        if "education" not in does:
            untaught = flags["caregiver"]
        lost = panel.coefficient("miss_help") * (untaught * 1.0 + alone * 1.0)
        panel.put_parameter(rows.MISS_FIXED, np.where(lost > 0, self._miss_fixed + lost, self._miss_fixed))

    def _apply_in_person_rule(self, day: int) -> None:
        """Replace the barriers to visits on the day from which visits are in person."""
        if self.setting.in_person_from == day:
            home, modality = self.setting.home_visits, self.panel.modality
            self._replace_barriers(barriers(self.panel.cohort, modality, home), np.full(len(modality), IN_PERSON))

    def _replace_barriers(self, before: Floats, modality: Ints) -> None:
        """Replace ``before`` in the parameters by the barriers to visits of a modality."""
        panel = self.panel
        more = barriers(panel.cohort, modality, self.setting.home_visits) - before
        fixed = panel.parameter(rows.NOSHOW_FIXED) + panel.coefficient("noshow_access") * more
        panel.put_parameter(rows.NOSHOW_FIXED, fixed)

    # -- results -------------------------------------------------------------------------------------------------------

    def served(self) -> Served:
        """Results of the run; every reported measure is computed from them."""
        came = self.came.sum(axis=1)
        self.read_in_time[:, self.unread_since :] = True  # not due before the end of the run
        unread = (self.came & ~self.read_in_time).sum(axis=1)
        closed = (self.came & self.read_in_time & ~self.read_same_day).sum(axis=1)
        nan = np.full(len(came), np.nan)
        self.clinic["unread"] = np.divide(unread, came, out=nan.copy(), where=came > 0)
        self.clinic["unread_closed"] = np.divide(closed, came, out=nan.copy(), where=came > 0)
        self.clinic["care"] = np.divide(self.visits_given, self.visits_kept, out=nan.copy(), where=self.visits_kept > 0)
        self.clinic |= self.alarms.accuracy()
        self.clinic["lapse_days"] = self.demand.watch.lapses.copy()
        self.clinic["lapse_days_found"] = self.demand.watch.lapses_found.copy()
        events = events_table(self.engine.jobs, self.panel.cohort.ids, self.setting.opening)
        absences = absences_table(self.team, self.ill)
        return Served(events, self.duty, self.panel.outcomes(), self.clinic, self.panel.starts, absences)


__all__ = ["Served", "Setting", "serve"]
