"""What a bundle says of the person: age, sex, pregnancy, risks in the list of problems; and what it does not say."""

import json
from pathlib import Path
from typing import Any

import pytest

from taper_sim import tables
from taper_sim.data.checkins import scales
from taper_sim.data.fhir import read_bundle
from taper_sim.data.records import History

Json = dict[str, Any]
ICD, SNOMED = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"


def history(folder: Path, *resources: Json, made: str = "2026-03-01T00:00:00Z", **patient: Any) -> History:
    every = ({"resourceType": "Patient", "id": "p", **patient}, *resources)
    path = folder / "b.json"
    path.write_text(
        json.dumps({"resourceType": "Bundle", "timestamp": made, "entry": [{"resource": r} for r in every]})
    )
    reading = read_bundle(path)
    assert reading.failed == ()
    return reading.histories["p"]


def condition(code: str, system: str = ICD, status: str = "active", **more: Any) -> Json:
    return {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/p"},
        "clinicalStatus": {"coding": [{"code": status}]},
        "code": {"coding": [{"system": system, "code": code}]},
        **more,
    }


@pytest.mark.parametrize(
    ("born", "age"),
    [("1970-03-01", 56), ("1970-03-02", 55), ("1970-03", 55), ("1970-02", 56), ("1970", 55), ("2026-03-01", 0)],
)
def test_the_age_is_the_lowest_possible_on_the_day_of_the_bundle(tmp_path: Path, born: str, age: float) -> None:
    assert history(tmp_path, birthDate=born).answers == {"age": age}


def test_sex_is_read_from_gender_if_female_or_male(tmp_path: Path) -> None:
    assert history(tmp_path, gender="female").answers == {"sex_female": 1.0, "sex_male": 0.0}
    assert history(tmp_path, gender="other").answers == history(tmp_path).answers == {}


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        (condition("F11.20"), {"oud_criteria_count": 2.0}),
        (condition("F11.21"), {}),
        (condition("F11.90"), {}),
        (condition("G47.33"), {"osa": 1.0}),
        (condition("G47.33", status="resolved"), {}),
        (condition("G47.33", verificationStatus={"coding": [{"code": "refuted"}]}), {}),
        (condition("G40.909", status="resolved"), {"seizure_history": 1.0}),
        (condition("T40.2X1A", status="inactive"), {"overdose_history": 1.0}),
        (condition("T40.2X5A"), {}),
        (condition("55680006", SNOMED, status="resolved"), {"overdose_history": 1.0}),
        (condition("J44.9", SNOMED), {}),
        (condition("Z33.1", onsetDateTime="2025-10-01"), {"pregnant": 1.0}),
        (condition("72892002", SNOMED, onsetDateTime="2024-10-01"), {}),
        (condition("I10"), {}),
        (condition("C50.911"), {"active_cancer": 1.0}),
        (condition("C50.911", status="remission"), {}),
        (condition("C91.01"), {}),
        (condition("C91.00"), {"active_cancer": 1.0}),
        (condition("C82.5A"), {}),
        (condition("Z85.3"), {}),
        (condition("D05.11"), {}),
        (condition("D57.1"), {"sickle_cell_disease": 1.0}),
        (condition("D57.3"), {}),
        (condition("Z51.5"), {"palliative_care": 1.0}),
        (condition("363346000", SNOMED), {"active_cancer": 1.0}),
    ],
)
def test_a_listed_problem_answers_yes_and_no_problem_answers_no(
    tmp_path: Path, problem: Json, answer: dict[str, float]
) -> None:
    assert history(tmp_path, problem).answers == answer


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"valueCodeableConcept": {"coding": [{"code": "LA15173-0"}]}}, [1.0]),
        ({"valueCodeableConcept": {"coding": [{"code": "60001007"}]}}, [0.0]),
        ({"valueCodeableConcept": {"coding": [{"code": "LA4489-6"}]}}, []),
        ({"valueBoolean": True}, [1.0]),
    ],
)
def test_pregnancy_is_a_report_of_its_day(tmp_path: Path, value: Json, found: list[float]) -> None:
    said = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "82810-3"}]},
        "effectiveDateTime": "2026-02-01",
        **value,
    }
    assert [(c.instrument, c.value) for c in history(tmp_path, said).checkins] == [("pregnant", x) for x in found]


def test_every_row_of_the_table_answers_a_variable_on_its_scale() -> None:
    rows = tables.read("conditions").rows
    assert len({(row["system"], row["code"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["counts"] in ("now", "ever")
        if row["variable"]:
            scale = scales()[row["variable"]]
            assert scale.low <= float(row["value"]) <= scale.high
