"""Daily doses and their dates from FHIR Dosages. Imports ``data``, ``model``.

An ambiguous dose is refused (:class:`Cannot`). The exception is FHIR's own: the upper end of a range is the highest
dose that may be taken, and the dose row is marked as needed.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from taper_sim.data.fhir.frequency import Frequency, frequency_of
from taper_sim.data.fhir.json_input import Cannot, concept_texts, day_of, end_of, number, part, parts, texts, word
from taper_sim.data.fhir.medications import MG, Product
from taper_sim.data.fhir.names import form_of
from taper_sim.data.problems import shown
from taper_sim.model.pharmacology import Drug
from taper_sim.units import TOLERANCE

MAX_PERIOD_D: Final = 7.0
"""Longest period over which doses by mouth are averaged to a daily dose, days: a week. A design choice."""
ORAL_ROUTE_CODES: Final = ("26643006", "PO")
"""Codes of the oral route: SNOMED CT and v3 RouteOfAdministration."""

_PER_DAY: Final[Mapping[str, float]] = MappingProxyType({"min": 1440.0, "h": 24.0, "d": 1.0, "wk": 1.0 / 7.0})
_MEALS = {"C", "AC", "PC"}  # "with meals" does not tell the number of meals
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
    """A daily dose in the drug's own unit from ``start`` until the day before ``end`` (None: open-ended)."""

    start: date
    end: date | None
    dose: float
    as_needed: bool


@dataclass(frozen=True)
class DoseUnit:
    """A unit of dose: its kind (mass, rate, patch, count, ml, none) and its size in mg, or in mcg/h for a rate."""

    kind: str
    factor: float = 1.0


def _unit_word(text: str) -> DoseUnit | None:
    plain = re.sub(r"\s+", " ", text.strip().lower().replace("[", "{").replace("]", "}"))
    plain = plain.strip("{} ").removesuffix(" - unit of product usage")  # SNOMED CT
    plain = re.sub(r"\((e?s)\)$", "", plain)
    rate = re.fullmatch(r"(.+?) ?(?:/|per) ?(?:h|hr|hour)", plain)
    if rate:
        mass = MG.get(rate[1]) or MG.get(rate[1].removesuffix("s"))
        return DoseUnit("rate", 1000.0 * mass) if mass else None
    if plain in ("1", ""):
        return DoseUnit("none")
    for unit_word in (plain, plain.removesuffix("s"), plain.removesuffix("es")):
        if unit_word in MG:
            return DoseUnit("mass", MG[unit_word])
        if unit_word in _PATCHES:
            return DoseUnit("patch")
        if unit_word in _COUNT:
            return DoseUnit("count")
        if unit_word in ("ml", "milliliter", "millilitre"):
            return DoseUnit("ml")
    return None


def unit_of(quantity: Mapping[str, Any]) -> DoseUnit:
    """The unit of a Quantity, from its code and its text.

    Raises
    ------
    Cannot
        The unit is unknown, or code and text contradict each other.
    """
    code, unit_text = word(quantity.get("code")), word(quantity.get("unit"))
    by_code, by_word = (_unit_word(text) if text else None for text in (code, unit_text))
    if by_code is not None and by_code.kind == "none" and by_word is not None:
        by_code = None  # UCUM 1; the text names what is counted
    if by_code is not None and by_word is not None and by_code != by_word:
        raise Cannot(f"the unit {shown(unit_text)} with the code {shown(code)}", "one unit")
    unit = by_code or by_word
    if unit is None and (code or unit_text):
        raise Cannot(
            f"the unit {shown(unit_text or code)} of a dose", "mg, g, ug, mcg, ug/h, mL, tablet, capsule, patch"
        )
    if unit is not None and unit.kind == "none" and unit_text and by_word is None:
        raise Cannot(f"the unit {shown(unit_text)} of a dose", "mg, g, ug, mcg, ug/h, mL, tablet, capsule, patch")
    return unit or DoseUnit("none")


