"""What a Patient resource answers: age, sex, whether the person lives. Imports ``data``."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from taper_sim.data.checkins import FIRST_YEAR, LAST_YEAR
from taper_sim.data.fhir.json_input import day_of, word

_OLDEST = 120


def answers_of(patient: Mapping[str, Any], on: date | None) -> dict[str, float]:
    """Variables of variables.csv that a Patient answers.

    Parameters
    ----------
    patient : mapping
        A checked Patient.
    on : date or None
        Day on which the age is asked; without one there is no age.

    Returns
    -------
    dict of str to float
        ``age`` (whole years; of a birth date without day or month the youngest it can be), ``sex_female``,
        ``sex_male`` (from ``gender``, where it is female or male).
    """
    found: dict[str, float] = {}
    gender = word(patient.get("gender"))
    if gender in ("female", "male"):
        found |= {"sex_female": float(gender == "female"), "sex_male": float(gender == "male")}
    born = word(patient.get("birthDate"))
    if on is not None and born[:4].isdecimal() and FIRST_YEAR <= int(born[:4]) <= LAST_YEAR:
        month_day = (on.month, on.day)
        day = day_of(born)
        known = (day.month, day.day) if day is not None else (int(born[5:7]), 31) if len(born) == 7 else (12, 31)
        age = on.year - int(born[:4]) - (month_day < known)
        if 0 <= age <= _OLDEST:
            found["age"] = float(age)
    return found


def has_died(patient: Mapping[str, Any]) -> bool:
    """Whether a Patient is recorded as dead."""
    return patient.get("deceasedBoolean") is True or bool(patient.get("deceasedDateTime"))
