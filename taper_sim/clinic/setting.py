"""The rules of a clinic without its team. Imports ``clinic.work``, ``clinic.harm_paths``, ``simulation.layout``."""

from collections.abc import Mapping
from dataclasses import dataclass

from taper_sim.clinic import work
from taper_sim.clinic.absence import Illness
from taper_sim.clinic.appointments import BOOKING_RULES, BookingRule
from taper_sim.clinic.calendars import EVERY_DAY, OpeningHours
from taper_sim.clinic.harm_paths import PATHS_BY_NAME
from taper_sim.clinic.modality import HomeVisits
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.simulation.layout import CarePlan


@dataclass(frozen=True)
class Setting:
    """The rules of a clinic, without its team.

    Attributes
    ----------
    triage : str
        A name of ``triage.RULES``.
    enrol_over_d : int
        Days over which the panel enrols.
    disabled_work : frozenset of str
        Kinds of work (``work.KINDS_OF_WORK``) that this clinic does not do.
    states : tuple of (str, float)
        States in which patients live, with shares; empty: one state, which needs no licence.
    orders_by : str
        "prescriber", or "pharmacist" under a collaborative practice agreement.
    in_person_from : int or None
        Calendar day from which a prescriber's visit is in person (rules on controlled substances).
    illness : Illness or None
        Short-notice sickness absence of staff; None: no absence.
    preempt : bool
        Whether work that cannot wait interrupts work without a patient (``work.INTERRUPTS``, ``work.YIELDS``).
    home_visits : HomeVisits or None
        Visits in person are at the patient's home; None: patients come to the clinic.
    booking : mapping of str to BookingRule
        Rule of the appointment book, by queue; other queues have ``appointments.BOOKING_RULES``.
    opening : OpeningHours
        Working time: visits take place and clocks run in it.
    harm_paths : frozenset of str
        Paths from late work to the patients that act (``harm_paths.HARM_PATHS``).
    """

    triage: str = "urgency"
    enrol_over_d: int = 1
    disabled_work: frozenset[str] = frozenset()
    states: tuple[tuple[str, float], ...] = ()
    orders_by: str = "prescriber"
    in_person_from: int | None = None
    illness: Illness | None = None
    preempt: bool = False
    home_visits: HomeVisits | None = None
    booking: Mapping[str, BookingRule] = BOOKING_RULES
    opening: OpeningHours = EVERY_DAY
    harm_paths: frozenset[str] = frozenset(PATHS_BY_NAME)

    @property
    def is_plain(self) -> bool:
        """Whether this clinic with unlimited staff is equivalent to the cohort simulation."""
        return not self.disabled_work and self.in_person_from is None and self.home_visits is None

    @property
    def does(self) -> frozenset[str]:
        """Kinds of work that the clinic does."""
        return frozenset(kind.name for kind in work.KINDS_OF_WORK) - self.disabled_work

    def needed(self, care: CarePlan) -> dict[str, str]:
        """Queues that receive work, each with one of its kinds."""
        kind_of: dict[str, str] = {}
        for kind in work.KINDS_OF_WORK:
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
                kind_of.setdefault(name, kind.name)
        return kind_of
