"""Lower bounds of a team's load without simulation: planned work ÷ hours on duty. Imports ``clinic``, ``simulation``.

A queue with a load above 1 grows as long as the clinic runs, under every triage rule. The bound counts the work that
the protocol and the frequencies of ``work`` plan. Alerts and urgent visits add to it, so a load below 1 does not
guarantee a stable queue. Covering staff count in full for every queue that they cover, so no cover can reduce a load
above 1.

During enrolment there is additional work: first visits, education, prior authorisations. It is temporary, so a load
above 1 during enrolment excludes no team; some of that work will be late, lost or done in overtime.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from taper_sim.array_types import Floats, Ints
from taper_sim.clinic import work
from taper_sim.clinic.appointments import BOOKING_HORIZON_D, INTERPRETER
from taper_sim.clinic.calendars import on_duty_min
from taper_sim.clinic.coupling import Setting
from taper_sim.clinic.modality import HomeVisits, barriers, visit_minutes
from taper_sim.clinic.panel import enrolment
from taper_sim.clinic.team import Team, Worker
from taper_sim.model import equations as eq
from taper_sim.model.compiled import rows
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.simulation.cohort import MODALITIES, Cohort
from taper_sim.simulation.ensemble import Ensemble, draw_of
from taper_sim.simulation.layout import CarePlan, arrays_of
from taper_sim.units import WEEK_D


@dataclass(frozen=True)
class Load:
    """A queue's planned load in a week after enrolment.

    Attributes
    ----------
    queue : str
    asked_h, able_h : float
        Hours a week of planned work, and hours a week on duty of eligible staff (:func:`able_h`).
    n_patients : int
        Patients of the panel, or of the state.
    state : str or None
        State whose licence the work needs; None: all work of the queue.
    """

    queue: str
    asked_h: float
    able_h: float
    n_patients: int
    state: str | None = None

    @property
    def name(self) -> str:
        """The queue and, for the load of a state, the state."""
        return self.queue if self.state is None else f"{self.queue} licensed in {self.state}"

    @property
    def share(self) -> float:
        """Planned hours ÷ hours on duty."""
        return self.asked_h / self.able_h if self.able_h > 0 else np.inf

    @property
    def most_patients(self) -> int:
        """Panel size at which the planned work fills the hours on duty."""
        return int(self.n_patients / self.share) if self.share > 0 else self.n_patients

    @property
    def metric(self) -> str:
        """Start of the metric's name in ``staffing.csv``."""
        return "planned_load"

    @property
    def _hours(self) -> str:
        return f"{self.asked_h:.0f} h of planned work a week for {self.able_h:.0f} h on duty"

    def able(self, team: Team) -> float:
        """Hours on duty of another team for the same work."""
        return able_h(team, self.queue, self.state)

    def __str__(self) -> str:
        """One line with the numbers."""
        of = f" of {self.n_patients:,}" if self.share > 1.0 else ""
        return f"{self.name}: {self._hours} ({self.share:.0%}); at most {self.most_patients:,}{of} patients"


@dataclass(frozen=True)
class EnrolmentLoad(Load):
    """A queue's planned load during enrolment; the hours cover the days of enrolment, not a week.

    Attributes
    ----------
    asked_d : int
        Last day of the requests that count; the first is day 1.
    able_d : int
        Last day of the hours on duty that count. Work beyond these hours begins after every limit (A37), and a visit
        without an appointment by then does not take place (A40).
    """

    asked_d: int = 0
    able_d: int = 0

    @property
    def metric(self) -> str:
        """Start of the metric's name in ``staffing.csv``."""
        return "planned_load_enrolling"

    @property
    def _hours(self) -> str:
        return (
            f"{self.asked_h:,.0f} h of planned work by day {self.asked_d} for {self.able_h:,.0f} h on duty by day "
            f"{self.able_d}"
        )

    def able(self, team: Team) -> float:
        """Hours on duty of another team for the same work."""
        return able_h(team, self.queue, self.state, lambda worker: hours_until(worker, self.able_d))


def able_h(
    team: Team,
    queue: str,
    state: str | None = None,
    hours: Callable[[Worker], float] = lambda worker: worker.hours_a_week,
) -> float:
    """Hours of the staff who may do a queue's work for patients of a state; covering staff count in full.

    A clinic without interpreters uses a vendor with unlimited capacity: the result is then infinite.
    """
    if queue == INTERPRETER and not team.of(queue):
        return np.inf
    return sum(
        hours(worker)
        for worker in team.workers
        if queue in (worker.role.queue, *worker.stands_in_for)
        and (state is None or worker.licences is None or state in worker.licences)
    )


def hours_until(worker: Worker, day: int) -> float:
    """Hours on duty from day 1 to a day, without on-call periods and leave."""
    return on_duty_min(worker.server(day).duties, 1, day) / 60.0


