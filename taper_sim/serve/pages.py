"""The pages and what their forms do. Imports the other modules of ``serve``.

Each request finds its patients through the visitor's cookie; nothing of a patient is kept between requests but files
and answers by the hash of their files. A page is read without scripts; a script only spares a reload.
"""

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml
from fastapi import FastAPI, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from taper_sim.api.examples import shipped_folder
from taper_sim.comparison.preferences import ValueJudgements
from taper_sim.data.checkins import the_date
from taper_sim.data.problems import InputError, problem, shown
from taper_sim.data.yaml_input import parse
from taper_sim.recommend.answer import NOT_FOR
from taper_sim.recommend.own_plan import PlannedDose, Weighed, projected
from taper_sim.safety.limits import Limits
from taper_sim.serve import entry_form
from taper_sim.serve.agreement import ACTIONS, decide, decisions_of, log_offer
from taper_sim.serve.doors.mounting import mount_doors
from taper_sim.serve.entry_form import FormError
from taper_sim.serve.forecast_picture import picture_of
from taper_sim.serve.page_guard import TOKEN_FIELD, ForeignFormError, PageGuard, Visitors
from taper_sim.serve.patient_list import patient_rows
from taper_sim.serve.patient_store import (
    ABOUT_FILE,
    BASELINE_FILE,
    CHECKIN_FILE,
    DOSE_FILE,
    LIMITS_FILE,
    PatientFolder,
    PatientStore,
    name_of,
    without_folders,
)
from taper_sim.serve.patient_view import chance_rows, option_card, patient_page, sentence, with_dates
from taper_sim.serve.reckoner import Reckoner
from taper_sim.serve.uploads import UPLOADED, uploaded

