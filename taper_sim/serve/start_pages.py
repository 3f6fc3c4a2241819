"""The first page, the list of patients, and the ways to begin: example, form, files. Imports ``served_pages``."""

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from taper_sim.api.examples import shipped_folder
from taper_sim.data.patient_files import BASELINE_FILE, CHECKIN_FILE, DOSE_FILE, LIMITS_FILE
from taper_sim.data.problems import InputError
from taper_sim.serve import entry_form
from taper_sim.serve.caregiver_consent import CAREGIVER, parts_shared
from taper_sim.serve.entry_form import FormError
from taper_sim.serve.patient_list import patient_rows
from taper_sim.serve.patient_view import URGENCY_WORDS
from taper_sim.serve.served_pages import ServedPages, to_patient
from taper_sim.serve.sign_in import POLLED
from taper_sim.serve.store.audit_chain import ACTING
from taper_sim.serve.store.consent_records import CONSENT_PARTS
from taper_sim.serve.uploads import uploaded
from taper_sim.units import WEEK_D

_EXAMPLE: Final = {
    CHECKIN_FILE: "checkins.csv",
    DOSE_FILE: "doses.csv",
    BASELINE_FILE: "assessment.yaml",
    LIMITS_FILE: "limits.yaml",
}
_EXAMPLE_ID: Final = "p1"
_DATE: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


def add_start_pages(app: FastAPI, pages: ServedPages) -> None:
    """Add the addresses of these pages."""

    @app.get("/")
    def start(request: Request) -> Response:
        return _start_page(pages, request)

    @app.get("/list")
    def patient_list(request: Request) -> Response:
        return pages.page(request, "list.html.jinja", **_list_values(pages, request))

    @app.post("/example")
    async def example(request: Request) -> Response:
        form = await pages.sent(request)
        return await run_in_threadpool(_example, pages, form.visitor)

    @app.get("/new")
    def new(request: Request) -> Response:
        return _form_page(pages, request, {}, {})

    @app.post("/new")
    async def add(request: Request) -> Response:
        form = await pages.sent(request)
        return await run_in_threadpool(_add, pages, request, form.visitor, form.texts)

    @app.post("/upload")
    async def upload(request: Request) -> Response:
        form = await pages.sent(request)
        return await run_in_threadpool(_upload, pages, request, form.visitor, form.contents)


def _start_page(pages: ServedPages, request: Request, problems: list[str] | None = None, status: int = 200) -> Response:
    """The first page: how to begin, and the list of patients."""
    actor = ACTING.get()
    if actor.role == CAREGIVER:
        return pages.page(request, "shared.html.jinja", shared=_shared(pages, actor.name))
    return pages.page(request, "start.html.jinja", status, problems=problems or [], **_list_values(pages, request))


def _list_values(pages: ServedPages, request: Request) -> dict[str, Any]:
    """Values of the list of patients, filtered by clinician."""
    visitor = pages.visitors.visitor_of(request) or ""
    rows = patient_rows(pages.store.folders(visitor), pages.reckoner, pages.today())
    clinicians = sorted({row.clinician for row in rows if row.clinician})
    chosen = request.query_params.get("clinician", "")
    shown_rows = [row for row in rows if not chosen or row.clinician == chosen]
    waiting = any(row.is_waiting for row in rows)
    return {"rows": shown_rows, "clinicians": clinicians, "clinician": chosen, "is_waiting": waiting} | {
        "is_polled": request.url.path == POLLED,
        "urgency_words": URGENCY_WORDS,
    }


def _shared(pages: ServedPages, account: str) -> list[dict[str, Any]]:
    """Patients of a caregiver, with the parts that each has allowed them to see."""
    rows = []
    for key, parts in parts_shared(pages.store.database, account).items():
        folder = pages.store.folder("", key)
        if folder is not None:
            patient_id = folder.about().get("id") or folder.history().patient_id
            rows.append(
                {"key": key, "patient_id": patient_id, "parts": [(part, CONSENT_PARTS[part]) for part in parts]}
            )
    return rows


def _example(pages: ServedPages, visitor: str) -> Response:
    existing = pages.store.of_id(visitor, _EXAMPLE_ID)
    if existing is not None:
        return to_patient(existing)
    examples = shipped_folder() / "examples"
    files = {name: (examples / source).read_text(encoding="utf-8") for name, source in _EXAMPLE.items()}
    return to_patient(pages.store.add(visitor, _EXAMPLE_ID, _moved(files, pages.today())))


def _moved(files: Mapping[str, str], today: date) -> dict[str, str]:
    """Files whose dates are moved by whole weeks, so that the last lies within the seven days up to today.

    Else the plan of an old example would begin and end before it is agreed.
    """
    days = [date.fromisoformat(text) for text in _DATE.findall("\n".join(files.values()))]
    by = timedelta(weeks=(today - max(days)).days // WEEK_D)
    return {
        name: _DATE.sub(lambda match: (date.fromisoformat(match[0]) + by).isoformat(), text)
        for name, text in files.items()
    }


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
    return to_patient(folder)


def _upload(pages: ServedPages, request: Request, visitor: str, contents: Mapping[str, bytes]) -> Response:
    try:
        folders = uploaded(pages.store, visitor, contents)
    except InputError as error:
        return _start_page(pages, request, [str(p) for p in error.problems], 422)
    return to_patient(folders[0]) if len(folders) == 1 else RedirectResponse("/", 303)
