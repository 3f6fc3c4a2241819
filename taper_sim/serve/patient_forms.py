"""What one patient's pages do: their addresses, and the forms that change their files. Imports ``patient_pages``.

A page is read without scripts; a script only spares a reload.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import yaml
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from taper_sim.data.checkins import the_date
from taper_sim.data.patient_files import ABOUT_FILE, ADDED_FILE, CHECKIN_FILE, LIMITS_FILE
from taper_sim.data.problems import InputError, problem, shown
from taper_sim.data.yaml_input import parse
from taper_sim.recommend.own_plan import PlannedDose, Weighed, projected
from taper_sim.safety.limits import Limits
from taper_sim.serve import entry_form
from taper_sim.serve.agreement import ACTIONS, decide, decisions_of
from taper_sim.serve.alerts import take_step
from taper_sim.serve.entry_form import FormError
from taper_sim.serve.patient_pages import VALUES, patient_response, plan_values
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.patient_view import chance_rows, patient_page
from taper_sim.serve.served_pages import ServedPages, to_patient


def add_patient_pages(app: FastAPI, pages: ServedPages) -> None:
    """Add the addresses of these pages."""

    @app.get("/patients/{key}")
    def patient(request: Request, key: str) -> Response:
        return patient_response(pages, request, pages.folder(request, key))

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
        "alert": _alert,
    }

    for name, action in posts.items():
        app.add_api_route(f"/patients/{{key}}/{name}", pages.posting(action), methods=["POST"], response_model=None)


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
        return patient_response(pages, request, folder, status, own=own, own_problems=problems)
    values = plan_values(weighed, answer, own, problems)
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
    values: dict[str, Any] = {}
    wrong = []
    for name, _, low, high, _ in VALUES:
        text = fields.get(name, "").strip()
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if low <= value <= high:
            values[name] = int(value) if name == "outlook_days" else value
        else:
            wrong += problem("values", name, text or "nothing", f"{low:g} to {high:g}").problems
    milestones: dict[str, list[float]] = {}
    for field in (name for name in fields if name.startswith("milestone_")):
        drug_class, text = field.removeprefix("milestone_"), fields[field].strip()
        milestones[drug_class] = []  # an empty field removes the milestone
        if text:
            try:
                milestones[drug_class] = [float(text)]
            except ValueError:
                wrong += problem("values", f"milestone, {drug_class}", text, "equivalents a day above 0").problems
    if wrong:
        raise InputError(wrong)
    with folder.changing("values changed"):
        limits = folder.limits() | {"values": values}
        limits["milestones"] = {**dict(limits.get("milestones") or {}), **milestones}
        limits["milestones"] = {name: doses for name, doses in limits["milestones"].items() if doses}
        prefer = fields.get("prefer", "")
        if prefer in ("fastest", "least loss"):
            limits["prefer"] = prefer
        _keep_limits(folder, limits)
    return to_patient(folder, "#values")


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
    if not rows and not errors:
        errors["as_of"] = "given no number and no answer; allowed: at least one"
    if errors or day is None:
        return patient_response(pages, request, folder, 422, errors=errors, sent=fields)
    name = ADDED_FILE if folder.is_bundle else CHECKIN_FILE
    try:
        _add_rows(folder, name, day, rows)
    except InputError as error:
        words = "; ".join(f"given {p.given}; allowed: {p.allowed}" for p in error.problems)
        return patient_response(pages, request, folder, 422, errors={"as_of": words}, sent=fields)
    return to_patient(folder)


def _add_rows(folder: PatientFolder, name: str, day: date, rows: list[tuple[str, float]]) -> None:
    """Add rows to a file of check-ins and move the day of the question; nothing changes if a reader refuses them."""
    with folder.changing("numbers of a day added"):
        now = folder.snapshot()
        patient_id = now.history().patient_id
        earlier = now.text(name) if now.existing(name) else ""
        joined = entry_form.joined_checkins(earlier, entry_form.checkin_text(patient_id, day, rows))
        about = json.dumps(now.about() | {"id": patient_id, "as_of": day.isoformat()})
        folder.write_all({name: joined, ABOUT_FILE: about})
        folder.snapshot().check()


def _acknowledge(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Keep that a named person has acknowledged a flag, with the reason."""
    signed = {"by": fields.get("by", ""), "reason": fields.get("reason", "")}
    with folder.changing("flag acknowledged"):
        limits = folder.limits()
        limits["acknowledged"] = dict(limits.get("acknowledged") or {}) | {fields.get("flag", ""): signed}
        _keep_limits(folder, limits)
    return to_patient(folder)


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
        with folder.changing("decision"):
            decide(folder, weighed.answer, fields, pages.today(), own_rows)
    except FormError as error:
        return patient_response(pages, request, folder, 422, errors=error.by_field, sent=fields, own=own)
    return to_patient(folder, "/agreed")


def _alert(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Take an alert, or answer it."""
    take_step(folder, fields.get("alert", ""), fields.get("step", ""), fields.get("who", ""), fields.get("text", ""))
    return RedirectResponse("/", 303)
