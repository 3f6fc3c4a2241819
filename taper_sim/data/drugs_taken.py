"""A drug taken by a patient: dose, administrations a day, equivalents. Imports ``formulary``, ``model``."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from taper_sim.data import formulary
from taper_sim.model.pharmacology import Drug, regimen, to_equivalents
from taper_sim.units import DRUG_CLASSES


@lru_cache(maxsize=4096)  # plans of steps try the same doses again and again
def _equivalents(drug: Drug, dose: float, times: int) -> float:
    return float(to_equivalents(drug, dose, formulary.absorption(), times))


@dataclass(frozen=True)
class DrugTaken:
    """A drug taken by a patient: dose in its own unit (mg a day; patches mcg/h), administrations a day.

    Attributes
    ----------
    drug : Drug
    dose : float
        mg a day; patches mcg/h. For a drug taken as needed the most that may be taken.
    times : int
        Administrations a day.
    interval_h : float or None
        The patient's own interval between doses, hours; None if it is not recorded.
    as_needed : bool
    product : str
        The product as recorded, such as a combination with acetaminophen; empty if the record has the drug alone.
    """

    drug: Drug
    dose: float
    times: int
    interval_h: float | None = None
    as_needed: bool = False
    product: str = field(default="", compare=False)

    @property
    def equivalents(self) -> float:
        """Equivalents a day."""
        return _equivalents(self.drug, self.dose, self.times)

    @property
    def words(self) -> str:
        """The regimen in words, or the reason why it has none."""
        if self.dose == 0:
            return "none"
        try:
            worn_h = self.interval_h if self.drug.is_patch else None
            tablets = regimen(self.drug, self.dose, self.times, change_every_h=worn_h)
        except ValueError:
            return "as now: not dispensable in the formulary's strengths"
        return f"as needed, at most: {tablets.as_needed_words()}" if self.as_needed else tablets.words()

    @property
    def unchanged_words(self) -> str:
        """What "go on as now" means, without tablets or times that the record does not state."""
        if self.dose == 0:
            return "none"
        words = ["unchanged: exactly as taken now"]
        if self.product:
            words.append(self.product)
        if self.as_needed:
            words.append(
                f"as needed, at most {self.dose:g} {self.drug.unit}" + ("" if self.drug.is_patch else " a day")
            )
        if self.interval_h is not None and self.drug.is_patch:
            words.append(f"a new patch every {self.interval_h:g} h")
        elif self.interval_h is not None and not self.as_needed:
            words.append(f"{self.dose / self.times:.6g} {self.drug.unit} every {self.interval_h:g} h")
        elif self.interval_h is not None:
            words.append(f"no more often than every {self.interval_h:g} h")
        return ", ".join(words)


DrugsTaken = tuple[DrugTaken, ...]


def equivalents_of(slots: DrugsTaken) -> np.ndarray:
    """Equivalents a day by class, (3,)."""
    total = np.zeros(len(DRUG_CLASSES))
    for slot in slots:
        total[DRUG_CLASSES.index(slot.drug.drug_class)] += slot.equivalents
    return total
