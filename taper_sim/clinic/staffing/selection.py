"""Which system has the least mean? The procedure of Kim and Nelson, from sim-tools. Imports nothing of the package.

Every system is run so often at first; then the worse are left out, one replication of those still in at a time, until
one is left (Kim and Nelson 2001, "A fully sequential procedure for indifference-zone selection in simulation", ACM
TOMACS 11:251). The best is found with the stated probability wherever it is better than all others by the indifference;
of systems closer than that one of the best is. What the systems have in common (the same patients, the same luck) makes
the variance of their differences small, and the procedure short.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sim_tools.ovs.indifference_zone import KN

FIRST_REPLICATIONS: Final = 10
"""Replications of every system before any is left out. Source: judged; from fewer the variances would be loose."""


@dataclass(frozen=True)
class Selected:
    """What was found.

    Attributes
    ----------
    still_in : tuple of int
        Systems that were not left out, the least mean first.
    decided : bool
        One is left, or those that are do not differ at all; else the replications were not enough.
    n_replications : tuple of int
        Of each system.
    """

    still_in: tuple[int, ...]
    decided: bool
    n_replications: tuple[int, ...]


def select(
    n_systems: int, value: Callable[[int, int], float], indifference: float, error: float, most: int
) -> Selected:
    """Find the system with the least mean.

    Parameters
    ----------
    n_systems : int
    value : callable
        Given a system and the number of a replication, its value; a replication is the same luck for all.
    indifference : float
        Difference of means that matters at least.
    error : float
        Chance that the best is left out although it is better than all others by the indifference.
    most : int
        Replications of a system after which the selection stops, at least 2.
    """
    model = _Model(value, n_systems)
    if n_systems == 1:
        for _ in range(min(FIRST_REPLICATIONS, most)):
            model.simulate(0)
        return Selected((0,), True, tuple(model.done))
    return KimNelson(model, n_systems, indifference, error, most).selected()


class _Model:
    """What sim-tools asks of a simulation: run a replication of a system, tell who listens."""

    def __init__(self, value: Callable[[int, int], float], n_systems: int):
        self._value, self.done = value, [0] * n_systems
        self._heard_by: list[Any] = []

    def register_observer(self, observer: Any) -> None:
        self._heard_by.append(observer)

    def simulate(self, system: int) -> None:
        value = self._value(system, self.done[system])
        self.done[system] += 1
        for observer in self._heard_by:
            observer.feedback(self, system, value)


class KimNelson(KN):
    """The library's procedure, with the end that a bound needs and one correction.

    The library looks the variance of a pair's difference up in a table without its diagonal, and takes every row to
    begin after it: where the other system has the smaller number it reads the variance of another pair. With two
    systems that is the same number.
    """

    def __init__(self, model: _Model, n_systems: int, indifference: float, error: float, most: int):
        super().__init__(model, n_systems, indifference, error, min(FIRST_REPLICATIONS, most), obj="min")
        self._model, self._most = model, most

    def selected(self) -> Selected:
        """Run to the end."""
        self.solve()
        still_in = sorted((int(one) for one in self._contenders), key=lambda one: -self._means[one])  # negated: minimum
        return Selected(tuple(still_in), len(still_in) == 1 or self._equal(), tuple(self._model.done))

    def _limit_to_distance_from_sample_means(self, design_i: int, design_l: int) -> float:
        shifted = design_l + 1 if design_l < design_i else design_l
        return float(super()._limit_to_distance_from_sample_means(design_i, shifted))

    def _sequential_replication(self) -> None:
        if len(self._contenders) > 1:  # the library runs the one that is left once more
            super()._sequential_replication()

    def _stopping(self) -> bool:
        if self._r >= self._most:
            self._screening()
            return True
        return bool(super()._stopping()) or self._equal()

    def _equal(self) -> bool:
        """Whether those still in have one mean and would be told apart by any difference: it never ends else."""
        pairs = [(i, j) for i in self._contenders for j in self._contenders if i != j]
        limits = [self._limit_to_distance_from_sample_means(i, j) for i, j in pairs]
        return bool(np.ptp(self._means[self._contenders]) == 0.0 and max(limits, default=0.0) == 0.0)
