"""Who works in the clinic: roles, people, shifts, licences, cost. Imports ``clinic.calendars``, ``tables``.

Minutes and hourly costs of a role are those of ``tables/team.csv``: planning assumptions, not clinically reviewed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from taper_sim import tables
from taper_sim.clinic.calendars import DAY_MIN, WEEKDAYS, Shift, duties, on_duty_min
from taper_sim.clinic.queue import Server
from taper_sim.data.problems import Problem


@dataclass(frozen=True)
class Role:
    """A kind of person.

    Attributes
    ----------
    name : str
        As a scenario writes it.
    queue : str
        Whose work is done: physicians and NP/PAs share the prescriber's.
    row : str
        The row's ``role`` in ``tables/team.csv``.
    discipline : int
        Number of the discipline of care in the model (``parameters.DISCIPLINES``), −1 where it has none.
    """

    name: str
    queue: str
    row: str
    discipline: int = -1

    @cached_property
    def table(self) -> tables.Row:
        """The role's row of ``tables/team.csv``."""
        return next(row for row in tables.read("team").rows if row["role"] == self.row)

    @cached_property
    def initial_min(self) -> float:
        """Minutes of a first visit."""
        return float(self.table["visit_minutes_initial"])

    @cached_property
    def followup_min(self) -> float:
        """Minutes of a later visit."""
        return float(self.table["visit_minutes_followup"])

    @cached_property
    def message_min(self) -> float:
        """Minutes of a message, a review or an order."""
        return float(self.table["async_message_minutes"])

    @property
    def panel(self) -> float:
        """Patients that one full-time person usually has."""
        return float(self.table["typical_panel_size"])

    @property
    def cost_usd_h(self) -> float:
        """Cost of an hour, USD."""
        return float(self.table["hourly_cost_usd"])


ROLES: Final[Mapping[str, Role]] = MappingProxyType(
    {
        role.name: role
        for role in (
            Role("physician", "prescriber", "prescriber (physician)", 0),
            Role("np_pa", "prescriber", "prescriber (NP/PA)", 0),
            Role("pharmacist", "pharmacist", "clinical pharmacist", 1),
            Role("pt", "pt", "physical therapist", 2),
            Role("psychologist", "psychologist", "psychologist", 3),
            Role("nurse", "nurse", "nurse care manager", 4),
            Role("peer", "peer", "peer support", 5),
            Role("social_worker", "social_worker", "social worker / community health worker"),
            Role("interpreter", "interpreter", "interpreter"),
        )
    }
)
QUEUES: Final = tuple(dict.fromkeys(role.queue for role in ROLES.values()))
MAIN_ROLE: Final[Mapping[str, Role]] = MappingProxyType(
    {queue: next(role for role in ROLES.values() if role.queue == queue) for queue in QUEUES}
)
"""The role whose minutes are those of a queue's work: the physician's for the prescriber's."""
_ONLY_FOR: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"prescriber": ("prescriber",), "pharmacist": ("pharmacist", "prescriber")}
)
"""Queues whose work is an act of a profession, and the professions' own. Source: assumption A53."""


def who_may(queue: str) -> tuple[str, ...]:
    """Roles that may do a queue's work."""
    return tuple(role.name for role in ROLES.values() if role.queue in _ONLY_FOR.get(queue, QUEUES))


FULL_TIME_H: Final = 40.0
"""Hours a week of one FTE. Source: convention."""
MAX_COST_USD_H: Final = 10_000.0
"""Most that an hour may cost, USD. Source: assumption, some sixty times the dearest role's; above it, a slip."""
_WEEK_D: Final = len(WEEKDAYS)