_EXAMPLE: Final = {
    CHECKIN_FILE: "checkins.csv",
    DOSE_FILE: "doses.csv",
    BASELINE_FILE: "assessment.yaml",
    LIMITS_FILE: "limits.yaml",
}
_EXAMPLE_ID: Final = "p1"
_NOTHING_SENT: Final[dict[str, Any]] = {
    "telemetry": {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
}
"""FastAPI can send traces to another machine if a variable of the environment asks for it; these pages never do."""
_MORE_LINES: Final = 2
"""Empty lines of an editable schedule. A design choice."""
_VALUES: Final = (
    ("pain", "Pain: one point less", 0.0, 4.0, 0.5),
    ("function", "Function: ten points more", 0.0, 4.0, 0.5),
    ("mood", "Mood: five points of PHQ-9 less", 0.0, 4.0, 0.5),
    ("sleep", "Sleep: six points of ISI less", 0.0, 4.0, 0.5),
    ("full_stop", "Taking none of it, felt as today", 0.0, 10.0, 0.5),
    ("harm_line", "Risk of being worse for a chance of better", 0.0, 10.0, 0.5),
    ("outlook_days", "Days ahead that count", 28, 728, 28),
)
"""Values with their words and the ends and step of their sliders; units as in docs/how-to/recommend.md."""


@cache
def templates() -> Environment:
    """The templates, each compiled once; they escape all text."""
    environment = Environment(
        loader=PackageLoader("taper_sim.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"with_dates": with_dates, "sentence": sentence}
    return environment


class ServedPages:
    """The pages of one process: the patients, the answers, the visitors."""

    def __init__(self, store: PatientStore, reckoner: Reckoner, today: Callable[[], date] = date.today) -> None:
        self.store, self.reckoner, self.today = store, reckoner, today
        self.visitors = Visitors()

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page for the visitor of a request, who gets a cookie if they have none."""
        visitor = self.visitors.visitor_of(request) or self.visitors.welcome()
        text = (
            templates()
            .get_template(template)
            .render(
                token=self.visitors.token_of(visitor),
                token_field=TOKEN_FIELD,
                not_for=sentence(NOT_FOR),
                version=version("taper-sim"),
                is_shared=self.store.is_shared,
                **values,
            )
        )
        response = HTMLResponse(text, status)
        self.visitors.remember(response, visitor)
        return response

    def folder(self, request: Request, key: str) -> PatientFolder:
        """The patient of an address; a page that says so if the visitor has no such patient."""
        visitor = self.visitors.visitor_of(request)
        folder = None if visitor is None else self.store.folder(visitor, key)
        if folder is None and self.store.is_shared:
            folder = self.store.folder("", key)
        if folder is None:
            raise HTTPException(404, "no such patient here: another browser's patients are not shown")
        return folder

    def start(self, request: Request, problems: list[str] | None = None, status: int = 200) -> Response:
        """The first page: how to begin, and the list of patients."""
        return self.page(request, "start.html.jinja", status, problems=problems or [], **self.list_values(request))

    def list_values(self, request: Request) -> dict[str, Any]:
        """Values of the list of patients, filtered by clinician."""
        visitor = self.visitors.visitor_of(request) or ""
        rows = patient_rows(self.store.folders(visitor), self.reckoner, self.today())
        clinicians = sorted({row.clinician for row in rows if row.clinician})
        chosen = request.query_params.get("clinician", "")
        shown_rows = [row for row in rows if not chosen or row.clinician == chosen]
        waiting = any(row.is_waiting for row in rows)
        return {"rows": shown_rows, "clinicians": clinicians, "clinician": chosen, "is_waiting": waiting}

    def patient(
        self,
        request: Request,
        folder: PatientFolder,
        status: int = 200,
        *,
        errors: Mapping[str, str] | None = None,
        sent: Mapping[str, str] | None = None,
        own: dict[str, Any] | None = None,
        own_problems: list[str] | None = None,
    ) -> Response:
        """The page of one patient, with the problems of a form that was sent."""
        reckoned = self.reckoner.reckoned(folder)
        weighed = reckoned.weighed
        log_offer(folder, weighed.answer)
        view = patient_page(weighed)
        ground, limits = weighed.ground, folder.limits()
        as_of = date.fromisoformat(view["answer"]["as_of"])
        reports = [c for c in reckoned.history.checkins if c.known_on <= as_of]
        return self.page(
            request,
            "patient.html.jinja",
            status,
            key=folder.key,
            view=view,
            picture=picture_of(reports, as_of, None if ground is None else ground.record, reckoned.forecasts),
            errors=dict(errors or {}),
            sent=defaultdict(str, sent or {}),
            actions=ACTIONS,
            today=self.today().isoformat(),
            days_old=(self.today() - as_of).days,
            values=_value_rows(limits),
            limits=limits,
            five=entry_form.FIVE_NUMBERS,
            questions=_questions(view),
            is_bundle=folder.is_bundle,
            decisions=decisions_of(folder),
            **self.plan_values(weighed, view["answer"], own, own_problems),
        )

    def plan_values(
        self, weighed: Weighed, answer: dict[str, Any], own: dict[str, Any] | None, own_problems: list[str] | None
    ) -> dict[str, Any]:
        """Values of the editable schedule: its lines, its projection, its problems."""
        lines = [] if own is None else list(own["lines"])
        if own is None and weighed.ground is not None:
            chosen = next(o for o in answer["options"] if o["name"] == answer["chosen"])
            lines = [
                {"day": row["date"], "drug": f"{row['drug']}|{row['formulation']}", "dose": f"{_dose_of(row):g}"}
                for row in chosen["schedule"]
                if not str(row["tablets"]).startswith("unchanged")
            ]
        lines += [{"day": "", "drug": "", "dose": ""}] * _MORE_LINES
        drugs: dict[str, str] = {}
        for option in weighed.options:
            for _, slots in option.steps:
                drugs |= {"|".join(s.drug.key): f"{' '.join(s.drug.key)} ({_unit(s.drug)})" for s in slots}
        if weighed.ground is not None:
            now = weighed.ground.situation.now
            drugs = {"|".join(s.drug.key): f"{' '.join(s.drug.key)} ({_unit(s.drug)})" for s in now} | drugs
        card = row = None
        if own is not None and "row" in own:
            row = own["row"]
            hold = next(o for o in answer["options"] if o["kind"] == "hold")
            card = option_card("own", "Your schedule", row, hold, answer)
        return {
            "lines": lines,
            "plan_drugs": drugs,
            "own_card": card,
            "own_row": row,
            "own_problems": own_problems or [],
        }


def _unit(drug: Any) -> str:
    return "mcg/h" if drug.is_patch else "mg a day"


def _dose_of(row: Mapping[str, Any]) -> float:
    dose = row["dose_mg_per_day"]
    return float(row["dose_mcg_per_h"] if dose is None else dose)


def _questions(view: Mapping[str, Any]) -> list[entry_form.Question]:
    """Questions of the form of today: those that a reduction needs; each can be answered again."""
    names = [q["variable"] for q in view["needed_questions"]]
    known = [question.variable for question in entry_form.must_ask()]
    return [entry_form.question_of(name) for name in dict.fromkeys([*names, *known])]


def _value_rows(limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sliders of the values with the patient's answers, or the defaults."""
    stated = limits.get("values") or {}
    defaults = vars(ValueJudgements())
    rows = []
    for name, words, low, high, step in _VALUES:
        value = stated.get(name, defaults[name])
        rows.append({"name": name, "words": words, "low": low, "high": high, "step": step, "value": value})
    return rows


@dataclass(frozen=True)
class SentForm:
    """A form that this page opened: the visitor, the texts by field, the contents of files by field."""

    visitor: str
    texts: dict[str, str]
    contents: dict[str, bytes]


def _planned(fields: Mapping[str, str]) -> tuple[list[PlannedDose], list[dict[str, str]]]:
    """Lines of the editable schedule, as doses and as they were written; raises with a problem for each."""
    lines, planned, problems = [], [], []
    for number in range(1, 41):
        line = {name: fields.get(f"{name}_{number}", "").strip() for name in ("day", "drug", "dose")}
        if not line["day"] and not line["dose"]:
            continue
        lines.append(line)
        day = the_date(line["day"])
        try:
            dose = float(line["dose"])
        except ValueError:
            dose = float("nan")
        if day is None:
            problems += problem("schedule", f"line {number}, day", line["day"] or "nothing", "a date").problems
        elif not 0 <= dose < 1e6:
            problems += problem("schedule", f"line {number}, dose", line["dose"] or "nothing", "0 or more").problems
        else:
            name, _, form = line["drug"].partition("|")
            planned.append(PlannedDose(day, (name, form), dose))
    if problems:
        raise _PlanError(problems, lines)
    return planned, lines


class _PlanError(InputError):
    """Problems of the editable schedule, with its lines as they were written."""

    def __init__(self, problems: list[Any], lines: list[dict[str, str]]) -> None:
        super().__init__(problems)
        self.lines = lines


def application(pages: ServedPages) -> FastAPI:
    """The application that a server runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI):  # type: ignore[no-untyped-def]
        yield
        pages.reckoner.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan, **_NOTHING_SENT)
    app.add_middleware(PageGuard)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")

    async def sent(request: Request) -> SentForm:
        """Read a form and refuse it without the token of its visitor."""
        async with request.form(max_files=len(UPLOADED), max_fields=400) as form:
            visitor = pages.visitors.check(pages.visitors.visitor_of(request), form.get(TOKEN_FIELD))
            texts, contents = {}, {}
            for name, value in form.items():
                if isinstance(value, str):
                    texts[name] = value
                elif name in UPLOADED and (content := await value.read()):
                    contents[name] = content
        return SentForm(visitor, texts, contents)

    @app.exception_handler(InputError)
    async def wrong(request: Request, error: InputError) -> Response:
        lines = [str(p) for p in without_folders(error).problems]
        status = 403 if isinstance(error, ForeignFormError) else 422
        return await run_in_threadpool(pages.page, request, "problems.html.jinja", status, problems=lines)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        words = sentence(str(error.detail))
        return await run_in_threadpool(pages.page, request, "problems.html.jinja", error.status_code, problems=[words])

    @app.get("/")
    def start(request: Request) -> Response:
        return pages.start(request)

    @app.get("/list")
    def patient_list(request: Request) -> Response:
        return pages.page(request, "list.html.jinja", **pages.list_values(request))

    @app.post("/example")
    async def example(request: Request) -> Response:
        form = await sent(request)
        return await run_in_threadpool(_example, pages, form.visitor)

    @app.get("/new")
    def new(request: Request) -> Response:
        return _form_page(pages, request, {}, {})

    @app.post("/new")
    async def add(request: Request) -> Response:
        form = await sent(request)
        return await run_in_threadpool(_add, pages, request, form.visitor, form.texts)

    @app.post("/upload")
    async def upload(request: Request) -> Response:
        form = await sent(request)
        return await run_in_threadpool(_upload, pages, request, form.visitor, form.contents)

    @app.get("/patients/{key}")
    def patient(request: Request, key: str) -> Response:
        return pages.patient(request, pages.folder(request, key))

    @app.get("/patients/{key}/details")
    def details(request: Request, key: str) -> Response:
        view = patient_page(pages.reckoner.reckoned(pages.folder(request, key)).weighed)
        return pages.page(request, "details.html.jinja", key=key, view=view, chances=chance_rows(view["answer"]))

    @app.get("/patients/{key}/agreed")
    def agreed(request: Request, key: str) -> Response:
        folder = pages.folder(request, key)
        decisions = decisions_of(folder)
        if not decisions:
            raise HTTPException(404, "nothing is agreed yet")
        return pages.page(request, "agreed.html.jinja", key=key, decision=decisions[0], actions=ACTIONS)

    posts: dict[str, Callable[[ServedPages, Request, PatientFolder, dict[str, str]], Response]] = {
        "plan": _plan,
        "values": _values,
        "today": _today,
        "acknowledge": _acknowledge,
        "decision": _decision,
    }

    def posting(action: Callable[..., Response]) -> Callable[..., Awaitable[Response]]:
        async def post(request: Request, key: str) -> Response:
            form = await sent(request)
            return await run_in_threadpool(lambda: action(pages, request, pages.folder(request, key), form.texts))

        return post

    for name, action in posts.items():
        app.add_api_route(f"/patients/{{key}}/{name}", posting(action), methods=["POST"], response_model=None)
    mount_doors(app, pages.store, pages.reckoner, pages.today)
    return app


def _to(folder: PatientFolder, place: str = "") -> Response:
    return RedirectResponse(f"/patients/{folder.key}{place}", 303)


def _example(pages: ServedPages, visitor: str) -> Response:
    existing = PatientFolder(pages.store.of(visitor) / name_of(_EXAMPLE_ID))
    if existing.path.exists():
        return _to(existing)
    examples = shipped_folder() / "examples"
    files = {name: (examples / source).read_text(encoding="utf-8") for name, source in _EXAMPLE.items()}
    return _to(pages.store.add(visitor, _EXAMPLE_ID, files))


def _form_page(
    pages: ServedPages, request: Request, values: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    return pages.page(
        request,
        "new.html.jinja",
        status,
        sent=defaultdict(str, values),
        errors=dict(errors),
        today=pages.today().isoformat(),
        drugs=entry_form.drugs_by_class(),
        drug_lines=entry_form.DRUG_LINES,
        five=entry_form.FIVE_NUMBERS,
        questions=entry_form.must_ask(),
        risks=entry_form.RISKS,
    )


def _add(pages: ServedPages, request: Request, visitor: str, fields: dict[str, str]) -> Response:
    try:
        patient_id, files = entry_form.entered(fields, pages.today())
        folder = pages.store.add(visitor, patient_id, files)
    except FormError as error:
        return _form_page(pages, request, fields, error.by_field, 422)
    except InputError as error:
        return _form_page(pages, request, fields, {"patient": "; ".join(map(str, error.problems))}, 422)
    return _to(folder)


def _upload(pages: ServedPages, request: Request, visitor: str, contents: Mapping[str, bytes]) -> Response:
    try:
        folders = uploaded(pages.store, visitor, contents)
    except InputError as error:
        return pages.start(request, [str(p) for p in error.problems], 422)
    return _to(folders[0]) if len(folders) == 1 else RedirectResponse("/", 303)


def _plan(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Project the schedule of a form; a script asks for the part of the page, and without it the whole page comes."""
    weighed = pages.reckoner.reckoned(folder).weighed
    answer = weighed.answer.as_dict()
    own: dict[str, Any] = {"lines": []}
    problems: list[str] = []
    try:
        planned, own["lines"] = _planned(fields)
        own["row"] = projected(weighed, planned)
    except _PlanError as error:
        own["lines"], problems = error.lines, [str(p) for p in error.problems]
    except InputError as error:
        problems = [str(p) for p in error.problems]
    status = 422 if problems else 200
    if request.headers.get("hx-request") != "true":
        return pages.patient(request, folder, status, own=own, own_problems=problems)
    values = pages.plan_values(weighed, answer, own, problems)
    view = patient_page_offer(weighed)
    return pages.page(
        request,
        "plan.html.jinja",
        key=folder.key,
        view=view,
        errors={},
        sent=defaultdict(str),
        actions=ACTIONS,
        **values,
    )


def patient_page_offer(weighed: Weighed) -> dict[str, Any]:
    """What the part of the page with the schedule needs of the whole."""
    view = patient_page(weighed)
    return {name: view[name] for name in ("offer", "answer", "can_project")}


def _values(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Keep what the patient values, and the next dose at which the taper stops for a review."""
    limits = folder.limits()
    values: dict[str, Any] = {}
    wrong = []
    for name, _, low, high, _ in _VALUES:
        text = fields.get(name, "").strip()
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if low <= value <= high:
            values[name] = int(value) if name == "outlook_days" else value
        else:
            wrong += problem("values", name, text or "nothing", f"{low:g} to {high:g}").problems
    milestones = dict(limits.get("milestones") or {})
    for field in (name for name in fields if name.startswith("milestone_")):
        drug_class, text = field.removeprefix("milestone_"), fields[field].strip()
        milestones.pop(drug_class, None)
        if text:
            try:
                milestones[drug_class] = [float(text)]
            except ValueError:
                wrong += problem("values", f"milestone, {drug_class}", text, "equivalents a day above 0").problems
    if wrong:
        raise InputError(wrong)
    limits |= {"values": values, "milestones": milestones}
    prefer = fields.get("prefer", "")
    if prefer in ("fastest", "least loss"):
        limits["prefer"] = prefer
    _keep_limits(folder, limits)
    return _to(folder, "#values")


def _keep_limits(folder: PatientFolder, limits: dict[str, Any]) -> None:
    parse("limits", limits, Limits)
    folder.write(LIMITS_FILE, yaml.safe_dump(limits, sort_keys=False, allow_unicode=True))


def _today(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Add today's numbers and answers to the check-ins, and ask for that day."""
    errors: dict[str, str] = {}
    rows = entry_form.today_rows(fields, errors)
    day = the_date(fields.get("as_of", "").strip() or pages.today().isoformat())
    as_of = date.fromisoformat(str(pages.reckoner.reckoned(folder).weighed.answer.fields["as_of"]))
    if day is None or day < as_of or day > max(pages.today(), as_of):
        allowed = f"{as_of} or a later day up to today"
        errors["as_of"] = f"given {shown(fields.get('as_of', '')) or 'nothing'}; allowed: {allowed}"
    if folder.is_bundle:
        errors["as_of"] = "the records are a FHIR bundle: send a newer bundle"
    if not rows and not errors:
        errors["as_of"] = "given no number and no answer; allowed: at least one"
    if errors or day is None:
        return pages.patient(request, folder, 422, errors=errors, sent=fields)
    path = folder.path / CHECKIN_FILE
    earlier = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    history = folder.history()
    added = entry_form.checkin_text(history.patient_id, day, rows)
    folder.write(CHECKIN_FILE, entry_form.joined_checkins(earlier, added))
    folder.write(ABOUT_FILE, json.dumps(folder.about() | {"id": history.patient_id, "as_of": day.isoformat()}))
    return _to(folder)


def _acknowledge(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Keep that a named person has acknowledged a flag, with the reason."""
    limits = folder.limits()
    signed = {"by": fields.get("by", ""), "reason": fields.get("reason", "")}
    limits["acknowledged"] = dict(limits.get("acknowledged") or {}) | {fields.get("flag", ""): signed}
    _keep_limits(folder, limits)
    return _to(folder)


def _decision(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Write the decision to the log and show what was agreed."""
    weighed = pages.reckoner.reckoned(folder).weighed
    own_rows = None
    own: dict[str, Any] | None = None
    try:
        if fields.get("own") == "yes":
            planned, lines = _planned(fields)
            row = projected(weighed, planned)
            own = {"lines": lines, "row": row}
            if row["status"] != "offered":
                raise FormError({"option": f"given a schedule that is not offered; {row['status']}"})
            own_rows = row["schedule"]
        decide(folder, weighed.answer, fields, pages.today(), own_rows)
    except FormError as error:
        return pages.patient(request, folder, 422, errors=error.by_field, sent=fields, own=own)
    return _to(folder, "/agreed")
