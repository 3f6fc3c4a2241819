"""Draft orders judged by the rules alone, without inference. Imports ``recommend``, ``safety``, ``inference.record``.

The orders of one signature are judged together, as the record would read with them: which flags they raise, and for a
reduction what bars it (consent, flags, past cuts, ceilings), by the functions that judge the offered options. An order
of a drug that is taken already, without ``priorPrescription``, may replace the order in force or come on top of it:
both readings are judged. The end of an order is stated and not judged, because most orders are renewed (A141).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data.brands import words_of
from taper_sim.data.doses import one_scale_problem
from taper_sim.data.drugs_taken import DrugsTaken, equivalents_of
from taper_sim.data.fhir.bundle import bundle_reading
from taper_sim.data.fhir.json_input import concept_texts, part, word
from taper_sim.data.fhir.references import id_of
from taper_sim.data.problems import shown
from taper_sim.data.records import DoseRow, History, unread_lines
from taper_sim.inference.record import NoDoseHistory, record_of, used_by_model
from taper_sim.recommend.choice import situation_of
from taper_sim.recommend.own_plan import RuleGround, judged_steps
from taper_sim.recommend.recommendation import out_of_scope
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import Flag, JudgedRules, judge
from taper_sim.safety.variables import Values
from taper_sim.units import DRUG_CLASSES, TOLERANCE

_Key = tuple[str, str]
_STOPS: Final = ("stopped", "cancelled", "completed", "on-hold")
"""Statuses under which a signed order gives no more of its drug."""
_NAME: Final = Path("draftOrders")
_MOST_STEPS: Final = 60
"""Steps of one order: a year of weekly steps. A design choice; each step is judged."""
_NALOXONE: Final = "naloxone"
_NO_NALOXONE: Final = "no_naloxone"


@dataclass(frozen=True)
class Draft:
    """One order that is about to be signed.

    Attributes
    ----------
    place, resource_id : str
    is_new : bool
        Whether it is a draft that no record has yet, and can be removed.
    rows : tuple of DoseRow
        Doses of the three classes, from their first day on.
    stops : tuple of (str, str)
        Drugs in force that it ends.
    replaces : tuple of (str, str)
        Drugs in force whose order it replaces by name.
    answers : mapping of str to float
        Variables that a drug outside the three classes answers.
    ends : date or None
        First day after the order, if it states one.
    unread : str
        Why it could not be read; empty if it could.
    """

    place: str
    resource_id: str
    is_new: bool
    rows: tuple[DoseRow, ...] = ()
    stops: tuple[_Key, ...] = ()
    replaces: tuple[_Key, ...] = ()
    answers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    ends: date | None = None
    unread: str = ""
    is_naloxone: bool = False

    @property
    def concerns(self) -> bool:
        """Whether it changes what the rules look at."""
        return bool(self.rows or self.stops or self.answers or self.unread)


@dataclass(frozen=True)
class DrugChange:
    """A drug before and after the orders, in its own unit."""

    name: str
    unit: str
    before: float
    after: float


@dataclass(frozen=True)
class OrderReading:
    """The record with the orders, under one reading of them.

    Attributes
    ----------
    adds : bool or None
        Whether orders of a drug in force come on top of it; None if there is no such order.
    changes : tuple of DrugChange
    lowers, raises : bool
        Whether any class falls or rises.
    flags : tuple of Flag
        Flags that are true with the orders and not without them.
    bars : tuple of str
        Why a reduction is not offered by the tool's own rules.
    from_day : date
        First day of the change.
    """

    adds: bool | None
    changes: tuple[DrugChange, ...]
    lowers: bool
    raises: bool
    flags: tuple[Flag, ...]
    bars: tuple[str, ...]
    from_day: date


@dataclass(frozen=True)
class JudgedOrders:
    """Draft orders with what the rules say of them.

    Attributes
    ----------
    drafts : tuple of Draft
    readings : tuple of OrderReading
        One, or two if it is not stated whether an order replaces that in force.
    standing : JudgedRules
        The rules today, without the orders.
    naloxone : str
        State of the flag ``no_naloxone`` with the orders: "true", "false" or "unknown".
    incomplete : tuple of str
        Why the doses of the record are not complete.
    """

    drafts: tuple[Draft, ...]
    readings: tuple[OrderReading, ...]
    standing: JudgedRules
    naloxone: str
    incomplete: tuple[str, ...]


def read_drafts(
    resources: Sequence[tuple[str, dict[str, Any]]],
    prefetch: Mapping[str, Any],
    request_ids: frozenset[str],
    history: History,
    today: date,
) -> list[Draft]:
    """The medication orders among draft resources.

    Parameters
    ----------
    resources : sequence of (place, resource)
    prefetch : mapping
        Bundle of the record, for medications that an order refers to.
    request_ids : frozenset of str
        Ids of the orders of the record.
    history : History
        The record.
    today : date
    """
    others = [resource for _, resource in resources] + [part(e, "resource") for e in prefetch["entry"]]
    medications = [{"resource": r} for r in others if r.get("resourceType") == "Medication"]
    return [
        _draft(place, resource, medications, request_ids, history, today)
        for place, resource in resources
        if resource.get("resourceType") == "MedicationRequest"
    ]


def _draft(
    place: str,
    resource: dict[str, Any],
    medications: list[dict[str, Any]],
    request_ids: frozenset[str],
    history: History,
    today: date,
) -> Draft:
    resource_id, status = word(resource.get("id")), word(resource.get("status"))
    place = f"{place} (MedicationRequest/{shown(resource_id)})" if resource_id else place
    draft = Draft(place, resource_id, is_new=status == "draft" and resource_id not in request_ids)
    if status == "entered-in-error":
        return replace(draft, unread="the status entered-in-error: whether the drug is taken is not known")
    is_stop = status in _STOPS or resource.get("doNotPerform") is True
    ordered = resource | {"status": "active", "intent": "order", "subject": {"reference": f"Patient/{_NAME}"}}
    ordered.pop("doNotPerform", None)
    ordered.pop("priorPrescription", None)
    ordered.setdefault("authoredOn", today.isoformat())
    patient = {"resource": {"resourceType": "Patient", "id": str(_NAME)}}
    entry = [patient, {"resource": ordered}, *medications]
    reading = bundle_reading(_NAME, {"resourceType": "Bundle", "type": "collection", "entry": entry})
    read = reading.histories[str(_NAME)]
    own = _keys_of(history, resource_id) if resource_id in request_ids else ()
    prior = _keys_of(history, id_of(word(part(resource, "priorPrescription").get("reference")), "MedicationRequest"))
    keys = tuple(dict.fromkeys(row.drug.key for row in read.doses))
    if is_stop:
        stops = own or tuple(key for key in keys if key in _in_force(history, today))
        lost = "" if stops or not (keys or read.unread) else "an order that ends a drug which is not in force"
        return replace(draft, stops=stops, unread=lost)
    if read.unread or reading.failed:
        why = "; ".join(dict.fromkeys(f"{p.given}; allowed: {p.allowed}" for p in reading.failed))
        return replace(draft, unread=why or "; ".join(unread_lines(read.unread)))
    rows, ends = _begun(read.doses, today)
    if len(rows) > _MOST_STEPS:
        return replace(draft, unread=f"{len(rows)} steps in one order; allowed: {_MOST_STEPS}")
    texts = concept_texts(resource.get("medicationCodeableConcept"))
    texts.append(word(part(resource, "medicationReference").get("display")))
    is_naloxone = not rows and any(_NALOXONE in words_of(text) for text in texts)
    answers = {n: x for n, x in read.answers.items() if n not in ("age", "sex_female", "sex_male")}
    return replace(draft, rows=rows, replaces=(*own, *prior), answers=answers, ends=ends, is_naloxone=is_naloxone)


def _keys_of(history: History, resource_id: str) -> tuple[_Key, ...]:
    """Drugs whose rows come from an order of the record."""
    if not resource_id:
        return ()
    return tuple(
        dict.fromkeys(r.drug.key for r in history.doses if r.where.endswith(f"(MedicationRequest/{resource_id})"))
    )


def _in_force(history: History, day: date) -> dict[_Key, DoseRow]:
    return {row.drug.key: row for row in Values(history, day).in_force(day)}


def _begun(rows: Sequence[DoseRow], today: date) -> tuple[tuple[DoseRow, ...], date | None]:
    """Rows of an order from today on, without its end; and the day of its end."""
    ends = rows[-1].day if len(rows) > 1 and rows[-1].dose == 0 else None
    kept: dict[tuple[date, _Key], DoseRow] = {}
    for row in rows if ends is None else rows[:-1]:
        day = max(row.day, today)
        kept[day, row.drug.key] = replace(row, day=day)
    return tuple(kept.values()), ends


def judge_orders(history: History, drafts: Iterable[Draft], today: date, limits: Limits) -> JudgedOrders:
    """Judge draft orders on a record.

    Parameters
    ----------
    history : History
    drafts : iterable of Draft
    today : date
    limits : Limits
    """
    known, drafts = history.as_of(today), tuple(drafts)
    concerning = [draft for draft in drafts if draft.concerns and not draft.unread]
    now = _in_force(known, today)
    unclear = any(row.drug.key in now for d in concerning for row in d.rows if row.drug.key not in d.replaces)
    courses = [
        _course(known, concerning, adds, today) for adds in ((False, True) if unclear else (None,)) if concerning
    ]
    planned = {"reduction_planned": float(any(course.lowers for course in courses))}
    values = Values(known, today, planned, limits=limits)
    standing = judge(values, limits.acknowledged)
    readings, naloxone = [], "false"
    for course in courses:
        reading, state = _judged(course, values, standing)
        readings.append(reading)
        naloxone = state if naloxone == "false" else naloxone
    has_order = any(draft.is_naloxone for draft in drafts)
    incomplete = tuple(unread_lines(known.unread))
    return JudgedOrders(drafts, tuple(readings), standing, "false" if has_order else naloxone, incomplete)


@dataclass(frozen=True)
class _Course:
    """The record with the orders, before it is judged: the days on which a dose changes, and the doses by class."""

    adds: bool | None
    after: History
    days: tuple[date, ...]
    changes: tuple[DrugChange, ...]
    scale: str
    lowers: bool = False
    raises: bool = False


def _course(history: History, drafts: Sequence[Draft], adds: bool | None, today: date) -> _Course:
    after = _with_orders(history, drafts, adds, today)
    days = tuple(sorted({row.day for row in after.doses if row.day >= today and row not in history.doses})) or (today,)
    course = _Course(adds, after, days, _changes(history, after, today, days[0]), "")
    scale = one_scale_problem(after.doses)
    if scale is not None:
        return replace(course, scale=f"doses that cannot be compared: {scale[0]}")
    before, levels = _levels(history, today), [_levels(after, day) for day in days]
    lowers = any(bool((level < before - TOLERANCE).any()) for level in levels)
    raises = any(bool((level > before + TOLERANCE).any()) for level in levels)
    return replace(course, lowers=lowers, raises=raises)


def _with_orders(history: History, drafts: Sequence[Draft], adds: bool | None, today: date) -> History:
    """The record as it reads with the orders in force."""
    now, rows = _in_force(history, today), {(row.day, row.drug.key): row for row in history.doses}
    answers = dict(history.answers)
    for draft in drafts:
        start = min((row.day for row in draft.rows), default=today)
        ordered = {row.drug.key for row in draft.rows}
        for key in (*draft.stops, *(k for k in draft.replaces if k not in ordered)):
            if key in now:
                rows[start, key] = replace(now[key], day=start, dose=0.0, taken=None)
        for row in draft.rows:
            earlier = now.get(row.drug.key)
            more = earlier.dose if adds and earlier is not None and row.drug.key not in draft.replaces else 0.0
            rows[row.day, row.drug.key] = replace(row, dose=row.dose + more)
        answers |= draft.answers
    return replace(history, doses=tuple(rows.values()), answers=answers, written=None)


def _judged(course: _Course, values: Values, standing: JudgedRules) -> tuple[OrderReading, str]:
    """A course with its flags and bars; and the state of the flag on naloxone with the orders."""
    first, limits = course.days[0], values.limits
    then = standing if first == values.as_of else judge(replace(values, as_of=first), limits.acknowledged)
    without = {flag.flag for flag in then.raised()}
    reached = [
        judge(Values(course.after, day, values.assumed, limits=limits), limits.acknowledged) for day in course.days
    ]
    flags = {f.flag: f for judged in reached for f in judged.raised() if f.flag not in without}
    state = next(f.state for f in reached[-1].flags if f.flag == _NO_NALOXONE)
    reading = OrderReading(
        course.adds,
        course.changes,
        course.lowers,
        course.raises,
        tuple(flags.values()),
        _bars(course, values, standing),
        first,
    )
    return reading, state


def _levels(history: History, day: date) -> Floats:
    """Equivalents a day by class, (3,); buprenorphine counts in its own mg."""
    slots = _slots(history, day)
    return equivalents_of(slots) if slots else np.zeros(len(DRUG_CLASSES))


def _slots(history: History, day: date) -> DrugsTaken:
    """Drugs prescribed on a day; none before the first row."""
    try:
        return record_of(history, day).now
    except NoDoseHistory:
        return ()


def _changes(history: History, after: History, today: date, first: date) -> tuple[DrugChange, ...]:
    was, becomes = _in_force(history, today), _in_force(after, first)
    changes = []
    for key in dict.fromkeys((*was, *becomes)):
        drug = (was.get(key) or becomes[key]).drug
        old, new = (rows[key].dose if key in rows else 0.0 for rows in (was, becomes))
        if old != new:
            changes.append(DrugChange(" ".join(key), "mcg/h" if drug.is_patch else "mg a day", old, new))
    return tuple(changes)


def _bars(course: _Course, values: Values, judged: JudgedRules) -> tuple[str, ...]:
    """Why the orders are not what the tool would offer; empty for a rise, which its flags judge."""
    history, today, limits = values.history, values.as_of, values.limits
    if course.scale:
        return (course.scale,)
    beyond = out_of_scope(replace(history, unread=()), values)
    if not course.lowers or beyond or history.unread:  # a reduction of doses that are not complete cannot be measured
        return tuple(beyond) if course.lowers else history.barred
    try:
        record = record_of(history, today)
    except NoDoseHistory as error:
        return (f"cannot build a dose history: {error}",)
    used, _ = used_by_model(record)
    ground = RuleGround(record, situation_of(record, 0, limits), judged, values, limits, len(used))
    last = today + timedelta(days=limits.horizon_days)
    steps = {max(1, (day - today).days): _slots(course.after, day) for day in course.days if day <= last}
    blocked = judged_steps(ground, tuple(sorted(steps.items(), key=lambda step: step[0]))).blocked
    return tuple(filter(None, blocked.split("; ")))
