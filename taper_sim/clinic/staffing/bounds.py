"""What a team can bear at most, before anything runs: work asked for ÷ time at work. Imports ``clinic``.

A queue whose load is above one grows for as long as the clinic runs, whatever triage does. The bound counts what the
protocol plans and what comes by the numbers of ``work``; alerts and urgent visits come on top, so a load below one is
no promise. Those who stand in for a queue count for it in full, beside its own people: a load above one is one that
nobody's help takes away.

While the panel enrols there is more: first visits, education, prior authorisations. That passes, so such a load rules
no team out; it says that some of the work is late, lost or done in overtime.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from taper_sim.array_types import Floats, Ints
from taper_sim.clinic import work
from taper_sim.clinic.appointments import HORIZON_D, INTERPRETER
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


@dataclass(frozen=True)
class Load:
    """A queue's planned work in a week when everybody is enrolled.

    Attributes
    ----------
    queue : str
    asked_h, able_h : float
        Hours a week of planned work, and on duty of those who may do it (:func:`able_h`).
    n_patients : int
        Patients of the panel; of a state those who live there.
    state : str or None
        Whose licence the work needs; None: all of the queue's work, whoever may do it.
    """

    queue: str
    asked_h: float
    able_h: float
    n_patients: int
    state: str | None = None

    @property
    def name(self) -> str:
        """The queue, and the state if the load is of one."""
        return self.queue if self.state is None else f"{self.queue} licensed in {self.state}"

    @property
    def share(self) -> float:
        """Asked ÷ able."""
        return self.asked_h / self.able_h if self.able_h > 0 else np.inf

    @property
    def most_patients(self) -> int:
        """Patients at which the planned work fills the time at work."""
        return int(self.n_patients / self.share) if self.share > 0 else self.n_patients

    @property
    def _hours(self) -> str:
        return f"{self.asked_h:.0f} h of planned work a week for {self.able_h:.0f} h on duty"

    def able(self, team: Team) -> float:
        """Hours of another team for the same work."""
        return able_h(team, self.queue, self.state)

    def __str__(self) -> str:
        """One line with the numbers."""
        of = f" of {self.n_patients:,}" if self.share > 1.0 else ""
        return f"{self.name}: {self._hours} ({self.share:.0%}); at most {self.most_patients:,}{of} patients"


@dataclass(frozen=True)
class EnrolmentLoad(Load):
    """A queue's planned work while the panel enrols; hours are of the days, not of a week.

    Attributes
    ----------
    asked_d : int
        Work asked for from day 1 to this one is counted.
    able_d : int
        Hours on duty from day 1 to this one: work that these do not hold is begun later than anything may be (A37), and
        a visit without room by then does not take place (A40).
    """

    asked_d: int = 0
    able_d: int = 0

    @property
    def _hours(self) -> str:
        return (
            f"{self.asked_h:,.0f} h of planned work by day {self.asked_d} for {self.able_h:,.0f} h on duty by day "
            f"{self.able_d}"
        )

    def able(self, team: Team) -> float:
        """Hours of another team for the same work."""
        return able_h(team, self.queue, self.state, lambda worker: hours_until(worker, self.able_d))


def able_h(
    team: Team, queue: str, state: str | None = None, hours: Callable[[Worker], float] = lambda one: one.hours_a_week
) -> float:
    """Hours of those who may do a queue's work for a patient of a state: its own people, and who stands in, in full.

    A clinic without interpreters has a vendor's, who are never short.
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
    """Hours on duty from day 1 to a day, on call and leave left out."""
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
    """Planned load of every queue, and of its work that needs a state's licence.

    Parameters
    ----------
    cohort : Cohort
    care : CarePlan
    setting : Setting
    team : Team
    decision_days : sequence of int
        Days on which the policy decides, within ``n_days``.
    n_days : int
    ensemble : Ensemble, optional
        From which the share of missed visits comes; without one every visit is taken as kept.

    Returns
    -------
    list of Load
        Those of all patients, then those of each state by itself, in which who has several licences counts in each; the
        heaviest first. Nothing for a team that is never short.
    """
    if team.unlimited:
        return []
    minutes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in _planned(cohort, care, setting, decision_days, n_days, ensemble):
        minutes[one.queue][one.name] += float(one.minutes.sum()) * one.a_week
    found = [
        Load(queue, share * wanted / 60.0, able_h(team, queue, state), round(share * len(cohort)), state)
        for queue, state, share, wanted in _places(minutes, setting)
    ]
    return sorted(
        (load for load in found if np.isfinite(load.able_h)), key=lambda one: (one.state is not None, -one.share)
    )


