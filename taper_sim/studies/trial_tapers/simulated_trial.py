"""Simulated trial: a daily table of people drawn from a population. Imports ``taper_population``, ``taper_people``.

Tests use it, and the notebook if the trial's data are absent. Good scores on simulated people show that the computation
is right; they say nothing about real people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Ints
from taper_sim.data.trial import TRIAL_COLUMNS, TrialPhase
from taper_sim.studies.trial_tapers.taper_people import HIGHEST_SCORES, PersonTapers, Taper, taper_of
from taper_sim.studies.trial_tapers.taper_population import TaperPopulation

_DOWN_2_WEEKS: Final = (12, 12, 10, 10, 8, 8, 8, 8, 6, 6, 4, 4, 2, 2)
_DOWN_4_WEEKS: Final = (12, 12, 12, 10, 10, 10, *(8,) * 6, *(6,) * 6, *(4,) * 6, *(2,) * 4)
"""Buprenorphine by day, mg: tapers like the trial's, from 16 mg over two and over four weeks."""
_STABLE_D: Final = (16, 60)  # days on 16 mg before the reduction, first and later tapers
_AFTER_D: Final = 21
_USE: Final = 0.1  # probability of own opioid use on a day
_VISIT_EVERY_D: Final = 7


def _phase(who: str, number: int, first_day: int, generator: np.random.Generator) -> TrialPhase:
    """One phase with doses, own use and visits; a category of 0 marks a visit and is replaced later."""
    down = _DOWN_2_WEEKS if number == 1 else _DOWN_4_WEEKS
    dose = np.r_[4.0, np.full(_STABLE_D[min(number, 2) - 1], 16.0), down, np.full(_AFTER_D, np.nan)]
    n = len(dose)
    category = np.full(n, -1)
    category[::_VISIT_EVERY_D] = 0
    use = (generator.random(n) < _USE).astype(float)
    return TrialPhase(who, number, first_day + np.arange(n), np.arange(n), dose, category, use)


def categories(population: TaperPopulation, tapers: Sequence[Taper], generator: np.random.Generator) -> list[Ints]:
    """Simulate one person's COWS categories at the visits of each taper, (n_visits,) each."""
    v = population.value
    carried = np.array([v["c0_carried"], v["sigma_carried"]])
    simulated, z = [], generator.standard_normal(2)
    for k, taper in enumerate(tapers):
        if k:
            z = carried * z + np.sqrt(1.0 - carried**2) * generator.standard_normal(2)
        mean = population.mean_scores(taper, *z)
        slow, before, score = generator.standard_normal(), int(taper.day[0]), np.empty(len(mean))
        for r, day in enumerate(taper.day):
            fade = np.exp(-(day - before) / v["tau_slow"])
            slow, before = fade * slow + np.sqrt(1.0 - fade**2) * generator.standard_normal(), int(day)
            score[r] = mean[r] + v["slow"] * slow + v["white"] * generator.standard_normal()
        simulated.append(np.searchsorted(HIGHEST_SCORES[:-1], score).astype(np.int64))
    return simulated


def simulated_like(
    population: TaperPopulation, people: Mapping[str, PersonTapers], seed: int
) -> dict[str, PersonTapers]:
    """The people with their doses and visits, and with categories simulated from the population."""
    simulated = {}
    for number, (who, person) in enumerate(people.items()):
        drawn = categories(population, person, np.random.default_rng([seed, number]))
        simulated[who] = tuple(replace(t, category=c) for t, c in zip(person, drawn, strict=True))
    return simulated


def _person(
    population: TaperPopulation, who: str, generator: np.random.Generator, n_tapers: int = 2
) -> list[TrialPhase]:
    """Simulate one person's phases."""
    phases: list[TrialPhase] = []
    for k in range(n_tapers):
        first_day = int(phases[-1].study_day[-1]) + 8 if phases else 0
        phases.append(_phase(who, k + 1, first_day, generator))
    tapers = [taper for phase in phases if (taper := taper_of(phase)) is not None]
    for phase, drawn in zip(phases, categories(population, tapers, generator), strict=True):
        phase.cows_cat[phase.cows_cat >= 0] = drawn
    return phases


def daily_table(population: TaperPopulation, n_people: int, seed: int) -> pd.DataFrame:
    """Simulate a table in the form that ``data.trial.read_trial`` reads; each person has their own seed."""
    parts = []
    for number in range(n_people):
        for phase in _person(population, str(number), np.random.default_rng([seed, number])):
            category = pd.Series(phase.cows_cat).where(phase.cows_cat >= 0)
            columns = (
                phase.who,
                phase.study_day,
                phase.phase,
                phase.day_in_phase,
                phase.dose_mg,
                category,
                phase.own_use.astype(int),
            )
            parts.append(pd.DataFrame(dict(zip(TRIAL_COLUMNS, columns, strict=True))))
    return pd.concat(parts, ignore_index=True)
