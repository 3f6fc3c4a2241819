"""Check-ins from Observations and QuestionnaireResponses, by LOINC code. Imports ``data``, ``tables``.

loinc.csv lists codes and units. A value without unit, outside its scale or without a day is refused. A censored value
("below 5", "above 60") is kept as a range.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from taper_sim import tables
from taper_sim.data.checkins import scales
from taper_sim.data.fhir.json_input import Cannot, day_of, end_of, number, part, parts, word
from taper_sim.data.problems import shown
from taper_sim.data.records import CheckIn

LOINC_SYSTEMS: Final = ("http://loinc.org", "https://loinc.org", "urn:oid:2.16.840.1.113883.6.1")
READABLE_STATUSES: Final = ("final", "amended", "corrected", "preliminary")
"""Statuses of Observations that are read; a preliminary Observation adds a note."""
SCORE_EXTENSIONS: Final = ("ordinalValue", "itemWeight", "questionnaire-ordinalValue", "iso21090-CO-value")
"""Last URL segments of the extensions that hold an answer's score."""
PHQ_ANSWERS: Final[Mapping[str, float]] = MappingProxyType(
    {"LA6568-5": 0.0, "LA6569-3": 1.0, "LA6570-1": 2.0, "LA6571-9": 3.0}
)
"""Answer list LL358-3 of PHQ-9 and GAD-7. Source: loinc.org/LL358-3."""
PREGNANCY_ANSWERS: Final[Mapping[str, float]] = MappingProxyType(
    {"LA15173-0": 1.0, "77386006": 1.0, "LA26683-5": 0.0, "60001007": 0.0}
)
"""Pregnancy by LOINC and SNOMED CT code; other codes have no value. Source: hl7.org/fhir/uv/ips, pregnancy status."""
_UNITS: Final[Mapping[str, Mapping[str, tuple[float, float]]]] = MappingProxyType(
    {
        "score": {u: (1.0, 0.0) for u in ("", "1", "{score}", "score", "{points}", "points", "{0-10}", "/10")},
        "steps": {
            u: (1.0, 0.0)
            for u in (
                "",
                "1",
                "{steps}",
                "steps",
                "{count}",
                "count",
                "{steps}/d",
                "steps/day",
                "/d",
                "1/(24.h)",
                "{steps}/(24.h)",
                "steps/24h",
                "1/d",
            )
        },
        "h": {
            **{u: (1.0, 0.0) for u in ("h", "hr", "hour", "hours")},
            **{u: (1 / 60, 0.0) for u in ("min", "minutes")},
            "s": (1 / 3600, 0.0),
        },
        "/min": {
            u: (1.0, 0.0)
            for u in (
                "/min",
                "1/min",
                "{beats}/min",
                "beats/min",
                "beats/minute",
                "bpm",
                "{breaths}/min",
                "breaths/min",
                "breaths/minute",
                "per minute",
            )
        },
        "pregnancy": {},
        "%": {"%": (1.0, 0.0), "percent": (1.0, 0.0)},
        "mm[Hg]": {"mm[Hg]": (1.0, 0.0), "mmHg": (1.0, 0.0), "mm Hg": (1.0, 0.0)},
        "Cel": {
            **{u: (1.0, 0.0) for u in ("Cel", "°C", "C", "degC", "celsius")},
            **{u: (5 / 9, -160 / 9) for u in ("[degF]", "°F", "F", "degF", "fahrenheit")},
        },
        "mL/min/{1.73_m2}": {
            u: (1.0, 0.0)
            for u in (
                "mL/min/{1.73_m2}",
                "mL/min/1.73m2",
                "mL/min/{1.73m2}",
                "mL/min/1.73 m2",
                "mL/min/1.73m²",
                "mL/min/1.73 m²",
                "mL/min/1.73_m2",
                "mL/min/{1.73}m2",
            )
        },
    }
)
"""Factor and offset from each accepted unit to the unit of loinc.csv."""


@dataclass(frozen=True)
class Code:
    """One row of loinc.csv: instrument, item of the instrument (0 for a total), unit."""

    code: str
    instrument: str
    item: int
    unit: str


