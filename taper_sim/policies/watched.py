"""A protocol whose observations are kept, so that another policy can learn from them. Imports ``modified``."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from taper_sim.policies.interface import Observation, Order, Patients
from taper_sim.policies.modified import InnerProtocol, Wrapped


@dataclass(frozen=True)
class Watched(Wrapped):
    """The protocol with a check-in every day; its observations are kept.

    Attributes
    ----------
    days : tuple of int
        Further days on which observations are kept.
    observations : list of Observation
        In the order of their days.
    """

    days: tuple[int, ...] = ()
    observations: list[Observation] = field(default_factory=list)

    @property
    def sees_reports(self) -> bool:
        """Check-ins are kept, whether or not the protocol sees them."""
        return True

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days of the protocol and the further days."""
        return sorted({*self.policy.decision_days(n_days), *(day for day in self.days if day <= n_days)})

    def start(self, patients: Patients) -> InnerProtocol:
        """As the protocol."""
        return InnerProtocol(self.policy, patients)

    def decide(self, memory: InnerProtocol, observation: Observation) -> Order:
        """Keep the observation; order as the protocol."""
        self.observations.append(replace(observation, latent=None))
        order = memory.order(observation)
        return replace(order, checkin_every_d=np.ones(len(order.dose_fraction)))
