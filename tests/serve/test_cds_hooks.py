"""CDS Hooks: requests in the form of the specification, broken ones, draft orders against the rules, feedback."""

import json
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from taper_sim.data.formulary import find_drug
from taper_sim.data.records import DoseRow, History
from taper_sim.recommend.decision_log import read_log
from taper_sim.recommend.own_plan import Weighed
from taper_sim.safety.limits import Limits
from taper_sim.serve.doors import cds_hooks, sent_records
from taper_sim.serve.doors.cds_cards import INDICATORS, Card, in_markdown, most_urgent_first, shortened
from taper_sim.serve.doors.cds_request import NEEDED_KEYS
from taper_sim.serve.doors.draft_orders import Draft, judge_orders
from taper_sim.serve.doors.entry import MAX_SENT_BYTES
from taper_sim.serve.doors.mounting import mount_doors
from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientStore
from taper_sim.serve.patient_view import URGENCIES
from taper_sim.serve.reckoner import Reckoner
from tests.serve.test_served_pages import HOST, answer_with

Json = dict[str, Any]
TODAY = date(2026, 4, 2)
HERE = ("127.0.0.1", 50_000)
VIEW, SIGN = "taper-patient-view", "taper-order-sign"
MORPHINE = "morphine sulfate Extended Release Oral Tablet"
LORAZEPAM = "lorazepam 1 MG Oral Tablet"
PATIENT = {"resourceType": "Patient", "id": "1288992", "gender": "male", "birthDate": "1955-12-23"}


def order(text: str, mg: float, name: str, since: date = TODAY - timedelta(days=500), **more: Any) -> Json:
    """An order of ``mg`` twice a day."""
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "subject": {"reference": "Patient/1288992"},
        "authoredOn": since.isoformat(),
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": mg, "unit": "mg", "code": "mg"}}],
            }
        ],
        **more,
    }


def draft(text: str, mg: float, **more: Any) -> Json:
    return order(text, mg, "draft-1", TODAY, **({"status": "draft"} | more))


IN_PLACE = {"priorPrescription": {"reference": "MedicationRequest/m1"}}


def observation(code: str, value: float, unit: str, day: date = TODAY) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o{code}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/1288992"},
        "effectiveDateTime": day.isoformat(),
        "valueQuantity": {"value": value, "unit": unit, "code": unit, "system": "http://unitsofmeasure.org"},
    }


def searchset(*resources: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources], **more}


def prefetch(*resources: Json) -> Json:
    """Prefetch of a person on 90 mg of morphine for more than a year, and these resources."""
    requests = [order(MORPHINE, 45, "m1"), *(r for r in resources if r["resourceType"] == "MedicationRequest")]
    return {
        "patient": PATIENT,
        "requests": searchset(*requests),
        "observations": searchset(*(r for r in resources if r["resourceType"] == "Observation")),
        "conditions": searchset(*(r for r in resources if r["resourceType"] == "Condition")),
    }


def call(hook: str, *drafts: Json, **more: Any) -> Json:
    context: Json = {"userId": "Practitioner/example", "patientId": "1288992", "encounterId": "89284"}
    if hook == "order-sign":
        context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": d} for d in drafts]}
    return {
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "fhirServer": "https://hooks.ehr.example/fhir",
        "hook": hook,
        "fhirAuthorization": {
            "access_token": "some-opaque-fhir-access-token",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/Patient.read patient/Observation.read",
            "subject": "cds-service4",
        },
        "context": context,
        "prefetch": prefetch(),
    } | more


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    app = application(ServedPages(PatientStore(root, is_shared=False), Reckoner(), lambda: TODAY))
    with TestClient(app, base_url=HOST, client=HERE) as opened:
        yield opened


def sign(client: TestClient, *drafts: Json, record: Json | None = None) -> list[Json]:
    response = client.post(f"/cds-services/{SIGN}", json=call("order-sign", *drafts, prefetch=record or prefetch()))
    assert response.status_code == 200, response.text
    return whole(response.json()["cards"])


