"""Personal pace as a policy of the simulator. Imports ``policies``, ``safety``.

For each patient and decision ``personal(...)`` computes the posterior, roll-out, ceilings and choice of the
recommendation from the observed record; ``prior_only(...)`` does the same without check-ins. Compiled code is loaded
when a policy starts (:mod:`taper_sim.recommend.personal_decisions`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from taper_sim.comparison.preferences import DOMAINS, ValueJudgements
from taper_sim.data.problems import InputError, Problem, shown
from taper_sim.policies.calls import FILE
from taper_sim.policies.fixed import Linear
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.policies.modified import run_in
from taper_sim.safety.limits import Limits, ValuesEntry
from taper_sim.safety.within_ceiling import within_ceiling
from taper_sim.units import MONTH_D, DrugClass

_DRAWS: Final = (64, 128, 256, 512, 1024, 2048, 4096)
Sees = Literal["reports", "nothing", "b", "lasting", "state"]
Informed = Literal["own", "fastest"]
Plans = Literal["paces", "all"]
FIRST_REVIEW_D: Final = 7
"""Days from the start to the first review of check-ins; until then no pace exceeds the preset's. A design choice."""
_VALUES: Final = (*DOMAINS, "full_stop", "harm_line")
_CHECKIN_EVERY_D: Final = {"daily": 1.0, "weekly": 7.0}


@dataclass(frozen=True)
class Personal(Policy):
    """At each decision, the option with the least expected loss among those whose probabilities are at most ``risk``.

    Parameters
    ----------
    risk : float
        Largest probability, within ``horizon_d``, of withdrawal over ``limit``, and of a rise of pain or a fall of
        function by more than the smallest important difference.
    limit : float
        Withdrawal, 0 to 1.
    every : int
        Days between decisions.
    draws : int
        Posterior draws, a power of two.
    ceiling : bool
        Whether the ceiling of guidance applies (:mod:`taper_sim.safety.ceilings`).
    checkins : str
        ``daily`` or ``weekly``.
    sees : str
        ``reports``; ``nothing``: the prior and the baseline assessment alone; ``b``: reports and the true long-run
        benefit, an oracle; ``lasting``: also the true lasting response beta; ``state``: the true state, an oracle.
    informed : str
        ``own``: a patient's own check-ins inform the policy; ``fastest``: also those that the same patient would send
        on the fastest taper within the ceiling, for nothing. No policy can have them: a bound of what can be learnt.
    look_ahead : bool
        Whether each option is judged by the choice that its reports will allow
        (:mod:`taper_sim.recommend.look_ahead`), or as a course that is never changed.
    horizon_d, outlook_d : int
        Horizon of the probabilities, and of the expected loss.
    prefer : str
        ``least loss`` or ``fastest``.
    step_back : bool
        Whether the dose may return to that before the last reduction.
    run_in : int
        Days of check-ins before the first decision; the dose is held on them.
    pain, function, mood, sleep, full_stop, harm_line : float
        Values of the patients, as in ``preferences.ValueJudgements``; ``outlook_d`` is how far ahead they look.
    plans : str
        ``paces``: a pace down to a floor; ``all``: also plateaus, and steps as shares of the current dose.
    way_back : bool
        Whether the dose may rise by up to 25 points of the original in 28 days.
    """

    risk: float = 0.10
    limit: float = 0.15
    every: int = 28
    draws: int = 128
    ceiling: bool = True
    checkins: str = "daily"
    sees: Sees = "reports"
    horizon_d: int = 56
    outlook_d: int = 364
    prefer: Literal["fastest", "least loss"] = "least loss"
    step_back: bool = True
    drug_class: DrugClass | None = None
    run_in: int = 0
    pain: float = ValueJudgements.pain
    function: float = ValueJudgements.function
    mood: float = ValueJudgements.mood
    sleep: float = ValueJudgements.sleep
    full_stop: float = ValueJudgements.full_stop
    harm_line: float = ValueJudgements.harm_line
    plans: Plans = "paces"
    way_back: bool = False
    informed: Informed = "own"
    look_ahead: bool = False

    @property
    def name(self) -> str:
        """The call."""
        ceiling = "on" if self.ceiling else "off"
        arguments = f"risk={self.risk:g}, limit={self.limit:g}, every={self.every}, ceiling={ceiling}"
        arguments += f", run_in={self.run_in}" if self.run_in else ""
        for name in _VALUES:
            changed = getattr(self, name) != getattr(ValueJudgements, name)
            arguments += f", {name}={getattr(self, name):g}" if changed else ""
        arguments += f", plans={self.plans}" if self.plans != "paces" else ""
        arguments += ", way_back=on" if self.way_back else ""
        arguments += ", look_ahead=on" if self.look_ahead else ""
        if self.sees == "nothing":
            return f"prior_only({arguments})"
        if self.sees == "state":
            return f"personal({arguments}, sees=state)"
        arguments += f", sees={self.sees}" if self.sees != "reports" else ""
        arguments += f", informed={self.informed}" if self.informed != "own" else ""
        return f"personal({arguments}, checkins={self.checkins})"

    @property
    def sees_reports(self) -> bool:
        """Whether the policy uses check-ins."""
        return self.sees in ("reports", "b", "lasting")

    @property
    def sees_state(self) -> bool:
        """Whether the policy uses what only a simulation knows."""
        return self.sees in ("state", "b", "lasting") or self.informed != "own"

    @property
    def limits(self) -> Limits:
        """Limits of the roll-out, as a limits file gives them."""
        return Limits(
            withdrawal=self.limit,
            risk=self.risk,
            horizon_days=self.horizon_d,
            allow_step_back=self.step_back,
            prefer=self.prefer,
            values=ValuesEntry(**{name: getattr(self, name) for name in _VALUES}, outlook_days=self.outlook_d),
        )

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1, the end of the first week of check-ins or of the run-in, and every ``every`` days from then on."""
        if self.run_in:
            return [1, *range(1 + self.run_in, n_days + 1, self.every)]
        if not self.sees_reports:
            return range(1, n_days + 1, self.every)
        return [1, *range(1 + FIRST_REVIEW_D, n_days + 1, self.every)]

    def start(self, patients: Patients) -> Any:
        """Memory that the decisions of these patients need."""
        from taper_sim.recommend.personal_decisions import PersonalDecisions

        return PersonalDecisions(self, patients)

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Decide for each patient from that patient's record alone."""
        every = np.full(len(observation.dose_fraction), _CHECKIN_EVERY_D[self.checkins])
        share = observation.dose_fraction.copy() if observation.day <= self.run_in else memory.decide(observation)
        return Order(share, checkin_every_d=every if self.sees_reports else None)

    def fastest(self) -> Policy:
        """The fastest taper within the ceiling, after the same run-in."""
        taper = Linear(100.0, MONTH_D, drug_class=self.drug_class)
        return within_ceiling(run_in(taper, days=self.run_in) if self.run_in else taper)


