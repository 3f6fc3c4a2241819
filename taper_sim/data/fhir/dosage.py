"""What a day's dose is by a list of FHIR Dosages, and from when to when. Imports ``data``, ``model``.

A dose that can be read in two ways is refused (:class:`Cannot`), with one exception that FHIR itself makes: of a range
the upper end is the most that may be taken, and the row says so.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from taper_sim.data.fhir.frequency import Often, often
from taper_sim.data.fhir.json_input import Cannot, concept_texts, day_of, end_of, number, part, parts, texts, word
from taper_sim.data.fhir.medications import MG, Product
from taper_sim.data.fhir.names import form_of
from taper_sim.data.problems import shown
from taper_sim.model.pharmacology import Drug

_SAME: Final = 1e-9
MAX_PERIOD_D: Final = 7.0
"""Longest period over which doses are averaged to a day's dose, for tablets: a week. A design choice."""
SINGLE_ORAL_ROUTE: Final = ("26643006", "PO")
"""Codes of the oral route: SNOMED CT and v3 RouteOfAdministration."""

_PER_DAY: Final[Mapping[str, float]] = MappingProxyType({"min": 1440.0, "h": 24.0, "d": 1.0, "wk": 1.0 / 7.0})
_MEALS = {"C", "AC", "PC"}  # a meal that is not said: how many a day is not either
_COUNT = {
    "tbl",
    "tablet",
    "tab",
    "tabs",
    "capsule",
    "cap",
    "caps",
    "film",
    "strip",
    "ortab",
    "ertab",
    "erectab",
    "orcap",
    "ercap",
    "erentcap",
    "tabtab",
    "each",
    "ea",
    "oral tablet",
    "oral capsule",
    "sublingual tablet",
    "sublingual film",
    "buccal film",
    "extended release tablet",
    "extended release capsule",
    "er tablet",
    "er capsule",
}
_PATCHES = {"patch", "tpatch", "tpath16", "tpath24", "tpath72", "tpathwk", "transdermal patch", "system"}


@dataclass(frozen=True)
class Segment:
    """A day's dose in the drug's own unit from ``start``, before ``end`` (None: until something else is said)."""

    start: date
    end: date | None
    dose: float
    as_needed: bool


@dataclass(frozen=True)
class Unit:
    """A unit of dose: its kind (mass, rate, patch, count, ml, none) and mg, or mcg/h, in one of it."""

    kind: str
    factor: float = 1.0


def _unit_word(text: str) -> Unit | None:
    plain = re.sub(r"\s+", " ", text.strip().lower().replace("[", "{").replace("]", "}"))
    plain = plain.strip("{} ").removesuffix(" - unit of product usage")  # SNOMED CT
    plain = re.sub(r"\((e?s)\)$", "", plain)
    rate = re.fullmatch(r"(.+?) ?(?:/|per) ?(?:h|hr|hour)", plain)
    if rate:
        mass = MG.get(rate[1]) or MG.get(rate[1].removesuffix("s"))
        return Unit("rate", 1000.0 * mass) if mass else None
    if plain in ("1", ""):
        return Unit("none")
    for one in (plain, plain.removesuffix("s"), plain.removesuffix("es")):
        if one in MG:
            return Unit("mass", MG[one])
        if one in _PATCHES:
            return Unit("patch")
        if one in _COUNT:
            return Unit("count")
        if one in ("ml", "milliliter", "millilitre"):
            return Unit("ml")
    return None


def unit_of(quantity: Mapping[str, Any]) -> Unit:
    """The unit of a Quantity, by its code and its word.

    Raises
    ------
    Cannot
        A unit that is unknown, or a code and a word that say different things.
    """
    code, said = word(quantity.get("code")), word(quantity.get("unit"))
    by_code, by_word = (_unit_word(text) if text else None for text in (code, said))
    if by_code is not None and by_code.kind == "none" and by_word is not None:
        by_code = None  # UCUM 1, with what is counted in words
    if by_code is not None and by_word is not None and by_code != by_word:
        raise Cannot(f"the unit {shown(said)} with the code {shown(code)}", "one unit")
    found = by_code or by_word
    if found is None and (code or said):
        raise Cannot(f"the unit {shown(said or code)} of a dose", "mg, g, ug, mcg, ug/h, mL, tablet, capsule, patch")
    if found is not None and found.kind == "none" and said and by_word is None:
        raise Cannot(f"the unit {shown(said)} of a dose", "mg, g, ug, mcg, ug/h, mL, tablet, capsule, patch")
    return found or Unit("none")


