"""Evaluates the red-flag and interaction rules for one patient. Imports ``rule_language``, ``variables``, ``tables``.

The rules are the rows of red_flags.csv and interactions.csv. Every result carries the review status of its row. A rule
can stop or hold a taper, be listed, or require a question. Overview: docs/red-flags.md.
"""

from collections.abc import Mapping, Sequence
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
"""Time limit for action, by urgency."""
ASK_BEFORE: Final = "ask_before_any_reduction"
NO_REDUCTION: Final = "no_reduction_until_acknowledged"
NO_CHANGE: Final = "no_reduction_no_rise"
NO_OPTION: Final = "no_option_until_acknowledged"
"""Effects of a same-day flag. All bar every reduction until a named person has acknowledged the flag; the second also
bars every rise while it is true; the third bars every option, because the dose itself is not confirmed."""
MAINTAIN: Final = "maintain_until_acknowledged"
"""Effect of a flag under which maintenance is the recommendation."""
SMALLER_STEPS: Final = "smaller_steps_until_acknowledged"
PAUSE: Final = "pause_until_acknowledged"
"""Effects of flags on past cuts: no step over half the cut that broke a limit; no reduction. Nobody is called today."""
_ANSWERED_BY_PEOPLE: Final = ("check-in", "baseline", "order")
"""Sources of variables that a person can answer; devices and laboratories are not asked."""
_PERSISTENT: Final = ("emergency", "same_day")
"""Urgencies whose alarm persists for ``ALARM_KEEPS_D`` days unless a later answer withdraws it."""


@dataclass(frozen=True)
class Flag:
    """The result of one rule: its row, its state, the consequence, the contact, missing variables, questions."""

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
    """The results of all rules, in the order of the tables."""

    flags: tuple[Flag, ...]
    interactions: tuple[Flag, ...]

    def raised(self, *urgencies: str) -> list[Flag]:
        """True flags of these urgencies (of all urgencies if none is given), interactions last."""
        return [
            f
            for f in (*self.flags, *self.interactions)
            if f.state == "true" and (not urgencies or f.urgency in urgencies)
        ]

    @property
    def urgent(self) -> list[Flag]:
        """True flags that stop the taper: emergencies."""
        return [f for f in self.flags if f.state == "true" and f.effect == "urgent_stop"]

    @property
    def holding(self) -> list[Flag]:
        """True same-day flags without acknowledgement: no dose is reduced."""
        return [f for f in self._true() if f.effect in (NO_REDUCTION, NO_CHANGE, NO_OPTION) and not f.acknowledged_by]

    @property
    def sedated(self) -> list[Flag]:
        """True flags under which no dose is raised. An acknowledgement does not lift this: it wakes nobody."""
        return [f for f in self._true() if f.effect == NO_CHANGE]

    @property
    def unconfirmed(self) -> list[Flag]:
        """True flags without acknowledgement that question the dose itself: nothing is offered from such a dose."""
        return self.unsigned(NO_OPTION)

    def unsigned(self, effect: str) -> list[Flag]:
        """True flags with this effect, without acknowledgement."""
        return [f for f in self._true() if f.effect == effect and not f.acknowledged_by]

    @property
    def maintained(self) -> list[Flag]:
        """True flags without acknowledgement under which maintenance is the recommendation."""
        return self.unsigned(MAINTAIN)

    def _true(self) -> list[Flag]:
        """True flags and interactions, in the order of the tables."""
        return [f for f in (*self.flags, *self.interactions) if f.state == "true"]

    @property
    def blocking(self) -> list[Flag]:
        """Unknown rules that must be answered before any dose reduction."""
        return [f for f in self.flags if f.state == "unknown" and f.if_unknown == ASK_BEFORE]

    def questions(self) -> list[dict[str, str]]:
        """Questions, one per variable: first those that block a reduction, then the others."""
        asked_first = [f for f in self.flags if f.state == "true" and f.effect == "ask_first"]
        only_asked = [f for f in (*self.flags, *self.interactions) if f.state == "unknown" and f.if_unknown == "ask"]
        questions: dict[str, dict[str, str]] = {}
        for blocks, flags in (("yes", self.blocking), ("no", asked_first), ("no", only_asked)):
            for flag, name in ((f, name) for f in flags for name in f.asks if name not in questions):
                questions[name] = {
                    "variable": name,
                    "question": variable_rows()[name]["question"],
                    "flag": flag.flag,
                    "needed_before_reduction": blocks,
                }
        return list(questions.values())


@cache
def variable_names() -> tuple[str, ...]:
    """Names that a rule may use: variables of variables.csv, and drugs of the formulary (1 if currently taken)."""
    return (*variable_rows(), *sorted({key[0].split("-")[0] for key in formulary.formulary()}))


@dataclass(frozen=True)
class _WithDrugs:
    """Values of variables; for the name of a drug, whether the current doses include it."""

    values: Values

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        return self.values.value(name, days_ago) if name in variable_rows() else self.values.has(name)


def _state(rule: SafetyRule, urgency: str, values: Values) -> ThreeValued:
    """Truth value of a rule; an expired alarm that no later answer has withdrawn is still true."""
    state = rule.judge(_WithDrugs(values))
    if state is None and urgency in _PERSISTENT:
        state = rule.judge(_WithDrugs(replace(values, keeps_at_least_d=ALARM_KEEPS_D))) or None
    return state


