"""Selection of the system with the smallest mean, by Kim and Nelson, from sim-tools. Imports nothing of the package.

Every system first receives the same number of replications. Each further stage adds one replication of every surviving
system and eliminates a system whose mean exceeds another's by the procedure's bound, until one system survives (Kim and
Nelson 2001, "A fully sequential procedure for indifference-zone selection in simulation", ACM TOMACS 11:251). If the
best system is better than all others by the indifference, the procedure selects it with the stated probability;
otherwise it selects a system within the indifference of the best. Common random numbers (the same patients and draws)
reduce the variance of the differences and thus the number of replications.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sim_tools.ovs.indifference_zone import KN

FIRST_REPLICATIONS: Final = 10
"""Replications of every system before the first elimination. Source: design choice; fewer give imprecise variances."""


@dataclass(frozen=True)
class Selection:
    """Result of a selection.

    Attributes
    ----------
    still_in : tuple of int
        Surviving systems, the smallest mean first.
    decided : bool
        True if one system survives or the surviving systems do not differ; False if the replications were too few.
    n_replications : tuple of int
        Replications of each system.
    """

    still_in: tuple[int, ...]
    decided: bool
    n_replications: tuple[int, ...]


def select(
    n_systems: int,
    value: Callable[[int, int], float],
    indifference: float,
    error: float,
    most: int,
    run_ahead: Callable[[Sequence[tuple[int, int]]], None] = lambda _: None,
) -> Selection:
    """Select the system with the smallest mean.

    Parameters
    ----------
    n_systems : int
    value : callable
        Value of a system in a replication; a replication has the same random numbers in all systems.
    indifference : float
        Smallest relevant difference of means.
    error : float
        Probability of eliminating the best system although it is better than all others by the indifference.
    most : int
        Largest number of replications of a system, at least 2.
    run_ahead : callable, optional
        Receives systems with the number of a replication before their values are asked for, so that the replications
        can run at the same time.

    Returns
    -------
    Selection
    """
    model = _Model(value, n_systems, run_ahead)
    model.prepare([(system, k) for k in range(min(FIRST_REPLICATIONS, most)) for system in range(n_systems)])
    if n_systems == 1:
        for _ in range(min(FIRST_REPLICATIONS, most)):
            model.simulate(0)
        return Selection((0,), True, tuple(model.done))
    return KimNelson(model, n_systems, indifference, error, most).selected()


class _Model:
    """The interface that sim-tools expects: run a replication of a system and notify the observers."""

    def __init__(
        self,
        value: Callable[[int, int], float],
        n_systems: int,
        run_ahead: Callable[[Sequence[tuple[int, int]]], None] = lambda _: None,
    ):
        self._value, self.done, self._run_ahead = value, [0] * n_systems, run_ahead
        self._prepared: set[tuple[int, int]] = set()
        self._observers: list[Any] = []

    def register_observer(self, observer: Any) -> None:
        self._observers.append(observer)

    def prepare(self, wanted: Sequence[tuple[int, int]]) -> None:
        """Run replications of systems ahead, each once: the procedure asks for those of its first stage again."""
        fresh = [trial for trial in wanted if trial not in self._prepared]
        if fresh:
            self._run_ahead(fresh)
            self._prepared.update(fresh)

    def simulate(self, system: int) -> None:
        value = self._value(system, self.done[system])
        self.done[system] += 1
        for observer in self._observers:
            observer.feedback(self, system, value)


class KimNelson(KN):
    """The library's procedure with a largest number of replications and one correction.

    The library keeps the variances of pairwise differences in a table without its diagonal. Its index assumes that the
    second system of a pair has the larger number; otherwise it reads the variance of a different pair. Two systems have
    only one pair, so the error does not affect them.
    """

    def __init__(self, model: _Model, n_systems: int, indifference: float, error: float, most: int):
        super().__init__(model, n_systems, indifference, error, min(FIRST_REPLICATIONS, most), obj="min")
        self._model, self._most = model, most

    def selected(self) -> Selection:
        """Run the procedure."""
        self.solve()
        still_in = sorted(map(int, self._contenders), key=lambda system: -self._means[system])  # negated: minimum
        return Selection(tuple(still_in), len(still_in) == 1 or self._equal(), tuple(self._model.done))

    def _limit_to_distance_from_sample_means(self, design_i: int, design_l: int) -> float:
        shifted = design_l + 1 if design_l < design_i else design_l
        return float(super()._limit_to_distance_from_sample_means(design_i, shifted))

    def _sequential_replication(self) -> None:
        if len(self._contenders) > 1:  # the library would run the last surviving system once more
            self._model.prepare([(int(k), self._model.done[int(k)]) for k in self._contenders])
            super()._sequential_replication()

    def _stopping(self) -> bool:
        if self._r >= self._most:
            self._screening()
            return True
        return bool(super()._stopping()) or self._equal()

    def _equal(self) -> bool:
        """Whether the surviving systems have equal means and zero variance; the procedure would not end."""
        pairs = [(i, j) for i in self._contenders for j in self._contenders if i != j]
        limits = [self._limit_to_distance_from_sample_means(i, j) for i, j in pairs]
        return bool(np.ptp(self._means[self._contenders]) == 0.0 and max(limits, default=0.0) == 0.0)
