"""The people of a published study, sampled from its coded cohort. Imports ``simulation``, ``scenario``, ``data``.

Doses and days of use are log-normal, cut off (not heaped) at the limits of a study, so that people of "at least 300
MME" have the doses of such people. Selection by age or pain keeps the same number of people of every draw.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import truncnorm

from taper_sim import rng
from taper_sim.array_types import Bools, Floats
from taper_sim.data import formulary
from taper_sim.data.problems import problem
from taper_sim.evidence.coded_cohorts import BUPRENORPHINE_FILM, CodedCohort, Enrolment, drugs_named, drugs_of_form
from taper_sim.model.pharmacology import (
    Drug,
    dispensable_totals,
    from_equivalents,
    most_equivalents,
    round_to_dispensable,
    to_equivalents,
)
from taper_sim.simulation import cohort as cohorts
from taper_sim.simulation.cohort import ClassMargin, Cohort, DrugShare, Margins
from taper_sim.simulation.ensemble import draw_of
from taper_sim.units import DRUG_CLASSES, TOLERANCE, DrugClass


@dataclass(frozen=True)
class DefaultUse:
    """How people of the default population use a drug class.

    Attributes
    ----------
    median, log_sd : float
        Of the dose, equivalents a day.
    high : float
        Largest dose, equivalents a day.
    mix : tuple of (str, str, float)
        Drug, formulation, share.
    with_opioid : float
        Share of people on an opioid who also take the class.
    """

    median: float
    log_sd: float
    high: float
    mix: tuple[tuple[str, str, float], ...]
    with_opioid: float = 0.0


DEFAULT_USE: Final[Mapping[DrugClass, DefaultUse]] = {
    "opioid": DefaultUse(
        46.0,
        0.8,
        600.0,
        (
            ("morphine", "ER", 0.25),
            ("oxycodone", "IR", 0.20),
            ("oxycodone", "ER", 0.20),
            ("hydrocodone-acetaminophen", "IR", 0.15),
            ("fentanyl", "TD", 0.10),
            ("methadone", "IR", 0.10),
        ),
    ),
    "benzodiazepine": DefaultUse(
        10.0, 0.5, 60.0, (("lorazepam", "IR", 0.4), ("clonazepam", "IR", 0.3), ("alprazolam", "IR", 0.3)), 0.17
    ),
    "gabapentinoid": DefaultUse(
        200.0, 0.5, 350.0, (("gabapentin", "IR", 0.7), ("pregabalin", "IR capsule", 0.3)), 0.30
    ),
}
"""Default population by class. Source: assumption A67 (E072, Agnoli 2021, Sandhu 2023)."""
ON_BUPRENORPHINE: Final = DefaultUse(16.0, 0.4, 32.0, (("buprenorphine", BUPRENORPHINE_FILM, 1.0),))
"""The same on buprenorphine, in its own mg a day. Source: assumption A157."""
USE_DAYS_MEDIAN: Final = 1825.0
"""Median days of use. Source: docs/model.md."""
USE_DAYS_LOG_SD: Final = 0.6
"""Log sd of the days of use between people. Source: docs/cohort.md."""
VETERANS_FEMALE: Final = 0.09
"""Share of women among veterans in care, unless the cohort gives one. Source: assumption A67."""
LONG_ACTING: Final = ("methadone",)
"""Drugs that ``formulation=IR`` leaves out: their tablet is not short-acting. Source: drugs.csv, half-life."""
_FIRST_CALL: Final = 60  # of the generator, for doses and days of use; the cohort uses calls up to 45 and from 100 on
_MOST_SAMPLED: Final = 60  # times as many people as needed, to find those who get in
_LOG_SD_LEAST: Final = 0.05


def study_people(coded: CodedCohort, enrolment: Enrolment, a_draw: int, n_draws: int, seed: int) -> Cohort:
    """Sample the people of a study.

    Parameters
    ----------
    coded : CodedCohort
    enrolment : Enrolment
    a_draw : int
        People of each draw of the ensemble.
    n_draws : int
    seed : int

    Returns
    -------
    Cohort
        ``a_draw * n_draws`` people; fewer people are the first of them.

    Raises
    ------
    InputError
        If too few sampled people get in.
    """
    wanted = a_draw * n_draws
    margins, classes = _margins(coded, enrolment), _classes(coded)
    times = 1
    while True:
        pool = cohorts.sample(wanted * times, seed, classes, margins, coded.text)
        places = _first_of_each_draw(pool, _gets_in(pool, enrolment), a_draw, n_draws)
        if len(places) == wanted:
            break
        if times >= _MOST_SAMPLED:
            raise problem("cohort", coded.text, f"{len(places)} of {wanted} people who get in", "a wider enrolment")
        times *= 4
    return _with_doses_of(pool.take(places), coded, seed)


def _gets_in(pool: Cohort, enrolment: Enrolment) -> Bools:
    """People who meet the age and pain of the enrolment, (n,). Pain is that of the assessment."""
    low, high = enrolment.age
    return (pool.age >= low) & (pool.age < high + 1.0) & (pool.baseline["pain"] >= enrolment.pain_least)


def _first_of_each_draw(pool: Cohort, gets_in: Bools, a_draw: int, n_draws: int) -> np.ndarray:
    """Places of the first ``a_draw`` people of each draw who get in, rising."""
    draw = draw_of(pool.keys, n_draws)
    places = [np.flatnonzero(gets_in & (draw == value))[:a_draw] for value in range(n_draws)]
    return np.sort(np.concatenate(places))


def _margins(coded: CodedCohort, enrolment: Enrolment) -> Margins:
    """Margins of everything but drugs: the registry's, changed by the cohort's keys."""
    base = cohorts.CHOIR
    shares, moments = dict(base.shares), dict(base.moments)
    imposed = coded.word("imposed")
    if imposed is not None:
        shares |= {"imposed": float(imposed == "yes"), "agreed": float(imposed == "no")}
    if coded.word("veterans") == "yes":
        shares["female"] = VETERANS_FEMALE
    for key, flag in (("female", "female"), ("oud_share", "oud")):
        share = coded.number(key)
        if share is not None:
            shares[flag] = share
    for key, name, (low, high) in (
        ("age_mean", "age", enrolment.age),
        ("pain_nrs_mean", "pain_nrs", (enrolment.pain_least, 10.0)),
    ):
        mean = coded.number(key)
        if mean is not None:
            _, sd, least, most = moments[name]
            ends = max(low, least), min(high, most)
            moments[name] = (_centre_within(mean, sd, *ends) if enrolment.selects else mean, sd, least, most)
    depressed = coded.number("depression_share")
    if depressed is not None:
        _, sd, least, most = moments["promis_depression"]
        centre = cohorts.sampled.MOOD_DISORDER_T - sd * NormalDist().inv_cdf(1.0 - depressed)
        moments["promis_depression"] = (centre, sd, least, most)
    return replace(base, shares=shares, moments=moments)


def _centre_within(mean: float, sd: float, low: float, high: float) -> float:
    """Centre of a normal whose part between two ends has this mean."""
    if not low < mean < high:
        return mean

    def distance(centre: float) -> float:
        return float(truncnorm.mean((low - centre) / sd, (high - centre) / sd, centre, sd)) - mean

    ends = mean - 6.0 * sd, mean + 6.0 * sd
    if distance(ends[0]) * distance(ends[1]) > 0:
        return mean
    return float(brentq(distance, *ends))


# -- drugs and doses ---------------------------------------------------------------------------------------------------


def _use_of(coded: CodedCohort) -> dict[DrugClass, DefaultUse]:
    """How people of the default population use each class."""
    return {**DEFAULT_USE, "opioid": ON_BUPRENORPHINE} if coded.on_buprenorphine else dict(DEFAULT_USE)


def _classes(coded: CodedCohort) -> dict[DrugClass, ClassMargin]:
    """Margin of the tapered class, and of the classes taken with it."""
    tapered = coded.drug_class
    classes: dict[DrugClass, ClassMargin] = {}
    for name, use in _use_of(coded).items():
        if name == tapered:
            share = 1.0
        else:
            given = coded.number(f"{name}_share") if name != "opioid" else None
            share = given if given is not None else (use.with_opioid if tapered == "opioid" else 0.0)
        if share > 0.0:
            mix = _mix(coded, name) if name == tapered else _rows(use.mix)
            median = _stated_median(coded, name) or use.median
            classes[name] = ClassMargin(share, mix, median, use.log_sd, 0.1, max(use.high, 2.0 * median))
    return {name: replace(margin, high=_capped(margin)) for name, margin in classes.items()}


def _capped(margin: ClassMargin) -> float:
    """Largest dose that every drug of the mix can give: absorption of gabapentin is known up to a limit."""
    most = [most_equivalents(entry.drug, formulary.absorption(), _times(entry.drug)) for entry in margin.mix]
    return min(margin.high, *most)


def _times(drug: Drug) -> int:
    return 1 if drug.is_patch else max(1, round(24.0 / drug.interval_h))


def _rows(mix: tuple[tuple[str, str, float], ...]) -> tuple[DrugShare, ...]:
    return tuple(DrugShare(formulary.find_drug(drug, form), share) for drug, form, share in mix)


def _mix(coded: CodedCohort, name: DrugClass) -> tuple[DrugShare, ...]:
    """Drugs of the tapered class: the default mix, limited to the drug and the formulation that are given."""
    drug, form = coded.word("drug"), coded.word("formulation")
    default = _rows(_use_of(coded)[name].mix)
    if drug is not None:
        rows = drugs_named(drug, form)
    elif form is not None:
        rows = [row for row in drugs_of_form(name, form) if row.drug not in LONG_ACTING or form.upper() != "IR"]
    else:
        return default
    kept = tuple(entry for entry in default if entry.drug in rows)
    return kept or tuple(DrugShare(row, 1.0) for row in rows[: None if drug is None else 1])


def _stated_median(coded: CodedCohort, name: DrugClass) -> float | None:
    """Median dose that the cohort gives, equivalents a day; None if it gives none."""
    if name == "benzodiazepine":
        return coded.number("diazepam_mg")
    if name == "gabapentinoid":
        mg = coded.number("pregabalin_mg")
        pregabalin = formulary.find_drug("pregabalin", "IR capsule")
        return None if mg is None else float(to_equivalents(pregabalin, mg))
    return coded.number("buprenorphine_mg" if coded.on_buprenorphine else "mme_median")


def _with_doses_of(people: Cohort, coded: CodedCohort, seed: int) -> Cohort:
    """The people with the doses and days of use of the study, in the tapered class."""
    name = coded.drug_class
    k = DRUG_CLASSES.index(name)
    z = rng.person_normals(seed, people.keys, 2, first_call=_FIRST_CALL)
    use_days = people.use_days.copy()
    low = coded.number("use_days_min") or 0.0
    median = coded.number("use_days_median")
    days = _LogNormal.of(USE_DAYS_MEDIAN, USE_DAYS_LOG_SD, low, math.inf, median=median)
    use_days[:, k] = np.maximum(1.0, days.quantile(ndtr(z[:, 1])))
    people = replace(people, use_days=use_days)
    if name != "opioid":
        return people  # their doses are those of the sample: no key cuts them off
    low, given = coded.number("mme_min") or 0.0, coded.number("mme_max")
    use, median = _use_of(coded)[name], _stated_median(coded, name)
    high = given if given is not None else max(use.high, 2.0 * low)
    dose = _LogNormal.of(use.median, use.log_sd, low, high, median=median, mean=coded.number("mme_mean"))
    return _dispensed(people, name, dose.quantile(ndtr(z[:, 0])), low, high)


@dataclass(frozen=True)
class _LogNormal:
    """A log-normal cut off at two ends."""

    mu: float
    sd: float
    low: float
    high: float

    @classmethod
    def of(
        cls, centre: float, sd: float, low: float, high: float, *, median: float | None, mean: float | None = None
    ) -> "_LogNormal":
        """With the median or the mean given after the cut; else with the default median before it."""
        if median is not None and mean is not None:
            sd = math.sqrt(2.0 * math.log(mean / median)) if mean > median else _LOG_SD_LEAST
        target, at = (median, "median") if median is not None else (mean, "mean")
        if target is None:
            return cls(math.log(centre), sd, low, high)

        def distance(mu: float) -> float:
            cut = cls(mu, sd, low, high)
            value = cut.quantile(np.array([0.5]))[0] if at == "median" else cut.mean
            return math.log(float(value)) - math.log(target)

        ends = math.log(target) - 6.0 * sd - 3.0, math.log(target) + 6.0 * sd + 3.0
        if distance(ends[0]) * distance(ends[1]) > 0.0:  # a value at an end: everybody is near it
            return cls(math.log(target), _LOG_SD_LEAST, low, high)
        return cls(float(brentq(distance, *ends)), sd, low, high)

    def _shares(self) -> tuple[float, float]:
        below = float(ndtr((math.log(self.low) - self.mu) / self.sd)) if self.low > 0.0 else 0.0
        above = float(ndtr((math.log(self.high) - self.mu) / self.sd)) if self.high < math.inf else 1.0
        return below, above

    def quantile(self, u: Floats) -> Floats:
        """Quantiles of the part between the ends."""
        below, above = self._shares()
        if above - below < 1e-12:
            return np.full_like(u, self.low if self.mu < math.log(max(self.low, 1e-9)) else self.high)
        values = np.exp(self.mu + self.sd * ndtri(below + u * (above - below)))
        return np.clip(values, self.low, self.high)

    @property
    def mean(self) -> float:
        """Mean of the part between the ends, by 400 quantiles."""
        return float(self.quantile(np.linspace(0.5, 399.5, 400) / 400.0).mean())


def _dispensed(people: Cohort, name: DrugClass, equivalents: Floats, low: float, high: float) -> Cohort:
    """The people with the dispensable dose between two ends that is nearest to these equivalents, never 0."""
    dose = people.slot_dose.copy()
    for slot in range(dose.shape[1]):
        for number, drug in enumerate(people.drugs):
            takes = people.slot_drug[:, slot] == number
            if drug.drug_class != name or not takes.any():
                continue
            for times in np.unique(people.slot_times[takes, slot]):
                who = takes & (people.slot_times[:, slot] == times)
                totals = _totals_between(drug, int(times), low, high)
                wanted = from_equivalents(drug, equivalents[who], formulary.absorption(), int(times))
                nearest = round_to_dispensable(wanted, np.full_like(wanted, 2.0 * wanted.max() + totals[-1]), totals)
                dose[who, slot] = np.maximum(nearest, totals[1])
    return cohorts.with_doses(replace(people, slot_dose=dose))


def _totals_between(drug: Drug, times: int, low: float, high: float) -> Floats:
    """0, and the dispensable doses between two ends in equivalents a day; where there is none, all up to the higher."""
    top = float(from_equivalents(drug, high, formulary.absorption(), times))
    totals = dispensable_totals(drug, times, max(top, drug.smallest_step * times))
    counted = to_equivalents(drug, totals, formulary.absorption(), times)
    inside = (counted >= low * (1.0 - TOLERANCE)) & (totals > 0.0)
    return totals[inside | (totals == 0.0)] if inside.any() else totals
