"""Additions to a protocol by ``+``: adjunct, rotation, handoff, rules for special populations. Imports data.

``linear(pct=10, every=28) + adjunct(lofexidine) + handoff(after_d=84)``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data import formulary
from taper_sim.data.problems import problem
from taper_sim.model.pharmacology import Drug, administrations, most_equivalents
from taper_sim.policies.calls import FILE
from taper_sim.policies.interface import Observation, Order, Patients, Policy, Rotation
from taper_sim.units import DRUG_CLASSES, LONGEST_D

ALPHA2_AGONISTS: Final = ("lofexidine", "clonidine")
"""Adjuncts with an effect on opioid withdrawal in the model. Source: E049, E050; adjuncts.csv."""


ALPHA2_LONGEST_D: Final = 14
"""Longest course of an alpha-2 agonist, days. Source: label of lofexidine; assumed of clonidine (A65)."""

LOFEXIDINE_FULL_MG: Final = 2.88
"""mg of base a day at the full effect, the largest dose of the trials. Source: E050."""
LOFEXIDINE_POWER: Final = 0.742
"""Effect as a power of the dose: 2.16 and 2.88 mg lower log SOWS-Gossop by 0.21 and 0.26. Source: E049, E050."""


class InnerProtocol:
    """A protocol inside a policy with more decision days; the protocol decides only on its days.

    It then receives every report since its last decision; on other days its last order remains in force.
    """

    def __init__(self, policy: Policy, patients: Patients):
        self._policy, self._memory = policy, policy.start(patients)
        self._days = set(policy.decision_days(LONGEST_D))
        self._order: Order | None = None
        self._reports: list[Mapping[str, Floats]] = []

    def order(self, observation: Observation) -> Order:
        """Order of the protocol on a day of the outer policy; a change of drug is ordered once."""
        if self._order is not None and observation.day not in self._days:
            self._reports.append(observation.reports)
            return replace(self._order, rotation=None)
        earlier_reports, self._reports = self._reports, []
        if earlier_reports:
            blocks = [*earlier_reports, observation.reports]
            reports = {name: np.concatenate([block[name] for block in blocks], axis=1) for name in observation.reports}
            observation = replace(observation, reports=reports)
        self._order = self._policy.decide(self._memory, observation)
        return self._order


@dataclass(frozen=True)
class Wrapped(Policy):
    """A protocol inside another policy, which inherits every attribute that it does not change."""

    policy: Policy

    @property
    def name(self) -> str:
        """As the protocol."""
        return self.policy.name

    @property
    def sees_reports(self) -> bool:
        """As the protocol."""
        return self.policy.sees_reports

    @property
    def sees_state(self) -> bool:
        """As the protocol."""
        return self.policy.sees_state

    @property
    def holds(self) -> bool:
        """As the protocol: whether it never reduces a dose."""
        return self.policy.holds

    @property
    def rules_for(self) -> frozenset[str]:
        """As the protocol: populations for which it has a rule."""
        return frozenset(self.policy.rules_for)

    @property
    def planned_care(self) -> Mapping[str, float] | None:
        """As the protocol: care that it plans."""
        return self.policy.planned_care

    @property
    def modality(self) -> str | None:
        """As the protocol: modality of visits."""
        return self.policy.modality

    @property
    def setting(self) -> str | None:
        """As the protocol: setting of care."""
        return self.policy.setting

    def decision_days(self, n_days: int) -> Sequence[int]:
        """As the protocol."""
        return self.policy.decision_days(n_days)

    def start(self, patients: Patients) -> Any:
        """As the protocol."""
        return self.policy.start(patients)

    def decide(self, memory: Any, observation: Observation) -> Order:
        """As the protocol."""
        return self.policy.decide(memory, observation)


@dataclass(frozen=True)
class Added(Wrapped):
    """A protocol with an addition by ``+``."""

    added: str

    @property
    def name(self) -> str:
        """Call of the protocol, + and the addition."""
        return f"{self.policy.name} + {self.added}"


@dataclass(frozen=True)
class WithAdjunct(Added):
    """An alpha-2 agonist for every patient on an opioid, for ``days`` days from day 1.

    ``effect`` is the effect of its dose as a share of the full effect.
    """

    days: int = ALPHA2_LONGEST_D
    effect: float = 1.0

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days of the protocol, and the first day without the adjunct."""
        ends = {self.days + 1} if self.days < n_days else set()
        return sorted({*self.policy.decision_days(n_days), *ends})

    def start(self, patients: Patients) -> InnerProtocol:
        """As the protocol."""
        return InnerProtocol(self.policy, patients)

    def decide(self, memory: InnerProtocol, observation: Observation) -> Order:
        """Add the adjunct to the order."""
        order = memory.order(observation)
        effect = self.effect if observation.day <= self.days else 0.0
        return replace(order, adjunct=np.full(len(order.dose_fraction), effect))


