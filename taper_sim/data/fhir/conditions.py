"""What Conditions answer: pregnancy and the risks that rules ask for, by conditions.csv. Imports ``data``, ``tables``.

A code that stands in a list of problems says yes; one that does not says nothing, for lists are not complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from taper_sim import tables
from taper_sim.data.fhir.json_input import day_of, part, parts, word

LONGEST_PREGNANCY_D: Final = 300
"""Days after which a pregnancy that nobody has ended is over. Source: 40 weeks and three, rounded."""
_GOES_ON: Final = ("active", "recurrence", "relapse")
_NOT_SURE: Final = ("refuted", "entered-in-error", "unconfirmed", "provisional", "differential")
_ICD_10: Final = "http://hl7.org/fhir/sid/icd-10"


@dataclass(frozen=True)
class Answer:
    """A variable that a Condition answers, its value, and the day from which it is known (None: not said)."""

    variable: str
    value: float
    since: date | None


@cache
def _rows() -> Mapping[tuple[str, str], tables.Row]:
    return MappingProxyType({(row["system"], row["code"]): row for row in tables.read("conditions").rows})


def _row(system: str, code: str) -> tables.Row | None:
    """The row of a code; of ICD-10 that of the longest beginning that is listed."""
    if system.startswith(_ICD_10):
        return next((row for n in range(len(code), 2, -1) if (row := _rows().get((_ICD_10, code[:n])))), None)
    return _rows().get((system, code))


def is_read(resource: Mapping[str, Any]) -> bool:
    """Whether a Condition has a code that is read; looked at before it is checked."""
    return any(
        _row(word(coding.get("system")), word(coding.get("code")))
        for coding in parts(part(resource, "code").get("coding"))
    )


def answers_of(resource: Mapping[str, Any]) -> list[Answer]:
    """Variables that a checked Condition answers; none if it is over (of what counts while it lasts) or not sure."""
    verified = {word(c.get("code")) for c in parts(part(resource, "verificationStatus").get("coding"))}
    if verified & set(_NOT_SURE):
        return []
    clinical = {word(c.get("code")) for c in parts(part(resource, "clinicalStatus").get("coding"))}
    ended = any(key.startswith("abatement") for key in resource)
    goes_on = bool(clinical & set(_GOES_ON)) if clinical else not ended
    days = (resource.get("onsetDateTime"), part(resource, "onsetPeriod").get("start"), resource.get("recordedDate"))
    since = next((day for day in map(day_of, days) if day is not None), None)
    found = {}
    for coding in parts(part(resource, "code").get("coding")):
        row = _row(word(coding.get("system")), word(coding.get("code")))
        if row is not None and row["variable"] and (goes_on or row["counts"] == "ever"):
            found[row["variable"]] = Answer(row["variable"], float(row["value"]), since)
    return list(found.values())


def known_on(answers: list[Answer], day: date | None) -> dict[str, float]:
    """Values by variable as they count on a day: a pregnancy for as long as one lasts."""
    found: dict[str, float] = {}
    for answer in answers:
        long_ago = day is not None and answer.since is not None and (day - answer.since).days > LONGEST_PREGNANCY_D
        if not (answer.variable == "pregnant" and long_ago):
            found[answer.variable] = max(answer.value, found.get(answer.variable, answer.value))
    return found
