"""The application of the pages: its addresses and how it answers problems. Imports the other modules of ``serve``."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from taper_sim.data.problems import InputError
from taper_sim.serve.doors.mounting import mount_doors
from taper_sim.serve.page_guard import ForeignFormError, PageGuard
from taper_sim.serve.papers.paper_routes import paper_router
from taper_sim.serve.patient_forms import add_patient_pages
from taper_sim.serve.record_folder import without_folders
from taper_sim.serve.served_pages import ServedPages
from taper_sim.serve.sign_in import AccessGuard, add_sign_in_pages
from taper_sim.serve.start_pages import add_start_pages

_NOTHING_SENT: Final[dict[str, Any]] = {
    "telemetry": {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
}
"""FastAPI can send traces to another machine if a variable of the environment asks for it; these pages never do."""


def application(pages: ServedPages) -> FastAPI:
    """The application that a server runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI):  # type: ignore[no-untyped-def]
        yield
        pages.reckoner.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan, **_NOTHING_SENT)
    app.add_middleware(AccessGuard, pages=pages)
    app.add_middleware(PageGuard, is_encrypted=pages.is_encrypted)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")

    @app.exception_handler(InputError)
    async def wrong(request: Request, error: InputError) -> Response:
        lines = [str(p) for p in without_folders(error).problems]
        status = 403 if isinstance(error, ForeignFormError) else 422
        return await run_in_threadpool(pages.page, request, "problems.html.jinja", status, problems=lines)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return await run_in_threadpool(pages.problem, request, str(error.detail), error.status_code)

    add_sign_in_pages(app, pages)
    add_start_pages(app, pages)
    add_patient_pages(app, pages)
    app.include_router(paper_router(pages))
    mount_doors(app, pages.store, pages.reckoner, pages.today)
    return app
