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
from numpy.typing import NDArray

from taper_sim.clinic import work
from taper_sim.clinic.booking import HORIZON_D
from taper_sim.clinic.coupling import Setting
from taper_sim.clinic.panel import enrolment
from taper_sim.clinic.team import Team, Worker
from taper_sim.cohort import Cohort
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.simulation.people import CarePlan

Floats = NDArray[np.float64]


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
) -> float:  # fmt: skip
    """Hours of those who may do a queue's work for a patient of a state: its own people, and who stands in, in full."""
    return sum(
        hours(worker) for worker in team.workers
        if queue in (worker.role.queue, *worker.stands_in_for)
        and (state is None or worker.licences is None or state in worker.licences)
    )  # fmt: skip


def hours_until(worker: Worker, day: int) -> float:
    """Hours on duty from day 1 to a day, on call and leave left out."""
    return sum(duty.end - duty.start for duty in worker.server(day).duties if not duty.urgent_only) / 60.0


def loads(
    cohort: Cohort, care: CarePlan, setting: Setting, team: Team, decision_days: Sequence[int], n_days: int
) -> list[Load]:
    """Planned load of every queue.

    Parameters
    ----------
    cohort : Cohort
    care : CarePlan
    setting : Setting
    team : Team
    decision_days : sequence of int
        Days on which the policy decides, within ``n_days``.
    n_days : int

    Returns
    -------
    list of Load
        The heaviest first; nothing for a team that is never short.
    """
    return [load for load in _weekly(cohort, care, setting, team, decision_days, n_days) if load.state is None]


def state_loads(
    cohort: Cohort, care: CarePlan, setting: Setting, team: Team, decision_days: Sequence[int], n_days: int
) -> list[Load]:
    """:func:`loads` of work that needs a state's licence, for each state by itself: who has several counts in each."""
    return [load for load in _weekly(cohort, care, setting, team, decision_days, n_days) if load.state is not None]


def enrolment_loads(
    cohort: Cohort, care: CarePlan, setting: Setting, team: Team, decision_days: Sequence[int], n_days: int
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
    for one in _planned(cohort, care, setting, decision_days, n_days):
        minutes[one.queue][one.name] += one.minutes * float(one.pieces @ np.searchsorted(one.own_days, lived, "right"))
    found = []
    for queue, state, share, wanted in _places(minutes, setting):
        able = able_h(team, queue, state, lambda worker: hours_until(worker, able_d))
        n = round(share * len(cohort))
        found.append(EnrolmentLoad(queue, share * wanted / 60.0, able, n, state, asked_d, able_d))
    return sorted(found, key=lambda load: -load.share)


def _weekly(
    cohort: Cohort, care: CarePlan, setting: Setting, team: Team, decision_days: Sequence[int], n_days: int
) -> list[Load]:
    if team.unlimited:
        return []
    minutes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in _planned(cohort, care, setting, decision_days, n_days):
        minutes[one.queue][one.name] += one.minutes * float(one.pieces.sum()) * one.a_week
    found = [
        Load(queue, share * wanted / 60.0, able_h(team, queue, state), round(share * len(cohort)), state)
        for queue, state, share, wanted in _places(minutes, setting)
    ]
    return sorted(found, key=lambda load: -load.share)


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
    pieces : ndarray, (n,)
        Of each patient whenever it comes.
    a_week : float
        How often it comes in a week of a patient who is enrolled for long.
    own_days : ndarray
        The patient's own days on which it comes, ascending.
    """

    name: str
    queue: str
    pieces: Floats
    a_week: float
    own_days: Floats

    @property
    def minutes(self) -> float:
        """Mean minutes of a piece."""
        return work.BY_NAME[self.name].minutes(self.queue)


def _planned(
    cohort: Cohort, care: CarePlan, setting: Setting, decision_days: Sequence[int], n_days: int
) -> list[_Planned]:
    """Everything that is known ahead of the work that a clinic does, on the days that ``demand`` has it."""
    flags, everybody = cohort.flags, np.ones(len(cohort))
    found: list[_Planned] = []

    def once(name: str, day: float, pieces: Floats, queue: str | None = None) -> None:
        found.append(_Planned(name, queue or work.BY_NAME[name].queue, pieces, 0.0, np.array([day])))

    def every(name: str, days: float, pieces: Floats, queue: str | None = None, first: float | None = None) -> None:
        if np.isfinite(days) and days > 0:
            own_days = np.arange(days if first is None else first, n_days + 1, days, dtype=np.float64)
            found.append(_Planned(name, queue or work.BY_NAME[name].queue, pieces, 7.0 / days, own_days))

    visits = care.visit_every_d
    interpreted = np.where(flags["language_match"], everybody, work.INTERPRETED)
    for name in DISCIPLINES:
        if care.planned.get(name, 0.0) > 0:
            if np.isfinite(visits) and visits > 0:  # the first of the planned visits
                once("initial_assessment", 1.0, interpreted, name)
            every("visit", visits, interpreted, name, 1.0 + visits)
    if care.planned.get("psychologist", 0.0) > 0:
        every("group_session", visits, everybody / work.GROUP, first=1.0)
    every("message", 7.0 / work.MESSAGES_A_WEEK, everybody)
    every("checkin_batch", care.checkin_every_d, everybody, first=1.0 + care.checkin_every_d)  # read the next morning
    decided = np.array([day for day in decision_days if day <= n_days], dtype=np.float64)
    signs = [("dose_order", setting.orders_by)]
    if setting.orders_by != "pharmacist":
        signs.append(("pharmacist_review", "pharmacist"))
    found += [_Planned(name, queue, everybody, 7.0 * len(decided) / n_days, decided) for name, queue in signs]
    for day in decided[:1]:
        once("prior_authorisation", day, everybody * work.AUTHORISED_SHARE)
    every("refill", work.REFILL_EVERY_D, everybody)
    every("rounds", work.ROUNDS_EVERY_D, everybody)
    every("peer_session", work.PEER_EVERY_D, everybody * flags["peer_support"], first=1.0)
    hard = (cohort.taken.sum(axis=1) > 1) | flags["renal_impairment"] | flags["sleep_apnoea"]
    for queue in ("prescriber", "pharmacist", "nurse"):
        every("case_conference", work.CONFERENCE_EVERY_D, everybody * hard, queue)
    once("education", 1.0, everybody * flags["caregiver"])
    return [one for one in found if one.name in setting.does]
