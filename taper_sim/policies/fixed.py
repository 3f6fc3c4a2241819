"""Fixed schedules, whose doses do not depend on reports. Imports data, model and the interface.

Shares are ideal; the simulation rounds them to tablets. :mod:`schedule` has days, floor, pauses, ceiling and end.
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
    """The starting dose on every day."""

    holds: ClassVar[bool] = True  # it reduces no dose, so it needs no rule for special populations

    @property
    def name(self) -> str:
        """The call."""
        return "constant()"

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 only."""
        return [1]

    def start(self, patients: Patients) -> Any:
        """No memory."""
        return None

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Order the original dose of every class."""
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
    """Cut by ``pct`` percent of the current dose every ``every`` days, until less than ``end_pct`` would remain.

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
        never = "above 0, or a floor_pct above 0: a taper by a percentage of the current dose never ends"
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
        Drug of ``step_mg``, such as diazepam for people on lorazepam, whose class is tapered. Default: the patient's
        drug.
    """

    step_mg: float
    every: int
    drug: str | None = None

    call: ClassVar[str] = "fixed_mg"
    uniform: ClassVar[bool] = False

    @property
    def tapers(self) -> DrugClass | None:
        """``drug_class``, or the class of ``drug``."""
        return class_of(self.drug, self.drug_class)

    def _checks(self) -> list[Check]:
        right = LEAST_PCT <= self.step_mg < np.inf
        return [
            ("step_mg", self.step_mg, right, _STEP_RANGE),
            *super()._checks(),
            check_drug(self.drug, self.drug_class),
        ]

    def check(self, tapered: Tapered) -> None:
        """Refuse patients whose dose is not in mg of one drug, or has no equivalents if ``drug`` is given."""
        if self.drug is not None:
            check_equivalents(self.name, tapered)
            return
        unknown = np.flatnonzero((tapered.column >= 0) & ~(tapered.dose_mg > 0))
        if len(unknown):
            allowed = (
                "fixed_mg needs mg of one drug; a patch is in mcg/h: use a schedule in percent, or name a drug "
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
    """Share after a reduction by ``step_mg`` mg a day of a drug, (n,)."""
    counted = in_mg(drug)
    if counted is None:
        raise ValueError(f"{drug} has no dose in mg with equivalents")
    return tapered.share_of(counted, tapered.mg_of(counted, share) - step_mg)


def class_of(drug: str | None, drug_class: DrugClass | None) -> DrugClass | None:
    """Tapered class: ``drug_class``, or the class of ``drug``."""
    formulary_drug = None if drug is None else in_mg(drug)
    return formulary_drug.drug_class if drug_class is None and formulary_drug is not None else drug_class


def check_drug(name: str | None, drug_class: DrugClass | None) -> Check:
    """Check that a drug has mg and equivalents and belongs to the tapered class."""
    usable = sorted({known for known, _ in formulary() if in_mg(known)})
    drug = None if name is None else in_mg(name)
    if name is not None and drug is None:
        return (
            "drug",
            name,
            False,
            f"a drug with a dose in mg and equivalents: {', '.join(usable)}{nearest(name, usable)}",
        )
    valid = drug is None or drug_class is None or drug.drug_class == drug_class
    return ("drug", name, valid, f"a drug of the tapered class, {drug_class}")


def check_equivalents(place: str, tapered: Tapered) -> None:
    """Refuse patients on buprenorphine, which has no MME, if another opioid's mg are counted."""
    other = int(tapered.buprenorphine.sum())
    if other:
        given = f"{other} of {len(tapered.column)} patients on buprenorphine"
        raise InputError(
            Problem(FILE, place, given, "drugs with MME; buprenorphine has none: use a schedule in percent")
        )


@dataclass(frozen=True)
class Hyperbolic(Stepped):
    """``steps`` equal steps of effect, ``every`` days apart; the steps of dose become smaller.

    Equation: ``e_k = e_0 (1 - k/steps)``, ``e = D/(D + EC50)``, D in equivalents a day, EC50 the centre of the class
    (of buprenorphine, in mg). Source: docs/model.md, section 1.
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
        ec50_buprenorphine = BY_SYMBOL["EC50"].centre("opioid", buprenorphine=True)
        ec50 = np.where(tapered.buprenorphine, ec50_buprenorphine, centres[tapered.column])
        first, now = tapered.equivalents(np.ones_like(share)), tapered.equivalents(share)
        effect = np.maximum(now / (now + ec50) - first / (first + ec50) / self.steps, 0.0)
        return tapered.share(ec50 * effect / (1 - effect))


@dataclass(frozen=True)
class Rapid(Stepped):
    """Equal daily steps to 0 over ``days`` days.

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
    """Days and shares of one patient under a policy that does not use reports.

    Parameters
    ----------
    policy : Policy
    patients : Patients
        n patients.
    n_days : int
        Last day.
    patient : int
        Row of the patient.
    drug_class : DrugClass, optional
        Class of the shares. Default: the first class that the patient takes.

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
