"""Requests of CDS Hooks that others wrote get cards or a reason in lines, whole, cut or damaged, and never a failure.

The copies are not part of the repository. ``TAPER_SIM_CDS_REQUESTS`` names a folder with them: see
``tests/serve/cds_requests.md``. Without it, requests in the same shapes stand for them.
"""

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientStore
from tests.serve.test_served_pages import HOST, StoredReckoner

SERVICES = ("taper-patient-view", "taper-order-sign")
FOLDER = os.environ.get("TAPER_SIM_CDS_REQUESTS", "")
TODAY = date(2026, 4, 2)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    store = PatientStore(tmp_path_factory.mktemp("public"), is_shared=False)
    app = application(ServedPages(store, StoredReckoner(), lambda: TODAY))
    with TestClient(app, base_url=HOST, client=("127.0.0.1", 50_000), raise_server_exceptions=False) as opened:
        yield opened


def order(text: str, **more: Any) -> dict[str, Any]:
    """An order of a guideline's example: a code, a period, a dose as a range or a rate."""
    dose = {"timing": {"repeat": {"frequency": 1, "period": 1.0, "periodUnit": "d"}}, "asNeededBoolean": False}
    return {
        "resourceType": "MedicationRequest",
        "id": "example",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/example-1"},
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "197696", "display": text}]
        },
        "dosageInstruction": [
            dose | {"doseAndRate": [{"doseRange": {"low": {"value": 1.0}, "high": {"value": 2.0, "unit": "patch"}}}]}
        ],
        "dispenseRequest": {"validityPeriod": {"start": "2026-01-01", "end": "2026-04-01T00:00:00-06:00"}},
    } | more


def requests_in_the_same_shapes() -> dict[str, str]:
    """Requests with what was seen in public ones: own names of prefetch, a list in a resource's place, odd contexts."""
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": 1}
    record = {
        "item1": {"resourceType": "Patient", "id": "example-1", "birthDate": "1982-01-07"},
        "item2": bundle | {"entry": [{"resource": order("Fentanyl 75 MCG/HR 72 Hour Transdermal Patch")}]},
        "item3": bundle | {"entry": []},
        "item4": None,
    }
    whole: dict[str, Any] = {
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "fhirServer": "http://fhir.example/baseDstu4",
        "hook": "order-sign",
        "applyCql": True,
        "fhirAuthorization": {
            "access_token": "x",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.read",
        },
        "context": {
            "userId": "Practitioner/example",
            "patientId": "example-1",
            "encounterId": "1",
            "selections": ["MedicationRequest/example"],
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order("Alprazolam 0.5 MG Oral Tablet")}]},
        },
        "prefetch": record,
    }
    named = {"patient": record["item1"], "requests": record["item2"], "observations": None, "conditions": None}
    select, view = whole | {"hook": "order-select"}, whole | {"hook": "patient-view", "prefetch": named}
    texts = {
        "own_names.json": json.dumps(whole),
        "order_select.json": json.dumps(select),
        "patient_view.json": json.dumps(view),
        "order_sign.json": json.dumps(whole | {"prefetch": named}),
        "no_prefetch.json": json.dumps({k: v for k, v in whole.items() if k != "prefetch"}),
        "orders_in_a_list.json": json.dumps(whole | {"context": whole["context"] | {"draftOrders": [order("x")]}}),
        "orders_by_class.json": json.dumps(
            whole | {"context": whole["context"] | {"draftOrders": {"MedicationRequest": []}}}
        ),
        "a_resource_alone.json": json.dumps(order("Naloxone")),
        "one_brace_too_many.json": json.dumps(whole) + "\n}\n",
    }
    return texts


def requests() -> dict[str, str]:
    """Text of each request by the name of its file."""
    if not FOLDER:
        return requests_in_the_same_shapes()
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(FOLDER).rglob("*.json"))}


def damaged(text: str) -> dict[str, str]:
    """The text as it is, without what follows its first object, cut, and with places of wrong types."""
    content, _ = json.JSONDecoder().raw_decode(text.lstrip())
    variants = {"as it is": text, "first object": json.dumps(content), "cut": text[: len(text) // 2]}
    for key in ("context", "prefetch", "hook", "hookInstance"):
        for name, wrong in (("null", None), ("number", 1e400), ("list", [[{}]]), ("text", "\u0000\ud800")):
            variants[f"{key} {name}"] = json.dumps(content | {key: wrong})
    variants["every text hostile"] = json.dumps(content).replace('": "', '": "<script>\\u202e')
    variants["dates that do not exist"] = json.dumps(content).replace('"20', '"2026-13-45T99')
    return variants


@pytest.mark.parametrize("name", requests())
def test_a_request_of_others_gets_cards_or_a_reason_in_lines(client: TestClient, name: str) -> None:
    text = requests()[name]
    for variant, sent in damaged(text).items():
        for service in SERVICES:
            response = client.post(
                f"/cds-services/{service}",
                content=sent.encode(errors="surrogatepass"),
                headers={"content-type": "application/json"},
            )
            place = (name, variant, service, response.text[:300])
            if response.status_code == 200:
                for card in response.json()["cards"]:
                    assert card["uuid"] and card["source"]["label"] and 0 < len(card["summary"]) < 140, place
            else:
                assert response.status_code == 422, place
                lines = response.json()["problems"]
                assert lines and all("; allowed: " in line and "\n" not in line for line in lines), place


def test_the_shapes_reach_the_rules_and_do_not_all_end_at_the_door(client: TestClient) -> None:
    statuses = {}
    for name, text in requests_in_the_same_shapes().items():
        hook = json.JSONDecoder().raw_decode(text)[0].get("hook", "")
        service = SERVICES[0] if hook == "patient-view" else SERVICES[1]
        response = client.post(
            f"/cds-services/{service}", content=text.encode(), headers={"content-type": "application/json"}
        )
        statuses[name] = (response.status_code, [c["summary"] for c in response.json().get("cards", [])])
    assert statuses["patient_view.json"][0] == statuses["order_sign.json"][0] == 200, statuses
    assert any("lacks prefetch" in text for text in statuses["own_names.json"][1]), statuses
    assert statuses["one_brace_too_many.json"][0] == 422, statuses
