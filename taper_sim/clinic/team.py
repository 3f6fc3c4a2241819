"""The team: roles, workers, shifts, licences, cost. Imports ``clinic.calendars``, ``clinic.queue``, ``tables``.

The minutes and hourly costs of a role come from ``tables/team.csv``: planning assumptions, not clinically reviewed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from taper_sim import tables
from taper_sim.clinic.calendars import DAY_MIN, Shift, duties, on_duty_min
from taper_sim.clinic.queue import Server
from taper_sim.data.problems import Problem
from taper_sim.units import WEEK_D


@dataclass(frozen=True)
class Role:
    """A profession in the clinic.

    Attributes
    ----------
    name : str
        Name in scenarios.
    queue : str
        Queue that the role serves; physicians and NP/PAs share the prescriber's.
    row : str
        ``role`` in ``tables/team.csv``.
    discipline : int
        Number of the model's discipline of care (``parameters.DISCIPLINES``); −1 without one.
    """

    name: str
    queue: str
    row: str
    discipline: int = -1

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone, for other processes: a row of a table cannot be sent, and is read there."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

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
        """Typical number of patients per FTE."""
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
"""The role whose minutes apply to a queue's work; the physician for the prescriber's queue."""
_ONLY_FOR: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"prescriber": ("prescriber",), "pharmacist": ("pharmacist", "prescriber")}
)
"""Queues with work reserved to professions, and the queues of these professions. Source: assumption A53."""


def who_may(queue: str) -> tuple[str, ...]:
    """Roles that may do a queue's work."""
    return tuple(role.name for role in ROLES.values() if role.queue in _ONLY_FOR.get(queue, QUEUES))


FULL_TIME_H: Final = 40.0
"""Hours a week of one FTE. Source: convention."""
MAX_COST_USD_H: Final = 10_000.0
"""Largest valid hourly cost, USD; a larger one is a typing error. Source: design choice, 60 times the dearest."""


@dataclass(frozen=True)
class Worker:
    """A member of staff.

    Attributes
    ----------
    name : str
    role : Role
    shifts : tuple of Shift
    leave : tuple of (int, int)
        First and last day of each absence.
    licences : frozenset of str or None
        States; None: all.
    stands_in_for : tuple of str
        Queues that the worker covers while their own queue is empty.
    cost_usd_h : float
        Cost of an hour; on-call hours and overtime cost the same (assumption A42).
    skills : frozenset of str or None
        Kinds of work that the worker can do; None: all kinds of their queues.
    holidays : frozenset of int
        Public holidays, days of the study.
    """

    name: str
    role: Role
    shifts: tuple[Shift, ...]
    leave: tuple[tuple[int, int], ...] = ()
    licences: frozenset[str] | None = None
    stands_in_for: tuple[str, ...] = ()
    cost_usd_h: float = 0.0
    skills: frozenset[str] | None = None
    holidays: frozenset[int] = frozenset()

    @cached_property
    def hours_a_week(self) -> float:
        """Hours on duty in a week without leave and public holidays, without on-call periods."""
        return on_duty_min(duties(self.shifts, 2 * WEEK_D), WEEK_D + 1, 2 * WEEK_D) / 60.0

    def server(self, n_days: int) -> Server:
        """The worker as a server of the queue, over the days of a study."""
        periods = tuple(duties(self.shifts, n_days, self.leave, self.holidays))
        return Server(self.name, self.role.queue, periods, self.stands_in_for, self.licences, self.skills)


@dataclass(frozen=True)
class Team:
    """All workers of the clinic; ``unlimited`` means unlimited staff."""

    workers: tuple[Worker, ...] = ()
    unlimited: bool = False

    def with_holidays(self, holidays: frozenset[int]) -> "Team":
        """The same team with public holidays, days of the study."""
        return Team(tuple(replace(worker, holidays=holidays) for worker in self.workers), self.unlimited)

    def servers(self, n_days: int) -> list[Server]:
        """All workers as servers of the queue."""
        return [worker.server(n_days) for worker in self.workers]

    def of(self, queue: str) -> list[Worker]:
        """Workers whose role serves a queue."""
        return [worker for worker in self.workers if worker.role.queue == queue]

    def fte(self, queue: str) -> float:
        """Full-time equivalents of the workers whose role serves a queue."""
        return sum(worker.hours_a_week for worker in self.of(queue)) / FULL_TIME_H

    def cost_usd(self, n_days: int) -> float:
        """Cost of all hours on duty and on call over the days of a study, USD; public holidays are paid (A103)."""
        return self.costs_usd([n_days])[0]

    def costs_usd(self, n_days: Sequence[int]) -> list[float]:
        """Costs as in :meth:`cost_usd` over several numbers of days."""
        totals = [0.0] * len(n_days)
        for worker in self.workers:
            paid = replace(worker, holidays=frozenset()).server(max(n_days)).duties
            for k, end in enumerate(days * DAY_MIN for days in n_days):
                minutes = sum(min(duty.end, end) - duty.start for duty in paid if duty.start < end)
                totals[k] += worker.cost_usd_h * minutes / 60.0
        return totals

    def problems(
        self,
        file: str,
        needed: Mapping[str, str],
        states: Sequence[str],
        n_days: int,
        kinds: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> Iterator[Problem]:
        """Work that no worker of the team may do, one problem each.

        Parameters
        ----------
        file : str
            File of the team.
        needed : mapping of str to str
            Queues that receive work, each with one of its kinds.
        states : sequence of str
            States in which patients live.
        n_days : int
            Days of the study; each queue needs a worker on duty on at least one of them.
        kinds : mapping of str to sequence of str
            Kinds of work by queue; each kind needs a worker with the skill.
        """
        if self.unlimited:
            return
        if states and not any(w.licences is None or w.licences & set(states) for w in self.workers):
            allowed = "at least one of these states among the licences of the team"
            yield Problem(file, "clinic.team", f"a team without a licence of {', '.join(states)}", allowed)
            return
        present = [w for w in self.workers if any(not duty.urgent_only for duty in w.server(n_days).duties)]
        for queue, work in needed.items():
            eligible = [w for w in present if queue in (w.role.queue, *w.stands_in_for)]
            if not eligible:
                roles = [role.name for role in ROLES.values() if role.queue == queue]
                cover = ", or a worker who stands in for it" if len(who_may(queue)) > len(roles) else ""
                value = f"no worker for the queue {queue} ({work})"
                allowed = f"a {' or '.join(roles)}{cover}; or this work in clinic.without"
                yield Problem(file, "clinic.team", value, allowed)
                continue
            for kind in kinds.get(queue, ()):
                if not any(w.skills is None or kind in w.skills for w in eligible):
                    value = f"no {queue} with the skill {kind}"
                    allowed = f"{kind} among the skills of a worker of this queue, or in clinic.without"
                    yield Problem(file, "clinic.team", value, allowed)
            for state in states:
                if not any(w.licences is None or state in w.licences for w in eligible):
                    value = f"no {queue} with a licence of {state}, where patients live"
                    yield Problem(file, "clinic.team", value, f"a licence of {state} for a worker of this queue")
