"""A course looked at over a window of days: what outcomes are read from. Imports ``simulation``, ``model``."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.model.compiled import rows
from taper_sim.simulation.days import Trajectory


@dataclass(frozen=True)
class OutcomeWindow:
    """A course looked at on ``day`` over the last ``window_d`` days up to and including it."""

    course: Trajectory
    day: int
    window_d: int

    @property
    def target(self) -> Ints:
        """The class each person tapers: the first taken of opioid, benzodiazepine, gabapentinoid."""
        return np.argmax(self.course.cohort.taken, axis=1)

    def total(self, row: int) -> Floats:
        """A sum over the window."""
        before = self.course.sums.get(self.day - self.window_d)
        now = self.course.sums[self.day][row]
        return now - before[row] if before is not None else now

    def mean(self, row: int) -> Floats:
        """A mean over the days lived in the window."""
        days = self.total(rows.DAYS)
        return np.divide(self.total(row), days, out=np.full_like(days, np.nan), where=days > 0)

    def at_end(self, row: int) -> Floats:
        """A state at the end, missing for the dead."""
        return np.where(self.course.end[rows.ALIVE] > 0, self.course.end[row], np.nan)

    def change(self, row: int) -> Floats:
        """A state at the end minus the start."""
        return self.at_end(row) - self.course.start[row]

    def dose(self, when: Mapping[int, Floats]) -> Floats:
        """Prescribed dose of the target class, equivalents a day."""
        by_class = np.stack([when[rows.PRESCRIBED + k] for k in range(3)], axis=1)
        return by_class[np.arange(len(by_class)), self.target]

    @property
    def dose_start(self) -> Floats:
        """Dose of the target class on day 0."""
        return self.dose(self.course.start)

    @property
    def dose_end(self) -> Floats:
        """Dose of the target class at the end, missing for the dead."""
        return np.where(self.course.end[rows.ALIVE] > 0, self.dose(self.course.end), np.nan)

    @property
    def reduction(self) -> Floats:
        """Reduction of the target class at the end, share of the start."""
        return 1.0 - self.dose_end / self.dose_start

    def happened(self, row: int) -> Floats:
        """1 where an event happened in the window, else 0."""
        return (self.total(row) > 0).astype(np.float64)

    def day_of(self, row: int) -> Floats:
        """1 where the day that a state row holds lies in the window, else 0."""
        day = self.course.end[row]
        return ((day > self.day - self.window_d) & (day <= self.day) & (day > 0)).astype(np.float64)


def velocity_max(look: OutcomeWindow) -> Floats:
    """Fastest month: largest fall of the mean dose from one 30-day period to the next, % of the dose on day 0.

    The periods start on day 1, as claims studies count them (Agnoli 2021); day 0 counts as the period before.
    """
    course = look.course
    nothing = np.zeros(len(course.cohort))
    periods = [(nothing, nothing), *(course.by_period[day] for day in sorted(course.by_period) if day <= look.day)]
    means = [look.dose_start]
    for (days0, sum0), (days1, sum1) in pairwise(periods):
        lived = days1 - days0  # in a period not lived the dose has not fallen
        means.append(np.divide(sum1 - sum0, lived, out=means[-1].copy(), where=lived > 0))
    falls = -np.diff(np.array(means), axis=0)
    return 100.0 * falls.max(axis=0).clip(min=0.0) / look.dose_start