def amount_of(quantity: Any, product: Product, drug: Drug, notes: list[str]) -> float:
    """One administration in the drug's unit: mg, or mcg/h of patches worn together.

    Raises
    ------
    Cannot
        No number, an unknown unit, a unit that does not fit the drug, or tablets without a known strength.
    """
    quantity = quantity if isinstance(quantity, dict) else {}
    value = number(quantity.get("value"))
    if value is None or value < 0:
        raise Cannot(f"a dose of {shown(quantity.get('value'))}", "a number, 0 or more, with its unit")
    if quantity.get("comparator"):
        raise Cannot(f"a dose {shown(quantity['comparator'])} {value:g}", "a dose that is known")
    unit, strength = unit_of(quantity), product.strength
    if unit.kind == "rate":
        if not drug.is_patch:
            raise Cannot(f"a rate for {' '.join(drug.key)}", "mg, tablets or mL")
        return value * unit.factor
    if unit.kind == "mass":
        if drug.is_patch:
            raise Cannot(f"a mass for the patch {' '.join(drug.key)}", "ug/h, or patches of a known strength")
        if product.partners:
            raise Cannot(
                f"{value:g} in a unit of mass of a product with {', '.join(sorted(product.partners))}: of "
                f"which part is not said",
                "tablets, or a dose of a product with one drug",
            )
        return value * unit.factor
    wanted = {"patch": "h", "ml": "ml", "count": "h" if drug.is_patch else "one"}.get(unit.kind, "one")
    if unit.kind == "patch" and not drug.is_patch:
        raise Cannot(f"patches of {' '.join(drug.key)}", "tablets or mg")
    if unit.kind == "none" and drug.is_patch:
        wanted = "h"
    if strength is None or strength.per != wanted:
        what = {"h": "patch", "ml": "mL", "one": "tablet"}[wanted]
        given = f"{value:g} {shown(quantity.get('unit') or '(no unit)')} of {shown(product.said)}"
        allowed = f"a strength of this drug per {what}, or a dose in {drug.unit}"
        raise Cannot(f"{given}, whose strength per {what} is not told", allowed)
    if unit.kind == "none":
        notes.append(
            f"a dose of {value:g} without a unit is read as {value:g} x {strength.amount:g} {drug.unit} "
            f"({' '.join(drug.key)})"
        )
    return value * strength.amount


def _from_code(timing: Mapping[str, Any]) -> Often | None:
    """How often a day by ``timing.code``; None if there is nothing that is known."""
    concept = part(timing, "code")
    words = (*(word(c.get("code")) for c in parts(concept.get("coding"))), *concept_texts(concept))
    found = {said for text in words if text and (said := often(text)) is not None}
    if any(said.times == 0 for said in found):
        raise Cannot("a single dose", "timing.repeat with frequency and period, or a code")
    if len(found) > 1:
        raise Cannot(f"a timing code that says {len(found)} things", "one frequency")
    return found.pop() if found else None


