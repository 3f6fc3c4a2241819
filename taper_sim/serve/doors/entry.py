"""How a request enters a door: who calls, how large, strict JSON, problems as lines. Imports ``data``.

An answer is never an HTML page, and an error is a status with one line for each problem, in the words of the command
line.
"""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from taper_sim.data.fhir.json_input import parsed_json
from taper_sim.data.problems import InputError, problem, shown
from taper_sim.data.yaml_input import parse
from taper_sim.serve.accounts import PROGRAM
from taper_sim.serve.page_guard import is_loopback
from taper_sim.serve.record_folder import without_folders
from taper_sim.serve.store.audit_chain import ACTING

MAX_SENT_BYTES: Final = 5_000_000
"""Largest body that a door takes: two years of daily reports as FHIR have about 3 MB. Assumption A139."""
SENT: Final = "request"
"""Name of the body in problems, where the command line has the name of a file."""


class DoorError(Exception):
    """A refusal with its status."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.status, self.lines = status, lines


def caller_of(request: Request) -> str:
    """Who calls: the account of a program, which the guard of the pages knows, or ``this machine`` without accounts.

    Raises
    ------
    DoorError
        403 for another machine where there are no accounts.
    """
    actor = ACTING.get()
    if actor.role == PROGRAM:
        return actor.name
    host = request.client.host if request.client is not None else ""
    if not is_loopback(host):
        raise DoorError(403, f"caller: given {shown(host)}; allowed: this machine alone, because there are no accounts")
    return "this machine"


async def json_of(request: Request) -> Any:
    """The body as strict JSON: UTF-8, no key twice, no NaN, nothing after the end.

    Raises
    ------
    DoorError
        413 for a body that is too large, 415 for another type of content.
    InputError
        For text that is not such JSON.
    """
    kind, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    charset = next((p.partition("=")[2].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if kind not in ("application/json", "application/fhir+json") or charset not in ("utf-8", "utf8"):
        given = shown(request.headers.get("content-type", "")) or "no content-type"
        raise DoorError(415, f"content-type: given {given}; allowed: application/json in UTF-8")
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_SENT_BYTES:
            allowed = f"at most {MAX_SENT_BYTES // 1_000_000} MB"
            raise DoorError(413, f"{SENT}: given more than {MAX_SENT_BYTES:,} bytes; allowed: {allowed}")
    try:
        text = bytes(content).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise problem(SENT, "", "bytes that are no text", "JSON in UTF-8") from None
    return parsed_json(Path(SENT), text, "a JSON object")


async def sent_as[Model: BaseModel](request: Request, model: type[Model]) -> Model:
    """The body as a model; raises as :func:`json_of`, and InputError with every problem of the content."""
    return parse(SENT, await json_of(request), model)


def refusal(status: int, lines: Any) -> Response:
    """The answer to a request that is not answered."""
    return JSONResponse({"problems": list(lines)}, status)


class DoorRoute(APIRoute):
    """A route of a door: every refusal is JSON with a line for each problem."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its errors as answers."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await inner(request)
            except DoorError as error:
                return refusal(error.status, error.lines)
            except InputError as error:
                return refusal(422, (str(p) for p in without_folders(error).problems))
            except HTTPException as error:
                return refusal(error.status_code, [str(error.detail)])

        return handler


async def computed[Result](work: Callable[[], Result]) -> Result:
    """Run work that takes longer than a moment in a thread, so that other requests go on."""
    return await run_in_threadpool(work)