def amount_of(quantity: Any, product: Product, drug: Drug, notes: list[str]) -> float:
    """Amount of one administration in the drug's unit: mg, or mcg/h of the patches worn together.

    Raises
    ------
    Cannot
        No number, an unknown unit, a unit that does not fit the drug, or tablets of unknown strength.
    """
    quantity = quantity if isinstance(quantity, dict) else {}
    value = number(quantity.get("value"))
    if value is None or value < 0:
        raise Cannot(f"a dose of {shown(quantity.get('value'))}", "a number, 0 or more, with its unit")
    if quantity.get("comparator"):
        raise Cannot(f"a dose {shown(quantity['comparator'])} {value:g}", "an exact dose")
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
                f"{value:g} in a unit of mass of a product with {', '.join(sorted(product.partners))}: the "
                f"ingredient is not stated",
                "tablets, or a dose of a product with one drug",
            )
        return value * unit.factor
    per = {"patch": "h", "ml": "ml", "count": "h" if drug.is_patch else "one"}.get(unit.kind, "one")
    if unit.kind == "patch" and not drug.is_patch:
        raise Cannot(f"patches of {' '.join(drug.key)}", "tablets or mg")
    if unit.kind == "none" and drug.is_patch:
        per = "h"
    if strength is None or strength.per != per:
        what = {"h": "patch", "ml": "mL", "one": "tablet"}[per]
        given = f"{value:g} {shown(quantity.get('unit') or '(no unit)')} of {shown(product.description)}"
        allowed = f"a strength of this drug per {what}, or a dose in {drug.unit}"
        raise Cannot(f"{given}, whose strength per {what} is not stated", allowed)
    if unit.kind == "none":
        notes.append(
            f"a dose of {value:g} without a unit is read as {value:g} x {strength.amount:g} {drug.unit} "
            f"({' '.join(drug.key)})"
        )
    return value * strength.amount


def _from_code(timing: Mapping[str, Any]) -> Frequency | None:
    """Frequency from ``timing.code``; None without a known code or text."""
    concept = part(timing, "code")
    words = (*(word(c.get("code")) for c in parts(concept.get("coding"))), *concept_texts(concept))
    frequencies = {read for text in words if text and (read := frequency_of(text)) is not None}
    if any(read.times == 0 for read in frequencies):
        raise Cannot("a single dose", "timing.repeat with frequency and period, or a code")
    if len(frequencies) > 1:
        raise Cannot(f"a timing code with {len(frequencies)} frequencies", "one frequency")
    return frequencies.pop() if frequencies else None


