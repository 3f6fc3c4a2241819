"""Red flags and interactions judged for one patient: what stops, what holds, what is listed, what must be asked.

Imports ``rules``, ``variables``, ``tables``. The rules are rows of red_flags.csv and interactions.csv; nobody licensed
has reviewed them until their review columns say so, and every judgement carries that. Map: docs/red-flags.md.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Final, Literal

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.safety.limits import Signed
from taper_sim.safety.rule_language import RuleError, SafetyRule, ThreeValued, read_rule
from taper_sim.safety.validity import ALARM_KEEPS_D, SAFER_TRUE, variable_rows
from taper_sim.safety.variables import Values

FlagState = Literal["true", "false", "unknown"]
_STATES: Final[Mapping[bool | None, FlagState]] = {True: "true", False: "false", None: "unknown"}

WITHIN: Final[Mapping[str, str]] = {
    "emergency": "now",
    "same_day": "today",
    "within_72h": "within 72 hours",
    "next_visit": "at the next visit",
}
"""By when somebody acts, by urgency."""
ASK_BEFORE: Final = "ask_before_any_reduction"
_ANSWERED_BY_PEOPLE: Final = ("check-in", "baseline", "order")
"""Sources of variables that a question can fill; a device and a laboratory cannot be asked."""
_NOT_FORGOTTEN: Final = ("emergency", "same_day")
"""Urgencies whose alarm stands until a later answer takes it back, for ``ALARM_KEEPS_D`` days."""


@dataclass(frozen=True)
class Flag:
    """One rule as judged: what it is, its state, what follows, whom to call, what it lacked and what to ask."""

    flag: str
    domain: str
    rule: str
    urgency: str
    effect: str
    if_unknown: str
    state: FlagState
    who: str
    within: str
    action: str
    source: str
    verified: str
    reviewed: bool
    unknown: tuple[str, ...]
    acknowledged_by: str = ""
    acknowledged_reason: str = ""
    asks: tuple[str, ...] = ()


@dataclass(frozen=True)
class JudgedRules:
    """Every rule as judged, in the tables' order."""

    flags: tuple[Flag, ...]
    interactions: tuple[Flag, ...]

    def raised(self, *urgencies: str) -> list[Flag]:
        """Flags that are true, of these urgencies (all if none is named), interactions last."""
        return [
            f
            for f in (*self.flags, *self.interactions)
            if f.state == "true" and (not urgencies or f.urgency in urgencies)
        ]

    @property
    def urgent(self) -> list[Flag]:
        """Emergencies."""
        return [f for f in self.flags if f.state == "true" and f.effect == "urgent_stop"]

    @property
    def holding(self) -> list[Flag]:
        """Same-day flags that nobody has acknowledged: hold and slower only."""
        return [
            f
            for f in self.flags
            if f.state == "true" and f.effect == "hold_or_slower_until_acknowledged" and not f.acknowledged_by
        ]

    @property
    def blocking(self) -> list[Flag]:
        """Unknown rules that must be answered before any reduction."""
        return [f for f in self.flags if f.state == "unknown" and f.if_unknown == ASK_BEFORE]

    def questions(self) -> list[dict[str, str]]:
        """What to ask, each variable once: those that block a reduction first, then those that are only asked."""
        first_asked = [f for f in self.flags if f.state == "true" and f.effect == "ask_first"]
        asked = [f for f in self.flags if f.state == "unknown" and f.if_unknown == "ask"]
        found: dict[str, dict[str, str]] = {}
        for blocks, flags in (("yes", self.blocking), ("no", first_asked), ("no", asked)):
            for flag, name in ((f, name) for f in flags for name in f.asks if name not in found):
                found[name] = {
                    "variable": name,
                    "question": variable_rows()[name]["question"],
                    "flag": flag.flag,
                    "needed_before_reduction": blocks,
                }
        return list(found.values())


@cache
def variable_names() -> tuple[str, ...]:
    """Names that a rule may use: variables.csv, and the drugs of the formulary (in the current doses or not)."""
    drugs = {key[0] for key in formulary.formulary()} | {key[0].split("-")[0] for key in formulary.formulary()}
    return (*variable_rows(), *sorted(name for name in drugs if "-" not in name))


