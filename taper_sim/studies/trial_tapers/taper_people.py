"""Tapers of a trial as the likelihood reads them: doses by day from the start, and COWS visits. Imports ``data``.

Rules, with their reasons: docs/real-tapers.md, "From the table to tapers".
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.trial import COWS_CATEGORIES, TrialPhase

INDUCTION_D: Final = 3
"""Days at the start of a phase that are no taper: COWS then measures withdrawal from other opioids, which the trial
asked for before the first dose; ratings until the course begins are reports of that. Source: A35."""
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
        Of each COWS visit, ascending; negative until the course begins (induction).
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
    def earlier(self) -> int:
        """How many tapers of the trial she has behind her."""
        return self.phase - 1

    @property
    def stage(self) -> Ints:
        """Of each visit, its place in :data:`STAGES`."""
        return np.select([self.day < 0, self.day < self.taper_day, self.day <= self.last_day], [0, 1, 2], 3)


PersonTapers = tuple[Taper, ...]
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
    """The taper of a phase, or None where it has no dose or no visit.

    Its course begins on the first day with a dose after induction, or on the last day with one if there is none.
    """
    given = np.flatnonzero(np.nan_to_num(phase.dose_mg) > 0)
    rated = (phase.day_in_phase >= 0) & (phase.cows_cat >= 0)
    if not len(given) or not rated.any():
        return None
    begin = next((k for k in given if phase.day_in_phase[k] >= INDUCTION_D), given[-1])
    day = phase.day_in_phase - phase.day_in_phase[begin]
    n_days = int(day[-1]) + 1
    dose, use = np.zeros(n_days), np.full(n_days, np.nan)
    since = day >= 0
    dose[day[since]] = np.nan_to_num(phase.taken_mg()[since])  # no dose for over a week: she was given none
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
    """People by id, each with her tapers in order; phases without a dose or a visit are left out."""
    found: dict[str, list[Taper]] = {}
    for phase in phases:
        taper = taper_of(phase)
        if taper is not None:
            found.setdefault(phase.who, []).append(taper)
    return {who: tuple(sorted(tapers, key=lambda t: t.phase)) for who, tapers in found.items()}
