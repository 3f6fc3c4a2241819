"""Who the patients are: the arrays of a cohort, sampled or read. Imports ``data``, ``tables``, ``model`` and below.

A person's draws depend on the seed and the person's key alone, so one extra patient changes nobody else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.data import formulary
from taper_sim.data.patient import Patient
from taper_sim.data.patients import DrugRow, PatientTable
from taper_sim.model.chance import CHANCE_BY_SYMBOL
from taper_sim.model.parameters import (
    BASELINE_LIMITS,
    BY_SYMBOL,
    DISCIPLINES,
    FAILED_TAPERS_COUNTED,
    MEDIAN_USE_DAYS,
    Baseline,
    Parameter,
)
from taper_sim.model.pharmacology import (
    Drug,
    administrations,
    dispensable_totals,
    from_equivalents,
    round_to_dispensable,
    to_equivalents,
    within_day_shape,
)
from taper_sim.units import DRUG_CLASSES, DrugClass

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FLAGS: Final = (
    "mood_disorder", "ptsd", "oud", "earlier_overdose", "earlier_seizure", "sleep_apnoea", "renal_impairment",
    "pregnant", "naloxone_at_home", "agreed", "imposed", "female", "broadband", "device", "transport",
    "language_match", "literacy", "caregiver", "peer_support",
)  # fmt: skip
MODALITIES: Final = ("video", "phone", "in_person")

#: Symbols with a spread between people, in the order of the columns of standard normals (a new one goes to the end).
VARYING: Final[tuple[tuple[str, int], ...]] = (
    *((symbol, k) for symbol in ("EC50", "tau_F", "tau_L", "sigma", "b") for k in range(3)),
    ("xi", 0),
    ("noise", 0),
    ("steps_0", 0),
)

_FIRST_CALL_VARYING = 100  # calls of the generator below this sample the person's attributes


@dataclass(frozen=True)
class Cohort:
    """Patients as arrays, one row each.

    Attributes
    ----------
    ids : tuple of str
        Patient ids as given.
    keys : ndarray of uint64, (n,)
        What the generator knows a patient by.
    drugs : tuple of Drug
        Every drug that somebody takes.
    slot_drug : ndarray of int, (n, n_slots)
        Index into ``drugs`` of each drug a patient takes, −1 for none.
    slot_dose : ndarray, (n, n_slots)
        Dose on day 0 in the drug's own unit (mg a day; patches mcg/h).
    slot_times : ndarray of int, (n, n_slots)
        Administrations a day.
    dose : ndarray, (n, 3)
        Equivalents a day on day 0, by class.
    use_days : ndarray, (n, 3)
        Days of use before day 0.
    half_life_h, trough_mean : ndarray, (n, 3)
        Of the formulation; where a class has two drugs, of the one with more equivalents (assumption A15).
    buprenorphine : ndarray of bool, (n,)
        Whether the opioid is buprenorphine, on its own scale.
    baseline : dict of str to ndarray (n,)
        As ``parameters.Baseline``.
    flags : dict of str to ndarray of bool (n,)
        :data:`FLAGS`.
    failed_tapers : ndarray, (n,)
    age : ndarray, (n,)
        Years.
    modality : ndarray of int, (n,)
        Index into :data:`MODALITIES`.
    fixed : dict of str to ndarray, (n,) or (n, 3)
        Parameters fixed for a person, NaN where free.
    care : ndarray, (n, 6)
        Care delivered ÷ planned that a patient's file fixes, else 0.
    spread : bool
        False: everybody is the median person but for what ``fixed`` says.
    description : str
        Where the cohort comes from, in words.
    """

    ids: tuple[str, ...]
    keys: NDArray[np.uint64]
    drugs: tuple[Drug, ...]
    slot_drug: NDArray[np.int64]
    slot_dose: Floats
    slot_times: NDArray[np.int64]
    dose: Floats
    use_days: Floats
    half_life_h: Floats
    trough_mean: Floats
    buprenorphine: Bools
    baseline: Mapping[str, Floats]
    flags: Mapping[str, Bools]
    failed_tapers: Floats
    age: Floats
    modality: NDArray[np.int64]
    fixed: Mapping[str, Floats] = field(default_factory=dict)
    care: Floats = field(default_factory=lambda: np.zeros((0, len(DISCIPLINES))))
    spread: bool = True
    description: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def taken(self) -> Bools:
        """Which classes each person takes, (n, 3): dose above 0 on day 0."""
        return self.dose > 0

    def take(self, index: Any) -> "Cohort":
        """The same cohort with only the rows of an index (slice, positions or mask)."""
        positions = np.arange(len(self))[index]

        def rows_of(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: array[positions] for name, array in value.items()}
            return value[positions] if isinstance(value, np.ndarray) and len(value) == len(self) else value

        changed = {f.name: rows_of(getattr(self, f.name)) for f in fields(self) if f.name != "ids"}
        return replace(self, ids=tuple(self.ids[k] for k in positions), **changed)


def with_doses(cohort: Cohort) -> Cohort:
    """Fill what follows from the slots: equivalents, formulation values, buprenorphine."""
    n, n_slots = cohort.slot_drug.shape
    dose, largest = np.zeros((n, 3)), np.zeros((n, 3))
    half_life = np.full((n, 3), 24.0)
    trough = np.full((n, 3), 0.5)
    buprenorphine = np.zeros(n, dtype=bool)
    for slot in range(n_slots):
        for number, drug in enumerate(cohort.drugs):
            k = DRUG_CLASSES.index(drug.drug_class)
            for times in np.unique(cohort.slot_times[cohort.slot_drug[:, slot] == number, slot]):
                who = (cohort.slot_drug[:, slot] == number) & (cohort.slot_times[:, slot] == times)
                amount = to_equivalents(drug, cohort.slot_dose[who, slot], formulary.absorption(), int(times))
                dose[who, k] += amount
                main = np.flatnonzero(who)[amount > largest[who, k]]
                largest[main, k] = amount[amount > largest[who, k]]
                half_life[main, k], trough[main, k] = drug.effect_half_life_h, drug.trough_mean
                if drug.is_buprenorphine:
                    buprenorphine |= who & (cohort.slot_dose[:, slot] > 0)
    return replace(cohort, dose=dose, half_life_h=half_life, trough_mean=trough, buprenorphine=buprenorphine)


# -- parameters of each person -----------------------------------------------------------------------------------------


def _parameter(symbol: str) -> Parameter:
    return BY_SYMBOL.get(symbol) or CHANCE_BY_SYMBOL[symbol]


def individual(cohort: Cohort, centres: Mapping[str, Floats], seed: int) -> dict[str, Floats]:
    """Values of each person: centre of the draw, spread between people, earlier failed tapers, what is fixed.

    Parameters
    ----------
    cohort : Cohort
        n people.
    centres : mapping of symbol to ndarray
        Centres for each person, (n, 3) for symbols with a value a class and (n,) for the rest; see
        ``simulation.centres_of``.
    seed : int
        Seed of the run.

    Returns
    -------
    dict of str to ndarray
        The same symbols with each person's value; ``sigma`` includes the factor for failed tapers.
    """
    values = {symbol: np.array(centre, dtype=np.float64) for symbol, centre in centres.items()}
    if cohort.spread:
        z = rng.person_normals(seed, cohort.keys, len(VARYING), first_call=_FIRST_CALL_VARYING)
        for column, (symbol, k) in enumerate(VARYING):
            parameter = _parameter(symbol)
            sd = parameter.between_people(DRUG_CLASSES[k] if parameter.per_class else None)
            at = (slice(None), k) if parameter.per_class else slice(None)
            centre = values[symbol][at]
            values[symbol][at] = (
                centre * np.exp(sd * z[:, column]) if parameter.scale == "log" else centre + sd * z[:, column]
            )
    values["s0"] = np.array(cohort.baseline["sows_gossop"])
    counted = np.minimum(cohort.failed_tapers, FAILED_TAPERS_COUNTED)
    values["sigma"] *= (values["sigma_failed"] ** counted)[:, None]
    for symbol, fixed in cohort.fixed.items():
        if symbol in values:
            values[symbol] = np.where(np.isnan(fixed), values[symbol], fixed)
    return values


def shapes(cohort: Cohort) -> Floats:
    """Within-day shapes ``s_j``, (n, 3, 4), solved once for each trough that occurs."""
    troughs, inverse = np.unique(fixed_or(cohort, "trough_mean", cohort.trough_mean), return_inverse=True)
    solved = np.array([within_day_shape(float(trough)) for trough in troughs])
    return solved[inverse].reshape(*cohort.trough_mean.shape, 4)


def fixed_or(cohort: Cohort, symbol: str, value: Floats) -> Floats:
    """A value, or what the person's file fixes instead."""
    fixed = cohort.fixed.get(symbol)
    return value if fixed is None else np.where(np.isnan(fixed), value, fixed)