def times_a_day(timing: Mapping[str, Any], notes: list[str]) -> tuple[float, bool] | None:
    """How often a day, at most, and whether that is the upper end of a range; None if nothing says.

    Raises
    ------
    Cannot
        Two things that disagree; a period that is no part of days; single events.
    """
    repeat = part(timing, "repeat")
    if timing.get("event"):
        raise Cannot("single dates instead of a frequency", "timing.repeat with frequency and period, or a code")
    frequency, most = number(repeat.get("frequency")), number(repeat.get("frequencyMax"))
    period, longest = number(repeat.get("period")), number(repeat.get("periodMax"))
    unit, days = word(repeat.get("periodUnit")), texts(repeat.get("dayOfWeek"))
    found: list[float] = []
    ranged = (most is not None and most != frequency) or (longest is not None and longest != period)
    if frequency is not None or most is not None or period is not None:
        if period is None and unit == "" and not (repeat.get("timeOfDay") or repeat.get("when") or days):
            raise Cannot("a frequency without a period", "frequency, period and periodUnit")
        each, per = max(frequency if frequency is not None else 1.0, most or 0.0), 1.0 if period is None else period
        unit = unit or ("d" if period is None else "")
        if unit not in _PER_DAY or per <= 0 or each <= 0:
            given = f"frequency {each:g} in {per:g} {unit or '(no unit)'}"
            raise Cannot(given, "a frequency above 0 in hours, days or weeks")
        found.append(each * _PER_DAY[unit] / per)
        if per / _PER_DAY[unit] > MAX_PERIOD_D + _SAME:
            raise Cannot(f"one dose in {per:g} {unit}", f"a period of at most {MAX_PERIOD_D:g} days")
    times, when = texts(repeat.get("timeOfDay")), texts(repeat.get("when"))
    if times and when:
        raise Cannot("times of day beside parts of the day", "one of them")
    if times:
        found.append(float(len(set(times))))
    if when:
        if not _MEALS & set(when):
            found.append(float(len(set(when))))
        elif not found:
            raise Cannot("doses with meals, without how many", "a frequency, or the meals by name")
    by_code = _from_code(timing)
    if by_code is not None:
        found.append(by_code.times)
        ranged = ranged or (by_code.ranged and len(found) == 1)
    if not found and not days:
        return None
    if not found:
        found.append(1.0)
    if (ranged and len(found) > 1) or max(found) - min(found) > _SAME * max(found):
        raise Cannot("a frequency, times of day or a code that disagree", "one frequency")
    daily = found[0]
    if days:
        if daily < 1:
            raise Cannot("days of the week beside a period of days", "one of them")
        daily *= len(set(days)) / 7.0
    if daily < 1 - _SAME or (days and len(set(days)) < 7):
        notes.append(f"a dose that is not taken every day is averaged: {daily:.3g} a day")
    if ranged:
        notes.append("of a range of frequencies the highest is taken, as the most that may be taken")
    return daily, ranged


