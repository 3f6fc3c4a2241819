"""Chances of the COWS categories of a person's later visits, by what is known of her. Imports ``population``.

What may be known, from nothing to everything before a visit: :data:`INFORMATION`. A visit never teaches its own
prediction, nor does one after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from taper_sim.array_types import Bools, Floats
from taper_sim.studies.trial_tapers.taper_people import HIGH, LOW, STAGES, PersonTapers, Taper
from taper_sim.studies.trial_tapers.taper_population import Likelihoods, TaperPopulation

INFORMATION: Final = ("earlier tapers", "before the taper", "before the visit")
"""Visits of her earlier tapers · and of this one's time on a stable dose · and every visit before the one predicted."""
FROM_THE_TAPER: Final = "before the taper"


@dataclass(frozen=True)
class Asked:
    """One visit to predict: the k-th taper of a person, visit ``r`` of it, and which of its visits may be known."""

    who: str
    person: PersonTapers
    k: int
    r: int
    known: Bools

    @property
    def taper(self) -> Taper:
        """The taper that the visit belongs to."""
        return self.person[self.k]

    @property
    def category(self) -> int:
        """What was found at the visit."""
        return int(self.taper.category[self.r])

    @property
    def stage(self) -> str:
        """Of the visit."""
        return STAGES[int(self.taper.stage[self.r])]

    def known_visits(self) -> Iterator[tuple[Taper, int]]:
        """Every visit that may be known, in order."""
        for taper in self.person[: self.k]:
            yield from ((taper, r) for r in range(len(taper.day)))
        yield from ((self.taper, int(r)) for r in np.flatnonzero(self.known))


def asked(people: dict[str, PersonTapers], information: str) -> list[Asked]:
    """Visits to predict under some :data:`INFORMATION`: those of every phase but the first.

    Raises
    ------
    ValueError
        No such information.
    """
    if information not in INFORMATION:
        raise ValueError(f"information is one of {', '.join(INFORMATION)}; given {information}")
    found = []
    for who, person in people.items():
        for k, taper in enumerate(person):
            for r in range(len(taper.day) if taper.earlier else 0):
                known = np.zeros(len(taper.day), dtype=np.bool_)
                if information == FROM_THE_TAPER:
                    known = taper.day < taper.taper_day
                    if known[r]:
                        continue
                elif information == INFORMATION[2]:
                    known[:r] = True
                found.append(Asked(who, person, k, r, known))
    return found


def category_chances(centre: Floats, spread: Floats, weights: Floats) -> Floats:
    """Chances of the categories, (n_categories,), over grid points with those weights."""
    sd = np.sqrt(spread)
    upper, lower = ndtr((HIGH[:, None, None] - centre) / sd), ndtr((LOW[:, None, None] - centre) / sd)
    return np.asarray(((upper - lower) * weights).sum(axis=(1, 2)))


def predict(population: TaperPopulation, visits: list[Asked], *, personal: bool) -> Floats:
    """Chances of the categories, (n_visits, n_categories).

    Parameters
    ----------
    population : Population
        Fitted on other people.
    visits : list of Asked
    personal : bool
        Whether what is known of the person is used; else she is anybody on those doses.
    """
    out = np.empty((len(visits), len(LOW)))
    before: dict[tuple[str, int], Floats] = {}
    filtered: dict[tuple[str, int, bytes], Likelihoods] = {}
    for row, visit in enumerate(visits):
        key = (visit.who, visit.k)
        if key not in before:
            before[key] = _before(population, visit) if personal else population.start
        known = visit.known if personal else np.zeros_like(visit.known)
        in_order = bool(known[: visit.r].all())  # then one pass over all visits serves each: it knows what is before
        known = np.ones_like(known) if in_order else known
        this = (*key, known.tobytes())
        if this not in filtered:
            filtered[this] = population.likelihoods(visit.taper, known)
        found = filtered[this]
        log_weights = np.log(before[key]) + found.mass[: visit.r].sum(axis=0)
        weights = np.exp(log_weights - log_weights.max())
        out[row] = category_chances(found.centre[visit.r], found.spread[visit.r], weights / weights.sum())
    return out


def _before(population: TaperPopulation, visit: Asked) -> Floats:
    """What is believed at the start of the taper, from the earlier ones."""
    weights = population.start
    for taper in visit.person[: visit.k]:
        log_mass = population.likelihoods(taper).mass.sum(axis=0)
        weights = weights * np.exp(log_mass - log_mass.max())
        weights = population.next_taper(weights / weights.sum())
    return np.asarray(weights / weights.sum())