# -- one patient's file ------------------------------------------------------------------------------------------------


def from_patients(patients: Sequence[Patient], *, spread: bool = False, description: str = "") -> Cohort:
    """Build a cohort of patients' files, the median person where they are silent."""
    n = len(patients)
    drugs = tuple(dict.fromkeys(entry.row for patient in patients for entry in patient.drugs))
    n_slots = max([1, *(len(patient.drugs) for patient in patients)])
    slot_drug = np.full((n, n_slots), -1)
    slot_dose, slot_times = np.zeros((n, n_slots)), np.ones((n, n_slots), dtype=np.int64)
    use_days = np.full((n, 3), MEDIAN_USE_DAYS)
    fixed: dict[str, Floats] = {}
    for row, patient in enumerate(patients):
        for slot, entry in enumerate(patient.drugs):
            slot_drug[row, slot] = drugs.index(entry.row)
            slot_dose[row, slot] = entry.dose
            slot_times[row, slot] = administrations(entry.row, entry.interval_h)
        for drug_class, days in patient.use_days.items():
            use_days[row, DRUG_CLASSES.index(drug_class)] = days
        for symbol, value in patient.parameters.items():
            if isinstance(value, dict):
                array = fixed.setdefault(symbol, np.full((n, 3), np.nan))
                for drug_class, number in value.items():
                    array[row, DRUG_CLASSES.index(drug_class)] = number
            else:
                fixed.setdefault(symbol, np.full(n, np.nan))[row] = value
    flags = {name: np.array([_flag(patient, name) for patient in patients], dtype=bool) for name in FLAGS}
    zeros = np.zeros((n, 3))
    return with_doses(
        Cohort(
            ids=tuple(patient.id for patient in patients),
            keys=np.array([rng.patient_key(patient.id) for patient in patients], dtype=np.uint64),
            drugs=drugs, slot_drug=slot_drug, slot_dose=slot_dose, slot_times=slot_times,
            dose=zeros, use_days=use_days, half_life_h=zeros, trough_mean=zeros, buprenorphine=np.zeros(n, dtype=bool),
            baseline={
                name: np.array([getattr(patient.baseline, name) for patient in patients]) for name in BASELINE_LIMITS
            },
            flags=flags,
            failed_tapers=np.array([patient.risk.failed_tapers for patient in patients], dtype=np.float64),
            age=np.array([patient.age for patient in patients]),
            modality=np.array([MODALITIES.index(patient.access.modality) for patient in patients]),
            fixed=fixed,
            care=np.array([[getattr(patient.care, d) for d in DISCIPLINES] for patient in patients]),
            spread=spread, description=description,
        )
    )  # fmt: skip


