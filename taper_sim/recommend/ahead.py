"""A person as they stand, at draws of their values, and what a course of doses would bring. Imports ``inference``.

The simulator's ``personal(...)`` and the table of destinations roll the same person out.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference import event_columns, rollout
from taper_sim.inference.course import Regimen
from taper_sim.inference.draws import sobol_normals
from taper_sim.inference.life_today import NO_LIFE_AHEAD, Today
from taper_sim.inference.prior import DRIFT_SD
from taper_sim.units import MONTH_D, TOLERANCE

STOP_SHARE: Final = 0.02
"""Share of the original dose below which the next step goes to 0. A design choice: no tablet is smaller."""
OF_CURRENT_PCT: Final = 20.0
"""Reduction as a percentage of the current dose in 28 days, capped by the pace. Source: A97."""
WAY_BACK_PCT: Final = 25.0
"""Largest rise, percent of the original dose in 28 days. Source: A98."""
WAIT_D: Final = 84
"""Days of a plateau. Source: A97."""
_DRIFT_POINTS: Final = (0, 11)
"""Seed of the future drift; all patients share its points."""
_MOST_DRAWS: Final = 8192  # largest number of draws for which points of the drift are made
_NO_EVENTS: Final = np.zeros((0, event_columns.N_EVENTS))


def with_future_drift(values: Floats, n_segments: int) -> Floats:
    """Values (n, N_VALUES), of which the drift after ``n_segments`` segments follows its prior; changed in place."""
    future = sobol_normals(at.MAX_SEGMENTS, _MOST_DRAWS, *_DRIFT_POINTS)
    values[:, at.DRIFT + n_segments :] = DRIFT_SD * future[: len(values), : at.MAX_SEGMENTS - n_segments]
    return values


@dataclass(frozen=True)
class PersonAhead:
    """A person at draws of their values.

    Attributes
    ----------
    values : ndarray, (n, N_VALUES)
    today : Today
        Of the same draws.
    shared : Couplings
    regimen : Regimen
        Doses of the record, and the last dose held for at least as many days as any course ahead.
    day : int
        First day ahead, days since the start of the record.
    prescribed : ndarray, (3,)
        Today's prescription, equivalents a day.
    original : ndarray, (3,)
        Doses of which a share is a share, equivalents a day.
    reference : ndarray, (3,)
        Doses against which cuts are measured, from ``course.cut_reference``.
    announced : float
        What a whole announced reduction counts: 1, or more if imposed.
    """

    values: Floats
    today: Today
    shared: Any
    regimen: Regimen
    day: int
    prescribed: Floats
    original: Floats
    reference: Floats
    announced: float

    def of(self, draws: Any) -> "PersonAhead":
        """The person at some of the draws."""
        return replace(self, values=self.values[draws], today=self.today.of(draws))

    def with_shares(self, shares: Floats, column: int) -> Regimen:
        """Doses of the record and of the days ahead, on which one class has these shares of its original dose."""
        r, n = self.regimen, self.day + len(shares)
        dose, cut, removed = r.dose[:n].copy(), r.cut[:n].copy(), r.removed[:n].copy()
        dose[self.day :] = self.prescribed
        dose[self.day :, column] = shares * self.original[column]
        steps = np.concatenate([[0], 1 + np.flatnonzero(shares[1:] != shares[:-1])])  # days on which the dose changes
        since = np.concatenate([r.dose[:1], self.prescribed[None], dose[self.day + steps]])
        cut_at, removed_at = at.cuts_of(since, self.reference, self.announced)
        cut[self.day :] = 0.0
        cut[self.day + steps] = cut_at[2:]
        lengths = np.concatenate([steps[1:], [len(shares)]]) - steps
        removed[self.day :] = np.repeat(removed_at[2:], lengths, axis=0)
        return r.until(n - 1)._replace(dose=dose, cut=cut, removed=removed)

    def figures(
        self,
        shares: Floats,
        column: int,
        limit: float = 1.0,
        life: Floats = NO_LIFE_AHEAD,
        beside: Floats = NO_LIFE_AHEAD,
        holds: bool = False,
    ) -> Floats:
        """Outcomes of the coming shares at each draw, (n, N_FIGURES).

        Parameters
        ----------
        shares : ndarray, (n_days,)
            Of the original dose of the class.
        column : int
            The class.
        limit : float
            Withdrawal, 0 to 1, above which a day counts as over the limit.
        life, beside, holds
            As in ``rollout.roll_out``.
        """
        return np.asarray(
            rollout.roll_out(
                self.values,
                self.today.states,
                self.today.drifts,
                self.shared,
                _NO_EVENTS,
                self.with_shares(shares, column),
                self.day,
                self.original,
                self.reference,
                float(self.original[0]),
                0.0,
                0.0,
                1.0,
                limit,
                self.today.reference,
                life,
                beside,
                holds,
            )
        )


@dataclass(frozen=True)
class DosePlan:
    """A course of doses from today on, in steps.

    Attributes
    ----------
    pct : float
        Largest reduction, percent of the original dose in 28 days; a negative one raises the dose.
    end : float
        Share of the original dose at which it ends.
    of_current_pct : float
        Reduction as a percentage of the dose of the day, in 28 days; 0: of the original dose. ``pct`` caps it.
    plateau : float
        Share at which the dose is held for :data:`WAIT_D` days on the way; 0: nowhere.
    """

    pct: float
    end: float = 0.0
    of_current_pct: float = 0.0
    plateau: float = 0.0

    def shares(self, now: float, n_days: int, every: int, lowest: float = -np.inf) -> Floats:
        """Shares of the coming days, (n_days,).

        Parameters
        ----------
        now : float
            Share today.
        n_days : int
        every : int
            Days between steps; the first step is on the first day.
        lowest : float
            Lowest share of the first step, which the ceiling allows.
        """
        rate = self.pct / 100.0 * every / MONTH_D
        by_step, base, share, n_steps, held = np.empty(-(-n_days // every)), now, now, 0, 0
        waits = self.end < self.plateau < now - TOLERANCE
        for step in range(len(by_step)):
            if waits and share <= self.plateau + TOLERANCE and held < WAIT_D:
                held += every
            else:
                n_steps += 1
                if self.of_current_pct:
                    share -= min(rate, self.of_current_pct / 100.0 * every / MONTH_D * share)
                else:
                    share = base - rate * n_steps
                share = min(share, max(self.end, now)) if rate < 0.0 else max(share, min(self.end, now))
                if waits and held == 0 and share <= self.plateau:
                    base, share, n_steps, held = self.plateau, self.plateau, 0, every
            by_step[step] = max(share, min(lowest, now)) if step == 0 else share
        days = np.repeat(by_step, every)[:n_days]
        return np.where(days < STOP_SHARE, 0.0, days)
