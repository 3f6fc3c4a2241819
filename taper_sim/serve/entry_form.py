"""The empty form as the files of a patient, and today's answers as check-ins. Imports ``data``, ``safety``.

The form writes the same files that a clinic would upload; the readers of ``data`` check them. A field that is left
empty stays unknown. Months count 28 days, and a dose without months of its own counts as unchanged for the months of
use (assumption A119).
"""

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, Final

import yaml

from taper_sim.data import formulary
from taper_sim.data.checkins import CHECKIN_COLUMNS, scales, the_date, value_problem
from taper_sim.data.doses import DOSE_COLUMNS
from taper_sim.data.patient_files import ABOUT_FILE, BASELINE_FILE, CHECKIN_FILE, DOSE_FILE, LIMITS_FILE
from taper_sim.data.problems import InputError, shown
from taper_sim.data.records import DoseRow, History
from taper_sim.model.pharmacology import Drug
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import judge
from taper_sim.safety.validity import variable_rows
from taper_sim.safety.variables import Values
from taper_sim.serve.patient_store import check_id
from taper_sim.units import MONTH_D

DRUG_LINES: Final = (1, 2, 3)
FIVE_NUMBERS: Final[Mapping[str, str]] = {
    "pain_nrs": "Pain, 0 none to 10 worst",
    "function": "Function, 0 none to 100 full",
    "sleep_item": "Sleep, 0 well to 10 very badly",
    "mood_item": "Mood, 0 well to 10 very low",
    "sows_gossop": "Withdrawal, 0 none to 30 worst (short opiate withdrawal scale)",
}
"""Today's five numbers, with what their ends mean."""
MEASURED: Final = ("cows", "opioid_taken_mme")
"""Variables that are measured or counted and never answered by "none of these"."""
BY_ITSELF: Final = ("patient_agreed_to_taper", "pregnant")
"""Questions that "none of these" never answers."""
NONE_OF_THESE: Final = "none_of_these"
RISKS: Final[Mapping[str, str]] = {
    "earlier_overdose": "Earlier overdose",
    "earlier_seizure": "Earlier seizure",
    "sleep_apnoea": "Sleep apnoea",
    "mood_disorder": "Mood disorder",
    "oud": "Opioid use disorder",
}
_TIMES: Final = (1, 2, 3, 4, 6, 8, 12, 24)
_LONGEST_MONTHS: Final = 780
"""Months in the form: 60 years. A design choice: a larger number is a typing error."""


class FormError(InputError):
    """Problems of a form by the name of the field; the page shows each beside its field."""

    def __init__(self, by_field: Mapping[str, str]) -> None:
        super().__init__([])
        self.by_field = dict(by_field)


_ASKED_OF: Final = re.compile(r"^\(([^)]*)\) ")
"""Whom a question of the table is put to, in brackets before it."""


@dataclass(frozen=True)
class Question:
    """A question of the form: variable, words, whether it is answered by yes or no, ends of its scale."""

    variable: str
    words: str
    is_boolean: bool
    low: float
    high: float

    @property
    def stands_alone(self) -> bool:
        """Whether each person answers it for themselves: consent and pregnancy."""
        return self.variable in BY_ITSELF

    @property
    def is_alarm(self) -> bool:
        """Whether "no" or 0 is the answer without alarm, which "none of these" gives."""
        return self.variable not in (*MEASURED, *BY_ITSELF)


@cache
def must_ask() -> tuple[Question, ...]:
    """Questions whose answers a reduction needs, as the red flags ask them of a patient without any answer."""
    day = date(2026, 1, 1)
    unanswered = History("", (), (DoseRow(day, formulary.find_drug("morphine", "ER"), 60.0),))
    judged = judge(Values(unanswered, day, {"reduction_planned": 1.0}, limits=Limits()))
    names = [q["variable"] for q in judged.questions() if q["needed_before_reduction"] == "yes"]
    return tuple(question_of(name) for name in names)


def question_of(name: str) -> Question:
    """A variable as a question of the form."""
    scale = scales()[name]
    words = _ASKED_OF.sub(r"\1: ", variable_rows()[name]["question"]).replace("(false where", "(no where")
    return Question(name, words[:1].upper() + words[1:], scale.boolean, scale.low, scale.high)


