"""Conversion of ordered shares of the original dose to marketed tablets. Imports ``cohort``, ``data``, ``model``."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from taper_sim.array_types import Floats, Ints
from taper_sim.data import formulary
from taper_sim.model.event_parameters import PRACTICE
from taper_sim.model.pharmacology import (
    Drug,
    dispensable_totals,
    from_equivalents,
    round_to_dispensable,
    to_equivalents,
)
from taper_sim.policies.interface import Patients, Rotation
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble, draw_of
from taper_sim.units import DRUG_CLASSES

# Largest total over the largest original dose: a policy may raise a dose. A design choice.
_HEADROOM = 1.25


class Dispenser:
    """Converts shares of the original dose to dispensed doses by slot; keeps the last dispensed dose."""

    def __init__(self, cohort: Cohort):
        self.cohort = cohort
        self.dispensed = cohort.slot_dose.copy()
        self.ideal = cohort.slot_dose.copy()
        self._original = cohort.slot_dose.copy()
        self._groups = list(self._grouped())

    def _grouped(self) -> Iterator[tuple[int, Drug, int, Ints, Floats]]:
        """Groups of equal slot, drug and times a day: (slot, drug, times a day, rows of people, dispensable totals)."""
        c = self.cohort
        for slot in range(c.slot_drug.shape[1]):
            for number, drug in enumerate(c.drugs):
                takes_drug = c.slot_drug[:, slot] == number
                for times in np.unique(c.slot_times[takes_drug, slot]):
                    who = np.flatnonzero(takes_drug & (c.slot_times[:, slot] == times))
                    top = float(self._original[who, slot].max()) * _HEADROOM
                    totals = dispensable_totals(drug, int(times), max(top, drug.smallest_step))
                    yield slot, drug, int(times), who, totals

    def dispense(self, share: Floats, *, preview: bool = False) -> Floats:
        """Dispense the dose nearest to these shares; with ``preview`` return it without dispensing.

        Parameters
        ----------
        share : ndarray, (n, 3)
            Ideal share of the original dose of each class.

        Returns
        -------
        ndarray, (n, 3)
            Dispensed equivalents a day. Rounding starts from the ideal dose, never from the rounded one,
            so errors do not accumulate. A share of 1 keeps the original dose unrounded.
        """
        dose = np.zeros_like(self.cohort.dose)
        for slot, drug, times, who, totals in self._groups:
            k = DRUG_CLASSES.index(drug.drug_class)
            original = self._original[who, slot]
            ideal = share[who, k] * original
            dispensed = round_to_dispensable(ideal, self.dispensed[who, slot], totals)
            unchanged = (share[who, k] == 1.0) & (original == self.cohort.slot_dose[who, slot])
            dispensed = np.where(unchanged, original, dispensed)
            if not preview:
                self.dispensed[who, slot], self.ideal[who, slot] = dispensed, ideal
            dose[who, k] += to_equivalents(drug, dispensed, formulary.absorption(), times)
        return dose

    def rotate(self, rotation: Rotation) -> None:
        """Change the drug of a class; later shares refer to ``equivalents_ratio`` times the old equivalents."""
        c, column = self.cohort, rotation.column
        who = np.flatnonzero(rotation.who & c.taken[:, column])
        drugs = c.drugs if rotation.drug in c.drugs else (*c.drugs, rotation.drug)
        slot_drug, slot_times = c.slot_drug.copy(), c.slot_times.copy()
        classes = np.array([DRUG_CLASSES.index(drug.drug_class) for drug in drugs])
        of_class = (slot_drug >= 0) & (classes[slot_drug] == column)
        first = np.argmax(of_class, axis=1)
        current = self.dispensed_equivalents()[who, column] / np.maximum(c.dose[who, column], 1e-12)
        for person in who:  # every old drug of the class ends; the first slot takes the new one
            self._original[person, of_class[person]] = 0.0
            self.dispensed[person, of_class[person]] = 0.0
            slot_drug[person, of_class[person]] = -1
        new = from_equivalents(
            rotation.drug, c.dose[who, column] * rotation.equivalents_ratio, formulary.absorption(), rotation.times
        )
        slot_drug[who, first[who]] = drugs.index(rotation.drug)
        slot_times[who, first[who]] = rotation.times
        self._original[who, first[who]] = new
        self.dispensed[who, first[who]] = new * current
        self.cohort = replace(c, drugs=drugs, slot_drug=slot_drug, slot_times=slot_times)
        self._groups = list(self._grouped())

    def dispensed_equivalents(self) -> Floats:
        """Equivalents a day of the last dispensed dose, (n, 3)."""
        dose = np.zeros_like(self.cohort.dose)
        for slot, drug, times, who, _ in self._groups:
            k = DRUG_CLASSES.index(drug.drug_class)
            dose[who, k] += to_equivalents(drug, self.dispensed[who, slot], formulary.absorption(), times)
        return dose

    def rounding_error(self) -> Floats:
        """Dispensed minus ideal as a share of the original dose, by class, (n, 3)."""
        error, original = self.dispensed_equivalents(), np.zeros_like(self.cohort.dose)
        for slot, drug, times, who, _ in self._groups:
            k = DRUG_CLASSES.index(drug.drug_class)
            table = formulary.absorption()
            error[who, k] -= to_equivalents(drug, self.ideal[who, slot], table, times)
            original[who, k] += to_equivalents(drug, self._original[who, slot], table, times)
        return np.divide(error, original, out=error, where=original > 0)


def known_of(cohort: Cohort, seed: int = 0, ensemble: Ensemble | None = None) -> Patients:
    """Baseline of a cohort as a policy sees it, and the seed of the policy's draws.

    With an ensemble, practice differs between its draws, and the personal prior has the ensemble's centres; without one
    both have those of the priors.
    """
    n = len(cohort)
    dose_mg, count = np.zeros((n, 3)), np.zeros((n, 3))
    names: list[dict[int, str]] = [{} for _ in range(n)]
    for slot in range(cohort.slot_drug.shape[1]):
        for number, drug in enumerate(cohort.drugs):
            who = np.flatnonzero((cohort.slot_drug[:, slot] == number) & (cohort.slot_dose[:, slot] > 0))
            k = DRUG_CLASSES.index(drug.drug_class)
            dose_mg[who, k] += np.nan if drug.is_patch else cohort.slot_dose[who, slot]
            count[who, k] += 1
            for person in who:
                names[person][k] = f"{names[person][k]} + {drug.drug}" if k in names[person] else drug.drug
    dose_mg[count > 1] = np.nan
    flags = {**cohort.flags, "failed_tapers": cohort.failed_tapers, "age": cohort.age}
    return Patients(
        cohort.dose,
        dose_mg,
        names,
        cohort.use_days,
        flags,
        cohort.half_life_h,
        cohort.trough_mean,
        cohort.baseline,
        keys=cohort.keys,
        seed=seed,
        practice={} if ensemble is None else practice_of(cohort.keys, ensemble),
        calibrated=ensemble is not None and ensemble.calibrated,
    )


def practice_of(keys: NDArray[np.uint64], ensemble: Ensemble) -> dict[str, Floats]:
    """Parameters of practice of patients, (n,) each, from each patient's draw."""
    draw = draw_of(keys, ensemble.n_draws)
    return {symbol: ensemble.values[symbol][draw] for symbol in PRACTICE}
