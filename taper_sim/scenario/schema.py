"""Schema of the scenario file (YAML): keys, types, defaults. Imports ``comparison``, ``simulation``, ``data``.

An unknown key is an error whose message names the nearest known key. ``taper-sim schema`` prints the JSON Schema for
editors.
"""

import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from taper_sim.comparison.ladder_statistics import RungRole
from taper_sim.comparison.loss import Loss
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.preferences import COMPOSITE_WEIGHTS, FULL_STOP, FURTHER_HARMS, HARM_WEIGHTS
from taper_sim.comparison.tables import DERIVED_SUBGROUPS
from taper_sim.data import formulary
from taper_sim.data.patient import LARGEST_PARAMETER, range_of
from taper_sim.data.problems import nearest, shown
from taper_sim.data.yaml_input import Strict, Wrong, divided, refuse_unknown, shares_of_patients
from taper_sim.model.parameters import BY_SYMBOL, DISCIPLINES
from taper_sim.model.pharmacology import administrations, most_equivalents
from taper_sim.scenario.clinic_schema import ClinicEntry
from taper_sim.scenario.true_models import MODEL, TRUE_MODELS
from taper_sim.simulation.cohort import FLAGS, MODALITIES
from taper_sim.simulation.ensemble import CENTRES, ENSEMBLE_DRAWS
from taper_sim.units import DEFAULT_SEED, DRAWS_FROM, HOURS_PER_DAY, LONGEST_D, YEAR_D, DrawsFrom, DrugClass

MAX_PATIENTS = 10_000_000
Share = Annotated[float, Field(ge=0, le=1)]


class DrugInMix(Strict):
    """A drug and formulation of the formulary, and its share among the patients who take the class."""

    drug: str
    formulation: str | None = None
    share: float = Field(gt=0)
    interval_h: float | None = Field(default=None, ge=1, le=formulary.LONGEST_INTERVAL_H)

    @model_validator(mode="after")
    def _exists(self) -> "DrugInMix":
        try:
            administrations(formulary.find_drug(self.drug, self.formulation), self.interval_h)
        except ValueError as error:
            given, allowed = divided(str(error), "a drug and formulation of `taper-sim drugs`")
            raise ValueError(f"{given}; allowed: {allowed}") from None
        return self


class ClassOfDrugs(Strict):
    """Prevalence, drugs, dose (equivalents a day, log-normal, clipped to low and high) and days of use of a class."""

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
            times = administrations(drug, entry.interval_h)
            absorbed = most_equivalents(drug, formulary.absorption(), times)
            if self.dose_high > absorbed:
                given = f"{' '.join(drug.key)} every {HOURS_PER_DAY / times:g} h with dose_high {self.dose_high:g}"
                allowed = f"dose_high of at most {math.floor(10 * absorbed) / 10:g}: the absorption of more is unknown"
                raise ValueError(f"{given}; allowed: {allowed}")
        return self


class CohortEntry(Strict):
    """The cohort: sampled (``patients``), or read from ``file`` with drugs from ``drugs_file`` or sampled."""

    patients: int | None = Field(default=None, ge=1, le=MAX_PATIENTS)
    file: Path | None = None
    drugs_file: Path | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    drop_missing: bool = False
    classes: dict[DrugClass, ClassOfDrugs] = Field(default_factory=dict)
    shares: dict[str, Share] = Field(default_factory=dict)
    modality: dict[str, Share] = Field(default_factory=dict)
    description: str = ""
    sampled: bool = False
    """Whether the patients of ``file`` were sampled; the Python interface writes its sampled people into files."""

    @model_validator(mode="after")
    def _one_source(self) -> "CohortEntry":
        if self.file is None and self.patients is None:
            raise Wrong(("", "no patients", "patients: how many to sample, or file: where to read them"))
        if self.file is None and (self.drugs_file is not None or self.columns):
            raise Wrong(("", "drugs_file or columns without a file", "both together with file"))
        if self.file is None and self.sampled:
            raise Wrong(("sampled", "true without a file", "sampled together with file"))
        if self.drugs_file is None and not self.classes:
            raise Wrong(("", "no drugs", "classes, which describes them, or drugs_file, which lists them"))
        if self.drugs_file is not None and self.classes:
            raise Wrong(("", "drugs_file and classes, which both give drugs", "one of the two"))
        refuse_unknown(self.shares, FLAGS, "flag", "shares.")
        if self.modality and self.file is not None:
            raise Wrong(("modality", "shares beside a file, in which each patient has a modality", "one of the two"))
        return self

    @field_validator("classes")
    @classmethod
    def _hold_their_own(cls, classes: dict[DrugClass, ClassOfDrugs]) -> dict[DrugClass, ClassOfDrugs]:
        """Refuse a drug under another class: its dose would be read in the equivalents of that class."""
        wrong = [
            (f"{name}.mix.{number}", f"{entry.drug}, which is of the class {drug.drug_class}", f"drugs of {name}")
            for name, margin in classes.items()
            for number, entry in enumerate(margin.mix)
            if (drug := formulary.find_drug(entry.drug, entry.formulation)).drug_class != name
        ]
        if wrong:
            raise Wrong(*wrong)
        return classes

    @field_validator("modality")
    @classmethod
    def _are_ways_to_meet(cls, shares: dict[str, float]) -> dict[str, float]:
        refuse_unknown(shares, MODALITIES, "modality")
        return shares_of_patients(shares)


