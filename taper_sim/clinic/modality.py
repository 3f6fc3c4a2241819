"""How staff and patient meet: minutes of a visit, the way, what keeps a patient from coming. Imports ``cohort``.

In a clinic that goes to its patients a visit in person costs whoever goes the way there and back, and nobody lacks
transport. In one to which they come the way is theirs: those without transport miss more visits (the model's barrier).
"""

from dataclasses import dataclass
from math import log1p, sqrt

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Floats, Ints
from taper_sim.clinic import work
from taper_sim.simulation.cohort import MODALITIES, Cohort

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


@dataclass(frozen=True)
class VisitMinutes:
    """Minutes of a visit that takes so many by video in a shared language, by patient.

    Attributes
    ----------
    factor : ndarray, (n,)
        Shorter by telephone, longer with an interpreter.
    more : ndarray, (n,)
        Minutes on top with the patient.
    way : ndarray, (n,)
        Minutes there and back of whoever goes.
    """

    factor: Floats
    more: Floats
    way: Floats

    def with_patient(self, video_min: float, who: int | slice = slice(None)) -> Floats:
        """Minutes with one patient who is there, or with each."""
        return np.asarray(self.factor[who] * video_min + self.more[who])

    def expected(self, video_min: float, missed: Floats) -> Floats:
        """Mean minutes of whoever sees the patients, (n,), where so many of their visits (shares) are missed."""
        return (1.0 - missed) * self.with_patient(video_min) + missed * work.NO_SHOW_MIN + self.way


def visit_minutes(cohort: Cohort, modality: Ints, way: Floats | None) -> VisitMinutes:
    """Minutes of visits that happen so (:data:`MODALITIES`), (n,).

    Parameters
    ----------
    cohort : Cohort
    modality : ndarray of int, (n,)
    way : ndarray, (n,) or None
        Minutes there and back where visits in person are at the patient's home; None: they are in the clinic.
    """
    in_person = modality == IN_PERSON
    interpreted = np.where(cohort.flags["language_match"], 1.0, work.INTERPRETED)
    roomed = np.where(in_person & (way is None), work.IN_PERSON_MORE_MIN, 0.0)
    factor = np.where(modality == PHONE, work.PHONE_SHARE, 1.0) * interpreted
    return VisitMinutes(factor, roomed * interpreted, np.where(in_person, 0.0 if way is None else way, 0.0))


def barriers(cohort: Cohort, modality: Ints, home: HomeVisits | None) -> Floats:
    """Barriers to a visit of a modality that the clinic decides about, counted, (n,): broadband, transport."""
    no_way = (modality == IN_PERSON) & ~cohort.flags["transport"] & (home is None)
    return np.asarray(1.0 * ((modality == VIDEO) & ~cohort.flags["broadband"]) + no_way)