def _dose_parts(dosage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The dose of a Dosage: what was ordered, where something calculated stands beside it."""
    found = parts(dosage.get("doseAndRate"))
    if "doseQuantity" in dosage or "doseRange" in dosage:
        raise Cannot("doseQuantity outside doseAndRate, as in STU3", "FHIR R4: doseAndRate")
    ordered = [
        one for one in found if any(word(c.get("code")) == "ordered" for c in parts(part(one, "type").get("coding")))
    ]
    return ordered or found


def _one_dose(one: Mapping[str, Any], product: Product, drug: Drug, notes: list[str]) -> tuple[float, bool]:
    """Amount of one administration, and whether it is the upper end of a range."""
    rate = next((key for key in ("rateQuantity", "rateRange", "rateRatio") if one.get(key)), None)
    if rate and not drug.is_patch:
        raise Cannot(f"a rate for {' '.join(drug.key)}", "a dose in mg, tablets or mL")
    if rate and (one.get("doseQuantity") or one.get("doseRange")):
        dose = amount_of(one.get("doseQuantity"), product, drug, notes)
        released = _one_dose({rate: one[rate]}, product, drug, notes)
        if abs(dose - released[0]) > _SAME * max(dose, 1.0):
            raise Cannot(f"a dose of {dose:g} {drug.unit} with a rate of {released[0]:g} {drug.unit}", "one dose")
        return released
    if rate == "rateQuantity":
        if unit_of(part(one, rate)).kind != "rate":
            raise Cannot(f"a rate in {shown(part(one, rate).get('unit'))}", "ug/h")
        return amount_of(one[rate], product, drug, notes), False
    if rate == "rateRatio":
        top, below = part(part(one, rate), "numerator"), part(part(one, rate), "denominator")
        hours = number(below.get("value")) if below.get("value") is not None else 1.0
        unit, value = unit_of(top), number(top.get("value"))
        per = word(below.get("code")) or word(below.get("unit"))
        if unit.kind != "mass" or value is None or not hours or hours < 0 or per not in ("h", "hr", "hour"):
            raise Cannot("a rate that is no mass per hour", "ug/h")
        return 1000.0 * value * unit.factor / hours, False
    key = "rateRange" if rate else "doseRange"
    if one.get(key):
        high = part(one, key).get("high")
        if not high:
            raise Cannot("a range of doses without an upper end", "its upper end")
        amount = amount_of(high, product, drug, notes)
        notes.append(
            f"of a range of doses the upper end is taken, {amount:g} {drug.unit} at once, as the most that may be taken"
        )
        return amount, True
    return amount_of(one.get("doseQuantity"), product, drug, notes), False


def daily_dose(dosage: Mapping[str, Any], product: Product, drug: Drug, notes: list[str]) -> tuple[float, bool]:
    """Dose of a day by one Dosage in the drug's unit, and whether it is the most that may be taken.

    Raises
    ------
    Cannot
        No dose, no frequency, or either can be read in two ways.
    """
    _check_route(dosage, product)
    needed = dosage.get("asNeededBoolean") is True or bool(dosage.get("asNeededCodeableConcept"))
    said = _dose_parts(dosage)
    most = _most_a_day(dosage, product, drug, notes)
    if not said:
        if most is not None and needed:
            return most, True
        text = "a dose in words alone" if dosage.get("text") or dosage.get("patientInstruction") else "no dose"
        raise Cannot(f"{text} ({' '.join(drug.key)})", "doseAndRate with a quantity, and a timing")
    amounts = {_one_dose(one, product, drug, notes) for one in said}
    if len(amounts) > 1:
        raise Cannot(f"{len(amounts)} doses in one instruction", "one dose")
    amount, ranged = amounts.pop()
    timing = part(dosage, "timing")
    told = times_a_day(timing, notes)
    if drug.is_patch:
        return _worn(drug, amount, said[0], told, timing, notes), needed or ranged
    if part(timing, "repeat").get("duration") and any(one.get("rateQuantity") for one in said):
        raise Cannot("an infusion", "doses by mouth")
    if told is None:
        if most is not None and needed:
            return most, True
        raise Cannot(f"{amount:g} {drug.unit} without how often", "timing with frequency and period, or a code")
    daily, several = told
    dose = round(amount * daily, 9)
    if most is not None and most < dose:
        notes.append(
            f"the most a day that the order allows, {most:g} {drug.unit}, is less than dose times frequency, "
            f"{dose:g} {drug.unit}, and is taken"
        )
        return most, True
    return dose, needed or ranged or several


def _worn(
    drug: Drug,
    amount: float,
    one: Mapping[str, Any],
    told: tuple[float, bool] | None,
    timing: Mapping[str, Any],
    notes: list[str],
) -> float:
    """Release of patches: what is worn together, whatever the time between changes, if that is a patch's time."""
    if notes and notes[-1].startswith("a dose that is not taken every day"):
        notes.pop()  # a patch is worn on every day
    if part(timing, "repeat").get("duration"):
        raise Cannot("a patch that is worn for a part of the time", "patches worn until the next")
    if told is None:
        if any(unit_of(part(one, k)).kind == "rate" for k in ("doseQuantity", "rateQuantity") if one.get(k)) or one.get(
            "rateRatio"
        ):
            return amount
        raise Cannot("patches without how often they are changed", "timing with frequency and period")
    every_h = 24.0 / told[0]
    if one.get("rateQuantity") or one.get("rateRatio"):
        return amount
    if not 0.5 * drug.interval_h <= every_h <= 1.5 * drug.interval_h:
        raise Cannot(
            f"a patch of {' '.join(drug.key)} every {every_h:g} h, so that how many are worn at a time is not known",
            f"a change about every {drug.interval_h:g} h, or a dose in ug/h",
        )
    return amount


def _most_a_day(dosage: Mapping[str, Any], product: Product, drug: Drug, notes: list[str]) -> float | None:
    """Dose a day by ``maxDosePerPeriod``; None if there is none."""
    ratio = part(dosage, "maxDosePerPeriod")
    if not ratio or drug.is_patch:
        return None
    below = part(ratio, "denominator")
    per = word(below.get("code")) or word(below.get("unit"))
    unit = {"d": 1.0, "day": 1.0, "days": 1.0, "h": 1 / 24, "hour": 1 / 24, "hours": 1 / 24}.get(per.lower())
    length = number(below.get("value"))
    if unit is None or not length or length < 0:
        raise Cannot("a highest dose in a period that is not told", "a period in hours or days")
    if abs(length * unit - 1.0) > _SAME:
        raise Cannot(f"a highest dose in {length:g} {per}", "a highest dose a day")
    return amount_of(ratio.get("numerator"), product, drug, notes)


def _check_route(dosage: Mapping[str, Any], product: Product) -> None:
    """A route in words that is not by mouth, under the tongue or through the skin; or a code where nothing tells."""
    route = part(dosage, "route")
    said = " ".join(concept_texts(route))
    if form_of(said) == "other":
        raise Cannot(f"{product.name} by the route {shown(said)}", "by mouth, under the tongue or through the skin")
    codes = [word(c.get("code")) for c in parts(route.get("coding"))]
    if codes and not said and not product.form and not set(codes) & set(SINGLE_ORAL_ROUTE):
        raise Cannot(f"{product.name} without a form, by a route given as a code alone", "a form, or the route's name")


def _length(bounds: Mapping[str, Any], start: date) -> date | None:
    """First day after a duration from ``start``."""
    value, unit = number(bounds.get("value")), word(bounds.get("code")) or word(bounds.get("unit"))
    days = {"d": 1.0, "day": 1.0, "days": 1.0, "wk": 7.0, "week": 7.0, "weeks": 7.0, "h": 1 / 24, "hours": 1 / 24}
    if value is None or value <= 0 or bounds.get("comparator"):
        raise Cannot(f"a duration of {shown(bounds.get('value'))}", "a number above 0")
    try:
        if unit in days:
            return start + timedelta(days=math.ceil(value * days[unit] - _SAME))
        if unit in ("mo", "month", "months") and value == int(value) and value < 1200:
            month = start.month - 1 + int(value)
            year, month = start.year + month // 12, month % 12 + 1
            return min(
                date(year, month, 1) + timedelta(days=start.day - 1),
                date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1),
            )
    except (OverflowError, ValueError):
        pass
    raise Cannot(f"a duration of {value:g} {shown(unit or '(no unit)')}", "days, weeks or whole months")