class CareEntry(Strict):
    """Visits and check-ins planned by a protocol; by default usual care, with a prescriber every four weeks.

    ``setting`` decides how often people leave. Default: ``programme`` where more than a prescriber is planned.
    With ``answers_alarms`` staff respond to true alarms: pause, previous dose, contact. Source: A107.
    """

    disciplines: dict[str, Share] = Field(default_factory=lambda: {"prescriber": 1.0})
    setting: Literal["ward", "open_label", "programme", "inpatient_programme", "usual_care"] | None = None
    visit_every_d: int = Field(default=28, ge=0, le=364)
    checkin_every_d: int = Field(default=1, ge=0, le=364)
    answers_alarms: bool = False

    @field_validator("disciplines")
    @classmethod
    def _known(cls, disciplines: dict[str, float]) -> dict[str, float]:
        refuse_unknown(disciplines, DISCIPLINES, "discipline")
        return disciplines


def _as_entry(value: Any) -> Any:
    return {"call": value} if isinstance(value, str) else value


class ProtocolEntry(Strict):
    """A protocol: its call, its name in tables, and its planned care if it differs from the scenario's."""

    call: str = Field(min_length=1, max_length=2000)
    name: str | None = Field(default=None, max_length=80)
    care: CareEntry | None = None


class LossEntry(Strict):
    """Weights of the ladder's loss (``comparison.loss``)."""

    medication: float = Field(default=Loss.medication, ge=0)
    pain: float = Field(default=Loss.pain, ge=0)
    function: float = Field(default=Loss.function, ge=0)
    distress: float = Field(default=Loss.distress, ge=0)
    tail: Share = Loss.tail

    @model_validator(mode="after")
    def _weighs_something(self) -> "LossEntry":
        if self.medication + self.pain + self.function + self.distress <= 0:
            raise Wrong(("", "weights that are all 0", "at least one above 0"))
        return self


class RungEntry(Strict):
    """A policy of the ladder with one tuning value (knob).

    In the call, ``{knob}`` is replaced by each value of ``knobs``, ``{ceiling}`` by on or off, ``{run_in}`` by the days
    of the run-in, ``{full_stop}`` by the scenario's worth of a full stop. If the call lacks ``{ceiling}``,
    ``+ within_ceiling()`` is appended when the ceiling applies. If it lacks ``{run_in}``, ``+ run_in(days=…)`` is
    appended when there is a run-in.
    """

    name: str = Field(min_length=1, max_length=80)
    call: str = Field(min_length=1, max_length=2000)
    knobs: tuple[float | str, ...] = Field(default=(), max_length=50)
    role: RungRole = "other"

    @model_validator(mode="after")
    def _has_its_knob(self) -> "RungEntry":
        if ("{knob}" in self.call) != bool(self.knobs):
            raise Wrong(
                (
                    "knobs",
                    f"{len(self.knobs)} knobs and {'a' if '{knob}' in self.call else 'no'} {{knob}}",
                    "both or neither",
                )
            )
        return self


