"""Tapers of a trial as the likelihood reads them: doses by day from the start, and COWS visits. Imports ``data``.

docs/real-tapers.md, "From the table to tapers", gives the rules and their reasons.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.trial import COWS_CATEGORIES, TrialPhase

INDUCTION_D: Final = 3
"""Days of induction at the start of a phase. COWS then measures withdrawal from other opioids, which the trial required
before the first dose; visits until the course begins are modelled as such. Source: A35."""
RECENT_USE_D: Final = 7
"""Days before a visit over which own opioid use counts. Source: A35."""
N_CATEGORIES: Final = len(COWS_CATEGORIES)
STAGES: Final = ("induction", "stabilised", "taper", "after")

#: Ends of the categories on the scale of the score, halfway between neighbours; the outer ends are infinite.
LOWEST_SCORES: Final[Floats] = np.array([-np.inf, *(low - 0.5 for low, _ in COWS_CATEGORIES[1:])])
HIGHEST_SCORES: Final[Floats] = np.array([*(high + 0.5 for _, high in COWS_CATEGORIES[:-1]), np.inf])


@dataclass(frozen=True)
class Taper:
    """One phase of one person from the end of induction on; day 0 is its first day with a dose.

    Attributes
    ----------
    who : str
        Person.
    phase : int
        Number of the phase, from 1.
    dose : ndarray, (n_days,)
        Buprenorphine, mg a day; 0 if no dose is recorded for longer than a week, and after the last dose.
    day_in_phase : int
        Day of the phase that is day 0.
    taper_day, last_day : int
        First day of the final reduction; day of the last dose.
    day : ndarray of int, (n_visits,)
        Day of each COWS visit, ascending; negative until the course begins (induction).
    category : ndarray of int, (n_visits,)
        COWS category, 0 to 3.
    recent_use : ndarray, (n_visits,)
        Share of days with self-reported own opioid use, among the days of the week before with a self-report.
    """

    who: str
    phase: int
    dose: Floats = field(repr=False)
    day_in_phase: int
    taper_day: int
    last_day: int
    day: Ints = field(repr=False)
    category: Ints = field(repr=False)
    recent_use: Floats = field(repr=False)

    @property
    def earlier(self) -> int:
        """Number of the person's earlier tapers in the trial."""
        return self.phase - 1

    @property
    def stage(self) -> Ints:
        """Stage of each visit, as a position in :data:`STAGES`, (n_visits,)."""
        return np.select([self.day < 0, self.day < self.taper_day, self.day <= self.last_day], [0, 1, 2], 3)


PersonTapers = tuple[Taper, ...]
"""The tapers of one person, in order."""


def taper_day(dose: Floats) -> int:
    """First day of the final reduction: the first fall after which the dose never rises again.

    If there is no such fall (the person is still on the full dose at the end of the table), the day after the last one.
    """
    rises = np.flatnonzero(np.diff(dose) > 0)
    falls = np.flatnonzero(np.diff(dose) < 0)
    falls = falls[falls > (rises[-1] if len(rises) else -1)]
    return int(falls[0]) + 1 if len(falls) else len(dose)


def taper_of(phase: TrialPhase) -> Taper | None:
    """Taper of a phase; None for a phase without a dose or without a visit.

    Its course begins on the first day with a dose after induction; without one, on the last day with a dose.
    """
    dosed = np.flatnonzero(np.nan_to_num(phase.dose_mg) > 0)
    rated = (phase.day_in_phase >= 0) & (phase.cows_cat >= 0)
    if not len(dosed) or not rated.any():
        return None
    begin = next((k for k in dosed if phase.day_in_phase[k] >= INDUCTION_D), dosed[-1])
    day = phase.day_in_phase - phase.day_in_phase[begin]
    n_days = int(day[-1]) + 1
    dose, use = np.zeros(n_days), np.full(n_days, np.nan)
    since = day >= 0
    dose[day[since]] = np.nan_to_num(phase.taken_mg()[since])  # no dose recorded for over a week: none was taken
    use[day[since]] = phase.own_use[since]
    visit = day[rated]
    week = [use[max(0, k - RECENT_USE_D) : max(0, k)] for k in visit]
    recent = np.array([float(np.nanmean(u)) if np.isfinite(u).any() else 0.0 for u in week])
    return Taper(
        phase.who,
        phase.phase,
        dose,
        int(phase.day_in_phase[begin]),
        taper_day(dose),
        int(np.flatnonzero(dose > 0)[-1]),
        visit,
        phase.cows_cat[rated],
        recent,
    )


def people_of(phases: Iterable[TrialPhase]) -> dict[str, PersonTapers]:
    """Tapers of each person, in order, by the person's id; phases without a dose or a visit are left out."""
    by_person: dict[str, list[Taper]] = {}
    for phase in phases:
        taper = taper_of(phase)
        if taper is not None:
            by_person.setdefault(phase.who, []).append(taper)
    return {who: tuple(sorted(tapers, key=lambda t: t.phase)) for who, tapers in by_person.items()}
