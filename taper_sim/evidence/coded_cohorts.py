"""The people of a published study as coded: ``key=value;…`` and a few words on enrolment. Imports ``data``, ``model``.

A key that is not given takes the default population (``study_people``).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from taper_sim.data import formulary
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.model.pharmacology import Drug
from taper_sim.units import DRUG_CLASSES, DrugClass

_DOSE: Final = (0.1, 3000.0)
_DAYS: Final = (1.0, 36_500.0)
_SHARE: Final = (0.0, 1.0)
COHORT_NUMBERS: Final[Mapping[str, tuple[float, float]]] = {
    "mme_mean": _DOSE,
    "mme_median": _DOSE,
    "mme_min": (0.0, 3000.0),
    "mme_max": _DOSE,
    "diazepam_mg": (0.1, 400.0),
    "pregabalin_mg": (1.0, 1200.0),
    "buprenorphine_mg": (0.1, 64.0),
    "age_mean": (18.0, 95.0),
    "female": _SHARE,
    "use_days_min": (0.0, 36_500.0),
    "use_days_median": _DAYS,
    "benzodiazepine_share": _SHARE,
    "gabapentinoid_share": _SHARE,
    "oud_share": _SHARE,
    "depression_share": (0.001, 0.999),
    "pain_nrs_mean": (0.0, 10.0),
}
"""Keys whose value is a number, with its range."""
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "drug_class": DRUG_CLASSES,
    "imposed": ("yes", "no"),
    "veterans": ("yes", "no"),
}
"""Keys whose value is one of several words."""
TEXTS: Final = ("drug", "formulation")
BUPRENORPHINE_FILM: Final = "SL film/tablet"
"""Formulation of buprenorphine for which there is a default dose: that of people with opioid use disorder."""
KEYS: Final = (*WORDS, *TEXTS, *COHORT_NUMBERS)


@dataclass(frozen=True)
class CodedCohort:
    """A cohort as coded: numbers and words by key; equal cohorts compare equal, whatever the order of their keys.

    Attributes
    ----------
    numbers : tuple of (str, float)
    words : tuple of (str, str)
    """

    numbers: tuple[tuple[str, float], ...] = ()
    words: tuple[tuple[str, str], ...] = ()

    def number(self, key: str) -> float | None:
        """Number of a key; None if it is not given."""
        return dict(self.numbers).get(key)

    def word(self, key: str) -> str | None:
        """Word of a key; None if it is not given."""
        return dict(self.words).get(key)

    @property
    def drug_class(self) -> DrugClass:
        """The class that is tapered: as given, else that of the drug, else opioid."""
        given, drug = self.word("drug_class"), self.word("drug")
        if given is None and drug is not None:
            return drugs_named(drug, None)[0].drug_class
        return next((name for name in DRUG_CLASSES if name == given), "opioid")

    @property
    def on_buprenorphine(self) -> bool:
        """Whether the people take buprenorphine, whose doses have a scale of their own."""
        return any(row.is_buprenorphine for row in drugs_named(self.word("drug") or "", None))

    @property
    def text(self) -> str:
        """Keys and values in one order."""
        return ";".join(f"{key}={value}" for key, value in [*self.words, *((k, f"{v:g}") for k, v in self.numbers)])


def read_cohort(text: str, *, file: str, place: str) -> CodedCohort:
    """Read ``key=value;key=value``; raises InputError for unknown keys, values out of range, contradictions."""
    numbers: dict[str, float] = {}
    words: dict[str, str] = {}
    problems: list[Problem] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        key, sign, value = (piece.strip() for piece in part.partition("="))
        wrong = _wrong_part(key, sign, value)
        if key in numbers or key in words:
            wrong = f"{key} twice", "each key once"
        if wrong is not None:
            problems.append(Problem(file, place, shown(wrong[0]), wrong[1]))
        elif key in COHORT_NUMBERS:
            numbers[key] = float(value)
        else:
            words[key] = value
    if problems:
        raise InputError(problems)
    cohort = CodedCohort(tuple(sorted(numbers.items())), tuple(sorted(words.items())))
    problems = [Problem(file, place, shown(given), allowed) for given, allowed in _contradictions(cohort)]
    if problems:
        raise InputError(problems)
    return cohort


def _wrong_part(key: str, sign: str, value: str) -> tuple[str, str] | None:
    """What is wrong with one key and its value, and what is allowed."""
    if not sign:
        return key, "key=value"
    if key in COHORT_NUMBERS:
        low, high = COHORT_NUMBERS[key]
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        return None if low <= number <= high else (f"{key}={value}", f"a number from {low:g} to {high:g}")
    if key in WORDS:
        allowed = WORDS[key]
        return None if value in allowed else (f"{key}={value}{nearest(value, allowed)}", " or ".join(allowed))
    if key in TEXTS:
        return None if value else (f"{key}=", "a name")
    return f"{key}, an unknown key{nearest(key, KEYS)}", f"one of {', '.join(KEYS)}"


def _contradictions(cohort: CodedCohort) -> list[tuple[str, str]]:
    """Keys that cannot hold together, each with what is allowed."""
    drug, form = cohort.word("drug"), cohort.word("formulation")
    if drug is not None:
        known = list(dict.fromkeys(row.drug for row in formulary.formulary().values()))
        if drug.lower() not in known:
            return [(f"drug={drug}{nearest(drug.lower(), known)}", "a drug of `taper-sim drugs`")]
        rows = drugs_named(drug, form)
        if not rows:
            forms = ", ".join(row.formulation for row in drugs_named(drug, None))
            return [(f"drug={drug};formulation={form}", f"formulation {forms}")]
        given = cohort.word("drug_class") or rows[0].drug_class
        if rows[0].drug_class != given:
            return [(f"drug={drug} with drug_class={given}", f"drug_class={rows[0].drug_class}")]
    tapered = cohort.drug_class
    if drug is None and form is not None and not drugs_of_form(tapered, form):
        forms = ", ".join(
            dict.fromkeys(row.formulation for row in formulary.formulary().values() if row.drug_class == tapered)
        )
        return [(f"formulation={form}", f"a formulation of a drug of {tapered}: {forms}")]
    wrong = []
    in_mme = [key for key, _ in cohort.numbers if key.startswith("mme_")]
    if tapered != "opioid":
        wrong += [(f"{key} with {tapered}", "drug_class=opioid") for key in in_mme]
    elif cohort.on_buprenorphine:
        wrong += [
            (f"{key} with buprenorphine", "buprenorphine_mg: its doses have a scale of their own") for key in in_mme
        ]
        film = all(row.formulation == BUPRENORPHINE_FILM for row in drugs_named(drug or "", form))
        if not film and form is not None and cohort.number("buprenorphine_mg") is None:
            wrong.append((f"formulation={form} without buprenorphine_mg", "the median daily dose, mg"))
    if cohort.number("buprenorphine_mg") is not None and not cohort.on_buprenorphine:
        wrong.append(("buprenorphine_mg with another drug", "drug=buprenorphine"))
    middle = [cohort.number(f"mme_{key}") for key in ("median", "mean")]
    low, high = cohort.number("mme_min"), cohort.number("mme_max")
    inside = [number for number in (low, *middle, high) if number is not None]
    if any(low is not None and number < low for number in inside) or any(
        high is not None and number > high for number in inside
    ):
        wrong.append((cohort.text, "mme_min at most mme_median and mme_mean, these at most mme_max"))
    days = cohort.number("use_days_min"), cohort.number("use_days_median")
    if days[0] is not None and days[1] is not None and days[0] > days[1]:
        wrong.append((f"use_days_min={days[0]:g} with use_days_median={days[1]:g}", "a median of at least the minimum"))
    share = cohort.number("benzodiazepine_share")
    if tapered == "benzodiazepine" and share is not None and share < 1.0:
        wrong.append((f"benzodiazepine_share={share:g} with a benzodiazepine cohort", "1, or no such key"))
    if tapered == "gabapentinoid" and share:
        given = f"benzodiazepine_share={share:g} with a gabapentinoid cohort"
        wrong.append((given, "0, or no such key: of two classes the benzodiazepine would be tapered"))
    share = cohort.number("gabapentinoid_share")
    if tapered == "gabapentinoid" and share is not None and share < 1.0:
        wrong.append((f"gabapentinoid_share={share:g} with a gabapentinoid cohort", "1, or no such key"))
    return wrong


def drugs_named(drug: str, form: str | None) -> list[Drug]:
    """Rows of the formulary of a drug, in one formulation or in all."""
    rows = [row for row in formulary.formulary().values() if row.drug == drug.lower()]
    return rows if form is None else [row for row in rows if _is_form(row, form)]


def drugs_of_form(drug_class: DrugClass, form: str) -> list[Drug]:
    """Rows of the formulary of a class in a formulation."""
    return [row for row in formulary.formulary().values() if row.drug_class == drug_class and _is_form(row, form)]


def _is_form(row: Drug, form: str) -> bool:
    """Whether a row has a formulation, by its whole name or its first word: ``IR`` is also ``IR capsule``."""
    wanted = {"patch": "td"}.get(form.lower(), form.lower())
    return wanted in (row.formulation.lower(), row.formulation.lower().split()[0])


# -- enrolment ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Enrolment:
    """What the words on enrolment say of who gets in and who is lost; other words change nothing.

    Attributes
    ----------
    age : (float, float)
        Youngest and oldest, years.
    pain_least : float
        Least pain on day 0, NRS points.
    leaves_at_will : bool
        Whether a person who leaves is no longer measured.
    completers : bool
        Whether only people who are in care on the day are analysed.
    inpatient, open_label : bool
    """

    age: tuple[float, float] = (0.0, math.inf)
    pain_least: float = 0.0
    leaves_at_will: bool = False
    completers: bool = False
    inpatient: bool = False
    open_label: bool = False

    @property
    def selects(self) -> bool:
        """Whether some sampled people do not get in."""
        return self.age != (0.0, math.inf) or self.pain_least > 0.0


MODERATE_PAIN: Final = 4.0
"""Least pain of "moderate" pain, NRS points. Source: the usual cut points, 4 and 7 (assumption A67)."""
_AGED: Final = re.compile(r"\bage[ds]?\s+(\d{2,3})\s*(?:-|–|to)\s*(\d{2,3})\b")
_AGED_OVER: Final = re.compile(r"\bage[ds]?\s+(\d{2,3})\s*(?:\+|or (?:more|older|over)|and (?:over|older))")
_AGED_UNDER: Final = re.compile(r"\bage[ds]?\s+(?:under|below)\s+(\d{2,3})\b")
_LEAST_PAIN: Final = re.compile(r"\bpain\s*(?:>=|at least)\s*(\d{1,2})\b")
_PAIN_OR_MORE: Final = re.compile(
    r"\bpain\s+(?:of\s+)?(\d{1,2})\s*(?:or more|or worse|\+)(?!\s*(?:day|week|month|year))"
)


def read_enrolment(text: str, *, file: str, place: str) -> Enrolment:
    """Read the words on enrolment; raises InputError for ages in the wrong order."""
    words = text.lower()
    low, high = 0.0, math.inf
    if (aged := _AGED.search(words)) is not None:
        low, high = float(aged[1]), float(aged[2])
    elif (over := _AGED_OVER.search(words)) is not None:
        low = float(over[1])
    elif (under := _AGED_UNDER.search(words)) is not None:
        high = float(under[1])
    if low > high:
        raise problem(file, place, f"aged {low:g} to {high:g}", "the younger age first")
    pain = _LEAST_PAIN.search(words) or _PAIN_OR_MORE.search(words)
    least = min(float(pain[1]), 10.0) if pain is not None else 0.0
    if "moderate to severe pain" in words or "moderate or severe pain" in words:
        least = MODERATE_PAIN
    return Enrolment(
        (low, high),
        least,
        "leaves at will" in words,
        "completers" in words,
        "inpatient" in words,
        "open label" in words or "open-label" in words,
    )