@dataclass(frozen=True)
class Worker:
    """Somebody.

    Attributes
    ----------
    name : str
    role : Role
    shifts : tuple of Shift
    leave : tuple of (int, int)
        First and last day of each absence.
    licences : frozenset of str or None
        States; None is all.
    stands_in_for : tuple of str
        Queues whose work is taken when the own one is empty.
    cost_usd_h : float
        Cost of an hour; on-call hours and overtime cost the same (assumption A42).
    skills : frozenset of str or None
        Kinds of work that the person does; None is all of the queues'.
    """

    name: str
    role: Role
    shifts: tuple[Shift, ...]
    leave: tuple[tuple[int, int], ...] = ()
    licences: frozenset[str] | None = None
    stands_in_for: tuple[str, ...] = ()
    cost_usd_h: float = 0.0
    skills: frozenset[str] | None = None

    @cached_property
    def hours_a_week(self) -> float:
        """Hours on duty in an ordinary week, without leave, on call left out."""
        return on_duty_min(duties(self.shifts, 2 * _WEEK_D), _WEEK_D + 1, 2 * _WEEK_D) / 60.0

    def server(self, n_days: int) -> Server:
        """The person as the queue sees them over the days of a study."""
        stretches = tuple(duties(self.shifts, n_days, self.leave))
        return Server(self.name, self.role.queue, stretches, self.stands_in_for, self.licences, self.skills)


@dataclass(frozen=True)
class Team:
    """Everybody who works in the clinic; ``unlimited`` is a team that is never short of anybody."""

    workers: tuple[Worker, ...] = ()
    unlimited: bool = False

    def servers(self, n_days: int) -> list[Server]:
        """Everybody as the queue sees them."""
        return [worker.server(n_days) for worker in self.workers]

    def of(self, queue: str) -> list[Worker]:
        """Those whose own work a queue is."""
        return [worker for worker in self.workers if worker.role.queue == queue]

    def fte(self, queue: str) -> float:
        """Full-time equivalents of a queue's own people."""
        return sum(worker.hours_a_week for worker in self.of(queue)) / FULL_TIME_H

    def cost_usd(self, n_days: int) -> float:
        """Cost of everybody's hours on duty over the days of a study, on call included, USD."""
        total = 0.0
        for worker in self.workers:
            minutes = sum(min(d.end, n_days * DAY_MIN) - d.start for d in worker.server(n_days).duties)
            total += worker.cost_usd_h * minutes / 60.0
        return total

    def problems(
        self,
        file: str,
        needed: Mapping[str, str],
        states: Sequence[str],
        n_days: int,
        kinds: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> Iterator[Problem]:
        """What makes the team unable to do what it must, before anything runs.

        Parameters
        ----------
        file : str
            Where the team was read.
        needed : mapping of str to str
            Queues that get work, and which work.
        states : sequence of str
            States in which patients live.
        n_days : int
            Days of the study; somebody must be at work on one of them.
        kinds : mapping of str to sequence of str
            Kinds of work by queue; somebody must have the skill of each.
        """
        if self.unlimited:
            return
        present = [worker for worker in self.workers if any(not d.urgent_only for d in worker.server(n_days).duties)]
        for queue, work in needed.items():
            able = [w for w in present if queue in (w.role.queue, *w.stands_in_for)]
            if not able:
                own = [role.name for role in ROLES.values() if role.queue == queue]
                others = ", or somebody who stands in" if len(who_may(queue)) > len(own) else ""
                given = f"nobody for the work of a {queue} ({work})"
                yield Problem(file, "clinic.team", given, f"a {' or '.join(own)}{others}; or work without it")
                continue
            for kind in kinds.get(queue, ()):
                if not any(w.skills is None or kind in w.skills for w in able):
                    yield Problem(
                        file,
                        "clinic.team",
                        f"no {queue} with the skill {kind}",
                        f"{kind} among the skills of somebody who does this work, or work without it",
                    )
            for state in states:
                if not any(worker.licences is None or state in worker.licences for worker in able):
                    given = f"no {queue} with a licence of {state}, where patients live"
                    yield Problem(file, "clinic.team", given, f"a licence of {state} for somebody who does this work")