_RISK_LIMITS: Final = (0.1, 0.3, 0.6)
DEFAULT_RUNGS: Final = (
    RungEntry(
        name="preset",
        call='preset("{knob}")',
        knobs=(
            "CDC 2022 (use >=1 year)",
            "VA Opioid Taper Decision Tool - slowest",
            "VA Opioid Taper Decision Tool - slower",
        ),
    ),
    RungEntry(name="linear", call="linear(pct={knob}, every=28)", knobs=(2.5, 5, 7.5, 10, 15, 20, 30)),
    RungEntry(name="linear to a floor", call="linear(pct=10, every=28, floor_pct={knob})", knobs=(0, 25, 50, 75)),
    RungEntry(name="exponential", call="exponential(pct={knob}, every=28)", knobs=(5, 10, 15, 20, 30, 40)),
    RungEntry(name="integral control", call="integral(max_pct={knob}, every=14)", knobs=(2.5, 5, 10, 15, 20)),
    RungEntry(
        name="prior only", call="prior_only(risk={knob}, ceiling={ceiling}, run_in={run_in})", knobs=_RISK_LIMITS
    ),
    RungEntry(
        name="personal, weekly",
        knobs=_RISK_LIMITS,
        role="personal",
        call="personal(risk={knob}, ceiling={ceiling}, run_in={run_in}, checkins=weekly)",
    ),
    RungEntry(
        name="personal, daily",
        knobs=_RISK_LIMITS,
        role="personal",
        call="personal(risk={knob}, ceiling={ceiling}, run_in={run_in})",
    ),
    RungEntry(
        name="oracle",
        knobs=(0.1, 0.13, 0.15),
        role="oracle",
        call="personal(sees=state, limit={knob}, ceiling={ceiling}, run_in={run_in})",
    ),
)


class LadderEntry(Strict):
    """Tuning and evaluation of policies by ``taper-sim evaluate``. Each seed samples a new cohort."""

    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = Field(default=(1, 2, 3), min_length=1, max_length=50)
    tuning_people: int = Field(default=100, ge=2, le=100_000)
    run_in_d: int = Field(default=0, ge=0, le=84)
    withdrawal: float = Field(default=0.15, gt=0, lt=1)
    share_over_at_most: Share = 0.10
    loss: LossEntry = LossEntry()
    ceilings: tuple[Literal["on", "off"], ...] = Field(default=("on", "off"), min_length=1)
    truths: tuple[str, ...] = Field(default=(MODEL,), min_length=1)
    rungs: tuple[RungEntry, ...] = Field(default=DEFAULT_RUNGS, min_length=2)

    @field_validator("ceilings", mode="before")
    @classmethod
    def _yaml_words(cls, ceilings: Any) -> Any:
        """Convert true and false, which YAML reads for ``on`` and ``off``, to the words."""
        words = {True: "on", False: "off"}
        return (
            [words.get(g, g) if isinstance(g, bool) else g for g in ceilings]
            if isinstance(ceilings, list)
            else ceilings
        )

    @field_validator("truths")
    @classmethod
    def _are_truths(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in TRUE_MODELS]
        if unknown:
            raise Wrong(
                *(
                    ("", f"{shown(name)}, an unknown true model{nearest(name, TRUE_MODELS)}", ", ".join(TRUE_MODELS))
                    for name in unknown
                )
            )
        return names

    @field_validator("rungs")
    @classmethod
    def _whole_ladder(cls, rungs: tuple[RungEntry, ...]) -> tuple[RungEntry, ...]:
        roles = [rung.role for rung in rungs]
        if roles.count("oracle") != 1 or "other" not in roles:
            raise Wrong(("", f"roles {', '.join(roles)}", "exactly one oracle and at least one other"))
        names = [rung.name for rung in rungs]
        if len(set(names)) < len(names):
            raise Wrong(("", "the same name twice", "each name once"))
        return rungs


