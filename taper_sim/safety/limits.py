"""Constraints of a recommendation: limits, preferences, target, acknowledgements. Imports ``policies``, ``data``.

Every default is stated in the output and in docs/how-to/recommend.md.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from taper_sim import tables
from taper_sim.data.problems import nearest
from taper_sim.data.yaml_input import Strict, Wrong, parse, read_yaml
from taper_sim.policies.guidance import CAP_PCT
from taper_sim.units import DrugClass


def _as_text(value: Any) -> Any:
    """Strip a text: blanks alone are neither a name nor a reason."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ShortText = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=500)]


class Signed(Strict):
    """A decision signed by a named person, with a reason."""

    by: ShortText
    reason: ShortText


class CeilingRaised(Signed):
    """The raised ceiling of one class, signed by a named prescriber."""

    pct_per_28d: float = Field(gt=0, le=100)


Weight = Annotated[float, Field(ge=0, le=100)]


class ValuesEntry(Strict):
    """What the patient wants; a key that is absent has the stated default of ``comparison.preferences``."""

    pain: Weight | None = None
    function: Weight | None = None
    mood: Weight | None = None
    sleep: Weight | None = None
    full_stop: float | None = Field(default=None, ge=0, le=20)
    harm_line: float | None = Field(default=None, ge=0, le=20)
    outlook_days: int | None = Field(default=None, ge=28, le=728)

    @model_validator(mode="after")
    def _weighs_something(self) -> "ValuesEntry":
        if self.pain == self.function == self.mood == 0.0 and not self.sleep:
            raise Wrong(("", "weights that are all 0", "at least one of pain, function, mood, sleep above 0"))
        return self

    def stated(self) -> dict[str, Any]:
        """Keys that the patient answered, with the answers."""
        return self.model_dump(exclude_none=True)


class Limits(Strict):
    """Limits and preferences of one recommendation.

    Attributes
    ----------
    withdrawal : float
        Upper limit of overall withdrawal, 0 to 1: 0.15 is 4.5 of 30 SOWS-Gossop points (docs/model.md 8).
    function_loss : float
        Loss of function that counts, points of 0 to 100: the smallest important difference.
    pain_rise : float
        Rise of pain that counts, NRS points: the smallest important difference.
    risk : float
        Largest accepted probability of each of these three within the horizon.
    crisis_excess, overdose_excess : float
        Largest accepted increase of the probability over holding the dose, within the horizon.
    horizon_days : int
    step_every_d : int
        Days between steps of the offered paces.
    target : mapping of class to equivalents a day
        Dose at which the taper ends; default 0.
    milestones : mapping of class to list of equivalents a day
        Doses at which a taper pauses for a review: no option goes below the next milestone under today's dose.
    first : drug class or None
        Class that patient and team prefer to reduce first.
    allow_step_back : bool
    prefer : "fastest" or "least loss"
        Choice among the options that keep every limit: the fastest, or the one with the least expected loss of
        ``comparison.loss`` within the horizon, which may be to hold the dose.
    acknowledged : mapping of flag to Signed
        Same-day red flags that a named person has acknowledged, with a reason.
    ceiling_raised : mapping of class to CeilingRaised
    maintain : bool
        Whether the limits ask to maintain.
    wishes_to_taper : bool or None
        What the person wants, if they have said it: it decides whether a taper is the default.
    values : ValuesEntry
        What the patient wants: weights of four domains, worth of a full stop, risk of harm, days ahead.
    """

    withdrawal: float = Field(default=0.15, gt=0, lt=1)
    function_loss: float = Field(default=10.0, gt=0, le=100)
    pain_rise: float = Field(default=1.0, gt=0, le=10)
    risk: float = Field(default=0.10, gt=0, lt=1)
    crisis_excess: float = Field(default=0.01, ge=0, lt=1)
    overdose_excess: float = Field(default=0.005, ge=0, lt=1)
    horizon_days: int = Field(default=84, ge=14, le=364)
    step_every_d: int = Field(default=28, ge=7, le=84)
    target: dict[DrugClass, Annotated[float, Field(ge=0, le=5000)]] = Field(default_factory=dict)
    milestones: dict[DrugClass, list[Annotated[float, Field(gt=0, le=5000)]]] = Field(default_factory=dict)
    first: DrugClass | None = None
    allow_step_back: bool = True
    prefer: Literal["fastest", "least loss"] = "fastest"
    acknowledged: dict[str, Signed] = Field(default_factory=dict)
    ceiling_raised: dict[DrugClass, CeilingRaised] = Field(default_factory=dict)
    maintain: bool = False
    wishes_to_taper: bool | None = None
    values: ValuesEntry = ValuesEntry()

    @field_validator("acknowledged")
    @classmethod
    def _are_flags(cls, flags: dict[str, Signed]) -> dict[str, Signed]:
        known = [row["flag"] for row in tables.read("red_flags").rows]
        known += [row["pair"] for row in tables.read("interactions").rows if row["severity"] == "contraindicated"]
        allowed = "a flag of red_flags.csv or a contraindicated pair of interactions.csv"
        wrong = [(f, f"an unknown flag{nearest(f, known)}", allowed) for f in flags if f not in known]
        if wrong:
            raise Wrong(*wrong)
        return flags

    @model_validator(mode="after")
    def _cap(self) -> "Limits":
        wrong = [
            (
                f"ceiling_raised.{c}.pct_per_28d",
                raised.pct_per_28d,
                f"at most {CAP_PCT:g} % of original in 28 days, for every prescriber",
            )
            for c, raised in self.ceiling_raised.items()
            if raised.pct_per_28d > CAP_PCT
        ]
        if wrong:
            raise Wrong(*wrong)
        return self


def read_limits(path: Path) -> Limits:
    """Read a limits file (YAML); raises :class:`InputError` with every problem."""
    return parse(str(path), read_yaml(path), Limits)