def loads(
    cohort: Cohort,
    care: CarePlan,
    setting: Setting,
    team: Team,
    decision_days: Sequence[int],
    n_days: int,
    ensemble: Ensemble | None = None,
) -> list[Load]:
    """Planned load of every queue and, for work that needs a licence, of every state.

    Parameters
    ----------
    cohort : Cohort
    care : CarePlan
    setting : Setting
    team : Team
    decision_days : sequence of int
        Days of the policy's decisions, within ``n_days``.
    n_days : int
    ensemble : Ensemble, optional
        Source of the share of missed visits; by default every visit is kept.

    Returns
    -------
    list of Load
        Loads of all patients, then of each state, the highest first. A worker with several licences counts in each of
        these states. Empty for unlimited staff.
    """
    if team.unlimited:
        return []
    minutes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for planned in _planned(cohort, care, setting, decision_days, n_days, ensemble):
        minutes[planned.queue][planned.name] += float(planned.minutes.sum()) * planned.a_week
    by_place = [
        Load(queue, share * asked_min / 60.0, able_h(team, queue, state), round(share * len(cohort)), state)
        for queue, state, share, asked_min in _places(minutes, setting)
    ]
    finite = (load for load in by_place if np.isfinite(load.able_h))
    return sorted(finite, key=lambda load: (load.state is not None, -load.share))


def enrolment_loads(
    cohort: Cohort,
    care: CarePlan,
    setting: Setting,
    team: Team,
    decision_days: Sequence[int],
    n_days: int,
    ensemble: Ensemble | None = None,
) -> list[EnrolmentLoad]:
    """Planned load of every queue, and by state, during enrolment: work of enrolment and of enrolled patients.

    Requests of the last day of enrolment have :data:`appointments.BOOKING_HORIZON_D` further days, the longest limit of
    any kind of work. In a shorter run, requests count only if they have that many days before its end.
    """
    asked_d = min(setting.enrol_over_d, n_days - BOOKING_HORIZON_D)
    if team.unlimited or asked_d < 1:
        return []
    starts = enrolment(len(cohort), setting.enrol_over_d, n_days)
    study_days = np.maximum(asked_d - starts + 1, 0)
    able_d = asked_d + BOOKING_HORIZON_D
    minutes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for planned in _planned(cohort, care, setting, decision_days, n_days, ensemble):
        count = np.searchsorted(planned.study_days, study_days, "right")
        minutes[planned.queue][planned.name] += float(planned.minutes @ count)
    by_place = []
    for queue, state, share, asked_min in _places(minutes, setting):
        able = able_h(team, queue, state, lambda worker: hours_until(worker, able_d))
        n = round(share * len(cohort))
        by_place.append(EnrolmentLoad(queue, share * asked_min / 60.0, able, n, state, asked_d, able_d))
    return sorted((load for load in by_place if np.isfinite(load.able_h)), key=lambda load: -load.share)


def _places(
    minutes: Mapping[str, Mapping[str, float]], setting: Setting
) -> Iterator[tuple[str, str | None, float, float]]:
    """Every queue, then by state the part that needs a licence: queue, state, share of patients, minutes."""
    whole = sum(share for _, share in setting.states)
    for queue, kinds in minutes.items():
        # as in demand: a prescriber needs a licence for all work, a psychologist and a physical therapist for visits
        visits = kinds.get("visit", 0.0) + kinds.get("initial_assessment", 0.0)
        bound = {"prescriber": sum(kinds.values()), "psychologist": visits, "pt": visits}.get(queue, 0.0)
        if sum(kinds.values()) > 0:
            yield queue, None, 1.0, sum(kinds.values())
        for state, share in setting.states if bound > 0 else ():
            yield queue, state, share / whole, bound


@dataclass(frozen=True)
class _Planned:
    """Planned work of a kind.

    Attributes
    ----------
    name, queue : str
        Kind of work and its queue.
    minutes : ndarray, (n,)
        Minutes per occurrence, by patient.
    a_week : float
        Occurrences in a week after enrolment.
    study_days : ndarray
        Study days of the occurrences, ascending.
    """

    name: str
    queue: str
    minutes: Floats
    a_week: float
    study_days: Floats


