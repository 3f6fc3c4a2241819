"""Demand: the jobs of a day. Imports ``clinic.panel``, ``clinic.work``, ``clinic.appointments``, ``clinic.modality``.

On the morning of day d the check-ins, events and missed check-ins of the patients' day d − 1 become jobs. The protocol
plans further jobs for day d. Every request minute and service time is a draw of (seed, patient, day, kind of work), so
two teams meet the same demand.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.clinic import work
from taper_sim.clinic.appointments import NOWHERE, Diary, TimeSlot
from taper_sim.clinic.calendars import DAY_MIN, EVERY_DAY, OpeningHours
from taper_sim.clinic.modality import IN_PERSON, HomeVisits, visit_minutes
from taper_sim.clinic.panel import EVENT_SUMS, Panel
from taper_sim.clinic.queue import ANYWHERE, Job
from taper_sim.clinic.random_words import words_of
from taper_sim.clinic.triage import Rank, risk_score
from taper_sim.clinic.work import AUTHORISED_SHARE, BATCH_SIZE, GROUP_SIZE, KINDS_OF_WORK, NUMBER, Kind
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import STREAMS
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.simulation.alarm_response import SPIKE_RISE
from taper_sim.units import WEEK_D

if TYPE_CHECKING:  # the predictor compiles kernels: only a clinic that ranks by predicted risk loads it
    from taper_sim.clinic.predicted_risk import RiskPredictor


_NO_PATIENT = np.uint64(rng.ENSEMBLE - 1)  # key of draws that belong to no patient
_INSTRUMENT = {stream.instrument: k for k, stream in enumerate(STREAMS)}
#: First and last minute after midnight of requests without an appointment. Source: assumption A38.
_HOURS = {"checkin": (420.0, 600.0), "message": (480.0, 1020.0), "event": (0.0, 1200.0), "planned": (480.0, 540.0)}


@dataclass(frozen=True)
class Appointment:
    """Data of a booked visit.

    Attributes
    ----------
    discipline, planned_day : int
    moved : int
        Number of times that the patient left the waiting room.
    factor : float
        Factor on the mean minutes of its kind.
    slot : TimeSlot
        Entry in the appointment book.
    """

    discipline: int
    planned_day: int
    moved: int = 0
    factor: float = 1.0
    slot: TimeSlot = NOWHERE


@dataclass
class Watch:
    """The clinic's knowledge of each patient, updated every day.

    Attributes
    ----------
    baseline, rise : ndarray, (n, 2)
        Baseline of SOWS-Gossop and pain (NRS points), and the last report minus the baseline.
    silent : ndarray, (n,)
        Consecutive missed check-ins.
    last_cut : ndarray, (n,)
        Calendar day of the last dose reduction; -inf without one.
    prescribed : ndarray, (n, 3)
        Prescribed dose of each drug class, equivalents a day.
    counted : dict of str to ndarray (n,)
        Events to date, by kind.
    open_alert : dict of str to ndarray of bool (n,)
        Open alerts, by kind.
    unassessed, unordered, ordered : ndarray of bool, (n,)
        The initial assessment is pending; an order waits for it; a first order has been requested.
    order_open_since : ndarray, (n,)
        Calendar day of the open dose order; inf without one.
    order_open_d : ndarray, (n,)
        Working days since then; 0 without an open order.
    lapses, lapsed : ndarray, (n,)
        Days with a dose above the ordered one to date, and the calendar day of the last; -inf without one.
    uncounted, lapses_found : ndarray, (n,)
        Such days since the last pill count or report, and such days that the clinic knows of.
    """

    baseline: Floats
    rise: Floats
    silent: Floats
    last_cut: Floats
    prescribed: Floats
    counted: dict[str, Floats]
    open_alert: dict[str, Bools]
    unassessed: Bools
    unordered: Bools
    ordered: Bools
    order_open_since: Floats
    order_open_d: Floats
    lapses: Floats
    lapsed: Floats
    uncounted: Floats
    lapses_found: Floats


class Demand:
    """Generator of the jobs of a day.

    Parameters
    ----------
    panel : Panel
    diary : Diary
    rank : callable
        Triage rule.
    seed : int
    done_here : frozenset of str
        Kinds of work that the clinic does.
    licences : sequence of str
        State of each patient.
    interpreters : bool
        Whether the clinic employs interpreters; otherwise a vendor's are always available.
    in_person_from : int or None
        Calendar day from which prescribers' visits are in person.
    orders_by : str
        Queue of dose orders; with "pharmacist" there is no second review.
    home_visits : HomeVisits or None
        Visits in person are at the patient's home; None: in the clinic.
    opening : OpeningHours
        Working time of the clinic.
    predictor : RiskPredictor, optional
        Source of the patients' risk; by default the score of observations (``triage.risk_score``).
    """

    def __init__(
        self,
        panel: Panel,
        diary: Diary,
        rank: Rank,
        seed: int,
        done_here: frozenset[str],
        licences: Sequence[str],
        *,
        interpreters: bool,
        in_person_from: int | None,
        orders_by: str,
        home_visits: HomeVisits | None = None,
        opening: OpeningHours = EVERY_DAY,
        predictor: "RiskPredictor | None" = None,
    ):
        self._predictor, self._opening = predictor, opening
        self.panel, self.diary, self._rank, self._seed = panel, diary, rank, seed
        self.done_here, self._licences = done_here, licences
        self._interpreters, self._in_person_from, self.orders_by = interpreters, in_person_from, orders_by
        self._ids = itertools.count(1)
        cohort, n = panel.cohort, len(panel)
        travel = None if home_visits is None else home_visits.there_and_back_min(cohort, seed)
        self._usual = visit_minutes(cohort, panel.modality, travel)
        self._in_person = visit_minutes(cohort, np.full(n, IN_PERSON), travel)
        self._language = ~cohort.flags["language_match"]
        flags = ("oud", "earlier_overdose", "sleep_apnoea", "renal_impairment")
        risk_flags = [cohort.flags[name] for name in flags] + [cohort.flags["mood_disorder"] | cohort.flags["ptsd"]]
        self._flagged = np.sum(risk_flags, axis=0).astype(np.float64)
        self._complex = (cohort.taken.sum(axis=1) > 1) | cohort.flags["renal_impairment"] | cohort.flags["sleep_apnoea"]
        zeros = np.zeros(n)
        self.watch = Watch(
            baseline=np.stack([cohort.baseline["sows_gossop"], cohort.baseline["pain"]], axis=1),
            rise=np.zeros((n, 2)),
            silent=zeros.copy(),
            last_cut=np.full(n, -np.inf),
            prescribed=self._prescribed(),
            counted={name: zeros.copy() for name in EVENT_SUMS},
            open_alert={name: np.zeros(n, dtype=bool) for name in work.ALERTS},
            unassessed=np.zeros(n, dtype=bool),
            unordered=np.zeros(n, dtype=bool),
            ordered=np.zeros(n, dtype=bool),
            order_open_since=np.full(n, np.inf),
            order_open_d=zeros.copy(),
            lapses=zeros.copy(),
            lapsed=np.full(n, -np.inf),
            uncounted=zeros.copy(),
            lapses_found=zeros.copy(),
        )
        self.risk = zeros.copy()

    # -- observations of the day before ----------------------------------------------------------------------------

    def observe(self, day: int, present: Bools) -> dict[str, Bools]:
        """Update the watch with the patients' day ``day - 1``; events of that day, (n,) each."""
        panel, watch = self.panel, self.watch
        happened: dict[str, Bools] = {}
        open_order = watch.order_open_since < day
        watch.order_open_d = np.where(open_order, watch.order_open_d + self._opening.is_open(day), 0.0)
        for name, row in EVENT_SUMS.items():
            count = panel.sums(row)
            happened[name] = (count > watch.counted[name]) & present
            watch.counted[name] = count
        dose = self._prescribed()
        watch.last_cut = np.where((dose < watch.prescribed).any(axis=1), day - 1.0, watch.last_cut)
        watch.prescribed = dose
        reports = panel.reports[:, [_INSTRUMENT["sows_gossop"], _INSTRUMENT["pain_nrs"]]]
        came = ~np.isnan(reports).all(axis=1) & present & (panel.study_day(day) > 1)
        due = panel.due(day - 1, rows.CHECKIN_EVERY, first=0) & present & (panel.study_day(day) > 1)
        watch.rise = np.where(came[:, None], reports - watch.baseline, watch.rise)
        watch.silent = np.where(came, 0.0, watch.silent + (due & ~came))
        if self._predictor is None:
            self.risk = risk_score(
                watch.rise[:, 0], watch.rise[:, 1], day - watch.last_cut, watch.silent, self._flagged
            )
        else:
            rose = came & self._rose(work.REVIEW_RISE)
            self.risk = self._predictor.update(panel.study_day(day), dose, panel.reports, present, rose)
        lapses = panel.sums(rows.LAPSES)
        happened["lapse"] = (lapses > watch.lapses) & present
        watch.lapses = lapses
        watch.lapsed = np.where(happened["lapse"], day - 1.0, watch.lapsed)
        watch.uncounted += happened["lapse"]
        return {**happened, "came": came}

    def _prescribed(self) -> Floats:
        return np.stack([self.panel.state(rows.PRESCRIBED + k) for k in range(3)], axis=1)

    # -- the jobs of a day -----------------------------------------------------------------------------------------

    def of_day(self, day: int, present: Bools, handed_off: Bools) -> list[Job]:
        """All jobs of a day; the queue receives them at its first minute."""
        happened = self.observe(day, present)
        here = present & ~handed_off
        jobs: list[Job] = []
        for part in (self._visits, self._reading, self._alerts, self._orders, self._regular, self._once):
            jobs += part(day, here, happened)
        return jobs

    def _visits(self, day: int, here: Bools, _happened: dict[str, Bools]) -> list[Job]:
        """Planned visits of each planned discipline; the first one is the initial assessment."""
        panel = self.panel
        due = np.flatnonzero(panel.due(day, rows.VISIT_EVERY, first=1) & here)
        if len(due) == 0:
            return []
        first = panel.study_day(day)[due] == 1
        comes = panel.keeps_visit(day, due)
        jobs: list[Job] = []
        for discipline, queue in enumerate(DISCIPLINES):
            planned = panel.planned[due, discipline] > 0
            for name, mask in (("initial_assessment", planned & first), ("visit", planned & ~first)):
                if name in self.done_here:
                    patients = due[mask]
                    if name == "initial_assessment" and queue == "prescriber":
                        self.watch.unassessed[patients] = True  # the taper waits for the prescriber's assessment
                    factor, _ = self._draws(name, patients, day, discipline)
                    for p, f, c in zip(patients.tolist(), factor.tolist(), comes[mask].tolist(), strict=True):
                        jobs += self.booked(name, queue, p, c, Appointment(discipline, day, factor=f), day)
        psychology = due[(panel.planned[due, 3] > 0) & comes]
        if "group_session" in self.done_here:
            for k in range(0, len(psychology), GROUP_SIZE):
                members = psychology[k : k + GROUP_SIZE]
                jobs += self._of("group_session", np.array([-1]), day, note=(members, day), n_items=len(members))
        missed = due[~comes]
        jobs += self._alert("alert_missed_visit", missed, day)
        return jobs

    def booked(self, name: str, queue: str, patient: int, comes: bool, appointment: Appointment, day: int) -> list[Job]:
        """Book a visit, with an interpreter if the patient needs one; without room the job is cancelled."""
        kind = work.WORK_BY_NAME[name]
        by_rule = appointment.discipline == 0 and self._in_person_from is not None and day >= self._in_person_from
        length = self._in_person if by_rule else self._usual
        interpreted = self._interpreters and "interpreting" in self.done_here and bool(self._language[patient])
        licence = self._licences[patient] if queue in work.LICENSED else ANYWHERE
        travel, video_min = float(length.travel[patient]), kind.minutes(queue)
        expected = float(length.with_patient(video_min, patient))
        interpreting = expected if interpreted else 0.0
        slot = self.diary.book(
            queue, day, expected + travel, licence=licence, kind=name, interpreting=interpreting, patient=patient
        )
        with_patient = float(length.with_patient(video_min * appointment.factor, patient))
        minutes = travel + (with_patient if comes else work.NO_SHOW_MIN)
        if slot is None or slot.day > self.panel.n_days:
            requested = (day - 1) * DAY_MIN
            return [
                Job(
                    next(self._ids),
                    patient,
                    name,
                    queue,
                    kind.urgency,
                    requested,
                    minutes,
                    ended=requested,
                    outcome="cancelled",
                    note=appointment,
                    why=work.NO_ROOM if slot is None else work.AFTER_THE_END,
                )
            ]
        rank = self._rank(1, slot.at, self.risk[patient])
        due = (appointment.planned_day - 1) * DAY_MIN + self._opening.start_min
        visit = Job(
            next(self._ids),
            patient,
            name,
            queue,
            kind.urgency,
            slot.at,
            minutes,
            rank,
            patience=work.WAITING_ROOM_MIN,
            licence=licence,
            no_show=not comes,
            note=replace(appointment, slot=slot),
            due=due,
            travel=travel,
            present=comes,
        )
        if interpreted and comes:
            visit.companion = Job(
                next(self._ids), patient, "interpreting", "interpreter", 2, slot.at, minutes - travel, rank, due=due
            )
        return [visit]

    def _reading(self, day: int, here: Bools, happened: dict[str, Bools]) -> list[Job]:
        """Check-in reviews: batches near the baseline, single reviews above it."""
        came = happened["came"] & here
        above = self._rose(work.REVIEW_RISE) & came
        jobs = self._of("checkin_review", np.flatnonzero(above), day, hours="checkin", note=day - 1)
        near = np.flatnonzero(came & ~above)
        if "checkin_batch" in self.done_here:
            kind = work.WORK_BY_NAME["checkin_batch"]
            for k in range(0, len(near), BATCH_SIZE):
                members = near[k : k + BATCH_SIZE]
                at = (day - 1) * DAY_MIN + _HOURS["checkin"][1]
                risk = float(self.risk[members].max())
                jobs.append(
                    Job(
                        next(self._ids),
                        -1,
                        kind.name,
                        kind.queue,
                        kind.urgency,
                        at,
                        kind.minutes(kind.queue) * len(members),
                        self._rank(kind.urgency, at, risk),
                        patience=kind.patience_d * DAY_MIN,
                        n_items=len(members),
                        note=(members, day - 1),
                        yields=True,
                    )
                )
        return jobs

    def _rose(self, limits: Mapping[str, float]) -> Bools:
        rise = self.watch.rise
        return np.asarray((rise[:, 0] >= limits["sows_gossop"]) | (rise[:, 1] >= limits["pain_nrs"]))

    def _alerts(self, day: int, here: Bools, happened: dict[str, Bools]) -> list[Job]:
        watch = self.watch
        flag = (happened["overdose"] | happened["seizure"] | happened["crisis"]) & here
        jobs = self._alert("alert_red_flag", np.flatnonzero(flag), day, hours="event")
        spike = happened["came"] & here & self._rose(SPIKE_RISE)
        jobs += self._alert("alert_spike", np.flatnonzero(spike), day, hours="checkin")
        critical = day - watch.last_cut <= work.CRITICAL_D
        silent = (watch.silent >= work.MISSED_IN_A_ROW) & critical & here
        true = (self.panel.state(rows.W_ALL) > self.panel.coefficient("limit_w")) | (
            day - watch.lapsed <= watch.silent + 1.0
        )
        jobs += self._alert("alert_missed_checkins", np.flatnonzero(silent), day, note=true)
        jobs += self._doses(day, here, happened)
        late = (watch.order_open_d == work.LATE_ORDER_D) & here if self._opening.is_open(day) else np.zeros_like(here)
        jobs += self._alert("alert_late_dose", np.flatnonzero(late), day)
        jobs += self._of("urgent_visit", np.flatnonzero(happened["urgent"] & here), day, hours="event")
        return jobs

    def _doses(self, day: int, here: Bools, happened: dict[str, Bools]) -> list[Job]:
        """Alerts of doses above the ordered one: reported in a check-in, or from a pill count (true or false)."""
        watch, patients = self.watch, np.arange(len(self.panel))
        if "alert_unreported_dose" not in self.done_here:
            return []
        study_day = self.panel.study_day(day)
        _, u_report = self._draws("alert_unreported_dose", patients, day, 1)
        _, u_count = self._draws("alert_unreported_dose", patients, day, 2)
        here = here & ~watch.open_alert["alert_unreported_dose"]  # one open alert per patient
        told = happened["lapse"] & happened["came"] & here & (u_report < work.TOLD_SHARE)
        refill = here & (study_day > 1) & (study_day % work.REFILL_EVERY_D == 0) & ("refill" in self.done_here)
        chance = np.where(watch.uncounted > 0, 1.0 - (1.0 - work.COUNT_FINDS) ** watch.uncounted, work.COUNT_ERRS)
        count_alert = refill & (u_count < chance)
        true = told | (count_alert & (watch.uncounted > 0))
        days = np.where(true, watch.uncounted, 0.0)  # days that the alert reveals
        watch.uncounted = np.where(true | refill, 0.0, watch.uncounted)
        return self._alert("alert_unreported_dose", np.flatnonzero(true | count_alert), day, note=days)

    def _alert(
        self, name: str, patients: Ints, day: int, hours: str = "planned", note: Bools | Floats | None = None
    ) -> list[Job]:
        """Alerts of patients without an open one of the same kind; a false alert has ``note`` 0."""
        if name not in self.done_here:
            return []
        open_ = self.watch.open_alert[name]
        patients = patients[~open_[patients]]
        open_[patients] = True
        jobs = self._of(name, patients, day, hours=hours)
        if note is not None:
            for job in jobs:
                job.note = note[job.patient].item()
        return jobs

    def _orders(self, day: int, here: Bools, _happened: dict[str, Bools]) -> list[Job]:
        """Dose orders of the policy's decisions tonight, and prior authorisations of first orders."""
        watch = self.watch
        decided = self.panel.decides(day) & here
        jobs = []
        watch.unordered |= decided & watch.unassessed  # requested after the prescriber's assessment
        new = np.flatnonzero(decided & ~watch.unassessed & np.isinf(watch.order_open_since))
        jobs += self._dose_orders(new, day)
        first = np.flatnonzero(decided & ~watch.ordered)
        watch.ordered[first] = True
        if len(first):
            _, chance = self._draws("prior_authorisation", first, day, 1)
            jobs += self._of("prior_authorisation", first[chance < AUTHORISED_SHARE], day)
        return jobs

    def _dose_orders(self, patients: Ints, day: int, at: float | None = None) -> list[Job]:
        if "dose_order" not in self.done_here:
            return []
        self.watch.order_open_since[patients] = day
        return self._of("dose_order", patients, day, queue=self.orders_by, at=at)

    def assessed(self, patient: int, now: float, day: int) -> list[Job]:
        """Record the prescriber's assessment; the dose order that waited for it, if any."""
        self.watch.unassessed[patient] = False
        waited, self.watch.unordered[patient] = self.watch.unordered[patient], False
        return self._dose_orders(np.array([patient]), day, now) if waited else []

    def review_order(self, patient: int, now: float, day: int) -> list[Job]:
        """The pharmacist's review of a completed dose order."""
        if self.orders_by == "pharmacist":
            return []
        return self._of("pharmacist_review", np.array([patient]), day, at=now)

    def escalate(self, alert: Job, now: float, day: int, *, overdue: bool) -> list[Job]:
        """Escalation of an alert to the prescriber; an overdue alert keeps its clock."""
        jobs = self._of("escalation", np.array([alert.patient]), day, at=now, note=alert.work)
        for job in jobs if overdue else ():
            job.due, job.clock = alert.due, _clock(alert)
        return jobs

    def expedited(self, job: Job, now: float) -> Job:
        """An expedited copy of a job: urgency 0, requested now, with the same clock."""
        return Job(
            next(self._ids),
            job.patient,
            job.work,
            job.role,
            0,
            now,
            job.minutes,
            self._rank(0, now, self.risk[job.patient]),
            job.patience,
            job.licence,
            job.n_items,
            note=job.note,
            due=job.due,
            interrupts=job.interrupts,
            clock=_clock(job),
        )

    def _regular(self, day: int, here: Bools, _happened: dict[str, Bools]) -> list[Job]:
        """Recurring work: refills, rounds, case conferences, peer sessions, messages."""
        panel, study_day = self.panel, self.panel.study_day(day)
        flags = panel.cohort.flags
        jobs: list[Job] = []
        for name, every, patients in (
            ("refill", work.REFILL_EVERY_D, here),
            ("rounds", work.ROUNDS_EVERY_D, here),
            ("case_conference", work.CONFERENCE_EVERY_D, here & self._complex),
            ("peer_session", work.PEER_EVERY_D, here & flags["peer_support"]),
        ):
            from_day_1 = name == "peer_session"
            due = (study_day - 1) % every == 0 if from_day_1 else (study_day > 1) & (study_day % every == 0)
            due_patients = np.flatnonzero(patients & due)
            jobs += self._of(name, due_patients, day)
            if name == "case_conference":  # the prescriber's colleagues take part
                for queue in ("pharmacist", "nurse"):
                    jobs += self._of(name, due_patients, day, queue=queue)
        if "message" in self.done_here:
            enrolled = np.flatnonzero(here)
            _, chance = self._draws("message", enrolled, day, 1)
            rate = work.MESSAGES_A_WEEK / WEEK_D * (1.0 + 4.0 * panel.state(rows.W_ALL)[enrolled])
            jobs += self._of("message", enrolled[chance < rate], day, hours="message")
        return jobs

    def _once(self, day: int, here: Bools, _happened: dict[str, Bools]) -> list[Job]:
        """Work that occurs once per patient: education, training in self-management, handoff."""
        panel = self.panel
        enrols = here & (panel.study_day(day) == 1)
        jobs = self._of("education", np.flatnonzero(enrols & panel.cohort.flags["caregiver"]), day)
        jobs += self._of("self_management", np.flatnonzero(enrols & (panel.planned[:, 4] > 0)), day)
        stop = panel.state(rows.STOP_DAY)
        due = (stop > 0) & (panel.study_day(day) - stop == work.HANDOFF_AFTER_D) & here
        return jobs + self._of("handoff", np.flatnonzero(due), day)

    # -- a job -----------------------------------------------------------------------------------------------------

    def _draws(self, name: str, patients: Ints, day: int, part: int = 0) -> tuple[Floats, Floats]:
        """Factor on the minutes (mean 1) and a uniform, by patient, for a kind of work on a day."""
        keys = np.where(patients >= 0, self.panel.cohort.keys[np.maximum(patients, 0)], _NO_PATIENT)
        w = words_of(self._seed, keys, day, work.FIRST_CALL + 8 * NUMBER[name] + part)
        z, _ = rng.normal_pair(w[0], w[1])
        sd = math.sqrt(math.log1p(work.MINUTES_CV**2))
        return np.exp(sd * z - sd**2 / 2.0), np.asarray(rng.uniform(w[2]))

    def _of(
        self,
        name: str,
        patients: Ints,
        day: int,
        *,
        hours: str = "planned",
        at: float | None = None,
        queue: str | None = None,
        note: object = None,
        n_items: int = 1,
    ) -> list[Job]:
        """One job of a kind for each patient; none if the clinic does not do this kind."""
        if name not in self.done_here or len(patients) == 0:
            return []
        kind: Kind = KINDS_OF_WORK[NUMBER[name]]
        role = queue or kind.queue
        factor, u_minute = self._draws(name, patients, day)
        low, high = _HOURS[hours]
        midnight = (day - 1) * DAY_MIN
        minutes = kind.minutes(role) * factor
        jobs = []
        for p, length, u in zip(patients.tolist(), minutes.tolist(), u_minute.tolist(), strict=True):
            requested = midnight + low + (high - low) * u if at is None else at
            risk = float(self.risk[p]) if p >= 0 else 0.0
            licence = self._licences[p] if role == "prescriber" and p >= 0 else ANYWHERE
            jobs.append(
                Job(
                    next(self._ids),
                    p,
                    name,
                    role,
                    kind.urgency,
                    requested,
                    length,
                    self._rank(kind.urgency, requested, risk),
                    patience=kind.patience_d * DAY_MIN,
                    licence=licence,
                    note=note,
                    n_items=n_items,
                    interrupts=name in work.INTERRUPTS,
                    yields=name in work.YIELDS,
                    present=name in work.WITH_PATIENT,
                )
            )
        return jobs


def _clock(job: Job) -> float:
    """Minutes from the due minute within which a job should begin."""
    return work.CLOCK_MIN[job.urgency] if math.isnan(job.clock) else job.clock