class Scenario(Strict):
    """A comparison of protocols on one cohort."""

    name: str = Field(min_length=1, max_length=120)
    question: str = Field(default="", max_length=2000)
    seed: int = Field(default=DEFAULT_SEED, ge=0, lt=2**63)
    days: int = Field(default=YEAR_D, ge=1, le=LONGEST_D)
    draws: int = Field(default=ENSEMBLE_DRAWS, ge=1, le=1000)
    draws_from: DrawsFrom = DRAWS_FROM
    """Origin of the parameter draws: ``prior``, or ``published`` (docs/calibration.md)."""
    cohort: CohortEntry
    care: CareEntry = CareEntry()
    protocols: tuple[Annotated[ProtocolEntry, BeforeValidator(_as_entry)], ...] = Field(min_length=1, max_length=50)
    reference: str | None = None
    outcomes: tuple[str, ...] | None = None
    composite: dict[str, float] = Field(default_factory=lambda: {**COMPOSITE_WEIGHTS, **HARM_WEIGHTS})
    """Value judgements: weights of the loads (pain, function, mood, medication), and the important differences that
    one crisis, overdose or death counts; a harm that is left out has its default, and 0 leaves it out of the sum. The
    further harms withdrawal (7 days in strong withdrawal) and return (to a higher dose) count if they are stated."""
    full_stop_worth: float = Field(default=FULL_STOP, ge=0, le=20)
    """Value judgement: smallest important differences between a year without the drug and a year at the full dose."""
    weights_of: str = Field(default="", max_length=120)
    """Whose weights ``composite`` has, in words. If it is stated, ``taper-sim compare`` ranks the protocols by them."""
    subgroups: tuple[str, ...] = ()
    parameters: dict[str, float] = Field(default_factory=dict)
    clinic: ClinicEntry | None = None
    ladder: LadderEntry | None = None

    @field_validator("outcomes")
    @classmethod
    def _are_outcomes(cls, outcomes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = [name for name in outcomes or () if name not in BY_NAME]
        if unknown:
            allowed = "an outcome of `taper-sim outcomes`"
            raise Wrong(
                *(("", f"{shown(name)}, an unknown outcome{nearest(name, BY_NAME)}", allowed) for name in unknown)
            )
        return outcomes

    @field_validator("subgroups")
    @classmethod
    def _are_subgroups(cls, subgroups: tuple[str, ...]) -> tuple[str, ...]:
        known = [*FLAGS, *DERIVED_SUBGROUPS]
        unknown = [name for name in subgroups if name not in known]
        if unknown:
            allowed = f"one of {', '.join(known)}"
            raise Wrong(
                *(("", f"{shown(name)}, an unknown subgroup{nearest(name, known)}", allowed) for name in unknown)
            )
        return subgroups

    @field_validator("composite")
    @classmethod
    def _are_weights(cls, weights: dict[str, float]) -> dict[str, float]:
        harms = (*HARM_WEIGHTS, *FURTHER_HARMS)
        if set(weights) - set(harms) != set(COMPOSITE_WEIGHTS):
            allowed = f"all of {', '.join(COMPOSITE_WEIGHTS)}, and any of {', '.join(harms)}"
            raise Wrong(("", f"weights of {', '.join(weights) or 'nothing'}", allowed))
        loads = [weights[name] for name in COMPOSITE_WEIGHTS]
        if any(not 0 <= weight < math.inf for weight in weights.values()) or sum(loads) <= 0:
            raise Wrong(("", weights, f"weights of at least 0, not all of {', '.join(COMPOSITE_WEIGHTS)} 0"))
        return {**HARM_WEIGHTS, **weights}

    @field_validator("weights_of")
    @classmethod
    def _is_a_name(cls, whose: str) -> str:
        if whose and (not whose.strip() or not whose.isprintable()):
            raise Wrong(("", shown(whose), "in a few words, whose weights composite has"))
        return whose.strip()

    @model_validator(mode="before")
    @classmethod
    def _states_every_weight(cls, given: Any) -> Any:
        """Refuse a ranking by a weight that nobody stated."""
        if isinstance(given, dict) and given.get("weights_of"):
            stated = given.get("composite") or {}
            missing = [name for name in (*COMPOSITE_WEIGHTS, *HARM_WEIGHTS) if name not in stated]
            if missing:
                whose = shown(given["weights_of"])
                raise Wrong(
                    *((f"composite.{name}", "nothing", f"the weight of {name} that {whose} stated") for name in missing)
                )
        return given

    @model_validator(mode="after")
    def _ranks_by_every_harm(self) -> "Scenario":
        """Refuse a ranking that counts not every harm."""
        left_out = [name for name in HARM_WEIGHTS if self.weights_of and self.composite[name] <= 0.0]
        if left_out:
            allowed = "above 0 beside weights_of: a ranking counts every harm"
            raise Wrong(*((f"composite.{name}", f"{self.composite[name]:g}", allowed) for name in left_out))
        return self

    @field_validator("parameters")
    @classmethod
    def _are_symbols(cls, parameters: dict[str, float]) -> dict[str, float]:
        wrong: list[tuple[str, Any, str]] = []
        for name, value in parameters.items():
            if name not in CENTRES:
                wrong.append((name, f"an unknown symbol{nearest(name, CENTRES)}", "a symbol of docs/parameters.md"))
                continue
            parameter = CENTRES[name].parameter
            if parameter.symbol in BY_SYMBOL or parameter.scale == "log":
                allowed = range_of(parameter.symbol, value)
                wrong += [] if allowed is None else [(name, value, allowed)]
            elif parameter.scale == "share" and not 0 <= value <= 1:
                wrong.append((name, value, "a share from 0 to 1"))
            elif abs(value) > LARGEST_PARAMETER:
                wrong.append((name, value, f"at most {LARGEST_PARAMETER:,.0f}"))
        if wrong:
            raise Wrong(*wrong)
        return parameters
