"""Tapers of several drug classes: in sequence, alternating, or together. Imports the interface.

The order of the arguments is the order of the classes. With a benzodiazepine only one class at a time is reduced,
unless the call has ``even_with_benzodiazepine=yes``. The parts are schedules, whose orders are known in advance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data.problems import problem
from taper_sim.policies.calls import FILE
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.units import DRUG_CLASSES, LONGEST_D

_BENZODIAZEPINE: Final = DRUG_CLASSES.index("benzodiazepine")


@dataclass(frozen=True)
class ScheduleOrders:
    """Orders of one schedule for each patient by schedule day: days, and shares (n_days, n, 3)."""

    days: np.ndarray
    shares: Floats

    @property
    def moves(self) -> np.ndarray:
        """Whether the schedule changes each class, (n, 3)."""
        return np.asarray((self.shares != 1.0).any(axis=0))

    @property
    def end(self) -> np.ndarray:
        """Schedule day of each patient's last change, 0 without a change, (n,)."""
        previous = np.concatenate([np.ones_like(self.shares[:1]), self.shares[:-1]])
        changes = (self.shares != previous).any(axis=2)
        last = len(self.days) - 1 - np.argmax(changes[::-1], axis=0)
        return np.where(changes.any(axis=0), self.days[last], 0)

    def at(self, day: np.ndarray) -> Floats:
        """Shares on each patient's schedule day (below 1: not started), (n, 3)."""
        index = np.searchsorted(self.days, day, side="right") - 1
        shares = self.shares[np.maximum(index, 0), np.arange(len(day))]
        return np.where((index < 0)[:, None], 1.0, shares)


def orders_of(policy: Policy, patients: Patients) -> ScheduleOrders:
    """Orders of a schedule over ten years, without reports."""
    memory, share = policy.start(patients), np.ones_like(patients.dose)
    days, shares = policy.decision_days(LONGEST_D), []
    for day in days:
        share = policy.decide(memory, Observation(day, share, share)).dose_fraction
        shares.append(share)
    return ScheduleOrders(np.array(days), np.array(shares))


def grid_of(policies: Sequence[Policy], gap_d: int = 0) -> int:
    """Days between decisions: the largest step that divides all days of the schedules, and the gap."""
    days = [day - 1 for policy in policies for day in policy.decision_days(LONGEST_D)]
    return max(1, reduce(math.gcd, [*days, gap_d], 0))


@dataclass
class _Memory:
    parts: list[ScheduleOrders]
    offsets: list[np.ndarray]
    order: list[np.ndarray]


@dataclass(frozen=True)
class Several(Policy):
    """Schedules of several classes; ``how`` is sequence, alternating or together, ``gap_d`` the days between two."""

    how: Literal["sequence", "alternating", "together"]
    policies: tuple[Policy, ...]
    gap_d: int = 28
    even_with_benzodiazepine: bool = False

    @property
    def name(self) -> str:
        """The call."""
        return f"{self.how}({', '.join(policy.name for policy in self.policies)})"

    def _grid(self) -> int:
        return grid_of(self.policies, self.gap_d)

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 and every day of the common grid."""
        return range(1, n_days + 1, self._grid())

    def start(self, patients: Patients) -> _Memory:
        """Orders of every part for every patient, and the start of each part."""
        parts = [orders_of(policy, patients) for policy in self.policies]
        moved = np.sum([part.moves for part in parts], axis=0)
        if (moved > 1).any():
            raise problem(FILE, self.name, "two schedules for one drug class", "another drug_class=… in each")
        n = len(patients.dose)
        grid = self._grid()
        in_turn = np.full(n, self.how == "sequence")
        if self.how == "together" and not self.even_with_benzodiazepine:
            in_turn |= patients.taken[:, _BENZODIAZEPINE]
        offset, offsets, order, rank = np.zeros(n, dtype=np.int64), [], [], np.zeros(n, dtype=np.int64)
        for part in parts:
            tapers = part.end > 0
            offsets.append(np.where(in_turn, offset, 0))
            order.append(np.where(tapers, rank, -1))
            rank = rank + tapers
            after = offset + part.end - 1 + self.gap_d
            offset = np.where(tapers, -(-after // grid) * grid, offset)
        return _Memory(parts, offsets, order)

    def decide(self, memory: _Memory, observation: Observation) -> Order:
        """Combine the shares of the parts."""
        share = np.ones_like(observation.dose_fraction)
        if self.how == "alternating":
            turn = (observation.day - 1) // self._grid()
            n_parts = np.maximum(np.max(memory.order, axis=0) + 1, 1)
            for part, place in zip(memory.parts, memory.order, strict=True):
                # the schedule day advances by one grid step at each turn of the part
                turns = (turn - np.maximum(place, 0)) // n_parts
                schedule_day = np.where(place >= 0, turns * self._grid() + 1, 0)
                share = np.minimum(share, part.at(schedule_day))
        else:
            for part, offset in zip(memory.parts, memory.offsets, strict=True):
                share = np.minimum(share, part.at(observation.day - offset))
        return Order(share)


def _several(
    how: Literal["sequence", "alternating", "together"], policies: Sequence[Policy | None], gap_d: int, even: bool
) -> Several:
    parts = tuple(policy for policy in policies if policy is not None)
    for policy in parts:
        if policy.waits:
            raise problem(FILE, how, policy.name, "schedules, which do not use reports")
        if policy.planned_care is not None:
            raise problem(FILE, how, policy.name, f"schedules; add care around them: supported(taper={how}(…), …)")
    if gap_d < 0:
        raise problem(FILE, how, f"gap_d={gap_d}", "0 days or more")
    return Several(how, parts, gap_d, even)


def sequence(first: Policy, second: Policy, third: Policy | None = None, *, gap_d: int = 28) -> Several:
    """Taper one class after the other; the next starts ``gap_d`` days after the last change of the previous one."""
    return _several("sequence", (first, second, third), gap_d, False)


def alternating(first: Policy, second: Policy, third: Policy | None = None) -> Several:
    """Taper classes in turn: at each decision the next class has its next step."""
    return _several("alternating", (first, second, third), 0, False)


def together(
    first: Policy, second: Policy, third: Policy | None = None, *, even_with_benzodiazepine: bool = False
) -> Several:
    """Taper classes at the same time; with a benzodiazepine in sequence, unless even_with_benzodiazepine=yes."""
    return _several("together", (first, second, third), 28, even_with_benzodiazepine)
