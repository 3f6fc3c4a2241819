"""Cohorts sampled from marginal distributions and correlations. Imports ``cohort.arrays``, ``data``, ``model``.

A patient's draws depend only on the seed and the patient's key: an extra patient leaves all others unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Floats
from taper_sim.data import formulary
from taper_sim.model.parameters import MEDIAN_USE_DAYS
from taper_sim.model.pharmacology import (
    Drug,
    administrations,
    dispensable_totals,
    from_equivalents,
    round_to_dispensable,
)
from taper_sim.simulation.cohort.arrays import FLAGS, Cohort, with_doses, without_drugs
from taper_sim.units import DRUG_CLASSES, DrugClass


@dataclass(frozen=True)
class DrugShare:
    """A drug and formulation, and its share among the patients who take the class."""

    drug: Drug
    share: float
    interval_h: float | None = None


@dataclass(frozen=True)
class ClassMargin:
    """Distribution of a drug class: prevalence, drugs, dose and duration of use.

    ``share`` is the share of patients who take the class. ``median`` and ``log_sd`` describe the log-normal dose,
    equivalents a day, clipped to ``low`` and ``high``. ``use_days_median`` and ``use_days_log_sd`` describe the days of
    use.
    """

    share: float
    mix: tuple[DrugShare, ...]
    median: float
    log_sd: float
    low: float
    high: float
    use_days_median: float = MEDIAN_USE_DAYS
    use_days_log_sd: float = 0.6


@dataclass(frozen=True)
class Margins:
    """Marginal distributions and correlations of the sampled attributes. Source of the defaults: docs/cohort.md.

    ``moments`` holds (mean, sd, low, high) on the instrument's own scale. ``correlation`` is the correlation matrix of
    the underlying normals, in the order of ``moments``.
    """

    moments: Mapping[str, tuple[float, float, float, float]]
    correlation: Floats
    shares: Mapping[str, float]
    failed_tapers_mean: float
    modality: tuple[float, ...]


#: 21,658 patients of the CHOIR registry (Alter 2021, PLoS ONE, data S1): means, sds and Pearson correlations.
CHOIR: Final = Margins(
    moments={
        "pain_nrs": (6.49, 2.01, 0, 10),
        "promis_pf": (35.3, 7.03, 15, 70),
        "promis_depression": (55.2, 10.4, 34, 85),
        "promis_sleep": (59.7, 9.33, 26, 84),
        "age": (56.6, 15.5, 18, 95),
    },
    correlation=np.array(
        [
            [1.0, -0.364, 0.246, 0.328, -0.019],
            [-0.364, 1.0, -0.373, -0.303, -0.130],
            [0.246, -0.373, 1.0, 0.408, -0.148],
            [0.328, -0.303, 0.408, 1.0, -0.266],
            [-0.019, -0.130, -0.148, -0.266, 1.0],
        ]
    ),
    shares={
        "ptsd": 0.10,
        "oud": 0.06,
        "earlier_overdose": 0.02,
        "earlier_seizure": 0.01,
        "sleep_apnoea": 0.20,
        "renal_impairment": 0.10,
        "pregnant": 0.0,
        "naloxone_at_home": 0.5,
        "agreed": 1.0,
        "imposed": 0.0,
        "female": 0.605,
        "broadband": 0.85,
        "device": 0.95,
        "transport": 0.9,
        "language_match": 0.93,
        "literacy": 0.88,
        "caregiver": 0.4,
        "peer_support": 0.1,
        "catastrophising": 0.30,
    },
    failed_tapers_mean=0.4,
    modality=(0.7, 0.2, 0.1),
)

# PROMIS T-scores to the model's scales. PHQ-9 crosswalk: Choi 2014 (PROsetta). Sleep to ISI: assumption A16.
_DEPRESSION_T = np.array([34.0, 44.0, 52.5, 59.9, 66.0, 72.0, 85.0])
_DEPRESSION_PHQ9 = np.array([0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 27.0])
_SLEEP_T = np.array([26.0, 40.0, 50.0, 60.0, 70.0, 84.0])
_SLEEP_ISI = np.array([0.0, 3.0, 8.0, 15.0, 22.0, 28.0])
MOOD_DISORDER_T = 60.0


def distress_of_promis(t_score: Floats) -> Floats:
    """Distress M, 0 to 1, from a PROMIS depression T-score (PHQ-9 crosswalk, PHQ-9 = 27 M)."""
    return np.interp(t_score, _DEPRESSION_T, _DEPRESSION_PHQ9) / 27.0


def insomnia_of_promis(t_score: Floats) -> Floats:
    """Insomnia I, 0 to 1, from a PROMIS sleep-disturbance T-score (ISI = 28 I)."""
    return np.interp(t_score, _SLEEP_T, _SLEEP_ISI) / 28.0


def function_of_promis(t_score: Floats) -> Floats:
    """Function U, 0 to 100, from a PROMIS physical-function T-score: linear, T 15 is 0 and T 70 is 100."""
    return np.clip((np.asarray(t_score) - 15.0) / 55.0 * 100.0, 0.0, 100.0)


def sample(
    n: int, seed: int, classes: Mapping[DrugClass, ClassMargin], margins: Margins = CHOIR, description: str = ""
) -> Cohort:
    """Sample n patients.

    Parameters
    ----------
    n : int
        Number of patients; patient k does not depend on n.
    seed : int
        Seed of the run.
    classes : mapping of drug class to ClassMargin
        Distributions of the drugs.
    margins : Margins
        Distributions of all other attributes.
    """
    ids = tuple(str(k) for k in range(1, n + 1))
    keys = np.arange(1, n + 1, dtype=np.uint64)
    z = rng.person_normals(seed, keys, 5, first_call=0) @ np.linalg.cholesky(margins.correlation).T
    scores = {
        name: np.clip(mean + sd * z[:, column], low, high)
        for column, (name, (mean, sd, low, high)) in enumerate(margins.moments.items())
    }
    u = rng.person_uniforms(seed, keys, len(FLAGS) + 6, first_call=10)
    flags = {name: u[:, column] < margins.shares.get(name, 0.0) for column, name in enumerate(FLAGS)}
    flags["mood_disorder"] = scores["promis_depression"] >= MOOD_DISORDER_T
    normals = rng.person_normals(seed, keys, 3, first_call=20)
    baseline = {
        "pain": np.round(scores["pain_nrs"]),
        "distress": distress_of_promis(scores["promis_depression"]),
        "insomnia": insomnia_of_promis(scores["promis_sleep"]),
        "function": function_of_promis(scores["promis_pf"]),
        "engagement": np.clip(0.8 + 0.1 * normals[:, 0], 0.2, 1.0),
        "craving": np.clip(0.1 * np.exp(0.8 * normals[:, 1]) * np.where(flags["oud"], 2.0, 1.0), 0.0, 1.0),
        "sows_gossop": np.minimum(2.5 * np.exp(0.5 * normals[:, 2]), 30.0),
    }
    people = without_drugs(
        ids,
        keys,
        baseline,
        flags=flags,
        failed_tapers=_poisson(u[:, len(FLAGS)], margins.failed_tapers_mean),
        age=scores["age"],
        modality=np.searchsorted(np.cumsum(margins.modality)[:-1], u[:, len(FLAGS) + 1], side="right"),
        description=description,
    )
    return sample_drugs(people, seed, classes)


def _poisson(u: Floats, mean: float) -> Floats:
    """Poisson counts by inversion of uniforms, (n,), at most 10."""
    k = np.arange(11)
    terms = np.exp(-mean) * np.cumprod(np.concatenate(([1.0], np.full(10, mean) / k[1:])))
    return np.searchsorted(np.cumsum(terms), u).clip(max=10).astype(np.float64)


def sample_drugs(cohort: Cohort, seed: int, classes: Mapping[DrugClass, ClassMargin]) -> Cohort:
    """Sample drugs, one slot per class: use of the class, drug, dose, days of use.

    A dose is the dispensable dose of the drug nearest to the sampled dose, and never 0.
    """
    if not classes:
        raise ValueError("sample_drugs needs at least one drug class")
    n = len(cohort)
    drugs: list[Drug] = []
    use_days = cohort.use_days.copy()
    slot_drug, slot_dose, slot_times = [], [], []
    for drug_class, margin in classes.items():
        k = DRUG_CLASSES.index(drug_class)
        u = rng.person_uniforms(seed, cohort.keys, 2, first_call=30 + 4 * k)
        z = rng.person_normals(seed, cohort.keys, 2, first_call=32 + 4 * k)
        takes = u[:, 0] < margin.share
        equivalents = np.clip(margin.median * np.exp(margin.log_sd * z[:, 0]), margin.low, margin.high)
        shares = np.cumsum([entry.share for entry in margin.mix])
        mix_index = np.searchsorted(shares / shares[-1], u[:, 1], side="right").clip(max=len(margin.mix) - 1)
        drug_of, dose_of, times_of = np.full(n, -1), np.zeros(n), np.ones(n, dtype=np.int64)
        for number, entry in enumerate(margin.mix):
            takers = takes & (mix_index == number)
            drug, times = entry.drug, administrations(entry.drug, entry.interval_h)
            if drug not in drugs:
                drugs.append(drug)
            sampled_dose = from_equivalents(drug, equivalents[takers], formulary.absorption(), times)
            top = float(from_equivalents(drug, margin.high, formulary.absorption(), times))
            totals = dispensable_totals(drug, times, max(top, drug.smallest_step * times))
            dispensable = round_to_dispensable(sampled_dose, np.full_like(sampled_dose, 2.0 * top), totals)
            drug_of[takers], times_of[takers] = drugs.index(drug), times
            dose_of[takers] = np.maximum(dispensable, totals[1])
        use_days[:, k] = np.maximum(1.0, margin.use_days_median * np.exp(margin.use_days_log_sd * z[:, 1]))
        slot_drug.append(drug_of)
        slot_dose.append(dose_of)
        slot_times.append(times_of)
    return with_doses(
        replace(
            cohort,
            drugs=tuple(drugs),
            use_days=use_days,
            slot_drug=np.stack(slot_drug, axis=1),
            slot_dose=np.stack(slot_dose, axis=1),
            slot_times=np.stack(slot_times, axis=1),
        )
    )