def _flag(patient: Patient, name: str) -> bool:
    for part in (patient.risk, patient.access):
        if hasattr(part, name):
            return bool(getattr(part, name))
    answer = {"agreed": "patient_agreed_to_taper"}.get(name, name)
    return bool(getattr(patient, name, None) or patient.answers.get(answer, name == "agreed"))


# -- sampled -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DrugShare:
    """A drug and formulation, and its share among those who take the class."""

    drug: Drug
    share: float
    interval_h: float | None = None


@dataclass(frozen=True)
class ClassMargin:
    """A drug class: who takes it, what, how much and since when.

    ``share`` of people who take it; ``median`` and ``log_sd`` of the dose in equivalents a day, cut at ``low`` and
    ``high``; median and log sd of the days of use.
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
    """Margins and correlations of the sampled attributes. Source of the defaults: docs/cohort.md.

    ``moments`` holds (mean, sd, low, high) on the instrument's own scale; ``correlation`` is between them in that
    order, of the normals behind them.
    """

    moments: Mapping[str, tuple[float, float, float, float]]
    correlation: Floats
    shares: Mapping[str, float]
    failed_tapers_mean: float
    modality: tuple[float, float, float]


#: 21,658 people of the CHOIR registry (Alter 2021, PLoS ONE, data S1): means, sds and Pearson correlations.
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
        "ptsd": 0.10, "oud": 0.06, "earlier_overdose": 0.02, "earlier_seizure": 0.01, "sleep_apnoea": 0.20,
        "renal_impairment": 0.10, "pregnant": 0.0, "naloxone_at_home": 0.5, "agreed": 1.0, "imposed": 0.0,
        "female": 0.605, "broadband": 0.85, "device": 0.95, "transport": 0.9, "language_match": 0.93,
        "literacy": 0.88, "caregiver": 0.4, "peer_support": 0.1,
    },
    failed_tapers_mean=0.4,
    modality=(0.7, 0.2, 0.1),
)  # fmt: skip

# PROMIS T-scores onto the model's scales. PHQ-9 crosswalk: Choi 2014 (PROsetta), sleep onto ISI: assumption A16.
_DEPRESSION_T = np.array([34.0, 44.0, 52.5, 59.9, 66.0, 72.0, 85.0])
_DEPRESSION_PHQ9 = np.array([0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 27.0])
_SLEEP_T = np.array([26.0, 40.0, 50.0, 60.0, 70.0, 84.0])
_SLEEP_ISI = np.array([0.0, 3.0, 8.0, 15.0, 22.0, 28.0])
_MOOD_DISORDER_T = 60.0


def distress_of_promis(t_score: Floats) -> Floats:
    """Distress M, 0 to 1, of a PROMIS depression T-score (by the PHQ-9 crosswalk, PHQ-9 = 27 M)."""
    return np.interp(t_score, _DEPRESSION_T, _DEPRESSION_PHQ9) / 27.0


def insomnia_of_promis(t_score: Floats) -> Floats:
    """Insomnia I, 0 to 1, of a PROMIS sleep-disturbance T-score (ISI = 28 I)."""
    return np.interp(t_score, _SLEEP_T, _SLEEP_ISI) / 28.0


def function_of_promis(t_score: Floats) -> Floats:
    """Function U, 0 to 100, of a PROMIS physical-function T-score: 15 to 70 stretched over the scale."""
    return np.clip((np.asarray(t_score) - 15.0) / 55.0 * 100.0, 0.0, 100.0)


def sample(
    n: int, seed: int, classes: Mapping[DrugClass, ClassMargin], margins: Margins = CHOIR, description: str = ""
) -> Cohort:
    """Sample n patients.

    Parameters
    ----------
    n : int
        Number of patients; patient k is the same whatever n is.
    seed : int
        Seed of the run.
    classes : mapping of drug class to ClassMargin
        Medicines.
    margins : Margins
        Everything else.
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
    flags["mood_disorder"] = scores["promis_depression"] >= _MOOD_DISORDER_T
    extra = rng.person_normals(seed, keys, 3, first_call=20)
    baseline = {
        "pain": np.round(scores["pain_nrs"]),
        "distress": distress_of_promis(scores["promis_depression"]),
        "insomnia": insomnia_of_promis(scores["promis_sleep"]),
        "function": function_of_promis(scores["promis_pf"]),
        "engagement": np.clip(0.8 + 0.1 * extra[:, 0], 0.2, 1.0),
        "craving": np.clip(0.1 * np.exp(0.8 * extra[:, 1]) * np.where(flags["oud"], 2.0, 1.0), 0.0, 1.0),
        "sows_gossop": np.minimum(2.5 * np.exp(0.5 * extra[:, 2]), 30.0),
    }
    people = without_drugs(
        ids, keys, baseline, flags=flags,
        failed_tapers=_poisson(u[:, len(FLAGS)], margins.failed_tapers_mean),
        age=scores["age"],
        modality=np.searchsorted(np.cumsum(margins.modality)[:-1], u[:, len(FLAGS) + 1], side="right"),
        description=description,
    )  # fmt: skip
    return sample_drugs(people, seed, classes)


