"""Integral control of the dose by reported withdrawal, without a model. Imports the interface.

Source: Gradu and Recht 2023, arXiv 2309.11629: the dose integrates the difference between reported withdrawal and a
target: it falls while withdrawal is below the target, and is held above it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taper_sim.data.problems import problem
from taper_sim.policies.adaptive import DAILY_INSTRUMENTS, column_of, put_share
from taper_sim.policies.calls import FILE
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.units import DrugClass


@dataclass(frozen=True)
class Integral(Policy):
    """Cut by ``gain`` times the difference of ``target`` and mean reported withdrawal, between 0 and ``max_pct``.

    Parameters
    ----------
    target : float
        Score at which the dose is held, in points of ``instrument``.
    gain : float
        Percent of the original dose at one decision for each point below the target.
    max_pct : float
        Largest cut at one decision, percent of the original dose.
    every : int
        Days between decisions.
    may_raise : bool
        Whether a score above the target raises the dose by the same rule; by default the dose is held.
    """

    target: float = 7.0
    gain: float = 2.0
    max_pct: float = 10.0
    every: int = 14
    instrument: str = "sows_gossop"
    may_raise: bool = False
    end_pct: float = 5.0
    drug_class: DrugClass | None = None
    sees_reports: bool = True

    @property
    def name(self) -> str:
        """The call."""
        return f"integral(target={self.target:g}, max_pct={self.max_pct:g}, every={self.every})"

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 and every ``every`` days."""
        return range(1, n_days + 1, self.every)

    def start(self, patients: Patients) -> Any:
        """Class that each patient tapers."""
        return column_of(patients, self.drug_class)

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Change each patient's dose by the reported difference from the target; hold it without a report."""
        rows = np.arange(len(memory))
        now = np.where(memory >= 0, observation.dose_fraction[rows, memory], 1.0)
        if not observation.reports:
            cut = np.full(len(memory), self.gain * self.target / 2.0)  # no report yet
        else:
            reports = observation.reports[self.instrument]
            n_reports = (~np.isnan(reports)).sum(axis=1)
            mean = np.divide(
                np.nansum(reports, axis=1), n_reports, out=np.full(len(memory), np.nan), where=n_reports > 0
            )
            cut = np.nan_to_num(self.gain * (self.target - mean))
        lowest = -self.max_pct if self.may_raise else 0.0
        share = np.round(now - np.clip(cut, lowest, self.max_pct) / 100.0, 12)
        share = np.where(share < self.end_pct / 100.0, 0.0, np.minimum(share, 1.0))
        return Order(put_share(observation.dose_fraction, memory, share))


def integral(
    *,
    target: float = 7.0,
    gain: float = 2.0,
    max_pct: float = 10.0,
    every: int = 14,
    instrument: str = "sows_gossop",
    may_raise: bool = False,
    drug_class: DrugClass | None = None,
) -> Integral:
    """Build integral control; raises InputError for an argument out of range."""
    for name, value, valid, allowed in (
        ("target", target, target > 0, "above 0"),
        ("gain", gain, 0 < gain <= 100, "above 0 and at most 100 percent a point"),
        ("max_pct", max_pct, 0 < max_pct <= 100, "above 0 and at most 100"),
        ("every", every, 1 <= every <= 364, "1 to 364 days"),
        ("instrument", instrument, instrument in DAILY_INSTRUMENTS, ", ".join(DAILY_INSTRUMENTS)),
    ):
        if not valid:
            raise problem(FILE, "integral", f"{name}={value}", allowed)
    return Integral(target, gain, max_pct, every, instrument, may_raise, drug_class=drug_class)