def supplied_until(quantity: Any, start: date, repeats: float = 0.0) -> date | None:
    """First day after a supply that lasts so long; None if that is not said."""
    value = quantity if isinstance(quantity, dict) else {}
    if number(value.get("value")) is None:
        return None
    try:
        times = 1 + max(0, int(repeats))
        return _length({**value, "value": (number(value["value"]) or 0.0) * times}, start)
    except Cannot:
        return None


def _bounds(dosage: Mapping[str, Any], start: date | None) -> tuple[date | None, date | None]:
    """Start and end (exclusive) that a Dosage gives itself."""
    repeat = part(part(dosage, "timing"), "repeat")
    if repeat.get("boundsRange"):
        raise Cannot("a duration between two limits", "boundsPeriod or boundsDuration")
    period = part(repeat, "boundsPeriod")
    first, end = day_of(period.get("start")), end_of(period.get("end"))
    for key, found in (("start", first), ("end", end)):
        if period.get(key) and found is None:
            raise Cannot(f"boundsPeriod.{key} {shown(period[key])}", "a whole date")
    first = first or start
    if repeat.get("boundsDuration"):
        if first is None:
            raise Cannot("a duration without a start", "a start")
        end = _length(part(repeat, "boundsDuration"), first)
    return first, end


def segments(
    dosages: Sequence[Mapping[str, Any]],
    product: Product,
    drug: Drug,
    start: date | None,
    end: date | None,
    notes: list[str],
) -> list[Segment]:
    """The dose by days of one order: steps of different ``sequence`` follow each other, others add up.

    Raises
    ------
    Cannot
        A dosage that cannot be read, steps that overlap, or a step whose end is not known though another follows.
    """
    if not dosages:
        raise Cannot(f"no dosage instruction ({' '.join(drug.key)})", "doseAndRate with a quantity, and a timing")
    numbers = [dosage.get("sequence") for dosage in dosages]
    stepwise = len({n for n in numbers if n is not None}) > 1
    if stepwise and any(number(n) is None for n in numbers):
        raise Cannot("steps of which some have no sequence", "a sequence for each")
    groups: dict[float, list[Mapping[str, Any]]] = {}
    for dosage, n in zip(dosages, numbers, strict=True):
        groups.setdefault((number(n) or 0.0) if stepwise else 0.0, []).append(dosage)
    laid: list[tuple[date, date | None, list[Segment]]] = []
    cursor = start
    ordered = [groups[n] for n in sorted(groups)]
    for place, group in enumerate(ordered):
        found = []
        for dosage in group:
            dose, as_needed = daily_dose(dosage, product, drug, notes)
            first, last = _bounds(dosage, cursor)
            if first is None:
                raise Cannot("a dose without a start", "authoredOn, a validity period or boundsPeriod")
            if last is None:
                last = _counted_out(dosage, first) or (None if stepwise else end)
            if last is not None and last <= first:
                raise Cannot(f"an end before the start ({first})", "an end after the start")
            found.append(Segment(first, last, dose, as_needed))
        lasts = [s.end for s in found]
        cursor = None if None in lasts else max(s for s in lasts if s is not None)
        laid.append((min(s.start for s in found), cursor, found))
        following = ordered[place + 1] if place + 1 < len(ordered) else None
        if cursor is None and following is not None:
            starts = {_bounds(dosage, None)[0] for dosage in following}
            if None in starts:
                raise Cannot("a step without an end before another", "boundsPeriod or boundsDuration for each step")
            cursor = min(s for s in starts if s is not None)
            laid[-1] = (laid[-1][0], cursor, [Segment(s.start, s.end or cursor, s.dose, s.as_needed) for s in found])
    for (_, last, _), (first, _, _) in pairwise(laid):
        if last is not None and (last - first).days > 1:
            raise Cannot(f"steps that overlap (from {first})", "steps one after the other")
    every: list[Segment] = []
    for place, (_, _, found) in enumerate(laid):
        until = laid[place + 1][0] if place + 1 < len(laid) else end
        for s in found:  # a step that ends on the first day of the next gives that day to the next
            last = s.end if until is None else until if s.end is None else min(s.end, until)
            if last is None or last > s.start:
                every.append(Segment(s.start, last, s.dose, s.as_needed))
    if not every:
        raise Cannot("an order that ends before it begins", "an end after the start")
    return added_up(every)


def _counted_out(dosage: Mapping[str, Any], first: date) -> date | None:
    """Day after the last of a number of doses (``timing.repeat.count``); None if there is no such number."""
    repeat = part(part(dosage, "timing"), "repeat")
    count = number(repeat.get("countMax")) or number(repeat.get("count"))
    told = times_a_day(part(dosage, "timing"), []) if count else None
    if not count or told is None or count <= 0 or count / told[0] > 36500:
        return None
    return first + timedelta(days=math.ceil(count / told[0] - _SAME))


def added_up(found: Sequence[Segment]) -> list[Segment]:
    """Segments one after the other, with the sum of the doses that hold at a time."""
    days = sorted({s.start for s in found} | {s.end for s in found if s.end is not None})
    summed: list[Segment] = []
    for day, following in pairwise([*days, None]):
        if day is None:
            continue
        held = [s for s in found if s.start <= day and (s.end is None or s.end > day)]
        if held:
            dose = round(sum(s.dose for s in held), 9)
            summed.append(Segment(day, following, dose, any(s.as_needed for s in held)))
    return summed