def times_a_day(timing: Mapping[str, Any], notes: list[str]) -> tuple[float, bool] | None:
    """Administrations a day, and whether the number is the upper end of a range; None without a timing.

    Raises
    ------
    Cannot
        Contradictory statements, a period that is not in hours, days or weeks, or single events.
    """
    repeat = part(timing, "repeat")
    if timing.get("event"):
        raise Cannot("dates instead of a frequency", "timing.repeat with frequency and period, or a code")
    frequency, most = number(repeat.get("frequency")), number(repeat.get("frequencyMax"))
    period, longest_period = number(repeat.get("period")), number(repeat.get("periodMax"))
    unit, days = word(repeat.get("periodUnit")), texts(repeat.get("dayOfWeek"))
    frequencies: list[float] = []
    ranged = (most is not None and most != frequency) or (longest_period is not None and longest_period != period)
    if frequency is not None or most is not None or period is not None:
        if period is None and unit == "" and not (repeat.get("timeOfDay") or repeat.get("when") or days):
            raise Cannot("a frequency without a period", "frequency, period and periodUnit")
        count, per = max(frequency if frequency is not None else 1.0, most or 0.0), 1.0 if period is None else period
        unit = unit or ("d" if period is None else "")
        if unit not in _PER_DAY or per <= 0 or count <= 0:
            given = f"frequency {count:g} in {per:g} {unit or '(no unit)'}"
            raise Cannot(given, "a frequency above 0 in hours, days or weeks")
        frequencies.append(count * _PER_DAY[unit] / per)
        if per / _PER_DAY[unit] > MAX_PERIOD_D + TOLERANCE:
            raise Cannot(f"one dose in {per:g} {unit}", f"a period of at most {MAX_PERIOD_D:g} days")
    times, when = texts(repeat.get("timeOfDay")), texts(repeat.get("when"))
    if times and when:
        raise Cannot("both times of day and parts of the day", "one of the two")
    if times:
        frequencies.append(float(len(set(times))))
    if when:
        if not _MEALS & set(when):
            frequencies.append(float(len(set(when))))
        elif not frequencies:
            raise Cannot("doses with meals, without the number of meals", "a frequency, or the meals by name")
    by_code = _from_code(timing)
    if by_code is not None:
        frequencies.append(by_code.times)
        ranged = ranged or (by_code.ranged and len(frequencies) == 1)
    if not frequencies and not days:
        return None
    if not frequencies:
        frequencies.append(1.0)
    if (ranged and len(frequencies) > 1) or max(frequencies) - min(frequencies) > TOLERANCE * max(frequencies):
        raise Cannot("contradictory frequency, times of day and code", "one frequency")
    daily = frequencies[0]
    if days:
        if daily < 1:
            raise Cannot("both days of the week and a period of days", "one of the two")
        daily *= len(set(days)) / 7.0
    if daily < 1 - TOLERANCE or (days and len(set(days)) < 7):
        notes.append(f"a dose that is not taken every day is averaged: {daily:.3g} a day")
    if ranged:
        notes.append("a range of frequencies is read as its upper end, the highest that may be taken")
    return daily, ranged