@dataclass(frozen=True)
class WithRotation(Added):
    """A change of every patient on the drug's class to ``drug`` on ``day``, at ``start_pct`` of the equivalents."""

    drug: Drug = None  # type: ignore[assignment]  # rotate() always sets it
    times: int = 1
    day: int = 1
    start_pct: float = 75.0

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days of the protocol, and the day of the rotation."""
        return sorted({*self.policy.decision_days(n_days), *({self.day} if self.day <= n_days else set())})

    def start(self, patients: Patients) -> Any:
        """Memory of the protocol, and which patients take the class."""
        column = DRUG_CLASSES.index(self.drug.drug_class)
        if any(names.get(column) == "buprenorphine" for names in patients.drug):
            raise problem(FILE, self.name, "a patient on buprenorphine", "patients whose dose can be converted")
        most = most_equivalents(self.drug, formulary.absorption(), self.times)
        wanted = float(np.max(patients.dose[:, column], initial=0.0)) * self.start_pct / 100.0
        if wanted > most:
            given = f"a patient whose new dose is {wanted:.0f} equivalents a day"
            raise problem(FILE, self.name, given, f"at most {most:.0f}: the absorption of more is unknown")
        return InnerProtocol(self.policy, patients), patients.taken[:, column]

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Add the rotation to the order of its day."""
        inner, takes = memory
        order = inner.order(observation)
        if observation.day != self.day:
            return order
        column = DRUG_CLASSES.index(self.drug.drug_class)
        return replace(order, rotation=Rotation(takes, column, self.drug, self.times, self.start_pct / 100.0))


@dataclass(frozen=True)
class WithHandoff(Added):
    """Handoff to primary care, with fewer contacts, after ``after_d`` days at one dose below the original.

    The care of the programme ends; people leave primary care at the rate of usual care.
    """

    after_d: int = 84
    checkin_every_d: int = 28
    visit_every_d: int = 84
    check_every_d: int = 28

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days of the protocol, and every four weeks."""
        return sorted({*self.policy.decision_days(n_days), *range(1, n_days + 1, self.check_every_d)})

    def start(self, patients: Patients) -> Any:
        """Memory of the protocol, day of each patient's last change of dose, and last order."""
        n = len(patients.dose)
        return InnerProtocol(self.policy, patients), np.zeros(n), np.ones((n, 3))

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Hand over patients whose dose has been unchanged, below the original, for ``after_d`` days."""
        inner, since, last = memory
        order = inner.order(observation)
        changed = (order.dose_fraction != last).any(axis=1)
        since[changed] = observation.day
        last[:] = order.dose_fraction
        over = (observation.day - since >= self.after_d) & (order.dose_fraction < 1.0).any(axis=1)
        return replace(
            order,
            checkin_every_d=_where(over, self.checkin_every_d, order.checkin_every_d),
            visit_every_d=_where(over, self.visit_every_d, order.visit_every_d),
            handed_over=over,
        )


def _where(who: np.ndarray, value: float, otherwise: Floats | None) -> Floats:
    """The value for patients in ``who``; for the others the protocol's order, or NaN (unchanged)."""
    return np.where(who, float(value), np.nan if otherwise is None else otherwise)


@dataclass(frozen=True)
class WithRules(Added):
    """A rule that holds the dose of special populations."""

    hold: frozenset[str] = frozenset()

    @property
    def rules_for(self) -> frozenset[str]:
        """Populations of the protocol, and of this rule."""
        return super().rules_for | self.hold

    def start(self, patients: Patients) -> Any:
        """Memory of the protocol, and the patients whose dose is held."""
        held = np.zeros(len(patients.dose), dtype=bool)
        if "pregnancy" in self.hold:
            held |= np.asarray(patients.flags["pregnant"], dtype=bool)
        if "buprenorphine" in self.hold:
            held |= np.array([names.get(0) == "buprenorphine" for names in patients.drug], dtype=bool)
        return self.policy.start(patients), held

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Order the original dose for held patients, and the protocol's order for the others."""
        inner, held = memory
        order = self.policy.decide(inner, observation)
        return replace(order, dose_fraction=np.where(held[:, None], 1.0, order.dose_fraction))


