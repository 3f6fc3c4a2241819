"""Base of the schedules: tapered class, days of steps, and rules for floor, end, pauses and ceiling.

Imports data, model and the interface. A month is 28 days. The first reduced dose is taken on day 1; step k (1, 2, …)
starts on day ``1 + (k - 1) * every``, with ``start_day`` in place of 1 and pauses added. A share
is that of the original dose in mg a day of the patient's drug (mcg/h of a patch).

A new schedule defines in ``_next`` the share after a step; this module has the rest.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property, lru_cache
from numbers import Integral
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.data.formulary import absorption, find_drug, formulary
from taper_sim.data.problems import InputError, Problem, shown
from taper_sim.model.pharmacology import Drug, from_equivalents, most_equivalents, to_equivalents
from taper_sim.policies.calls import FILE, written
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE, DrugClass

Check = tuple[str, Any, bool, str]
"""Name of an argument, its value, whether it is valid, the allowed values."""

LEAST_PCT: Final = 0.001
PCT_RANGE: Final = f"at least {LEAST_PCT:g} and at most 100 (a taper at 0 never ends; constant() keeps the dose)"
_DECIMALS: Final = 14  # decimals of a share: 0.7 instead of 0.7000000000000001 after three cuts of a tenth
_MOST_STEPS: Final = 100_000  # more daily steps than the days of a life


def wrong(place: str, given: str, allowed: str) -> Problem:
    """Problem of an argument of a protocol."""
    return Problem(FILE, place, shown(given), allowed)


def whole(value: Any, least: int, most: int = 1_000_000) -> bool:
    """Whether a value is a whole number in a range."""
    return isinstance(value, Integral) and least <= int(value) <= most


@lru_cache
def in_mg(name: str) -> Drug | None:
    """First formulation of a drug with a dose in mg and equivalents; None if there is none."""
    rows = [drug for (known, _), drug in formulary().items() if known == name]
    return next((drug for drug in rows if not drug.is_patch and drug.equivalence_factor is not None), None)


@dataclass(frozen=True)
class Tapered:
    """Class that each of n patients tapers, with conversions between its shares and amounts.

    Attributes
    ----------
    column : ndarray of int, (n,)
        Number of the class, -1 for a patient who does not take it.
    dose, dose_mg : ndarray, (n,)
        Equivalents and mg a day of the patient's drug on day 0, as in :class:`Patients`; 1 where column is -1.
    drug : ndarray of str, (n,)
        Name of the patient's drug.
    """

    column: Ints
    dose: Floats
    dose_mg: Floats
    drug: NDArray[np.str_]

    @cached_property
    def buprenorphine(self) -> Bools:
        """Patients whose dose is on buprenorphine's scale, (n,)."""
        return self.drug == "buprenorphine"

    @cached_property
    def _gabapentin(self) -> tuple[Bools, Floats]:
        """Whether each patient takes gabapentin, and mg a day on day 0 by the absorption table; both (n,).

        Its equivalents are not proportional to its mg. The table assumes three doses a day; a dose beyond it counts as
        its last row, so that shares keep their order.
        """
        who, drug = self.drug == "gabapentin", find_drug("gabapentin", "IR")
        known = np.where(who, np.minimum(self.dose, most_equivalents(drug, absorption())), 0.0)
        return who, np.where(who, from_equivalents(drug, known, absorption()), 1.0)

    def equivalents(self, share: Floats) -> Floats:
        """Equivalents a day of a share of the dose, (n,)."""
        who, mg = self._gabapentin
        if not who.any():
            return share * self.dose
        curved = to_equivalents(find_drug("gabapentin", "IR"), np.where(who, share * mg, 0.0), absorption())
        return np.where(who, curved, share * self.dose)

    def share(self, equivalents: Floats) -> Floats:
        """Share of the dose for equivalents a day, (n,)."""
        who, mg = self._gabapentin
        if not who.any():
            return equivalents / self.dose
        curved = from_equivalents(find_drug("gabapentin", "IR"), np.where(who, equivalents, 0.0), absorption())
        return np.where(who, curved / mg, equivalents / self.dose)

    def _takes(self, drug: Drug) -> Bools:
        """Patients who take this drug in known mg, (n,)."""
        return (self.drug == drug.drug) & (self.dose_mg > 0)

    def _within(self, drug: Drug) -> Floats:
        """Factor that reduces a dose beyond the absorption table to its last row, else 1, (n,)."""
        return np.minimum(1.0, most_equivalents(drug, absorption()) / self.equivalents(np.ones_like(self.dose)))

    def mg_of(self, drug: Drug, share: Floats) -> Floats:
        """Mg a day of a drug equivalent to a share of the dose, (n,); actual mg of patients who take the drug."""
        takes = self._takes(drug)
        counted = np.where(takes, 0.0, self.equivalents(share) * self._within(drug))
        return np.where(takes, share * self.dose_mg, from_equivalents(drug, counted, absorption()))

    def share_of(self, drug: Drug, mg: Floats) -> Floats:
        """Share of the dose equivalent to mg a day of a drug, (n,): the inverse of :meth:`mg_of`."""
        takes, mg = self._takes(drug), np.maximum(mg, 0.0)
        counted = to_equivalents(drug, np.where(takes, 0.0, mg), absorption()) / self._within(drug)
        return np.where(takes, mg / np.where(takes, self.dose_mg, 1.0), self.share(counted))