@cache
def codes() -> Mapping[str, Code]:
    """Every row of loinc.csv by code."""
    rows = {}
    for row in tables.read("loinc").rows:
        instrument, _, item = row["instrument"].partition(" item ")
        rows[row["code"]] = Code(row["code"], instrument, int(item or 0), row["unit"])
    return MappingProxyType(rows)


def _loinc(concept: Any) -> Code | None:
    """The row of a concept's LOINC codes; None without a code of loinc.csv.

    Raises
    ------
    Cannot
        Codes of two instruments.
    """
    rows = {
        codes()[code]
        for coding in parts(concept.get("coding") if isinstance(concept, dict) else None)
        if word(coding.get("system")) in LOINC_SYSTEMS and (code := word(coding.get("code"))) in codes()
    }
    if len({(c.instrument, c.item) for c in rows}) > 1:
        raise Cannot("a value with codes of two instruments", "one instrument")
    return min(rows, key=lambda c: c.code) if rows else None


def _in_unit(code: Code, quantity: Mapping[str, Any]) -> float:
    value = number(quantity.get("value"))
    if value is None:
        raise Cannot(f"{code.instrument} without a number", "a number")
    conversions, unit_texts = _UNITS[code.unit], [word(quantity.get("code")), word(quantity.get("unit"))]
    lower = {unit.lower(): conversion for unit, conversion in conversions.items()}
    matches = {conversions.get(text) or lower.get(text.lower()) for text in unit_texts if text} or {conversions.get("")}
    if None in matches and len(matches) == 2 and (conversions.get(unit_texts[0]) or lower.get(unit_texts[0].lower())):
        matches.discard(None)  # a known UCUM code with a free-text unit
    if len(matches) != 1 or (conversion := matches.pop()) is None:
        given = " ".join(dict.fromkeys(text for text in unit_texts if text)) or "no unit"
        raise Cannot(f"{code.instrument} in {shown(given)}", f"the unit {code.unit}")
    factor, offset = conversion
    return round(value * factor + offset, 6)


def _score(answer: Mapping[str, Any]) -> float | None:
    """Score of an answer or a coding: a number, a score extension, or the PHQ's answer list."""
    for key in ("valueDecimal", "valueInteger"):
        if (value := number(answer.get(key))) is not None:
            return value
    quantity = part(answer, "valueQuantity")
    if quantity:
        return number(quantity.get("value")) if not quantity.get("comparator") else None
    codings = parts(answer.get("valueCoding") or part(answer, "valueCodeableConcept").get("coding") or [])
    scores = set()
    for holder in (answer, part(answer, "valueCodeableConcept"), *codings):
        for extension in parts(holder.get("extension")):
            if word(extension.get("url")).rsplit("/", 1)[-1] in SCORE_EXTENSIONS:
                scores |= {number(extension.get(k)) for k in ("valueDecimal", "valueInteger") if k in extension}
    if not scores:
        scores = {PHQ_ANSWERS.get(word(coding.get("code"))) for coding in codings}
    scores.discard(None)
    return scores.pop() if len(scores) == 1 else None


def checked(code: str, instrument: str, value: float) -> float:
    """Check that a value is on its instrument's scale.

    Raises
    ------
    Cannot
        The value is outside the scale.
    """
    scale = scales()[instrument]
    if not scale.low <= value <= scale.high:
        allowed = f"{scale.low:g} to {scale.high:g} {scale.unit}".rstrip()
        raise Cannot(f"{value:g} ({instrument}, LOINC {code})", allowed)
    return value


