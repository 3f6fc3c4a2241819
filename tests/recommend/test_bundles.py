"""`recommend` on a FHIR bundle: the doses it rests on, what it lists, when it says nothing."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from taper_sim.cli import main
from taper_sim.data.records import Unread

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]


def order(text: str, tablets: float, name: str = "m1", patient: str = "p1", **more: Any) -> Json:
    """An order of so many tablets twice a day from 5 January 2026."""
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": "2026-01-05",
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": tablets, "unit": "tablet"}}],
            }
        ],
        **more,
    }


def pain(day: date, value: float, name: str) -> Json:
    """A pain report."""
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "72514-3"}]},
        "effectiveDateTime": day.isoformat(),
        "valueQuantity": {"value": value, "unit": "{score}"},
    }


PATIENT: Json = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-03"}
ER = "morphine sulfate 30 MG Extended Release Oral Tablet"


def written(folder: Path, *resources: Json, name: str = "b.json", **more: Any) -> Path:
    """A bundle in a file."""
    path = folder / name
    entries = [{"resource": resource} for resource in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries, **more}))
    return path


def answered(capsys: pytest.CaptureFixture[str], path: Path, *more: str) -> tuple[Json, str]:
    """The answer, and what stands on standard error."""
    assert main(["recommend", str(path), "--json", *more]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a refusal."""
    assert main(["recommend", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and ": given " in err and "; allowed: " in err
    return err


def test_the_example_is_answered_and_its_unread_entry_is_listed_in_both_places(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, err = answered(capsys, ROOT / "examples" / "bundle.json")
    assert (found["status"], found["as_of"]) == ("recommend", "2026-03-16")
    assert found["dose_equivalents"] == {"opioid": 60.0, "benzodiazepine": 10.0, "gabapentinoid": 0.0}
    shown = {row["drug"]: (row["dose_mg_per_day"], row["since"], row["as_needed"]) for row in found["doses"]}
    assert shown == {"morphine": (60.0, "2026-02-02", False), "lorazepam": (1.0, "2026-01-05", True)}
    assert "MedicationRequest/in-words" in err and "free text only" in err
    assert any("not read" in reason and "MedicationRequest/in-words" in reason for reason in found["reasons"])


def test_the_same_records_as_a_bundle_and_as_files_get_the_same_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [date(2026, 1, 6) + timedelta(days=2 * k) for k in range(15)]
    values = [float(5 + k % 3) for k in range(15)]
    reports = [pain(day, value, f"o{k}") for k, (day, value) in enumerate(zip(days, values, strict=True))]
    bundle = written(tmp_path, PATIENT, order(ER, 1), *reports)
    csv, doses = tmp_path / "c.csv", tmp_path / "d.csv"
    csv.write_text(
        "patient_id,date,instrument,value\n"
        + "".join(f"p1,{d},pain_nrs,{v:g}\n" for d, v in zip(days, values, strict=True))
    )
    doses.write_text("patient_id,date,drug,formulation,dose_mg_per_day\np1,2026-01-05,morphine,ER,60\n")
    one, _ = answered(capsys, bundle)
    other, _ = answered(capsys, csv, "--doses", str(doses))
    for name in ("as_of", "status", "posterior", "options", "chosen", "dose_equivalents"):
        assert one[name] == other[name], name


def test_a_dose_that_cannot_be_read_makes_the_answer_abstain_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_words = order("oxycodone 5 MG Oral Tablet", 1, "x", dosageInstruction=[{"text": "take as directed"}])
    for resources in (
        [in_words],
        [order(ER, 1), in_words],
        [order(ER, 1), {**in_words, "dosageInstruction": [{"x": 1}]}],
    ):
        found, _ = answered(capsys, written(tmp_path, PATIENT, *resources))
        assert found["status"] == "abstain" and found["options"] == []
        assert "cannot build a dose history: entry[" in found["reasons"][0]
    found, _ = answered(capsys, written(tmp_path, PATIENT, pain(date(2026, 1, 7), 5, "o")))
    assert found["status"] == "abstain" and found["reasons"][0].startswith("cannot build a dose history: no dose by")


def test_orders_that_fail_alike_are_one_line_with_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("oxycodone 5 MG Oral Tablet", "morphine sulfate 15 MG Oral Tablet")
    alike = [order(names[k % 2], 1, f"o{k}", dosageInstruction=[]) for k in range(23)]
    other = order(names[0], 1, "in-words", dosageInstruction=[{"text": "take as directed"}])
    found, err = answered(capsys, written(tmp_path, PATIENT, *alike, other))
    history = [reason for reason in found["reasons"] if reason.startswith("cannot build a dose history")]
    assert len(history) == 2
    assert "23 places, first entry[1]" in history[0]
    assert "no dosage instruction (oxycodone IR; morphine IR)" in history[0]
    assert len([reason for reason in found["reasons"] if reason.startswith("not read: ")]) == 2
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize(
    ("unread", "matters"),
    [
        (Unread("x"), True),
        (Unread("x", date(2026, 1, 1)), True),
        (Unread("x", date(2020, 1, 1)), True),
        (Unread("x", date(2025, 3, 4), over=True), True),
        (Unread("x", date(2025, 3, 1), over=True), False),
        (Unread("x", date(2026, 2, 1), over=True, once=True), True),
        (Unread("x", date(2026, 4, 1)), False),
        (Unread("x", date(2026, 1, 31), over=True, once=True), False),
        (Unread("x", over=True), True),
    ],
)
def test_what_was_not_read_matters_until_it_is_over_and_long_past(unread: Unread, matters: bool) -> None:
    assert unread.matters(date(2026, 3, 1)) is matters


def test_a_child_and_a_dead_patient_get_no_pace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for change, said in (({"birthDate": "2010"}, "under 18"), ({"deceasedDateTime": "2026-02"}, "recorded as dead")):
        found, _ = answered(capsys, written(tmp_path, {**PATIENT, **change}, order(ER, 1)))
        assert found["status"] == "abstain" and any(said in reason for reason in found["reasons"])


def test_several_patients_are_named_and_one_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = {"resourceType": "Patient", "id": "two"}
    path = written(tmp_path, PATIENT, order(ER, 1), second)
    line = refused(capsys, str(path))
    assert "2 patients" in line and "p1" in line and "two" in line and "--patient ID or --all" in line
    assert answered(capsys, path, "--patient", "p1")[0]["patient_id"] == "p1"
    found, err = answered(capsys, written(tmp_path, PATIENT, order(ER, 1), {**second, "id": "<b>\x1b[2J"}))
    assert found["patient_id"] == "p1" and "given id" in err and "\x1b" not in err
    assert "a patient of b.json" in refused(capsys, str(written(tmp_path, PATIENT, second)), "--patient", "p3")


def test_what_is_asked_of_the_wrong_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, csv = written(tmp_path, PATIENT, order(ER, 1)), tmp_path / "c.csv"
    csv.write_text("patient_id,date,instrument,value\n")
    assert "a FHIR R4 Bundle (JSON) without it" in refused(capsys, str(csv))
    assert "a Bundle contains doses".lower() in refused(capsys, str(path), "--doses", str(csv)).lower().replace(
        "fhir ", ""
    )
    lines = tmp_path / "b.ndjson"
    lines.write_text(json.dumps(PATIENT) + "\n" + json.dumps(order(ER, 1)) + "\n")
    assert "NDJSON" in refused(capsys, str(lines))
    assert "NDJSON" in refused(capsys, str(lines.rename(tmp_path / "b2.json")))
    assert "no Patient" in refused(capsys, str(written(tmp_path)))


def test_a_report_of_a_day_to_come_does_not_enter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    today, ahead = pain(date(2026, 2, 1), 5, "now"), pain(date(2099, 1, 1), 5, "ahead")
    path = written(tmp_path, PATIENT, order(ER, 1), today, ahead, timestamp="2026-02-01T12:00:00Z")
    found, err = answered(capsys, path)
    assert found["as_of"] == "2026-02-01" and "Observation/ahead" in err and "after the bundle was created" in err
    found, err = answered(capsys, written(tmp_path, PATIENT, order(ER, 1), today, ahead), "--as-of", "2026-02-01")
    assert found["quality"]["n_checkins"] == 1
    assert "1 check-in(s) and 0 dose row(s) after 2026-02-01: not used" in err


@pytest.mark.parametrize(("late", "as_of"), [(1, "2026-02-01"), (2, "2026-02-01"), (3, "2026-04-03")])
def test_one_report_or_two_of_days_to_come_do_not_say_that_the_timestamp_is_wrong(
    late: int, as_of: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = [pain(date(2026, 4, 1 + k), 5, f"ahead{k}") for k in range(late)]
    path = written(tmp_path, PATIENT, order(ER, 1), *ahead, timestamp="2026-02-01T12:00:00Z")
    found, err = answered(capsys, path)
    assert found["as_of"] == as_of
    assert err.count("after the bundle was created") == (0 if late >= 3 else late)


def test_orders_without_a_patient_resource_are_those_of_whom_they_refer_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absolute = order(ER, 1, subject={"reference": "https://a.example/fhir/Patient/p1"})
    found, _ = answered(capsys, written(tmp_path, order(ER, 1), {**absolute, "id": "m2"}))
    assert found["patient_id"] == "p1" and found["dose_equivalents"]["opioid"] == 60.0


def test_an_id_that_would_steer_a_terminal_or_a_page_is_shown_as_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv, doses = tmp_path / "c.csv", tmp_path / "d.csv"
    csv.write_text("patient_id,date,instrument,value\n")
    evil = "<script>\x1b[2J"
    doses.write_text(f"patient_id,date,drug,formulation,dose_mg_per_day\n{evil},2026-01-05,morphine,ER,60\n")
    assert main(["recommend", str(csv), "--doses", str(doses)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and "patient <script>\\x1b[2J" in text
    assert answered(capsys, csv, "--doses", str(doses))[0]["patient_id"] == evil
    doses.write_text(doses.read_text() + "b,2026-01-05,morphine,ER,60\n")
    line = refused(capsys, str(csv), "--doses", str(doses))
    assert "2 patients" in line and "\x1b" not in line and "b)" in line


def test_what_came_later_in_the_files_changes_no_answer_of_an_earlier_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv, doses = tmp_path / "c.csv", tmp_path / "d.csv"
    reports = "patient_id,date,instrument,value,entered\n" + "".join(
        f"a,2026-01-{d:02},sows,9,\n" for d in range(6, 16)
    )
    rows = "patient_id,date,drug,formulation,dose_mg_per_day\na,2026-01-05,morphine,ER,60\n"
    answers = []
    later = "a,2026-03-01,sows_gossop,4,\na,2026-03-01,sows_gossop,9,\na,2026-01-16,pain_nrs,5,2026-03-02\n"
    changes = "a,2026-03-01,oxycodone,IR,20\na,2026-03-02,morphine,ER,30\n"
    for more, again in (("", ""), (later, changes)):
        csv.write_text(reports + more)
        doses.write_text(rows + again)
        answers.append(answered(capsys, csv, "--doses", str(doses), "--as-of", "2026-01-20"))
    assert answers[0][0] == answers[1][0]
    assert answers[0][1] == "" and "3 check-in(s) and 2 dose row(s) after 2026-01-20: not used" in answers[1][1]
