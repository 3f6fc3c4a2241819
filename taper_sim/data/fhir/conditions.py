"""Variables from Conditions: pregnancy and risks that rules use, by conditions.csv. Imports ``data``, ``tables``.

A listed problem answers yes. A problem that is not listed answers nothing, because problem lists are incomplete.
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
"""Days after which a pregnancy without a recorded end is over. Source: 43 weeks (40 and three), rounded."""
_ONGOING: Final = ("active", "recurrence", "relapse")
_UNCONFIRMED: Final = ("refuted", "entered-in-error", "unconfirmed", "provisional", "differential")
_ICD_10: Final = "http://hl7.org/fhir/sid/icd-10"


@dataclass(frozen=True)
class ConditionAnswer:
    """A variable that a Condition answers, its value, and the day of onset or recording (None if unknown)."""

    variable: str
    value: float
    since: date | None


@cache
def _rows() -> Mapping[tuple[str, str], tables.Row]:
    return MappingProxyType({(row["system"], row["code"]): row for row in tables.read("conditions").rows})


def _row(system: str, code: str) -> tables.Row | None:
    """Row of a code; for ICD-10, of the longest listed prefix of the code."""
    if system.startswith(_ICD_10):
        return next((row for n in range(len(code), 0, -1) if (row := _rows().get((_ICD_10, code[:n])))), None)
    return _rows().get((system, code))


def is_read(resource: Mapping[str, Any]) -> bool:
    """Whether a Condition has a code of conditions.csv; called before validation."""
    return any(
        _row(word(coding.get("system")), word(coding.get("code")))
        for coding in parts(part(resource, "code").get("coding"))
    )


def answers_of_condition(resource: Mapping[str, Any]) -> list[ConditionAnswer]:
    """Variables that a validated Condition answers: none if unconfirmed, nor if ended, unless the code counts ever."""
    verified = {word(c.get("code")) for c in parts(part(resource, "verificationStatus").get("coding"))}
    if verified & set(_UNCONFIRMED):
        return []
    clinical = {word(c.get("code")) for c in parts(part(resource, "clinicalStatus").get("coding"))}
    ended = any(key.startswith("abatement") for key in resource)
    ongoing = bool(clinical & set(_ONGOING)) if clinical else not ended
    days = (resource.get("onsetDateTime"), part(resource, "onsetPeriod").get("start"), resource.get("recordedDate"))
    since = next((day for day in map(day_of, days) if day is not None), None)
    answers = {}
    for coding in parts(part(resource, "code").get("coding")):
        row = _row(word(coding.get("system")), word(coding.get("code")))
        if row is not None and row["variable"] and (ongoing or row["counts"] == "ever"):
            answers[row["variable"]] = ConditionAnswer(row["variable"], float(row["value"]), since)
    return list(answers.values())


def valid_on(answers: list[ConditionAnswer], day: date | None) -> dict[str, float]:
    """Values by variable as valid on a day; a pregnancy is valid for ``LONGEST_PREGNANCY_D`` days."""
    values: dict[str, float] = {}
    for answer in answers:
        long_ago = day is not None and answer.since is not None and (day - answer.since).days > LONGEST_PREGNANCY_D
        if not (answer.variable == "pregnant" and long_ago):
            values[answer.variable] = max(answer.value, values.get(answer.variable, answer.value))
    return values
