"""What every page needs: templates, the visitor of a request, their patients, a form. Imports ``patient_store``.

Each request finds its patients through the visitor's cookie; nothing of a patient is kept between requests but files
and answers by the hash of their files.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from typing import Any

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from taper_sim.recommend.answer import NOT_FOR
from taper_sim.report.page_templates import template_environment
from taper_sim.serve.access import Sessions, can_do
from taper_sim.serve.accounts import has_accounts
from taper_sim.serve.page_guard import TOKEN_FIELD, Visitors
from taper_sim.serve.patient_store import PatientFolder, PatientStore
from taper_sim.serve.patient_view import sentence, with_dates
from taper_sim.serve.reckoner import Reckoner
from taper_sim.serve.store.audit_chain import ACTING, Actor
from taper_sim.serve.uploads import UPLOADED


@cache
def templates() -> Environment:
    """The templates, each compiled once; they escape all text."""
    environment = template_environment("taper_sim.serve")
    environment.filters |= {"with_dates": with_dates, "sentence": sentence}
    return environment


@dataclass(frozen=True)
class SentForm:
    """A form that this page opened: the visitor, the texts by field, the contents of files by field."""

    visitor: str
    texts: dict[str, str]
    contents: dict[str, bytes]


class ServedPages:
    """The pages of one process: the patients, the answers, the visitors, their sessions."""

    def __init__(
        self,
        store: PatientStore,
        reckoner: Reckoner,
        today: Callable[[], date] = date.today,
        is_encrypted: bool = False,
    ) -> None:
        self.store, self.reckoner, self.today, self.is_encrypted = store, reckoner, today, is_encrypted
        self.visitors = Visitors(is_encrypted=is_encrypted)
        self.sessions = Sessions()

    def needs_sign_in(self) -> bool:
        """Whether accounts exist, so that a request needs a session."""
        return self.store.is_shared and has_accounts(self.store.database)

    def actor(self, request: Request, *, is_use: bool = True) -> Actor | None:
        """Who is signed in."""
        return self.sessions.actor(self.store.database, self.visitors.visitor_of(request), is_use=is_use)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page for the visitor of a request, who gets a cookie if they have none."""
        visitor = self.visitors.visitor_of(request) or self.visitors.welcome()
        actor = ACTING.get()
        text = (
            templates()
            .get_template(template)
            .render(
                token=self.visitors.token_of(visitor),
                token_field=TOKEN_FIELD,
                not_for=sentence(NOT_FOR),
                version=version("taper-sim"),
                is_shared=self.store.is_shared,
                actor=actor,
                can=can_do(actor, self.needs_sign_in()),
                **values,
            )
        )
        response = HTMLResponse(text, status)
        self.visitors.remember(response, visitor)
        return response

    def problem(self, request: Request, words: str, status: int) -> Response:
        """A page with one problem."""
        return self.page(request, "problems.html.jinja", status, problems=[sentence(words)])

    def folder(self, request: Request, key: str) -> PatientFolder:
        """The patient of an address; a page that says so if the visitor has no such patient."""
        visitor = self.visitors.visitor_of(request)
        folder = None if visitor is None else self.store.folder(visitor, key)
        if folder is None and self.store.is_shared:
            folder = self.store.folder("", key)
        if folder is None:
            raise HTTPException(404, "no such patient here: another browser's patients are not shown")
        return folder

    async def sent(self, request: Request) -> SentForm:
        """Read a form and refuse it without the token of its visitor."""
        async with request.form(max_files=len(UPLOADED), max_fields=400) as form:
            visitor = self.visitors.check(self.visitors.visitor_of(request), form.get(TOKEN_FIELD))
            texts, contents = {}, {}
            for name, value in form.items():
                if isinstance(value, str):
                    texts[name] = value
                elif name in UPLOADED and (content := await value.read()):
                    contents[name] = content
        return SentForm(visitor, texts, contents)

    def posting(self, action: Callable[..., Response]) -> Callable[..., Awaitable[Response]]:
        """An endpoint of an action ``(pages, request, folder, fields)`` on the patient of the address."""

        async def post(request: Request, key: str) -> Response:
            form = await self.sent(request)
            return await run_in_threadpool(lambda: action(self, request, self.folder(request, key), form.texts))

        return post


def to_patient(folder: PatientFolder, place: str = "") -> Response:
    """Go on to the page of a patient, or to a place of it."""
    return RedirectResponse(f"/patients/{folder.key}{place}", 303)
