"""Simulated people for studies of the inference: true values from the prior, doses, reports. Imports ``inference``.

All studies of this package use these people, so that their tables are comparable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.data.drugs_taken import DrugTaken
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.life_block import ORDER, load_of
from taper_sim.inference.observation import BY_NAME, LOG, LOG1P, Instrument, reports_of
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import Prior, prior_of
from taper_sim.inference.report_means import means_by_day
from taper_sim.inference.simulated_life import lived, recalled
from taper_sim.model.life import ASSESSED_DOMAINS, ASSESSMENT_SD
from taper_sim.model.parameters import MEDIAN_USE_DAYS
from taper_sim.model.pharmacology import level_decay, within_day_shape

Reported = list[tuple[int, CheckIn]]

ORIGIN: Final = date(2026, 1, 1)
"""Day 0."""
FORECAST_D: Final = 28
"""Days ahead over which a forecast is scored."""
_STEP_EVERY_D: Final = 14
"""Days between reductions; the first is on day 15."""
ANSWERED: Final = 0.8
"""Share of days with a check-in."""
DAILY: Final = ("sows_gossop", "pain_nrs", "mood_item", "sleep_item", "function")
CLASSES: Final[Mapping[str, tuple[bool, bool, bool]]] = {
    "opioid": (True, False, False),
    "opioid and benzodiazepine": (True, True, False),
    "all three": (True, True, True),
}
"""Whether each drug class is taken, by the name of the set of classes in the tables."""
_DRUGS: Final = (("morphine", "ER", 90.0, 2), ("diazepam", "IR", 20.0, 2), ("pregabalin", "IR capsule", 300.0, 2))
POPULATIONS: Final = ("usual", "floors")
"""``floors``: people with few symptoms, so that many reports are at the end of their scale."""
_FLOORS: Final = {"s0": (np.log(0.8), 0.6), "distress": (0.10, 0.10), "insomnia": (0.12, 0.12)}


def instruments_of(taken: tuple[bool, bool, bool]) -> tuple[str, ...]:
    """Instruments sent: five daily items; the withdrawal item on several classes; weekly BWSQ on a benzodiazepine."""
    several = ("withdrawal_item",) if sum(taken) > 1 else ()
    return (*DAILY, *several, *(("bwsq",) if taken[1] else ()))


def tapered(pct: float, n_days: int, taken: tuple[bool, bool, bool] = CLASSES["opioid"], first: int = 0) -> Regimen:
    """Regimen in which every two weeks one class is reduced by ``pct`` of its original dose, the classes in turn.

    Parameters
    ----------
    pct : float
        Percent of the original dose; 100 is an abrupt stop of one class after the other.
    n_days : int
        Days of reports; the regimen continues for another :data:`FORECAST_D` days.
    taken : tuple of bool
        Whether each drug class is taken.
    first : int
        Position, among the classes taken, of the class that is reduced first.
    """
    n = n_days + FORECAST_D
    doses, decay, shape = np.zeros((n + 1, 3)), np.zeros((n + 1, 3)), np.ones((n + 1, 3, 4))
    classes = [k for k in range(3) if taken[k]]
    steps = np.maximum((np.arange(n + 1) - 1) // _STEP_EVERY_D, 0)
    for number, k in enumerate(classes):
        name, formulation, mg, times = _DRUGS[k]
        slot = DrugTaken(find_drug(name, formulation), mg, times)
        turn = (number - first) % len(classes)
        cuts = np.maximum(steps - turn + len(classes) - 1, 0) // len(classes)
        doses[:, k] = slot.equivalents * np.maximum(1.0 - pct / 100 * cuts, 0.0)
        decay[:, k] = level_decay(slot.drug.effect_half_life_h)
        shape[:, k] = within_day_shape(slot.drug.trough_mean)
    cut, removed = at.cuts_of(doses, at.cut_reference(np.array(taken), doses[0], False), 1.0)
    use = np.where(taken, MEDIAN_USE_DAYS, 1.0)
    return Regimen(doses, cut, removed, decay, shape, np.array(taken), use, np.zeros((n + 1, 3)), np.zeros(n + 1))


def until(regimen: Regimen, n_days: int) -> Regimen:
    """The regimen up to the end of day ``n_days``."""
    return regimen.until(n_days)


def last_cut_of(regimen: Regimen) -> Ints:
    """Class that was reduced last, by day, (n_days + 1,); before the first reduction, the first class taken."""
    reduced = int(np.argmax(regimen.taken))
    last_cut = np.zeros(len(regimen.dose), dtype=np.int64)
    for day in range(len(regimen.dose)):
        if day:
            fallen = np.flatnonzero(regimen.dose[day] < regimen.dose[day - 1] - 1e-9)
            reduced = int(fallen[0]) if len(fallen) else reduced
        last_cut[day] = reduced
    return last_cut


def written(
    values: Floats,
    shared: Any,
    regimen: Regimen,
    instruments: tuple[str, ...],
    answered: Bools,
    generator: np.random.Generator,
    life: Floats | None = None,
) -> Reported:
    """Simulate the check-ins of a person with these values.

    Parameters
    ----------
    values : ndarray, (N_VALUES,)
        The person's true values.
    shared : Couplings
    regimen : Regimen
    instruments : tuple of str
        Sent every day; a scale with a recall window is sent once a window.
    answered : ndarray of bool, (n_days + 1,)
        Days with a check-in.
    generator : numpy.random.Generator
    life : ndarray, (n_days + 1 or more, 6), optional
        From :func:`lived`, which is drawn if it is not given.

    Returns
    -------
    list of (int, CheckIn)
        Day and report.
    """
    n_days = len(answered) - 1
    life = lived(values[at.LIFE], shared, n_days, generator) if life is None else life
    last_cut = last_cut_of(regimen)
    z_day = generator.standard_normal(n_days + 1)
    reports: Reported = []
    for name in instruments:
        i = BY_NAME[name]
        slow = _slow(i, n_days, generator)
        own = generator.standard_normal(n_days + 1)
        means = means_by_day(
            values[None], shared, regimen, i.kind, i.scale, i.recall_d, np.zeros(len(last_cut)), last_cut
        )
        of_life = recalled(life @ load_of(i.kind, i.scale, shared), i.recall_d)
        for day in range(1, n_days + 1):
            if not answered[day] or (i.recall_d > 1 and day % i.recall_d):
                continue
            mean = means[day]
            noise = of_life[day] + values[at.NOISE] * (
                i.white * (np.sqrt(1 - i.shared**2) * own[day] + i.shared * z_day[day]) + i.slow * slow[day]
            )
            score = np.exp(np.log1p(mean) + noise) - 1.0 if i.transform == LOG1P else mean + noise
            score = np.exp(mean + noise) if i.transform == LOG else score
            score = np.floor(np.clip(score, i.low, i.high) / i.step + 0.5) * i.step
            reports.append((day, CheckIn(ORIGIN + timedelta(days=day), name, float(score))))
    return reports


def _slow(i: Instrument, n_days: int, generator: np.random.Generator) -> Floats:
    """Slow noise of one instrument by day, sd 1, (n_days + 1,)."""
    decay = np.exp(-1.0 / i.tau_d)
    x = generator.standard_normal(n_days + 1)
    for day in range(1, n_days + 1):
        x[day] = decay * x[day - 1] + np.sqrt(1.0 - decay**2) * x[day]
    return x


def assessment_of(values: Floats, life: Floats, generator: np.random.Generator) -> dict[str, float]:
    """What somebody assesses on day 0: set point, plus life of that day, plus error."""
    places, states = (at.P0, at.M0, at.I0, at.U0), [ORDER.index(state) for state in ("P", "M", "I", "U")]
    level = values[list(places)] + life[0, states] + np.array(ASSESSMENT_SD) * generator.standard_normal(4)
    return dict(zip(ASSESSED_DOMAINS, level.tolist(), strict=True))


def evidence_from(
    prior: Prior,
    shared: Any,
    regimen: Regimen,
    reports: Reported,
    n_days: int,
    assessed: Mapping[str, float] = MappingProxyType({}),
) -> Evidence:
    """Evidence from the doses and reports up to the end of day ``n_days``, and from an assessment of day 0 if any."""
    regimen_then = until(regimen, n_days)
    reports_then = [(day, report) for day, report in reports if day <= n_days]
    laid_out = reports_of(reports_then, last_cut_of(regimen_then), np.zeros(n_days + 1), assessed)
    return Evidence(prior, shared, regimen_then, laid_out)


def population_prior(population: str, n_days: int, taken: tuple[bool, bool, bool] = (True, False, False)) -> Prior:
    """Prior from which true values are drawn and with which they are inferred."""
    prior = prior_of(taken, -(-(n_days + FORECAST_D) // at.SEGMENT_D), instruments_of(taken))
    if population == "floors":
        mean, sd = prior.mean.copy(), prior.sd.copy()
        for name, (centre, spread) in _FLOORS.items():
            k = prior.names.index(name)
            mean[k], sd[k] = centre, spread
        prior = replace(prior, mean=mean, sd=sd)
    return prior


@dataclass(frozen=True)
class SimulatedPerson:
    """One simulated person: true values, doses, reports.

    Attributes
    ----------
    z : ndarray, (d,)
        True values, whitened by the prior.
    values : ndarray, (N_VALUES,)
        True values.
    regimen : Regimen
        Doses over the days of reports and the forecast.
    reports : list of (int, CheckIn)
        Day and report.
    evidence : Evidence
        Evidence from all reports.
    n_days : int
        Days of reports.
    life : ndarray, (n_days + FORECAST_D + 1, 6)
        Life outside the taper, in the order of ``life_block.ORDER``.
    """

    z: Floats
    values: Floats
    regimen: Regimen
    reports: Reported
    evidence: Evidence
    n_days: int
    life: Floats


def person_of(
    population: str, classes: str, pct: float, n_days: int, generator: np.random.Generator, assessed_share: float = 0.0
) -> SimulatedPerson:
    """Simulate a person from the prior: reductions by ``pct`` of original every two weeks, 80 % of days answered.

    ``assessed_share`` is the chance that the record begins with an assessment.
    """
    taken = CLASSES[classes]
    prior, shared = population_prior(population, n_days, taken), at.couplings()
    z = generator.standard_normal(len(prior.names))
    values = prior.values(z[None])[0]
    regimen = tapered(pct, n_days, taken, int(generator.integers(sum(taken))))
    answered = generator.random(n_days + 1) < ANSWERED
    life = lived(values[at.LIFE], shared, n_days + FORECAST_D, generator)
    reports = written(values, shared, until(regimen, n_days), instruments_of(taken), answered, generator, life)
    assessed = assessment_of(values, life, generator) if generator.random() < assessed_share else {}
    evidence = evidence_from(prior, shared, regimen, reports, n_days, assessed)
    return SimulatedPerson(z, values, regimen, reports, evidence, n_days, life)
