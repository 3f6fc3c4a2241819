"""What there is to do on a day: the patients' course into pieces of work. Imports ``panel``, ``work``, ``booking``.

The morning of the clinic's day d finds what the patients' day d − 1 left: check-ins, events, silence. What is planned
for day d comes from the protocol. Every minute and every length is a draw that belongs to (seed, patient, day, kind of
work), so two teams meet the same work.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.clinic import work
from taper_sim.clinic.appointments import NOWHERE, Diary, TimeSlot
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.modality import IN_PERSON, HomeVisits, visit_minutes
from taper_sim.clinic.panel import EVENTS, Panel
from taper_sim.clinic.queue import ANYWHERE, Job
from taper_sim.clinic.triage import Rank, risk_score
from taper_sim.clinic.work import AUTHORISED_SHARE, BATCH, GROUP, KINDS, NUMBER, Kind
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import STREAMS
from taper_sim.model.parameters import DISCIPLINES

if TYPE_CHECKING:  # what predicts is compiled; a clinic that does not ask for it does not load it
    from taper_sim.clinic.predicted_risk import RiskPredictor


_CLINIC = np.uint64(rng.ENSEMBLE - 1)  # "patient" of draws that belong to no patient
_INSTRUMENT = {stream.instrument: k for k, stream in enumerate(STREAMS)}
#: Minutes after midnight between which each kind is asked for, where it is not booked. Source: assumption A38.
_HOURS = {"checkin": (420.0, 600.0), "message": (480.0, 1020.0), "event": (0.0, 1200.0), "planned": (480.0, 540.0)}


@dataclass(frozen=True)
class Appointment:
    """What a booked visit remembers.

    Attributes
    ----------
    discipline, planned_day : int
    moved : int
        How often the patient gave up waiting for it.
    factor : float
        On the mean minutes of its kind.
    slot : Slot
        Where it stands in the appointment book.
    """

    discipline: int
    planned_day: int
    moved: int = 0
    factor: float = 1.0
    slot: TimeSlot = NOWHERE


@dataclass
class Watch:
    """What the clinic knows of each patient, (n,) each, kept from day to day."""

    baseline: Floats
    rise: Floats
    silent: Floats
    last_cut: Floats
    prescribed: Floats
    counted: dict[str, Floats]
    open_alert: dict[str, Bools] = field(default_factory=dict)
    unassessed: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))
    unordered: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))
    ordered: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))
    order_open_since: Floats = field(default_factory=lambda: np.zeros(0))
    lapses: Floats = field(default_factory=lambda: np.zeros(0))
    lapsed: Floats = field(default_factory=lambda: np.zeros(0))
    uncounted: Floats = field(default_factory=lambda: np.zeros(0))
    found: Floats = field(default_factory=lambda: np.zeros(0))


class Demand:
    """Makes the work of a day.

    Parameters
    ----------
    panel : Panel
    diary : Diary
    rank : callable
        Of triage.
    seed : int
    done_here : frozenset of str
        Kinds of work that the clinic does.
    licences : sequence of str
        State of each patient.
    interpreters : bool
        Whether the clinic has its own (else a vendor's, who is never short).
    in_person_from : int or None
        Calendar day from which prescribers' visits have to be in person.
    orders_by : str
        Queue that makes dose orders; with "pharmacist" there is no second review.
    home_visits : HomeVisits or None
        Visits in person are at the patient's home; None: in the clinic.
    foresight : RiskPredictor, optional
        What predicts a patient's risk; without one it is the score of what was seen.
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
        foresight: "RiskPredictor | None" = None,
    ):
        self._foresight = foresight
        self.panel, self.diary, self._rank, self._seed = panel, diary, rank, seed
        self.done_here, self._licences = done_here, licences
        self._interpreters, self._in_person_from, self.orders_by = interpreters, in_person_from, orders_by
        self._ids = itertools.count(1)
        cohort, n = panel.cohort, len(panel)
        way = None if home_visits is None else home_visits.there_and_back_min(cohort, seed)
        self._usual = visit_minutes(cohort, panel.modality, way)
        self._in_person = visit_minutes(cohort, np.full(n, IN_PERSON), way)
        self._language = ~cohort.flags["language_match"]
        flags = ("oud", "earlier_overdose", "sleep_apnoea", "renal_impairment")
        counted = [cohort.flags[name] for name in flags] + [cohort.flags["mood_disorder"] | cohort.flags["ptsd"]]
        self._flagged = np.sum(counted, axis=0).astype(np.float64)
        self._complex = (cohort.taken.sum(axis=1) > 1) | cohort.flags["renal_impairment"] | cohort.flags["sleep_apnoea"]
        nothing = np.zeros(n)
        self.watch = Watch(
            baseline=np.stack([cohort.baseline["sows_gossop"], cohort.baseline["pain"]], axis=1),
            rise=np.zeros((n, 2)),
            silent=nothing.copy(),
            last_cut=np.full(n, -np.inf),
            prescribed=self._prescribed(),
            counted={name: nothing.copy() for name in EVENTS},
            open_alert={name: np.zeros(n, dtype=bool) for name in work.ALERTS},
            unassessed=np.zeros(n, dtype=bool),
            unordered=np.zeros(n, dtype=bool),
            ordered=np.zeros(n, dtype=bool),
            order_open_since=np.full(n, np.inf),
            lapses=nothing.copy(),
            lapsed=np.full(n, -np.inf),
            uncounted=nothing.copy(),
            found=nothing.copy(),
        )
        self.risk = nothing.copy()

    # -- what the patients' day has left ---------------------------------------------------------------------------

    def look(self, day: int, present: Bools) -> dict[str, Bools]:
        """Take in the patients' day ``day - 1``; what happened, (n,) each."""
        panel, watch = self.panel, self.watch
        happened: dict[str, Bools] = {}
        for name, row in EVENTS.items():
            now = panel.sums(row)
            happened[name] = (now > watch.counted[name]) & present
            watch.counted[name] = now
        dose = self._prescribed()
        watch.last_cut = np.where((dose < watch.prescribed).any(axis=1), day - 1.0, watch.last_cut)
        watch.prescribed = dose
        reports = panel.reports[:, [_INSTRUMENT["sows_gossop"], _INSTRUMENT["pain_nrs"]]]
        came = ~np.isnan(reports).all(axis=1) & present & (panel.study_day(day) > 1)
        due = panel.due(day - 1, rows.CHECKIN_EVERY, first=0) & present & (panel.study_day(day) > 1)
        watch.rise = np.where(came[:, None], reports - watch.baseline, watch.rise)
        watch.silent = np.where(came, 0.0, watch.silent + (due & ~came))
        if self._foresight is None:
            self.risk = risk_score(
                watch.rise[:, 0], watch.rise[:, 1], day - watch.last_cut, watch.silent, self._flagged
            )
        else:
            rose = came & self._rose(work.REVIEW_RISE)
            self.risk = self._foresight.look(panel.study_day(day), dose, panel.reports, present, rose)
        lapses = panel.sums(rows.LAPSES)
        happened["lapse"] = (lapses > watch.lapses) & present
        watch.lapses = lapses
        watch.lapsed = np.where(happened["lapse"], day - 1.0, watch.lapsed)
        watch.uncounted += happened["lapse"]
        return {**happened, "came": came}

    def _prescribed(self) -> Floats:
        return np.stack([self.panel.state(rows.PRESCRIBED + k) for k in range(3)], axis=1)

    # -- the day's work --------------------------------------------------------------------------------------------

    def of_day(self, day: int, present: Bools, handed_off: Bools) -> list[Job]:
        """Every piece of work that day ``day`` brings, to be handed to the queue at its first minute."""
        happened = self.look(day, present)
        here = present & ~handed_off
        jobs: list[Job] = []
        for part in (self._visits, self._reading, self._alerts, self._orders, self._regular, self._once):
            jobs += part(day, here, happened)
        return jobs

    def _visits(self, day: int, here: Bools, _happened: dict[str, Bools]) -> list[Job]:
        """Planned visits of each planned discipline; the first is the initial assessment."""
        panel = self.panel
        due = np.flatnonzero(panel.due(day, rows.VISIT_EVERY, first=1) & here)
        if len(due) == 0:
            return []
        first = panel.study_day(day)[due] == 1
        comes = panel.keeps_visit(day, due)
        jobs: list[Job] = []
        for discipline, queue in enumerate(DISCIPLINES):
            wanted = panel.planned[due, discipline] > 0
            for name, which in (("initial_assessment", wanted & first), ("visit", wanted & ~first)):
                if name in self.done_here:
                    who = due[which]
                    if name == "initial_assessment" and queue == "prescriber":
                        self.watch.unassessed[who] = True  # no taper before the prescriber has seen the patient
                    factor, _ = self._draws(name, who, day, discipline)
                    for p, f, c in zip(who.tolist(), factor.tolist(), comes[which].tolist(), strict=True):
                        jobs += self.booked(name, queue, p, c, Appointment(discipline, day, factor=f), day)
        psychology = due[(panel.planned[due, 3] > 0) & comes]
        if "group_session" in self.done_here:
            for k in range(0, len(psychology), GROUP):
                members = psychology[k : k + GROUP]
                jobs += self._of("group_session", np.array([-1]), day, note=(members, day), n_items=len(members))
        missed = due[~comes]
        jobs += self._alert("alert_missed_visit", missed, day)
        return jobs

    def booked(self, name: str, queue: str, patient: int, comes: bool, what: Appointment, day: int) -> list[Job]:
        """A visit in the appointment book, with an interpreter where one is needed; nothing where there is no room."""
        kind = work.BY_NAME[name]
        by_rule = what.discipline == 0 and self._in_person_from is not None and day >= self._in_person_from
        lasts = self._in_person if by_rule else self._usual
        interpreted = self._interpreters and "interpreting" in self.done_here and bool(self._language[patient])
        licence = self._licences[patient] if queue in work.LICENSED else ANYWHERE
        way, video_min = float(lasts.way[patient]), kind.minutes(queue)
        expected = float(lasts.with_patient(video_min, patient))
        interpreting = expected if interpreted else 0.0
        slot = self.diary.book(
            queue, day, expected + way, licence=licence, kind=name, interpreting=interpreting, patient=patient
        )
        minutes = way + (float(lasts.with_patient(video_min * what.factor, patient)) if comes else work.NO_SHOW_MIN)
        if slot is None or slot.day > self.panel.n_days:
            asked = (day - 1) * DAY_MIN
            return [
                Job(
                    next(self._ids),
                    patient,
                    name,
                    queue,
                    kind.urgency,
                    asked,
                    minutes,
                    ended=asked,
                    outcome="cancelled",
                    note=what,
                    why=work.NO_ROOM if slot is None else work.AFTER_THE_END,
                )
            ]
        rank, due = self._rank(1, slot.at, self.risk[patient]), (what.planned_day - 1) * DAY_MIN + 480.0
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
            note=replace(what, slot=slot),
            due=due,
            travel=way,
            present=comes,
        )
        if interpreted and comes:
            visit.companion = Job(
                next(self._ids), patient, "interpreting", "interpreter", 2, slot.at, minutes - way, rank, due=due
            )
        return [visit]

    def _reading(self, day: int, here: Bools, happened: dict[str, Bools]) -> list[Job]:
        """Check-ins: near the baseline in batches, above it one by one."""
        came = happened["came"] & here
        above = self._rose(work.REVIEW_RISE) & came
        jobs = self._of("checkin_review", np.flatnonzero(above), day, hours="checkin", note=day - 1)
        near = np.flatnonzero(came & ~above)
        if "checkin_batch" in self.done_here:
            kind = work.BY_NAME["checkin_batch"]
            for k in range(0, len(near), BATCH):
                members = near[k : k + BATCH]
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
        spike = happened["came"] & here & self._rose(work.SPIKE_RISE)
        jobs += self._alert("alert_spike", np.flatnonzero(spike), day, hours="checkin")
        critical = day - watch.last_cut <= work.CRITICAL_D
        silent = (watch.silent >= work.MISSED_IN_A_ROW) & critical & here
        true = (self.panel.state(rows.W_ALL) > self.panel.coefficient("limit_w")) | (
            day - watch.lapsed <= watch.silent + 1.0
        )
        jobs += self._alert("alert_missed_checkins", np.flatnonzero(silent), day, note=true)
        jobs += self._doses(day, here, happened)
        late = (day - watch.order_open_since == work.LATE_ORDER_D) & here
        jobs += self._alert("alert_late_dose", np.flatnonzero(late), day)
        jobs += self._of("urgent_visit", np.flatnonzero(happened["urgent"] & here), day, hours="event")
        return jobs

    def _doses(self, day: int, here: Bools, happened: dict[str, Bools]) -> list[Job]:
        """Alerts of doses taken that were not ordered: told in a check-in, or found (rightly or not) at a refill."""
        watch, everybody = self.watch, np.arange(len(self.panel))
        if "alert_unreported_dose" not in self.done_here:
            return []
        own = self.panel.study_day(day)
        _, says = self._draws("alert_unreported_dose", everybody, day, 1)
        _, counts = self._draws("alert_unreported_dose", everybody, day, 2)
        here = here & ~watch.open_alert["alert_unreported_dose"]  # whose last is not settled is not asked again
        told = happened["lapse"] & happened["came"] & here & (says < work.TOLD_SHARE)
        refill = here & (own > 1) & (own % work.REFILL_EVERY_D == 0) & ("refill" in self.done_here)
        chance = np.where(watch.uncounted > 0, 1.0 - (1.0 - work.COUNT_FINDS) ** watch.uncounted, work.COUNT_ERRS)
        found = refill & (counts < chance)
        true = told | (found & (watch.uncounted > 0))
        days = np.where(true, watch.uncounted, 0.0)  # that the alert brings to light
        watch.uncounted = np.where(true | refill, 0.0, watch.uncounted)
        return self._alert("alert_unreported_dose", np.flatnonzero(true | found), day, note=days)

    def _alert(
        self, name: str, who: Ints, day: int, hours: str = "planned", note: Bools | Floats | None = None
    ) -> list[Job]:
        """An alert for those who have no open one of the same kind; where it is false its ``note`` is 0."""
        if name not in self.done_here:
            return []
        open_ = self.watch.open_alert[name]
        who = who[~open_[who]]
        open_[who] = True
        jobs = self._of(name, who, day, hours=hours)
        if note is not None:
            for job in jobs:
                job.note = note[job.patient].item()
        return jobs

    def _orders(self, day: int, here: Bools, _happened: dict[str, Bools]) -> list[Job]:
        """The protocol decides tonight: somebody has to make the order, somebody else to check it."""
        watch = self.watch
        who = self.panel.decides(day) & here
        jobs = []
        watch.unordered |= who & watch.unassessed  # asked for when the prescriber has seen the patient
        new = np.flatnonzero(who & ~watch.unassessed & np.isinf(watch.order_open_since))
        jobs += self._dose_orders(new, day)
        first = np.flatnonzero(who & ~watch.ordered)
        watch.ordered[first] = True
        if len(first):
            _, chance = self._draws("prior_authorisation", first, day, 1)
            jobs += self._of("prior_authorisation", first[chance < AUTHORISED_SHARE], day)
        return jobs

    def _dose_orders(self, who: Ints, day: int, at: float | None = None) -> list[Job]:
        if "dose_order" not in self.done_here:
            return []
        self.watch.order_open_since[who] = day
        return self._of("dose_order", who, day, queue=self.orders_by, at=at)

    def assessed(self, patient: int, now: float, day: int) -> list[Job]:
        """The prescriber has seen the patient: an order that has waited for that is asked for."""
        self.watch.unassessed[patient] = False
        waited, self.watch.unordered[patient] = self.watch.unordered[patient], False
        return self._dose_orders(np.array([patient]), day, now) if waited else []

    def review_order(self, patient: int, now: float, day: int) -> list[Job]:
        """The pharmacist's part of an order that has just been made."""
        if self.orders_by == "pharmacist":
            return []
        return self._of("pharmacist_review", np.array([patient]), day, at=now)

    def escalate(self, alert: Job, now: float, day: int, *, overdue: bool) -> list[Job]:
        """The prescriber's part: the next step, or an alert that nobody has begun, whose clock runs on."""
        jobs = self._of("escalation", np.array([alert.patient]), day, at=now, note=alert.work)
        for job in jobs if overdue else ():
            job.due, job.clock = alert.due, _clock(alert)
        return jobs

    def hurried(self, job: Job, now: float) -> Job:
        """The same piece of work asked for again, as what cannot wait; its clock runs on."""
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
        """What comes round: messages, refills, conferences, rounds, peers."""
        panel, own = self.panel, self.panel.study_day(day)
        flags = panel.cohort.flags
        jobs: list[Job] = []
        for name, every, who in (
            ("refill", work.REFILL_EVERY_D, here),
            ("rounds", work.ROUNDS_EVERY_D, here),
            ("case_conference", work.CONFERENCE_EVERY_D, here & self._complex),
            ("peer_session", work.PEER_EVERY_D, here & flags["peer_support"]),
        ):
            from_day_1 = name == "peer_session"
            comes_round = (own - 1) % every == 0 if from_day_1 else (own > 1) & (own % every == 0)
            turn = np.flatnonzero(who & comes_round)
            jobs += self._of(name, turn, day)
            if name == "case_conference":  # the others at the table
                jobs += [job for queue in ("pharmacist", "nurse") for job in self._of(name, turn, day, queue=queue)]
        if "message" in self.done_here:
            everybody = np.flatnonzero(here)
            _, chance = self._draws("message", everybody, day, 1)
            rate = work.MESSAGES_A_WEEK / 7.0 * (1.0 + 4.0 * panel.state(rows.W_ALL)[everybody])
            jobs += self._of("message", everybody[chance < rate], day, hours="message")
        return jobs

    def _once(self, day: int, here: Bools, _happened: dict[str, Bools]) -> list[Job]:
        """What happens once: education, handoff."""
        panel = self.panel
        enrols = here & (panel.study_day(day) == 1)
        jobs = self._of("education", np.flatnonzero(enrols & panel.cohort.flags["caregiver"]), day)
        jobs += self._of("self_management", np.flatnonzero(enrols & (panel.planned[:, 4] > 0)), day)
        stop = panel.state(rows.STOP_DAY)
        done = (stop > 0) & (panel.study_day(day) - stop == work.HANDOFF_AFTER_D) & here
        return jobs + self._of("handoff", np.flatnonzero(done), day)

    # -- one piece of work -----------------------------------------------------------------------------------------

    def _draws(self, name: str, who: Ints, day: int, part: int = 0) -> tuple[Floats, Floats]:
        """Factor on the minutes (mean 1), and a uniform, of each patient's work of a kind on a day."""
        keys = np.where(who >= 0, self.panel.cohort.keys[np.maximum(who, 0)], _CLINIC)
        w = rng.words(self._seed, keys, day, work.FIRST_CALL + 8 * NUMBER[name] + part)
        z, _ = rng.normal_pair(w[0], w[1])
        sd = math.sqrt(math.log1p(work.SPREAD**2))
        return np.exp(sd * z - sd**2 / 2.0), np.asarray(rng.uniform(w[2]))

    def _of(
        self,
        name: str,
        who: Ints,
        day: int,
        *,
        hours: str = "planned",
        at: float | None = None,
        queue: str | None = None,
        note: object = None,
        n_items: int = 1,
    ) -> list[Job]:
        """A kind of work for each of some patients, if the clinic does it."""
        if name not in self.done_here or len(who) == 0:
            return []
        kind: Kind = KINDS[NUMBER[name]]
        does = queue or kind.queue
        factor, when = self._draws(name, who, day)
        low, high = _HOURS[hours]
        midnight = (day - 1) * DAY_MIN
        minutes = kind.minutes(does) * factor
        jobs = []
        for p, length, u in zip(who.tolist(), minutes.tolist(), when.tolist(), strict=True):
            asked = midnight + low + (high - low) * u if at is None else at
            risk = float(self.risk[p]) if p >= 0 else 0.0
            licence = self._licences[p] if does == "prescriber" and p >= 0 else ANYWHERE
            jobs.append(
                Job(
                    next(self._ids),
                    p,
                    name,
                    does,
                    kind.urgency,
                    asked,
                    length,
                    self._rank(kind.urgency, asked, risk),
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
    """Minutes within which a piece of work is to be begun."""
    return work.CLOCK_MIN[job.urgency] if math.isnan(job.clock) else job.clock
