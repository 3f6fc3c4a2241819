"""Tapers of a trial as the likelihood reads them: doses by day from the start, and COWS visits. Imports ``data``.

Rules, with their reasons: docs/real-tapers.md, "From the table to tapers".
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taper_sim.data.trial import COWS_CATEGORIES, TrialPhase

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INDUCTION_D: Final = 3
"""Days at the start of a phase that are no taper: COWS then measures withdrawal from other opioids, which the trial
asked for before the first dose. The rating of the first day is kept as a report of that; those of the days after it,
on a first low dose, are left out. Source: A35."""
RECENT_USE_D: Final = 7
"""Days before a visit over which own opioid use counts. Source: A35."""
N_CATEGORIES: Final = len(COWS_CATEGORIES)
STAGES: Final = ("induction", "stabilised", "taper", "after")

#: Ends of the categories on the scale of the score, halfway between neighbours; beyond the first and last all counts.
LOW: Final[Floats] = np.array([-np.inf, *(low - 0.5 for low, _ in COWS_CATEGORIES[1:])])
HIGH: Final[Floats] = np.array([*(high + 0.5 for _, high in COWS_CATEGORIES[:-1]), np.inf])


@dataclass(frozen=True)
class Taper:
    """One phase of one person from the end of induction on; day 0 is its first day with a dose.

    Attributes
    ----------
    who : str
    phase : int
    dose : ndarray, (n_days,)
        Buprenorphine, mg a day; 0 where none is recorded for longer than a week, and after the last dose.
    day_in_phase : int
        Of day 0.
    taper_day, last_day : int
        The first day of the final reduction, the day of the last dose.
    day : ndarray of int, (n_visits,)
        Of each COWS visit, ascending; negative at induction.
    category : ndarray of int, (n_visits,)
        0 to 3.
    recent_use : ndarray, (n_visits,)
        Share of the days of the week before with own opioid use by self-report, of those days that were said.
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
    def stage(self) -> Ints:
        """Of each visit, its place in :data:`STAGES`."""
        return np.select([self.day < 0, self.day < self.taper_day, self.day <= self.last_day], [0, 1, 2], 3)


Person = tuple[Taper, ...]
"""The tapers of one person, in order."""


def taper_day(dose: Floats) -> int:
    """First day of the final reduction: the first fall after which the dose never rises again.

    The day after the last one if it never falls for good (who was still on her dose at the end of the table).
    """
    rises = np.flatnonzero(np.diff(dose) > 0)
    falls = np.flatnonzero(np.diff(dose) < 0)
    falls = falls[falls > (rises[-1] if len(rises) else -1)]
    return int(falls[0]) + 1 if len(falls) else len(dose)


def taper_of(phase: TrialPhase) -> Taper | None:
    """The taper of a phase, or None where no dose was given after induction."""
    day = phase.day_in_phase
    begin = np.flatnonzero((day >= INDUCTION_D) & (np.nan_to_num(phase.dose_mg) > 0))
    if not len(begin):
        return None
    day = day - day[begin[0]]
    n_days = int(day[-1]) + 1
    dose, use = np.zeros(n_days), np.full(n_days, np.nan)
    since = day >= 0
    dose[day[since]] = np.nan_to_num(phase.taken_mg()[since])  # no dose for over a week: she was given none
    use[day[since]] = phase.own_use[since]
    rated = (since | (phase.day_in_phase == 0)) & (phase.cows_cat >= 0)
    visit = day[rated]
    week = [use[max(0, k - RECENT_USE_D) : k] for k in visit]
    recent = np.array([float(np.nanmean(u)) if np.isfinite(u).any() else 0.0 for u in week])
    return Taper(
        phase.who, phase.phase, dose, int(phase.day_in_phase[begin[0]]), taper_day(dose),
        int(np.flatnonzero(dose > 0)[-1]), visit, phase.cows_cat[rated], recent,
    )  # fmt: skip


def people_of(phases: Iterable[TrialPhase]) -> dict[str, Person]:
    """People by id, in the order of the phases; phases without a visit after induction are left out."""
    found: dict[str, list[Taper]] = {}
    for phase in phases:
        taper = taper_of(phase)
        if taper is not None and (taper.day >= 0).any():
            found.setdefault(phase.who, []).append(taper)
    return {who: tuple(sorted(tapers, key=lambda t: t.phase)) for who, tapers in found.items()}
