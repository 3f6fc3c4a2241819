"""With accounts everybody signs in, a role does what the table allows, and a caregiver sees what a patient shares."""

import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from starlette.routing import Route
from starlette.testclient import TestClient

from taper_sim.cli import main
from taper_sim.data.problems import InputError
from taper_sim.data.records import CheckIn
from taper_sim.recommend.own_plan import Weighed
from taper_sim.serve import access, accounts
from taper_sim.serve.access import RateLimit, Sessions, access_rules, asked
from taper_sim.serve.accounts import (
    FAILURES_TO_LOCK,
    LOCKED,
    SignInError,
    accounts_of,
    add_account,
    add_program,
    disable_account,
    sign_in,
)
from taper_sim.serve.caregiver_consent import consents_of, give_consent, in_force, may_see, revoke_consent
from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientFolder, PatientStore
from taper_sim.serve.reckoner import Reckoned
from taper_sim.serve.sparklines import trends_of
from taper_sim.serve.store.audit_chain import Actor
from taper_sim.serve.store.database import DATABASE_FILE, StoreDatabase
from tests.serve.test_served_pages import (
    HOST,
    HOSTILE,
    TODAY,
    StoredReckoner,
    answer_with,
    csv_of,
    flag,
    offer_of,
    token,
    upload,
)

