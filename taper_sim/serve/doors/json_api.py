"""The JSON API: recommend, project an own schedule, decide, drugs, health, version. Imports ``doors``, ``recommend``.

Every answer is computed from the records of its request alone; an answer with the same records is kept in memory
(``serve.reckoner``). Only a decision is written, to the decision log of its patient.
"""

from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import JSONResponse, Response

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.data.checkins import DATE_ALLOWED, the_date
from taper_sim.data.problems import InputError, Problem
from taper_sim.inference.prior import DEFAULT_POPULATION
from taper_sim.model.pharmacology import Drug
from taper_sim.recommend.answer import NOT_FOR
from taper_sim.recommend.decision_log import logged
from taper_sim.recommend.own_plan import PlannedDose, Weighed, projected
from taper_sim.serve.agreement import decide
from taper_sim.serve.doors.api_models import (
    About,
    DecidedAnswer,
    Healthy,
    ListedDrugs,
    ProjectedAnswer,
    RecommendationAnswer,
    Refused,
    SentDecision,
    SentPlan,
    SentStep,
)
from taper_sim.serve.doors.entry import SENT, DoorRoute, caller_of, computed, sent_as
from taper_sim.serve.doors.sent_records import SentRecords
from taper_sim.serve.entry_form import FormError
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.reckoner import Reckoner

API: Final = "/api/v1"
OPENAPI: Final = f"{API}/openapi.json"
_BODIES: Final = (SentRecords, SentPlan, SentDecision)
_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": Refused, "description": "no account has this token"},
    403: {"model": Refused, "description": "another machine, where there are no accounts"},
    413: {"model": Refused, "description": "the body is too large"},
    415: {"model": Refused, "description": "the body is no JSON in UTF-8"},
    422: {"model": Refused, "description": "the records are wrong: a line for each problem"},
}


def api_router(reckoner: Reckoner, log_of: Callable[[str], PatientFolder], today: Callable[[], date]) -> APIRouter:
    """The routes of the API.

    Parameters
    ----------
    reckoner : Reckoner
        Computes and keeps the answers.
    log_of : callable
        Gives the folder that has the decision log of a patient, by id.
    today : callable
    """
    router = APIRouter(prefix=API, route_class=DoorRoute)

    async def weighed_of(sent: SentRecords) -> Weighed:
        return await computed(lambda: reckoner.kept(sent.key(), sent.weighed).result())

    def posting(path: str, body: type[BaseModel], answer: type[BaseModel], summary: str) -> Any:
        schema = {"$ref": f"#/components/schemas/{body.__name__}"}
        content = {"content": {"application/json": {"schema": schema}}, "required": True}
        return router.post(
            path,
            response_model=None,
            summary=summary,
            openapi_extra={"requestBody": content},
            responses={200: {"model": answer}, **_REFUSED},
        )

    @posting("/recommend", SentRecords, RecommendationAnswer, "One patient's options with their uncertainty")
    async def recommend(request: Request) -> Response:
        caller_of(request)
        weighed = await weighed_of(await sent_as(request, SentRecords))
        return JSONResponse(weighed.answer.as_dict() | {"offer": logged(weighed.answer)["id"]})

    @posting("/project", SentPlan, ProjectedAnswer, "An own schedule, judged by the same rules and projected")
    async def project(request: Request) -> Response:
        caller_of(request)
        sent = await sent_as(request, SentPlan)
        planned = planned_doses(sent.schedule)
        weighed = await weighed_of(sent)
        row = await computed(lambda: projected(weighed, planned))
        answer = weighed.answer.as_dict()
        about = ("patient_id", "as_of", "limits", "basis", "not_for", "seed", "version")
        return JSONResponse({name: answer[name] for name in about} | {"option": row})

    @posting("/decide", SentDecision, DecidedAnswer, "A decision on an answer, written to the decision log")
    async def decision(request: Request) -> Response:
        account = caller_of(request)
        sent = await sent_as(request, SentDecision)
        planned = None if sent.schedule is None else planned_doses(sent.schedule)
        weighed = await weighed_of(sent)
        line = await computed(lambda: _decided(weighed, sent, planned, log_of, today()))
        answer = weighed.answer.as_dict()
        return JSONResponse(line | {name: answer[name] for name in ("not_for", "version")} | {"account": account})

    @router.get("/drugs", response_model=ListedDrugs, responses=_only(401, 403), summary="The formulary")
    def drugs(request: Request) -> Response:
        caller_of(request)
        rows = [_listed(drug) for drug in (*formulary.formulary().values(), *formulary.forms().values())]
        review = tables.review_status([*tables.read("drugs").rows, *tables.read("forms").rows])
        about = {"review": review, "not_for": NOT_FOR, "version": version("taper-sim")}
        return JSONResponse({"drugs": rows, **about})

    @router.get("/health", response_model=Healthy, summary="Whether the process answers")
    def health() -> Response:
        return JSONResponse({"status": "ok", "version": version("taper-sim")})

    @router.get("/version", response_model=About, summary="The program, and what it is not for")
    def about() -> Response:
        names = ("red_flags", "interactions", "guidelines", "population", "whether_to_taper")
        rows = [row for name in names for row in tables.read(name).rows]
        reviewed = tables.review_status(rows) == tables.REVIEWED
        basis = {"calibrated": DEFAULT_POPULATION.calibrated, "tables_reviewed": reviewed}
        return JSONResponse({"version": version("taper-sim"), "not_for": NOT_FOR, **basis})

    return router


