"""Latent states of one patient by day, from the reference model. Imports ``cohort``, ``layout``, ``model``."""

import numpy as np
import pandas as pd

from taper_sim.model import reference
from taper_sim.model.parameters import BASELINE_LIMITS
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble
from taper_sim.simulation.layout import reference_person, values_of
from taper_sim.units import DRUG_CLASSES

_CLASS_COLUMNS = (
    ("level", "G"),
    ("occupancy", "E"),
    ("fast", "F"),
    ("slow", "L"),
    ("tolerance", "A"),
    ("drive", "drive"),
    ("withdrawal", "W"),
)
_PERSON_COLUMNS = (
    ("withdrawal", "withdrawal"),
    ("pain", "P"),
    ("distress", "M"),
    ("insomnia", "I"),
    ("function", "U"),
    ("engagement", "N"),
    ("craving", "C"),
    ("expectation", "X"),
    ("resp_tolerance", "R"),
)


def trace(cohort: Cohort, ensemble: Ensemble, doses: np.ndarray, seed: int) -> pd.DataFrame:
    """Simulate the first patient of a cohort without random events.

    Parameters
    ----------
    cohort : Cohort
        One patient.
    ensemble : Ensemble
        One draw.
    doses : ndarray, (n_days + 1, 3)
        Equivalents a day, by day and class; row 0 is the start.
    seed : int
        Seed of the run (the median patient has no between-patient variation and does not use it).

    Returns
    -------
    DataFrame
        Row d holds the state at the end of day d, row 0 the start; columns as in docs/how-to/trace.md, unrounded.
    """
    person = reference_person(cohort, values_of(cohort, ensemble, seed), ensemble, seed)
    states = [reference.start(person, doses[:1])]
    for day in range(1, len(doses)):
        states.append(reference.day(person, states[-1], doses[day : day + 1], cohort.care))
    table: dict[str, np.ndarray] = {"day": np.arange(len(doses))}
    for k, drug_class in enumerate(DRUG_CLASSES):
        table[f"dose_{drug_class}"] = doses[:, k]

    def read(name: str) -> np.ndarray:
        return np.array([getattr(state, name)[0] for state in states])

    for k, drug_class in enumerate(DRUG_CLASSES):
        if cohort.taken[0, k]:
            for column, name in _CLASS_COLUMNS:
                table[f"{column}_{drug_class}"] = read(name)[:, k]
    for column, name in _PERSON_COLUMNS:
        table[column] = read(name) if column != "resp_tolerance" or cohort.taken[0, 0] else np.zeros(len(doses))
        if column in BASELINE_LIMITS:
            table[column] = reference.within(column, table[column])
    return pd.DataFrame(table)
