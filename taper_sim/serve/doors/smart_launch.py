"""SMART launch: from the EHR to the page of the same patient. Imports ``doors.smart_client``, ``serve``.

A launch belongs to the browser that began it: its state is taken only with the launch's own cookie. The cookie of the
visitor is not sent by a browser that comes from another site; a page of this server therefore stands between the return
from the EHR and the patient. Tokens are used once and are kept nowhere.
"""

import json
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from taper_sim.data.fhir.bundle import bundle_reading
from taper_sim.data.patient_files import ABOUT_FILE, BUNDLE_FILE
from taper_sim.data.problems import problem, shown
from taper_sim.report.page_templates import template_environment
from taper_sim.serve.doors.smart_client import FhirServer, FhirServerError, Pkce, SmartEndpoints
from taper_sim.serve.pages import ServedPages
from taper_sim.serve.patient_store import PatientFolder, PatientStore

LAUNCH: Final = "/smart/launch"
_CALLBACK: Final = "/smart/callback"
_OPEN: Final = "/smart/open"
_COOKIE: Final = "taper_sim_launch"
_LASTS_S: Final = 600
_MOST_LAUNCHES: Final = 1_000
"""How long a launch may take, seconds, and how many may be under way. Design choices."""


@dataclass(frozen=True)
class _Launch:
    browser: str
    pkce: Pkce
    endpoints: SmartEndpoints
    redirect: str
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class _Arrived:
    browser: str
    patient_id: str
    bundle: dict[str, Any] = field(repr=False)
    began: float = field(default_factory=time.monotonic)


class Launches:
    """What is under way, by a secret that is used once."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Launch | _Arrived] = OrderedDict()

    def add(self, waiting: _Launch | _Arrived) -> str:
        """Keep it under a new secret."""
        key = secrets.token_urlsafe(32)
        self._waiting[key] = waiting
        while len(self._waiting) > _MOST_LAUNCHES:
            self._waiting.popitem(last=False)
        return key

    def taken[Kind: (_Launch, _Arrived)](self, key: str, kind: type[Kind], browser: str) -> Kind:
        """What a secret names; raises HTTPException if it is unknown, too old, used, or of another browser."""
        waiting = self._waiting.pop(key, None)
        if not isinstance(waiting, kind) or time.monotonic() - waiting.began > _LASTS_S or waiting.browser != browser:
            raise HTTPException(400, "this launch is over or of another browser: start it again from the EHR")
        return waiting


def mount_smart_launch(app: FastAPI, pages: ServedPages, server: FhirServer) -> None:
    """Add the routes of the launch from one FHIR server; the cards of CDS Hooks then link to it."""
    launches, router = Launches(), APIRouter(include_in_schema=False)
    template = template_environment("taper_sim.serve.doors").get_template("arrived.html.jinja")

    @router.get(LAUNCH)
    async def launch(request: Request, iss: str = "", launch: str = "") -> Response:
        if iss.rstrip("/") != server.base:
            given = shown(iss) or "nothing"
            raise HTTPException(400, f"iss: given {given}; allowed: {server.base}, the server of --fhir-server")
        if not launch:
            raise HTTPException(400, "launch: given nothing; allowed: the launch that the EHR sends")
        try:
            endpoints = await server.endpoints()
        except FhirServerError as error:
            raise HTTPException(502, str(error)) from None
        browser, redirect = secrets.token_urlsafe(32), str(request.base_url).rstrip("/") + _CALLBACK
        began = _Launch(browser, Pkce(), endpoints, redirect)
        state = launches.add(began)
        response = RedirectResponse(server.authorize_url(endpoints, began.pkce, state, launch, redirect), 303)
        response.set_cookie(_COOKIE, browser, max_age=_LASTS_S, httponly=True, samesite="lax", path="/smart")
        return response

    @router.get(_CALLBACK)
    async def callback(request: Request, state: str = "", code: str = "", error: str = "") -> Response:
        began = launches.taken(state, _Launch, request.cookies.get(_COOKIE, ""))
        if error or not code:
            raise HTTPException(403, f"the EHR gave no access: {shown(error) or 'no code'}")
        try:
            granted = await server.granted(began.endpoints, code, began.pkce, began.redirect)
            bundle = await server.record(granted, pages.today())
        except FhirServerError as failed:
            raise HTTPException(502, str(failed)) from None
        ticket = launches.add(_Arrived(began.browser, granted.patient_id, bundle))
        return HTMLResponse(template.render(address=f"{_OPEN}?ticket={ticket}"))

    @router.get(_OPEN)
    async def opened(request: Request, ticket: str = "") -> Response:
        arrived = launches.taken(ticket, _Arrived, request.cookies.get(_COOKIE, ""))
        visitor = pages.visitors.visitor_of(request) or pages.visitors.welcome()
        folder = await run_in_threadpool(
            kept_record, pages.store, visitor, arrived.patient_id, arrived.bundle, pages.today()
        )
        response = RedirectResponse(f"/patients/{folder.key}", 303)
        pages.visitors.remember(response, visitor)
        return response

    app.include_router(router)
    app.state.launch = LAUNCH


def kept_record(
    store: PatientStore, visitor: str, patient_id: str, bundle: dict[str, Any], today: date
) -> PatientFolder:
    """Keep a record of the EHR as a patient; a later record of the same patient takes its place.

    Raises
    ------
    InputError
        If the record cannot be read, or if the patient is here from other files.
    """
    files = {BUNDLE_FILE: json.dumps(bundle), ABOUT_FILE: json.dumps({"id": patient_id, "as_of": today.isoformat()})}
    if patient_id not in bundle_reading(Path(BUNDLE_FILE), bundle).histories:
        raise problem(BUNDLE_FILE, "Patient", f"no Patient {shown(patient_id)}", "a Patient that can be read")
    folder = store.of_id(visitor, patient_id)
    if folder is None or not folder.hashes():
        return store.add(visitor, patient_id, files)
    if not folder.is_bundle:
        raise problem("patient", "", shown(patient_id), "a patient who is not here already from files or a form")
    folder.write_all(files)
    return folder
