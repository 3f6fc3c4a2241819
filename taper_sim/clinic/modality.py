"""Modality of visits: minutes of a visit, travel time, barriers to attendance. Imports ``rng``, ``work``, ``cohort``.

With home visits staff travel to each visit in person, and lack of transport is no barrier. Otherwise patients travel:
those without transport miss more visits (the model's barrier).
"""

from dataclasses import dataclass
from math import log1p, sqrt

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Floats, Ints
from taper_sim.clinic import work
from taper_sim.simulation.cohort import MODALITIES, Cohort

VIDEO, PHONE, IN_PERSON = (MODALITIES.index(name) for name in ("video", "phone", "in_person"))
TRAVEL_CV = 0.7
"""Coefficient of variation of travel time between patients (log-normal). Source: assumption A52."""
_CALL = 960  # call of the random generator: a patient's travel time


@dataclass(frozen=True)
class HomeVisits:
    """Home visits by staff.

    Attributes
    ----------
    travel_min : float
        Mean travel time one way, minutes.
    """

    travel_min: float

    def there_and_back_min(self, cohort: Cohort, seed: int) -> Floats:
        """Travel time to each patient and back, minutes, (n,); constant over a patient's visits."""
        w = rng.words(seed, cohort.keys, 0, _CALL)
        z, _ = rng.normal_pair(w[0], w[1])
        sd = sqrt(log1p(TRAVEL_CV**2))
        return np.asarray(2.0 * self.travel_min * np.exp(sd * z - sd**2 / 2.0))


@dataclass(frozen=True)
class VisitMinutes:
    """Minutes of visits relative to a video visit in a shared language, by patient.

    Attributes
    ----------
    factor : ndarray, (n,)
        Factor on the minutes of a video visit: below 1 by telephone, above 1 with an interpreter.
    rooming : ndarray, (n,)
        Additional minutes with the patient.
    travel : ndarray, (n,)
        Travel time of staff there and back, minutes.
    """

    factor: Floats
    rooming: Floats
    travel: Floats

    def with_patient(self, video_min: float, rows: int | slice = slice(None)) -> Floats:
        """Minutes with a patient who attends; by default of every patient, (n,)."""
        return np.asarray(self.factor[rows] * video_min + self.rooming[rows])

    def expected(self, video_min: float, missed: Floats) -> Floats:
        """Mean staff minutes of a visit, (n,), given the share of missed visits, (n,)."""
        return (1.0 - missed) * self.with_patient(video_min) + missed * work.NO_SHOW_MIN + self.travel


def visit_minutes(cohort: Cohort, modality: Ints, travel: Floats | None) -> VisitMinutes:
    """Minutes of visits by modality (:data:`MODALITIES`), (n,).

    Parameters
    ----------
    cohort : Cohort
    modality : ndarray of int, (n,)
    travel : ndarray, (n,) or None
        Travel time there and back, minutes, of home visits; None: visits in person are in the clinic.
    """
    in_person = modality == IN_PERSON
    interpreted = np.where(cohort.flags["language_match"], 1.0, work.INTERPRETED)
    roomed = np.where(in_person & (travel is None), work.IN_PERSON_MORE_MIN, 0.0)
    factor = np.where(modality == PHONE, work.PHONE_SHARE, 1.0) * interpreted
    return VisitMinutes(factor, roomed * interpreted, np.where(in_person, 0.0 if travel is None else travel, 0.0))


def barriers(cohort: Cohort, modality: Ints, home: HomeVisits | None) -> Floats:
    """Number of barriers to a visit of a modality, (n,): no broadband (video), no transport (in person)."""
    no_transport = (modality == IN_PERSON) & ~cohort.flags["transport"] & (home is None)
    return np.asarray(1.0 * ((modality == VIDEO) & ~cohort.flags["broadband"]) + no_transport)
