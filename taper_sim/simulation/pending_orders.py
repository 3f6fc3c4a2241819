"""Orders between the policy that gives them and the people who follow them. Imports ``cohort``, ``policies.interface``.

In the cohort simulation everybody follows at once. In a clinic an order waits for whoever has to sign it; what stands
is then two things: what the policy wants, and what is followed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.data.problems import problem
from taper_sim.policies.interface import Observation, Order, Rotation
from taper_sim.simulation.cohort import Cohort


def checked_order(order: Order, policy: str, seen: Observation) -> Order:
    """The order of a policy, refused where its share is none for each patient and class.

    Raises
    ------
    InputError
        With the policy, the day, the shape given and the shape wanted.
    """
    place, shape = f"{policy}, day {seen.day}", seen.share.shape
    if not isinstance(order, Order):
        raise problem(
            "policy", place, f"an object of the type {type(order).__name__}", f"Order(share of shape {shape})"
        )
    given = np.shape(order.share)
    if given != shape:
        raise problem("policy", place, f"an order whose share has the shape {given}", f"{shape}: patients, classes")
    if not (np.asarray(order.share) >= 0.0).all():  # false of a missing value too
        wrong = int((~(np.asarray(order.share) >= 0.0)).any(axis=1).sum())
        raise problem("policy", place, f"shares below 0 or missing for {wrong} patients", "shares of 0 and more")
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
        self.step = np.maximum(self.step, self.wanted - order.share)
        self.wanted = order.share
        self.pending = np.ones(len(order.share), dtype=bool)
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
