"""Fixed schedules: doses that are known ahead, whatever is reported. Imports data, model and the interface.

Shares are ideal; the simulation makes tablets of them. Days, floor, pauses, ceiling and end: :mod:`schedule`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data.formulary import formulary
from taper_sim.data.problems import InputError, Problem, nearest
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.policies.calls import FILE
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.policies.schedule import LEAST_PCT, PCT_RANGE, Check, Schedule, Stepped, Tapered, in_mg, whole
from taper_sim.units import DRUG_CLASSES, DrugClass


@dataclass(frozen=True)
class Constant(Policy):
    """The starting dose for the whole time."""

    holds: ClassVar[bool] = True  # nobody is reduced, so no rule is needed for special people

    @property
    def name(self) -> str:
        """The call."""
        return "constant()"

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 only: nothing ever changes."""
        return [1]

    def start(self, patients: Patients) -> Any:
        """Nothing to remember."""
        return None

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Order the original dose of everything."""
        return Order(np.ones_like(observation.dose_fraction))


@dataclass(frozen=True)
class Abrupt(Schedule):
    """Dose 0 (or the floor) from day 1."""

    call: ClassVar[str] = "abrupt"


_STEP_RANGE: Final = "at least 0.001 (at 0 it would never end; constant() keeps the dose)"


@dataclass(frozen=True)
class Linear(Stepped):
    """Cut by ``pct`` percent of the original dose every ``every`` days, until 0.

    Equation: ``share_k = 1 - k pct/100``. Source: docs/protocols.md.
    """

    pct: float
    every: int
    basis: str = "original"

    call: ClassVar[str] = "linear"

    def _checks(self) -> list[Check]:
        basis = "original (a percentage of the current dose is exponential(…))"
        return [
            ("pct", self.pct, LEAST_PCT <= self.pct <= 100, PCT_RANGE),
            *super()._checks(),
            ("basis", self.basis, self.basis == "original", basis),
        ]

    def _next(self, share: Floats, tapered: Tapered | None) -> Floats:
        return share - self.pct / 100


@dataclass(frozen=True)
class Exponential(Stepped):
    """Cut by ``pct`` percent of the current dose every ``every`` days, until less than ``end_pct`` would be left.

    Equation: ``share_k = (1 - pct/100)^k``, 0 below ``end_pct/100``. Source: docs/protocols.md.
    """

    pct: float
    every: int
    basis: str = "current"
    end_pct: float = field(default=5.0, kw_only=True)

    call: ClassVar[str] = "exponential"

    def _checks(self) -> list[Check]:
        ends = self.end_pct > 0 or self.floor_pct > 0 or self.pct == 100
        basis = "current (a percentage of the original dose is linear(…))"
        never = "above 0, or a floor_pct above 0: a percentage of what is left never ends by itself"
        return [
            ("pct", self.pct, LEAST_PCT <= self.pct <= 100, PCT_RANGE),
            *super()._checks(),
            ("basis", self.basis, self.basis == "current", basis),
            ("end_pct", self.end_pct, ends, never),
        ]

    def _next(self, share: Floats, tapered: Tapered | None) -> Floats:
        return share * (1 - self.pct / 100)


@dataclass(frozen=True)
class FixedMg(Stepped):
    """Cut by ``step_mg`` mg a day every ``every`` days, until 0.

    Equation: ``share_k = 1 - k step_mg/dose_mg``; with ``drug`` in that drug's mg, by equivalents.
    Source: docs/protocols.md; equivalents: drugs.csv, gabapentin_absorption.csv.

    Parameters
    ----------
    drug : str, optional
        The drug whose mg are meant, such as diazepam for people on lorazepam; the patient's own drug if left out. Its
        class is the one that is tapered.
    """

    step_mg: float
    every: int
    drug: str | None = None

    call: ClassVar[str] = "fixed_mg"
    uniform: ClassVar[bool] = False

    @property
    def tapers(self) -> DrugClass | None:
        """The class of the drug that is named, where no class is."""
        return class_of(self.drug, self.drug_class)

    def _checks(self) -> list[Check]:
        right = LEAST_PCT <= self.step_mg < np.inf
        return [
            ("step_mg", self.step_mg, right, _STEP_RANGE),
            *super()._checks(),
            check_drug(self.drug, self.drug_class),
        ]

    def check(self, tapered: Tapered) -> None:
        """Refuse patients whose dose has no mg of one drug, or no equivalents where another drug is named."""
        if self.drug is not None:
            check_equivalents(self.name, tapered)
            return
        unknown = np.flatnonzero((tapered.column >= 0) & ~(tapered.dose_mg > 0))
        if len(unknown):
            allowed = (
                "fixed_mg needs mg of one drug; a patch is in mcg/h: take a schedule in percent, or name a drug "
                "to count by equivalents, such as drug=morphine"
            )
            first = tapered.drug[unknown[0]] or "several drugs"
            given = f"{len(unknown)} of {len(tapered.column)} patients without it, the first on {first}"
            raise InputError(Problem(FILE, self.name, given, allowed))

    def _next(self, share: Floats, tapered: Tapered | None) -> Floats:
        if tapered is None:
            raise ValueError(f"{self.name} depends on the patient's dose")
        if self.drug is None:
            return share - self.step_mg / tapered.dose_mg
        return step_in_mg(self.drug, share, tapered, self.step_mg)


def step_in_mg(drug: str, share: Floats, tapered: Tapered, step_mg: Floats | float) -> Floats:
    """Share that is left when so many mg a day of a drug are taken away, (n,)."""
    counted = in_mg(drug)
    if counted is None:
        raise ValueError(f"{drug} has no dose in mg with equivalents")
    return tapered.share_of(counted, tapered.mg_of(counted, share) - step_mg)


def class_of(drug: str | None, drug_class: DrugClass | None) -> DrugClass | None:
    """Class that is tapered: as given, else that of the drug that is named."""
    named = None if drug is None else in_mg(drug)
    return named.drug_class if drug_class is None and named is not None else drug_class


def check_drug(name: str | None, drug_class: DrugClass | None) -> Check:
    """Whether a drug that is named can be counted in, and is of the class that is tapered."""
    usable = sorted({known for known, _ in formulary() if in_mg(known)})
    found = None if name is None else in_mg(name)
    if name is not None and found is None:
        return (
            "drug",
            name,
            False,
            f"a drug with a dose in mg and equivalents: {', '.join(usable)}{nearest(name, usable)}",
        )
    right = found is None or drug_class is None or found.drug_class == drug_class
    return ("drug", name, right, f"a drug of the class that is tapered, {drug_class}")


def check_equivalents(place: str, tapered: Tapered) -> None:
    """Refuse buprenorphine where another opioid's mg are counted: it has no MME."""
    other = int(tapered.buprenorphine.sum())
    if other:
        given = f"{other} of {len(tapered.column)} patients on buprenorphine"
        raise InputError(Problem(FILE, place, given, "drugs with MME; buprenorphine has none: take percent instead"))


