"""Addresses of the papers: the list with its form, each paper as HTML and PDF, the calendar file. Imports ``papers``.

``pages`` mounts the router. A caregiver's consent is given and revoked on the list.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from taper_sim.briefs.printed_page import printed
from taper_sim.data.checkins import scales
from taper_sim.data.problems import InputError, problem
from taper_sim.serve.agreement import decisions_of
from taper_sim.serve.caregiver_consent import CAREGIVER, caregivers, consents_of, give_consent, in_force, revoke_consent
from taper_sim.serve.entry_form import FIVE_NUMBERS, FormError
from taper_sim.serve.papers.agreed_plan import plan_of
from taper_sim.serve.papers.calendar_file import calendar_file
from taper_sim.serve.papers.conversation import FIELD_GROUPS, GOAL_MEASURES, conversation_of, country_codes, with_fields
from taper_sim.serve.papers.paper_contents import PAPER_KINDS, hold_of, paper_page
from taper_sim.serve.papers.paper_language import LANGUAGES, SOURCE_LANGUAGE, PaperLanguage
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.served_pages import ServedPages
from taper_sim.serve.store.audit_chain import ACTING
from taper_sim.serve.store.consent_records import CONSENT_PARTS, Consent

_PDF: Final = ".pdf"
_NO_PRINTER: Final = "; or print the paper with your own browser"


def paper_router(pages: ServedPages) -> APIRouter:
    """The addresses of the papers."""
    router = APIRouter()

    @router.get("/patients/{key}/papers")
    def papers(request: Request, key: str) -> Response:
        return _list_page(pages, request, pages.folder(request, key))

    @router.get("/patients/{key}/papers/calendar.ics")
    def calendar(request: Request, key: str) -> Response:
        return _calendar(pages, request, pages.folder(request, key))

    @router.get("/patients/{key}/papers/caregiver")
    def caregivers_view(request: Request, key: str) -> Response:
        return _paper(pages, request, pages.folder(request, key), "caregiver")

    @router.get("/patients/{key}/papers/{name}")
    def paper(request: Request, key: str, name: str) -> Response:
        return _paper(pages, request, pages.folder(request, key), name)

    for address, action in (("papers", _keep), ("papers/consent", _consent), ("papers/revoke", _revoke)):
        path = f"/patients/{{key}}/{address}"
        router.add_api_route(path, pages.posting(action), methods=["POST"], response_model=None)
    return router


def _to_list(folder: PatientFolder, place: str = "") -> Response:
    return RedirectResponse(f"/patients/{folder.key}/papers{place}", 303)


def _list_page(
    pages: ServedPages,
    request: Request,
    folder: PatientFolder,
    status: int = 200,
    *,
    errors: Mapping[str, str] | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    """The list of papers, the form of the conversation, the consent."""
    conversation = conversation_of(folder)
    answer = pages.reckoner.reckoned(folder).weighed.answer.as_dict()
    english = PaperLanguage(SOURCE_LANGUAGE, conversation.country)
    kept = {
        **conversation.texts,
        **{f"goal_{name}": f"{goal:g}" for name, goal in conversation.goals.items()},
        "country": conversation.country,
        "language": conversation.language,
        "calendar_has_drugs": "yes" if conversation.calendar_has_drugs else "",
    }
    decisions, consents = decisions_of(folder), consents_of(folder)
    return pages.page(
        request,
        "papers.html.jinja",
        status,
        key=folder.key,
        patient_id=answer["patient_id"],
        kinds=PAPER_KINDS,
        decision=decisions[0] if decisions else None,
        held=hold_of(answer),
        groups=FIELD_GROUPS,
        goals={name: (FIVE_NUMBERS[name], scales()[name]) for name in GOAL_MEASURES},
        languages=LANGUAGES,
        countries={code: english.locale.territories.get(code, code) for code in country_codes()},
        sent=defaultdict(str, kept if sent is None else sent),
        errors=dict(errors or {}),
        shares=CONSENT_PARTS,
        consents=in_force(consents),
        past_consents=[c for c in consents if c.revoked_at],
        caregivers=caregivers(folder.database),
    )


def _language(request: Request, kept: str) -> str:
    """The language of an address, or that of the form."""
    code = request.query_params.get("language", kept)
    if code not in LANGUAGES:
        raise HTTPException(404, f"no such language; there are {', '.join(LANGUAGES)}")
    return code


def _paper(pages: ServedPages, request: Request, folder: PatientFolder, name: str) -> Response:
    """A paper as HTML, or as PDF if the address ends so."""
    paper = name.removesuffix(_PDF)
    if paper not in PAPER_KINDS:
        raise HTTPException(404, f"no such paper; there are {', '.join(PAPER_KINDS)}")
    conversation = conversation_of(folder)
    reckoned = pages.reckoner.reckoned(folder)
    decision = next(iter(decisions_of(folder)), None)
    if PAPER_KINDS[paper].needs_plan and decision is None and not hold_of(reckoned.weighed.answer.as_dict()):
        raise HTTPException(404, "nothing is agreed yet; this paper shows what was agreed")
    language = _language(request, conversation.language)
    is_pdf = name.endswith(_PDF)
    consents = consents_of(folder)
    text = paper_page(
        paper,
        folder.key,
        reckoned,
        decision,
        conversation,
        in_force(consents),
        language,
        pages.today(),
        consent=_consent_of_view(request, in_force(consents)),
        was_revoked=bool(consents),
        for_print=is_pdf,
        has_links=ACTING.get().role != CAREGIVER,
    )
    if not is_pdf:
        return HTMLResponse(text)
    try:
        content = printed(text)
    except InputError as error:
        first = error.problems[0]
        raise problem("PDF", "", first.given, first.allowed + _NO_PRINTER) from None
    return Response(content, media_type="application/pdf", headers=_named(f"{paper}{_PDF}"))


def _calendar(pages: ServedPages, request: Request, folder: PatientFolder) -> Response:
    conversation = conversation_of(folder)
    decision = next(iter(decisions_of(folder)), None)
    if hold_of(pages.reckoner.reckoned(folder).weighed.answer.as_dict()):
        raise HTTPException(409, "the plan is on hold while a flag of today stands; there is no calendar file")
    if decision is None:
        raise HTTPException(404, "nothing is agreed yet; the calendar shows what was agreed")
    language = PaperLanguage(_language(request, conversation.language), conversation.country)
    content = calendar_file(plan_of(decision), language, has_drugs=conversation.calendar_has_drugs)
    return Response(content, media_type="text/calendar", headers=_named("plan.ics"))


def _named(name: str) -> dict[str, str]:
    """Header with the name of a file that is saved: it names no patient."""
    return {"content-disposition": f'attachment; filename="{name}"'}


def _keep(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Keep the fields of the form."""
    try:
        with_fields(conversation_of(folder), fields).keep(folder)
    except FormError as error:
        return _list_page(pages, request, folder, 422, errors=error.by_field, sent=fields)
    return _to_list(folder, "#list")


def _consent_of_view(request: Request, consents: Sequence[Consent]) -> Consent | None:
    """The consent whose view is shown: a caregiver has their own; others choose by its number, else the newest."""
    actor, number = ACTING.get(), request.query_params.get("consent", "")
    if actor.role == CAREGIVER:
        consents = [c for c in consents if c.account == actor.name]
    elif number:
        consents = [c for c in consents if str(c.number) == number]
    return consents[0] if consents else None


def _consent(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """Keep a consent to share with a caregiver."""
    parts = [part for part in CONSENT_PARTS if fields.get(f"share_{part}") == "yes"]
    try:
        give_consent(folder, fields.get("caregiver", ""), fields.get("account", ""), parts)
    except FormError as error:
        return _list_page(pages, request, folder, 422, errors=error.by_field)
    return _to_list(folder, "#consent")


def _revoke(pages: ServedPages, request: Request, folder: PatientFolder, fields: dict[str, str]) -> Response:
    """End a consent: the caregiver sees nothing from now on."""
    number = fields.get("consent", "")
    if number.isdecimal():
        revoke_consent(folder, int(number))
    return _to_list(folder, "#consent")