def enrolment_loads(
    cohort: Cohort,
    care: CarePlan,
    setting: Setting,
    team: Team,
    decision_days: Sequence[int],
    n_days: int,
    ensemble: Ensemble | None = None,
) -> list[EnrolmentLoad]:
    """Planned load of every queue, and by state, while the panel enrols: what enrolment brings, and those enrolled.

    What was asked for on the last day of enrolment has :data:`booking.HORIZON_D` days more: no kind of work may be
    begun later. Of a run that ends before, the days whose work has that long are counted; none: no load.
    """
    asked_d = min(setting.enrol_over_d, n_days - HORIZON_D)
    if team.unlimited or asked_d < 1:
        return []
    starts = enrolment(len(cohort), setting.enrol_over_d, n_days)
    lived = np.maximum(asked_d - starts + 1, 0)
    able_d = asked_d + HORIZON_D
    minutes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in _planned(cohort, care, setting, decision_days, n_days, ensemble):
        minutes[one.queue][one.name] += float(one.minutes @ np.searchsorted(one.own_days, lived, "right"))
    found = []
    for queue, state, share, wanted in _places(minutes, setting):
        able = able_h(team, queue, state, lambda worker: hours_until(worker, able_d))
        n = round(share * len(cohort))
        found.append(EnrolmentLoad(queue, share * wanted / 60.0, able, n, state, asked_d, able_d))
    return sorted((load for load in found if np.isfinite(load.able_h)), key=lambda load: -load.share)


def _places(
    minutes: Mapping[str, Mapping[str, float]], setting: Setting
) -> Iterator[tuple[str, str | None, float, float]]:
    """Every queue with its minutes, then those that need a licence by state: queue, state, share of it, minutes."""
    whole = sum(share for _, share in setting.states)
    for queue, kinds in minutes.items():
        # as in demand: all that a prescriber does for a patient, visits of a psychologist or physical therapist
        visits = kinds.get("visit", 0.0) + kinds.get("initial_assessment", 0.0)
        bound = {"prescriber": sum(kinds.values()), "psychologist": visits, "pt": visits}.get(queue, 0.0)
        if sum(kinds.values()) > 0:
            yield queue, None, 1.0, sum(kinds.values())
        for state, share in setting.states if bound > 0 else ():
            yield queue, state, share / whole, bound


@dataclass(frozen=True)
class _Planned:
    """Work that is known ahead.

    Attributes
    ----------
    name, queue : str
        Of the kind of work; who does it.
    minutes : ndarray, (n,)
        Of each patient whenever it comes.
    a_week : float
        How often it comes in a week of a patient who is enrolled for long.
    own_days : ndarray
        The patient's own days on which it comes, ascending.
    """

    name: str
    queue: str
    minutes: Floats
    a_week: float
    own_days: Floats