@dataclass
class ScheduleProgress:
    """Memory of a schedule: tapered classes, and the step and share computed last."""

    tapered: Tapered
    step: int
    share: Floats


@dataclass(frozen=True, kw_only=True)
class Schedule(Policy):
    """Base class of all schedules that reduce a dose.

    Parameters
    ----------
    drug_class : "opioid", "benzodiazepine" or "gabapentinoid", optional
        Tapered class. Default: the first of these that the patient takes. Other classes, and patients who do not take
        the class, keep the original dose.
    floor_pct : float
        Lowest percent of the original dose: maintenance at a lower dose.
    start_day : int
        First day on which a reduced dose is taken.
    """

    drug_class: DrugClass | None = None
    floor_pct: float = 0.0
    start_day: int = 1

    call: ClassVar[str]
    uniform: ClassVar[bool] = True  # whether every patient has the same shares

    def __post_init__(self) -> None:
        problems = [
            wrong(self.name, f"{name}={written(given)}", allowed)
            for name, given, right, allowed in self._checks()
            if not right
        ]
        if problems:
            raise InputError(problems)

    def _checks(self) -> list[Check]:
        """Argument, what was given, whether it is right, what is allowed."""
        known = ", ".join(DRUG_CLASSES)
        return [
            ("drug_class", self.drug_class, self.drug_class is None or self.drug_class in DRUG_CLASSES, known),
            ("floor_pct", self.floor_pct, 0 <= self.floor_pct < 100, "at least 0 and below 100 (constant() keeps 100)"),
            ("start_day", self.start_day, whole(self.start_day, 1), "a whole number of days, 1 or more"),
        ]

    @property
    def name(self) -> str:
        """The call in normal form: what must be given, and options that differ from their default."""
        listed = [f for f in fields(self) if not f.kw_only] + [f for f in fields(self) if f.kw_only]
        given = ((f.name, getattr(self, f.name), f.default) for f in listed)
        inside = (f"{name}={written(v)}" for name, v, default in given if default is MISSING or v != default)
        return f"{self.call}({', '.join(inside)})"

    @property
    def tapers(self) -> DrugClass | None:
        """Tapered class; None for the first class that the patient takes."""
        return self.drug_class

    @property
    def last_step(self) -> str:
        """Description of the last step."""
        return f"ends at {self.floor_pct:g} % of the original dose" if self.floor_pct else "ends at 0"

    # defined by each schedule

    def step_day(self, step: int) -> int:
        """First day of step k, 1 the first."""
        return self.start_day

    def steps_by(self, day: int) -> int:
        """Number of steps up to a day."""
        return int(day >= self.start_day)

    def advance(self, share: Floats, tapered: Tapered | None) -> Floats:
        """Share after the next step, (n,)."""
        return np.full_like(share, self.floor_pct / 100)

    def check(self, tapered: Tapered) -> None:
        """Refuse patients to whom the schedule cannot apply; raises InputError."""

    # the interface

    def path(self) -> list[tuple[int, float]]:
        """Day and share of every step, from day 0 with share 1, of a schedule that is the same for all patients.

        Raises: ValueError if the schedule depends on the patient.
        """
        if not self.uniform:
            raise ValueError(f"{self.name} depends on the patient's dose; use steps_table() with patients")
        share, listed = np.ones(1), [(0, 1.0)]
        while len(listed) <= _MOST_STEPS:
            after = self.advance(share, None)
            if after[0] == share[0]:
                return listed
            listed.append((self.step_day(len(listed)), float(after[0])))
            share = after
        raise InputError(wrong(self.name, self.name, f"a protocol that ends within {_MOST_STEPS} steps"))

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 and the days on which a step may be taken, up to ``n_days``."""
        n_steps = self.steps_by(n_days)
        if self.uniform and n_steps:
            share = np.ones(1)
            for step in range(1, n_steps + 1):
                after = self.advance(share, None)
                if after[0] == share[0]:
                    n_steps = step - 1
                    break
                share = after
        return sorted({1, *(self.step_day(step) for step in range(1, n_steps + 1))})

    def start(self, patients: Patients) -> ScheduleProgress:
        """Class that each patient tapers; raises InputError if the schedule cannot apply to a patient."""
        taken, rows = patients.taken, np.arange(len(patients.dose))
        if self.tapers is None:
            column = np.where(taken.any(axis=1), np.argmax(taken, axis=1), -1)
        else:
            number = DRUG_CLASSES.index(self.tapers)
            column = np.where(taken[:, number], number, -1)
        tapered = Tapered(
            column=column,
            dose=np.where(column >= 0, patients.dose[rows, column], 1.0),
            dose_mg=np.where(column >= 0, patients.dose_mg[rows, column], 1.0),
            drug=np.array(
                [names.get(int(k), "") for names, k in zip(patients.drug, column, strict=True)], dtype=np.str_
            ),
        )
        self.check(tapered)
        return ScheduleProgress(tapered, 0, np.ones(len(rows)))

    def decide(self, memory: ScheduleProgress, observation: Observation) -> Order:
        """Order the share of the step of ``observation.day``; reports have no influence."""
        step = self.steps_by(observation.day)
        if step < memory.step:
            memory.step, memory.share = 0, np.ones_like(memory.share)
        while memory.step < step:
            after = self.advance(memory.share, memory.tapered)
            memory.step += 1
            if np.array_equal(after, memory.share):
                memory.step = step  # every patient has reached the last step
            memory.share = after
        column = memory.tapered.column
        share = np.ones((len(column), len(DRUG_CLASSES)))
        rows = np.flatnonzero(column >= 0)
        share[rows, column[rows]] = memory.share[rows]
        return Order(share)


@dataclass(frozen=True, kw_only=True)
class Stepped(Schedule):
    """A schedule of steps every ``every`` days.

    Parameters
    ----------
    end_pct : float
        A step to less than this percent of the original dose goes to 0 (or the floor).
    pause_after, pause_days : int
        After every ``pause_after`` steps the dose is held for ``pause_days`` further days; 0 and 0 mean no pauses.
    ceiling_pct : float, optional
        Largest reduction in any 28 days, percent of the original dose. Each step is limited to its part of the ceiling,
        and steps continue until the end.
    """

    end_pct: float = 0.0
    pause_after: int = 0
    pause_days: int = 0
    ceiling_pct: float | None = None

    def _interval(self) -> int:
        """Days between steps."""
        return int(getattr(self, "every", 1))

    @abstractmethod
    def _next(self, share: Floats, tapered: Tapered | None) -> Floats:
        """Share after the next step, before the rules for the end, the floor and the ceiling, (n,)."""

    def _checks(self) -> list[Check]:
        ceiling, every = self.ceiling_pct, getattr(self, "every", 1)
        consistent = (self.pause_after == 0) == (self.pause_days == 0)
        number = "a whole number, 0 or more"
        return [
            *super()._checks(),
            ("every", every, whole(every, 1), "a whole number of days, 1 or more"),
            ("end_pct", self.end_pct, 0 <= self.end_pct < 100, "at least 0 and below 100"),
            ("pause_after", self.pause_after, whole(self.pause_after, 0), number),
            ("pause_days", self.pause_days, whole(self.pause_days, 0), number),
            (
                "pause_after",
                self.pause_after,
                consistent,
                "pause_after and pause_days together, both above 0 or both 0",
            ),
            ("ceiling_pct", ceiling, ceiling is None or LEAST_PCT <= ceiling <= 100, PCT_RANGE),
        ]

    @property
    def last_step(self) -> str:
        """Description of the last step."""
        end = super().last_step
        return f"{end}; a step to less than {self.end_pct:g} % goes there directly" if self.end_pct else end

    def step_day(self, step: int) -> int:
        """First day of step k, 1 the first."""
        pauses = (step - 1) // self.pause_after if self.pause_after else 0
        return self.start_day + (step - 1) * self._interval() + pauses * self.pause_days

    def steps_by(self, day: int) -> int:
        """Number of steps up to a day."""
        since = day - self.start_day
        if since < 0:
            return 0
        if not self.pause_after:
            return since // self._interval() + 1
        round_d = self.pause_after * self._interval() + self.pause_days
        rounds, rest = divmod(since, round_d)
        return rounds * self.pause_after + min(rest // self._interval() + 1, self.pause_after)

    def advance(self, share: Floats, tapered: Tapered | None) -> Floats:
        """Share after the next step, (n,): the step, then the rules for the end, the floor, the ceiling."""
        after = self._next(share, tapered)
        after = np.where(after < self.end_pct / 100 - TOLERANCE, 0.0, after)
        after = np.maximum(after, self.floor_pct / 100)
        if self.ceiling_pct is not None:
            most_steps = -(-MONTH_D // self._interval())  # in any 28 days
            after = np.maximum(after, share - self.ceiling_pct / 100 / most_steps)
        return np.minimum(np.where(after < TOLERANCE, 0.0, np.round(after, _DECIMALS)), share)
