"""Puts the doors into the application of the pages. Imports the other modules of ``doors``, ``serve``."""

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from taper_sim.serve.doors.card_log import CARD_FILE, CardLog
from taper_sim.serve.doors.cds_hooks import hooks_router
from taper_sim.serve.doors.json_api import OPENAPI, api_router, described
from taper_sim.serve.patient_store import PatientFolder, PatientStore
from taper_sim.serve.reckoner import Reckoner

_DOORS: Final = "doors"
"""The visitor whose patients the doors have where each browser has its own."""


def mount_doors(app: FastAPI, store: PatientStore, reckoner: Reckoner, today: Callable[[], date]) -> None:
    """Add the routes of every door.

    Parameters
    ----------
    app : FastAPI
    store : PatientStore
        Holds the decision logs.
    reckoner : Reckoner
    today : callable
        Gives the day of today.
    """

    def log_of(patient_id: str) -> PatientFolder:
        return store.with_log(_DOORS, patient_id)

    def links(request: Request) -> list[dict[str, str]]:
        base = str(request.base_url).rstrip("/")
        launch = getattr(request.app.state, "launch", None)
        if launch is None:
            return [{"label": "Open taper_sim", "url": f"{base}/", "type": "absolute"}]
        return [{"label": "Open the patient in taper_sim", "url": f"{base}{launch}", "type": "smart"}]

    api = api_router(reckoner, log_of, today)
    app.include_router(api)
    cards = CardLog(store.root / CARD_FILE, log_of)
    app.include_router(hooks_router(reckoner, cards, today, links))

    @cache
    def description() -> dict[str, Any]:
        return described(api)

    @app.get(OPENAPI, include_in_schema=False)
    def openapi() -> Response:
        return JSONResponse(description())