def whole(cards: list[Json]) -> list[Json]:
    """Cards, each with what the specification needs and what this tool promises."""
    for card in cards:
        assert {"uuid", "summary", "indicator", "source", "detail", "overrideReasons"} <= set(card)
        assert re.fullmatch(r"[0-9a-f-]{36}", card["uuid"]) and card["source"]["label"]
        assert 0 < len(card["summary"]) < 140 and "\n" not in card["summary"]
        assert card["indicator"] in INDICATORS
        assert all(reason["code"] and reason["system"] and reason["display"] for reason in card["overrideReasons"])
        assert ("suggestions" in card) == ("selectionBehavior" in card)
        assert all(s["uuid"] and s["label"] and s["actions"] for s in card.get("suggestions", []))
        assert all(link["url"].startswith(HOST) for link in card["links"])
        assert "not a medical device" in card["detail"].lower() and "emergency number" in card["detail"]
        assert None not in card.values() and [] not in card.values() and "" not in card.values()
    return cards


def test_a_reference_names_the_patient_as_well_as_an_id(client: TestClient) -> None:
    sent = call("order-sign", draft(MORPHINE, 30, **IN_PLACE), prefetch=prefetch())
    cards = [client.post(f"/cds-services/{SIGN}", json=sent).json()["cards"]]
    sent["context"]["patientId"] = "Patient/1288992"
    cards.append(client.post(f"/cds-services/{SIGN}", json=sent).json()["cards"])
    assert [c["summary"] for c in cards[0]] == [c["summary"] for c in cards[1]] != []
    sent["context"]["patientId"] = "Group/1288992"
    assert client.post(f"/cds-services/{SIGN}", json=sent).status_code == 422


def test_discovery_declares_each_service_with_its_prefetch(client: TestClient) -> None:
    response = client.get("/cds-services", follow_redirects=False)
    assert response.status_code == 200
    services = {service["id"]: service for service in response.json()["services"]}
    assert {name: s["hook"] for name, s in services.items()} == {VIEW: "patient-view", SIGN: "order-sign"}
    for service in services.values():
        assert set(NEEDED_KEYS) <= set(service["prefetch"]) and service["title"] and service["description"]
        tokens = re.findall(r"\{\{(.*?)\}\}", json.dumps(service["prefetch"]))
        assert set(tokens) == {"context.patientId"}


