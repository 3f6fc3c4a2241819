"""The clinician's page answers its own machine, shows what the answer holds, escapes what files hold, mixes nobody."""

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from taper_sim.cli import main
from taper_sim.data.added_checkins import with_added
from taper_sim.data.problems import InputError
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.recommend.own_plan import OWN_PLAN, Weighed
from taper_sim.serve.entry_form import FormError, entered, must_ask
from taper_sim.serve.page_guard import MAX_BODY_BYTES, is_loopback
from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientFolder, PatientStore
from taper_sim.serve.patient_view import option_cards, patient_page
from taper_sim.serve.reckoner import Reckoned, Reckoner
from tests.conftest import ROOT

TODAY = date(2026, 4, 2)
HOST = "http://127.0.0.1:8000"
HOSTILE = '<script>alert("x")</script>'
STORED = Path(__file__).with_name("stored_answer.json")


@cache
def stored() -> dict[str, Any]:
    """An answer to the shipped example, written once by `taper-sim recommend --json`."""
    return dict(json.loads(STORED.read_text()))


def answer_with(**fields: Any) -> RecommendationFields:
    return RecommendationFields(deepcopy(stored()) | fields)


class StoredReckoner(Reckoner):
    """Gives the stored answer for every patient, under their own id: no computation."""

    def wanted(self, folder: PatientFolder) -> "Future[Reckoned]":
        future: Future[Reckoned] = Future()
        history = folder.history()
        future.set_result(Reckoned(Weighed(answer_with(patient_id=history.patient_id)), history))
        return future


def client_of(store: PatientStore) -> TestClient:
    return TestClient(application(ServedPages(store, StoredReckoner(), lambda: TODAY)), base_url=HOST)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(PatientStore(tmp_path, is_shared=False)) as opened:
        yield opened


def token(client: TestClient) -> str:
    return re.findall(r'name="token" value="(\w+)"', client.get("/new").text)[0]


def csv_of(patient_id: str) -> dict[str, tuple[str, bytes]]:
    quoted = '"' + patient_id.replace('"', '""') + '"'
    doses = f"patient_id,date,drug,formulation,dose_mg_per_day\n{quoted},2026-01-05,morphine,ER,90\n"
    checkins = f"patient_id,date,instrument,value\n{quoted},2026-03-01,pain_nrs,4\n"
    return {"doses": ("d.csv", doses.encode()), "checkins": ("c.csv", checkins.encode())}


def upload(client: TestClient, files: dict[str, tuple[str, bytes]]) -> Any:
    return client.post("/upload", data={"token": token(client)}, files=files)


FILLED = {
    "patient": "p7",
    "drug_1": "morphine|ER",
    "dose_1": "30",
    "times_1": "3",
    "months_of_use": "60",
    "pain_nrs": "6",
    "none_of_these": "yes",
    "q_patient_agreed_to_taper": "1",
}


def test_no_address_that_another_machine_reaches_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "example.org"):  # noqa: S104
        assert main(["serve", "--host", host]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(";")[0] for line in lines] == [
            f"--host: given {host} without {missing}" for missing in ("accounts", "TLS")
        ]
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]")))
    assert not any(map(is_loopback, ("127.0.0.1.example.org", "", "localhost.example.org", "::")))


