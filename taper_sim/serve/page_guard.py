"""What every request passes: names of this machine, size of the body, headers, tokens of forms. Imports ``data``.

On loopback the page answers only under the names of this machine, so that another site cannot reach it under a name of
its own (DNS rebinding); beyond loopback the certificate prevents that. A form is taken only with a token of the visitor
who opened it. A failure is logged by its type and place in the code: a message could hold a patient's data.
"""

import hashlib
import hmac
import ipaddress
import secrets
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taper_sim.data.problems import InputError, problem

MAX_BODY_BYTES: Final = 20_000_000
"""Largest body of a request: a check-in file of several years has less than 5 MB. A design choice."""
VISITOR_COOKIE: Final = "taper_sim_visitor"
TOKEN_FIELD: Final = "token"  # noqa: S105  the name of a field, no secret
STATIC: Final = "/static/"
_TOO_LARGE: Final = f"the file is too large; allowed: {MAX_BODY_BYTES // 1_000_000} MB"
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


_YEAR_S: Final = 31_536_000


def is_loopback(host: str) -> bool:
    """Whether a name or address reaches this machine alone."""
    name = host.strip().strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str:
    """Host without its port."""
    if host.startswith("["):
        return host.partition("]")[0]
    return host.partition(":")[0]


class PageGuard:
    """Refuses what this page must not answer, and adds the headers of every answer.

    Attributes
    ----------
    is_encrypted : bool
        Whether the pages are served by TLS, to other machines too.
    log : callable
        Receives a line for each failure, without patients' data.
    """

    def __init__(self, app: ASGIApp, is_encrypted: bool = False, log: Callable[[str], None] | None = None) -> None:
        self.app, self.is_encrypted = app, is_encrypted
        self.log = log or (lambda line: print(line, file=sys.stderr, flush=True))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason of the refusal."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_begun = False

        async def noted(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        with_headers = _with_headers(noted, scope["path"].startswith(STATIC), self.is_encrypted)
        refusal = _refusal(scope, self.is_encrypted)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        try:
            await self.app(scope, limited, with_headers)
        except Exception as error:
            self.log(f"taper-sim serve: {type(error).__name__} at {_place_of(error)}")
            if not is_begun:
                failed = PlainTextResponse("the page failed; nothing was changed", 500)
                await failed(scope, receive, with_headers)


def _place_of(error: Exception) -> str:
    """File and line where an error was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _refusal(scope: Scope, is_encrypted: bool) -> Response | None:
    headers = Headers(scope=scope)
    if not is_encrypted and not is_loopback(_name_of(headers.get("host", ""))):
        return PlainTextResponse("this page answers only under the names of its own machine", 421)
    if scope["method"] not in ("GET", "HEAD", "POST"):
        return PlainTextResponse("allowed: GET, HEAD, POST", 405)
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return PlainTextResponse("a form of another page is not taken", 403)
    if headers.get("sec-fetch-site") == "cross-site" and scope["method"] == "POST":
        return PlainTextResponse("a form of another page is not taken", 403)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        return PlainTextResponse(_TOO_LARGE, 413)
    return None


def _with_headers(send: Send, is_static: bool, is_encrypted: bool) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if is_encrypted:
                headers["strict-transport-security"] = f"max-age={_YEAR_S}"
            if not is_static:
                headers["cache-control"] = "no-store"
        await send(message)

    return sending


@dataclass(frozen=True)
class Visitors:
    """Visitors of one process: a cookie names a browser, and a token proves that a form was opened by it.

    Attributes
    ----------
    secret : bytes
        Of this process; a form opened before a restart is refused.
    is_encrypted : bool
        Whether the cookie is sent by TLS only.
    """

    is_encrypted: bool = False

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def visitor_of(self, request: Request) -> str | None:
        """The visitor named by a cookie that this process wrote; else None."""
        name, _, signature = request.cookies.get(VISITOR_COOKIE, "").partition(".")
        return name if name and hmac.compare_digest(signature, self._signed(f"visitor {name}")) else None

    def welcome(self) -> str:
        """A new visitor."""
        return secrets.token_hex(16)

    def remember(self, response: Response, visitor: str) -> None:
        """Write the visitor's cookie: no script reads it, and no other site sends it."""
        value = f"{visitor}.{self._signed(f'visitor {visitor}')}"
        response.set_cookie(VISITOR_COOKIE, value, httponly=True, samesite="strict", secure=self.is_encrypted, path="/")

    def token_of(self, visitor: str) -> str:
        """The token of a visitor's forms."""
        return self._signed(f"form {visitor}")

    def check(self, visitor: str | None, token: object) -> str:
        """The visitor of a form; raises InputError if the form was not opened by this browser in this process."""
        if visitor is None or not isinstance(token, str) or not hmac.compare_digest(token, self.token_of(visitor)):
            raise ForeignFormError
        return visitor

    def _signed(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()


class ForeignFormError(InputError):
    """A form without the token of its visitor."""

    def __init__(self) -> None:
        super().__init__(
            problem("form", "", "a form that this page did not open", "open the page and send it again").problems
        )
