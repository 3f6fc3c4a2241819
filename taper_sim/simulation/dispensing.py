"""Orders in shares of the original dose into tablets that exist. Imports ``cohort``, ``data``, ``model``."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from taper_sim.cohort import Cohort
from taper_sim.data import formulary
from taper_sim.model.pharmacology import Drug, dispensable_totals, round_to_dispensable, to_equivalents
from taper_sim.policies.interface import Patients
from taper_sim.units import DRUG_CLASSES

Floats = NDArray[np.float64]

# Room above the largest original dose, so that a policy that may raise still finds tablets.
_HEADROOM = 1.25


class Dispenser:
    """Turns shares of the original dose into what is dispensed, slot by slot, and remembers what was given last."""

    def __init__(self, cohort: Cohort):
        self.cohort = cohort
        self.given = cohort.slot_dose.copy()
        self.ideal = cohort.slot_dose.copy()
        self._groups = list(self._grouped())

    def _grouped(self) -> Iterator[tuple[int, Drug, int, NDArray[np.int64], Floats]]:
        """Slots of one drug taken equally often: (slot, drug, times a day, people, totals that can be dispensed)."""
        c = self.cohort
        for slot in range(c.slot_drug.shape[1]):
            for number, drug in enumerate(c.drugs):
                on = c.slot_drug[:, slot] == number
                for times in np.unique(c.slot_times[on, slot]):
                    who = np.flatnonzero(on & (c.slot_times[:, slot] == times))
                    top = float(c.slot_dose[who, slot].max()) * _HEADROOM
                    totals = dispensable_totals(drug, int(times), max(top, drug.smallest_step))
                    yield slot, drug, int(times), who, totals

    def dispense(self, share: Floats) -> Floats:
        """Give what comes nearest to these shares.

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
            original = self.cohort.slot_dose[who, slot]
            ideal = share[who, k] * original
            given = round_to_dispensable(ideal, self.given[who, slot], totals)
            given = np.where(share[who, k] == 1.0, original, given)
            self.given[who, slot], self.ideal[who, slot] = given, ideal
            dose[who, k] += to_equivalents(drug, given, formulary.absorption(), times)
        return dose

    def rounding_error(self) -> Floats:
        """Dispensed minus ideal as a share of the original dose, by class, (n, 3)."""
        error, original = np.zeros_like(self.cohort.dose), np.zeros_like(self.cohort.dose)
        for slot, drug, times, who, _ in self._groups:
            k = DRUG_CLASSES.index(drug.drug_class)
            table = formulary.absorption()
            error[who, k] += to_equivalents(drug, self.given[who, slot], table, times)
            error[who, k] -= to_equivalents(drug, self.ideal[who, slot], table, times)
            original[who, k] += to_equivalents(drug, self.cohort.slot_dose[who, slot], table, times)
        return np.divide(error, original, out=error, where=original > 0)


def known_of(cohort: Cohort) -> Patients:
    """What a policy may know of a cohort before the taper."""
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
    return Patients(cohort.dose, dose_mg, names, cohort.use_days, flags)
