"""A protocol limited to the ceiling of guidance: ``linear(pct=20, every=14) + within_ceiling()``. Imports ``ceilings``.

The reduction in any 28 days is at most the patient's ceiling. Reductions that the ceiling postpones follow later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.policies.modified import Added, InnerProtocol
from taper_sim.safety.ceilings import ceiling_of
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D


@dataclass
class _Memory:
    """The protocol, fractions ordered by day, the ceiling of each patient and class."""

    protocol: InnerProtocol
    ordered: list[tuple[int, Floats]]
    ceiling: Floats


@dataclass(frozen=True)
class WithinCeiling(Added):
    """The protocol, slowed to each patient's ceiling."""

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days of the protocol, and every 28 days for reductions that the ceiling postponed."""
        return sorted({*self.policy.decision_days(n_days), *range(1, n_days + 1, MONTH_D)})

    def start(self, patients: Patients) -> _Memory:
        """Ceiling of each patient and class, share of the original dose in 28 days."""
        n = len(patients.dose)
        failed = np.asarray(patients.flags.get("failed_tapers", np.zeros(n)))
        limits = Limits()
        ceiling = np.array(
            [
                [
                    ceiling_of(c, float(patients.use_days[row, k]), int(failed[row]), limits).pct_per_28d / 100.0
                    for k, c in enumerate(DRUG_CLASSES)
                ]
                for row in range(n)
            ]
        )
        return _Memory(InnerProtocol(self.policy, patients), [(0, np.ones((n, 3)))], ceiling)

    def decide(self, memory: _Memory, observation: Observation) -> Order:
        """Order the protocol's share, or the lowest share that the ceiling allows if that is higher."""
        order = memory.protocol.order(observation)
        month_ago = next(share for day, share in reversed(memory.ordered) if day <= max(observation.day - MONTH_D, 0))
        share = np.maximum(order.dose_fraction, np.round(month_ago - memory.ceiling, 12))
        memory.ordered.append((observation.day, share))
        return replace(order, dose_fraction=share)


def within_ceiling(policy: Policy) -> WithinCeiling:
    """Limit a protocol to the ceiling of guidance that applies to each patient (added by ``+``)."""
    return WithinCeiling(policy, "within_ceiling()")
