"""Orders in shares of the original dose into tablets that exist. Imports ``cohort``, ``data``, ``model``."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data import formulary
from taper_sim.model.pharmacology import (
    Drug,
    dispensable_totals,
    from_equivalents,
    round_to_dispensable,
    to_equivalents,
)
from taper_sim.policies.interface import Patients, Rotation
from taper_sim.simulation.cohort import Cohort
from taper_sim.units import DRUG_CLASSES

# Room above the largest original dose, so that a policy that may raise still finds tablets.
_HEADROOM = 1.25


class Dispenser:
    """Turns shares of the original dose into what is dispensed, slot by slot, and remembers what was given last."""

    def __init__(self, cohort: Cohort):
        self.cohort = cohort
        self.given = cohort.slot_dose.copy()
        self.ideal = cohort.slot_dose.copy()
        self._original = cohort.slot_dose.copy()
        self._groups = list(self._grouped())

    def _grouped(self) -> Iterator[tuple[int, Drug, int, Ints, Floats]]:
        """Slots of one drug taken equally often: (slot, drug, times a day, people, totals that can be dispensed)."""
        c = self.cohort
        for slot in range(c.slot_drug.shape[1]):
            for number, drug in enumerate(c.drugs):
                on = c.slot_drug[:, slot] == number
                for times in np.unique(c.slot_times[on, slot]):
                    who = np.flatnonzero(on & (c.slot_times[:, slot] == times))
                    top = float(self._original[who, slot].max()) * _HEADROOM
                    totals = dispensable_totals(drug, int(times), max(top, drug.smallest_step))
                    yield slot, drug, int(times), who, totals

    def dispense(self, share: Floats, *, only_look: bool = False) -> Floats:
        """Give what comes nearest to these shares; with ``only_look`` say what it would be and remember nothing.

        Parameters
        ----------
        share : ndarray, (n, 3)
            Ideal share of the original dose of each class.

        Returns
        -------
        ndarray, (n, 3)
            Equivalents a day of what is dispensed. Rounding starts from the ideal dose, never from the rounded one,
            so that errors do not add up; the dose that a patient already takes is held as it is.
        """
        dose = np.zeros_like(self.cohort.dose)
        for slot, drug, times, who, totals in self._groups:
            k = DRUG_CLASSES.index(drug.drug_class)
            original = self._original[who, slot]
            ideal = share[who, k] * original
            given = round_to_dispensable(ideal, self.given[who, slot], totals)
            unchanged = (share[who, k] == 1.0) & (original == self.cohort.slot_dose[who, slot])
            given = np.where(unchanged, original, given)
            if not only_look:
                self.given[who, slot], self.ideal[who, slot] = given, ideal
            dose[who, k] += to_equivalents(drug, given, formulary.absorption(), times)
        return dose

    def rotate(self, rotation: Rotation) -> None:
        """Change the drug of a class: later fractions are of ``equivalents_ratio`` times the old equivalents."""
        c, column = self.cohort, rotation.column
        who = np.flatnonzero(rotation.who & c.taken[:, column])
        drugs = c.drugs if rotation.drug in c.drugs else (*c.drugs, rotation.drug)
        slot_drug, slot_times = c.slot_drug.copy(), c.slot_times.copy()
        classes = np.array([DRUG_CLASSES.index(drug.drug_class) for drug in drugs])
        of_class = (slot_drug >= 0) & (classes[slot_drug] == column)
        first = np.argmax(of_class, axis=1)
        current = self.given_equivalents()[who, column] / np.maximum(c.dose[who, column], 1e-12)
        for person in who:  # every old drug of the class ends; the first slot takes the new one
            self._original[person, of_class[person]] = 0.0
            self.given[person, of_class[person]] = 0.0
            slot_drug[person, of_class[person]] = -1
        new = from_equivalents(
            rotation.drug, c.dose[who, column] * rotation.equivalents_ratio, formulary.absorption(), rotation.times
        )
        slot_drug[who, first[who]] = drugs.index(rotation.drug)
        slot_times[who, first[who]] = rotation.times
        self._original[who, first[who]] = new
        self.given[who, first[who]] = new * current
        self.cohort = replace(c, drugs=drugs, slot_drug=slot_drug, slot_times=slot_times)
        self._groups = list(self._grouped())

    def given_equivalents(self) -> Floats:
        """Equivalents a day of what was given last, (n, 3)."""
        dose = np.zeros_like(self.cohort.dose)
        for slot, drug, times, who, _ in self._groups:
            k = DRUG_CLASSES.index(drug.drug_class)
            dose[who, k] += to_equivalents(drug, self.given[who, slot], formulary.absorption(), times)
        return dose

    def rounding_error(self) -> Floats:
        """Dispensed minus ideal as a share of the original dose, by class, (n, 3)."""
        error, original = self.given_equivalents(), np.zeros_like(self.cohort.dose)
        for slot, drug, times, who, _ in self._groups:
            k = DRUG_CLASSES.index(drug.drug_class)
            table = formulary.absorption()
            error[who, k] -= to_equivalents(drug, self.ideal[who, slot], table, times)
            original[who, k] += to_equivalents(drug, self._original[who, slot], table, times)
        return np.divide(error, original, out=error, where=original > 0)


def known_of(cohort: Cohort, seed: int = 0) -> Patients:
    """What a policy may know of a cohort before the taper, and the seed of what it may draw."""
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
    )
