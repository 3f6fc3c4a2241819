"""A launch from the EHR opens the page of the same patient, in the browser that began it, and asks no other server."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from taper_sim.cli import main
from taper_sim.data.fhir.bundle import bundle_reading
from taper_sim.data.patient_files import BUNDLE_FILE
from taper_sim.data.problems import InputError
from taper_sim.serve.doors.smart_client import FhirServer, FhirServerError, Granted, Pkce
from taper_sim.serve.doors.smart_launch import mount_smart_launch
from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientStore
from tests.serve.fake_ehr.people import people
from tests.serve.fake_ehr.server import FakeEhr, fake_ehr_application
from tests.serve.test_served_pages import HOST, StoredReckoner

TODAY = date(2026, 4, 2)
EHR = "http://127.0.0.1:9000"
BASE = f"{EHR}/fhir"


@pytest.fixture(scope="module")
def everybody() -> dict[str, list[dict[str, Any]]]:
    return people(TODAY)


@dataclass
class World:
    """An EHR, the pages that it launches, and a way to walk through its redirects as a browser does."""

    ehr: FakeEhr
    app: Any
    store: PatientStore
    ehr_browser: TestClient

    def bundles(self) -> list[bytes]:
        """The records that were kept."""
        return [
            content for (content,) in self.store.database.rows("SELECT content FROM files WHERE name = ?", BUNDLE_FILE)
        ]

    def browser(self) -> TestClient:
        return TestClient(self.app, base_url=HOST, follow_redirects=False)

    def authorized(self, browser: TestClient, patient_id: str) -> str:
        """The address to which the EHR sends the browser back."""
        begun = browser.get("/smart/launch", params={"iss": BASE, "launch": self.ehr.launch_of(patient_id)})
        assert begun.status_code == 303, begun.text
        back = self.ehr_browser.get(begun.headers["location"].removeprefix(EHR))
        assert back.status_code == 303, back.text
        return str(back.headers["location"]).removeprefix(HOST)


@pytest.fixture
def world(tmp_path: Path, everybody: dict[str, list[dict[str, Any]]]) -> Iterator[World]:
    ehr = FakeEhr(BASE, TODAY, resources=everybody)
    answering = fake_ehr_application(ehr)
    store = PatientStore(tmp_path, is_shared=False)
    pages = ServedPages(store, StoredReckoner(), lambda: TODAY)
    app = application(pages)
    mount_smart_launch(app, pages, FhirServer(BASE, "taper-sim", httpx.ASGITransport(answering)))
    yield World(ehr, app, store, TestClient(answering, base_url=EHR, follow_redirects=False))


def address_of(page: Any) -> str:
    return str(re.findall(r'<a href="([^"]+)"', page.text)[0]).replace("&amp;", "&")


@pytest.mark.parametrize("patient_id", ["e01", "e13", "e14", "e16", "e18", "e19"])
def test_a_launch_opens_the_page_of_the_same_patient(world: World, patient_id: str) -> None:
    browser = world.browser()
    arrived = browser.get(world.authorized(browser, patient_id))
    assert arrived.status_code == 200, arrived.text
    opened = browser.get(address_of(arrived))
    assert opened.status_code == 303, opened.text
    page = browser.get(opened.headers["location"])
    assert page.status_code == 200 and patient_id in page.text
    assert "<script>alert" not in page.text


def test_the_whole_record_comes_page_by_page_and_a_refused_optional_type_is_left_out(world: World) -> None:
    browser = world.browser()
    browser.get(address_of(browser.get(world.authorized(browser, "e01"))))
    (content,) = world.bundles()
    entries = [e["resource"] for e in json.loads(content)["entry"]]
    assert sorted(r["id"] for r in entries) == sorted(r["id"] for r in world.ehr.resources["e01"])
    assert len(entries) > 40 and "GET /fhir/QuestionnaireResponse" in world.ehr.asked


def test_a_second_launch_of_a_patient_takes_the_newer_record(world: World) -> None:
    browser = world.browser()
    for _ in range(2):
        arrived = browser.get(world.authorized(browser, "e02"))
        assert browser.get(address_of(arrived)).status_code == 303
    assert len(world.bundles()) == 1


def test_a_patient_that_cannot_be_read_is_a_problem_in_a_line_and_leaves_no_file(world: World) -> None:
    world.ehr.resources = world.ehr.resources | {"e05": [{"resourceType": "Patient", "id": "e05", "birthDate": []}]}
    browser = world.browser()
    page = browser.get(address_of(browser.get(world.authorized(browser, "e05"))))
    assert page.status_code == 422 and "no Patient e05" in page.text
    assert world.bundles() == []


def test_a_launch_of_another_server_is_refused_and_contacts_nobody(world: World) -> None:
    browser = world.browser()
    for iss in ("https://elsewhere.example/fhir", "", f"{BASE}@elsewhere.example", f"{EHR}/other"):
        refused = browser.get("/smart/launch", params={"iss": iss, "launch": "x"})
        assert refused.status_code == 400 and "--fhir-server" in refused.text
    assert browser.get("/smart/launch", params={"iss": BASE}).status_code == 400
    assert world.ehr.asked == []


def test_a_return_is_taken_once_and_only_in_the_browser_that_began(world: World) -> None:
    browser, other = world.browser(), world.browser()
    back = world.authorized(browser, "e03")
    assert other.get(back).status_code == 400
    browser, back = world.browser(), ""
    back = world.authorized(browser, "e03")
    arrived = browser.get(back)
    assert arrived.status_code == 200
    assert browser.get(back).status_code == 400
    assert other.get(address_of(arrived)).status_code == 400


def test_a_refusal_of_the_ehr_is_said_in_a_line(world: World) -> None:
    browser = world.browser()
    state = re.findall(r"state=([^&]+)", world.authorized(browser, "e04"))[0]
    page = browser.get("/smart/callback", params={"state": state, "error": "access_denied"})
    assert page.status_code == 403 and "access_denied" in page.text


def test_the_ehr_gives_no_token_for_another_secret(world: World) -> None:
    server = FhirServer(BASE, "taper-sim", httpx.ASGITransport(fake_ehr_application(world.ehr)))
    endpoints = asyncio.run(server.endpoints())
    address = server.authorize_url(endpoints, Pkce(), "state", world.ehr.launch_of("e05"), f"{HOST}/smart/callback")
    back = world.ehr_browser.get(address.removeprefix(EHR)).headers["location"]
    code = str(httpx.URL(back).params["code"])
    with pytest.raises(FhirServerError, match="/token: given status 400"):
        asyncio.run(server.granted(endpoints, code, Pkce(), f"{HOST}/smart/callback"))


def answers(**by_path: Any) -> FhirServer:
    """A server that gives these answers by the last part of the path."""

    def answer(request: httpx.Request) -> httpx.Response:
        content = by_path.get(request.url.path.rsplit("/", 1)[-1].replace("-", "_"), {})
        return content if isinstance(content, httpx.Response) else httpx.Response(200, json=content)

    return FhirServer("https://ehr.example/fhir", "taper-sim", httpx.MockTransport(answer))


GOOD = {"code_challenge_methods_supported": ["S256"], "authorization_endpoint": "https://ehr.example/authorize"}


@pytest.mark.parametrize(
    "configuration",
    [
        GOOD | {"token_endpoint": "https://elsewhere.example/token"},
        GOOD | {"token_endpoint": "http://ehr.example/token"},
        GOOD | {"token_endpoint": ""},
        GOOD | {"token_endpoint": "https://ehr.example/token", "code_challenge_methods_supported": ["plain"]},
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(302, headers={"location": "https://elsewhere.example"}),
    ],
)
def test_a_configuration_that_leads_elsewhere_or_without_pkce_is_refused(configuration: Any) -> None:
    with pytest.raises(FhirServerError):
        asyncio.run(answers(smart_configuration=configuration).endpoints())


def test_a_next_page_elsewhere_is_not_followed() -> None:
    page = {"entry": [], "link": [{"relation": "next", "url": "https://elsewhere.example/fhir/Observation?page=2"}]}
    server = answers(Observation=page, p1={"resourceType": "Patient", "id": "p1"})
    with pytest.raises(FhirServerError, match="Observation, next page"):
        asyncio.run(server.record(Granted("t", "p1"), TODAY))


def test_a_type_that_the_rules_need_must_come() -> None:
    refused = httpx.Response(403, json={})
    with pytest.raises(FhirServerError, match="Condition: given status 403"):
        asyncio.run(answers(Condition=refused).record(Granted("t", "p1"), TODAY))
    bundle = asyncio.run(answers(QuestionnaireResponse=refused).record(Granted("t", "p1"), TODAY))
    assert bundle["timestamp"].startswith(TODAY.isoformat())


@pytest.mark.parametrize("address", ["http://ehr.example/fhir", "ehr.example", "file:///etc", "", "https://"])
def test_only_https_or_this_machine_is_a_fhir_server(address: str) -> None:
    with pytest.raises(InputError, match="--fhir-server"):
        FhirServer(address, "taper-sim")


def test_the_command_refuses_a_server_that_is_not_one_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--fhir-server", "http://ehr.example/fhir"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("--fhir-server: given http://ehr.example/fhir; allowed: https")


def test_twenty_simulated_patients_can_be_read_and_the_odd_ones_say_why(
    everybody: dict[str, list[dict[str, Any]]],
) -> None:
    assert len(everybody) == 20 and everybody == people(TODAY)
    counts = {}
    for patient_id, resources in everybody.items():
        entry = [{"resource": resource} for resource in resources]
        bundle = {"resourceType": "Bundle", "type": "collection", "timestamp": f"{TODAY}T12:00:00Z", "entry": entry}
        reading = bundle_reading(Path("ehr"), bundle)
        history = reading.histories[patient_id]
        counts[patient_id] = (len(history.doses), len(history.checkins), len(reading.failed), len(history.unread))
    regular = [counts[f"e{number:02d}"] for number in range(1, 13)]
    assert all(doses >= 2 and reports >= 30 and not failed and not unread for doses, reports, failed, unread in regular)
    assert counts["e14"][1] == 0 and counts["e15"][0] == 0
    assert counts["e16"][3] == 1 and counts["e17"][2] >= 1 and counts["e18"][2] == 2
