"""Red flags and interactions judged for one patient: what stops, what holds, what is listed, what must be asked.

Imports ``rules``, ``variables``, ``tables``. The rules are rows of red_flags.csv and interactions.csv; nobody licensed
has reviewed them until their review columns say so, and every judgement carries that.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Final, Literal

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.inference.limits import Signed
from taper_sim.inference.rules import Rule, read_rule
from taper_sim.inference.variables import Values

State = Literal["true", "false", "unknown"]
_STATES: Final[Mapping[bool | None, State]] = {True: "true", False: "false", None: "unknown"}

WITHIN: Final[Mapping[str, str]] = {
    "emergency": "now", "same_day": "today", "within_72h": "within 72 hours", "next_visit": "at the next visit",
}  # fmt: skip
"""By when somebody acts, by urgency."""
ASK_BEFORE: Final = "ask_before_any_reduction"


@dataclass(frozen=True)
class Flag:
    """One rule as judged: what it is, its state, what follows, whom to call, and what it lacked."""

    flag: str
    domain: str
    rule: str
    urgency: str
    effect: str
    if_unknown: str
    state: State
    who: str
    within: str
    action: str
    source: str
    verified: str
    reviewed: bool
    unknown: tuple[str, ...]
    acknowledged_by: str = ""
    acknowledged_reason: str = ""


@dataclass(frozen=True)
class Judged:
    """Every rule as judged, in the tables' order."""

    flags: tuple[Flag, ...]
    interactions: tuple[Flag, ...]

    def raised(self, *urgencies: str) -> list[Flag]:
        """Flags that are true, of these urgencies (all if none is named), interactions last."""
        return [f for f in (*self.flags, *self.interactions)
                if f.state == "true" and (not urgencies or f.urgency in urgencies)]  # fmt: skip

    @property
    def urgent(self) -> list[Flag]:
        """Emergencies."""
        return [f for f in self.flags if f.state == "true" and f.effect == "urgent_stop"]

    @property
    def holding(self) -> list[Flag]:
        """Same-day flags that nobody has acknowledged: hold and slower only."""
        return [f for f in self.flags if f.state == "true" and f.effect == "hold_or_slower_until_acknowledged"
                and not f.acknowledged_by]  # fmt: skip

    @property
    def blocking(self) -> list[Flag]:
        """Unknown rules that must be answered before any reduction."""
        return [f for f in self.flags if f.state == "unknown" and f.if_unknown == ASK_BEFORE]

    def questions(self) -> list[dict[str, str]]:
        """What to ask, each variable once: those that block a reduction first, then those that are only asked."""
        rows = {row["name"]: row for row in tables.read("variables").rows}
        first_asked = [f for f in self.flags if f.state == "true" and f.effect == "ask_first"]
        asked = [f for f in self.flags if f.state == "unknown" and f.if_unknown == "ask" and _can_be_asked(f)]
        found: dict[str, dict[str, str]] = {}
        for blocks, flags in ((True, self.blocking), (False, first_asked), (False, asked)):
            for f in flags:
                for name in f.unknown or _names(f):
                    if name in rows and name not in found:
                        found[name] = {"variable": name, "question": rows[name]["question"], "flag": f.flag,
                                       "needed_before_reduction": "yes" if blocks else "no"}  # fmt: skip
        return list(found.values())


def _names(f: Flag) -> tuple[str, ...]:
    return read_rule(f.rule, variable_names()).names


def _can_be_asked(f: Flag) -> bool:
    """Whether what is missing is an answer that a person can give, and not a device's or a laboratory's."""
    rows = {row["name"]: row for row in tables.read("variables").rows}
    return all(name in rows and rows[name]["source"] in ("check-in", "baseline", "order") for name in f.unknown)


@cache
def variable_names() -> tuple[str, ...]:
    """Names that a rule may use: variables.csv, and the drugs of the formulary (in the current doses or not)."""
    drugs = {key[0] for key in formulary.formulary()} | {key[0].split("-")[0] for key in formulary.formulary()}
    return (*(row["name"] for row in tables.read("variables").rows), *sorted(name for name in drugs if "-" not in name))


@dataclass(frozen=True)
class _WithDrugs:
    """Values, and for the name of a drug whether it is in the current doses."""

    values: Values

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        known = {row["name"] for row in tables.read("variables").rows}
        return self.values.value(name, days_ago) if name in known else self.values.has(name)


def _judged(row: tables.Row, rule: Rule, values: _WithDrugs, signed: Mapping[str, Signed]) -> Flag:
    state = _STATES[rule.judge(values)]
    unknown = tuple(name for name in rule.names if values.value(name) is None) if state == "unknown" else ()
    name = row.get("flag", row.get("pair", ""))
    urgency = row["urgency"] if "urgency" in row else _SEVERITY[row["severity"]]
    by = signed.get(name) if state == "true" else None
    return Flag(
        flag=name, domain=row.get("domain", "interaction"), rule=row["rule"], urgency=urgency,
        effect=row.get("effect_on_recommendation", "listed"), if_unknown=row.get("if_unknown", "ignore"), state=state,
        who=row.get("who", "pharmacist"), within=WITHIN[urgency], action=row["action"],
        source=row["source"], verified=row["verified"], reviewed=tables.is_reviewed(row), unknown=unknown,
        acknowledged_by=by.by if by is not None else "", acknowledged_reason=by.reason if by is not None else "",
    )  # fmt: skip


#: By when an interaction is acted on, by its severity: an assumption of this tool.
_SEVERITY: Final = {
    "contraindicated": "within_72h", "major": "within_72h", "moderate": "next_visit", "minor": "next_visit",
}  # fmt: skip


def judge(values: Values, acknowledged: Mapping[str, Signed] | None = None) -> Judged:
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
    signed, names, with_drugs = acknowledged or {}, variable_names(), _WithDrugs(values)
    flags = [_judged(r, read_rule(r["rule"], names), with_drugs, signed) for r in tables.read("red_flags").rows]
    pairs = [
        _judged(r, read_rule(r["rule"], names), with_drugs, {}) for r in tables.read("interactions").rows if r["rule"]
    ]
    return Judged(tuple(flags), tuple(pairs))


def shown_flag(flag: Flag) -> dict[str, Any]:
    """A flag as plain values for JSON."""
    return asdict(flag) | {"unknown": list(flag.unknown)}
