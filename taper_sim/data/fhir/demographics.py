"""Age, sex and death from a Patient resource. Imports ``data``."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from taper_sim.data.checkins import FIRST_YEAR, LAST_YEAR
from taper_sim.data.fhir.json_input import day_of, word

_OLDEST = 120  # years, as in patients' files


def answers_of_patient(patient: Mapping[str, Any], on: date | None) -> dict[str, float]:
    """Variables of variables.csv that a Patient resource supplies.

    Parameters
    ----------
    patient : mapping
        A validated Patient.
    on : date or None
        Day for the age; None gives no age.

    Returns
    -------
    dict of str to float
        ``age`` in whole years (the lowest possible age if the birth date lacks day or month); ``sex_female`` and
        ``sex_male`` from ``gender``, if it is female or male.
    """
    answers: dict[str, float] = {}
    gender = word(patient.get("gender"))
    if gender in ("female", "male"):
        answers |= {"sex_female": float(gender == "female"), "sex_male": float(gender == "male")}
    born = word(patient.get("birthDate"))
    if on is not None and born[:4].isdecimal() and FIRST_YEAR <= int(born[:4]) <= LAST_YEAR:
        month_day = (on.month, on.day)
        day = day_of(born)
        birthday = (day.month, day.day) if day is not None else (int(born[5:7]), 31) if len(born) == 7 else (12, 31)
        age = on.year - int(born[:4]) - (month_day < birthday)
        if 0 <= age <= _OLDEST:
            answers["age"] = float(age)
    return answers


def has_died(patient: Mapping[str, Any]) -> bool:
    """Whether a Patient is recorded as dead."""
    return patient.get("deceasedBoolean") is True or bool(patient.get("deceasedDateTime"))
