"""Schema of a patient's file (YAML): drugs, baseline, answers, parameters, schedule. Imports ``data``, ``model``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.data.brand_names import named_drug
from taper_sim.data.problems import nearest
from taper_sim.data.yaml_input import Strict, Wrong, divided, parse, read_yaml
from taper_sim.model.parameters import BASELINE_LIMITS, BY_SYMBOL, FORMULATION_SYMBOLS, Baseline
from taper_sim.model.pharmacology import Drug, check_one_scale
from taper_sim.units import DRUG_CLASSES, DrugClass

MAX_EQUIVALENTS = 5000.0
"""Largest dose in a schedule, equivalents a day: above every dose in the formulary's ranges."""

LARGEST_PARAMETER = 1e6
"""Largest value of any parameter; a larger value is a typing error."""


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _refuse_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("float_type", "a number")
    return value


Name = Annotated[str, BeforeValidator(_as_text)]
NumberNotBoolean = Annotated[float, BeforeValidator(_refuse_boolean)]


class DrugEntry(Strict):
    """A drug that the patient takes: patches in mcg/h, all other drugs in mg a day."""

    drug: str
    formulation: str | None = None
    dose_mg_per_day: NumberNotBoolean | None = None
    dose_mcg_per_h: NumberNotBoolean | None = None
    interval_h: NumberNotBoolean | None = Field(default=None, ge=1, le=formulary.LONGEST_INTERVAL_H)

    @model_validator(mode="after")
    def _exists(self) -> "DrugEntry":
        try:
            named = named_drug(self.drug, self.formulation)
            named.check(formulary.validate_dose(named.drug, self.dose_mg_per_day, self.dose_mcg_per_h, self.interval_h))
        except ValueError as error:
            given, allowed = divided(str(error), "a drug, formulation and dose of `taper-sim drugs`")
            raise ValueError(f"{given}; allowed: {allowed}") from None
        return self

    @property
    def row(self) -> Drug:
        """The drug's row of the formulary."""
        return named_drug(self.drug, self.formulation).drug

    @property
    def dose(self) -> float:
        """Dose in the drug's own unit: mg a day, or mcg/h for a patch."""
        amount = self.dose_mcg_per_h if self.row.is_patch else self.dose_mg_per_day
        return float(amount) if amount is not None else 0.0


class BaselineEntry(Strict):
    """State before any change; an omitted entry takes the median patient's value."""

    pain: NumberNotBoolean = Baseline.pain
    distress: NumberNotBoolean = Baseline.distress
    insomnia: NumberNotBoolean = Baseline.insomnia
    function: NumberNotBoolean = Baseline.function
    engagement: NumberNotBoolean = Baseline.engagement
    craving: NumberNotBoolean = Baseline.craving
    sows_gossop: NumberNotBoolean = Baseline.sows_gossop

    @model_validator(mode="after")
    def _on_its_scale(self) -> "BaselineEntry":
        off = [
            (name, getattr(self, name), f"{low:g} to {high:g}, the ends of its scale")
            for name, (low, high) in BASELINE_LIMITS.items()
            if not low <= getattr(self, name) <= high
        ]
        if off:
            raise Wrong(*off)
        return self


class Risk(Strict):
    """Risk flags of the baseline assessment."""

    mood_disorder: bool = False
    ptsd: bool = False
    oud: bool = False
    earlier_overdose: bool = False
    earlier_seizure: bool = False
    failed_tapers: int = Field(default=0, ge=0, le=50)
    sleep_apnoea: bool = False
    renal_impairment: bool = False
    catastrophising: bool = False  # Pain Catastrophizing Scale 30 and more (scales.csv)


class Access(Strict):
    """Access to visits and check-ins."""

    modality: Literal["video", "phone", "in_person"] = "video"
    broadband: bool = True
    device: bool = True
    transport: bool = True
    language_match: bool = True
    literacy: bool = True
    caregiver: bool = False
    peer_support: bool = False


class CareReceived(Strict):
    """Care delivered ÷ planned, from day 1, by discipline (0 none, 1 as planned)."""

    prescriber: float = Field(default=0.0, ge=0, le=5)
    pharmacist: float = Field(default=0.0, ge=0, le=5)
    pt: float = Field(default=0.0, ge=0, le=5)
    psychologist: float = Field(default=0.0, ge=0, le=5)
    nurse: float = Field(default=0.0, ge=0, le=5)
    peer: float = Field(default=0.0, ge=0, le=5)


UseDays = Annotated[float, Field(ge=1, le=36500)]
Equivalents = Annotated[float, Field(ge=0, le=MAX_EQUIVALENTS)]
Day = Annotated[int, Field(ge=0, le=36500)]


