"""People of the model on whom inference is tried: truth from the prior, doses, reports. Imports ``patient`` and below.

What the studies of this package measure, they measure on these people, so that their tables speak of the same thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.data.drugs_taken import DrugTaken
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.likelihood import means_by_day
from taper_sim.inference.observation import BY_NAME, LOG, LOG1P, Instrument, reports_of
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import Prior, prior_of
from taper_sim.model.parameters import MEDIAN_USE_DAYS
from taper_sim.model.pharmacology import level_decay, within_day_shape

Reported = list[tuple[int, CheckIn]]

ORIGIN: Final = date(2026, 1, 1)
"""Day 0."""
HORIZON_D: Final = 28
"""Days ahead over which a forecast is judged."""
FIRST_STEP_D, EVERY_D = 15, 14
"""Day of the first reduction, and days between reductions."""
ANSWERED: Final = 0.8
"""Share of days with a check-in."""
DAILY: Final = ("sows_gossop", "pain_nrs", "mood_item", "sleep_item", "function")
CLASSES: Final[Mapping[str, tuple[bool, bool, bool]]] = {
    "opioid": (True, False, False),
    "opioid and benzodiazepine": (True, True, False),
    "all three": (True, True, True),
}
"""Drug classes that are taken, by the name in the tables."""
_DRUGS: Final = (("morphine", "ER", 90.0, 2), ("diazepam", "IR", 20.0, 2), ("pregabalin", "IR capsule", 300.0, 2))
POPULATIONS: Final = ("usual", "floors")
"""``floors``: well people, so that many reports stand at the end of their scale."""
_FLOORS: Final = {"s0": (np.log(0.8), 0.6), "distress": (0.10, 0.10), "insomnia": (0.12, 0.12)}


def instruments_of(taken: tuple[bool, bool, bool]) -> tuple[str, ...]:
    """What is asked: the five daily items, the benzodiazepine checklist weekly, and the item of the class reduced."""
    several = ("withdrawal_item",) if sum(taken) > 1 else ()
    return (*DAILY, *several, *(("bwsq",) if taken[1] else ()))


def tapered(pct: float, n_days: int, taken: tuple[bool, bool, bool] = CLASSES["opioid"], first: int = 0) -> Regimen:
    """Every two weeks one class is reduced by ``pct`` of its original dose, the classes in turn.

    Parameters
    ----------
    pct : float
        Percent of the original dose; 100 is an abrupt stop of one class after the other.
    n_days : int
        Days of reports; the horizon of :data:`HORIZON_D` days comes on top.
    taken : tuple of bool
    first : int
        Which of the classes taken is reduced first.
    """
    n = n_days + HORIZON_D
    doses, decay, shape = np.zeros((n + 1, 3)), np.zeros((n + 1, 3)), np.ones((n + 1, 3, 4))
    mine = [k for k in range(3) if taken[k]]
    steps = np.maximum((np.arange(n + 1) - 1) // EVERY_D, 0)
    for number, k in enumerate(mine):
        name, formulation, mg, times = _DRUGS[k]
        slot = DrugTaken(find_drug(name, formulation), mg, times)
        turn = (number - first) % len(mine)
        cuts = np.maximum(steps - turn + len(mine) - 1, 0) // len(mine)
        doses[:, k] = slot.equivalents * np.maximum(1.0 - pct / 100 * cuts, 0.0)
        decay[:, k] = level_decay(slot.drug.effect_half_life_h)
        shape[:, k] = within_day_shape(slot.drug.trough_mean)
    cut = np.r_[0.0, (np.diff(doses, axis=0) < 0).any(axis=1).astype(float)]
    use = np.where(taken, MEDIAN_USE_DAYS, 1.0)
    return Regimen(doses, cut, decay, shape, np.array(taken), use, np.zeros((n + 1, 3)), np.zeros(n + 1))


def until(regimen: Regimen, n_days: int) -> Regimen:
    """The same, to the end of day ``n_days``."""
    end = n_days + 1
    return Regimen(
        regimen.dose[:end],
        regimen.cut[:end],
        regimen.decay_g[:end],
        regimen.shape[:end],
        regimen.taken,
        regimen.use_days,
        regimen.adjunct[:end],
        regimen.rotated[:end],
    )


def last_cut_of(regimen: Regimen) -> Ints:
    """Class that was reduced last, by day, (n_days + 1,); before any reduction the first class taken."""
    at_class = int(np.argmax(regimen.taken))
    found = np.zeros(len(regimen.dose), dtype=np.int64)
    for day in range(len(regimen.dose)):
        if day:
            fallen = np.flatnonzero(regimen.dose[day] < regimen.dose[day - 1] - 1e-9)
            at_class = int(fallen[0]) if len(fallen) else at_class
        found[day] = at_class
    return found


def written(
    values: Floats,
    shared: Any,
    regimen: Regimen,
    instruments: tuple[str, ...],
    answered: Bools,
    generator: np.random.Generator,
) -> Reported:
    """Check-ins that a person with these values would write.

    Parameters
    ----------
    values : ndarray, (N_VALUES,)
    shared : Couplings
    regimen : Regimen
    instruments : tuple of str
        Asked on every day; a recall scale once a window.
    answered : ndarray of bool, (n_days + 1,)
        Days on which a check-in came.
    generator : numpy Generator

    Returns
    -------
    list of (int, CheckIn)
    """
    n_days = len(answered) - 1
    last_cut = last_cut_of(regimen)
    z_day = generator.standard_normal(n_days + 1)
    found: Reported = []
    for name in instruments:
        i = BY_NAME[name]
        slow = _slow(i, n_days, generator)
        own = generator.standard_normal(n_days + 1)
        means = means_by_day(
            values[None], shared, regimen, i.kind, i.scale, i.recall_d, np.zeros(len(last_cut)), last_cut
        )
        for day in range(1, n_days + 1):
            if not answered[day] or (i.recall_d > 1 and day % i.recall_d):
                continue
            mean = means[day]
            noise = values[at.NOISE] * (
                i.white * (np.sqrt(1 - i.shared**2) * own[day] + i.shared * z_day[day]) + i.slow * slow[day]
            )
            score = np.exp(np.log1p(mean) + noise) - 1.0 if i.transform == LOG1P else mean + noise
            score = np.exp(mean + noise) if i.transform == LOG else score
            score = np.floor(np.clip(score, i.low, i.high) / i.step + 0.5) * i.step
            found.append((day, CheckIn(ORIGIN + timedelta(days=day), name, float(score))))
    return found


def _slow(i: Instrument, n_days: int, generator: np.random.Generator) -> Floats:
    """Slow noise of one instrument, sd 1, (n_days + 1,)."""
    decay = np.exp(-1.0 / i.tau_d)
    x = generator.standard_normal(n_days + 1)
    for day in range(1, n_days + 1):
        x[day] = decay * x[day - 1] + np.sqrt(1.0 - decay**2) * x[day]
    return x


def evidence_from(prior: Prior, shared: Any, regimen: Regimen, reports: Reported, n_days: int) -> Evidence:
    """What a posterior is computed from, of the reports up to the end of day ``n_days``."""
    seen = until(regimen, n_days)
    known = [(day, report) for day, report in reports if day <= n_days]
    return Evidence(prior, shared, seen, reports_of(known, last_cut_of(seen), np.zeros(n_days + 1)))


def population_prior(population: str, n_days: int, taken: tuple[bool, bool, bool] = (True, False, False)) -> Prior:
    """The prior that both draws the truth and is fitted."""
    prior = prior_of(taken, -(-(n_days + HORIZON_D) // at.SEGMENT_D), instruments_of(taken))
    if population == "floors":
        mean, sd = prior.mean.copy(), prior.sd.copy()
        for name, (centre, spread) in _FLOORS.items():
            k = prior.names.index(name)
            mean[k], sd[k] = centre, spread
        prior = replace(prior, mean=mean, sd=sd)
    return prior


@dataclass(frozen=True)
class SimulatedPerson:
    """One simulated person: what she is, what is done, what she writes.

    Attributes
    ----------
    z : ndarray, (d,)
        Her values, whitened by the prior.
    values : ndarray, (N_VALUES,)
    regimen : Regimen
        Over the days of reports and the horizon.
    reports : list of (int, CheckIn)
    evidence : Evidence
        Of all her reports.
    n_days : int
        Days of reports.
    """

    z: Floats
    values: Floats
    regimen: Regimen
    reports: Reported
    evidence: Evidence
    n_days: int


def person_of(
    population: str, classes: str, pct: float, n_days: int, generator: np.random.Generator
) -> SimulatedPerson:
    """Somebody drawn from the prior, tapered by ``pct`` of original every two weeks, who answers on most days."""
    taken = CLASSES[classes]
    prior, shared = population_prior(population, n_days, taken), at.couplings()
    z = generator.standard_normal(len(prior.names))
    values = prior.values(z[None])[0]
    regimen = tapered(pct, n_days, taken, int(generator.integers(sum(taken))))
    answered = generator.random(n_days + 1) < ANSWERED
    reports = written(values, shared, until(regimen, n_days), instruments_of(taken), answered, generator)
    return SimulatedPerson(z, values, regimen, reports, evidence_from(prior, shared, regimen, reports, n_days), n_days)