def _value(code: Code, holder: Mapping[str, Any]) -> tuple[float, float | None] | None:
    """Value of an observation or component, with the upper end of a range; None if the value is declared absent."""
    if code.unit == "pregnancy":
        return _pregnancy(holder)
    quantity = part(holder, "valueQuantity")
    if quantity:
        value = checked(code.code, code.instrument, _in_unit(code, quantity))
        scale, sign = scales()[code.instrument], word(quantity.get("comparator"))
        if sign in ("<", "<="):
            return scale.low, value
        return (value, scale.high) if sign in (">", ">=") else (value, None)
    if "valueInteger" in holder:
        return checked(code.code, code.instrument, _in_unit(code, {"value": holder["valueInteger"]})), None
    if "valueCodeableConcept" in holder:
        score = _score(holder)
        if score is None:
            raise Cannot(f"an answer without a score ({code.instrument})", "a number, or a code with its score")
        return checked(code.code, code.instrument, score), None
    if holder.get("dataAbsentReason"):
        return None
    other = next((key for key in holder if key.startswith("value")), None)
    raise Cannot(f"{code.instrument} as {other or 'nothing'}", "valueQuantity or valueInteger")


def _pregnancy(holder: Mapping[str, Any]) -> tuple[float, None] | None:
    """Pregnancy, 0 or 1; None for an answer that is neither yes nor no."""
    if isinstance(holder.get("valueBoolean"), bool):
        return float(holder["valueBoolean"]), None
    codings = parts(part(holder, "valueCodeableConcept").get("coding"))
    values = {value for c in codings if (value := PREGNANCY_ANSWERS.get(word(c.get("code")))) is not None}
    return (values.pop(), None) if len(values) == 1 else None


def _when(resource: Mapping[str, Any]) -> tuple[date, float | None]:
    """The day of an observation, and its duration in hours if stated."""
    period = part(resource, "effectivePeriod")
    for key in ("effectiveDateTime", "effectiveInstant"):
        if resource.get(key):
            day = day_of(resource[key])
            if day is None:
                raise Cannot(f"{key} {shown(resource[key])}", "a whole date, years 1900 to 2200")
            return day, 24.0 if len(word(resource[key])) == 10 else None
    text = period.get("end") or period.get("start")
    day = day_of(text)
    if day is None:
        given = f"a time {shown(text)}" if text else "no time of the value"
        raise Cannot(given, "effectiveDateTime or effectivePeriod")
    if not (period.get("start") and period.get("end")):
        return day, None
    begin, end = word(period["start"]), word(period["end"])
    if len(begin) == 10 or len(end) == 10:
        first, last = day_of(begin), end_of(end)
        return day, 24.0 * (last - first).days if first and last else None
    try:
        lasted = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds() / 3600.0
    except (ValueError, TypeError):
        return day, None
    if end_of(end) == day and lasted > 0:  # the period ends at midnight: the day before
        day = date.fromordinal(day.toordinal() - 1)
    return day, lasted


def is_read(resource: Mapping[str, Any]) -> bool:
    """Whether an Observation or one of its components has a code of loinc.csv; called before validation."""
    holders = [resource.get("code"), *(component.get("code") for component in parts(resource.get("component")))]
    return any(
        word(coding.get("code")) in codes()
        for concept in holders
        for coding in parts(concept.get("coding") if isinstance(concept, dict) else None)
    )


def of_observation(resource: Mapping[str, Any], where: str) -> tuple[list[CheckIn], list[str]]:
    """Check-ins of an Observation and its components, and the reasons for parts not read (counted in the notes).

    Raises
    ------
    Cannot
        A value of a known code without a day or unit, or outside its scale.
    """
    holders = [(resource, _loinc(resource.get("code")))]
    holders += [(component, _loinc(component.get("code"))) for component in parts(resource.get("component"))]
    read_holders = [(holder, code) for holder, code in holders if code is not None and not code.item]
    if not read_holders:
        return [], ["Observation(s) of other codes: not read"]
    status = word(resource.get("status"))
    if status not in READABLE_STATUSES:
        return [], [f"Observation(s) of status {shown(status)}: not read"]
    notes = ["preliminary Observation(s): read"] if status == "preliminary" else []
    day, lasted = _when(resource)
    entered = day_of(resource.get("issued"))
    checkins = []
    for holder, code in read_holders:
        if holder is resource and not any(key.startswith("value") for key in holder) and resource.get("component"):
            continue
        value_range = _value(code, holder)
        if value_range is None:
            notes.append("Observation(s) with a reason for an absent value: not read")
            continue
        if code.code == "55423-8" and (lasted is None or not 20 <= lasted <= 28):
            raise Cannot(
                "steps over a period that is not stated to be a day", "41950-7, or an effectivePeriod of a day"
            )
        late = entered if entered is not None and entered > day else None
        checkins.append(CheckIn(day, code.instrument, value_range[0], value_range[1], late, where))
    return checkins, notes