def _planned(
    cohort: Cohort,
    care: CarePlan,
    setting: Setting,
    decision_days: Sequence[int],
    n_days: int,
    ensemble: Ensemble | None,
) -> list[_Planned]:
    """All planned work of a clinic, on the days of ``demand``."""
    flags, all_patients = cohort.flags, np.ones(len(cohort))
    kinds: list[_Planned] = []

    def add(name: str, minutes: Floats | None, jobs: Floats, queue: str | None, a_week: float, days: Floats) -> None:
        role = queue or work.WORK_BY_NAME[name].queue
        job_min = work.WORK_BY_NAME[name].minutes(role) if minutes is None else minutes
        kinds.append(_Planned(name, role, jobs * job_min, a_week, days))

    def once(name: str, day: float, jobs: Floats, queue: str | None = None, minutes: Floats | None = None) -> None:
        add(name, minutes, jobs, queue, 0.0, np.array([day]))

    def every(
        name: str,
        days: float,
        jobs: Floats,
        queue: str | None = None,
        first: float | None = None,
        minutes: Floats | None = None,
    ) -> None:
        if np.isfinite(days) and days > 0:
            study_days = np.arange(days if first is None else first, n_days + 1, days, dtype=np.float64)
            add(name, minutes, jobs, queue, WEEK_D / days, study_days)

    visits = care.visit_every_d
    modality = cohort.modality if care.modality is None else np.full(len(cohort), MODALITIES.index(care.modality))
    home = setting.home_visits
    length = visit_minutes(cohort, modality, None if home is None else np.full(len(cohort), 2.0 * home.travel_min))
    missed = np.zeros(len(cohort)) if ensemble is None else missed_share(cohort, care, modality, home, ensemble)
    interpreted = all_patients * ~flags["language_match"] * (1.0 - missed)
    for name in DISCIPLINES:
        if care.planned.get(name, 0.0) > 0:
            first, later = (work.WORK_BY_NAME[kind].minutes(name) for kind in ("initial_assessment", "visit"))
            if np.isfinite(visits) and visits > 0:  # the first of the planned visits
                once("initial_assessment", 1.0, all_patients, name, length.expected(first, missed))
                once("interpreting", 1.0, interpreted, minutes=length.with_patient(first))
            every("visit", visits, all_patients, name, 1.0 + visits, length.expected(later, missed))
            every("interpreting", visits, interpreted, first=1.0 + visits, minutes=length.with_patient(later))
    if care.planned.get("psychologist", 0.0) > 0:
        every("group_session", visits, all_patients / work.GROUP_SIZE, first=1.0)
    every("message", WEEK_D / work.MESSAGES_A_WEEK, all_patients)
    first_reading = 1.0 + care.checkin_every_d  # the day after the first check-in
    every("checkin_batch", care.checkin_every_d, all_patients, first=first_reading)
    decided = np.array([day for day in decision_days if day <= n_days], dtype=np.float64)
    signs = [("dose_order", setting.orders_by)]
    if setting.orders_by != "pharmacist":
        signs.append(("pharmacist_review", "pharmacist"))
    for name, queue in signs:
        add(name, None, all_patients, queue, WEEK_D * len(decided) / n_days, decided)
    for day in decided[:1]:
        once("prior_authorisation", day, all_patients * work.AUTHORISED_SHARE)
    every("refill", work.REFILL_EVERY_D, all_patients)
    every("rounds", work.ROUNDS_EVERY_D, all_patients)
    every("peer_session", work.PEER_EVERY_D, all_patients * flags["peer_support"], first=1.0)
    complex_cases = (cohort.taken.sum(axis=1) > 1) | flags["renal_impairment"] | flags["sleep_apnoea"]
    for queue in ("prescriber", "pharmacist", "nurse"):
        every("case_conference", work.CONFERENCE_EVERY_D, all_patients * complex_cases, queue)
    once("education", 1.0, all_patients * flags["caregiver"])
    if care.planned.get("nurse", 0.0) > 0:
        once("self_management", 1.0, all_patients)
    return [planned for planned in kinds if planned.name in setting.does]


def missed_share(cohort: Cohort, care: CarePlan, modality: Ints, home: HomeVisits | None, ensemble: Ensemble) -> Floats:
    """Long-run share of missed visits of each patient at baseline engagement, (n,).

    A missed visit raises the probability of missing the next one. The share is the stationary probability of the
    two-state Markov chain, ``p0 / (1 - p1 + p0)``, with p0 the probability of missing a visit after a kept one and p1
    after a missed one.
    """
    a = arrays_of(cohort, ensemble, 0, care)
    draw = draw_of(cohort.keys, ensemble.n_draws)
    c = {name: ensemble.values[name][draw] for name in ("noshow_access", "noshow_missed", "noshow_n")}
    fixed = a.params[a.tile, rows.NOSHOW_FIXED, a.lane]
    fixed = fixed + c["noshow_access"] * (barriers(cohort, modality, home) - barriers(cohort, modality, None))
    engaged = cohort.baseline["engagement"]
    after_kept, after_missed = (
        expit(eq.missed_visit_logit(fixed, before, engaged, c["noshow_missed"], c["noshow_n"])) for before in (0.0, 1.0)
    )
    return np.asarray(after_kept / (1.0 - after_missed + after_kept))
