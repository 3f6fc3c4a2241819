"""Sign-in and the guard that asks the table for every request. Imports ``access``, ``accounts``, ``served_pages``.

Without accounts every request passes, as the actor of this machine. With accounts a request needs a session, a row of
the table that allows its role, and for a caregiver the patient's consent. What is seen of a patient is audited too.
"""

from typing import Final

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from taper_sim.serve.access import REQUESTS_A_MINUTE, SIGN_INS_A_MINUTE, Asked, RateLimit, asked
from taper_sim.serve.accounts import SignInError, actor_of_token, has_accounts, sign_in
from taper_sim.serve.page_guard import STATIC
from taper_sim.serve.served_pages import ServedPages
from taper_sim.serve.store.audit_chain import Deed, acting
from taper_sim.serve.store.database import StoreDatabase

SIGN_IN: Final = "/sign-in"
POLLED: Final = "/list"
"""Asked by a script and not by a person: it does not make a session last longer."""


class AccessGuard:
    """Refuses what the actor of a request may not do."""

    def __init__(self, app: ASGIApp, pages: ServedPages) -> None:
        self.app, self.pages = app, pages
        self._requests, self._sign_ins = RateLimit(REQUESTS_A_MINUTE), RateLimit(SIGN_INS_A_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as its actor, or answer it with the reason of the refusal."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path.startswith(STATIC) or not self.pages.needs_sign_in():
            await self.app(scope, receive, send)
            return
        address = (scope.get("client") or ("", 0))[0]
        is_over = self._requests.is_over(address)
        if path == SIGN_IN and scope["method"] == "POST":
            is_over = self._sign_ins.is_over(address) or is_over
        if is_over:
            refusal: Response = PlainTextResponse("too many requests; try again in a minute", 429)
            await refusal(scope, receive, send)
            return
        if path == SIGN_IN:
            await self.app(scope, receive, send)
            return
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            actor = actor_of_token(self.pages.store.database, token.strip())
        else:
            actor = self.pages.actor(Request(scope), is_use=path != POLLED)
        if actor is None:
            wants_page = scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "text/html")
            refusal = RedirectResponse(SIGN_IN, 303) if wants_page else PlainTextResponse("sign in first", 401)
            await refusal(scope, receive, send)
            return
        with acting(actor):
            database = self.pages.store.database
            request = asked(database, actor, scope["method"], path)
            if not request.is_allowed:
                await run_in_threadpool(_note, database, "refused", request)
                words = f"the role {actor.role} may not do this: {request.what or 'no rule allows it'}"
                refusal = await run_in_threadpool(self.pages.problem, Request(scope), words, 403)
                await refusal(scope, receive, send)
                return
            if request.key and scope["method"] == "GET":
                await run_in_threadpool(_note, database, "seen", request)
            await self.app(scope, receive, send)


def _note(database: StoreDatabase, what: str, request: Asked) -> None:
    """Add an entry of the audit for an action that changes nothing."""
    with database.action(Deed(what, request.key, request.what or "an address without a rule")):
        pass


def add_sign_in_pages(app: FastAPI, pages: ServedPages) -> None:
    """Add the addresses of sign-in and sign-out."""

    @app.get(SIGN_IN)
    def sign_in_page(request: Request) -> Response:
        if not has_accounts(pages.store.database):
            return RedirectResponse("/", 303)
        return pages.page(request, "sign_in.html.jinja", words="", name="")

    @app.post(SIGN_IN)
    async def signing_in(request: Request) -> Response:
        form = await pages.sent(request)
        name = form.texts.get("name", "").strip()
        try:
            actor = await run_in_threadpool(sign_in, pages.store.database, name, form.texts.get("password", ""))
        except SignInError as error:
            words = error.words
            return await run_in_threadpool(pages.page, request, "sign_in.html.jinja", 403, words=words, name=name)
        visitor = pages.visitors.welcome()  # a cookie that was there before never becomes a session
        pages.sessions.end(form.visitor)
        pages.sessions.begin(visitor, actor.name)
        response = RedirectResponse("/", 303)
        pages.visitors.remember(response, visitor)
        return response

    @app.post("/sign-out")
    async def signing_out(request: Request) -> Response:
        form = await pages.sent(request)
        pages.sessions.end(form.visitor)
        return RedirectResponse(SIGN_IN, 303)