@cache
def drugs_by_class() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Drugs of the list by class: value of the field, and words with the unit."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for drug in (*formulary.formulary().values(), *formulary.forms().values()):
        words = f"{drug.drug} {drug.formulation} ({drug.unit})"
        rows.setdefault(drug.drug_class, []).append(("|".join(drug.key), words))
    return {drug_class: tuple(sorted(entries, key=lambda e: e[1])) for drug_class, entries in rows.items()}


@dataclass
class _Fields:
    """The fields of a form, with the problems of those that were read."""

    values: Mapping[str, str]
    problems: dict[str, str]

    def text(self, name: str) -> str:
        return self.values.get(name, "").strip()

    def number(self, name: str, low: float, high: float, unit: str) -> float | None:
        """A number, None for an empty field; any other text is a problem."""
        text = self.text(name)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            self.problems[name] = f"given {shown(text)}; allowed: {low:g} to {high:g} {unit}".strip()
            return None
        return value

    def needed(self, name: str, value: object, allowed: str) -> None:
        """A problem for an empty field that must be filled."""
        if value in (None, "") and name not in self.problems:
            self.problems[name] = f"given nothing; allowed: {allowed}"

    def day(self, name: str, default: date) -> date:
        text = self.text(name)
        day = the_date(text) if text else default
        if day is None or day > default:
            self.problems[name] = f"given {shown(text)}; allowed: a date up to today, written as 2026-01-31"
        return day or default


def today_rows(values: Mapping[str, str], problems: dict[str, str]) -> list[tuple[str, float]]:
    """Instruments and values of the five numbers and of the answers; problems are added by field."""
    rows: list[tuple[str, float]] = []
    none_of_these = values.get(NONE_OF_THESE) == "yes"
    known = {question.variable: question for question in must_ask()}
    extra = [n.removeprefix("q_") for n in values if n.startswith("q_") and n.removeprefix("q_") in scales()]
    for name in dict.fromkeys((*FIVE_NUMBERS, *known, *extra)):
        field = name if name in FIVE_NUMBERS else f"q_{name}"
        text = values.get(field, "").strip()
        if text:
            value, allowed = value_problem(scales()[name], text)
            if allowed or math.isnan(value):
                problems[field] = f"given {shown(text)}; allowed: {allowed}"
            else:
                rows.append((name, value))
        elif none_of_these and name in known and known[name].is_alarm:
            rows.append((name, 0.0))
    return rows


def entered(values: Mapping[str, str], today: date) -> tuple[str, dict[str, str]]:
    """Id and files of a patient from the fields of the form.

    Raises
    ------
    FormError
        With a problem for each field that is wrong.
    """
    fields = _Fields(values, {})
    try:
        patient_id = check_id(fields.text("patient"))
    except InputError as error:
        patient_id = ""
        fields.problems["patient"] = f"given {error.problems[0].given}; allowed: {error.problems[0].allowed}"
    day = fields.day("as_of", today)
    months = fields.number("months_of_use", 0.5, _LONGEST_MONTHS, "months")
    fields.needed("months_of_use", months, "months that this kind of medicine has been taken")
    drugs = [line for n in DRUG_LINES if (line := _drug_line(n, fields, day, months or 1.0)) is not None]
    if not drugs and not any(fields.text(f"{name}_{n}") for n in DRUG_LINES for name in ("drug", "dose")):
        fields.problems["drug_1"] = "given nothing; allowed: a drug of the list"
    age = fields.number("age", 0, 120, "years")
    failed = fields.number("failed_tapers", 0, 50, "tapers")
    rows = today_rows(values, fields.problems)
    if fields.problems:
        raise FormError(fields.problems)
    classes = {drug.drug_class for drug, _ in drugs}
    baseline: dict[str, Any] = {
        "id": patient_id,
        "drugs": [_yaml_drug(drug, line) for drug, line in drugs],
        "use_days": {drug_class: round(MONTH_D * (months or 1.0)) for drug_class in sorted(classes)},
    }
    if age is not None:
        baseline["age"] = age
    risks: dict[str, bool | int] = {
        name: fields.text(name) == "yes" for name in RISKS if fields.text(name) in ("yes", "no")
    }
    if failed is not None:
        risks["failed_tapers"] = int(failed)
    if risks:
        baseline["risk"] = risks
    limits: dict[str, Any] = {}
    if fields.text("wishes_to_taper") in ("yes", "no"):
        limits["wishes_to_taper"] = fields.text("wishes_to_taper") == "yes"
    about = {"id": patient_id, "clinician": fields.text("clinician")[:200], "as_of": day.isoformat()}
    files = {
        DOSE_FILE: _csv(DOSE_COLUMNS, [{"patient_id": patient_id, **line} for _, line in drugs]),
        CHECKIN_FILE: checkin_text(patient_id, day, rows),
        BASELINE_FILE: yaml.safe_dump(baseline, sort_keys=False, allow_unicode=True),
        ABOUT_FILE: json.dumps(about),
    }
    return patient_id, files | ({LIMITS_FILE: yaml.safe_dump(limits)} if limits else {})