def without_drugs(
    ids: tuple[str, ...], keys: NDArray[np.uint64], baseline: Mapping[str, Floats], *, flags: Mapping[str, Bools],
    failed_tapers: Floats, age: Floats, modality: NDArray[np.int64], description: str,
) -> Cohort:  # fmt: skip
    """A cohort that takes nothing yet, everybody with a spread."""
    n = len(ids)
    zeros = np.zeros((n, 3))
    return Cohort(
        ids=ids, keys=keys, drugs=(), slot_drug=np.full((n, 0), -1), slot_dose=np.zeros((n, 0)),
        slot_times=np.ones((n, 0), dtype=np.int64), dose=zeros, use_days=np.full((n, 3), MEDIAN_USE_DAYS),
        half_life_h=zeros + 24.0, trough_mean=zeros + 0.5, buprenorphine=np.zeros(n, dtype=bool), baseline=baseline,
        flags=flags, failed_tapers=failed_tapers, age=age, modality=modality,
        care=np.zeros((n, len(DISCIPLINES))), description=description,
    )  # fmt: skip


def _poisson(u: Floats, mean: float) -> Floats:
    """Poisson numbers by inversion, at most 10."""
    k = np.arange(11)
    terms = np.exp(-mean) * np.cumprod(np.concatenate(([1.0], np.full(10, mean) / k[1:])))
    return np.searchsorted(np.cumsum(terms), u).clip(max=10).astype(np.float64)