def test_the_card_of_a_patient_says_what_the_answer_says(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = answer_with(patient_id="1288992")
    asked: list[Json] = []

    def weigh(records: Path, doses: Path | None, **arguments: Any) -> list[Weighed]:
        asked.append(json.loads(records.read_text()) | arguments)
        return [Weighed(answer)]

    monkeypatch.setattr(sent_records, "weigh_from_files", weigh)
    body = call("patient-view", prefetch=prefetch(observation("72514-3", 4, "{score}")))
    first, again = (client.post(f"/cds-services/{VIEW}", json=body).json()["cards"] for _ in range(2))
    assert first == again and len(asked) == 1  # the same records are not computed twice
    assert asked[0]["as_of"] == TODAY.isoformat() and asked[0]["patient_id"] == "1288992"
    assert {e["resource"]["resourceType"] for e in asked[0]["entry"]} == {"Patient", "MedicationRequest", "Observation"}
    (card,) = whole(first)
    fields = answer.as_dict()
    assert in_markdown(fields["why"][0])[1:30] in card["detail"]
    assert "No clinician has reviewed the tables" in card["detail"]
    urgent = answer_with(status="urgent", headline="call 911 now", options=[], chosen=None, patient_id="1288992")
    monkeypatch.setattr(sent_records, "weigh_from_files", lambda *_, **__: [Weighed(urgent)])
    body["prefetch"] = prefetch(observation("72514-3", 5, "{score}"))
    (card,) = whole(client.post(f"/cds-services/{VIEW}", json=body).json()["cards"])
    assert card["indicator"] == "critical" and card["summary"].lower().startswith("call now")


def test_a_person_without_such_a_drug_gets_no_card_and_one_whose_orders_are_unclear_does(client: TestClient) -> None:
    metformin = order("metformin hydrochloride 500 MG Oral Tablet", 500, "x")
    nothing = prefetch() | {"requests": searchset(metformin)}
    response = client.post(f"/cds-services/{VIEW}", json=call("patient-view", prefetch=nothing))
    assert response.json() == {"cards": []}
    twice = prefetch(order(MORPHINE, 15, "m2", TODAY))  # may replace the other order, or add to it
    (card,) = whole(client.post(f"/cds-services/{VIEW}", json=call("patient-view", prefetch=twice)).json()["cards"])
    assert card["indicator"] == "warning" and "cannot build a dose history" in card["detail"].lower()


def test_a_forecast_that_takes_too_long_is_said_and_not_waited_for(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any, **__: Any) -> list[Weighed]:
        waiting.wait(5)
        return [Weighed(answer_with(patient_id="1288992"))]

    waiting = Event()
    monkeypatch.setattr(sent_records, "weigh_from_files", slow)
    monkeypatch.setattr(cds_hooks, "WAIT_S", 0.01)
    body = call("patient-view", prefetch=prefetch(observation("72514-3", 6, "{score}")))
    (card,) = whole(client.post(f"/cds-services/{VIEW}", json=body).json()["cards"])
    waiting.set()
    assert "still being computed" in card["summary"] and card["indicator"] == "info"


@pytest.mark.parametrize(
    ("drafts", "record", "indicator", "expected"),
    [
        ([draft(MORPHINE, 30, **IN_PLACE)], (), "critical", "morphine ER 90 to 60 mg a day (33 % less): opioid step"),
        ([draft(MORPHINE, 38, **IN_PLACE)], (), "critical", "opioid step too large"),
        ([draft(MORPHINE, 40.5, **IN_PLACE)], (), "warning", "questions that a reduction needs have no answer"),
        ([draft(MORPHINE, 90, **IN_PLACE)], (), "critical", "morphine ER 90 to 180 mg a day (100 % more): large rise"),
        ([draft(MORPHINE, 450, **IN_PLACE)], (), "critical", "tenfold entry"),
        ([draft(MORPHINE, 50, **IN_PLACE)], (), "info", "no rule is broken"),
        ([order(MORPHINE, 45, "m1", status="stopped")], (), "critical", "stopped at once: opioid step"),
        ([order(MORPHINE, 45, "m1", doNotPerform=True)], (), "critical", "stopped at once"),
        ([draft(LORAZEPAM, 0.5)], (), "warning", "lorazepam IR begun at 1 mg a day: opioid bzd"),
        ([draft("phenelzine 15 MG Oral Tablet", 15)], (), "critical", "any opioid + MAOI"),
        ([draft(MORPHINE, 30)], (), "critical", "It is not stated whether the order replaces that in force"),
        (
            [order(LORAZEPAM, 0.5, "b1", status="cancelled")],
            (order(LORAZEPAM, 0.5, "b1"),),
            "critical",
            "lorazepam IR 1 mg a day stopped at once: bzd abrupt stop",
        ),
        (
            [draft(MORPHINE, 50, **IN_PLACE)],
            (observation("2708-6", 91, "%"),),
            "critical",
            "No rise while this stands: breathing_depressed",
        ),
        ([draft(MORPHINE, 40.5, **IN_PLACE)], (observation("2708-6", 91, "%"),), "critical", "breathing_depressed"),
    ],
)
def test_a_draft_order_is_judged_by_the_rules(
    client: TestClient, drafts: list[Json], record: tuple[Json, ...], indicator: str, expected: str
) -> None:
    cards = sign(client, *drafts, record=prefetch(*record))
    assert expected in cards[0]["summary"], cards[0]["summary"]
    assert cards[0]["indicator"] == indicator


def test_an_emergency_of_today_comes_before_any_order(client: TestClient) -> None:
    record = prefetch(observation("2708-6", 85, "%"))
    cards = sign(client, draft(MORPHINE, 50, **IN_PLACE), record=record)
    assert cards[0]["indicator"] == "critical" and cards[0]["summary"].startswith("Emergency today")


@pytest.mark.parametrize(
    "unchanged",
    [
        draft(MORPHINE, 45, **IN_PLACE),
        draft("metformin hydrochloride 500 MG Oral Tablet", 500),
        {"resourceType": "ServiceRequest", "id": "s", "status": "draft", "intent": "order"},
        order("metformin hydrochloride 500 MG Oral Tablet", 500, "x", status="stopped"),
    ],
)
def test_an_order_that_changes_nothing_of_these_drugs_gets_no_card(client: TestClient, unchanged: Json) -> None:
    assert sign(client, unchanged) == []


@pytest.mark.parametrize(
    "odd",
    [
        draft(MORPHINE, 45, dosageInstruction=[{"text": "as discussed"}]),
        draft("fentanyl", 1),
        draft(MORPHINE, 45, status="entered-in-error"),
        draft(MORPHINE, 45, authoredOn="2026-02-31"),
        draft(MORPHINE, -45),
        draft("hydromorphone 2 MG Oral Tablet", 2, doNotPerform=True),
    ],
)
def test_an_order_that_cannot_be_read_is_said_not_to_be_judged(client: TestClient, odd: Json) -> None:
    (card,) = sign(client, odd)
    assert "could not be judged" in card["summary"] and card["indicator"] == "warning"


def test_orders_of_one_signature_are_judged_together(client: TestClient) -> None:
    swapped = [order(MORPHINE, 45, "m1", status="stopped"), draft("oxycodone hydrochloride 10 MG Oral Tablet", 30)]
    (card, *_) = sign(client, *swapped)
    assert "morphine ER 90 mg a day stopped at once" in card["detail"] and "oxycodone IR begun" in card["detail"]
    assert "over\\_30pct" not in card["detail"]  # 60 mg of oxycodone are 90 MME


def test_both_readings_of_an_order_without_a_predecessor_are_shown(client: TestClient) -> None:
    (card, *_) = sign(client, draft(MORPHINE, 30))
    assert "90 to 60 mg a day" in card["detail"] and "90 to 150 mg a day" in card["detail"]
    assert "if it replaces the order in force" in card["detail"] and "if it comes on top" in card["detail"]


def test_naloxone_is_offered_unless_it_is_ordered_and_nothing_but_a_draft_is_ever_removed(client: TestClient) -> None:
    cards = sign(client, draft(LORAZEPAM, 0.5))
    actions = [a for card in cards for s in card.get("suggestions", []) for a in s["actions"]]
    assert [(a["type"], a.get("resourceId")) for a in actions] == [
        ("delete", "MedicationRequest/draft-1"),
        ("create", None),
    ]
    created = actions[1]["resource"]
    assert "naloxone" in created["medicationCodeableConcept"]["text"] and created["status"] == "draft"
    naloxone = draft("naloxone 4 MG nasal spray", 4, id="n1", dosageInstruction=[])
    with_it = sign(client, draft(LORAZEPAM, 0.5), naloxone)
    assert not any("naloxone at home" in card["summary"] for card in with_it)
    stopped = sign(client, order(MORPHINE, 45, "m1", status="stopped"))
    removed = [a for c in stopped for s in c.get("suggestions", []) for a in s["actions"] if a["type"] == "delete"]
    assert removed == []


@pytest.mark.parametrize("hook", ["patient-view", "order-sign"])
@pytest.mark.parametrize(
    ("sent", "lacking"),
    [
        (None, "patient, requests, observations, conditions"),
        ({}, "patient, requests, observations, conditions"),
        ({"observations": None}, ""),
        ({"conditions": ...}, "conditions"),
        ({"patient": None}, "patient"),
        ({"requests": {"resourceType": "OperationOutcome", "issue": []}}, "requests (an OperationOutcome was sent)"),
        (
            {"observations": searchset(link=[{"relation": "next", "url": "https://hooks.ehr.example/2"}])},
            "observations (only one page of several was sent)",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line_of_one_card(
    client: TestClient, hook: str, sent: Json | None, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_records, "weigh_from_files", lambda *_, **__: [Weighed(answer_with(patient_id="1288992"))])
    given = {k: v for k, v in (prefetch() | (sent or {})).items() if v is not ...} if sent else sent
    body = call(hook, draft(MORPHINE, 45, **IN_PLACE), prefetch=given)
    if given is None:
        del body["prefetch"]
    response = client.post(f"/cds-services/{VIEW if hook == 'patient-view' else SIGN}", json=body)
    assert response.status_code == 200
    cards = whole(response.json()["cards"])
    if not lacking:
        assert not any("lacks" in card["summary"] for card in cards)
        return
    (card,) = cards
    assert card["summary"] == f"Not checked, because the request lacks prefetch: {lacking}."
    assert card["indicator"] == "warning" and "does not call the fhirServer" in card["detail"]


def without(name: str) -> Json:
    return {k: v for k, v in call("order-sign").items() if k != name}


def changed(place: str, value: Any) -> Json:
    body = json.loads(json.dumps(call("order-sign", draft(MORPHINE, 45))))
    *path, last = place.split(".")
    inner = body
    for key in path:
        inner = inner[key]
    inner[last] = value
    return dict(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (without("hook"), "request: hook: given nothing"),
        (without("hookInstance"), "request: hookInstance: given nothing"),
        (without("context"), "request: context: given nothing"),
        (changed("hook", "order-select"), "request: hook: given order-select; allowed: order-sign"),
        (changed("hookInstance", "7"), "request: hookInstance: given 7; allowed: a UUID"),
        (changed("context", []), "request: context: given"),
        (changed("context.patientId", "../1"), "request: context.patientId: given ../1"),
        (changed("context.userId", 7), "request: context.userId: given 7"),
        (changed("context.draftOrders", []), "request: context.draftOrders: given"),
        (changed("context.draftOrders", {"resourceType": "Patient"}), "request: context.draftOrders.resourceType"),
        (changed("context.draftOrders.entry", {"a": 1}), "request: context.draftOrders.entry: given"),
        (changed("context.draftOrders.entry", [None, 3]), "request: context.draftOrders.entry[0]: given None"),
        (changed("prefetch", []), "request: prefetch: given"),
        (changed("prefetch.requests", "Bundle"), "request: prefetch.requests: given Bundle"),
        (changed("prefetch.observations.entry", [{"resource": 3}]), "request: prefetch.observations.entry[0]"),
        (changed("prefetch.patient.id", "another"), "request: prefetch.patient.id: given another"),
        (
            call("order-sign", draft(MORPHINE, 45, subject={"reference": "Patient/other"})),
            "draftOrders.entry[0].resource.subject: given Patient/other",
        ),
    ],
)
def test_a_broken_request_is_refused_in_one_line(client: TestClient, body: Json, expected: str) -> None:
    response = client.post(f"/cds-services/{SIGN}", json=body)
    assert response.status_code == 422, response.text
    lines = response.json()["problems"]
    assert any(expected in line for line in lines), lines
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 422),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"hook": NaN}', "application/json", 422),
        (b'{"hook": "a", "hook": "b"}', "application/json", 422),
        (b"\xff\xfe{}", "application/json", 422),
        (b"[" * 50_000, "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "application/json; charset=latin-1", 415),
        (b"{}", 'application/json; charset="UTF-8"', 422),
        (b" " * (MAX_SENT_BYTES + 1), "application/json", 413),
    ],
)
def test_a_body_that_is_no_json_is_refused_in_one_line(
    client: TestClient, content: bytes, kind: str, status: int
) -> None:
    response = client.post(f"/cds-services/{SIGN}", content=content, headers={"content-type": kind})
    assert response.status_code == status and len(response.json()["problems"]) >= 1