def _asks(rule: SafetyRule, state: ThreeValued, lacking: tuple[str, ...], values: Values) -> tuple[str, ...]:
    """Variables to ask for: those missing in an unknown rule, and those that would withdraw a true one."""
    if state:
        return tuple(name for name in rule.names if name in SAFER_TRUE and not values.value(name))
    known = variable_rows()
    candidates = [
        known[name]["instrument"] if known[name]["source"] == "derived" else name for name in lacking if name in known
    ]
    return tuple(
        dict.fromkeys(
            name
            for name in candidates
            if name in known and known[name]["source"] in _ANSWERED_BY_PEOPLE and values.value(name) is None
        )
    )


_SEEN_WITH: Final = dict.fromkeys(
    ("pain_flare", "pain_flare_peg", "function_drop"), ("worse_since_taper", "slow_worsening")
)
"""Flags whose finding is part of a wider one: an acknowledgement that the person is worse counts for it too (A156)."""


def _signed_together(flags: Sequence[Flag]) -> list[Flag]:
    """The flags; one that is part of a wider finding has the acknowledgement of that finding while it is raised."""
    signed = {f.flag: f for f in flags if f.acknowledged_by}
    rows = []
    for flag in flags:
        wider = next((signed[name] for name in _SEEN_WITH.get(flag.flag, ()) if name in signed), None)
        if wider is not None and flag.state == "true" and not flag.acknowledged_by:
            by, reason = wider.acknowledged_by, wider.acknowledged_reason
            flag = replace(flag, acknowledged_by=by, acknowledged_reason=reason)
        rows.append(flag)
    return rows


def _judged(name: str, row: tables.Row, rule: SafetyRule, values: Values, signed: Mapping[str, Signed]) -> Flag:
    contraindicated = row.get("severity") == "contraindicated"
    urgency = row["urgency"] if "urgency" in row else _SEVERITY[row["severity"]]
    state = _state(rule, urgency, values)
    missing = rule.lacking(_WithDrugs(values)) if state is None else ()
    acknowledgement = signed.get(name) if state else None
    return Flag(
        flag=name,
        domain=row.get("domain", "interaction"),
        rule=row["rule"],
        urgency=urgency,
        effect=row["effect_on_recommendation"] if "urgency" in row else NO_CHANGE if contraindicated else "listed",
        if_unknown=row["if_unknown"] if "urgency" in row else "ask" if contraindicated else "ignore",
        state=_STATES[state],
        who=row.get("who", "pharmacist"),
        within=WITHIN[urgency],
        action=row["action"],
        source=row["source"],
        verified=row["verified"],
        reviewed=tables.is_reviewed(row),
        unknown=missing,
        acknowledged_by=acknowledgement.by if acknowledgement is not None else "",
        acknowledged_reason=acknowledgement.reason if acknowledgement is not None else "",
        asks=_asks(rule, state, missing, values),
    )


#: Urgency of an interaction by its severity. Source: an assumption of this tool.
_SEVERITY: Final = {
    "contraindicated": "same_day",
    "major": "within_72h",
    "moderate": "next_visit",
    "minor": "next_visit",
}


@cache
def _rules(table: str, column: str) -> tuple[tuple[str, tables.Row, SafetyRule], ...]:
    """Rules of a table with name and row; rows without a rule are documentation only."""
    rules = []
    for row in tables.read(table).rows:
        if row["rule"]:
            try:
                rules.append((row[column], row, read_rule(row["rule"], variable_names())))
            except RuleError as error:
                raise RuleError(f"{table}.csv: {row[column]}: {error}") from None
    return tuple(rules)


@dataclass(frozen=True)
class TrueRow:
    """A row of a table whose rule is true: name, row, and the numbers of the variables in its rule."""

    name: str
    row: tables.Row
    numbers: Mapping[str, float]


def true_rows(table: str, column: str, values: Values) -> list[TrueRow]:
    """Rows of a table whose rule is true for one patient, in the table's order, named by ``column``."""
    lookup = _WithDrugs(values)
    rows = []
    for name, row, rule in _rules(table, column):
        if rule.judge(lookup):
            numbers = {n: x for n in rule.names if (x := lookup.value(n)) is not None}
            rows.append(TrueRow(name, row, numbers))
    return rows


def judge(values: Values, acknowledged: Mapping[str, Signed] | None = None) -> JudgedRules:
    """Evaluate every rule.

    Parameters
    ----------
    values : Values
        Values of one patient on one day.
    acknowledged : mapping of flag to Signed, optional
        Same-day flags that a named person has acknowledged, with a reason. Acknowledgement does not lift an emergency.

    Returns
    -------
    JudgedRules
    """
    signed = acknowledged or {}
    flags = _signed_together([_judged(*rule, values, signed) for rule in _rules("red_flags", "flag")])
    pairs = [_judged(*rule, values, signed) for rule in _rules("interactions", "pair")]
    return JudgedRules(tuple(flags), tuple(pairs))


def shown_flag(flag: Flag) -> dict[str, Any]:
    """A flag as plain values for JSON, without ``asks``; the questions are reported separately."""
    values = asdict(flag) | {"unknown": list(flag.unknown)}
    del values["asks"]
    return values
