"""The scenario file (YAML): keys, types, defaults. Imports ``data.yaml_input``, ``outcomes``, ``comparison.tables``.

Unknown keys are refused with the nearest known one named. ``taper-sim schema`` prints the JSON Schema for editors.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from taper_sim.cohort import FLAGS
from taper_sim.comparison.tables import DERIVED_SUBGROUPS
from taper_sim.data import formulary
from taper_sim.data.patient import LARGEST, range_of
from taper_sim.data.problems import nearest, shown
from taper_sim.data.yaml_input import Strict, Wrong, divided
from taper_sim.model.parameters import BY_SYMBOL, DISCIPLINES
from taper_sim.model.pharmacology import administrations
from taper_sim.outcomes import BY_NAME, COMPOSITE_WEIGHTS
from taper_sim.scenario.clinic_schema import ClinicEntry
from taper_sim.simulation.ensemble import DEFAULT_DRAWS, PARAMETERS
from taper_sim.units import YEAR_D, DrugClass

DEFAULT_SEED = 20260101
MAX_PATIENTS = 10_000_000
Share = Annotated[float, Field(ge=0, le=1)]


class DrugInMix(Strict):
    """A drug and formulation of the formulary, and its share among those who take the class."""

    drug: str
    formulation: str | None = None
    share: float = Field(gt=0)
    interval_h: float | None = Field(default=None, ge=1, le=336)

    @model_validator(mode="after")
    def _exists(self) -> "DrugInMix":
        try:
            administrations(formulary.find_drug(self.drug, self.formulation), self.interval_h)
        except ValueError as error:
            given, allowed = divided(str(error), "a drug and formulation of `taper-sim drugs`")
            raise ValueError(f"{given}; allowed: {allowed}") from None
        return self


class ClassOfDrugs(Strict):
    """Who takes a class, what of it, how much (equivalents a day, log-normal between low and high), since when."""

    share: Share = 1.0
    mix: tuple[DrugInMix, ...] = Field(min_length=1)
    dose_median: float = Field(gt=0, le=3000)
    dose_log_sd: float = Field(default=0.5, ge=0, le=2)
    dose_low: float = Field(default=0.1, gt=0)
    dose_high: float = Field(default=3000, gt=0, le=3000)
    use_days_median: float = Field(default=1825, ge=1)
    use_days_log_sd: float = Field(default=0.6, ge=0, le=2)

    @model_validator(mode="after")
    def _in_order(self) -> "ClassOfDrugs":
        if not self.dose_low <= self.dose_median <= self.dose_high:
            given = f"dose_low {self.dose_low:g}, dose_median {self.dose_median:g}, dose_high {self.dose_high:g}"
            raise ValueError(f"{given}; allowed: low at most the median, the median at most high")
        for entry in self.mix:
            drug = formulary.find_drug(entry.drug, entry.formulation)
            most = formulary.MAX_BUPRENORPHINE_MCG_PER_H if drug.is_patch else formulary.MAX_BUPRENORPHINE_MG
            if drug.is_buprenorphine and self.dose_high > most:
                unit = "mcg/h" if drug.is_patch else "mg a day"
                given = f"{' '.join(drug.key)}, which has no equivalents, with dose_high {self.dose_high:g}"
                raise ValueError(f"{given}; allowed: dose_high of at most {most:g}, in its own {unit}")
        return self


class CohortEntry(Strict):
    """Who the patients are: sampled (``patients``), or read (``file``) with drugs from a file or sampled."""

    patients: int | None = Field(default=None, ge=1, le=MAX_PATIENTS)
    file: Path | None = None
    drugs_file: Path | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    drop_missing: bool = False
    classes: dict[DrugClass, ClassOfDrugs] = Field(default_factory=dict)
    shares: dict[str, Share] = Field(default_factory=dict)
    description: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> "CohortEntry":
        if self.file is None and self.patients is None:
            raise Wrong(("", "no patients", "patients: how many to sample, or file: where to read them"))
        if self.file is None and (self.drugs_file is not None or self.columns):
            raise Wrong(("", "drugs_file or columns without a file", "both together with file"))
        if self.drugs_file is None and not self.classes:
            raise Wrong(("", "no drugs", "classes, which describes them, or drugs_file, which lists them"))
        if self.drugs_file is not None and self.classes:
            raise Wrong(("", "drugs_file and classes, which both give drugs", "one of the two"))
        unknown = [name for name in self.shares if name not in FLAGS]
        if unknown:
            allowed = f"one of {', '.join(FLAGS)}"
            raise Wrong(*((f"shares.{name}", f"an unknown flag{nearest(name, FLAGS)}", allowed) for name in unknown))
        return self


class CareEntry(Strict):
    """Visits and check-ins that a protocol plans."""

    disciplines: dict[str, Share] = Field(default_factory=lambda: dict.fromkeys(DISCIPLINES[:5], 1.0))
    visit_every_d: int = Field(default=7, ge=0, le=364)
    checkin_every_d: int = Field(default=1, ge=0, le=364)

    @field_validator("disciplines")
    @classmethod
    def _known(cls, given: dict[str, float]) -> dict[str, float]:
        unknown = [name for name in given if name not in DISCIPLINES]
        if unknown:
            allowed = f"one of {', '.join(DISCIPLINES)}"
            raise Wrong(*((name, f"an unknown discipline{nearest(name, DISCIPLINES)}", allowed) for name in unknown))
        return given


def _as_entry(value: Any) -> Any:
    return {"call": value} if isinstance(value, str) else value


class ProtocolEntry(Strict):
    """A protocol as a call, with a name for tables and care of its own where it differs."""

    call: str = Field(min_length=1, max_length=2000)
    name: str | None = Field(default=None, max_length=80)
    care: CareEntry | None = None


class Scenario(Strict):
    """A comparison of protocols on one cohort."""

    name: str = Field(min_length=1, max_length=120)
    question: str = Field(default="", max_length=2000)
    seed: int = Field(default=DEFAULT_SEED, ge=0, lt=2**63)
    days: int = Field(default=YEAR_D, ge=1, le=3650)
    draws: int = Field(default=DEFAULT_DRAWS, ge=1, le=1000)
    cohort: CohortEntry
    care: CareEntry = CareEntry()
    protocols: tuple[Annotated[ProtocolEntry, BeforeValidator(_as_entry)], ...] = Field(min_length=1, max_length=50)
    reference: str | None = None
    outcomes: tuple[str, ...] | None = None
    composite: dict[str, float] = Field(default_factory=lambda: dict(COMPOSITE_WEIGHTS))
    subgroups: tuple[str, ...] = ()
    parameters: dict[str, float] = Field(default_factory=dict)
    clinic: ClinicEntry | None = None

    @field_validator("outcomes")
    @classmethod
    def _are_outcomes(cls, given: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = [name for name in given or () if name not in BY_NAME]
        if unknown:
            allowed = "an outcome of `taper-sim outcomes`"
            raise Wrong(*(("", f"{shown(name)}, which is none{nearest(name, BY_NAME)}", allowed) for name in unknown))
        return given

    @field_validator("subgroups")
    @classmethod
    def _are_subgroups(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        known = [*FLAGS, *DERIVED_SUBGROUPS]
        unknown = [name for name in given if name not in known]
        if unknown:
            allowed = f"one of {', '.join(known)}"
            raise Wrong(*(("", f"{shown(name)}, which is none{nearest(name, known)}", allowed) for name in unknown))
        return given

    @field_validator("composite")
    @classmethod
    def _are_weights(cls, given: dict[str, float]) -> dict[str, float]:
        if set(given) != set(COMPOSITE_WEIGHTS):
            raise Wrong(("", f"weights of {', '.join(given) or 'nothing'}", f"all of {', '.join(COMPOSITE_WEIGHTS)}"))
        if any(weight < 0 for weight in given.values()) or sum(given.values()) <= 0:
            raise Wrong(("", given, "weights of at least 0, not all of them 0"))
        return given

    @field_validator("parameters")
    @classmethod
    def _are_symbols(cls, given: dict[str, float]) -> dict[str, float]:
        known = {q.symbol: q for q in PARAMETERS}
        wrong: list[tuple[str, Any, str]] = []
        for symbol, value in given.items():
            if symbol not in known:
                wrong.append((symbol, f"an unknown symbol{nearest(symbol, known)}", "a symbol of docs/parameters.md"))
            elif symbol in BY_SYMBOL or known[symbol].scale == "log":
                allowed = range_of(symbol, value)
                wrong += [] if allowed is None else [(symbol, value, allowed)]
            elif known[symbol].scale == "share" and not 0 <= value <= 1:
                wrong.append((symbol, value, "a share from 0 to 1"))
            elif abs(value) > LARGEST:
                wrong.append((symbol, value, f"at most {LARGEST:,.0f}"))
        if wrong:
            raise Wrong(*wrong)
        return given