def test_numbers_and_dates_of_a_prefetch_that_cannot_be_are_no_error_of_the_service(client: TestClient) -> None:
    odd = [observation("2708-6", 1e300, "%"), observation("8867-4", -5, "/min")]
    odd[1]["effectiveDateTime"] = "2026-13-45"
    broken = order(MORPHINE, 45, "m2") | {"dosageInstruction": {"timing": 3}, "authoredOn": "never"}
    (card, *_) = sign(client, draft(MORPHINE, 40.5, **IN_PLACE), record=prefetch(*odd, broken))
    assert "not complete" in card["detail"]


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a request."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in inner for place in [(*here, key), *places(part, (*here, key))]]


@pytest.mark.parametrize("seed", range(40))
def test_no_odd_value_at_any_place_is_an_error_of_the_service(client: TestClient, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    whole_call = call(
        "order-sign",
        draft(LORAZEPAM, 0.5),
        order(MORPHINE, 40.5, "m1"),
        prefetch=prefetch(observation("2708-6", 97, "%"), order(LORAZEPAM, 0.5, "b1")),
    )
    body = json.loads(json.dumps(whole_call))
    odd = (None, "", "x", "-1", -1, 1e308, True, [], {}, [None], "2026-02-31", "9999-12-31T99:00:00Z", {"a": {}})
    for _ in range(rng.randint(1, 3)):
        *path, last = rng.choice(places(body))
        inner = body
        for key in path:
            inner = inner[key]
        inner[last] = rng.choice(odd)
    response = client.post(f"/cds-services/{SIGN}", json=body)
    assert response.status_code in (200, 422), response.text
    whole(response.json().get("cards", []))


def test_other_scales_patches_and_many_steps_are_judged_or_not_and_never_an_error(client: TestClient) -> None:
    (card, *_) = sign(client, draft("buprenorphine 8 MG Sublingual Tablet", 8))
    assert "cannot be compared" in card["detail"] and card["indicator"] != "info"
    steps = [
        {
            "sequence": k + 1,
            "timing": {
                "repeat": {
                    "frequency": 2,
                    "period": 1,
                    "periodUnit": "d",
                    "boundsPeriod": {
                        "start": (TODAY + timedelta(days=2 * k)).isoformat(),
                        "end": (TODAY + timedelta(days=2 * k + 1)).isoformat(),
                    },
                }
            },
            "doseAndRate": [{"doseQuantity": {"value": 45 - k / 10, "unit": "mg", "code": "mg"}}],
        }
        for k in range(61)
    ]
    (card, *_) = sign(client, draft(MORPHINE, 45, dosageInstruction=steps, **IN_PLACE))
    assert "61 steps in one order" in card["summary"]
    (card, *_) = sign(client, draft(MORPHINE, 45, dosageInstruction=steps[:4], **IN_PLACE))
    assert f"ends on {TODAY + timedelta(days=8)}" in card["detail"]
    many = call("order-sign", *[draft(MORPHINE, 45)] * 51)
    refused = client.post(f"/cds-services/{SIGN}", json=many)
    assert refused.status_code == 422 and "given 51 orders; allowed: at most 50" in refused.json()["problems"][0]


def test_what_a_text_of_the_ehr_holds_is_no_markup(client: TestClient) -> None:
    hostile = draft("oxymorphone <img src=x> [a](https://elsewhere.example) **b**", 5)
    (card,) = sign(client, hostile)
    assert "elsewhere" in card["detail"]
    assert not re.search(r"(?<!\\)(<|\]\()", card["detail"])


def test_a_service_that_does_not_exist_and_another_site_are_refused(client: TestClient) -> None:
    assert client.post("/cds-services/other", json=call("patient-view")).status_code == 422
    headers = {"origin": "https://elsewhere.example"}
    refused = client.post(f"/cds-services/{SIGN}", json=call("order-sign"), headers=headers)
    assert refused.status_code == 403 and "access-control-allow-origin" not in refused.headers


def test_another_machine_is_refused_without_accounts(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=True)
    for client_host, status in (("10.0.0.9", 403), ("127.0.0.1", 200)):
        app = FastAPI()
        mount_doors(app, store, Reckoner(), lambda: TODAY)
        caller = TestClient(app, client=(client_host, 50_000))
        assert caller.get("/cds-services").status_code == status
        assert caller.get("/api/v1/drugs").status_code == status


def test_feedback_is_a_line_of_the_patients_log_and_survives_a_restart(root: Path, client: TestClient) -> None:
    (card, *_) = sign(client, draft(MORPHINE, 30, **IN_PLACE))
    accepted = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
        "outcomeTimestamp": "2026-04-02T10:00:00Z",
    }
    overridden = {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": {"reason": card["overrideReasons"][0], "userComment": "agreed by phone"},
        "outcomeTimestamp": "2026-04-02T10:05:00+00:00",
    }
    assert client.post(f"/cds-services/{SIGN}/feedback", json={"feedback": [accepted]}).json() == {"recorded": 1}
    restarted = TestClient(
        application(ServedPages(PatientStore(root, is_shared=False), Reckoner(), lambda: TODAY)),
        base_url=HOST,
        client=HERE,
    )
    answer = restarted.post(f"/cds-services/{SIGN}/feedback", json={"feedback": [overridden]})
    assert answer.status_code == 200, answer.text
    log = PatientStore(root, is_shared=False).with_log("doors", "1288992").decision_log()
    assert log.problems == [] and [line["kind"] for line in log.lines] == ["feedback", "feedback"]
    first, second = log.lines
    assert first["outcome"] == "accepted" and first["accepted"] == [card["suggestions"][0]["label"]]
    assert second["reason"]["code"] == "agreed" and second["comment"] == "agreed by phone"
    assert {first["patient_id"], second["patient_id"]} == {"1288992"} and first["user"] == "Practitioner/example"
    (cards,) = root.rglob("cards.jsonl")
    assert read_log(cards).problems == [] and cards.stat().st_mode & 0o077 == 0
    for wrong in (
        accepted | {"acceptedSuggestions": []},
        accepted | {"acceptedSuggestions": [{"id": card["uuid"]}]},
        accepted | {"outcome": "ignored"},
        accepted | {"outcomeTimestamp": "yesterday"},
        accepted | {"outcomeTimestamp": "2026-04-02T10:00:00"},
        overridden | {"card": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"},
        overridden | {"overrideReason": {"userComment": "x" * 501}},
    ):
        refused = client.post(f"/cds-services/{SIGN}/feedback", json={"feedback": [overridden, wrong]})
        assert refused.status_code == 422, wrong
    assert client.post(f"/cds-services/{VIEW}/feedback", json={"feedback": [overridden]}).status_code == 422
    assert len(PatientStore(root, is_shared=False).with_log("doors", "1288992").decision_log().lines) == 2


def test_one_call_identifier_for_two_patients_gives_two_cards(client: TestClient) -> None:
    body = call("patient-view", prefetch={})
    other = json.loads(json.dumps(body))
    other["context"]["patientId"] = "77"
    first, second = (client.post(f"/cds-services/{VIEW}", json=b).json()["cards"][0]["uuid"] for b in (body, other))
    assert first != second


def test_no_flag_of_a_card_is_left_out_and_the_most_urgent_comes_first() -> None:
    flags = [f"flag {k}" for k in range(12)]
    written = Card("s", "info", (("Flags", tuple(flags)), ("What this rests on", tuple(flags)))).written(
        UUID(int=1), "", []
    )
    first, second = written["detail"].split("**What this rests on**")
    assert all(flag in first for flag in flags) and "flag 6" not in second and "and 6 more" in second
    raised = judge_orders(
        History("p", (), (DoseRow(TODAY - timedelta(days=500), find_drug("morphine", "ER"), 90.0),)),
        [Draft("d", "d", True, stops=(("morphine", "ER"),))],
        TODAY,
        Limits(),
    )
    (reading,) = raised.readings
    urgencies = [flag.urgency for flag in most_urgent_first(reversed(reading.flags))]
    assert len(urgencies) > 1 and urgencies == sorted(urgencies, key=URGENCIES.index)


def test_a_summary_is_cut_between_words() -> None:
    assert len(shortened("word " * 100)) < 140 and shortened("word " * 100).endswith("word…")
    assert shortened("a\n b") == "a b"
