"""The oracle, a policy that sees the true state. Imports ``model`` and the interface.

At each decision it simulates several cuts with each person's true parameters, without random events, and orders the
largest that keeps withdrawal within the limit over the horizon. It minimises the time to a full stop under that single
limit. It weighs no pain, function, mood, crisis, overdose or death: it bounds how fast a policy can go within the
limit, and is no ideal of care.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.problems import problem
from taper_sim.model import equations as eq
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
    """Largest cut that keeps withdrawal of the tapered class at or below ``limit`` for ``horizon_d`` days.

    It minimises the time to a full stop under that limit, and nothing else.
    """

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
        """Class that each patient tapers."""
        return column_of(patients, self.drug_class)

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Order the largest cut within the limit; hold the dose if no cut is."""
        column, latent = memory, observation.latent
        people, of_column = np.arange(len(column)), np.maximum(column, 0)
        now = np.where(column >= 0, observation.dose_fraction[people, column], 1.0)
        share, undecided = now.copy(), np.flatnonzero((column >= 0) & (now > 0.0))
        ahead = _ahead_of(latent.arrays, of_column)
        for cut in (c for c in _CUTS_PCT if c <= self.max_pct):
            if not len(undecided):
                break
            candidate = np.maximum(np.round(now - cut / 100.0, 12), 0.0)
            doses = latent.doses(put_share(observation.dose_fraction, column, candidate))[people, of_column]
            highest = _highest_felt(ahead.of(undecided), doses[undecided], self.horizon_d)
            within_limit = undecided[highest <= self.limit]
            share[within_limit] = candidate[within_limit]
            undecided = undecided[highest > self.limit]
        return Order(put_share(observation.dose_fraction, column, share))


class _Ahead(NamedTuple):
    """What withdrawal of the tapered class depends on from today on; ndarrays (n,).

    ``before`` is the dose prescribed, ``reference`` that of :func:`taper_sim.model.equations.cut_share`, ``at_start``
    the withdrawal of day 0; ``x``, ``decay`` and ``xi`` are of the reaction to cuts, ``announced`` weighs the next one.
    """

    c: Any  # Coefficients, whose names are those of the table of parameters
    medicine: Medicine
    state: MedicineState
    before: Floats
    reference: Floats
    at_start: Floats
    x: Floats
    decay: Floats
    xi: Floats
    announced: Floats

    def of(self, who: Ints) -> "_Ahead":
        """The same of some people."""
        groups: Iterator[Any] = (type(group)(*(values[who] for values in group)) for group in self[:3])
        return _Ahead(*groups, *(values[who] for values in self[3:]))


def _ahead_of(arrays: Any, column: Ints) -> _Ahead:
    """The tapered class of each person, and the person, read from the kernel's arrays; ``column`` is (n,)."""
    people = np.arange(len(column))

    def of_class(array: Floats, row: int) -> Floats:
        return np.asarray(arrays.get3(array, row)[people, column])

    names = ("EC50", "OMEGA", "SIGMA", "ADJUNCT", "DECAY_G", "DECAY_F", "DECAY_L")
    shape = np.array([[arrays.get(arrays.params, rows.SHAPE + 4 * k + j) for j in range(4)] for k in range(3)])
    medicine = (of_class(arrays.params, getattr(rows, name)) for name in names)
    return _Ahead(
        Coefficients(*arrays.coefficients[arrays.tile].T),
        Medicine(*medicine, *shape[column, :, people].T),
        MedicineState(*(of_class(arrays.state, getattr(rows, name)) for name in MedicineState._fields)),
        of_class(arrays.state, rows.PRESCRIBED),
        of_class(arrays.params, rows.CUT_REFERENCE),
        of_class(arrays.params, rows.W0),
        arrays.get(arrays.state, rows.X),
        *(arrays.get(arrays.params, row) for row in (rows.DECAY_X, rows.XI, rows.ANNOUNCED)),
    )


def _highest_felt(ahead: _Ahead, dose: Floats, n_days: int) -> Floats:
    """Highest felt withdrawal over the next ``n_days`` at a steady dose, (n,), the reaction to the cut included."""
    c, medicine, state, *_ = ahead
    share = np.clip(eq.cut_share(ahead.before, dose, ahead.reference), 0.0, c.full_cut)
    x = eq.reaction(ahead.x, ahead.decay, ahead.xi, ahead.announced * eq.cut_weight(share, c.full_cut))
    highest = np.zeros_like(dose)
    for _ in range(n_days):
        state = medicine_day(c, medicine, state, dose)
        highest = np.maximum(highest, eq.felt_withdrawal(state.W - ahead.at_start, x, c.sows_w))
        x = eq.reaction(x, ahead.decay, 0.0, 0.0)
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
    for name, value, valid, allowed in (
        ("limit", limit, 0 < limit < 1, "above 0 and below 1"),
        ("every", every, 1 <= every <= 364, "1 to 364 days"),
        ("horizon_d", horizon_d, 1 <= horizon_d <= 364, "1 to 364 days"),
        ("max_pct", max_pct, 2.5 <= max_pct <= 100, "2.5 to 100"),
    ):
        if not valid:
            raise problem(FILE, "oracle", f"{name}={value}", allowed)
    return Oracle(limit, every, horizon_d, max_pct, drug_class)