def _built(
    call: str, *, ceiling: str, prefer: str, step_back: str, way_back: str, look_ahead: str = "off", **fields: Any
) -> Personal:
    """The policy of a call, from its arguments: words of the call become the fields' values, the others are fields."""
    return _checked(
        call,
        Personal(
            ceiling=ceiling == "on",
            prefer="fastest" if prefer == "fastest" else "least loss",
            step_back=step_back == "on",
            way_back=way_back == "on",
            look_ahead=look_ahead == "on",
            **fields,
        ),
    )


def _checked(call: str, policy: Personal) -> Personal:
    """The policy; raises InputError with every argument out of range."""
    problems = [
        Problem(FILE, call, f"{name}={shown(value)}", allowed)
        for name, value, right, allowed in (
            ("risk", policy.risk, 0 < policy.risk < 1, "above 0 and below 1"),
            ("limit", policy.limit, 0 < policy.limit < 1, "above 0 and below 1"),
            ("every", policy.every, 7 <= policy.every <= 84, "7 to 84 days"),
            ("draws", policy.draws, policy.draws in _DRAWS, "a power of two, 64 to 4096"),
            ("checkins", policy.checkins, policy.checkins in _CHECKIN_EVERY_D, ", ".join(_CHECKIN_EVERY_D)),
            ("horizon_d", policy.horizon_d, 14 <= policy.horizon_d <= 364, "14 to 364 days"),
            ("outlook_d", policy.outlook_d, 28 <= policy.outlook_d <= 728, "28 to 728 days"),
            ("run_in", policy.run_in, 0 <= policy.run_in <= 84, "0 to 84 days"),
            *((name, getattr(policy, name), 0 <= getattr(policy, name) <= 100, "0 to 100") for name in DOMAINS),
            ("informed", policy.informed, policy.informed == "own" or policy.sees == "reports", "own, or sees=reports"),
            ("look_ahead", policy.look_ahead, not policy.look_ahead or policy.prefer == "least loss", "least_loss"),
            ("pain", policy.pain, any(getattr(policy, name) for name in DOMAINS), "or another weight above 0"),
            ("full_stop", policy.full_stop, 0 <= policy.full_stop <= 20, "0 to 20"),
            ("harm_line", policy.harm_line, 0 <= policy.harm_line <= 20, "0 to 20"),
        )
        if not right
    ]
    if problems:
        raise InputError(problems)
    return policy


def personal(
    *,
    risk: float = 0.10,
    limit: float = 0.15,
    every: int = 28,
    draws: int = 128,
    ceiling: Literal["on", "off"] = "on",
    checkins: Literal["daily", "weekly"] = "daily",
    sees: Literal["reports", "b", "lasting", "state"] = "reports",
    horizon_d: int = 56,
    outlook_d: int = 364,
    prefer: Literal["least_loss", "fastest"] = "least_loss",
    step_back: Literal["on", "off"] = "on",
    drug_class: DrugClass | None = None,
    run_in: int = 0,
    pain: float = ValueJudgements.pain,
    function: float = ValueJudgements.function,
    mood: float = ValueJudgements.mood,
    sleep: float = ValueJudgements.sleep,
    full_stop: float = ValueJudgements.full_stop,
    harm_line: float = ValueJudgements.harm_line,
    plans: Plans = "paces",
    way_back: Literal["on", "off"] = "off",
    informed: Informed = "own",
    look_ahead: Literal["on", "off"] = "off",
) -> Personal:
    """Pace from the patient's check-ins: least expected loss within every limit on risk (docs/personal-pace.md)."""
    return _built("personal", **locals())


def prior_only(
    *,
    risk: float = 0.10,
    limit: float = 0.15,
    every: int = 28,
    draws: int = 128,
    ceiling: Literal["on", "off"] = "on",
    horizon_d: int = 56,
    outlook_d: int = 364,
    prefer: Literal["least_loss", "fastest"] = "least_loss",
    step_back: Literal["on", "off"] = "on",
    drug_class: DrugClass | None = None,
    run_in: int = 0,
    pain: float = ValueJudgements.pain,
    function: float = ValueJudgements.function,
    mood: float = ValueJudgements.mood,
    sleep: float = ValueJudgements.sleep,
    full_stop: float = ValueJudgements.full_stop,
    harm_line: float = ValueJudgements.harm_line,
    plans: Plans = "paces",
    way_back: Literal["on", "off"] = "off",
) -> Personal:
    """As personal, from prior and baseline assessment alone: the value of the choice without any check-in."""
    return _built("prior_only", sees="nothing", **locals())
