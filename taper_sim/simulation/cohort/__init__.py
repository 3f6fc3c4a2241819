"""The cohort of patients: sampled, or read from files. Imports ``data``, ``tables``, ``model`` and below.

``arrays`` holds a cohort and the patients' individual parameters, ``sampled`` draws patients, ``read`` builds a cohort
from files.
"""

from taper_sim.data.patients import MODALITIES
from taper_sim.simulation.cohort.arrays import FLAGS, Cohort, fixed_or, individual, shapes, with_doses
from taper_sim.simulation.cohort.read import from_patients, from_table, with_drugs
from taper_sim.simulation.cohort.sampled import (
    CHOIR,
    ClassMargin,
    DrugShare,
    Margins,
    distress_of_promis,
    function_of_promis,
    insomnia_of_promis,
    sample,
    sample_drugs,
)

__all__ = [
    "CHOIR",
    "FLAGS",
    "MODALITIES",
    "ClassMargin",
    "Cohort",
    "DrugShare",
    "Margins",
    "distress_of_promis",
    "fixed_or",
    "from_patients",
    "from_table",
    "function_of_promis",
    "individual",
    "insomnia_of_promis",
    "sample",
    "sample_drugs",
    "shapes",
    "with_doses",
    "with_drugs",
]