def sample_drugs(cohort: Cohort, seed: int, classes: Mapping[DrugClass, ClassMargin]) -> Cohort:
    """Add sampled drugs, one slot a class: whether, which, how much, since when.

    A dose is what can be dispensed of the drug nearest to the one drawn, and never 0.
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
        wanted = np.clip(margin.median * np.exp(margin.log_sd * z[:, 0]), margin.low, margin.high)
        shares = np.cumsum([entry.share for entry in margin.mix])
        which = np.searchsorted(shares / shares[-1], u[:, 1], side="right").clip(max=len(margin.mix) - 1)
        drug_of, dose_of, times_of = np.full(n, -1), np.zeros(n), np.ones(n, dtype=np.int64)
        for number, entry in enumerate(margin.mix):
            who = takes & (which == number)
            drug, times = entry.drug, administrations(entry.drug, entry.interval_h)
            if drug not in drugs:
                drugs.append(drug)
            own = from_equivalents(drug, wanted[who], formulary.absorption(), times)
            top = float(from_equivalents(drug, margin.high, formulary.absorption(), times))
            totals = dispensable_totals(drug, times, max(top, drug.smallest_step * times))
            made = round_to_dispensable(own, np.full_like(own, 2.0 * top), totals)
            drug_of[who], times_of[who] = drugs.index(drug), times
            dose_of[who] = np.maximum(made, totals[1])
        use_days[:, k] = np.maximum(1.0, margin.use_days_median * np.exp(margin.use_days_log_sd * z[:, 1]))
        slot_drug.append(drug_of)
        slot_dose.append(dose_of)
        slot_times.append(times_of)
    return with_doses(
        replace(
            cohort, drugs=tuple(drugs), use_days=use_days, slot_drug=np.stack(slot_drug, axis=1),
            slot_dose=np.stack(slot_dose, axis=1), slot_times=np.stack(slot_times, axis=1),
        )
    )  # fmt: skip


# -- read --------------------------------------------------------------------------------------------------------------

_TRUE_BY_DEFAULT = ("agreed", "broadband", "device", "transport", "language_match", "literacy")
_PROMIS = {"promis_pf": "function", "promis_depression": "distress", "promis_sleep": "insomnia"}


def from_table(table: PatientTable, description: str) -> Cohort:
    """A cohort of a patients file, still without drugs; what a file is silent about is the median person's."""
    n = len(table.ids)
    columns = dict(table.numbers)
    for t_score, convert in (
        ("promis_pf", function_of_promis), ("promis_depression", distress_of_promis),
        ("promis_sleep", insomnia_of_promis),
    ):  # fmt: skip
        if t_score in columns:
            columns.setdefault(_PROMIS[t_score], convert(columns[t_score]))
    median = Baseline()
    flags = {
        name: np.array(table.booleans.get(name, np.full(n, name in _TRUE_BY_DEFAULT)), dtype=bool) for name in FLAGS
    }
    if "mood_disorder" not in table.booleans and "promis_depression" in columns:
        flags["mood_disorder"] = columns["promis_depression"] >= _MOOD_DISORDER_T
    cohort = without_drugs(
        table.ids,
        np.array([rng.patient_key(patient_id) for patient_id in table.ids], dtype=np.uint64),
        {name: columns.get(name, np.full(n, getattr(median, name))) for name in BASELINE_LIMITS},
        flags=flags,
        failed_tapers=columns.get("failed_tapers", np.zeros(n)),
        age=columns.get("age", np.full(n, 55.0)),
        modality=np.zeros(n, dtype=np.int64),
        description=description,
    )
    use_days = cohort.use_days.copy()
    for k, drug_class in enumerate(DRUG_CLASSES):
        if f"use_days_{drug_class}" in columns:
            use_days[:, k] = columns[f"use_days_{drug_class}"]
    return replace(cohort, use_days=use_days)


def with_drugs(cohort: Cohort, drug_rows: Sequence[DrugRow]) -> Cohort:
    """Give each patient the drugs of a drugs file."""
    row_of = {patient_id: row for row, patient_id in enumerate(cohort.ids)}
    drugs = tuple(dict.fromkeys(item.drug for item in drug_rows))
    number = {drug: k for k, drug in enumerate(drugs)}
    used = np.zeros(len(cohort), dtype=np.int64)
    n_slots = max(np.unique([row_of[item.patient_id] for item in drug_rows], return_counts=True)[1])
    slot_drug = np.full((len(cohort), n_slots), -1)
    slot_dose, slot_times = np.zeros((len(cohort), n_slots)), np.ones((len(cohort), n_slots), dtype=np.int64)
    for item in drug_rows:
        row = row_of[item.patient_id]
        slot_drug[row, used[row]] = number[item.drug]
        slot_dose[row, used[row]], slot_times[row, used[row]] = item.dose, item.times
        used[row] += 1
    return with_doses(replace(cohort, drugs=drugs, slot_drug=slot_drug, slot_dose=slot_dose, slot_times=slot_times))