def test_another_name_another_origin_or_a_missing_token_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "rebound.example:8000"}).status_code == 421
    good = {"token": token(client)}
    assert client.post("/example", data=good, headers={"origin": "http://127.0.0.1:9999"}).status_code == 403
    assert client.post("/example", data=good, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/example", data={"token": "0" * 64}).status_code == 403
    assert client.post("/example").status_code == 403
    assert client.put("/example").status_code == 405
    assert client.post("/example", data=good, headers={"origin": HOST}).status_code == 200


def test_a_token_is_of_its_own_visitor(tmp_path: Path) -> None:
    app = application(ServedPages(PatientStore(tmp_path, is_shared=False), StoredReckoner(), lambda: TODAY))
    first, second = TestClient(app, base_url=HOST), TestClient(app, base_url=HOST)
    token(second)
    assert second.post("/example", data={"token": token(first)}).status_code == 403


def test_every_page_forbids_what_is_not_served_here_and_is_kept_nowhere(client: TestClient) -> None:
    for response in (
        client.get("/"),
        client.get("/new"),
        client.get("/nowhere"),
        client.get("/", headers={"host": "x"}),
    ):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert response.headers["cache-control"] == "no-store"
        assert "server" not in response.headers
    cookie = client.get("/").headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    for page in (client.get("/").text, client.get("/new").text):
        assert not re.search(r"<script(?![^>]* src=\"/static/)|\son\w+=|style=", page)
        assert "Research prototype" in page and "emergency number now" in page


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused(client: TestClient, declared: bool) -> None:
    size = MAX_BODY_BYTES + 1
    content = b"x" * size if declared else iter([b"x" * (1 << 20)] * (size // (1 << 20) + 1))
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/upload", content=content, headers=headers).status_code == 413


def test_what_files_and_forms_hold_is_text_on_every_page(client: TestClient) -> None:
    response = upload(client, csv_of(HOSTILE))
    assert response.status_code == 200
    key = response.url.path
    decided = client.post(
        f"{key}/decision",
        data={"token": token(client), "action": "accept", "by": HOSTILE, "reason": HOSTILE}
        | {"offer": re.findall(r'name="offer" value="(\w+)"', response.text)[0]},
    )
    assert decided.url.path.endswith("/agreed"), decided.text
    for page in (response, decided, client.get("/"), client.get(f"{key}/details"), client.get(key)):
        assert HOSTILE not in page.text
        assert "&lt;script&gt;" in page.text
    refused = client.post("/new", data=FILLED | {"token": token(client), "dose_1": HOSTILE, "patient": '"><b>'})
    assert refused.status_code == 422 and HOSTILE not in refused.text and '"><b>' not in refused.text


def test_addresses_hold_no_id(client: TestClient) -> None:
    assert "Eve" not in upload(client, csv_of("Eve")).url.path


def test_two_browsers_have_each_their_own_patients(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=False)
    app = application(ServedPages(store, StoredReckoner(), lambda: TODAY))
    first, second = TestClient(app, base_url=HOST), TestClient(app, base_url=HOST)
    mine = upload(first, csv_of("Ann")).url.path
    yours = upload(second, csv_of("Bob")).url.path
    assert "Bob" not in first.get("/").text and "Ann" not in second.get("/").text
    for path in (mine, f"{mine}/details", f"{mine}/agreed"):
        assert second.get(path).status_code == 404
    assert second.post(f"{mine}/plan", data={"token": token(second)}).status_code == 404
    assert first.get(mine).status_code == second.get(yours).status_code == 200


def test_with_a_data_folder_everybody_has_the_same_patients_and_a_forged_cookie_none(tmp_path: Path) -> None:
    app = application(ServedPages(PatientStore(tmp_path, is_shared=True), StoredReckoner(), lambda: TODAY))
    first, second = TestClient(app, base_url=HOST), TestClient(app, base_url=HOST)
    assert second.get(upload(first, csv_of("Ann")).url.path).status_code == 200
    private = application(ServedPages(PatientStore(tmp_path / "x", is_shared=False), StoredReckoner(), lambda: TODAY))
    forger = TestClient(private, base_url=HOST, cookies={"taper_sim_visitor": "../x.0"})
    assert forger.get("/").status_code == 200


def test_files_of_patients_are_the_owners_alone_and_an_upload_that_fails_leaves_none(tmp_path: Path) -> None:
    with client_of(PatientStore(tmp_path / "data", is_shared=True)) as client:
        bad = csv_of("Ann") | {"checkins": ("c.csv", b"patient_id,date,instrument,value\nAnn,2026-13-01,pain_nrs,99\n")}
        response = upload(client, bad)
        assert response.status_code == 422
        assert "checkins.csv: row 2, date" in response.text and "row 2, value" in response.text
        assert str(tmp_path) not in response.text and "/tmp" not in response.text  # noqa: S108
        assert list(tmp_path.rglob("*.csv")) == []
        assert PatientStore(tmp_path / "data", is_shared=True).folders("") == []
        upload(client, csv_of("Ann"))
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"checkins.csv", "doses.csv", "patient.json", "taper_sim.sqlite"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in {file.parent for file in files})


def test_a_file_of_several_patients_becomes_a_folder_for_each(client: TestClient) -> None:
    doses = (
        "patient_id,date,drug,formulation,dose_mg_per_day\na,2026-01-05,morphine,ER,90\nb,2026-01-05,morphine,ER,60\n"
    )
    checkins = "patient_id,date,instrument,value\nb,2026-03-01,pain_nrs,4\n"
    files = {"doses": ("d.csv", doses.encode()), "checkins": ("c.csv", checkins.encode())}
    page = upload(client, files)
    assert page.url.path == "/" and len(set(re.findall(r'href="/patients/(\w+)"', page.text))) == 2
    again = upload(client, files)
    assert again.status_code == 422 and "is here already" in again.text


def test_the_shipped_bundle_is_taken_and_bytes_that_are_no_text_are_not(client: TestClient) -> None:
    bundle = (ROOT / "examples" / "bundle.json").read_bytes()
    assert upload(client, {"bundle": ("b.json", bundle)}).url.path.startswith("/patients/")
    for content in (b"\xff\xfe\x00", b"[]", b"{}"):
        assert upload(client, {"bundle": ("b.json", content)}).status_code == 422


def test_the_form_writes_the_files_that_the_readers_take(tmp_path: Path) -> None:
    patient_id, files = entered(FILLED, TODAY)
    folder = PatientStore(tmp_path, is_shared=True).add("", patient_id, files)
    history = folder.history()
    (dose,) = history.doses
    assert (dose.dose, dose.interval_h, (TODAY - dose.day).days) == (90.0, 8.0, 24 * 28)
    reported = {c.instrument: c.value for c in history.checkins}
    assert reported["pain_nrs"] == 6.0 and reported["patient_agreed_to_taper"] == 1.0
    alarms = {q.variable for q in must_ask() if q.is_alarm}
    assert {"suicidal_intent", "phq9_item9", "seizure"} <= alarms
    assert all(reported[name] == 0.0 for name in alarms)
    assert not {"pregnant", "cows", "opioid_taken_mme"} & set(reported)
    assert folder.arguments()["as_of"] == "2026-04-02"


def test_none_of_these_never_overrides_an_answer() -> None:
    _, files = entered(FILLED | {"q_suicidal_intent": "1", "q_phq9_item9": "2"}, TODAY)
    assert "suicidal_intent,1" in files["checkins.csv"] and "phq9_item9,2" in files["checkins.csv"]
    _, unanswered = entered({k: v for k, v in FILLED.items() if k != "none_of_these"}, TODAY)
    assert "suicidal_intent" not in unanswered["checkins.csv"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient", "  "),
        ("patient", "a\x00b"),
        ("drug_1", ""),
        ("drug_1", "heroin|IR"),
        ("dose_1", "-3"),
        ("dose_1", "nan"),
        ("dose_1", "90000"),
        ("times_1", "5"),
        ("months_of_use", ""),
        ("pain_nrs", "11"),
        ("q_phq9_item9", "7"),
        ("as_of", "2026-04-03"),
        ("age", "140"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(field: str, value: str) -> None:
    with pytest.raises(FormError) as error:
        entered(FILLED | {field: value}, TODAY)
    assert set(error.value.by_field) == {field}
    assert "allowed" in error.value.by_field[field]


def test_a_refused_form_keeps_what_was_entered_and_shows_the_problem_at_its_field(client: TestClient) -> None:
    page = client.post("/new", data=FILLED | {"token": token(client), "pain_nrs": "11", "patient": "kept"})
    assert page.status_code == 422
    assert 'aria-describedby="error-pain_nrs"' in page.text and 'id="error-pain_nrs"' in page.text
    assert 'value="kept"' in page.text and '<option value="morphine|ER" selected>' in page.text


@pytest.mark.parametrize("later", [0, 3, 246])
def test_the_example_ends_within_the_week_up_to_today_on_its_own_weekdays(tmp_path: Path, later: int) -> None:
    today = TODAY + timedelta(days=later)
    store = PatientStore(tmp_path, is_shared=True)
    with TestClient(application(ServedPages(store, StoredReckoner(), lambda: today)), base_url=HOST) as client:
        client.post("/example", data={"token": token(client)})
    (folder,) = store.folders("")
    history = folder.history()
    last = max(c.day for c in history.checkins)
    assert 0 <= (today - last).days < 7 and last.weekday() == date(2026, 3, 29).weekday()
    assert (last - min(row.day for row in history.doses)).days == (date(2026, 3, 29) - date(2026, 1, 5)).days


def test_a_question_says_whom_it_is_put_to_in_words_of_the_form() -> None:
    words = {question.variable: question.words for question in must_ask()}
    assert "(no where not possible" in words["pregnant"] and "false" not in words["pregnant"]
    assert not [text for text in words.values() if text.startswith("(")]
    assert [text for text in words.values() if text.startswith("Caregiver: ")]


def offer_of(page: Any) -> str:
    return str(re.findall(r'name="offer" value="(\w+)"', page.text)[0])


@pytest.mark.parametrize(
    ("action", "did"),
    [
        ("accept", "reduce opioid by 10 % of original"),
        ("part", "other: only the first step of reduce opioid by 10 %"),
        ("delay", "other: delayed to 2026-05-01: "),
        ("decline", "other: declined: "),
    ],
)
def test_a_decision_is_a_line_of_the_chained_log_and_a_page_to_print(tmp_path: Path, action: str, did: str) -> None:
    with client_of(PatientStore(tmp_path, is_shared=True)) as client:
        page = client.post("/example", data={"token": token(client)})
        fields = {"token": token(client), "offer": offer_of(page), "action": action, "by": "Dr A", "reason": "agreed"}
        agreed = client.post(f"{page.url.path}/decision", data=fields | {"until": "2026-05-01"})
    assert agreed.status_code == 200 and agreed.url.path.endswith("/agreed")
    (folder,) = PatientStore(tmp_path, is_shared=True).folders("")
    log = folder.decision_log()
    assert log.problems == []
    offered, decided = log.lines
    assert decided["offer"] == offered["id"] and decided["did"].startswith(did) and decided["by"] == "Dr A"
    changes = any(not row["tablets"].startswith("unchanged") for row in decided["schedule"])
    assert changes == (action in ("accept", "part"))
    words = " ".join(decided["did"].removeprefix("other: ").split()[:2])
    assert f"{words} " in agreed.text and "What to take" in agreed.text


def test_a_decision_without_a_name_on_a_blocked_option_or_on_an_old_offer_writes_nothing(tmp_path: Path) -> None:
    blocked = next(o["name"] for o in stored()["options"] if o["status"] != "offered")
    with client_of(PatientStore(tmp_path, is_shared=True)) as client:
        page = client.post("/example", data={"token": token(client)})
        whole = {"token": token(client), "offer": offer_of(page), "action": "accept", "by": "Dr A", "reason": "why"}
        for wrong in ({"by": " "}, {"reason": ""}, {"option": blocked}, {"offer": "0" * 16}, {"action": "delay"}):
            refused = client.post(f"{page.url.path}/decision", data=whole | wrong)
            assert refused.status_code == 422, wrong
    (folder,) = PatientStore(tmp_path, is_shared=True).folders("")
    assert [line["kind"] for line in folder.decision_log().lines] == ["offered"]


def flag(**fields: str) -> dict[str, str]:
    plain = {"flag": "suicidal_thoughts", "state": "true", "urgency": "same_day", "effect": "no_reduction"}
    words = {"action": "assess today", "who": "psychologist", "within": "today", "acknowledged_by": ""}
    return plain | words | {"acknowledged_reason": ""} | fields


def test_a_flag_of_today_comes_before_any_number() -> None:
    page = patient_page(Weighed(answer_with(red_flags=[flag(urgency="next_visit", flag="later"), flag()])))
    assert page["is_held"]
    assert [f["flag"] for f in page["flags"]] == ["suicidal_thoughts", "later"]


def test_an_emergency_and_an_abstention_show_whom_to_call_and_nothing_to_agree_on(tmp_path: Path) -> None:
    for status, words in (("urgent", "Call now"), ("abstain", "No option")):
        given = {"status": status, "options": [], "chosen": None, "red_flags": [flag(urgency="emergency")]}

        class Held(StoredReckoner):
            def wanted(self, folder: PatientFolder) -> "Future[Reckoned]":
                future: Future[Reckoned] = Future()
                future.set_result(Reckoned(Weighed(answer_with(patient_id="p1", **given)), folder.history()))  # noqa: B023
                return future

        pages = ServedPages(PatientStore(tmp_path / status, is_shared=True), Held(), lambda: TODAY)
        client = TestClient(application(pages), base_url=HOST)
        page = client.post("/example", data={"token": token(client)}).text
        assert words in page.split("<h1")[1].split("</h1>")[0]
        assert page.index("Call now") < page.index("psychologist") and "Keep the decision" not in page


def test_the_options_are_those_of_the_answer_and_the_proposed_one_is_marked_once() -> None:
    cards = option_cards(stored())
    assert [card.role for card in cards] == ["Hold", "Small step", "Planned step", "Step back"]
    assert [card.full_name for card in cards if card.is_proposed] == [stored()["chosen"]]
    by_name = {o["name"]: o for o in stored()["options"]}
    for card in cards:
        assert card.dots == round(100 * by_name[card.full_name]["p_hurts_again"])
        assert card.dots_words == f"{card.dots} of 100"
    blocked = [o for o in stored()["options"] if o["status"] != "offered"]
    assert blocked and not {o["name"] for o in blocked} & {card.full_name for card in cards}


def test_the_list_puts_the_most_urgent_first(tmp_path: Path) -> None:
    urgencies = {"calm": None, "soon": "within_72h", "today": "same_day", "now": "emergency"}

    class ByName(StoredReckoner):
        def wanted(self, folder: PatientFolder) -> "Future[Reckoned]":
            name = folder.history().patient_id
            flags = [] if urgencies[name] is None else [flag(urgency=str(urgencies[name]))]
            future: Future[Reckoned] = Future()
            future.set_result(Reckoned(Weighed(answer_with(patient_id=name, red_flags=flags)), folder.history()))
            return future

    pages = ServedPages(PatientStore(tmp_path, is_shared=True), ByName(), lambda: TODAY)
    client = TestClient(application(pages), base_url=HOST)
    for name in urgencies:
        upload(client, csv_of(name))
    names = re.findall(r'<th scope="row"><a href="/patients/\w+">(\w+)</a>', client.get("/").text)
    assert names == ["now", "today", "soon", "calm"]


def test_the_stored_answer_has_every_field_of_an_answer_and_is_of_the_example() -> None:
    kept = json.loads((ROOT / "tests/numbers/kept/recommend/assessed.json").read_text())
    assert set(stored()) == set(kept) and set(stored()["options"][0]) == set(kept["options"][0])
    assert stored()["status"] == "recommend" and stored()["patient_id"] == "p1"
    assert OWN_PLAN not in {o["name"] for o in stored()["options"]}


def test_new_answers_are_added_to_the_check_ins_and_the_day_moves(tmp_path: Path) -> None:
    with client_of(PatientStore(tmp_path, is_shared=True)) as client:
        page = client.post("/example", data={"token": token(client)})
        fields = {"token": token(client), "as_of": "2026-04-01", "pain_nrs": "9", "q_seizure": "1"}
        assert client.post(f"{page.url.path}/today", data=fields).status_code == 200
        for wrong in ({"as_of": "2026-03-01"}, {"as_of": "2026-04-03"}, {"pain_nrs": "11"}):
            assert client.post(f"{page.url.path}/today", data=fields | wrong).status_code == 422
    (folder,) = PatientStore(tmp_path, is_shared=True).folders("")
    added = [c for c in folder.history().checkins if c.day == date(2026, 4, 1)]
    assert {c.instrument: c.value for c in added} == {"pain_nrs": 9.0, "seizure": 1.0}
    assert len(folder.history().checkins) > 300
    assert folder.arguments()["as_of"] == "2026-04-01"


def test_values_and_acknowledgements_go_to_the_limits_and_wrong_ones_do_not(tmp_path: Path) -> None:
    sliders = {"pain": "2", "function": "1", "mood": "0.5", "sleep": "0", "full_stop": "3", "harm_line": "1"}
    with client_of(PatientStore(tmp_path, is_shared=True)) as client:
        page = client.post("/example", data={"token": token(client)})
        values = sliders | {"outlook_days": "196", "milestone_opioid": "60", "prefer": "least loss"}
        signed = {"flag": "cut_broke_limit", "by": "Dr A", "reason": "talked"}
        for place, good, bad in (
            ("values", values, values | {"outlook_days": "0"}),
            ("acknowledge", signed, signed | {"flag": "no_such_flag"}),
        ):
            fields = {"token": token(client)}
            assert client.post(f"{page.url.path}/{place}", data=fields | good).status_code == 200
            assert client.post(f"{page.url.path}/{place}", data=fields | bad).status_code == 422
    (folder,) = PatientStore(tmp_path, is_shared=True).folders("")
    limits = folder.limits()
    assert limits["values"]["outlook_days"] == 196 and limits["milestones"] == {"opioid": [60.0]}
    assert limits["acknowledged"] == {"cut_broke_limit": {"by": "Dr A", "reason": "talked"}}
    assert limits["target"] == {"opioid": 30}


def test_a_changed_file_is_another_content(tmp_path: Path) -> None:
    folder = PatientStore(tmp_path, is_shared=True).add("", *entered(FILLED, TODAY))
    before = folder.content_hash()
    assert folder.content_hash() == before
    folder.write("limits.yaml", "risk: 0.2\n")
    assert folder.content_hash() != before
    assert replace(folder, number=folder.number + 1).content_hash() != folder.content_hash()


def test_an_id_that_exists_is_refused(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=True)
    store.add("", *entered(FILLED, TODAY))
    with pytest.raises(InputError, match="here already"):
        store.add("", *entered(FILLED, TODAY))


def test_numbers_added_to_a_bundle_stand_beside_it_and_a_conflict_is_refused_in_a_line(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=True)
    with client_of(store) as client:
        path = upload(client, {"bundle": ("b.json", (ROOT / "examples" / "bundle.json").read_bytes())}).url.path
        (folder,) = store.folders("")
        before = folder.history()
        fields = {"token": token(client), "as_of": "2026-04-01", "pain_nrs": "9"}
        assert client.post(f"{path}/today", data=fields).status_code == 200
        added = set(folder.history().checkins) - set(before.checkins)
        assert {(c.day, c.instrument, c.value) for c in added} == {(date(2026, 4, 1), "pain_nrs", 9.0)}
        assert folder.arguments()["added"] == folder.existing("added_checkins.csv")
    known = next(c for c in before.checkins if c.instrument == "pain_nrs")
    extra = tmp_path / "extra.csv"
    bundle = {before.patient_id: before}
    row = f"{before.patient_id},{known.day},pain_nrs"
    extra.write_text(f"patient_id,date,instrument,value\n{row},{known.value:g}\n")
    assert with_added(bundle, extra) == bundle
    extra.write_text(f"patient_id,date,instrument,value\n{row},{10 - known.value:g}\nnobody,2026-01-01,pain_nrs,1\n")
    with pytest.raises(InputError) as error:
        with_added(bundle, extra)
    lines = sorted(p.place for p in error.value.problems)
    assert lines == ["patient_id", "row 2"]


def test_what_two_browsers_add_at_once_is_kept_of_both_and_mixes_no_patients(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=True)
    app = application(ServedPages(store, StoredReckoner(), lambda: TODAY))
    clients = [TestClient(app, base_url=HOST) for _ in range(2)]
    paths = {name: upload(clients[0], csv_of(name)).url.path for name in ("Ann", "Bob")}

    def add(n: int) -> None:
        fields = {"token": token(clients[n]), "as_of": "2026-04-01"}
        for value in range(4):
            clients[n].post(f"{paths['Ann']}/today", data=fields | {"pain_nrs": str(4 * n + value)})
            clients[n].post(f"{paths['Bob']}/today", data=fields | {"sleep_item": str(4 * n + value)})

    threads = [threading.Thread(target=add, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for folder in store.folders(""):
        history = folder.history()
        added = {(c.instrument, c.value) for c in history.checkins if c.day == date(2026, 4, 1)}
        name = "pain_nrs" if history.patient_id == "Ann" else "sleep_item"
        assert added == {(name, float(value)) for value in range(8)}