def _dose_parts(dosage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The doses of a Dosage: those marked as ordered, if any; else all."""
    doses = parts(dosage.get("doseAndRate"))
    if "doseQuantity" in dosage or "doseRange" in dosage:
        raise Cannot("doseQuantity outside doseAndRate, as in STU3", "FHIR R4: doseAndRate")
    ordered = [
        dose for dose in doses if any(word(c.get("code")) == "ordered" for c in parts(part(dose, "type").get("coding")))
    ]
    return ordered or doses


def _one_dose(dose_and_rate: Mapping[str, Any], product: Product, drug: Drug, notes: list[str]) -> tuple[float, bool]:
    """Amount of one administration, and whether the amount is the upper end of a range."""
    rate = next((key for key in ("rateQuantity", "rateRange", "rateRatio") if dose_and_rate.get(key)), None)
    if rate and not drug.is_patch:
        raise Cannot(f"a rate for {' '.join(drug.key)}", "a dose in mg, tablets or mL")
    if rate and (dose_and_rate.get("doseQuantity") or dose_and_rate.get("doseRange")):
        dose = amount_of(dose_and_rate.get("doseQuantity"), product, drug, notes)
        released = _one_dose({rate: dose_and_rate[rate]}, product, drug, notes)
        if abs(dose - released[0]) > TOLERANCE * max(dose, 1.0):
            raise Cannot(f"a dose of {dose:g} {drug.unit} with a rate of {released[0]:g} {drug.unit}", "one dose")
        return released
    if rate == "rateQuantity":
        if unit_of(part(dose_and_rate, rate)).kind != "rate":
            raise Cannot(f"a rate in {shown(part(dose_and_rate, rate).get('unit'))}", "ug/h")
        return amount_of(dose_and_rate[rate], product, drug, notes), False
    if rate == "rateRatio":
        numerator, denominator = (
            part(part(dose_and_rate, rate), "numerator"),
            part(part(dose_and_rate, rate), "denominator"),
        )
        hours = number(denominator.get("value")) if denominator.get("value") is not None else 1.0
        unit, value = unit_of(numerator), number(numerator.get("value"))
        time_unit = word(denominator.get("code")) or word(denominator.get("unit"))
        if unit.kind != "mass" or value is None or not hours or hours < 0 or time_unit not in ("h", "hr", "hour"):
            raise Cannot("a rate that is not a mass per hour", "ug/h")
        return 1000.0 * value * unit.factor / hours, False
    key = "rateRange" if rate else "doseRange"
    if dose_and_rate.get(key):
        high = part(dose_and_rate, key).get("high")
        if not high:
            raise Cannot("a range of doses without an upper end", "its upper end")
        amount = amount_of(high, product, drug, notes)
        notes.append(
            f"a range of doses is read as its upper end, {amount:g} {drug.unit} at once, the highest that may be taken"
        )
        return amount, True
    return amount_of(dose_and_rate.get("doseQuantity"), product, drug, notes), False


def daily_dose(dosage: Mapping[str, Any], product: Product, drug: Drug, notes: list[str]) -> tuple[float, bool]:
    """Daily dose of one Dosage in the drug's unit, and whether it is the highest dose that may be taken.

    Raises
    ------
    Cannot
        Dose or frequency is missing or ambiguous.
    """
    _check_route(dosage, product)
    needed = dosage.get("asNeededBoolean") is True or bool(dosage.get("asNeededCodeableConcept"))
    doses = _dose_parts(dosage)
    most = _most_a_day(dosage, product, drug, notes)
    if not doses:
        if most is not None and needed:
            return most, True
        text = "a dose in free text only" if dosage.get("text") or dosage.get("patientInstruction") else "no dose"
        raise Cannot(f"{text} ({' '.join(drug.key)})", "doseAndRate with a quantity, and a timing")
    amounts = {_one_dose(dose_part, product, drug, notes) for dose_part in doses}
    if len(amounts) > 1:
        raise Cannot(f"{len(amounts)} doses in one instruction", "one dose")
    amount, ranged = amounts.pop()
    timing = part(dosage, "timing")
    frequency = times_a_day(timing, notes)
    if drug.is_patch:
        return _worn(drug, amount, doses[0], frequency, timing, notes), needed or ranged
    if part(timing, "repeat").get("duration") and any(dose_part.get("rateQuantity") for dose_part in doses):
        raise Cannot("an infusion", "doses by mouth")
    if frequency is None:
        if most is not None and needed:
            return most, True
        raise Cannot(f"{amount:g} {drug.unit} without a frequency", "timing with frequency and period, or a code")
    daily, several = frequency
    dose = round(amount * daily, 9)
    if most is not None and most < dose:
        notes.append(
            f"the order's daily maximum, {most:g} {drug.unit}, is below dose times frequency, {dose:g} {drug.unit}; "
            f"read as {most:g} {drug.unit}"
        )
        return most, True
    return dose, needed or ranged or several


def _worn(
    drug: Drug,
    amount: float,
    dose_and_rate: Mapping[str, Any],
    frequency: tuple[float, bool] | None,
    timing: Mapping[str, Any],
    notes: list[str],
) -> float:
    """Release of the patches worn together, mcg/h, if the interval between changes is plausible for the patch."""
    if notes and notes[-1].startswith("a dose that is not taken every day"):
        notes.pop()  # a patch is worn on every day
    if part(timing, "repeat").get("duration"):
        raise Cannot("a patch worn for part of the time", "patches worn until the next change")
    if frequency is None:
        if any(
            unit_of(part(dose_and_rate, k)).kind == "rate"
            for k in ("doseQuantity", "rateQuantity")
            if dose_and_rate.get(k)
        ) or dose_and_rate.get("rateRatio"):
            return amount
        raise Cannot("patches without an interval between changes", "timing with frequency and period")
    every_h = 24.0 / frequency[0]
    if dose_and_rate.get("rateQuantity") or dose_and_rate.get("rateRatio"):
        return amount
    if not 0.5 * drug.interval_h <= every_h <= 1.5 * drug.interval_h:
        raise Cannot(
            f"a patch of {' '.join(drug.key)} every {every_h:g} h: the number worn together is unknown",
            f"a change about every {drug.interval_h:g} h, or a dose in ug/h",
        )
    return amount


def _most_a_day(dosage: Mapping[str, Any], product: Product, drug: Drug, notes: list[str]) -> float | None:
    """Highest daily dose from ``maxDosePerPeriod``, in the drug's unit; None without one."""
    ratio = part(dosage, "maxDosePerPeriod")
    if not ratio or drug.is_patch:
        return None
    denominator = part(ratio, "denominator")
    time_unit = word(denominator.get("code")) or word(denominator.get("unit"))
    unit = {"d": 1.0, "day": 1.0, "days": 1.0, "h": 1 / 24, "hour": 1 / 24, "hours": 1 / 24}.get(time_unit.lower())
    length = number(denominator.get("value"))
    if unit is None or not length or length < 0:
        raise Cannot("a highest dose without its period", "a period in hours or days")
    if abs(length * unit - 1.0) > TOLERANCE:
        raise Cannot(f"a highest dose in {length:g} {time_unit}", "a highest dose a day")
    return amount_of(ratio.get("numerator"), product, drug, notes)


def _check_route(dosage: Mapping[str, Any], product: Product) -> None:
    """Refuse a route other than oral, sublingual, buccal or transdermal; refuse a bare code without a form."""
    route = part(dosage, "route")
    route_text = " ".join(concept_texts(route))
    if form_of(route_text) == "other":
        raise Cannot(
            f"{product.name} by the route {shown(route_text)}", "by mouth, under the tongue or through the skin"
        )
    codes = [word(c.get("code")) for c in parts(route.get("coding"))]
    if codes and not route_text and not product.form and not set(codes) & set(ORAL_ROUTE_CODES):
        raise Cannot(f"{product.name} without a form, by a route given as a code alone", "a form, or the route's name")


def _length(bounds: Mapping[str, Any], start: date) -> date | None:
    """First day after a duration that begins on ``start``."""
    value, unit = number(bounds.get("value")), word(bounds.get("code")) or word(bounds.get("unit"))
    days = {"d": 1.0, "day": 1.0, "days": 1.0, "wk": 7.0, "week": 7.0, "weeks": 7.0, "h": 1 / 24, "hours": 1 / 24}
    if value is None or value <= 0 or bounds.get("comparator"):
        raise Cannot(f"a duration of {shown(bounds.get('value'))}", "a number above 0")
    try:
        if unit in days:
            return start + timedelta(days=math.ceil(value * days[unit] - TOLERANCE))
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
    """First day after a supply of this duration; None without a readable duration."""
    value = quantity if isinstance(quantity, dict) else {}
    if number(value.get("value")) is None:
        return None
    try:
        times = 1 + max(0, int(repeats))
        return _length({**value, "value": (number(value["value"]) or 0.0) * times}, start)
    except Cannot:
        return None


def _bounds(dosage: Mapping[str, Any], start: date | None) -> tuple[date | None, date | None]:
    """Start and end (exclusive) that a Dosage states."""
    repeat = part(part(dosage, "timing"), "repeat")
    if repeat.get("boundsRange"):
        raise Cannot("a duration as a range", "boundsPeriod or boundsDuration")
    period = part(repeat, "boundsPeriod")
    first, end = day_of(period.get("start")), end_of(period.get("end"))
    for key, bound in (("start", first), ("end", end)):
        if period.get(key) and bound is None:
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
    """Daily doses of one order: Dosages of different ``sequence`` follow each other, others add up.

    Raises
    ------
    Cannot
        An unreadable dosage, overlapping steps, or a step without an end before another step.
    """
    if not dosages:
        raise Cannot(f"no dosage instruction ({' '.join(drug.key)})", "doseAndRate with a quantity, and a timing")
    numbers = [dosage.get("sequence") for dosage in dosages]
    stepwise = len({n for n in numbers if n is not None}) > 1
    if stepwise and any(number(n) is None for n in numbers):
        raise Cannot("steps without a sequence number", "a sequence number for each step")
    groups: dict[float, list[Mapping[str, Any]]] = {}
    for dosage, n in zip(dosages, numbers, strict=True):
        groups.setdefault((number(n) or 0.0) if stepwise else 0.0, []).append(dosage)
    steps: list[tuple[date, date | None, list[Segment]]] = []
    cursor = start
    ordered = [groups[n] for n in sorted(groups)]
    for place, group in enumerate(ordered):
        step_segments = []
        for dosage in group:
            dose, as_needed = daily_dose(dosage, product, drug, notes)
            first, last = _bounds(dosage, cursor)
            if first is None:
                raise Cannot("a dose without a start", "authoredOn, a validity period or boundsPeriod")
            if last is None:
                last = _counted_out(dosage, first) or (None if stepwise else end)
            if last is not None and last <= first:
                raise Cannot(f"an end before the start ({first})", "an end after the start")
            step_segments.append(Segment(first, last, dose, as_needed))
        lasts = [s.end for s in step_segments]
        cursor = None if None in lasts else max(s for s in lasts if s is not None)
        steps.append((min(s.start for s in step_segments), cursor, step_segments))
        following = ordered[place + 1] if place + 1 < len(ordered) else None
        if cursor is None and following is not None:
            starts = {_bounds(dosage, None)[0] for dosage in following}
            if None in starts:
                raise Cannot("a step without an end before another", "boundsPeriod or boundsDuration for each step")
            cursor = min(s for s in starts if s is not None)
            steps[-1] = (
                steps[-1][0],
                cursor,
                [Segment(s.start, s.end or cursor, s.dose, s.as_needed) for s in step_segments],
            )
    for (_, last, _), (first, _, _) in pairwise(steps):
        if last is not None and (last - first).days > 1:
            raise Cannot(f"steps that overlap (from {first})", "consecutive steps")
    every: list[Segment] = []
    for place, (_, _, step_segments) in enumerate(steps):
        until = steps[place + 1][0] if place + 1 < len(steps) else end
        for s in step_segments:  # the first day of the next step belongs to the next step
            last = s.end if until is None else until if s.end is None else min(s.end, until)
            if last is None or last > s.start:
                every.append(Segment(s.start, last, s.dose, s.as_needed))
    if not every:
        raise Cannot("an order that ends before it begins", "an end after the start")
    return added_up(every)


def _counted_out(dosage: Mapping[str, Any], first: date) -> date | None:
    """Day after the last of a fixed number of doses (``timing.repeat.count``); None without such a number."""
    repeat = part(part(dosage, "timing"), "repeat")
    count = number(repeat.get("countMax")) or number(repeat.get("count"))
    frequency = times_a_day(part(dosage, "timing"), []) if count else None
    if not count or frequency is None or count <= 0 or count / frequency[0] > 36500:
        return None
    return first + timedelta(days=math.ceil(count / frequency[0] - TOLERANCE))


def added_up(overlapping: Sequence[Segment]) -> list[Segment]:
    """Consecutive segments with the sum of the concurrent doses."""
    days = sorted({s.start for s in overlapping} | {s.end for s in overlapping if s.end is not None})
    summed_segments: list[Segment] = []
    for day, following in pairwise([*days, None]):
        if day is None:
            continue
        concurrent = [s for s in overlapping if s.start <= day and (s.end is None or s.end > day)]
        if concurrent:
            dose = round(sum(s.dose for s in concurrent), 9)
            summed_segments.append(Segment(day, following, dose, any(s.as_needed for s in concurrent)))
    return summed_segments