PASSWORD = "correct horse battery staple"  # noqa: S105  invented
PEOPLE = {"drA": "clinician", "phB": "pharmacist", "obs": "read-only", "cara": "caregiver"}
NOW = datetime(2026, 4, 2, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with little memory: these tests are about who may, not about the cost of a guess."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: cheap)
    monkeypatch.setattr(accounts, "_hash_of_nobody", cache(lambda: cheap.hash("nobody")))


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[ServedPages]:
    store = PatientStore(tmp_path, is_shared=True)
    for name, role in PEOPLE.items():
        add_account(store.database, name, role, PASSWORD)
    yield ServedPages(store, StoredReckoner(), lambda: TODAY)
    store.close()


def browser_of(pages: ServedPages, **options: Any) -> TestClient:
    return TestClient(application(pages), base_url=HOST, headers={"accept": "text/html"}, **options)


def signed_in(pages: ServedPages, name: str) -> TestClient:
    client = browser_of(pages)
    sent = {"token": form_token(client, "/sign-in"), "name": name, "password": PASSWORD}
    assert client.post("/sign-in", data=sent).url.path == "/"
    return client


def form_token(client: TestClient, path: str = "/") -> str:
    return str(re.findall(r'name="token" value="(\w+)"', client.get(path).text)[0])


def audit(pages: ServedPages) -> list[tuple[Any, ...]]:
    return pages.store.database.rows("SELECT who, role, what, patient, detail FROM audit ORDER BY number")


def test_without_a_session_every_address_leads_to_sign_in_and_no_form_is_taken(pages: ServedPages) -> None:
    client = browser_of(pages, follow_redirects=False)
    for path in ("/", "/new", "/list", "/patients/x", "/nowhere"):
        response = client.get(path)
        assert (response.status_code, response.headers["location"]) == (303, "/sign-in"), path
    assert client.get("/", headers={"accept": "application/json"}).status_code == 401
    assert client.post("/example", data={"token": form_token(client, "/sign-in")}).status_code == 401
    assert client.get("/static/page.css").status_code == 200


def test_a_wrong_password_an_unknown_name_and_a_disabled_account_get_one_answer(pages: ServedPages) -> None:
    accounts.disable_account(pages.store.database, "obs")
    client = browser_of(pages)
    texts = set()
    for name, password in (("drA", "wrong"), ("nobody", PASSWORD), ("obs", PASSWORD)):
        sent = {"token": form_token(client, "/sign-in"), "name": name, "password": password}
        response = client.post("/sign-in", data=sent)
        assert response.status_code == 403 and client.get("/").url.path == "/sign-in"
        texts.add(response.text.replace(name, ""))
    assert len(texts) == 1
    assert ("", "nobody", "sign-in refused", "", "unknown name") in audit(pages)
    assert PASSWORD not in str(audit(pages))


def test_failures_lock_an_account_for_a_time_and_a_success_clears_them(pages: ServedPages) -> None:
    database = pages.store.database

    def attempt(password: str, after: timedelta) -> bool:
        try:
            return sign_in(database, "drA", password, lambda: NOW + after) == Actor("drA", "clinician")
        except SignInError:
            return False

    def fail(times: int) -> None:
        for _ in range(times):
            assert not attempt("wrong", timedelta())

    fail(FAILURES_TO_LOCK - 1)
    assert attempt(PASSWORD, timedelta())
    fail(FAILURES_TO_LOCK - 1)
    assert attempt(PASSWORD, timedelta())
    fail(FAILURES_TO_LOCK)
    assert not attempt(PASSWORD, LOCKED - timedelta(seconds=1))
    assert attempt(PASSWORD, LOCKED + timedelta(seconds=1))


def test_a_session_ends_when_idle_after_a_day_of_work_and_when_its_account_is_disabled(pages: ServedPages) -> None:
    now = [0.0]
    sessions, database = Sessions(lambda: now[0]), pages.store.database
    sessions.begin("v", "drA")
    now[0] = access.IDLE_S
    assert sessions.actor(database, "v") == Actor("drA", "clinician")
    now[0] += access.IDLE_S + 1
    assert sessions.actor(database, "v") is None and sessions.actor(database, "other") is None
    sessions.begin("v", "drA")
    for _ in range(1 + int(access.LONGEST_S / (access.IDLE_S / 2))):
        now[0] += access.IDLE_S / 2
        sessions.actor(database, "v")
    assert sessions.actor(database, "v") is None
    sessions.begin("v", "drA")
    now[0] += access.IDLE_S / 2
    assert sessions.actor(database, "v", is_use=False) is not None
    now[0] += access.IDLE_S / 2 + 1
    assert sessions.actor(database, "v") is None
    client = signed_in(pages, "drA")
    assert client.get("/new").url.path == "/new"
    accounts.disable_account(database, "drA")
    assert client.get("/new").url.path == "/sign-in"


def test_signing_in_changes_the_cookie_and_signing_out_ends_the_session(pages: ServedPages) -> None:
    client = browser_of(pages)
    sent = {"token": form_token(client, "/sign-in"), "name": "drA", "password": PASSWORD}
    before = client.cookies["taper_sim_visitor"]
    client.post("/sign-in", data=sent)
    after = client.cookies["taper_sim_visitor"]
    assert before != after
    old = browser_of(pages, cookies={"taper_sim_visitor": before})
    assert old.get("/").url.path == "/sign-in"
    assert client.post("/sign-out", data={"token": form_token(client)}).url.path == "/sign-in"
    again = browser_of(pages, cookies={"taper_sim_visitor": after})
    assert again.get("/").url.path == "/sign-in"


def test_every_address_of_the_application_has_a_row_and_every_row_an_address(pages: ServedPages) -> None:
    routes: list[Route] = []
    for route in application(pages).routes:
        inside = getattr(route, "original_router", None)  # of the papers and the doors
        routes += [r for r in ([route] if inside is None else inside.routes) if isinstance(r, Route)]
    routes = [route for route in routes if route.path != "/sign-in"]
    addresses = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    assert {(rule.method, rule.address) for rule in access_rules()} == addresses
    words = {"yes", "no", "any", "calendar"}
    assert {word for rule in access_rules() for word in rule.allowed.values()} <= words
    assert not any(rule.allowed["caregiver"] == "yes" for rule in access_rules() if "{key}" in rule.address)


def test_an_address_without_a_row_is_refused_to_everybody(pages: ServedPages) -> None:
    for role in PEOPLE.values():
        for method, path in (("GET", "/patients/x/secret"), ("POST", "/"), ("GET", "/patients/x/y/agreed")):
            assert not asked(pages.store.database, Actor("x", role), method, path).is_allowed


def test_a_program_has_the_doors_with_its_token_and_nothing_else(pages: ServedPages) -> None:
    token = add_program(pages.store.database, "ehr")
    assert token not in str(pages.store.database.rows("SELECT * FROM tokens"))
    caller = TestClient(application(pages), base_url=HOST, client=("10.0.0.9", 50_000))
    for header, status in (("", 401), ("Bearer x", 401), (f"Basic {token}", 401), (f"Bearer {token}", 200)):
        headers = {"authorization": header} if header else {}
        assert caller.get("/cds-services", headers=headers).status_code == status, header
        assert caller.get("/api/v1/drugs", headers=headers).status_code == status, header
    with_token = {"authorization": f"Bearer {token}"}
    assert caller.get("/", headers=with_token).status_code == 403
    assert signed_in(pages, "drA").get("/api/v1/drugs").status_code == 403
    for name in ("ehr", "ehr2"):
        with pytest.raises(InputError):
            add_account(pages.store.database, name, "program", PASSWORD)
    with pytest.raises(SignInError):
        sign_in(pages.store.database, "ehr", "")
    disable_account(pages.store.database, "ehr")
    assert caller.get("/cds-services", headers=with_token).status_code == 401


def test_each_role_does_what_the_table_allows_and_nothing_else(pages: ServedPages) -> None:
    doctor = signed_in(pages, "drA")
    page = upload(doctor, csv_of("Ann"))
    path = page.url.path
    key = path.split("/")[-1]
    decision = {"offer": offer_of(page), "action": "accept", "by": "x", "reason": "y"}
    allowed = {
        "pharmacist": {path: 200, f"{path}/decision": 403, f"{path}/today": 422, f"{path}/papers/consent": 403},
        "read-only": {path: 200, f"{path}/decision": 403, f"{path}/today": 403, "/example": 403},
        "caregiver": {path: 403, f"{path}/decision": 403, f"{path}/agreed": 403, "/example": 403, "/list": 403},
    }
    for name, role in PEOPLE.items():
        if role == "clinician":
            continue
        client = signed_in(pages, name)
        for address, status in allowed[role].items():
            if address in (path, "/list", f"{path}/agreed"):
                response = client.get(address)
            else:
                response = client.post(address, data=decision | {"token": form_token(client)})
            assert response.status_code == status, (role, address)
            assert status != 403 or "Ann" not in response.text
    assert doctor.post(f"{path}/decision", data=decision | {"token": token(doctor)}).url.path.endswith("/agreed")
    rows = audit(pages)
    assert ("phB", "pharmacist", "refused", key, "decide") in rows
    assert ("drA", "clinician", "decision", key, "") in rows
    assert ("obs", "read-only", "seen", key, "see a patient") in rows
    assert "Ann" not in str(rows)


def test_a_caregiver_sees_what_is_shared_until_it_is_revoked(pages: ServedPages) -> None:
    doctor = signed_in(pages, "drA")
    paths = {}
    for name in ("Ann", "Bob"):
        page = upload(doctor, csv_of(name))
        paths[name] = page.url.path
        decision = {"offer": offer_of(page), "action": "accept", "by": "x", "reason": "y", "token": token(doctor)}
        doctor.post(f"{paths[name]}/decision", data=decision)
    sent = {"caregiver": "Aunt Cara", "account": "cara", "share_plan": "yes", "token": token(doctor)}
    for wrong in ({"account": "drA"}, {"account": "nobody"}, {"share_plan": ""}, {"caregiver": "a\u202eb"}):
        assert doctor.post(f"{paths['Ann']}/papers/consent", data=sent | wrong).status_code == 422, wrong
    assert doctor.post(f"{paths['Ann']}/papers/consent", data=sent).status_code == 200
    assert "Aunt Cara" in doctor.get(paths["Ann"]).text and "Aunt Cara" in doctor.get(f"{paths['Ann']}/papers").text
    caregiver = signed_in(pages, "cara")
    home = caregiver.get("/").text
    assert "Ann" in home and "Bob" not in home
    view = caregiver.get(f"{paths['Ann']}/papers/caregiver")
    assert view.status_code == 200 and "For Aunt Cara" in view.text and f'"{paths["Ann"]}/papers"' not in view.text
    hidden = ("", "/agreed", "/papers", "/papers/decision", "/papers/caregiver.pdf", "/papers/calendar.ics")
    assert {caregiver.get(f"{paths['Ann']}{place}").status_code for place in hidden} == {403}
    assert caregiver.get(f"{paths['Bob']}/papers/caregiver").status_code == 403
    key = paths["Ann"].split("/")[-1]
    database, actor = pages.store.database, Actor("cara", "caregiver")
    assert may_see(database, actor, key, "plan") and not may_see(database, actor, key, "calendar")
    folder = pages.store.folder("", key)
    assert folder is not None
    number = str(consents_of(folder)[-1].number)
    assert doctor.post(f"{paths['Bob']}/papers/revoke", data=sent | {"consent": number}).status_code == 200
    assert caregiver.get(f"{paths['Ann']}/papers/caregiver").status_code == 200  # a number of another patient
    doctor.post(f"{paths['Ann']}/papers/revoke", data=sent | {"consent": number})
    assert caregiver.get(f"{paths['Ann']}/papers/caregiver").status_code == 403 and "Ann" not in caregiver.get("/").text
    assert "The consent was taken back" in doctor.get(f"{paths['Ann']}/papers/caregiver").text
    rows = [row for row in audit(pages) if "consent" in row[2]]
    assert [(row[0], row[2], row[4]) for row in rows] == [
        ("drA", "consent given", "cara: plan"),
        ("drA", "consent revoked", "cara: plan"),
    ]


def test_a_caregiver_who_signs_in_sees_their_own_consent_and_not_that_of_another(pages: ServedPages) -> None:
    add_account(pages.store.database, "cole", "caregiver", PASSWORD)
    folder = pages.store.add("", "Ann", {f"{name}.csv": text.decode() for name, (_, text) in csv_of("Ann").items()})
    give_consent(folder, "Cara", "cara", ["plan"])
    give_consent(folder, "Cole", "cole", ["safety"])
    view = f"/patients/{folder.key}/papers/caregiver"
    number = in_force(consents_of(folder))[0].number
    for name, text in (("cara", "For Cara"), ("cole", "For Cole")):
        for query in ("", f"?consent={number}"):
            assert text in signed_in(pages, name).get(view + query).text
    assert "Whom to call" not in signed_in(pages, "cara").get(view).text
    doctor = signed_in(pages, "drA")
    assert "For Cole" in doctor.get(view).text and "For Cara" in doctor.get(f"{view}?consent={number - 1}").text


def test_a_consent_can_be_given_again_and_all_stay_on_record(pages: ServedPages) -> None:
    folder = pages.store.add("", "Ann", {f"{name}.csv": text.decode() for name, (_, text) in csv_of("Ann").items()})
    give_consent(folder, "", "cara", ["plan"])
    give_consent(folder, "Aunt Cara", "cara", ["safety", "plan"])
    give_consent(folder, "Ben", "", ["priorities"])
    assert [(c.caregiver, c.parts) for c in in_force(consents_of(folder))] == [
        ("Ben", ("priorities",)),
        ("Aunt Cara", ("plan", "safety")),
    ]
    revoke_consent(folder, consents_of(folder)[1].number)
    revoke_consent(folder, 99)
    assert [c.caregiver for c in in_force(consents_of(folder))] == ["Ben"] and len(consents_of(folder)) == 3
    with pytest.raises(sqlite3.IntegrityError, match="revoked, not removed"), pages.store.database.reading() as rows:
        rows.execute("DELETE FROM consents")


class FlaggedReckoner(StoredReckoner):
    """Raises one flag for everybody."""

    def wanted(self, folder: PatientFolder) -> "Future[Reckoned]":
        future: Future[Reckoned] = Future()
        history = folder.history()
        answer = answer_with(patient_id=history.patient_id, red_flags=[flag(urgency="within_72h")])
        future.set_result(Reckoned(Weighed(answer), history))
        return future


def test_alerts_have_an_owner_and_an_answer_on_record(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=True)
    client = TestClient(application(ServedPages(store, FlaggedReckoner(), lambda: TODAY)), base_url=HOST)
    first = upload(client, csv_of("Ann"))
    path = first.url.path
    page = client.get("/").text
    assert "Alerts: 2 without an answer" in page and "no check-in for 32 days" in page
    names = re.findall(r'name="alert" value="([^"]+)"', page)
    assert names == ["flag suicidal_thoughts 2026-03-29", "missed_checkin 2026-03-01"]
    sent = {"token": token(client), "alert": names[1], "who": "Nurse A", "text": ""}
    for wrong in ({"who": " "}, {"step": "closed"}, {"step": "answered"}, {"alert": ""}):
        assert client.post(f"{path}/alert", data=sent | {"step": "owner"} | wrong).status_code == 422
    assert "taken by Nurse A" in client.post(f"{path}/alert", data=sent | {"step": "owner"}).text
    done = {"step": "answered", "who": "Dr B", "text": f"called {HOSTILE}"}
    answered = client.post(f"{path}/alert", data=sent | done)
    assert "Alerts: 1 without an answer" in answered.text and "answered by Dr B" in answered.text
    assert "called &lt;script&gt;" in answered.text and HOSTILE not in answered.text
    what = store.database.rows("SELECT what, detail FROM audit WHERE what LIKE 'alert%'")
    assert what == [("alert: owner", "missed_checkin"), ("alert: answered", "missed_checkin")]
    steps = store.database.rows("SELECT who, step, text FROM alert_steps")
    assert steps == [("Nurse A", "owner", ""), ("Dr B", "answered", f"called {HOSTILE}")]
    decision = {"offer": offer_of(first), "action": "accept", "by": "Dr B", "reason": "agreed", "token": token(client)}
    client.post(f"{path}/decision", data=decision)
    later = ServedPages(store, FlaggedReckoner(), lambda: TODAY + timedelta(days=60))
    page = TestClient(application(later), base_url=HOST).get("/").text
    assert "Alerts: 2 without an answer" in page and "is not in the record" in page


def test_trends_run_over_the_whole_scale_and_say_the_same_in_words() -> None:
    reports = [CheckIn(TODAY - timedelta(days=d), "pain_nrs", v) for d, v in ((40, 9.0), (27, 5.0), (7, 4.0), (0, 0.0))]
    late = CheckIn(TODAY, "sows", 20.0, entered=TODAY + timedelta(days=1))
    (pain,) = trends_of([*reports, late], TODAY)
    assert pain.line == "2.0,11.0 61.3,12.8 82.0,20.0" and pain.last == (82.0, 20.0)
    assert pain.words == "last 0 on 2026-04-02, 0 to 5 in 3 reports (scale 0 to 10)"
    assert [t.title for t in trends_of([CheckIn(TODAY, "sows", 20.0)], TODAY)] == ["Withdrawal"]
    assert trends_of([], TODAY) == ()


def test_too_many_requests_and_sign_ins_are_refused(pages: ServedPages) -> None:
    now = [0.0]
    limit = RateLimit(3, lambda: now[0])
    assert [limit.is_over("a") for _ in range(4)] == [False, False, False, True]
    assert not limit.is_over("b")
    now[0] = 61
    assert not limit.is_over("a")
    client = browser_of(pages)
    sent = {"token": form_token(client, "/sign-in"), "name": "drA", "password": "wrong"}
    statuses = [client.post("/sign-in", data=sent).status_code for _ in range(access.SIGN_INS_A_MINUTE + 1)]
    assert statuses == [403] * access.SIGN_INS_A_MINUTE + [429]


def test_an_encrypted_page_marks_its_cookie_and_asks_for_encryption(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=True)
    served = ServedPages(store, StoredReckoner(), lambda: TODAY, is_encrypted=True)
    response = TestClient(application(served), base_url="https://clinic.example").get("/")
    assert response.status_code == 200 and "secure" in response.headers["set-cookie"].lower()
    assert "max-age" in response.headers["strict-transport-security"]


def test_a_failure_is_logged_without_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(StoredReckoner):
        def wanted(self, folder: Any) -> Any:
            raise RuntimeError("the id of Ann")

    client = TestClient(application(ServedPages(PatientStore(tmp_path, is_shared=True), Failing(), lambda: TODAY)))
    client.base_url = HOST
    response = upload(client, csv_of("Ann"))
    assert response.status_code == 500 and "Ann" not in response.text
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"taper-sim serve: RuntimeError at test_accounts_and_access.py:\d+", line)


