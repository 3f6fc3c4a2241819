"""One patient's file (YAML): drugs, baseline, risks, answers, parameters, schedule. Imports data, model, units."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.data.problems import nearest
from taper_sim.data.yaml_input import Strict, parse, read_yaml
from taper_sim.model.parameters import BASELINE_LIMITS, BY_SYMBOL, FORMULATION_SYMBOLS, Baseline
from taper_sim.model.pharmacology import Drug, check_one_scale
from taper_sim.units import DRUG_CLASSES, DrugClass

MAX_EQUIVALENTS = 5000.0
"""Largest dose a schedule may name, equivalents a day: above every dose in the formulary's ranges."""

Name = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]


class DrugEntry(Strict):
    """A drug as it is taken; a patch in mcg/h, everything else in mg a day."""

    drug: str
    formulation: str | None = None
    dose_mg_per_day: float | None = None
    dose_mcg_per_h: float | None = None
    interval_h: float | None = Field(default=None, ge=1, le=336)

    @model_validator(mode="after")
    def _exists(self) -> "DrugEntry":
        drug = formulary.find_drug(self.drug, self.formulation)
        formulary.validate_dose(drug, self.dose_mg_per_day, self.dose_mcg_per_h, self.interval_h)
        return self

    @property
    def row(self) -> Drug:
        """The drug's row of the formulary."""
        return formulary.find_drug(self.drug, self.formulation)

    @property
    def dose(self) -> float:
        """Dose in the row's own unit: mg a day, or mcg/h for a patch."""
        given = self.dose_mcg_per_h if self.row.is_patch else self.dose_mg_per_day
        return float(given) if given is not None else 0.0


class BaselineEntry(Strict):
    """State before any change; what is left out is the median person's."""

    pain: float = Baseline.pain
    distress: float = Baseline.distress
    insomnia: float = Baseline.insomnia
    function: float = Baseline.function
    engagement: float = Baseline.engagement
    craving: float = Baseline.craving
    sows_gossop: float = Baseline.sows_gossop

    @model_validator(mode="after")
    def _on_its_scale(self) -> "BaselineEntry":
        for name, (low, high) in BASELINE_LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} {value:g} is off its scale: {low:g} to {high:g}")
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


class Access(Strict):
    """What makes visits and check-ins happen."""

    modality: str = Field(default="video", pattern="^(video|phone|in_person)$")
    broadband: bool = True
    device: bool = True
    transport: bool = True
    language_match: bool = True
    literacy: bool = True
    caregiver: bool = False
    peer_support: bool = False


class Care(Strict):
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
    """One patient's file. See ``examples/patient.yaml`` and docs/how-to/patient-file.md."""

    id: Name = Field(min_length=1, max_length=200)
    drugs: tuple[DrugEntry, ...] = ()
    age: float = Field(default=55.0, ge=0, le=120)
    female: bool | None = None
    use_days: dict[DrugClass, UseDays] = Field(default_factory=dict)
    imposed: bool = False
    baseline: BaselineEntry = BaselineEntry()
    risk: Risk = Risk()
    answers: dict[str, bool | float] = Field(default_factory=dict)
    access: Access = Access()
    parameters: dict[str, float | dict[DrugClass, float]] = Field(default_factory=dict)
    schedule: dict[DrugClass, dict[Day, Equivalents]] | None = None
    care: Care = Care()

    @field_validator("answers")
    @classmethod
    def _are_variables(cls, given: dict[str, Any]) -> dict[str, Any]:
        known = {row["name"] for row in tables.read("variables").rows}
        for name in given:
            if name not in known:
                raise ValueError(f"{name} is not a variable of variables.csv{nearest(name, known)}")
        return given

    @field_validator("parameters")
    @classmethod
    def _are_symbols(cls, given: dict[str, Any]) -> dict[str, Any]:
        known = [*BY_SYMBOL, *FORMULATION_SYMBOLS]
        for symbol, value in given.items():
            if symbol not in known:
                raise ValueError(f"{symbol} is not a symbol of the model{nearest(symbol, known)}")
            per_class = symbol in FORMULATION_SYMBOLS or BY_SYMBOL[symbol].per_class
            if per_class != isinstance(value, dict):
                raise ValueError(f"{symbol} has {'a value for each drug class' if per_class else 'one value'}")
            for number in value.values() if isinstance(value, dict) else (value,):
                _check_range(symbol, float(number))
        return given

    @field_validator("schedule")
    @classmethod
    def _starts_on_day_0(cls, given: Any) -> Any:
        for drug_class, doses in (given or {}).items():
            if 0 not in doses:
                raise ValueError(f"the schedule of {drug_class} has no day 0: it must say the dose at the start")
            if doses[0] == 0 and any(doses.values()):
                raise ValueError(f"{drug_class} is not taken on day 0, so no later day can have a dose of it")
        return given

    @model_validator(mode="after")
    def _takes_something(self) -> "Patient":
        if not self.drugs and not self.schedule:
            raise ValueError("neither drugs nor a schedule: name at least one drug")
        for drug_class, doses in (self.schedule or {}).items():
            if doses[0] > 0 and drug_class not in {entry.row.drug_class for entry in self.drugs}:
                raise ValueError(f"the schedule names {drug_class} but no drug of that class is listed: which one?")
        seen: set[tuple[str, str]] = set()
        for entry in self.drugs:
            if entry.row.key in seen:
                raise ValueError(f"{entry.row.drug} {entry.row.formulation} is listed twice")
            seen.add(entry.row.key)
        check_one_scale([entry.row for entry in self.drugs if entry.dose > 0])
        return self


def _check_range(symbol: str, value: float) -> None:
    """Refuse a value with which the equations have no meaning."""
    if symbol == "b":
        return
    if symbol == "trough_mean" and not 0 < value < 1:
        raise ValueError(f"trough_mean is a share above 0 and below 1, not {value:g}")
    if symbol in ("omega", "adjunct", "adjunct_effect", "cross_tolerance") and not 0 <= value <= 1:
        raise ValueError(f"{symbol} is a share from 0 to 1, not {value:g}")
    positive = symbol.startswith("tau_") or symbol in ("EC50", "effect_half_life_h")
    if value < 0 or (positive and value == 0):
        raise ValueError(f"{symbol} is {'above 0' if positive else 'at least 0'}, not {value:g}")


def read_patient(path: Path) -> Patient:
    """Read one patient's file; raises :class:`InputError` with every problem."""
    return parse(str(path), read_yaml(path), Patient)


def doses_by_day(schedule: dict[DrugClass, dict[int, float]], n_days: int) -> np.ndarray:
    """Doses of an outright schedule, equivalents a day, shape (n_days + 1, 3): each dose until the next day named."""
    doses = np.zeros((n_days + 1, len(DRUG_CLASSES)))
    for drug_class, steps in schedule.items():
        for start in sorted(steps):
            doses[start:, DRUG_CLASSES.index(drug_class)] = steps[start]
    return doses
