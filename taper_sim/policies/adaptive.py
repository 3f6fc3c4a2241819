"""Rules on check-ins, written in YAML: pause, slow, resume, step back, escalate. Imports data and the interface.

``adaptive("rules.yaml")``. A rule sees reports only. Every ``every`` days the rules are evaluated in order; the first
that holds decides for that patient. If none holds, the taper continues at the patient's pace.
docs/how-to/adaptive-rules.md describes the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from taper_sim.array_types import Bools, Floats
from taper_sim.data.problems import nearest, problem
from taper_sim.data.yaml_input import Strict, load
from taper_sim.model.event_parameters import STREAMS
from taper_sim.policies.calls import FILE
from taper_sim.policies.interface import BASE_FOLDER, Observation, Order, Patients, Policy
from taper_sim.units import DRUG_CLASSES, DrugClass

DAILY_INSTRUMENTS: Final = tuple(stream.instrument for stream in STREAMS)
Action = Literal["pause", "slow", "go on", "resume", "step back", "escalate"]
FACTORS: Final = (
    "failed_tapers",
    "mood_disorder",
    "ptsd",
    "oud",
    "earlier_overdose",
    "sleep_apnoea",
    "renal_impairment",
    "long_use",
    "high_dose",
    "age_65",
)
_LONG_USE_D, _HIGH_DOSE, _OLD_Y = 1825.0, 90.0, 65.0


class Condition(Strict):
    """One condition on the check-ins since the last decision.

    ``statistic`` of the instrument is above or below a number, or has risen or fallen by a number since the patient's
    own first reports; with ``any`` at least ``confirm`` single reports must be beyond it. With fewer than ``reports``
    check-ins the condition is unknown and has the value of ``if_unknown``.
    """

    instrument: str
    statistic: Literal["mean", "median", "max", "last", "any"] = "mean"
    above: float | None = None
    below: float | None = None
    rise_above: float | None = None
    fall_above: float | None = None
    confirm: int = Field(default=1, ge=1, le=28)
    reports: int = Field(default=1, ge=1, le=28)
    if_unknown: bool = False

    @field_validator("instrument")
    @classmethod
    def _exists(cls, instrument: str) -> str:
        if instrument not in DAILY_INSTRUMENTS:
            near = nearest(instrument, DAILY_INSTRUMENTS)
            raise ValueError(f"{instrument} is no daily instrument{near}; {', '.join(DAILY_INSTRUMENTS)}")
        return instrument

    @model_validator(mode="after")
    def _one_test(self) -> "Condition":
        if sum(value is not None for value in (self.above, self.below, self.rise_above, self.fall_above)) != 1:
            raise ValueError("exactly one of above, below, rise_above, fall_above")
        return self


class AdaptiveRule(Strict):
    """An action if all (or any) conditions hold at ``confirm`` consecutive decisions."""

    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    then: Action
    confirm: int = Field(default=1, ge=1, le=10)

    @model_validator(mode="after")
    def _has_conditions(self) -> "AdaptiveRule":
        if not self.all and not self.any:
            raise ValueError("a rule needs conditions under all or any")
        return self


class Rules(Strict):
    """A rules file."""

    name: str = Field(min_length=1, max_length=80)
    drug_class: DrugClass | None = None
    step_pct: float = Field(default=10, gt=0, le=100)
    basis: Literal["original", "current"] = "original"
    every: int = Field(default=14, ge=1, le=364)
    minimum_hold_d: int = Field(default=0, ge=0, le=364)
    maximum_step_pct: float = Field(default=100, gt=0, le=100)
    slow_factor: float = Field(default=0.5, gt=0, lt=1)
    resume_factor: float = Field(default=2.0, gt=1, le=10)
    slowest_pct: float = Field(default=1.0, gt=0, le=100)
    never_reverse: bool = True
    step_back_share: float = Field(default=0.5, gt=0, le=1)
    floor_pct: float = Field(default=0, ge=0, lt=100)
    end_pct: float = Field(default=5, ge=0, lt=100)
    hold_without_reports: bool = True
    give_up_after_pauses: int | None = Field(default=None, ge=1)
    critical_d: int = Field(default=14, ge=0, le=364)
    checkin_every_d: int = Field(default=7, ge=1, le=364)
    checkin_critical_every_d: int = Field(default=1, ge=1, le=364)
    pace_from_risk: dict[str, float] = Field(default_factory=dict)
    rules: tuple[AdaptiveRule, ...] = Field(min_length=1)

    @field_validator("pace_from_risk")
    @classmethod
    def _factors(cls, factors: dict[str, float]) -> dict[str, float]:
        for name, factor in factors.items():
            if name not in FACTORS:
                raise ValueError(f"{name} is no risk factor{nearest(name, FACTORS)}; {', '.join(FACTORS)}")
            if not 0 < factor <= 1:
                raise ValueError(f"the pace with {name} is multiplied by {factor:g}; allowed: above 0 and at most 1")
        return factors

    @model_validator(mode="after")
    def _reverses_or_not(self) -> "Rules":
        if self.never_reverse and any(rule.then == "step back" for rule in self.rules):
            raise ValueError("a rule has the action step back, but never_reverse is true; set it to false")
        if self.basis == "current" and self.end_pct == 0 and self.floor_pct == 0:
            raise ValueError("a taper by percent of the current dose never ends: give end_pct or floor_pct above 0")
        return self


@dataclass
class _Memory:
    """Memory of n patients: class, pace, last reduction, first reports, number of decisions at which each rule held."""

    column: np.ndarray
    pace: Floats
    usual_pace: Floats
    last_cut: Floats
    cut_from: Floats
    first: dict[str, Floats] = field(default_factory=dict)
    held: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    pauses: Floats = field(default_factory=lambda: np.zeros(0))
    escalated: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))


def _risk(patients: Patients, name: str) -> Bools:
    if name == "long_use":
        return np.asarray(patients.use_days[:, 0] > _LONG_USE_D)
    if name == "high_dose":
        return np.asarray(patients.dose[:, 0] >= _HIGH_DOSE)
    if name == "age_65":
        return np.asarray(patients.flags["age"] >= _OLD_Y)
    return np.asarray(patients.flags[name]) > 0


def column_of(patients: Patients, drug_class: DrugClass | None) -> np.ndarray:
    """Class that each patient tapers: ``drug_class``, or the first class taken; −1 for none."""
    taken = patients.taken
    if drug_class is not None:
        k = DRUG_CLASSES.index(drug_class)
        return np.where(taken[:, k], k, -1)
    return np.where(taken.any(axis=1), np.argmax(taken, axis=1), -1)


def put_share(share: Floats, column: np.ndarray, values: Floats) -> Floats:
    """Shares with the value of one class of each patient replaced, (n, 3)."""
    changed = share.copy()
    rows = np.flatnonzero(column >= 0)
    changed[rows, column[rows]] = values[rows]
    return changed


def _statistic(condition: Condition, reports: Floats) -> tuple[Floats, Bools]:
    """Statistic of each patient's reports, and whether there were enough reports."""
    present = ~np.isnan(reports)
    enough = present.sum(axis=1) >= condition.reports
    if condition.statistic == "last":
        last = reports.shape[1] - 1 - np.argmax(present[:, ::-1], axis=1)
        value = reports[np.arange(len(reports)), last]
    else:
        value = np.full(len(reports), np.nan)
        sufficient = reports[enough]
        if condition.statistic == "median":
            value[enough] = np.nanmedian(sufficient, axis=1)
        else:
            value[enough] = (
                np.nanmax(sufficient, axis=1) if condition.statistic == "max" else np.nanmean(sufficient, axis=1)
            )
    return np.where(enough, value, np.nan), enough


