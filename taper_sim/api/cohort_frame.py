"""A cohort as a table with units in the column names. Imports ``simulation.cohort``, ``data``, ``units``."""

from typing import Final

import numpy as np
import pandas as pd

from taper_sim.simulation.cohort import FLAGS, MODALITIES, Cohort
from taper_sim.units import DRUG_CLASSES

#: Columns of the baseline assessment: name in a patients file, name in the table.
BASELINE_COLUMNS: Final = {
    "pain": "pain_nrs_at_start",
    "distress": "distress_0_1_at_start",
    "insomnia": "insomnia_0_1_at_start",
    "function": "function_0_100_at_start",
    "engagement": "engagement_0_1_at_start",
    "craving": "craving_0_1_at_start",
    "sows_gossop": "sows_gossop_at_start",
}


def cohort_frame(cohort: Cohort) -> pd.DataFrame:
    """Table of a cohort, a row a person: drugs and doses of each class in use, age, baseline, flags.

    Returns
    -------
    DataFrame, (n, columns)
        ``…_mg_per_day`` is in mg of the person's own drug (missing for a patch, which has ``…_mcg_per_h``, and for two
        drugs of one class), ``…_mme_per_day`` in the class's equivalents: oral morphine, diazepam or pregabalin, mg a
        day (missing for buprenorphine, which has none).
    """
    columns: dict[str, object] = {"patient_id": list(cohort.ids), "age_years": cohort.age}
    for k, drug_class in enumerate(DRUG_CLASSES):
        if cohort.taken[:, k].any():
            columns |= _drug_columns(cohort, k, drug_class)
    columns |= {name: cohort.baseline[ours] for ours, name in BASELINE_COLUMNS.items()}
    columns["failed_tapers"] = cohort.failed_tapers.astype(np.int64)
    columns |= {name: cohort.flags[name] for name in FLAGS}
    columns["modality"] = np.array(MODALITIES)[cohort.modality]
    return pd.DataFrame(columns)


def _drug_columns(cohort: Cohort, k: int, drug_class: str) -> dict[str, object]:
    n = len(cohort)
    names = np.full(n, "", dtype=object)
    count, mg, rate = np.zeros(n), np.zeros(n), np.zeros(n)
    patch = np.zeros(n, dtype=bool)
    for slot in range(cohort.slot_drug.shape[1]):
        for number, drug in enumerate(cohort.drugs):
            who = (cohort.slot_drug[:, slot] == number) & (cohort.slot_dose[:, slot] > 0)
            if drug.drug_class != drug_class or not who.any():
                continue
            names[who] = np.where(names[who] == "", " ".join(drug.key), names[who] + " + " + " ".join(drug.key))
            count += who
            patch |= who & drug.is_patch
            (rate if drug.is_patch else mg)[who] += cohort.slot_dose[who, slot]
    single = count == 1
    taken = cohort.taken[:, k]
    columns: dict[str, object] = {
        f"{drug_class}_drug": names,
        f"{drug_class}_mg_per_day": np.where(taken & (~single | patch), np.nan, mg),
    }
    if patch.any():
        columns[f"{drug_class}_mcg_per_h"] = np.where(single & patch, rate, np.nan)
    own_scale = cohort.buprenorphine & (k == 0)
    columns[f"{drug_class}_mme_per_day"] = np.where(own_scale, np.nan, cohort.dose[:, k])
    columns[f"{drug_class}_use_days"] = np.where(taken, cohort.use_days[:, k], np.nan)
    return columns
