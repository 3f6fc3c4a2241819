"""A drug taken by a patient: dose, administrations a day, equivalents. Imports ``formulary``, ``model``."""

from dataclasses import dataclass

import numpy as np

from taper_sim.data import formulary
from taper_sim.model.pharmacology import Drug, regimen, to_equivalents
from taper_sim.units import DRUG_CLASSES


@dataclass(frozen=True)
class DrugTaken:
    """A drug taken by a patient: dose in its own unit (mg a day; patches mcg/h), administrations a day."""

    drug: Drug
    dose: float
    times: int

    @property
    def equivalents(self) -> float:
        """Equivalents a day."""
        return float(to_equivalents(self.drug, self.dose, formulary.absorption(), self.times))

    @property
    def words(self) -> str:
        """The regimen in words, or the reason why it has none."""
        if self.dose == 0:
            return "none"
        try:
            return regimen(self.drug, self.dose, self.times).words()
        except ValueError:
            return "as now: not dispensable in the formulary's strengths"


DrugsTaken = tuple[DrugTaken, ...]


def equivalents_of(slots: DrugsTaken) -> np.ndarray:
    """Equivalents a day by class, (3,)."""
    total = np.zeros(len(DRUG_CLASSES))
    for slot in slots:
        total[DRUG_CLASSES.index(slot.drug.drug_class)] += slot.equivalents
    return total
