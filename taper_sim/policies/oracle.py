"""The oracle: the only policy that sees the true state. Imports ``model`` and the interface.

At each decision it tries several cuts on each person's own parameters, without chance, and takes the largest that keeps
withdrawal under the limit for the days ahead. It bounds what any policy on reports can reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data.problems import problem
from taper_sim.model.compiled import rows
from taper_sim.model.compiled.rows import Coefficients
from taper_sim.model.day import Medicine, MedicineState, medicine_day
from taper_sim.policies.adaptive import column_of, put_share
from taper_sim.policies.calls import FILE
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.units import DrugClass

_CUTS_PCT: Final = (100.0, 60.0, 40.0, 30.0, 20.0, 15.0, 10.0, 7.5, 5.0, 2.5)


@dataclass(frozen=True)
class Oracle(Policy):
    """Largest cut that keeps withdrawal of the tapered class under ``limit`` for ``horizon_d`` days."""

    limit: float = 0.15
    every: int = 14
    horizon_d: int = 28
    max_pct: float = 100.0
    drug_class: DrugClass | None = None
    sees_state: bool = True

    @property
    def name(self) -> str:
        """The call."""
        return f"oracle(limit={self.limit:g}, every={self.every})"

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 and every ``every`` days."""
        return range(1, n_days + 1, self.every)

    def start(self, patients: Patients) -> Any:
        """Find the class each patient tapers."""
        return column_of(patients, self.drug_class)

    def decide(self, memory: Any, seen: Observation) -> Order:
        """Try the cuts from the largest down; who can bear none holds."""
        column = memory
        people = np.arange(len(column))
        now = np.where(column >= 0, seen.dose_fraction[people, column], 1.0)
        of_class = _of_class(seen.latent.arrays, np.maximum(column, 0))
        share, decided = now.copy(), column < 0
        for cut in (c for c in _CUTS_PCT if c <= self.max_pct):
            tried = np.maximum(np.round(now - cut / 100.0, 12), 0.0)
            doses = seen.latent.doses(put_share(seen.dose_fraction, column, tried))[people, np.maximum(column, 0)]
            bearable = _highest(*of_class, doses, self.horizon_d) <= self.limit
            share = np.where(bearable & ~decided, tried, share)
            decided |= bearable
        return Order(put_share(seen.dose_fraction, column, share))


def _of_class(arrays: Any, column: np.ndarray) -> tuple[Any, Medicine, MedicineState]:
    """Coefficients, parameters and state of the tapered class, (n,) each, read from the kernel's arrays."""
    take = np.arange(len(column))

    def of(array: Floats, row: int) -> Floats:
        return np.asarray(arrays.get3(array, row)[take, column])

    names = ("EC50", "OMEGA", "SIGMA", "ADJUNCT", "DECAY_G", "DECAY_F", "DECAY_L")
    shape = np.array([[arrays.get(arrays.params, rows.SHAPE + 4 * k + j) for j in range(4)] for k in range(3)])
    medicine = Medicine(*(of(arrays.params, getattr(rows, name)) for name in names), *shape[column, :, take].T)
    state = MedicineState(*(of(arrays.state, getattr(rows, name)) for name in MedicineState._fields))
    coefficients = Coefficients(*arrays.coefficients[arrays.tile].T)
    return coefficients, medicine, state


def _highest(c: Any, medicine: Medicine, state: MedicineState, dose: Floats, n_days: int) -> Floats:
    """Highest withdrawal over the days ahead at a steady dose, by the model's own day."""
    highest = np.zeros_like(dose)
    for _ in range(n_days):
        state = medicine_day(c, medicine, state, dose)
        highest = np.maximum(highest, state.W)
    return highest


def oracle(
    *,
    limit: float = 0.15,
    every: int = 14,
    horizon_d: int = 28,
    max_pct: float = 100.0,
    drug_class: DrugClass | None = None,
) -> Oracle:
    """Build the oracle; raises InputError for an argument out of range."""
    for name, value, right, allowed in (
        ("limit", limit, 0 < limit < 1, "above 0 and below 1"),
        ("every", every, 1 <= every <= 364, "1 to 364 days"),
        ("horizon_d", horizon_d, 1 <= horizon_d <= 364, "1 to 364 days"),
        ("max_pct", max_pct, 2.5 <= max_pct <= 100, "2.5 to 100"),
    ):
        if not right:
            raise problem(FILE, "oracle", f"{name}={value}", allowed)
    return Oracle(limit, every, horizon_d, max_pct, drug_class)
