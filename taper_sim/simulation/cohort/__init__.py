"""Who the patients are: sampled, or read. Imports ``data``, ``tables``, ``model`` and below.

``arrays`` holds a cohort and each person's own parameters, ``sampled`` draws people, ``read`` takes them from files.
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
