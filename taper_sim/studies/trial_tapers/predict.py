"""Predictive probabilities of the COWS categories of a person's later visits. Imports ``taper_population``.

:data:`INFORMATION` names the visits that a prediction may use. No prediction uses its own visit or a later one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from taper_sim.array_types import Bools, Floats
from taper_sim.studies.trial_tapers.taper_people import HIGHEST_SCORES, LOWEST_SCORES, STAGES, PersonTapers, Taper
from taper_sim.studies.trial_tapers.taper_population import Likelihoods, TaperPopulation

INFORMATION: Final = ("earlier tapers", "before the taper", "before the visit")
"""Visits that a prediction uses: those of earlier tapers; these and the visits on the stable dose before this taper;
all visits before the predicted one."""
BEFORE_THE_TAPER: Final = "before the taper"


@dataclass(frozen=True)
class VisitToPredict:
    """A visit to predict: visit ``r`` of the k-th taper of a person; ``known``, (n_visits,), are the usable visits."""

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
        """COWS category at the visit."""
        return int(self.taper.category[self.r])

    @property
    def stage(self) -> str:
        """Stage of the visit, of :data:`~taper_sim.studies.trial_tapers.taper_people.STAGES`."""
        return STAGES[int(self.taper.stage[self.r])]

    def known_visits(self) -> Iterator[tuple[Taper, int]]:
        """Every usable visit, with its taper, in order."""
        for taper in self.person[: self.k]:
            yield from ((taper, r) for r in range(len(taper.day)))
        yield from ((self.taper, int(r)) for r in np.flatnonzero(self.known))


def visits_to_predict(people: dict[str, PersonTapers], information: str) -> list[VisitToPredict]:
    """Visits to predict with one kind of :data:`INFORMATION`: the visits of every phase after the first.

    Raises
    ------
    ValueError
        If ``information`` is not one of :data:`INFORMATION`.
    """
    if information not in INFORMATION:
        raise ValueError(f"information: given {information}; allowed: {', '.join(INFORMATION)}")
    visits = []
    for who, person in people.items():
        for k, taper in enumerate(person):
            for r in range(len(taper.day) if taper.earlier else 0):
                known = np.zeros(len(taper.day), dtype=np.bool_)
                if information == BEFORE_THE_TAPER:
                    known = taper.day < taper.taper_day
                    if known[r]:
                        continue
                elif information == INFORMATION[2]:
                    known[:r] = True
                visits.append(VisitToPredict(who, person, k, r, known))
    return visits


def category_chances(centre: Floats, spread: Floats, weights: Floats) -> Floats:
    """Probabilities of the categories, (n_categories,), averaged over grid points with ``weights``."""
    sd = np.sqrt(spread)
    upper, lower = (
        ndtr((HIGHEST_SCORES[:, None, None] - centre) / sd),
        ndtr((LOWEST_SCORES[:, None, None] - centre) / sd),
    )
    return np.asarray(((upper - lower) * weights).sum(axis=(1, 2)))


def predict(population: TaperPopulation, visits: list[VisitToPredict], *, personal: bool) -> Floats:
    """Predictive probabilities of the categories, (n_visits, n_categories).

    Parameters
    ----------
    population : TaperPopulation
        Fitted to other people.
    visits : list of VisitToPredict
    personal : bool
        Whether the person's usable visits inform the prediction; otherwise it rests on the doses alone.
    """
    chances = np.empty((len(visits), len(LOWEST_SCORES)))
    before: dict[tuple[str, int], Floats] = {}
    filtered: dict[tuple[str, int, bytes], Likelihoods] = {}
    for row, visit in enumerate(visits):
        key = (visit.who, visit.k)
        if key not in before:
            before[key] = _weights_before(population, visit) if personal else population.start
        known = visit.known if personal else np.zeros_like(visit.known)
        # if all earlier visits are usable, one pass of the filter over all visits serves every prediction
        all_before = bool(known[: visit.r].all())
        known = np.ones_like(known) if all_before else known
        filter_key = (*key, known.tobytes())
        if filter_key not in filtered:
            filtered[filter_key] = population.likelihoods(visit.taper, known)
        likelihoods = filtered[filter_key]
        log_weights = np.log(before[key]) + likelihoods.mass[: visit.r].sum(axis=0)
        weights = np.exp(log_weights - log_weights.max())
        chances[row] = category_chances(
            likelihoods.centre[visit.r], likelihoods.spread[visit.r], weights / weights.sum()
        )
    return chances


def _weights_before(population: TaperPopulation, visit: VisitToPredict) -> Floats:
    """Probability of each grid point at the start of the taper, given the earlier tapers."""
    weights = population.start
    for taper in visit.person[: visit.k]:
        log_mass = population.likelihoods(taper).mass.sum(axis=0)
        weights = weights * np.exp(log_mass - log_mass.max())
        weights = population.next_taper(weights / weights.sum())
    return np.asarray(weights / weights.sum())
