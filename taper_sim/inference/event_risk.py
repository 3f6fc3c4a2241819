"""Parameters of the events (crisis, overdose, lapse …) of a person for a roll-out. Imports ``simulation``, ``safety``.

Risk factors come from the patient's file and from answers, whichever knows of one.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from taper_sim import tables
from taper_sim.array_types import Floats
from taper_sim.data.drugs_taken import DrugsTaken
from taper_sim.data.patient import Access, BaselineEntry, DrugEntry, Patient, Risk
from taper_sim.inference.event_columns import EVENT_COEFFICIENTS, FIXED_OVERDOSE
from taper_sim.safety.red_flags import true_rows
from taper_sim.safety.variables import Values
from taper_sim.simulation.cohort import Cohort, from_patients
from taper_sim.simulation.ensemble import ENSEMBLE_DRAWS, drawn_from
from taper_sim.simulation.layout import log_hazards
from taper_sim.units import DRAWS_FROM

_HAZARDS: Final = ("dropout", "return", "lapse", "crisis", "overdose", "seizure")  # order of ``layout.log_hazards``
_IMPAIRED_ML_MIN: Final = 60.0  # risk_factors.csv, renal_impairment
_DEPRESSED_PHQ9: Final = 10.0  # risk_factors.csv, mood_disorder
_MOST_LAPSE_MORE: Final = 0.9  # largest share of lapses above the baseline dose: some stay below it

#: Variables that set a risk flag if there is no patient file: the flag, and the least value that sets it.
_RISKS = {
    "oud_criteria_count": ("oud", 2.0),
    "overdose_history": ("earlier_overdose", 1.0),
    "seizure_history": ("earlier_seizure", 1.0),
    "osa": ("sleep_apnoea", 1.0),
}


def simulated_patient(
    slots: DrugsTaken, patient: Patient | None, known: Mapping[str, float | None], patient_id: str
) -> Patient:
    """Input of the simulator: the patient's file if there is one, the drugs, and the risks that answers report."""
    drugs = tuple(
        DrugEntry(
            drug=slot.drug.drug,
            formulation=slot.drug.formulation,
            **{"dose_mcg_per_h" if slot.drug.is_patch else "dose_mg_per_day": slot.dose},
        )
        for slot in slots
    )
    risk = {flag: True for name, (flag, least) in _RISKS.items() if (known.get(name) or 0.0) >= least}
    clearances = [rate for name in ("egfr", "crcl") if (rate := known.get(name)) is not None]
    if any(rate < _IMPAIRED_ML_MIN for rate in clearances):
        risk["renal_impairment"] = True
    if (known.get("phq9") or 0.0) >= _DEPRESSED_PHQ9:
        risk["mood_disorder"] = True
    if patient is not None:
        age = patient.age if "age" in patient.model_fields_set else known.get("age") or patient.age
        told = {"risk": patient.risk.model_copy(update=risk), "age": age}
        return patient.model_copy(update={**told, "drugs": drugs, "schedule": None, "parameters": {}})
    names = {row["name"] for row in tables.read("variables").rows}
    answers = {name: value for name, value in known.items() if value is not None and name == "naloxone_at_home"}
    return Patient(
        id=patient_id[:200] or "patient",
        drugs=drugs,
        age=known.get("age") or 55.0,
        risk=Risk(**risk),
        baseline=BaselineEntry(),
        access=Access(),
        answers={k: v for k, v in answers.items() if k in names},
    )


_draws = lru_cache(maxsize=4)(drawn_from)  # every patient of a run shares them


def overdose_ratio(values: Values) -> float:
    """Ratio of the overdose rate by the rows of risk_factors.csv whose rule is true for one patient; 1 without any.

    The factors that the simulator holds as flags have no ratio in the table. Source: A91.
    """
    ratios = [row.row["overdose_ratio"] for row in true_rows("risk_factors", "factor", values)]
    return math.prod(float(ratio) for ratio in ratios if ratio)


def event_draws(patient: Patient, seed: int, n_draws: int = ENSEMBLE_DRAWS, ratio: float = 1.0) -> Floats:
    """Event parameters of one person at draws of the parameters, (n_draws, N_EVENTS).

    Parameters
    ----------
    patient : Patient
        From :func:`simulated_patient`.
    seed : int
    n_draws : int
    ratio : float
        Factor on the overdose rate, from :func:`overdose_ratio`.
    """
    cohort = from_patients([patient]).take(np.zeros(n_draws, dtype=np.int64))
    ensemble = _draws(DRAWS_FROM, seed, n_draws)
    v = ensemble.of(np.arange(n_draws))
    events = event_matrix(cohort, v)
    events[:, FIXED_OVERDOSE] += math.log(ratio)
    return events


def event_matrix(cohort: Cohort, v: Mapping[str, Floats]) -> Floats:
    """Event parameters of n people in the layout of the roll-out, (n, N_EVENTS).

    Parameters
    ----------
    cohort : Cohort
        n people.
    v : mapping of str to ndarray (n,)
        Values of the model's parameters for each, from ``Ensemble.of``.
    """
    hazards = dict(zip(_HAZARDS, log_hazards(cohort, v), strict=False))
    lapse_more = v["lapse_more"] * np.where(cohort.flags["oud"], v["lapse_more_oud"], 1.0)
    columns = [v[symbol] for symbol in EVENT_COEFFICIENTS]
    columns += [hazards[event] for event in _HAZARDS[1:]]
    columns += [v["excess_apnoea"] * cohort.flags["sleep_apnoea"], np.minimum(lapse_more, _MOST_LAPSE_MORE)]
    return np.stack(columns, axis=1)
