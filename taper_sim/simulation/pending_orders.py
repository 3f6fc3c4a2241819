"""Orders of a policy that are not yet in force. Imports ``cohort``, ``policies.interface``.

In the cohort simulation an order is in force at once. In a clinic it waits for a signature, so the dose wanted by the
policy and the dose in force differ. An order is checked once, when the policy gives it.
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

_FILE: Final = "policy"
"""File name in problems of a policy's own code."""


def checked_days(policy: Policy, n_days: int) -> list[int]:
    """Days on which a policy decides.

    Raises
    ------
    InputError
        If they are not whole, at least 1 and rising.
    """
    days = list(policy.decision_days(n_days))
    for previous, day in zip([0, *days], days, strict=False):
        if not isinstance(day, int | np.integer) or day <= previous:
            given = f"day {day} after day {previous}" if previous else f"day {day} first"
            raise InputError(
                Problem(_FILE, f"{policy.name}, decision_days({n_days})", given, "whole days from 1, rising")
            )
    return [int(day) for day in days]


def checked_order(order: Order, policy: Policy, day: int, n: int, n_classes: int) -> Order:
    """Return an order whose shapes and values are valid for n patients.

    Raises
    ------
    InputError
        With one problem for each part of a wrong shape and for each part with a value out of range.
    """
    place = f"{policy.name}, day {day}"
    if not isinstance(order, Order):
        raise InputError(Problem(_FILE, place, f"decide() returned {type(order).__name__}", "an Order"))
    parts: Sequence[tuple[str, Floats | Bools | None, tuple[int, ...], bool]] = (
        ("dose_fraction", order.dose_fraction, (n, n_classes), False),
        ("adjunct", order.adjunct, (n,), False),
        ("checkin_every_d", order.checkin_every_d, (n,), True),
        ("visit_every_d", order.visit_every_d, (n,), True),
        ("handed_over", order.handed_over, (n,), False),
    )
    problems = []
    for name, values, shape, may_be_nan in parts:
        if values is None:
            continue
        if np.shape(values) != shape:
            axes = "patients, classes" if len(shape) > 1 else "patients"
            problems.append(Problem(_FILE, place, f"{name} of shape {np.shape(values)}", f"shape {shape} ({axes})"))
            continue
        numbers = np.asarray(values, dtype=np.float64)
        valid = np.isfinite(values) & (numbers >= 0) | (np.isnan(values) & may_be_nan)
        if not valid.all():
            first = tuple(int(k) for k in np.argwhere(~valid)[0])
            where = f"row {first[0]}" + (f", {DRUG_CLASSES[first[1]]}" if len(first) > 1 else "")
            allowed = "finite, 0 or more" + (", or NaN (unchanged)" if may_be_nan else "")
            problems.append(Problem(_FILE, place, f"{name} {np.asarray(values)[first]:g} for {where}", allowed))
    if problems:
        raise InputError(problems)
    return order


@dataclass
class PendingOrders:
    """Orders of n people.

    Attributes
    ----------
    ordered_share : ndarray, (n, 3)
        Share of the original dose that the policy ordered last.
    in_force : ndarray, (n, 3)
        Share in force.
    dispensed : ndarray, (n, 3)
        Dispensed share.
    previous : ndarray, (n, 3)
        Share in force before the last reduction.
    step : ndarray, (n, 3)
        Largest single reduction that the policy has ordered, share of the original dose: the limit of a late reduction.
    pending : ndarray of bool, (n,)
        Patients whose last order is not yet in force.
    adjunct, checkin_every_d, visit_every_d, handed_over : ndarray (n,) or None
        Last ordered values, as in ``interface.Order``.
    rotations : list of Rotation
        Rotations that are not yet in force for every patient.
    """

    ordered_share: Floats
    in_force: Floats
    dispensed: Floats
    previous: Floats
    step: Floats
    pending: Bools
    adjunct: Floats | None = None
    checkin_every_d: Floats | None = None
    visit_every_d: Floats | None = None
    handed_over: Bools | None = None
    rotations: list[Rotation] = field(default_factory=list)

    @classmethod
    def at_start(cls, cohort: Cohort) -> "PendingOrders":
        """Every patient takes the original dose."""
        whole = np.ones_like(cohort.dose)
        return cls(whole, whole, whole, whole, np.zeros_like(whole), np.zeros(len(cohort), dtype=bool))

    @property
    def behind(self) -> Bools:
        """Classes whose share in force differs from the ordered share, (n, 3)."""
        return np.asarray(self.in_force != self.ordered_share)

    def order(self, order: Order) -> None:
        """Add a new order of the policy; it replaces a pending one."""
        self.step = np.maximum(self.step, self.ordered_share - order.dose_fraction)
        self.ordered_share = order.dose_fraction
        self.pending = np.ones(len(order.dose_fraction), dtype=bool)
        if order.adjunct is not None:
            self.adjunct = order.adjunct
        self.checkin_every_d = _merged(self.checkin_every_d, order.checkin_every_d)
        self.visit_every_d = _merged(self.visit_every_d, order.visit_every_d)
        if order.handed_over is not None:
            self.handed_over = np.asarray(order.handed_over, dtype=bool)
        if order.rotation is not None:
            self.rotations.append(order.rotation)

    def followed(self, may: Bools) -> Floats:
        """Shares in force from now on, (n, 3): pending orders of the patients in ``may`` reduce by at most one step."""
        late = self.in_force - self.ordered_share > self.step
        share = np.where(late, self.in_force - self.step, self.ordered_share)
        now = self.pending & may
        share = np.where(now[:, None], share, self.in_force)
        reduced = (share < self.in_force).any(axis=1)
        self.previous = np.where(reduced[:, None], self.in_force, self.previous)
        self.in_force = share
        self.pending = self.pending & ~now
        return self.in_force

    def restored(self, who: Bools) -> Floats:
        """Shares in force after ``who`` return to the share before the last reduction, (n, 3); their orders wait."""
        self.in_force = np.where(who[:, None], np.maximum(self.in_force, self.previous), self.in_force)
        self.pending = self.pending | (who & self.behind.any(axis=1))
        return self.in_force

    def released_rotations(self, may: Bools) -> Iterator[Rotation]:
        """Rotations for the patients in ``may``; for the others they stay pending."""
        remaining = []
        for rotation in self.rotations:
            if (rotation.who & may).any():
                yield replace(rotation, who=rotation.who & may)
            if (rotation.who & ~may).any():
                remaining.append(replace(rotation, who=rotation.who & ~may))
        self.rotations = remaining


def _merged(previous: Floats | None, new: Floats | None) -> Floats | None:
    """Interval after a new order; NaN keeps the previous one."""
    if previous is None or new is None:
        return previous if new is None else new
    return np.where(np.isnan(new), previous, new)