def _planned(
    cohort: Cohort,
    care: CarePlan,
    setting: Setting,
    decision_days: Sequence[int],
    n_days: int,
    ensemble: Ensemble | None,
) -> list[_Planned]:
    """Everything that is known ahead of the work that a clinic does, on the days that ``demand`` has it."""
    flags, everybody = cohort.flags, np.ones(len(cohort))
    found: list[_Planned] = []

    def add(name: str, minutes: Floats | None, pieces: Floats, queue: str | None, a_week: float, days: Floats) -> None:
        does = queue or work.BY_NAME[name].queue
        each = work.BY_NAME[name].minutes(does) if minutes is None else minutes
        found.append(_Planned(name, does, pieces * each, a_week, days))

    def once(name: str, day: float, pieces: Floats, queue: str | None = None, minutes: Floats | None = None) -> None:
        add(name, minutes, pieces, queue, 0.0, np.array([day]))

    def every(
        name: str,
        days: float,
        pieces: Floats,
        queue: str | None = None,
        first: float | None = None,
        minutes: Floats | None = None,
    ) -> None:
        if np.isfinite(days) and days > 0:
            own_days = np.arange(days if first is None else first, n_days + 1, days, dtype=np.float64)
            add(name, minutes, pieces, queue, 7.0 / days, own_days)

    visits = care.visit_every_d
    modality = cohort.modality if care.modality is None else np.full(len(cohort), MODALITIES.index(care.modality))
    home = setting.home_visits
    lasts = visit_minutes(cohort, modality, None if home is None else np.full(len(cohort), 2.0 * home.travel_min))
    missed = np.zeros(len(cohort)) if ensemble is None else missed_share(cohort, care, modality, home, ensemble)
    interpreted = everybody * ~flags["language_match"] * (1.0 - missed)
    for name in DISCIPLINES:
        if care.planned.get(name, 0.0) > 0:
            first, later = (work.BY_NAME[kind].minutes(name) for kind in ("initial_assessment", "visit"))
            if np.isfinite(visits) and visits > 0:  # the first of the planned visits
                once("initial_assessment", 1.0, everybody, name, lasts.expected(first, missed))
                once("interpreting", 1.0, interpreted, minutes=lasts.with_patient(first))
            every("visit", visits, everybody, name, 1.0 + visits, lasts.expected(later, missed))
            every("interpreting", visits, interpreted, first=1.0 + visits, minutes=lasts.with_patient(later))
    if care.planned.get("psychologist", 0.0) > 0:
        every("group_session", visits, everybody / work.GROUP, first=1.0)
    every("message", 7.0 / work.MESSAGES_A_WEEK, everybody)
    every("checkin_batch", care.checkin_every_d, everybody, first=1.0 + care.checkin_every_d)  # read the next morning
    decided = np.array([day for day in decision_days if day <= n_days], dtype=np.float64)
    signs = [("dose_order", setting.orders_by)]
    if setting.orders_by != "pharmacist":
        signs.append(("pharmacist_review", "pharmacist"))
    for name, queue in signs:
        add(name, None, everybody, queue, 7.0 * len(decided) / n_days, decided)
    for day in decided[:1]:
        once("prior_authorisation", day, everybody * work.AUTHORISED_SHARE)
    every("refill", work.REFILL_EVERY_D, everybody)
    every("rounds", work.ROUNDS_EVERY_D, everybody)
    every("peer_session", work.PEER_EVERY_D, everybody * flags["peer_support"], first=1.0)
    hard = (cohort.taken.sum(axis=1) > 1) | flags["renal_impairment"] | flags["sleep_apnoea"]
    for queue in ("prescriber", "pharmacist", "nurse"):
        every("case_conference", work.CONFERENCE_EVERY_D, everybody * hard, queue)
    once("education", 1.0, everybody * flags["caregiver"])
    if care.planned.get("nurse", 0.0) > 0:
        once("self_management", 1.0, everybody)
    return [one for one in found if one.name in setting.does]


def missed_share(cohort: Cohort, care: CarePlan, modality: Ints, home: HomeVisits | None, ensemble: Ensemble) -> Floats:
    """Share of visits that each patient misses in the long run, (n,), with the engagement of the beginning.

    A missed visit makes the next more likely to be missed: the share is that of the chain of two states,
    ``p0 / (1 - p1 + p0)``, with chance p0 after a visit that was kept and p1 after one that was not.
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
