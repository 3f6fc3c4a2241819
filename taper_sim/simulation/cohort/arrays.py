"""The arrays of a cohort, and the patients' individual parameters. Imports ``data``, ``model`` and below."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.data import formulary
from taper_sim.data.patients import BOOLEANS
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.model.parameters import BY_SYMBOL, DISCIPLINES, FAILED_TAPERS_COUNTED, MEDIAN_USE_DAYS, individual_value
from taper_sim.model.pharmacology import Drug, to_equivalents, within_day_shape
from taper_sim.units import DRUG_CLASSES

#: Risk flags, answers and access of a patient, named as the columns of a patients file.
FLAGS: Final = BOOLEANS

#: Symbols that vary between patients, in the order of the columns of standard normals (append new symbols).
VARYING: Final[tuple[tuple[str, int], ...]] = (
    *((symbol, k) for symbol in ("EC50", "tau_F", "tau_L", "sigma", "b") for k in range(3)),
    ("xi", 0),
    ("noise", 0),
    ("steps_0", 0),
    *(("beta", k) for k in range(3)),
    ("tau_X", 0),
    ("life", 0),
)

_FIRST_CALL_VARYING = 100  # generator calls below this one sample the patient's attributes


@dataclass(frozen=True)
class Cohort:
    """Patients as arrays, one row each.

    Attributes
    ----------
    ids : tuple of str
        Patient ids as given.
    keys : ndarray of uint64, (n,)
        Key of each patient for the random number generator.
    drugs : tuple of Drug
        Every drug that a patient of the cohort takes.
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
        Values of the formulation; with two drugs in a class, of the drug with more equivalents (assumption A15).
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
        Index into :data:`taper_sim.data.patients.MODALITIES`.
    fixed : dict of str to ndarray, (n,) or (n, 3)
        Parameters fixed for a patient, NaN where free.
    care : ndarray, (n, 6)
        Care delivered ÷ planned, if the patient's file fixes it, else 0.
    spread : bool
        Whether parameters vary between patients. If False, every patient has the median values, except for ``fixed``.
    description : str
        Origin of the cohort, in words.
    """

    ids: tuple[str, ...]
    keys: NDArray[np.uint64]
    drugs: tuple[Drug, ...]
    slot_drug: Ints
    slot_dose: Floats
    slot_times: Ints
    dose: Floats
    use_days: Floats
    half_life_h: Floats
    trough_mean: Floats
    buprenorphine: Bools
    baseline: Mapping[str, Floats]
    flags: Mapping[str, Bools]
    failed_tapers: Floats
    age: Floats
    modality: Ints
    fixed: Mapping[str, Floats] = field(default_factory=dict)
    care: Floats = field(default_factory=lambda: np.zeros((0, len(DISCIPLINES))))
    spread: bool = True
    description: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def taken(self) -> Bools:
        """Whether each patient takes each class, (n, 3): dose above 0 on day 0."""
        return self.dose > 0

    def take(self, index: Any) -> "Cohort":
        """The cohort restricted to the patients of an index (slice, positions or mask)."""
        positions = np.arange(len(self))[index]

        def rows_of(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: array[positions] for name, array in value.items()}
            return value[positions] if isinstance(value, np.ndarray) and len(value) == len(self) else value

        changed = {f.name: rows_of(getattr(self, f.name)) for f in fields(self) if f.name != "ids"}
        return replace(self, ids=tuple(self.ids[k] for k in positions), **changed)


def with_doses(cohort: Cohort) -> Cohort:
    """Derive from the slots: equivalents, values of the formulation, buprenorphine."""
    n, n_slots = cohort.slot_drug.shape
    dose, largest = np.zeros((n, 3)), np.zeros((n, 3))
    half_life = np.full((n, 3), 24.0)
    trough = np.full((n, 3), 0.5)
    buprenorphine = np.zeros(n, dtype=bool)
    for slot in range(n_slots):
        for number, drug in enumerate(cohort.drugs):
            k = DRUG_CLASSES.index(drug.drug_class)
            for times in np.unique(cohort.slot_times[cohort.slot_drug[:, slot] == number, slot]):
                takers = (cohort.slot_drug[:, slot] == number) & (cohort.slot_times[:, slot] == times)
                amount = to_equivalents(drug, cohort.slot_dose[takers, slot], formulary.absorption(), int(times))
                dose[takers, k] += amount
                largest_takers = np.flatnonzero(takers)[amount > largest[takers, k]]
                largest[largest_takers, k] = amount[amount > largest[takers, k]]
                half_life[largest_takers, k], trough[largest_takers, k] = drug.effect_half_life_h, drug.trough_mean
                if drug.is_buprenorphine:
                    buprenorphine |= takers & (cohort.slot_dose[:, slot] > 0)
    return replace(cohort, dose=dose, half_life_h=half_life, trough_mean=trough, buprenorphine=buprenorphine)


# -- individual parameters ---------------------------------------------------------------------------------------------


def individual(cohort: Cohort, centres: Mapping[str, Floats], seed: int) -> dict[str, Floats]:
    """Individual parameters: centre of the draw, variation between patients, earlier failed tapers, fixed values.

    Parameters
    ----------
    cohort : Cohort
        n patients.
    centres : mapping of symbol to ndarray
        Centres for each patient: (n, 3) for symbols with one value per class, (n,) for the others; see
        ``simulation.ensemble.Ensemble.of``.
    seed : int
        Seed of the run.

    Returns
    -------
    dict of str to ndarray
        The same symbols with each patient's value; ``sigma`` includes the factor for failed tapers.
    """
    values = {symbol: np.array(centre, dtype=np.float64) for symbol, centre in centres.items()}
    z = np.zeros((len(cohort), len(VARYING)))
    if cohort.spread:
        z = rng.person_normals(seed, cohort.keys, len(VARYING), first_call=_FIRST_CALL_VARYING)
    for column, (symbol, k) in enumerate(VARYING):
        parameter = BY_SYMBOL.get(symbol) or CHANCE_BY_SYMBOL[symbol]
        sd = parameter.between_people(DRUG_CLASSES[k] if parameter.per_class else None)
        at = (slice(None), k) if parameter.per_class else slice(None)
        values[symbol][at] = individual_value(parameter.scale, values[symbol][at], sd, z[:, column])
    values["s0"] = np.array(cohort.baseline["sows_gossop"])
    counted = np.minimum(cohort.failed_tapers, FAILED_TAPERS_COUNTED)
    values["sigma"] *= (values["sigma_failed"] ** counted)[:, None]
    for symbol, fixed in cohort.fixed.items():
        if symbol in values:
            values[symbol] = np.where(np.isnan(fixed), values[symbol], fixed)
    return values


def shapes(cohort: Cohort) -> Floats:
    """Within-day shapes ``s_j``, (n, 3, 4), solved once for each distinct trough."""
    troughs, inverse = np.unique(fixed_or(cohort, "trough_mean", cohort.trough_mean), return_inverse=True)
    solved = np.array([within_day_shape(float(trough)) for trough in troughs])
    return solved[inverse].reshape(*cohort.trough_mean.shape, 4)


def fixed_or(cohort: Cohort, symbol: str, value: Floats) -> Floats:
    """The value that the patient's file fixes; where it fixes none, ``value``."""
    fixed = cohort.fixed.get(symbol)
    return value if fixed is None else np.where(np.isnan(fixed), value, fixed)


def without_drugs(
    ids: tuple[str, ...],
    keys: NDArray[np.uint64],
    baseline: Mapping[str, Floats],
    *,
    flags: Mapping[str, Bools],
    failed_tapers: Floats,
    age: Floats,
    modality: Ints,
    description: str,
) -> Cohort:
    """A cohort without drugs; parameters vary between patients."""
    n = len(ids)
    zeros = np.zeros((n, 3))
    return Cohort(
        ids=ids,
        keys=keys,
        drugs=(),
        slot_drug=np.full((n, 0), -1),
        slot_dose=np.zeros((n, 0)),
        slot_times=np.ones((n, 0), dtype=np.int64),
        dose=zeros,
        use_days=np.full((n, 3), MEDIAN_USE_DAYS),
        half_life_h=zeros + 24.0,
        trough_mean=zeros + 0.5,
        buprenorphine=np.zeros(n, dtype=bool),
        baseline=baseline,
        flags=flags,
        failed_tapers=failed_tapers,
        age=age,
        modality=modality,
        care=np.zeros((n, len(DISCIPLINES))),
        description=description,
    )
