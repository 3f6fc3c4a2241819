"""Bodies of the JSON API: requests and the answers that OpenAPI describes. Imports ``doors.sent_records``, ``data``."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from taper_sim.data.yaml_input import Strict
from taper_sim.serve.doors.sent_records import SentRecords

DecisionAction = Literal["accept", "part", "delay", "decline"]


class SentStep(Strict):
    """A line of a schedule: from this day on, this dose (mg a day; patches mcg/h; 0 stops)."""

    date: str = Field(examples=["2026-04-06"])
    drug: str = Field(examples=["morphine"])
    formulation: str = Field(examples=["ER"])
    dose_mg_per_day: float | None = Field(default=None, ge=0, le=1e6, examples=[45])
    dose_mcg_per_h: float | None = Field(default=None, ge=0, le=1e6)


class SentPlan(SentRecords):
    """Records, and a schedule of one's own to judge and project on them."""

    schedule: list[SentStep] = Field(max_length=200)


class SentDecision(SentRecords):
    """Records, and what was decided on the answer to them."""

    offer: str = Field(description="the `offer` of the answer that was decided on")
    action: DecisionAction
    option: str | None = Field(default=None, description="name of an option; the chosen one if omitted")
    until: str | None = Field(default=None, description="for a delay: the day to decide again")
    by: str = Field(description="name or initials of the clinician who decides")
    reason: str
    schedule: list[SentStep] | None = Field(default=None, max_length=200, description="a schedule of one's own")


class _Open(BaseModel):
    """An answer: the named fields are always there, and others may be."""

    model_config = ConfigDict(extra="allow")


class Basis(_Open):
    """What an answer rests on."""

    calibrated: bool
    tables_reviewed: bool
    population_id: str


class Grounded(_Open):
    """What every answer about a patient states."""

    not_for: str
    basis: Basis
    seed: int
    version: str


class RecommendationAnswer(Grounded):
    """The recommendation; docs/how-to/recommend.md defines each field."""

    patient_id: str
    as_of: str
    status: Literal["recommend", "abstain", "urgent"]
    headline: str
    reasons: list[str]
    red_flags: list[dict[str, Any]]
    questions: list[dict[str, str]]
    limits: dict[str, Any]
    posterior: dict[str, dict[str, float]]
    quality: dict[str, Any]
    options: list[dict[str, Any]]
    chosen: str | None
    would_change: list[str]
    offer: str = Field(description="names this answer when a decision is sent")


class ProjectedAnswer(Grounded):
    """An own schedule as a row of the options."""

    patient_id: str
    as_of: str
    option: dict[str, Any]
    limits: dict[str, Any]


class DecidedAnswer(_Open):
    """The line of the decision log."""

    kind: Literal["decided"]
    patient_id: str
    offer: str
    on: str
    did: str
    by: str
    reason: str
    not_for: str
    version: str


class Refused(BaseModel):
    """Why a request is not answered: a line for each problem, with place, what was given, what is allowed."""

    problems: list[str]


class Healthy(BaseModel):
    """Whether the process answers."""

    status: Literal["ok"]
    version: str


class About(BaseModel):
    """The program and what it is not for."""

    version: str
    not_for: str
    calibrated: bool
    tables_reviewed: bool


class ListedDrug(_Open):
    """A drug of the formulary, in its own unit."""

    drug: str
    formulation: str
    drug_class: str
    unit: str


class ListedDrugs(BaseModel):
    """The formulary, and the review of its table."""

    drugs: list[ListedDrug]
    review: str
    not_for: str
    version: str
