"""Cards of CDS Hooks from an answer and from judged orders. Imports ``doors.draft_orders``, ``serve.patient_view``.

A card says what follows, whom to call, what it rests on and what it is not for. It proposes only what no rule bars:
to leave out a draft order, and to offer naloxone; never a dose.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final
from uuid import UUID, uuid5

from taper_sim import tables
from taper_sim.recommend.answer import NOT_FOR
from taper_sim.recommend.own_plan import Weighed
from taper_sim.safety.red_flags import Flag
from taper_sim.safety.validity import variable_rows
from taper_sim.serve.doors.draft_orders import Draft, DrugChange, JudgedOrders, OrderReading
from taper_sim.serve.patient_view import URGENCIES, URGENCY_WORDS, patient_page, sentence

MOST_SUMMARY: Final = 139
"""Characters of a summary: fewer than 140 (CDS Hooks 2.0)."""
INDICATORS: Final = ("info", "warning", "critical")
"""Indicators, the least urgent first."""
OVERRIDE_SYSTEM: Final = "urn:taper-sim:override-reasons"
OVERRIDE_REASONS: Final[Mapping[str, str]] = {
    "agreed": "Agreed with the patient for a reason that the record does not show",
    "known": "Known already and followed up",
    "danger": "The danger of the present dose is greater",
    "record": "The record is wrong or out of date",
    "disagree": "I do not share this judgement",
}
_MARKED: Final = re.compile(r"([\\`*_\[\]<>|#~&])")
_ASK: Final = "Ask before a reduction"
_RESTS_ON: Final = "What this rests on"
_MOST_LINES: Final = 6
"""Lines of these two parts of a card; no other part is shortened. A design choice: a recommendation has all of them."""
_FLAG_INDICATOR: Final = {
    "emergency": "critical",
    "same_day": "critical",
    "within_72h": "warning",
    "next_visit": "info",
}
_EMERGENCY: Final = "In an emergency call the local emergency number."


@dataclass(frozen=True)
class Card:
    """A card before it has its identifiers.

    Attributes
    ----------
    summary : str
        One sentence; shortened to fewer than 140 characters.
    indicator : str
        One of :data:`INDICATORS`.
    parts : sequence of (str, sequence of str)
        Parts of the detail: heading and lines.
    suggestions : tuple of (str, action)
        Label, and the action that a click accepts.
    """

    summary: str
    indicator: str
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    suggestions: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def written(self, call: UUID, about: str, links: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """The card as JSON; the same call about the same patient gives the same identifiers."""
        uuid = uuid5(call, f"{about} {self.summary}")
        card: dict[str, Any] = {
            "uuid": str(uuid),
            "summary": shortened(self.summary),
            "indicator": self.indicator,
            "detail": _detail(self.parts),
            "source": {"label": f"taper_sim {version('taper-sim')}, research prototype"},
            "overrideReasons": [
                {"system": OVERRIDE_SYSTEM, "code": code, "display": words} for code, words in OVERRIDE_REASONS.items()
            ],
        }
        if self.suggestions:
            card["suggestions"] = [
                {"label": label, "uuid": str(uuid5(uuid, label)), "actions": [dict(action)]}
                for label, action in self.suggestions
            ]
            card["selectionBehavior"] = "any"
        if links:
            card["links"] = [dict(link) for link in links]
        return card


def shortened(text: str) -> str:
    """A text in one line of fewer than 140 characters, cut between words."""
    line = " ".join(text.split())
    if len(line) <= MOST_SUMMARY:
        return line
    return f"{line[: MOST_SUMMARY - 1].rsplit(' ', 1)[0]}…"


def in_markdown(text: str) -> str:
    """A text in which no letter is a mark of Markdown or of HTML."""
    return _MARKED.sub(r"\\\1", " ".join(text.split()))


def _detail(parts: Sequence[tuple[str, Sequence[str]]]) -> str:
    blocks = []
    for heading, lines in parts:
        kept = list(dict.fromkeys(filter(None, lines)))
        if heading in (_ASK, _RESTS_ON) and len(kept) > _MOST_LINES:
            kept = [*kept[:_MOST_LINES], f"and {len(kept) - _MOST_LINES} more"]
        listed = "\n".join(f"- {in_markdown(line)}" for line in kept)
        blocks += [f"**{heading}**\n\n{listed}"] if kept else []
    return "\n\n".join([*blocks, f"*{in_markdown(sentence(NOT_FOR))} {in_markdown(_EMERGENCY)}*"])


def _flag_line(flag: Mapping[str, Any]) -> str:
    return f"{URGENCY_WORDS[flag['urgency']]}: {flag['who']}: {flag['action']} ({flag['flag']})"


def most_urgent_first(flags: Iterable[Flag]) -> list[Flag]:
    """Flags by urgency."""
    return sorted(flags, key=lambda flag: URGENCIES.index(flag.urgency))


def missing_card(missing: Sequence[str], *, has_server: bool) -> Card:
    """The one card of a call that cannot be judged: what is missing, in a line."""
    server = "This service does not call the fhirServer of a request." if has_server else ""
    line = f"Not checked, because the request lacks prefetch: {', '.join(missing)}"
    templates = "The discovery of this service (GET /cds-services) has the queries."
    return Card(f"{line}.", "warning", (("What is missing", (*missing, templates, server)),))


def waiting_card() -> Card:
    """The card of a call whose forecast is not ready in time."""
    return Card("The answer is still being computed: open the patient again in a few seconds.", "info")


def patient_card(weighed: Weighed) -> Card:
    """The card of ``patient-view``."""
    view = patient_page(weighed)
    answer = view["answer"]
    urgencies = [flag["urgency"] for flag in view["flags"] if not flag["acknowledged_by"]]
    flagged = max((INDICATORS.index(_FLAG_INDICATOR[u]) for u in urgencies), default=0)
    lowest = {"urgent": "critical", "abstain": "warning"}.get(answer["status"], "info")
    chances = [
        f"{card.role}: {card.first} Two bad weeks {card.after_what}: {card.two_weeks}."
        for card in view["cards"]
        if card.is_proposed or card.anchor == "hold"
    ]
    needed = [question["question"] for question in view["needed_questions"]]
    return Card(
        _patient_summary(view),
        INDICATORS[max(flagged, INDICATORS.index(lowest))],
        (
            ("Flags: whom to call and by when", tuple(_flag_line(flag) for flag in view["flags"])),
            ("Why", tuple(view["why"])),
            ("What followed the last cuts", (view["after_cuts"],)),
            ("Chances, of a model that is not certain", tuple(chances)),
            (_ASK, tuple(needed)),
            ("With every reduction", (view["with_reductions"],)),
            (_RESTS_ON, tuple(view["unknown"])),
        ),
    )


def _patient_summary(view: Mapping[str, Any]) -> str:
    """Status and headline, each word once; questions are counted, because their names say little."""
    headline, asks, _ = view["headline"].partition(": ask ")
    if asks:
        headline = f"{headline}: {len(view['needed_questions'])} questions must be answered first."
    status = view["status_words"]
    return headline if headline.lower().startswith(status.lower()) else f"{status}. {headline}"


def order_cards(judged: JudgedOrders, patient_id: str, today: str) -> list[Card]:
    """Cards of ``order-sign``: emergencies first, then the orders, then naloxone."""
    cards = [
        Card(f"Emergency today, before any order: {flag.action}", "critical", (("Flag", (_flag_line(vars(flag)),)),))
        for flag in judged.standing.urgent
    ]
    concerning = [draft for draft in judged.drafts if draft.concerns]
    changed = [r for r in judged.readings if r.changes or r.flags or r.bars]
    if changed or any(draft.unread for draft in concerning):
        cards.append(_orders_card(judged, concerning, changed))
    if judged.naloxone != "false" and any(reading.changes for reading in changed):
        cards.append(_naloxone_card(judged.naloxone == "unknown", patient_id, today))
    return cards


def _orders_card(judged: JudgedOrders, drafts: Sequence[Draft], readings: Sequence[OrderReading]) -> Card:
    unread = [f"{draft.place}: not judged: {draft.unread}" for draft in drafts if draft.unread]
    incomplete = [f"the doses of the record are not complete: {why}" for why in judged.incomplete]
    asks = [
        question_in_words(q["variable"]) for q in judged.standing.questions() if q["needed_before_reduction"] == "yes"
    ]
    parts: list[tuple[str, tuple[str, ...]]] = []
    for reading in readings:
        how = {None: "", False: " (if it replaces the order in force)", True: " (if it comes on top)"}[reading.adds]
        parts += [
            (f"Change from {reading.from_day}{how}", tuple(change_in_words(c) for c in reading.changes)),
            (f"Flags that it raises{how}", tuple(_flag_line(vars(flag)) for flag in most_urgent_first(reading.flags))),
            (f"Why this tool would not offer it{how}", tuple(bar for bar in reading.bars if not _is_asked(bar))),
        ]
    ends = [
        f"{draft.place} ends on {draft.ends}; an end without a next order is a stop" for draft in drafts if draft.ends
    ]
    tables_used = [row for name in ("red_flags", "interactions", "guidelines") for row in tables.read(name).rows]
    parts += [
        ("Not judged", (*unread, *incomplete)),
        ("Also", tuple(ends)),
        (_ASK, tuple(asks) if any(reading.lowers for reading in readings) else ()),
        (
            _RESTS_ON,
            (
                "rules of tables alone; no forecast was made for this card",
                f"tables: {tables.review_status(tables_used)}",
                "a rise is judged by its flags alone; whether it is right is not judged",
            ),
        ),
    ]
    worst = _indicator(judged, readings, bool(unread or incomplete))
    removable = [d for d in drafts if d.is_new and d.resource_id and (d.rows or d.answers)] if worst != "info" else []
    remove = {"description": "Leave out this draft order; the doses stay as they are"}
    return Card(
        _orders_summary(judged, readings, unread or incomplete),
        worst,
        tuple(parts),
        tuple(
            (
                f"Leave out the draft order {d.resource_id}",
                {"type": "delete", **remove, "resourceId": f"MedicationRequest/{d.resource_id}"},
            )
            for d in removable
        ),
    )


def question_in_words(variable: str) -> str:
    """The question that a variable answers."""
    return sentence(variable_rows()[variable]["question"])


def _is_asked(bar: str) -> bool:
    return bar.startswith("ask ")


def _indicator(judged: JudgedOrders, readings: Sequence[OrderReading], has_unread: bool) -> str:
    levels = [int(has_unread)]
    for reading in readings:
        levels += [INDICATORS.index(_FLAG_INDICATOR[flag.urgency]) for flag in reading.flags]
        levels += [1] if reading.bars or reading.adds is not None else []
        stands = (reading.lowers and judged.standing.holding) or (reading.raises and judged.standing.sedated)
        levels += [2] if stands else []
    return INDICATORS[max(levels)]


def _orders_summary(judged: JudgedOrders, readings: Sequence[OrderReading], unread: Sequence[str]) -> str:
    """The one sentence: the most urgent flag, else what bars the order, else the change."""
    if not readings:
        return f"An order could not be judged: {unread[0].partition(': not judged: ')[2] or unread[0]}"
    changes = "; ".join(change_in_words(change) for change in readings[0].changes) or "the order"
    flags = most_urgent_first(flag for reading in readings for flag in reading.flags)
    two = "It is not stated whether the order replaces that in force. " if readings[0].adds is not None else ""
    sedated = judged.standing.sedated if any(r.raises for r in readings) else []
    if sedated:
        return f"{two}No rise while this stands: {sedated[0].flag}. {changes}"
    if flags and flags[0].urgency in ("emergency", "same_day"):
        return f"{two}{changes}: {_flag_words(flags[0])}"
    bars = [bar for reading in readings for bar in reading.bars]
    told = [bar for bar in bars if not _is_asked(bar)]
    if told:
        return f"{two}{changes}: not offered by this tool: {told[0]}"
    if bars:
        return f"{two}{changes}: questions that a reduction needs have no answer"
    if flags:
        return f"{two}{changes}: {_flag_words(flags[0])}"
    return f"{two}{changes}: no rule is broken" + (", but the record is not complete" if unread else "")


def _flag_words(flag: Flag) -> str:
    return f"{flag.flag.replace('_', ' ')}: {flag.action}"


def change_in_words(change: DrugChange) -> str:
    """A drug before and after, such as ``morphine ER 60 to 45 mg a day (25 % less)``."""
    if change.before == 0:
        return f"{change.name} begun at {change.after:g} {change.unit}"
    if change.after == 0:
        return f"{change.name} {change.before:g} {change.unit} stopped at once"
    share = 100 * abs(change.after - change.before) / change.before
    way = "less" if change.after < change.before else "more"
    return f"{change.name} {change.before:g} to {change.after:g} {change.unit} ({share:.0f} % {way})"


def _naloxone_card(is_unknown: bool, patient_id: str, today: str) -> Card:
    order = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {"text": "naloxone nasal spray"},
        "subject": {"reference": f"Patient/{patient_id}"},
        "authoredOn": today,
    }
    known = "it is not known whether there is naloxone at home" if is_unknown else "there is no naloxone at home"
    action = {"type": "create", "description": "Draft an order of naloxone for the prescriber to complete"}
    return Card(
        f"With these doses {known}: ask, order it and teach the household.",
        "info" if is_unknown else "warning",
        (("Why", ("The flag no_naloxone.", "Tolerance falls with the dose, and a former dose can kill.")),),
        (("Draft an order of naloxone", {**action, "resource": order}),),
    )