def test_the_commands_add_list_and_disable_and_a_wrong_argument_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str, password: str = PASSWORD) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", StringIO(f"{password}\n"))
        code = main(["accounts", *arguments])
        return code, *capsys.readouterr()

    data = str(tmp_path / "data")
    assert run("list", data)[0] == 2
    assert run("add", data, "drA", "--role", "clinician")[0] == 0
    for arguments, password, words in (
        (("add", data, "drA", "--role", "clinician"), PASSWORD, "which exists"),
        (("add", data, "x", "--role", "clinicien"), PASSWORD, "did you mean clinician?"),
        (("add", data, "x", "--role", "clinician"), "short", "given 5 letters"),
        (("disable", data, "drB"), PASSWORD, "did you mean drA?"),
    ):
        code, _, problems = run(*arguments, password=password)
        assert code == 2 and len(problems.splitlines()) == 1 and words in problems
    assert run("disable", data, "drA")[0] == 0
    assert run("list", data)[1] == "drA  clinician  disabled\n"
    database = StoreDatabase(tmp_path / "data" / DATABASE_FILE)
    assert [a.name for a in accounts_of(database)] == ["drA"]
    assert PASSWORD not in str(database.rows("SELECT * FROM accounts"))
    database.close()


def test_beyond_loopback_both_accounts_and_tls_are_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(*arguments: str) -> list[str]:
        assert main(["serve", "--host", "0.0.0.0", "--port", "0", *arguments]) == 2  # noqa: S104
        return capsys.readouterr().err.splitlines()

    data = ("--data", str(tmp_path / "data"))
    assert ["without accounts" in line for line in lines(*data)] == [True, False]
    monkeypatch.setattr("sys.stdin", StringIO(f"{PASSWORD}\n"))
    assert main(["accounts", "add", data[1], "drA", "--role", "clinician"]) == 0
    capsys.readouterr()
    (line,) = lines(*data)
    assert "without TLS" in line
    (tmp_path / "c.pem").write_text("no certificate")
    for flags in (("--tls-cert", "c.pem"), ("--tls-cert", "missing.pem", "--tls-key", "c.pem")):
        (line,) = lines(*data, *flags)
        assert line.startswith("--tls-cert: given ")
    pem = str(tmp_path / "c.pem")
    (line,) = lines(*data, "--tls-cert", pem, "--tls-key", pem)
    assert line.startswith("--tls-cert: given c.pem with c.pem: ")