@dataclass(frozen=True)
class Adaptive(Policy):
    """Policy of a rules file; the module describes the rules."""

    rules: Rules
    sees_reports: bool = True

    @property
    def name(self) -> str:
        """Name in the rules file."""
        return self.rules.name

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 and every ``every`` days."""
        return range(1, n_days + 1, self.rules.every)

    def start(self, patients: Patients) -> _Memory:
        """Class and pace of each patient."""
        n = len(patients.dose)
        pace = np.full(n, min(self.rules.step_pct, self.rules.maximum_step_pct))
        for name, factor in self.rules.pace_from_risk.items():
            pace *= np.where(_risk(patients, name), factor, 1.0)
        pace = np.maximum(pace, min(self.rules.slowest_pct, self.rules.step_pct))
        return _Memory(
            column_of(patients, self.rules.drug_class),
            pace,
            pace.copy(),
            np.full(n, -np.inf),
            np.ones(n),
            held=np.zeros((len(self.rules.rules), n)),
            pauses=np.zeros(n),
            escalated=np.zeros(n, dtype=bool),
        )

    def _holds(self, condition: Condition, memory: _Memory, reports: Mapping[str, Floats], n: int) -> Bools:
        values = reports.get(condition.instrument)
        if values is None:
            return np.full(n, condition.if_unknown)
        if condition.statistic == "any":
            beyond = values > condition.above if condition.above is not None else values < (condition.below or 0.0)
            return np.asarray(beyond.sum(axis=1) >= condition.confirm)
        value, enough = _statistic(condition, values)
        first = memory.first.get(condition.instrument, np.full(n, np.nan))
        with np.errstate(invalid="ignore"):
            if condition.above is not None:
                true = value > condition.above
            elif condition.below is not None:
                true = value < condition.below
            elif condition.rise_above is not None:
                true, enough = value - first > condition.rise_above, enough & ~np.isnan(first)
            else:
                true, enough = first - value > (condition.fall_above or 0.0), enough & ~np.isnan(first)
        return np.where(enough, true, condition.if_unknown)

    def _actions(self, memory: _Memory, observation: Observation, n: int) -> np.ndarray:
        """Action of the first rule that holds for each patient; "go on" (continue) if none holds."""
        action = np.full(n, "go on", dtype="<U12")
        if not observation.reports:
            return action
        decided = np.zeros(n, dtype=bool)
        for number, rule in enumerate(self.rules.rules):
            holds = np.ones(n, dtype=bool)
            for condition in rule.all:
                holds &= self._holds(condition, memory, observation.reports, n)
            if rule.any:
                holds &= np.any([self._holds(c, memory, observation.reports, n) for c in rule.any], axis=0)
            memory.held[number] = np.where(holds, memory.held[number] + 1, 0)
            fires = (memory.held[number] >= rule.confirm) & ~decided
            action[fires] = rule.then
            decided |= fires
        if self.rules.hold_without_reports:
            unreported = np.all([np.isnan(values).all(axis=1) for values in observation.reports.values()], axis=0)
            action[unreported & ~decided] = "pause"
        for instrument, values in observation.reports.items():
            present = (~np.isnan(values)).any(axis=1)
            first = memory.first.setdefault(instrument, np.full(n, np.nan))
            new = present & np.isnan(first)
            first[new] = np.nanmean(values[new], axis=1)
        return action

    def decide(self, memory: _Memory, observation: Observation) -> Order:
        """Apply the rules; the module describes their order."""
        r = self.rules
        n = len(memory.column)
        rows = np.arange(n)
        now = np.where(memory.column >= 0, observation.dose_fraction[rows, memory.column], 1.0)
        action = self._actions(memory, observation, n)
        escalate = action == "escalate"
        memory.escalated |= escalate
        slower = np.maximum(memory.pace * r.slow_factor, min(r.slowest_pct, r.step_pct))
        faster = np.minimum(memory.pace * r.resume_factor, memory.usual_pace)
        memory.pace = np.select([action == "slow", action == "resume"], [slower, faster], memory.pace)
        pause = (action == "pause") | escalate
        memory.pauses += pause
        if r.give_up_after_pauses is not None:
            pause |= memory.pauses >= r.give_up_after_pauses
        pause |= observation.day - memory.last_cut < r.minimum_hold_d
        step = np.minimum(memory.pace, r.maximum_step_pct) / 100.0
        lower = now - step if r.basis == "original" else now * (1.0 - step)
        lower = np.where(lower < r.end_pct / 100.0 - 1e-12, 0.0, lower)
        lower = np.maximum(np.round(lower, 12), r.floor_pct / 100.0)
        share = np.where(pause, now, np.minimum(lower, now))
        back = (action == "step back") & (memory.cut_from > now)
        share = np.where(back, now + r.step_back_share * (memory.cut_from - now), share)
        cut = share < now
        memory.cut_from = np.where(cut, now, memory.cut_from)
        memory.last_cut = np.where(cut, observation.day, memory.last_cut)
        critical = observation.day - memory.last_cut < r.critical_d
        every = np.where(critical, r.checkin_critical_every_d, r.checkin_every_d).astype(np.float64)
        return Order(
            put_share(observation.dose_fraction, memory.column, share), memory.escalated.astype(np.float64), every
        )


def adaptive(rules: str, /, *, step_pct: float | None = None) -> Adaptive:
    """Build the policy of a rules file, optionally with another step; raises InputError with every problem."""
    loaded = load(BASE_FOLDER.get() / rules, Rules)
    if step_pct is None:
        return Adaptive(loaded)
    if not 0 < step_pct <= 100:
        raise problem(FILE, "adaptive", f"step_pct={step_pct:g}", "above 0 and at most 100 percent")
    name = f"{loaded.name} (step_pct={step_pct:g})"[:80]
    return Adaptive(loaded.model_copy(update={"step_pct": step_pct, "name": name}))
