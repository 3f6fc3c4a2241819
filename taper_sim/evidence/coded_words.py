"""Words of a table of published results: statistics, outcomes, columns, roles. Imports ``comparison``, ``model``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from taper_sim.comparison.outcomes import OUTCOMES
from taper_sim.model.compiled import rows

EstimateScale = Literal["log", "logit", "linear"]
OutcomeKind = Literal["number", "share", "event", "visits"]
Family = Literal["share", "rate", "hazard", "value", "change"]
"""What a statistic is computed from: people with the outcome of people; events of person-days; first events by
interval; one number a person; one number a person minus that of day 0."""


@dataclass(frozen=True)
class Statistic:
    """A statistic of a published result.

    Attributes
    ----------
    name : str
    two_arms : bool
        Whether it compares an arm with a reference arm.
    scale : "log", "logit" or "linear"
        EstimateScale on which an estimate is taken as normal: log for ratios and rates, logit for shares.
    family : str
        What it is computed from.
    kinds : tuple of str
        Kinds of outcomes that it is defined for.
    """

    name: str
    two_arms: bool
    scale: EstimateScale
    family: Family
    kinds: tuple[OutcomeKind, ...]


_SHARES: Final[tuple[OutcomeKind, ...]] = ("share", "event", "visits")
_NUMBERS: Final[tuple[OutcomeKind, ...]] = ("number",)

STATISTICS: Final[Mapping[str, Statistic]] = {
    statistic.name: statistic
    for statistic in (
        Statistic("proportion", False, "logit", "share", _SHARES),
        Statistic("odds_ratio", True, "log", "share", _SHARES),
        Statistic("risk_ratio", True, "log", "share", _SHARES),
        Statistic("risk_difference", True, "linear", "share", _SHARES),
        Statistic("rate_per_100py", False, "log", "rate", ("event", "share")),
        Statistic("rate_ratio", True, "log", "rate", ("event", "share")),
        Statistic("hazard_ratio", True, "log", "hazard", ("event", "share")),
        Statistic("mean", False, "linear", "value", _NUMBERS),
        Statistic("mean_change", False, "linear", "change", _NUMBERS),
        Statistic("mean_difference", True, "linear", "value", _NUMBERS),
        Statistic("median", False, "linear", "value", _NUMBERS),
        Statistic("geometric_mean", False, "log", "value", _NUMBERS),
        Statistic("geometric_mean_ratio", True, "log", "value", _NUMBERS),
        Statistic("standardised_mean_difference", True, "linear", "value", _NUMBERS),
    )
}


@dataclass(frozen=True)
class EventRows:
    """Sums of the kernel that count an event.

    Attributes
    ----------
    expected : tuple of int
        Sums of expected events: with these a rare event needs fewer people.
    counted : tuple of int
        Sums of events that happened.
    """

    expected: tuple[int, ...] = ()
    counted: tuple[int, ...] = ()


_EXPECTED_OVERDOSES: Final = (rows.EXPECTED_OVERDOSES,)

STUDY_EVENTS: Final[Mapping[str, EventRows]] = {
    "overdose": EventRows(expected=_EXPECTED_OVERDOSES),
    "overdose_or_withdrawal": EventRows((*_EXPECTED_OVERDOSES, rows.EXPECTED_WITHDRAWAL_VISITS)),
    "overdose_or_suicide_event": EventRows(_EXPECTED_OVERDOSES, (rows.ATTEMPTS,)),
    "overdose_or_suicide_death": EventRows(counted=(rows.OVERDOSE_DEATHS, rows.SUICIDE_DEATHS)),
    "mental_health_crisis": EventRows(expected=(rows.EXPECTED_CRISES,)),
    "seizure": EventRows(expected=(rows.EXPECTED_SEIZURES,)),
    "urgent_visit": EventRows(expected=(rows.EXPECTED_URGENT,)),
}
"""Events by the name of the outcome. An event whose hazard the kernel sums belongs into ``expected``."""

FIRST_DAYS: Final[Mapping[str, int]] = {
    "discontinued": rows.STOP_DAY,
    "return_to_higher_dose": rows.RETURN_DAY,
    "dropout": rows.DROPOUT_DAY,
    "care_terminated": rows.DROPOUT_DAY,
    "death": rows.DEATH_DAY,
}
"""State row with the day of an outcome that happens once, for rates and hazard ratios."""

STUDY_VISITS: Final[Mapping[str, tuple[int, int]]] = {
    "checkin_completion": (rows.CHECKINS_DONE, rows.CHECKINS_DUE),
    "visit_completion": (rows.VISITS_KEPT, rows.VISITS_PLANNED),
    "no_show": (rows.VISITS_KEPT, rows.VISITS_PLANNED),
}
"""Sums of what was done and what was due: a share of appointments, not of people."""

AT_START: Final[Mapping[str, int]] = {"pain_nrs": rows.P}
"""State row of the value of day 0, for the mean change of an outcome that is no change itself."""
IS_CHANGE: Final = ("dose_change_mme", "pain_nrs_change", "function_change", "promis_pi_change", "phq9_change")
CHANGES: Final = (*IS_CHANGE, "isi_change", "dose_end_mme", *AT_START)
"""Outcomes that have a mean change."""


def outcome_kinds() -> dict[str, OutcomeKind]:
    """Kind of every outcome that the package ships."""
    kinds: dict[str, OutcomeKind] = {}
    for outcome in OUTCOMES:
        name = outcome.name
        if name in STUDY_EVENTS:
            kinds[name] = "event"
        elif name in STUDY_VISITS:
            kinds[name] = "visits"
        else:
            kinds[name] = "share" if outcome.unit == "share of people" else "number"
    return kinds


OUTCOME_KINDS: Final = outcome_kinds()
MEANS_OVER_DAYS: Final = (
    "withdrawal_sows_gossop",
    "withdrawal_sows_gossop_log_ratio",
    "withdrawal_cows",
    "withdrawal_bwsq",
    "withdrawal_pwc",
)
"""Outcomes that are means over days, so that a person who left is measured until they left."""

REQUIRED: Final = ("id", "statistic", "outcome", "value", "day", "arm", "cohort")
OPTIONAL: Final = (
    "study",
    "role",
    "lo95",
    "hi95",
    "width_from",
    "n_arm",
    "followup_days",
    "reference_arm",
    "enrolment",
    "coded_confidence",
)
WIDTHS: Final = ("ci", "n", "pct25")
ROLES_LEFT_OUT: Final[Mapping[str, str]] = {
    "input": "it sets the simulator, so that a comparison would be circular",
    "instrument": "a fact about a scale",
    "context": "no simulated study can give it",
    "superseded": "replaced by a corrected result",
}
"""Roles of rows that are not simulated, with the reason."""

TARGET_ROLE: Final = "target"
"""Role of a row that is simulated; a row without a role is one."""
