"""CDS Hooks 2.0: discovery, ``patient-view``, ``order-sign``, feedback. Imports ``doors``, ``recommend``.

``order-sign`` is judged by the rules alone and never waits for a forecast. The answer of ``patient-view`` is kept by a
hash of what was sent (``serve.reckoner``). Nothing is asked of the ``fhirServer`` of a request.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from taper_sim.data.fhir.bundle import bundle_reading
from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.data.records import History
from taper_sim.safety.limits import Limits
from taper_sim.serve.doors.card_log import CardLog, SentFeedback
from taper_sim.serve.doors.cds_cards import Card, missing_card, order_cards, patient_card, waiting_card
from taper_sim.serve.doors.cds_request import (
    HookCall,
    OrderSignCall,
    Prefetched,
    draft_resources,
    prefetch_templates,
    prefetched,
)
from taper_sim.serve.doors.draft_orders import judge_orders, read_drafts
from taper_sim.serve.doors.entry import SENT, DoorRoute, caller_of, computed, sent_as
from taper_sim.serve.doors.sent_records import SentRecords
from taper_sim.serve.reckoner import Reckoner

SERVICES: Final = "/cds-services"
PATIENT_VIEW: Final = "taper-patient-view"
ORDER_SIGN: Final = "taper-order-sign"
WAIT_S: Final = 5.0
"""Longest wait of ``patient-view`` for a forecast, seconds: assumption A140."""
_HOOKS: Final = {PATIENT_VIEW: "patient-view", ORDER_SIGN: "order-sign"}


def discovery() -> dict[str, Any]:
    """The services with the data that they ask for."""
    words = {
        PATIENT_VIEW: (
            "Tapering: what the record says today",
            "Options of a taper of opioids, benzodiazepines or gabapentinoids with their uncertainty, red flags, and "
            "what must be asked first. Research prototype, not clinically reviewed, not for emergencies.",
        ),
        ORDER_SIGN: (
            "Tapering: draft orders against the rules",
            "Judges draft orders of opioids, benzodiazepines and gabapentinoids by red flags, past cuts, ceilings and "
            "interactions. Research prototype, not clinically reviewed, not for emergencies.",
        ),
    }
    use = "Send every key in full: the service does not call the fhirServer of a request."
    return {
        "services": [
            {
                "hook": _HOOKS[name],
                "id": name,
                "title": title,
                "description": description,
                "prefetch": prefetch_templates(),
                "usageRequirements": use,
            }
            for name, (title, description) in words.items()
        ]
    }


def hooks_router(
    reckoner: Reckoner, log: CardLog, today: Callable[[], date], links: Callable[[Request], list[dict[str, str]]]
) -> APIRouter:
    """The routes of the services.

    Parameters
    ----------
    reckoner : Reckoner
    log : CardLog
    today : callable
    links : callable
        Gives the links of a card.
    """
    router = APIRouter(prefix=SERVICES, route_class=DoorRoute, include_in_schema=False)

    @router.get("")
    def services(request: Request) -> Response:
        caller_of(request)
        return JSONResponse(discovery())

    @router.post("/{service}/feedback")
    async def feedback(request: Request, service: str) -> Response:
        caller_of(request)
        _check_service(service)
        sent = await sent_as(request, SentFeedback)
        return JSONResponse({"recorded": await computed(lambda: log.record(service, sent))})

    @router.post("/{service}")
    async def called(request: Request, service: str) -> Response:
        caller_of(request)
        _check_service(service)
        call = await sent_as(request, OrderSignCall if service == ORDER_SIGN else HookCall)
        if call.hook != _HOOKS[service]:
            raise problem(SENT, "hook", call.hook, _HOOKS[service])
        cards = await computed(lambda: _cards(service, call, reckoner, today()))
        shown_links = links(request)
        about = f"{service} {call.context.patientId}"
        written = [card.written(call.hookInstance, f"{about} {k}", shown_links) for k, card in enumerate(cards)]
        await computed(lambda: log.sent(service, call, written))
        return JSONResponse({"cards": written})

    return router


def _check_service(service: str) -> None:
    if service not in _HOOKS:
        raise problem("cds-services", "", service, ", ".join(_HOOKS))


def _cards(service: str, call: HookCall, reckoner: Reckoner, today: date) -> Sequence[Card]:
    sent = prefetched(call, today)
    drafts = draft_resources(call) if isinstance(call, OrderSignCall) else []
    if sent.missing:
        return [missing_card(sent.missing, has_server=call.fhirServer is not None)]
    history = _history(call, sent)
    if service == ORDER_SIGN:
        return _of_orders(call, sent, drafts, history, today)
    if not history.doses and not history.unread:
        return []  # no drug of the three classes, read or unreadable
    records = SentRecords(bundle=dict(sent.bundle), patient=call.context.patientId, as_of=today.isoformat())
    try:
        weighed = reckoner.kept(records.key(), records.weighed).result(WAIT_S)
    except TimeoutError:
        return [waiting_card()]
    return [patient_card(weighed)]


def _of_orders(
    call: HookCall, sent: Prefetched, resources: list[tuple[str, dict[str, Any]]], history: History, today: date
) -> Sequence[Card]:
    drafts = read_drafts(resources, sent.bundle, sent.request_ids, history, today)
    return order_cards(judge_orders(history, drafts, today, Limits()), call.context.patientId, today.isoformat())


def _history(call: HookCall, sent: Prefetched) -> History:
    """The record of the patient of a call; raises InputError if the Patient cannot be read."""
    reading = bundle_reading(Path("prefetch"), sent.bundle)
    patient_id = call.context.patientId
    if patient_id not in reading.histories:
        failed = [Problem(SENT, p.place, p.given, p.allowed) for p in reading.failed if "(Patient" in p.place]
        nobody = Problem(SENT, "prefetch.patient", f"no Patient {shown(patient_id)}", "a Patient that can be read")
        raise InputError(failed or nobody)
    return reading.histories[patient_id]
