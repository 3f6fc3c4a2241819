"""The JSON API answers what the command line answers, in its words, and writes decisions and nothing else."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from taper_sim.recommend.answer import NOT_FOR
from taper_sim.recommend.from_files import weigh_from_files
from taper_sim.recommend.own_plan import OWN_PLAN
from taper_sim.serve.doors.entry import MAX_SENT_BYTES
from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientStore
from taper_sim.serve.reckoner import Reckoner
from tests.conftest import ROOT
from tests.serve.test_served_pages import HOST

Json = dict[str, Any]
TODAY = date(2026, 4, 2)
EXAMPLES = ROOT / "examples"
DOSE = {"patient_id": "p", "date": "2026-01-05", "drug": "morphine", "formulation": "ER", "dose_mg_per_day": 60}
REPORT = {"patient_id": "p", "date": "2026-03-01", "instrument": "pain_nrs", "value": 4}
SENT = {
    "checkins": (EXAMPLES / "checkins.csv").read_text(encoding="utf-8"),
    "doses": (EXAMPLES / "doses.csv").read_text(encoding="utf-8"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    app = application(ServedPages(PatientStore(root, is_shared=True), Reckoner(), lambda: TODAY))
    with TestClient(app, base_url=HOST, client=("127.0.0.1", 50_000)) as opened:
        yield opened


@pytest.fixture(scope="module")
def answered(client: TestClient) -> Json:
    response = client.post("/api/v1/recommend", json=SENT)
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_the_answer_is_that_of_the_command_line(answered: Json) -> None:
    (weighed,) = weigh_from_files(EXAMPLES / "checkins.csv", EXAMPLES / "doses.csv")
    expected = json.loads(json.dumps(weighed.answer.as_dict()))
    assert {k: v for k, v in answered.items() if k != "offer"} == expected


def test_rows_and_the_text_of_a_file_are_one_request(client: TestClient, answered: Json) -> None:
    def rows(text: str) -> list[Json]:
        header, *lines = (line.split(",") for line in text.strip().splitlines())
        return [{k: v for k, v in zip(header, line, strict=True) if v} for line in lines]

    sent = {"checkins": rows(SENT["checkins"]), "doses": rows(SENT["doses"])}
    assert client.post("/api/v1/recommend", json=sent).json()["options"] == answered["options"]


def grounded(answer: Json) -> None:
    assert answer["not_for"] == NOT_FOR and answer["version"]
    assert {"calibrated", "tables_reviewed", "population_id"} <= set(answer["basis"]) and answer["seed"] == 0


def test_an_own_schedule_is_judged_by_the_same_rules_and_a_dose_of_no_tablet_is_refused(
    client: TestClient, answered: Json
) -> None:
    line = {"date": "2026-04-20", "drug": "morphine", "formulation": "ER", "dose_mg_per_day": 45}
    response = client.post("/api/v1/project", json=SENT | {"schedule": [line]})
    assert response.status_code == 200, response.text
    grounded(response.json())
    option = response.json()["option"]
    assert option["name"] == OWN_PLAN and option["status"].startswith("blocked: ask")
    kept = client.post("/api/v1/project", json=SENT | {"schedule": []}).json()["option"]
    hold = next(o for o in answered["options"] if o["kind"] == "hold")
    assert kept["p_withdrawal_over"] == hold["p_withdrawal_over"]
    for wrong, expected_line in (
        ({"dose_mg_per_day": 47}, "a dose that its tablets give"),
        ({"date": "2026-02-30"}, "request: schedule.0.date: given 2026-02-30"),
        ({"dose_mcg_per_h": 25}, "request: schedule.0: given two doses"),
        ({"drug": "heroin"}, "schedule: line 1, drug: given heroin ER"),
    ):
        refused = client.post("/api/v1/project", json=SENT | {"schedule": [line | wrong]})
        assert refused.status_code == 422 and expected_line in refused.json()["problems"][0], refused.text


def test_every_answer_about_a_patient_says_what_it_rests_on(answered: Json) -> None:
    grounded(answered)


@pytest.mark.parametrize(
    ("action", "did"), [("accept", "hold"), ("decline", "other: declined: "), ("delay", "other: delayed to 2026-05-01")]
)
def test_a_decision_is_a_line_of_the_patients_log(
    root: Path, client: TestClient, answered: Json, action: str, did: str
) -> None:
    sent = SENT | {
        "offer": answered["offer"],
        "action": action,
        "by": "Dr A",
        "reason": "agreed",
        "until": "2026-05-01",
    }
    response = client.post("/api/v1/decide", json=sent)
    assert response.status_code == 200, response.text
    assert response.json()["not_for"] == NOT_FOR and response.json()["account"] == "this machine"
    log = PatientStore(root, is_shared=True).with_log("doors", answered["patient_id"]).decision_log()
    assert log.problems == [] and [line["kind"] for line in log.lines].count("offered") == 1
    assert log.lines[-1]["did"].startswith(did) and log.lines[-1]["offer"] == answered["offer"]


@pytest.mark.parametrize(
    ("wrong", "expected_line"),
    [
        ({"by": " "}, "request: by: given nothing; allowed: the name or initials"),
        ({"offer": "0" * 16}, "the records have changed"),
        ({"action": "delay", "until": "2020-01-01"}, "request: until: given 2020-01-01"),
        ({"action": "approve"}, "request: action: given approve; allowed: accept, part, delay or decline"),
        ({"option": "no such option"}, "request: option: given no such option"),
        ({"schedule": [{**DOSE, "date": "2026-04-20"}]}, "request: schedule.0.patient_id: given an unknown key"),
    ],
)
def test_a_wrong_decision_writes_nothing(
    root: Path, client: TestClient, answered: Json, wrong: Json, expected_line: str
) -> None:
    before = [path.read_bytes() for path in root.rglob("decisions.jsonl")]
    sent = SENT | {"offer": answered["offer"], "action": "accept", "by": "Dr A", "reason": "agreed"} | wrong
    refused = client.post("/api/v1/decide", json=sent)
    assert refused.status_code == 422 and any(expected_line in line for line in refused.json()["problems"]), (
        refused.text
    )
    after = [path.read_bytes() for path in root.rglob("decisions.jsonl")]
    assert not before or after == before


@pytest.mark.parametrize(
    ("body", "expected_line"),
    [
        ({}, "request: doses: given nothing, and no bundle; allowed: doses with check-ins, or a bundle"),
        ({"doses": 3}, "request: doses.rows: given 3; allowed: a list"),
        ({"doses": [DOSE], "as_off": "2026-01-01"}, "request: as_off: given an unknown key; did you mean as_of?"),
        ({"doses": [{**DOSE, "dose_mg_per_day": True}]}, "dose_mg_per_day: given True; allowed: a number"),
        ({"doses": [DOSE], "bundle": {}}, "request: bundle: given with check-ins or doses"),
        ({"bundle": {"resourceType": "Patient"}}, "bundle.json: resourceType: given a lone Patient"),
        ({"doses": [{**DOSE, "date": "2026-13-01"}]}, "doses.csv: row 2, date: given 2026-13-01"),
        ({"doses": [{**DOSE, "dose_mg_per_day": -3}]}, "doses.csv: row 2: given"),
        ({"doses": [DOSE], "checkins": [{**REPORT, "value": 99}]}, "checkins.csv: row 2, value: given 99"),
        ({"doses": [DOSE], "checkins": "a,b\n1,2\n"}, "checkins.csv: header: given no column patient_id"),
        ({"doses": [DOSE], "limits": {"risk": 7}}, "limits.yaml: risk: given 7"),
        ({"doses": [DOSE], "baseline": {"id": "q"}}, "baseline.yaml:"),
        ({"doses": [DOSE], "as_of": "tomorrow"}, "--as-of: given tomorrow"),
        ({"doses": [DOSE, {**DOSE, "patient_id": "q"}]}, "doses.csv: given 2 patients (p, q)"),
        ({"doses": [DOSE], "patient": "q"}, "--patient: given q"),
        ({"doses": [DOSE], "seed": -1}, "request: seed: given -1"),
    ],
)
def test_a_problem_of_the_records_is_a_line_in_the_words_of_the_command_line(
    client: TestClient, body: Json, expected_line: str
) -> None:
    refused = client.post("/api/v1/recommend", json=body)
    assert refused.status_code == 422, refused.text
    lines = refused.json()["problems"]
    assert any(expected_line in line for line in lines), lines
    assert all("\n" not in line and "/tmp" not in line for line in lines)  # noqa: S108


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    text = b'{"doses": "' + b"x" * MAX_SENT_BYTES + b'"}'
    refused = client.post("/api/v1/recommend", content=text, headers={"content-type": "application/json"})
    assert refused.status_code == 413 and "allowed: at most 5 MB" in refused.json()["problems"][0]


def test_the_description_has_every_address_and_no_address_elsewhere(client: TestClient) -> None:
    schema = client.get("/api/v1/openapi.json").json()
    paths = {f"/api/v1/{name}" for name in ("recommend", "project", "decide", "drugs", "health", "version")}
    assert set(schema["paths"]) == paths
    text = json.dumps(schema)
    assert "://" not in text
    references = {word.split('"')[0] for word in text.split('"#/components/schemas/')[1:]}
    assert references <= set(schema["components"]["schemas"])
    for path in paths - {"/api/v1/health", "/api/v1/version"}:
        (operation,) = schema["paths"][path].values()
        assert {"200", "401", "403"} <= set(operation["responses"])


def test_drugs_health_and_version_say_what_is_not_reviewed(client: TestClient) -> None:
    drugs = client.get("/api/v1/drugs").json()
    assert drugs["review"] == "research use: not clinically reviewed" and drugs["not_for"] == NOT_FOR
    assert {"morphine", "diazepam", "gabapentin"} <= {row["drug"] for row in drugs["drugs"]}
    assert client.get("/api/v1/health").json()["status"] == "ok"
    about = client.get("/api/v1/version").json()
    assert about["tables_reviewed"] is False and about["not_for"] == NOT_FOR