@dataclass(frozen=True)
class Hyperbolic(Stepped):
    """Equal steps of effect, ``steps`` of them, ``every`` so many days; doses fall by less and less.

    Equation: ``e_k = e_0 (1 - k/steps)``, ``e = D/(D + EC50)``, D in equivalents a day, EC50 the centre of the class
    (buprenorphine: its own, in mg). Source: docs/model.md, section 1.
    """

    steps: int
    every: int

    call: ClassVar[str] = "hyperbolic"
    uniform: ClassVar[bool] = False

    def _checks(self) -> list[Check]:
        return [
            ("steps", self.steps, whole(self.steps, 1, 1000), "a whole number of steps, 1 to 1000"),
            *super()._checks(),
        ]

    def _next(self, share: Floats, tapered: Tapered | None) -> Floats:
        if tapered is None:
            raise ValueError(f"{self.name} depends on the patient's dose")
        centres = np.array([BY_SYMBOL["EC50"].centre(drug_class) for drug_class in DRUG_CLASSES])
        own = BY_SYMBOL["EC50"].centre("opioid", buprenorphine=True)
        ec50 = np.where(tapered.buprenorphine, own, centres[tapered.column])
        first, now = tapered.equivalents(np.ones_like(share)), tapered.equivalents(share)
        effect = np.maximum(now / (now + ec50) - first / (first + ec50) / self.steps, 0.0)
        return tapered.share(ec50 * effect / (1 - effect))


@dataclass(frozen=True)
class Rapid(Stepped):
    """Even daily steps to 0 over ``days`` days.

    Equation: ``share_k = 1 - k/days`` on day k. Source: docs/protocols.md.
    """

    days: int

    call: ClassVar[str] = "rapid"

    def _checks(self) -> list[Check]:
        return [("days", self.days, whole(self.days, 1, 3650), "a whole number of days, 1 to 3650"), *super()._checks()]

    def _next(self, share: Floats, tapered: Tapered | None) -> Floats:
        return share - 1 / self.days


def steps_table(
    policy: Policy, patients: Patients, n_days: int, *, patient: int = 0, drug_class: DrugClass | None = None
) -> list[tuple[int, float]]:
    """Days and shares of one patient under a policy that waits for no reports.

    Parameters
    ----------
    policy : Policy
        Asked on each of its decision days.
    patients : Patients
        n patients.
    n_days : int
        Last day looked at.
    patient : int
        Which of them.
    drug_class : DrugClass, optional
        Whose share; the first class that the patient takes if left out.

    Returns
    -------
    list of (int, float)
        (0, 1.0), then each day on which the share of the original dose changes, with the new share.
    """
    k = int(np.argmax(patients.taken[patient])) if drug_class is None else DRUG_CLASSES.index(drug_class)
    memory = policy.start(patients)
    share = np.ones_like(patients.dose)
    listed = [(0, 1.0)]
    for day in policy.decision_days(n_days):
        share = policy.decide(memory, Observation(day=day, dose_fraction=share, dispensed=share)).dose_fraction
        if share[patient, k] != listed[-1][1]:
            listed.append((day, float(share[patient, k])))
    return listed