@dataclass(frozen=True)
class WithRunIn(Added):
    """The protocol, started ``days`` days later, after a run-in at the original dose with check-ins."""

    days: int = 14

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1, and the days of the protocol, ``days`` days later."""
        return [1, *(day + self.days for day in self.policy.decision_days(max(n_days - self.days, 0)))]

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Hold the dose during the run-in, then apply the protocol with its day 1 after the run-in."""
        if observation.day <= self.days:
            return Order(observation.dose_fraction.copy())
        return self.policy.decide(memory, replace(observation, day=observation.day - self.days))


def _in_range(call: str, name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise problem(FILE, call, f"{name}={value:g}", f"{low:g} to {high:g}")


def adjunct(policy: Policy, drug: str, /, *, mg: float | None = None, days: int = ALPHA2_LONGEST_D) -> WithAdjunct:
    """Add an alpha-2 agonist (lofexidine, clonidine) for at most two weeks.

    With fewer ``mg`` of lofexidine a day its effect is smaller. While it is given urgent visits are more frequent.
    """
    if drug not in ALPHA2_AGONISTS:
        raise problem(FILE, "adjunct", drug, f"{', '.join(ALPHA2_AGONISTS)}: the model has no other adjunct")
    effect = 1.0
    if mg is not None:
        if drug != "lofexidine":
            raise problem(FILE, "adjunct", f"mg={mg:g} of {drug}", "no mg: only doses of lofexidine have been compared")
        _in_range("adjunct", "mg", mg, 0.1, LOFEXIDINE_FULL_MG)
        effect = (mg / LOFEXIDINE_FULL_MG) ** LOFEXIDINE_POWER
    _in_range("adjunct", "days", days, 1, ALPHA2_LONGEST_D)
    written_mg = [f"mg={mg:g}"] if mg is not None else []
    written_days = [f"days={days}"] if days != ALPHA2_LONGEST_D else []
    arguments = ", ".join([drug, *written_mg, *written_days])
    return WithAdjunct(policy, f"adjunct({arguments})", days, effect)


def rotate(
    policy: Policy,
    drug: str,
    formulation: str,
    /,
    *,
    day: int = 1,
    start_pct: float = 75.0,
    interval_h: float | None = None,
) -> WithRotation:
    """Change the drug or formulation of a class on a day, at ``start_pct`` of the equivalents (50 to 75 is usual)."""
    try:
        row = formulary.find_drug(drug, formulation)
        times = administrations(row, interval_h)
    except ValueError as error:
        raise problem(FILE, "rotate", f"{drug} {formulation}", str(error)) from None
    if row.is_buprenorphine:
        allowed = "a drug with equivalents: there is no conversion factor to buprenorphine"
        raise problem(FILE, "rotate", f"{drug} {formulation}", allowed)
    _in_range("rotate", "day", day, 1, 3650)
    _in_range("rotate", "start_pct", start_pct, 10, 125)
    return WithRotation(policy, f"rotate({drug} {formulation}, day={day})", row, times, day, start_pct)


def handoff(policy: Policy, /, *, after_d: int = 84, checkin_every_d: int = 28, visit_every_d: int = 84) -> WithHandoff:
    """Hand over to primary care, with fewer check-ins and visits, after ``after_d`` days at one dose."""
    _in_range("handoff", "after_d", after_d, 7, 3650)
    _in_range("handoff", "checkin_every_d", checkin_every_d, 1, 364)
    _in_range("handoff", "visit_every_d", visit_every_d, 1, 364)
    return WithHandoff(policy, f"handoff(after_d={after_d})", after_d, checkin_every_d, visit_every_d)


def hold(policy: Policy, who: str, /) -> WithRules:
    """Hold the dose of a population without a rule: ``pregnancy``, ``buprenorphine`` or both, joined by ``/``."""
    populations = frozenset(who.split("/"))
    known = {"pregnancy", "buprenorphine"}
    if not populations <= known:
        raise problem(FILE, "hold", who, " or ".join(sorted(known)) + ", or both joined by /")
    return WithRules(policy, f"hold({who})", populations)


def run_in(policy: Policy, /, *, days: int = 14) -> WithRunIn:
    """Start the protocol ``days`` days later, after a run-in at the original dose with check-ins."""
    _in_range("run_in", "days", days, 1, 364)
    return WithRunIn(policy, f"run_in(days={days})", days)
