"""Visits at the patient's home: how far it is, and which barriers then count. Imports ``rng``, ``cohort``.

In a clinic that goes to its patients a visit in person costs whoever goes the way there and back, and nobody lacks
transport. In one to which they come the way is theirs: those without transport miss more visits (the model's barrier).
"""

from dataclasses import dataclass
from math import log1p, sqrt

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.cohort import MODALITIES, Cohort

Floats = NDArray[np.float64]
VIDEO, PHONE, IN_PERSON = (MODALITIES.index(name) for name in ("video", "phone", "in_person"))
SPREAD = 0.7
"""Coefficient of variation of the way between patients (log-normal). Source: assumption A52."""
_CALL = 960  # of the generator: how far away a patient lives


@dataclass(frozen=True)
class HomeVisits:
    """A clinic that goes to its patients.

    Attributes
    ----------
    travel_min : float
        Mean minutes one way.
    """

    travel_min: float

    def there_and_back_min(self, cohort: Cohort, seed: int) -> Floats:
        """Minutes on the way of a visit to each patient, (n,): each lives somewhere, and stays there."""
        w = rng.words(seed, cohort.keys, 0, _CALL)
        z, _ = rng.normal_pair(w[0], w[1])
        sd = sqrt(log1p(SPREAD**2))
        return np.asarray(2.0 * self.travel_min * np.exp(sd * z - sd**2 / 2.0))


def barriers(cohort: Cohort, modality: NDArray[np.int64], home: HomeVisits | None) -> Floats:
    """Barriers to a visit of a modality that the clinic decides about, counted, (n,): broadband, transport."""
    no_way = (modality == IN_PERSON) & ~cohort.flags["transport"] & (home is None)
    return np.asarray(1.0 * ((modality == VIDEO) & ~cohort.flags["broadband"]) + no_way)
