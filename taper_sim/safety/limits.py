"""What a recommendation has to keep to: limits, preferences, target, acknowledgements, from a file. Imports ``data``.

Every default is stated in the output and in docs/how-to/recommend.md.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from taper_sim import tables
from taper_sim.data.problems import nearest
from taper_sim.data.yaml_input import Strict, Wrong, parse, read_yaml
from taper_sim.units import DrugClass


def _as_text(value: Any) -> Any:
    """Text without the spaces around it: spaces alone are nobody's name and no reason."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ShortText = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=500)]


class Signed(Strict):
    """Something that only a named person may say, with a reason."""

    by: ShortText
    reason: ShortText


class CeilingRaised(Signed):
    """A ceiling raised for one class by a named prescriber."""

    pct_per_28d: float = Field(gt=0, le=100)


class Limits(Strict):
    """Limits of one recommendation.

    Attributes
    ----------
    withdrawal : float
        Overall withdrawal, 0 to 1, that is not to be passed: 0.15 is 4.5 of 30 SOWS-Gossop points (docs/model.md 8).
    function_loss : float
        Points of function (0 to 100) whose loss counts: the smallest important difference.
    pain_rise : float
        NRS points whose rise counts: the smallest important difference.
    risk : float
        Largest chance of each of these three within the horizon.
    crisis_excess, overdose_excess : float
        Largest chance beyond that of holding the dose, within the horizon.
    horizon_days : int
    step_every_d : int
        Days between steps of the paces that are offered.
    target : mapping of class to equivalents a day
        Where the taper ends; 0 unless said.
    milestones : mapping of class to list of equivalents a day
        Doses at which a taper stops for a review: what is proposed never passes the next one below the dose of today.
    first : drug class or None
        Class that patient and team want to reduce first.
    allow_step_back : bool
    prefer : "fastest" or "least loss"
        Of the options that keep every limit: the fastest, or the one with the least expected loss of
        ``comparison.loss`` within the horizon, which may be holding.
    acknowledged : mapping of flag to Signed
        Same-day red flags that a named person has seen, with a reason.
    ceiling_raised : mapping of class to CeilingRaised
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

    @field_validator("acknowledged")
    @classmethod
    def _are_flags(cls, given: dict[str, Signed]) -> dict[str, Signed]:
        known = [row["flag"] for row in tables.read("red_flags").rows]
        wrong = [(f, f"an unknown flag{nearest(f, known)}", "a flag of red_flags.csv") for f in given if f not in known]
        if wrong:
            raise Wrong(*wrong)
        return given

    @model_validator(mode="after")
    def _cap(self) -> "Limits":
        wrong = [
            (
                f"ceiling_raised.{c}.pct_per_28d",
                raised.pct_per_28d,
                f"at most {MOST_PCT:g} % of original in 28 days, whoever asks",
            )
            for c, raised in self.ceiling_raised.items()
            if raised.pct_per_28d > MOST_PCT
        ]
        if wrong:
            raise Wrong(*wrong)
        return self


MOST_PCT: Literal[30] = 30
"""Nothing is reduced by more than this share of the original dose in 28 days. Source: policies.guidance.CAP_PCT."""


def read_limits(path: Path) -> Limits:
    """Read a limits file (YAML); raises :class:`InputError` with every problem."""
    return parse(str(path), read_yaml(path), Limits)