def _items(resource: Mapping[str, Any]) -> Iterator[tuple[Code, dict[str, Any]]]:
    """Every answered item whose linkId ends in a code of loinc.csv."""
    waiting = [resource]
    while waiting:
        holder = waiting.pop()
        for item in parts(holder.get("item")):
            waiting.append(item)
            code = codes().get(word(item.get("linkId")).rsplit("/", 1)[-1])
            for answer in parts(item.get("answer")):
                waiting.append(answer)
                if code is not None:
                    yield code, answer


def of_questionnaire(resource: Mapping[str, Any], where: str) -> tuple[list[CheckIn], list[str]]:
    """Check-ins of a QuestionnaireResponse: stated totals, or totals of complete items.

    Raises
    ------
    Cannot
        No day, an answer without a score or outside its scale, contradictory answers, or a total unlike its items.
    """
    answered = list(_items(resource))
    if not answered:
        return [], ["QuestionnaireResponse(s) without a known LOINC code: not read"]
    status = word(resource.get("status"))
    if status not in ("completed", "amended"):
        return [], [f"QuestionnaireResponse(s) of status {shown(status)}: not read"]
    day = day_of(resource.get("authored"))
    if day is None:
        raise Cannot(f"authored {shown(resource.get('authored') or 'nothing')}", "a whole date")
    totals: dict[str, float] = {}
    items: dict[str, dict[int, float]] = {}
    for code, answer in answered:
        value = _score(answer)
        if value is None:
            raise Cannot(f"an answer without a score (LOINC {code.code})", "a number, or a code with its score")
        if code.item:
            highest = 10.0 if code.instrument == "peg" else 3.0
            if not 0 <= value <= highest:
                raise Cannot(f"{value:g} (LOINC {code.code})", f"0 to {highest:g}")
            earlier = items.setdefault(code.instrument, {}).setdefault(code.item, value)
        else:
            earlier = totals.setdefault(code.instrument, checked(code.code, code.instrument, value))
        if earlier != value:
            raise Cannot(f"two answers of LOINC {code.code}", "one answer")
    summed, notes = _summed(items, totals.get("phq9_item9"))
    for instrument, value in summed.items():
        if instrument in totals and abs(totals[instrument] - value) > (0.51 if instrument == "peg" else 1e-9):
            given = f"a total of {totals[instrument]:g} ({instrument}) where the items give {value:g}"
            raise Cannot(given, "a total of its items")
        totals.setdefault(instrument, value)
    checkins = [CheckIn(day, instrument, value, where=where) for instrument, value in totals.items()]
    if not checkins:
        raise Cannot("a questionnaire with missing items", "a total, or every item")
    return checkins, notes


def _summed(items: Mapping[str, Mapping[int, float]], ninth: float | None) -> tuple[dict[str, float], list[str]]:
    """Totals of complete items: nine items are PHQ-9, the first eight PHQ-8, the first two PHQ-2."""
    totals: dict[str, float] = {}
    notes = []
    phq, gad, peg = (items.get(name, {}) for name in ("phq9", "gad7", "peg"))
    if len(phq) == 8:
        totals["phq8" if ninth is None else "phq9"] = sum(phq.values()) + (ninth or 0.0)
        if ninth is None:
            notes.append("PHQ answers without item 9: read as PHQ-8")
    elif set(phq) == {1, 2} and ninth is None:
        totals["phq2"] = sum(phq.values())
    if len(gad) == 7:
        totals["gad7"] = sum(gad.values())
    elif set(gad) == {1, 2}:
        totals["gad2"] = sum(gad.values())
    if len(peg) == 3:
        totals["peg"] = round(sum(peg.values()) / 3.0, 6)
    return totals, notes