def checkin_text(patient_id: str, day: date, rows: list[tuple[str, float]]) -> str:
    """A file of check-ins of one day."""
    cells = [
        {"patient_id": patient_id, "date": day.isoformat(), "instrument": name, "value": f"{value:g}"}
        for name, value in rows
    ]
    return _csv(CHECKIN_COLUMNS, cells)


def _csv(columns: tuple[str, ...], rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _drug_line(n: int, fields: _Fields, day: date, months_of_use: float) -> tuple[Drug, dict[str, str]] | None:
    """A drug of the form as a row of the doses; None for an empty or a wrong line."""
    chosen = fields.text(f"drug_{n}")
    dose = fields.number(f"dose_{n}", 0, 1e6, "")
    times = fields.number(f"times_{n}", 1, 24, "times a day")
    months = fields.number(f"months_{n}", 0, _LONGEST_MONTHS, "months")
    if not chosen:
        if fields.text(f"dose_{n}"):
            fields.problems[f"drug_{n}"] = "given a dose without a drug; allowed: a drug of the list"
        return None
    name, _, form = chosen.partition("|")
    try:
        drug = formulary.find_drug(name, form or None)
    except formulary.UnknownDrugError:
        fields.problems[f"drug_{n}"] = f"given {shown(chosen)}; allowed: a drug of the list"
        return None
    fields.needed(f"dose_{n}", dose, "mcg/h of the patch" if drug.is_patch else "mg at each time")
    if dose is None:
        return None
    if not drug.is_patch and (times is None or times not in _TIMES):
        fields.problems[f"times_{n}"] = f"given {fields.text(f'times_{n}') or 'nothing'}; allowed: {_listed(_TIMES)}"
        return None
    interval = None if drug.is_patch or times is None else 24.0 / times
    amount = dose if drug.is_patch else dose * (times or 1.0)
    try:
        formulary.validate_dose(drug, None if drug.is_patch else amount, amount if drug.is_patch else None, interval)
    except ValueError as error:
        fields.problems[f"dose_{n}"] = str(error)
        return None
    since = day - timedelta(days=round(MONTH_D * min(months_of_use if months is None else months, 24.0)))
    line = {"date": since.isoformat(), "drug": drug.drug, "formulation": drug.formulation}
    line["dose_mcg_per_h" if drug.is_patch else "dose_mg_per_day"] = f"{amount:g}"
    return drug, line | ({} if interval is None else {"interval_h": f"{interval:g}"})


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" or {numbers[-1]}"


def _yaml_drug(drug: Drug, line: Mapping[str, str]) -> dict[str, Any]:
    numbers = ("dose_mg_per_day", "dose_mcg_per_h", "interval_h")
    entry: dict[str, Any] = {"drug": drug.drug, "formulation": drug.formulation}
    return entry | {name: float(line[name]) for name in numbers if name in line}


def joined_checkins(earlier: str, added: str) -> str:
    """Check-ins with those of another day added; the columns of the earlier file stay, empty where not stated."""
    rows = list(csv.DictReader(io.StringIO(earlier)))
    columns = tuple(dict.fromkeys((*(rows[0] if rows else ()), *CHECKIN_COLUMNS)))
    return _csv(columns, [*rows, *csv.DictReader(io.StringIO(added))])
