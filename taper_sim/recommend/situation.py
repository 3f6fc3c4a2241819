"""A patient's situation, and an option as a course of doses. Imports ``data``, ``safety``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from taper_sim.data.drugs_taken import DrugsTaken, equivalents_of
from taper_sim.data.original_dose import OriginalDose
from taper_sim.safety.ceilings import Ceiling
from taper_sim.units import DRUG_CLASSES, DrugClass


@dataclass(frozen=True)
class Option:
    """One course of action from tomorrow on.

    Attributes
    ----------
    name : str
    kind : str
        ``hold``, ``maintain``, ``step_back``, ``reduce``, ``rotate``, ``adjunct``, ``monitor``, ``refer``.
    drug_class : drug class or None
        Class whose dose changes.
    pct_per_28d : float
        Pace, percent of the original dose per 28 days; 0 for an option that reduces nothing.
    steps : tuple of (int, DrugsTaken)
        Days from today (1 = tomorrow) on which the prescription changes, and the drugs from that day on.
    adjunct : bool
        Whether an alpha-2 agonist is given throughout.
    blocked : str
        Reason why the option is not offered; empty if it is offered.
    rolled : bool
        Whether the option's course can be simulated.
    variant : str
        How a reduction differs from the usual one at its pace, such as ``in smaller steps with morphine IR``.
    needs : str
        What a prescriber and a pharmacist settle before the option begins; such an option is never chosen by default.
        Empty for most options.
    """

    name: str
    kind: str
    drug_class: DrugClass | None = None
    pct_per_28d: float = 0.0
    steps: tuple[tuple[int, DrugsTaken], ...] = field(default=(), repr=False)
    adjunct: bool = False
    blocked: str = ""
    rolled: bool = True
    variant: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Situation:
    """One patient's current and earlier doses and ceilings, from which options are made.

    Attributes
    ----------
    now : DrugsTaken
        Drugs today.
    original : mapping of drug class to OriginalDose
        Dose in force when this taper began (``data.original_dose``).
    recent : ndarray, (28, 3)
        Equivalents a day on each of the last 28 days, oldest first.
    before_cut : ndarray, (3,)
        Equivalents a day before the last reduction of each class; today's dose for a class that was never reduced.
    step_back_to : mapping of class to DrugsTaken
        Drugs of the class before its last reduction.
    ceilings : mapping of class to Ceiling
    last_cut_d : mapping of class to int
        Days since the last reduction of the class; a class that was never reduced is absent.
    former : mapping of class to tuple of DrugsTaken
        Doses of the class that were taken before and are above today's, rising, at most the original dose.
    """

    now: DrugsTaken
    original: Mapping[DrugClass, OriginalDose]
    recent: np.ndarray
    before_cut: np.ndarray
    step_back_to: Mapping[DrugClass, DrugsTaken]
    ceilings: Mapping[DrugClass, Ceiling]
    last_cut_d: Mapping[DrugClass, int]
    former: Mapping[DrugClass, tuple[DrugsTaken, ...]] = field(default_factory=dict)

    def of_class(self, slots: DrugsTaken, drug_class: DrugClass) -> DrugsTaken:
        """Drugs of one class."""
        return tuple(slot for slot in slots if slot.drug.drug_class == drug_class)

    @property
    def classes(self) -> tuple[DrugClass, ...]:
        """Classes taken today."""
        dose = equivalents_of(self.now)
        return tuple(c for k, c in enumerate(DRUG_CLASSES) if dose[k] > 0)

    def original_equivalents(self, drug_class: DrugClass) -> float:
        """Original dose of a class, equivalents a day; 0 for a class that was never taken."""
        return self.original[drug_class].equivalents if drug_class in self.original else 0.0