def _only(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: _REFUSED[status] for status in statuses}


def planned_doses(lines: Sequence[SentStep]) -> list[PlannedDose]:
    """Lines of a schedule as doses; raises InputError with a problem for each wrong line."""
    planned, wrong = [], []
    for number, line in enumerate(lines, start=1):
        day = the_date(line.date)
        doses = [dose for dose in (line.dose_mg_per_day, line.dose_mcg_per_h) if dose is not None]
        if day is None:
            wrong.append(Problem(SENT, f"schedule.{number - 1}.date", line.date or "nothing", DATE_ALLOWED))
        elif len(doses) != 1:
            given = "two doses" if doses else "no dose"
            wrong.append(Problem(SENT, f"schedule.{number - 1}", given, "dose_mg_per_day, or dose_mcg_per_h"))
        else:
            planned.append(PlannedDose(day, (line.drug, line.formulation), doses[0]))
    if wrong:
        raise InputError(wrong)
    return planned


def _decided(
    weighed: Weighed,
    sent: SentDecision,
    planned: Sequence[PlannedDose] | None,
    log_of: Callable[[str], PatientFolder],
    today: date,
) -> dict[str, Any]:
    """Write a decision; returns its line."""
    own_rows = None
    if planned is not None:
        row = projected(weighed, planned)
        if row["status"] != "offered":
            raise InputError(Problem(SENT, "schedule", row["status"], "a schedule that is offered"))
        own_rows = row["schedule"]
    fields = {name: getattr(sent, name) or "" for name in ("action", "option", "until", "by", "reason", "offer")}
    try:
        return decide(log_of(weighed.answer.as_dict()["patient_id"]), weighed.answer, fields, today, own_rows)
    except FormError as error:
        lines = [Problem(SENT, name, *_given_and_allowed(text)) for name, text in error.by_field.items()]
        raise InputError(lines) from None


def _given_and_allowed(text: str) -> tuple[str, str]:
    """What was given and what is allowed, of a problem of the page's form."""
    given, separator, allowed = text.removeprefix("given ").partition("; allowed: ")
    return (given, allowed) if separator else ("another answer", text)


def _listed(drug: Drug) -> dict[str, Any]:
    return {
        "drug": drug.drug,
        "formulation": drug.formulation,
        "drug_class": drug.drug_class,
        "unit": drug.unit if drug.is_patch else f"{drug.unit} a day",
        "strengths": list(drug.strengths),
        "splittable": drug.splittable,
        "smallest_step": drug.smallest_step,
        "rxnorm": drug.rxnorm or None,
        "verified": drug.verified,
        "reviewed": drug.reviewed,
    }


def described(router: APIRouter) -> dict[str, Any]:
    """OpenAPI of the API; a token is needed where accounts exist."""
    schema = get_openapi(
        title="taper_sim", version=version("taper-sim"), description=f"{NOT_FOR}.", routes=list(router.routes)
    )
    _, bodies = models_json_schema(
        [(model, "validation") for model in _BODIES], ref_template="#/components/schemas/{model}"
    )
    schema.setdefault("components", {}).setdefault("schemas", {}).update(bodies["$defs"])
    schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{}, {"bearer": []}]
    return schema