@dataclass(frozen=True)
class _WithDrugs:
    """Values, and for the name of a drug whether it is in the current doses."""

    values: Values

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        return self.values.value(name, days_ago) if name in variable_rows() else self.values.has(name)


def _state(rule: SafetyRule, urgency: str, values: Values) -> ThreeValued:
    """Truth of a rule; an alarm that has aged out of knowledge, and that no later answer took back, is still one."""
    state = rule.judge(_WithDrugs(values))
    if state is None and urgency in _NOT_FORGOTTEN:
        state = rule.judge(_WithDrugs(replace(values, keeps_at_least_d=ALARM_KEEPS_D))) or None
    return state


def _asks(rule: SafetyRule, state: ThreeValued, lacking: tuple[str, ...], values: Values) -> tuple[str, ...]:
    """Variables to ask a person for: what an unknown rule lacks, what would take a true one back."""
    if state:
        return tuple(name for name in rule.names if name in SAFER_TRUE and not values.value(name))
    known = variable_rows()
    found = [
        known[name]["instrument"] if known[name]["source"] == "derived" else name for name in lacking if name in known
    ]
    return tuple(
        dict.fromkeys(
            name
            for name in found
            if name in known and known[name]["source"] in _ANSWERED_BY_PEOPLE and values.value(name) is None
        )
    )


def _judged(name: str, row: tables.Row, rule: SafetyRule, values: Values, signed: Mapping[str, Signed]) -> Flag:
    urgency = row["urgency"] if "urgency" in row else _SEVERITY[row["severity"]]
    state = _state(rule, urgency, values)
    lacking = rule.lacking(_WithDrugs(values)) if state is None else ()
    by = signed.get(name) if state else None
    return Flag(
        flag=name,
        domain=row.get("domain", "interaction"),
        rule=row["rule"],
        urgency=urgency,
        effect=row.get("effect_on_recommendation", "listed"),
        if_unknown=row.get("if_unknown", "ignore"),
        state=_STATES[state],
        who=row.get("who", "pharmacist"),
        within=WITHIN[urgency],
        action=row["action"],
        source=row["source"],
        verified=row["verified"],
        reviewed=tables.is_reviewed(row),
        unknown=lacking,
        acknowledged_by=by.by if by is not None else "",
        acknowledged_reason=by.reason if by is not None else "",
        asks=_asks(rule, state, lacking, values),
    )


#: By when an interaction is acted on, by its severity: an assumption of this tool.
_SEVERITY: Final = {
    "contraindicated": "within_72h",
    "major": "within_72h",
    "moderate": "next_visit",
    "minor": "next_visit",
}


@cache
def _rules(table: str, column: str) -> tuple[tuple[str, tables.Row, SafetyRule], ...]:
    """Rules of a table by their names; rows without a rule are for reading only."""
    found = []
    for row in tables.read(table).rows:
        if row["rule"]:
            try:
                found.append((row[column], row, read_rule(row["rule"], variable_names())))
            except RuleError as error:
                raise RuleError(f"{table}.csv: {row[column]}: {error}") from None
    return tuple(found)


def judge(values: Values, acknowledged: Mapping[str, Signed] | None = None) -> JudgedRules:
    """Judge every rule.

    Parameters
    ----------
    values : Values
        Of one patient on one day.
    acknowledged : mapping of flag to Signed, optional
        Same-day flags that a named person has seen, with a reason; emergencies cannot be acknowledged away.

    Returns
    -------
    Judged
    """
    signed = acknowledged or {}
    flags = [_judged(*known, values, signed) for known in _rules("red_flags", "flag")]
    pairs = [_judged(*known, values, {}) for known in _rules("interactions", "pair")]
    return JudgedRules(tuple(flags), tuple(pairs))


def shown_flag(flag: Flag) -> dict[str, Any]:
    """A flag as plain values for JSON; what to ask stands with the questions."""
    shown = asdict(flag) | {"unknown": list(flag.unknown)}
    del shown["asks"]
    return shown