class Patient(Strict):
    """A patient's file. See ``examples/patient.yaml`` and docs/how-to/patient-file.md."""

    id: Name = Field(min_length=1, max_length=200)
    drugs: tuple[DrugEntry, ...] = ()
    original_drugs: tuple[DrugEntry, ...] = ()
    age: NumberNotBoolean = Field(default=55.0, ge=0, le=120)
    female: bool | None = None
    use_days: dict[DrugClass, UseDays] = Field(default_factory=dict)
    imposed: bool = False
    baseline: BaselineEntry = BaselineEntry()
    risk: Risk = Risk()
    answers: dict[str, bool | float] = Field(default_factory=dict)
    access: Access = Access()
    parameters: dict[str, NumberNotBoolean | dict[DrugClass, NumberNotBoolean]] = Field(default_factory=dict)
    schedule: dict[DrugClass, dict[Day, Equivalents]] | None = None
    care: CareReceived = CareReceived()

    @field_validator("answers")
    @classmethod
    def _are_variables(cls, answers: dict[str, Any]) -> dict[str, Any]:
        known = {row["name"]: row for row in tables.read("variables").rows}
        wrong: list[tuple[str, Any, str]] = []
        for name, value in answers.items():
            row = known.get(name)
            if row is None:
                wrong.append((name, f"an unknown answer{nearest(name, known)}", "a variable of variables.csv"))
            elif row["type"] == "boolean" and value not in (0, 1):
                wrong.append((name, value, "true or false"))
            elif row["type"] != "boolean" and isinstance(value, bool):
                wrong.append((name, value, "a number"))
            elif not float(row["min"] or "-inf") <= value <= float(row["max"] or "inf"):
                wrong.append((name, value, f"{row['min']} to {row['max']} {row['unit']}".strip()))
        if wrong:
            raise Wrong(*wrong)
        return answers

    @field_validator("parameters")
    @classmethod
    def _are_symbols(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        known = [*BY_SYMBOL, *FORMULATION_SYMBOLS]
        wrong: list[tuple[str, Any, str]] = []
        for symbol, value in parameters.items():
            if symbol not in known:
                wrong.append((symbol, f"an unknown symbol{nearest(symbol, known)}", "a symbol of docs/parameters.md"))
                continue
            per_class = symbol in FORMULATION_SYMBOLS or BY_SYMBOL[symbol].per_class
            if per_class != isinstance(value, dict):
                allowed = f"a value for each drug class, such as {{opioid: {value:g}}}" if per_class else "one number"
                wrong.append((symbol, value, allowed))
                continue
            for place, number in value.items() if isinstance(value, dict) else (("", value),):
                in_range = range_of(symbol, float(number))
                if in_range is not None:
                    wrong.append((f"{symbol}.{place}".rstrip("."), number, in_range))
        if wrong:
            raise Wrong(*wrong)
        return parameters

    @field_validator("schedule")
    @classmethod
    def _starts_on_day_0(cls, schedule: Any) -> Any:
        wrong: list[tuple[str, Any, str]] = []
        if schedule is not None and not schedule:
            wrong.append(("", "nothing", "at least one drug class, such as opioid: {0: 90, 29: 75}"))
        for drug_class, doses in (schedule or {}).items():
            if 0 not in doses:
                wrong.append((drug_class, doses or "no day", "a dose on day 0, the start, and on each day of a change"))
            elif doses[0] == 0 and any(doses.values()):
                wrong.append(
                    (
                        drug_class,
                        doses,
                        "a dose above 0 on day 0, or 0 throughout: a schedule cannot start a class after day 0",
                    )
                )
        if wrong:
            raise Wrong(*wrong)
        return schedule

    @model_validator(mode="after")
    def _takes_something(self) -> "Patient":
        if not self.drugs and not self.schedule:
            raise Wrong(("drugs", "nothing", "at least one drug"))
        wrong: list[tuple[str, Any, str]] = []
        for drug_class, doses in (self.schedule or {}).items():
            if doses[0] > 0 and drug_class not in {entry.row.drug_class for entry in self.drugs}:
                wrong.append(
                    (
                        f"schedule.{drug_class}",
                        f"doses, but no {drug_class} under drugs",
                        f"classes that are taken: list the {drug_class}, or leave its schedule out",
                    )
                )
        for key, entries in (("drugs", self.drugs), ("original_drugs", self.original_drugs)):
            wrong += _once_on_one_scale(key, entries)
        for number, entry in enumerate(self.original_drugs):
            if entry.dose <= 0:
                given = f"a dose of 0 of {' '.join(entry.row.key)}"
                wrong.append((f"original_drugs.{number}", given, "a dose above 0: the dose before this taper"))
        if wrong:
            raise Wrong(*wrong)
        return self


def _once_on_one_scale(key: str, entries: tuple[DrugEntry, ...]) -> list[tuple[str, Any, str]]:
    """Problems of a list of drugs: a drug twice, or opioid doses without a common scale."""
    wrong: list[tuple[str, Any, str]] = []
    listed: set[tuple[str, str]] = set()
    for number, entry in enumerate(entries):
        if entry.row.key in listed:
            wrong.append((f"{key}.{number}", f"{' '.join(entry.row.key)} a second time", "each drug once"))
        listed.add(entry.row.key)
    try:
        check_one_scale([entry.row for entry in entries if entry.dose > 0])
    except ValueError as error:
        wrong.append((key, *divided(str(error), "one scale of opioid dose")))
    return wrong


def range_of(symbol: str, value: float) -> str | None:
    """The allowed range, if a parameter value makes the equations meaningless; else None."""
    if abs(value) > LARGEST_PARAMETER:
        return f"at most {LARGEST_PARAMETER:,.0f}"
    if symbol == "b":
        return None
    if symbol == "trough_mean":
        return None if 0 < value < 1 else "a share above 0 and below 1"
    if symbol in ("omega", "adjunct", "adjunct_effect", "cross_tolerance"):
        return None if 0 <= value <= 1 else "a share from 0 to 1"
    if symbol.startswith("tau_") or symbol in ("EC50", "effect_half_life_h"):
        return None if value > 0 else "above 0"
    return None if value >= 0 else "at least 0"


def read_patient(path: Path) -> Patient:
    """Read a patient's file; raises :class:`InputError` with every problem."""
    return parse(str(path), read_yaml(path), Patient)


def doses_by_day(schedule: dict[DrugClass, dict[int, float]], n_days: int) -> np.ndarray:
    """Doses of a schedule, equivalents a day, (n_days + 1, 3); each dose holds until the next day in the schedule."""
    doses = np.zeros((n_days + 1, len(DRUG_CLASSES)))
    for drug_class, steps in schedule.items():
        for start in sorted(steps):
            doses[start:, DRUG_CLASSES.index(drug_class)] = steps[start]
    return doses
