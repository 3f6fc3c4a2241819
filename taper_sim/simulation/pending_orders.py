"""Orders between the policy that gives them and the people who follow them. Imports ``cohort``, ``policies.interface``.

In the cohort simulation everybody follows at once. In a clinic an order waits for whoever has to sign it; what stands
is then two things: what the policy wants, and what is followed. An order is checked once, when it is taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.data.problems import InputError, Problem
from taper_sim.policies.interface import Order, Policy, Rotation
from taper_sim.simulation.cohort import Cohort
from taper_sim.units import DRUG_CLASSES

FILE: Final = "policy"
"""What a problem of a policy's own code names as its file."""


def checked_days(policy: Policy, n_days: int) -> list[int]:
    """Days on which a policy decides.

    Raises
    ------
    InputError
        If they are not whole days from 1 that rise.
    """
    days = list(policy.decision_days(n_days))
    for before, day in zip([0, *days], days, strict=False):
        if not isinstance(day, int | np.integer) or day <= before:
            given = f"day {day} after day {before}" if before else f"day {day} first"
            raise InputError(
                Problem(FILE, f"{policy.name}, decision_days({n_days})", given, "whole days from 1, rising")
            )
    return [int(day) for day in days]


def checked_order(order: Order, policy: Policy, day: int, n: int, n_classes: int) -> Order:
    """Return an order that n patients can follow.

    Raises
    ------
    InputError
        With a line for each part of a wrong shape, and for each with a value out of range: what and where.
    """
    place = f"{policy.name}, day {day}"
    if not isinstance(order, Order):
        raise InputError(Problem(FILE, place, f"decide() returned {type(order).__name__}", "an Order"))
    parts: Sequence[tuple[str, Floats | None, tuple[int, ...], bool]] = (
        ("dose_fraction", order.dose_fraction, (n, n_classes), False),
        ("adjunct", order.adjunct, (n,), False),
        ("checkin_every_d", order.checkin_every_d, (n,), True),
        ("visit_every_d", order.visit_every_d, (n,), True),
    )
    problems = []
    for name, values, shape, may_be_nan in parts:
        if values is None:
            continue
        if np.shape(values) != shape:
            axes = "patients, classes" if len(shape) > 1 else "patients"
            problems.append(Problem(FILE, place, f"{name} of shape {np.shape(values)}", f"shape {shape} ({axes})"))
            continue
        right = np.isfinite(values) & (np.asarray(values) >= 0) | (np.isnan(values) & may_be_nan)
        if not right.all():
            first = tuple(int(k) for k in np.argwhere(~right)[0])
            where = f"row {first[0]}" + (f", {DRUG_CLASSES[first[1]]}" if len(first) > 1 else "")
            allowed = "finite, 0 or more" + (", or NaN: as it was" if may_be_nan else "")
            problems.append(Problem(FILE, place, f"{name} {np.asarray(values)[first]:g} for {where}", allowed))
    if problems:
        raise InputError(problems)
    return order


@dataclass
class PendingOrders:
    """Orders of n people.

    Attributes
    ----------
    wanted : ndarray, (n, 3)
        Share of the original dose that the policy ordered last.
    in_force : ndarray, (n, 3)
        Share that is followed.
    given : ndarray, (n, 3)
        The same as dispensed.
    step : ndarray, (n, 3)
        Largest single reduction that the policy has ordered, share of the original dose: what a late order may cut at
        once.
    pending : ndarray of bool, (n,)
        Who has not had the last order's effect yet.
    adjunct, checkin_every_d, visit_every_d : ndarray (n,) or None
        As in ``interface.Order``, the last that was ordered.
    rotations : list of Rotation
        Those that somebody still waits for.
    """

    wanted: Floats
    in_force: Floats
    given: Floats
    step: Floats
    pending: Bools
    adjunct: Floats | None = None
    checkin_every_d: Floats | None = None
    visit_every_d: Floats | None = None
    rotations: list[Rotation] = field(default_factory=list)

    @classmethod
    def at_start(cls, cohort: Cohort) -> "PendingOrders":
        """Everybody takes the whole dose."""
        whole = np.ones_like(cohort.dose)
        return cls(whole, whole, whole, np.zeros_like(whole), np.zeros(len(cohort), dtype=bool))

    @property
    def behind(self) -> Bools:
        """Where what is followed is not what is wanted, (n, 3)."""
        return np.asarray(self.in_force != self.wanted)

    def order(self, order: Order) -> None:
        """Take a new order of the policy; it replaces one that still waits."""
        self.step = np.maximum(self.step, self.wanted - order.dose_fraction)
        self.wanted = order.dose_fraction
        self.pending = np.ones(len(order.dose_fraction), dtype=bool)
        if order.adjunct is not None:
            self.adjunct = order.adjunct
        self.checkin_every_d = _merged(self.checkin_every_d, order.checkin_every_d)
        self.visit_every_d = _merged(self.visit_every_d, order.visit_every_d)
        if order.rotation is not None:
            self.rotations.append(order.rotation)

    def followed(self, may: Bools) -> Floats:
        """Shares in force from now on, (n, 3): those who may and had waited follow by at most one step."""
        late = self.in_force - self.wanted > self.step
        share = np.where(late, self.in_force - self.step, self.wanted)
        now = self.pending & may
        self.in_force = np.where(now[:, None], share, self.in_force)
        self.pending = self.pending & ~now
        return self.in_force

    def released_rotations(self, may: Bools) -> Iterator[Rotation]:
        """Rotations for those who may have them; the others go on waiting."""
        left = []
        for rotation in self.rotations:
            if (rotation.who & may).any():
                yield replace(rotation, who=rotation.who & may)
            if (rotation.who & ~may).any():
                left.append(replace(rotation, who=rotation.who & ~may))
        self.rotations = left


def _merged(before: Floats | None, new: Floats | None) -> Floats | None:
    """The last interval ordered; NaN keeps what was."""
    if before is None or new is None:
        return before if new is None else new
    return np.where(np.isnan(new), before, new)
