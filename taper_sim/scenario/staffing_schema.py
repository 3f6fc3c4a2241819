"""Schema of the search for a team: range, targets, objective. Imports ``comparison.outcomes``, ``clinic``, ``data``."""

from collections.abc import Mapping
from math import asinh, inf, isnan, prod
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from taper_sim.clinic.team import QUEUES, ROLES
from taper_sim.comparison.outcomes import BY_NAME, Outcome
from taper_sim.data.problems import nearest, shown
from taper_sim.data.yaml_input import Strict, Wrong

MAX_CANDIDATES: Final = 20_000
_MARGIN_UNIT: Final = 0.25
"""Unit of a margin, as a share of the limit. Source: assumption A113."""
MAX_FTE: Final = 200.0
ROLE_METRICS: Final = (
    "late",
    "late_closed",
    "late_people",
    "lost",
    "utilisation",
    "overtime",
    "wait_mean",
    "wait_p90",
    "queue",
)
"""Metrics of ``service.csv`` that are defined for a role."""
CLINIC_METRICS: Final = (
    "late",
    "late_closed",
    "late_people",
    "lost",
    "wait_mean",
    "order_wait_days",
    "order_wait_days_closed",
    "checkins_unread_overnight",
    "checkins_unread_closed",
    "visits_given",
    "spike_alerts_dismissed",
    "cost",
)
"""Metrics of ``service.csv`` that are defined for the whole clinic."""
AGAINST: Final = "_against_never_short"
"""End of the name of a metric that is a paired difference from unlimited staff; part of the file format."""
Fte = Annotated[float, Field(ge=0, le=MAX_FTE)]


class FteRange(Strict):
    """FTE of a role to evaluate: from ``least`` to ``most`` in steps."""

    least: Fte
    most: Fte
    step: float = Field(default=1.0, ge=0.01, le=MAX_FTE)

    @model_validator(mode="after")
    def _is_a_range(self) -> "FteRange":
        if self.least > self.most:
            raise Wrong(("", f"{self.least:g} to {self.most:g} FTE", "least at most as large as most"))
        return self

    def levels(self) -> list[float]:
        """Every FTE level to evaluate; ``most`` is always included."""
        n = int((self.most - self.least) / self.step + 1e-9)
        levels = [round(self.least + k * self.step, 6) for k in range(n + 1)]
        return levels if abs(levels[-1] - self.most) < 1e-6 else [*levels, self.most]


class Target(Strict):
    """A limit on one result of a replication: a service metric, or the patients' mean of an outcome.

    With ``against: never_short`` the limit applies to the paired difference from the same patients with unlimited
    staff.
    """

    metric: str
    role: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    against: Literal["never_short"] | None = None

    @model_validator(mode="after")
    def _is_a_target(self) -> "Target":
        known = [*CLINIC_METRICS, *BY_NAME] if self.role is None else list(ROLE_METRICS)
        wrong = []
        if self.metric not in known:
            given = f"{shown(self.metric)}{'' if self.role is None else ' of a role'}{nearest(self.metric, known)}"
            services = CLINIC_METRICS if self.role is None else ROLE_METRICS
            outcomes = " or an outcome of `taper-sim outcomes`" if self.role is None else ""
            wrong.append(("metric", given, f"one of {', '.join(services)}{outcomes}"))
        if self.role is not None and self.role not in QUEUES:
            wrong.append(("role", f"{shown(self.role)}{nearest(self.role, QUEUES)}", f"one of {', '.join(QUEUES)}"))
        if (self.at_most is None) == (self.at_least is None):
            wrong.append(("", "both limits" if self.at_most is not None else "no limit", "one of at_most, at_least"))
        if self.against is not None and self.metric not in BY_NAME:
            wrong.append(("against", f"{self.against} for {shown(self.metric)}", "with an outcome only"))
        if wrong:
            raise Wrong(*wrong)
        return self

    @property
    def key(self) -> str:
        """Name of the limited result in tables."""
        return self.metric if self.against is None else f"{self.metric}{AGAINST}"

    def met(self, value: float) -> bool:
        """Whether a value meets the target. A missing value (no demand in the replication) meets it."""
        if np.isnan(value):
            return True
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    def margin(self, value: float) -> float:
        """How far a number is inside the limit, negative outside: in quarters of the limit, large ones compressed.

        Equation: arsinh((limit − value) / (|limit| / 4)) for ``at_most``. Source: assumption A113.
        """
        if isnan(value):
            return -inf
        limit, sign = (self.at_least, -1.0) if self.at_most is None else (self.at_most, 1.0)
        limit = 0.0 if limit is None else limit
        return asinh(sign * (limit - value) / (_MARGIN_UNIT * abs(limit) or _MARGIN_UNIT))

    def __str__(self) -> str:
        """The target in one line of text."""
        limit = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        return f"{self.key}{'' if self.role is None else f' ({self.role})'} {limit}"


