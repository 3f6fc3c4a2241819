"""The addresses of the fake EHR: SMART configuration, authorization, token, FHIR read and search."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from tests.serve.fake_ehr.people import Json, people

CLIENT_ID: Final = "taper-sim"
_PAGE: Final = 40
"""Resources of one page of a search: small, so that a record has several."""


@dataclass
class FakeEhr:
    """What the EHR knows: its patients, and the launches, codes and tokens that it gave."""

    base: str
    today: date
    launches: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    resources: dict[str, list[Json]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.resources = self.resources or people(self.today)

    def launch_of(self, patient_id: str) -> str:
        """A launch of one patient, as the EHR gives it to the browser."""
        launch = secrets.token_urlsafe(16)
        self.launches[launch] = patient_id
        return launch


def _error(status: int, text: str) -> Response:
    return JSONResponse({"resourceType": "OperationOutcome", "issue": [{"diagnostics": text}]}, status)


def fake_ehr_application(ehr: FakeEhr) -> FastAPI:
    """The application; ``ehr.base`` ends with ``/fhir``."""
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def noted(request: Request, go_on: Any) -> Response:
        ehr.asked.append(f"{request.method} {request.url.path}")
        return await go_on(request)

    @app.get("/")
    def start() -> Response:
        rows = "".join(f'<li><a href="/open/{name}">{name}</a></li>' for name in ehr.resources)
        return HTMLResponse(f"<!doctype html><title>Fake EHR</title><h1>Fake EHR</h1><ul>{rows}</ul>")

    @app.get("/open/{patient_id}")
    def opened(patient_id: str, app_url: str = "http://127.0.0.1:8000/smart/launch") -> Response:
        query = urlencode({"iss": ehr.base, "launch": ehr.launch_of(patient_id)})
        return RedirectResponse(f"{app_url}?{query}", 303)

    @app.get("/fhir/.well-known/smart-configuration")
    def configuration() -> Json:
        root = ehr.base.removesuffix("/fhir")
        return {
            "authorization_endpoint": f"{root}/authorize",
            "token_endpoint": f"{root}/token",
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "client-public", "context-ehr-patient"],
        }

    @app.get("/authorize")
    def authorize(request: Request) -> Response:
        asked = dict(request.query_params)
        good = (
            asked.get("response_type") == "code"
            and asked.get("client_id") == CLIENT_ID
            and asked.get("aud") == ehr.base
            and asked.get("launch") in ehr.launches
            and asked.get("code_challenge_method") == "S256"
            and bool(asked.get("state"))
            and "launch" in asked.get("scope", "").split()
        )
        if not good:
            return _error(400, "a request of authorization that is not one")
        code = secrets.token_urlsafe(16)
        ehr.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 303)

    @app.post("/token")
    async def token(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = ehr.codes.pop(form.get("code", ""), None)  # a code is used once
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"] or form.get("client_id") != CLIENT_ID:
            return JSONResponse({"error": "invalid_grant"}, 400)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        patient_id, value = ehr.launches.pop(asked["launch"]), secrets.token_urlsafe(16)
        ehr.tokens[value] = patient_id
        return JSONResponse({"access_token": value, "token_type": "Bearer", "expires_in": 300, "patient": patient_id})

    def of_bearer(request: Request) -> str | None:
        return ehr.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    @app.get("/fhir/Patient/{patient_id}")
    def patient(request: Request, patient_id: str) -> Response:
        if of_bearer(request) != patient_id:
            return _error(401, "no token of this patient")
        return JSONResponse(ehr.resources[patient_id][0])

    @app.get("/fhir/{kind}")
    def search(request: Request, kind: str, patient: str = "", page: int = 0) -> Response:
        if of_bearer(request) != patient:
            return _error(401, "no token of this patient")
        if kind == "QuestionnaireResponse":
            return _error(403, "not in the scope of this server")
        matching = [r for r in ehr.resources[patient] if r["resourceType"] == kind]
        bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(matching)}
        bundle["entry"] = [{"resource": r} for r in matching[page * _PAGE : (page + 1) * _PAGE]]
        if len(matching) > (page + 1) * _PAGE:
            url = f"{ehr.base}/{kind}?{urlencode({'patient': patient, 'page': page + 1})}"
            bundle["link"] = [{"relation": "next", "url": url}]
        return JSONResponse(bundle)

    return app
