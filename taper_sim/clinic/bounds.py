"""What a team can bear at most, before anything runs: work asked for ÷ time at work. Imports ``clinic``.

A queue whose load is above one grows for as long as the clinic runs, whatever triage does. The bound counts what the
protocol plans and what comes by the numbers of ``work``; alerts and urgent visits come on top, so a load below one is
no promise.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taper_sim.clinic import work
from taper_sim.clinic.coupling import Setting
from taper_sim.clinic.team import Team
from taper_sim.cohort import Cohort
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.simulation.people import CarePlan


@dataclass(frozen=True)
class Load:
    """A queue's planned work in a week when everybody is enrolled.

    Attributes
    ----------
    queue : str
    asked_h, able_h : float
        Hours a week of planned work, and of the queue's own people on duty.
    n_patients : int
        Patients of the panel.
    """

    queue: str
    asked_h: float
    able_h: float
    n_patients: int

    @property
    def share(self) -> float:
        """Asked ÷ able."""
        return self.asked_h / self.able_h if self.able_h > 0 else np.inf

    @property
    def most_patients(self) -> int:
        """Patients at which the planned work fills the time at work."""
        return int(self.n_patients / self.share) if self.share > 0 else self.n_patients

    def __str__(self) -> str:
        """One line with the numbers."""
        of = f" of {self.n_patients:,}" if self.share > 1.0 else ""
        return (
            f"{self.queue}: {self.asked_h:.0f} h of planned work a week for {self.able_h:.0f} h on duty "
            f"({self.share:.0%}); at most {self.most_patients:,}{of} patients"
        )


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
    if team.unlimited:
        return []
    n = len(cohort)
    asked = _asked(cohort, care, setting, decision_days, n_days)
    minutes = {queue: sum(kinds.values()) for queue, kinds in asked.items()}
    able = {queue: sum(worker.hours_a_week for worker in team.of(queue)) for queue in minutes}
    for queue in minutes:  # those who stand in help where their own work leaves time; here they count in full
        if able[queue] == 0.0:
            able[queue] = sum(w.hours_a_week for w in team.workers if queue in w.stands_in_for)
    found = [Load(queue, wanted / 60.0, able[queue], n) for queue, wanted in minutes.items() if wanted > 0]
    return sorted(found, key=lambda load: -load.share)


def state_loads(
    cohort: Cohort, care: CarePlan, setting: Setting, team: Team, decision_days: Sequence[int], n_days: int
) -> list[Load]:
    """:func:`loads` of work that needs a state's licence, for each state by itself: who has several counts in each."""
    if team.unlimited or not setting.states:
        return []
    whole = sum(share for _, share in setting.states)
    found = []
    for queue, kinds in _asked(cohort, care, setting, decision_days, n_days).items():
        # as in demand: all that a prescriber does for a patient, visits of a psychologist or physical therapist
        bound = sum(kinds.values()) if queue == "prescriber" else 0.0
        bound = kinds["visit"] if queue in ("psychologist", "pt") else bound
        for state, share in setting.states if bound > 0 else ():
            licensed = [w for w in team.workers if w.licences is None or state in w.licences]
            own = sum(w.hours_a_week for w in licensed if w.role.queue == queue)
            able = own or sum(w.hours_a_week for w in licensed if queue in w.stands_in_for)
            part = share / whole
            found.append(Load(f"{queue} licensed in {state}", bound * part / 60.0, able, round(len(cohort) * part)))
    return sorted(found, key=lambda load: -load.share)


def _asked(
    cohort: Cohort, care: CarePlan, setting: Setting, decision_days: Sequence[int], n_days: int
) -> dict[str, dict[str, float]]:
    """Minutes a week of planned work, by queue and kind."""
    n, does = len(cohort), setting.does
    flags = cohort.flags
    minutes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def add(name: str, a_week: float, queue: str | None = None) -> None:
        if name in does:
            kind = work.BY_NAME[name]
            minutes[queue or kind.queue][name] += a_week * kind.minutes(queue or kind.queue)

    visits = 7.0 / care.visit_every_d if care.visit_every_d == care.visit_every_d and care.visit_every_d > 0 else 0.0
    checkins = 7.0 / care.checkin_every_d if care.checkin_every_d == care.checkin_every_d else 0.0
    interpreted = 1.0 + (work.INTERPRETED - 1.0) * float((~flags["language_match"]).mean())
    for name in DISCIPLINES:
        if care.planned.get(name, 0.0) > 0:
            add("visit", n * visits * interpreted, name)
    if care.planned.get("psychologist", 0.0) > 0:
        add("group_session", n * visits / work.GROUP)
    add("message", n * work.MESSAGES_A_WEEK)
    add("checkin_batch", n * checkins)
    decisions = len([day for day in decision_days if day <= n_days]) / (n_days / 7.0)
    add("dose_order", n * decisions, setting.orders_by)
    if setting.orders_by != "pharmacist":
        add("pharmacist_review", n * decisions)
    add("refill", n * 7.0 / work.REFILL_EVERY_D)
    add("rounds", n * 7.0 / work.ROUNDS_EVERY_D)
    add("peer_session", float(flags["peer_support"].sum()) * 7.0 / work.PEER_EVERY_D)
    hard = (cohort.taken.sum(axis=1) > 1) | flags["renal_impairment"] | flags["sleep_apnoea"]
    for queue in ("prescriber", "pharmacist", "nurse"):
        add("case_conference", float(hard.sum()) * 7.0 / work.CONFERENCE_EVERY_D, queue)
    return minutes