DEFAULT_TARGETS: Final = (
    Target(metric="late", at_most=0.10),
    Target(metric="checkins_unread_overnight", at_most=0.10),
    Target(metric="composite", against="never_short", at_most=0.10),
)
"""Source: assumption A46."""
INDIFFERENCE: Final = 0.15
"""Default half-width of the indifference zone around the required probability. Source: judged."""
UNIMPORTANT: Final = 0.1
"""Default indifference in an outcome, as a share of its smallest important difference. Source: A46."""


class StaffingEntry(Strict):
    """Search for a team. If ``fte`` is omitted, each role ranges from half of today's staff to twice as many.

    With ``minimise: harm`` the search selects the team with the least harm to patients within ``budget_usd_week``. Harm
    is the paired difference of the outcome ``harm`` from unlimited staff. Targets are then reported, not required.
    """

    protocol: str | None = None
    fte: dict[str, FteRange] = Field(default_factory=dict)
    minimise: Literal["cost", "fte", "harm"] = "cost"
    budget_usd_week: float | None = Field(default=None, gt=0)
    harm: str | None = None
    targets: tuple[Target, ...] = Field(default=DEFAULT_TARGETS, min_length=1, max_length=20)
    probability: float = Field(default=0.8, gt=0, lt=1)
    indifference: float | None = Field(default=None, gt=0)
    confidence: float = Field(default=0.9, ge=0.5, lt=1)
    most_replications: int = Field(default=40, ge=2, le=1000)
    most_teams: int = Field(default=60, ge=1, le=500)
    what_if_replications: int = Field(default=5, ge=0, le=1000)
    panel_shares: tuple[Annotated[float, Field(gt=0, le=10)], ...] = Field(
        default=(0.5, 0.75, 1.0, 1.25, 1.5), max_length=20
    )

    @field_validator("fte")
    @classmethod
    def _are_ranges(cls, ranges: Mapping[str, FteRange]) -> Mapping[str, FteRange]:
        unknown = [name for name in ranges if name not in ROLES]
        if unknown:
            allowed = f"one of {', '.join(ROLES)}"
            raise Wrong(*((name, f"an unknown role{nearest(name, ROLES)}", allowed) for name in unknown))
        n = prod(len(fte_range.levels()) for fte_range in ranges.values())
        if n > MAX_CANDIDATES:
            raise Wrong(("", f"ranges of {n:,} teams", f"at most {MAX_CANDIDATES:,}: larger steps, or fewer roles"))
        return ranges

    @model_validator(mode="after")
    def _can_be_told(self) -> "StaffingEntry":
        if self.minimise == "harm":
            return self
        low, high = self.zone
        if low <= 0 or high >= 1:
            given = f"{self.probability:g} with an indifference of {self.unimportant:g}"
            raise Wrong(("probability", given, "probability plus and minus indifference inside 0 to 1, ends excluded"))
        return self

    @model_validator(mode="after")
    def _has_a_budget_for_harm(self) -> "StaffingEntry":
        with_harm = "with minimise: harm"
        if self.minimise != "harm":
            keys_for_harm = [(name, getattr(self, name)) for name in ("budget_usd_week", "harm")]
            wrong = [
                (name, f"{value} with minimise: {self.minimise}", with_harm) for name, value in keys_for_harm if value
            ]
            if wrong:
                raise Wrong(*wrong)
            return self
        wrong = []
        if self.budget_usd_week is None:
            wrong.append(("budget_usd_week", f"nothing {with_harm}", "the highest cost of the team, USD a week"))
        directed = [name for name, outcome in BY_NAME.items() if outcome.direction != "neither"]
        if self.harm is not None and self.harm not in directed:
            given = f"{shown(self.harm)}{nearest(self.harm, directed)}"
            wrong.append(("harm", given, "an outcome of `taper-sim outcomes` with a better direction"))
        elif self.indifference is None and self.loses.important is None:
            given = f"nothing, and {self.loses.name} has no smallest important difference"
            wrong.append(("indifference", given, f"the largest unimportant difference, in {self.loses.unit}"))
        if wrong:
            raise Wrong(*wrong)
        return self

    @property
    def loses(self) -> Outcome:
        """The outcome that measures harm."""
        return BY_NAME[self.harm or "composite"]

    @property
    def unimportant(self) -> float:
        """Half-width of the indifference zone: a probability; with ``minimise: harm`` a difference of the outcome."""
        if self.indifference is not None:
            return self.indifference
        return INDIFFERENCE if self.minimise != "harm" else UNIMPORTANT * (self.loses.important or 0.0)

    @property
    def zone(self) -> tuple[float, float]:
        """The two probabilities of meeting the targets between which the test of a team decides."""
        return self.probability - self.unimportant, self.probability + self.unimportant
