"""FHIR bundles: the right daily dose, and nothing guessed."""

import copy
import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taper_sim import tables
from taper_sim.data.checkins import scales
from taper_sim.data.fhir import BundleReading, observations, read_bundle
from taper_sim.data.formulary import equivalents
from taper_sim.data.problems import InputError
from taper_sim.data.reading import record_notes
from taper_sim.data.records import DoseRow, History

ROOT = Path(__file__).resolve().parents[3]
Json = dict[str, Any]
PATIENT: Json = {"resourceType": "Patient", "id": "p1"}
ER30 = "Morphine Sulfate 30 MG Extended Release Oral Tablet"
APAP = "Acetaminophen 325 MG / Hydrocodone Bitartrate 5 MG Oral Tablet"
FENTANYL = "72 HR fentanyl 0.025 MG/HR Transdermal System"


def bundle(*resources: Json, patient: Json | None = PATIENT, **more: Any) -> Json:
    every = [*([patient] if patient else []), *resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in every], **more}


def read(folder: Path, content: Any) -> BundleReading:
    path = folder / "b.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_bundle(path)


def every(frequency: float = 1, period: float = 1, unit: str = "d", **more: Any) -> Json:
    return {"repeat": {"frequency": frequency, "period": period, "periodUnit": unit, **more}}


def dosage(value: float, unit: str | None = "tablet", timing: Json | None = None, **more: Any) -> Json:
    quantity = {"value": value, **({"unit": unit} if unit else {})}
    return {"timing": every() if timing is None else timing, "doseAndRate": [{"doseQuantity": quantity}], **more}


def request(text: str | Json, *dosages: Json, **more: Any) -> Json:
    concept = {"text": text} if isinstance(text, str) else text
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept,
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2026-01-05",
        "dosageInstruction": list(dosages),
        **more,
    }


def one(reading: BundleReading) -> History:
    assert list(reading.histories) == ["p1"]
    return reading.histories["p1"]


def notes(history: History) -> list[str]:
    """Every line on how the records were read."""
    return [*history.notes, *record_notes(history)]


def only(folder: Path, *resources: Json) -> DoseRow:
    reading = read(folder, bundle(*resources))
    assert not reading.failed, [str(p) for p in reading.failed]
    (row,) = one(reading).doses
    return row


def why(folder: Path, *resources: Json) -> str:
    """The one reason for which there is no dose at all."""
    reading = read(folder, bundle(*resources))
    assert one(reading).doses == ()
    (failed,) = reading.failed
    return str(failed)


@pytest.mark.parametrize(
    ("text", "dose", "key", "amount", "mme"),
    [
        (ER30, dosage(1, timing=every(2)), ("morphine", "ER"), 60, 60),
        (ER30, dosage(30, "mg", every(1, 12, "h")), ("morphine", "ER"), 60, 60),
        (ER30, dosage(2, "{tbl}", {"code": {"text": "Q8H"}}), ("morphine", "ER"), 180, 180),
        (
            "12 HR oxycodone hydrochloride 20 MG Extended Release Oral Tablet [Oxycontin]",
            dosage(1, "TAB", {"code": {"coding": [{"code": "BID"}]}}),
            ("oxycodone", "ER"),
            40,
            60,
        ),
        (APAP, dosage(2, "tablets", every(4)), ("hydrocodone-acetaminophen", "IR"), 40, 40),
        (FENTANYL, dosage(1, "patch", every(1, 72, "h")), ("fentanyl", "TD"), 25, 60),
        (FENTANYL, dosage(2, "patches", every(1, 3)), ("fentanyl", "TD"), 50, 120),
        (
            "Fentanyl 25micrograms/hour patch (product)",
            dosage(1, "patch", every(3, 1, "wk")),
            ("fentanyl", "TD"),
            25,
            60,
        ),
        ("morphine sulfate 2 MG/ML Oral Solution", dosage(5, "mL", every(6)), ("morphine", "oral solution"), 60, 60),
        ("lorazepam 1 MG Oral Tablet", dosage(500, "ug", every(3)), ("lorazepam", "IR"), 1.5, 15),
        (
            "lorazepam 1 MG Oral Tablet",
            dosage(0.5, timing={"repeat": {"timeOfDay": ["08:00:00", "20:00:00"]}}),
            ("lorazepam", "IR"),
            1,
            10,
        ),
        (
            "methadone 10 MG Oral Tablet",
            dosage(1, timing={"repeat": {"when": ["MORN", "NOON", "HS"]}}),
            ("methadone", "IR"),
            30,
            141,
        ),
        ("OxyContin 20 mg tablet", dosage(1, timing=every(2)), ("oxycodone", "ER"), 40, 60),
        ("oxycodone 5 mg oral tablet", dosage(1, timing=every(1, 6, "h")), ("oxycodone", "IR"), 20, 30),
    ],
)
def test_the_daily_dose_follows_from_the_order(
    tmp_path: Path, text: str, dose: Json, key: tuple[str, str], amount: float, mme: float
) -> None:
    row = only(tmp_path, request(text, dose))
    assert row.drug.key == key
    assert row.dose == pytest.approx(amount)
    assert equivalents(row.drug, row.dose) == pytest.approx(mme)
    assert row.day == date(2026, 1, 5)
    assert not row.as_needed


def test_a_combination_counts_by_its_opioid_and_buprenorphine_on_its_own_scale(tmp_path: Path) -> None:
    row = only(tmp_path, request("buprenorphine 8 MG / naloxone 2 MG Sublingual Film", dosage(2, "film")))
    assert (row.drug.key, row.dose) == (("buprenorphine", "SL film/tablet"), 16)


def test_an_order_of_synthea_is_read_with_the_right_dose_and_notes(tmp_path: Path) -> None:
    concept = {
        "coding": [
            {
                "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                "code": "1049635",
                "display": "Acetaminophen 325 MG / oxycodone Hydrochloride 10 MG Oral Tablet",
            }
        ]
    }
    instruction = {
        "sequence": 1,
        "timing": every(1, 4.0, "h"),
        "asNeededBoolean": True,
        "doseAndRate": [{"type": {"coding": [{"code": "ordered"}]}, "doseQuantity": {"value": 1.0}}],
    }
    entry = {
        "fullUrl": "urn:uuid:1",
        "resource": request(concept, instruction, subject={"reference": "urn:uuid:0"}),
        "request": {"method": "POST", "url": "MedicationRequest"},
    }
    content = bundle(patient=None)
    content["type"] = "transaction"
    patient = {**PATIENT, "extension": [{"url": "http://x/y", "valueDecimal": 0.5}]}
    content["entry"] = [
        {"fullUrl": "urn:uuid:0", "resource": patient},
        entry,
        {"resource": {"resourceType": "Encounter", "anything": 1}},
    ]
    reading = read(tmp_path, content)
    (row,) = one(reading).doses
    assert (row.dose, row.as_needed, equivalents(row.drug, row.dose)) == (60, True, 90)
    assert any("without a unit" in note for note in notes(one(reading)))
    assert "1 Encounter resource(s): not read" in reading.notes


@pytest.mark.parametrize(
    ("text", "dose", "reason"),
    [
        (ER30, {"sequence": 1, "asNeededBoolean": True}, "no dose"),
        (ER30, {"text": "take as directed"}, "free text only"),
        (ER30, dosage(1, timing={}), "without a frequency"),
        (ER30, dosage(1, "puff"), "unit puff"),
        (
            ER30,
            {**dosage(1), "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet", "code": "mg"}}]},
            "code mg",
        ),
        (ER30, dosage(1, timing=every(2, timeOfDay=["08:00:00"])), "contradictory frequency"),
        (ER30, dosage(1, timing={**every(1), "code": {"text": "BID"}}), "contradictory frequency"),
        (ER30, dosage(1, timing=every(1, 1, "mo")), "frequency"),
        (ER30, dosage(1, timing={"repeat": {"when": ["PC"]}}), "meals"),
        (ER30, dosage(60, timing=every(4)), "allowed: at most"),
        ("morphine extended release tablet", dosage(2), "strength per tablet"),
        ("morphine 30 MG", dosage(1), "without a form"),
        ("Percocet 10 mg tablet", dosage(1), "strength per tablet"),
        ("oxycodone-acetaminophen 325-5 mg tablet", dosage(1), "strength per tablet"),
        ("Lorazepam 2,5 mg tablet", dosage(1), "strength per tablet"),
        (APAP, dosage(5, "mg"), "the ingredient is not stated"),
        (FENTANYL, dosage(25, "mcg"), "a mass for the patch"),
        (FENTANYL, dosage(1, "patch", every(1, 1)), "the number worn together"),
        ("fentanyl 0.05 MG/ML Injectable Solution", dosage(1, "mL"), "not in the formulary"),
        ("dezocine 2 MG Oral Tablet", dosage(1), "dezocine, a drug that is not in the formulary"),
        ("gabapentin enacarbil 600 MG Extended Release Oral Tablet", dosage(1), "not in the formulary"),
        ("morphine sulfate 10 MG / oxycodone 5 MG Oral Tablet", dosage(1), "in one medication"),
    ],
)
def test_an_ambiguous_or_unreadable_dose_is_refused_with_place_and_reason(
    tmp_path: Path, text: str, dose: Json, reason: str
) -> None:
    said = why(tmp_path, request(text, dose))
    assert "entry[1].resource (MedicationRequest/m1)" in said
    assert reason in said


def test_a_missing_instruction_gives_no_dose_and_leaves_the_history_incomplete(tmp_path: Path) -> None:
    reading = read(tmp_path, bundle(request(ER30)))
    assert len(reading.failed) == 1
    assert [entry.drug_class for entry in one(reading).unread] == ["opioid"]


@pytest.mark.parametrize(("text", "product"), [(APAP, APAP), ("oxycodone 5 mg oral tablet", "")])
def test_a_row_names_the_combination_product_of_its_order(tmp_path: Path, text: str, product: str) -> None:
    assert only(tmp_path, request(text, dosage(1, "tablet", every(4)))).product == product


def test_the_upper_end_of_a_range_is_the_highest_dose_that_may_be_taken(tmp_path: Path) -> None:
    ranged = {
        "timing": every(1, 4, "h", periodMax=6),
        "doseAndRate": [{"doseRange": {"low": {"value": 1, "unit": "tablet"}, "high": {"value": 2, "unit": "tablet"}}}],
    }
    reading = read(tmp_path, bundle(request("oxycodone 5 MG Oral Tablet", ranged)))
    (row,) = one(reading).doses
    assert (row.dose, row.as_needed) == (60, True)
    assert sum("may be taken" in note for note in notes(one(reading))) == 2


def test_a_daily_maximum_limits_a_dose_as_needed(tmp_path: Path) -> None:
    most = {"numerator": {"value": 4, "unit": "tablet"}, "denominator": {"value": 1, "unit": "day", "code": "d"}}
    given = dosage(1, timing=every(1, 4, "h"), asNeededBoolean=True, maxDosePerPeriod=most)
    assert only(tmp_path, request("oxycodone 5 MG Oral Tablet", given)).dose == 20


def test_concurrent_doses_add_up_and_the_rate_of_a_patch_is_its_dose(tmp_path: Path) -> None:
    morning = dosage(30, "mg", {"repeat": {"when": ["MORN"]}})
    night = dosage(60, "mg", {"repeat": {"when": ["NIGHT"]}})
    assert only(tmp_path, request(ER30, morning, night)).dose == 90
    rate = {"timing": every(1, 3), "doseAndRate": [{"rateQuantity": {"value": 37.5, "unit": "mcg/h", "code": "ug/h"}}]}
    concept = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "4337"}]}
    row = only(tmp_path, request(concept, rate))
    assert (row.drug.key, row.dose) == (("fentanyl", "TD"), 37.5)


def test_steps_are_a_taper(tmp_path: Path) -> None:
    def step(n: int, mg: float, **bounds: Any) -> Json:
        return dosage(mg, "mg", every(2, 1, "d", **bounds), sequence=n)

    period = {"boundsPeriod": {"start": "2026-01-05", "end": "2026-01-18"}}
    lasting = {"boundsDuration": {"value": 2, "unit": "weeks", "code": "wk"}}
    taper = request(ER30, step(1, 60, **period), step(2, 45, **lasting), step(3, 30))
    rows = one(read(tmp_path, bundle(taper))).doses
    assert [(row.day.isoformat(), row.dose) for row in rows] == [
        ("2026-01-05", 120),
        ("2026-01-19", 90),
        ("2026-02-02", 60),
    ]
    assert "without an end before another" in why(tmp_path, request(ER30, step(1, 60), step(2, 45)))


def test_an_end_is_a_row_with_zero(tmp_path: Path) -> None:
    ended = request(ER30, dosage(1), dispenseRequest={"validityPeriod": {"start": "2026-01-10", "end": "2026-02-09"}})
    rows = one(read(tmp_path, bundle(ended))).doses
    assert [(row.day.isoformat(), row.dose) for row in rows] == [("2026-01-10", 30), ("2026-02-10", 0)]


def test_a_later_order_replaces_an_ended_order_and_never_an_active_one(tmp_path: Path) -> None:
    before = request(ER30, dosage(2), id="a", status="completed")
    after = request(ER30, dosage(1), id="b", authoredOn="2026-03-02T10:00:00-05:00")
    rows = one(read(tmp_path, bundle(before, after))).doses
    assert [(row.day.isoformat(), row.dose) for row in rows] == [("2026-01-05", 60), ("2026-03-02", 30)]
    both = why(tmp_path, {**before, "status": "active"}, after)
    assert "entry[1].resource (MedicationRequest/a) and entry[2].resource (MedicationRequest/b)" in both
    assert "both active" in both
    said = {**after, "priorPrescription": {"reference": "MedicationRequest/a"}}
    assert len(one(read(tmp_path, bundle({**before, "status": "active"}, said))).doses) == 2


def test_the_same_order_twice_counts_once(tmp_path: Path) -> None:
    again = request(ER30, dosage(30, "mg"), id="b", authoredOn="2026-02-02")
    reading = read(tmp_path, bundle(request(ER30, dosage(1)), again))
    assert [row.dose for row in one(reading).doses] == [30]
    assert any("counted once" in note for note in notes(one(reading)))


def test_two_forms_of_a_drug_are_two_prescriptions_with_a_note(tmp_path: Path) -> None:
    other = request("morphine sulfate 15 MG Oral Tablet", dosage(1), id="b")
    history = one(read(tmp_path, bundle(request(ER30, dosage(1)), other)))
    assert [row.dose for row in history.doses] == [30, 15]
    assert any("overlapping" in note for note in notes(history))


def test_a_stopped_order_without_an_end_ends_at_the_latest_when_its_status_was_written(tmp_path: Path) -> None:
    stopped = request(ER30, dosage(1), status="stopped", meta={"lastUpdated": "2026-02-01T08:00:00Z"})
    rows = one(read(tmp_path, bundle(stopped))).doses
    assert [(row.day.isoformat(), row.dose) for row in rows] == [("2026-01-05", 30), ("2026-02-01", 0)]
    for more in ({}, {"timestamp": "2026-11-01T00:00:00Z"}):  # over, perhaps for long: no dose, and it is missed
        history = one(read(tmp_path, bundle(request(ER30, dosage(1), status="completed"), **more)))
        assert history.doses == () and "ended on an unknown day" in history.unread[0].why
        assert any("ended on an unknown day" in note for note in notes(history))
    old = request("oxycodone 5 MG Oral Tablet", dosage(1), id="old", status="completed", authoredOn="2015-03-01")
    history = one(read(tmp_path, bundle(old, request("oxycodone 5 MG Oral Tablet", dosage(2)))))
    assert [(row.day.isoformat(), row.dose) for row in history.doses] == [("2026-01-05", 10)]
    assert not history.as_of(date(2026, 1, 6)).unread


@pytest.mark.parametrize(
    "change",
    [
        {"status": "draft"},
        {"status": "on-hold"},
        {"status": "cancelled"},
        {"status": "entered-in-error"},
        {"intent": "plan"},
        {"intent": "proposal"},
        {"doNotPerform": True},
    ],
)
def test_a_request_that_is_not_an_order_is_not_counted_and_is_noted(tmp_path: Path, change: Json) -> None:
    reading = read(tmp_path, bundle(request(ER30, dosage(1), **change)))
    assert one(reading).doses == ()
    assert not reading.failed
    assert any("not counted" in note for note in reading.notes)


def test_a_statement_gives_the_dose_taken_and_never_adds_to_an_order(tmp_path: Path) -> None:
    statement = {
        "resourceType": "MedicationStatement",
        "id": "s",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": ER30},
        "effectivePeriod": {"start": "2026-02-01", "end": "2026-02-10"},
        "dosage": [dosage(1)],
    }
    rows = one(read(tmp_path, bundle(statement, request(ER30, dosage(2))))).doses
    assert [(r.day.isoformat(), r.dose, r.taken) for r in rows] == [
        ("2026-01-05", 60, None),
        ("2026-02-01", 60, 30),
        ("2026-02-11", 60, None),
    ]
    history = one(read(tmp_path, bundle(statement)))
    assert [(r.day.isoformat(), r.dose) for r in history.doses] == [("2026-02-01", 30), ("2026-02-11", 0)]
    assert any("statement" in note for note in notes(history))


def test_administrations_of_a_day_add_up_to_the_dose_taken(tmp_path: Path) -> None:
    def given(n: str, status: str = "completed") -> Json:
        return {
            "resourceType": "MedicationAdministration",
            "id": n,
            "status": status,
            "subject": {"reference": "Patient/p1"},
            "medicationCodeableConcept": {"text": ER30},
            "effectiveDateTime": "2026-02-01T08:00:00+01:00",
            "dosage": {"dose": {"value": 30, "unit": "mg"}},
        }

    rows = one(read(tmp_path, bundle(given("a"), given("b"), given("c", "not-done"), request(ER30, dosage(3))))).doses
    assert [(r.day.isoformat(), r.dose, r.taken) for r in rows] == [
        ("2026-01-05", 90, None),
        ("2026-02-01", 90, 60),
        ("2026-02-02", 90, None),
    ]
    assert "without an order" in why(tmp_path, given("a"))


def test_a_medication_is_found_by_reference_contained_or_in_the_bundle(tmp_path: Path) -> None:
    medication = {"resourceType": "Medication", "id": "med", "code": {"text": ER30}}
    order = request(ER30, dosage(1))
    del order["medicationCodeableConcept"]
    contained = {**order, "contained": [medication], "medicationReference": {"reference": "#med"}}
    assert only(tmp_path, contained).dose == 30
    assert only(tmp_path, medication, {**order, "medicationReference": {"reference": "Medication/med"}}).dose == 30
    parted = {
        "resourceType": "Medication",
        "id": "med",
        "code": {"text": "morphine"},
        "form": {"text": "Extended release tablet"},
        "ingredient": [
            {
                "itemCodeableConcept": {"text": "morphine"},
                "strength": {"numerator": {"value": 60, "unit": "mg"}, "denominator": {"value": 1, "unit": "tablet"}},
            }
        ],
    }
    assert (
        only(tmp_path, parted, {**order, "medicationReference": {"reference": "http://a/b/Medication/med"}}).dose == 60
    )
    assert "not in the bundle" in why(tmp_path, {**order, "medicationReference": {"reference": "Medication/x"}})


def test_other_medicines_are_counted_and_a_lone_unknown_code_is_reported(tmp_path: Path) -> None:
    reading = read(tmp_path, bundle(request("metformin 500 MG Oral Tablet", dosage(1))))
    assert not reading.failed
    assert reading.notes == ("1 medication entry(s) of other drugs: not read",)
    assert "without a name" in why(tmp_path, request({"coding": [{"system": "http://x", "code": "1"}]}, dosage(1)))


def test_one_bad_entry_does_not_stop_the_others_and_names_of_people_are_not_repeated(tmp_path: Path) -> None:
    bad = request(ER30, dosage(1), id="bad", authoredOn="2026-13-01")
    far = request(ER30, dosage(1), id="far", subject={"reference": "Patient/else"})
    named = {"resourceType": "Patient", "id": "p2", "name": [{"family": "Smith", "secret": 1}]}
    reading = read(tmp_path, bundle(bad, named, request(ER30, dosage(1)), far))
    assert [row.dose for row in one(reading).doses] == [30]
    lines = [str(problem) for problem in reading.failed]
    assert [line.split(": ")[1] for line in lines] == [
        "entry[1].resource (MedicationRequest/bad)",
        "entry[2].resource (Patient/p2)",
        "entry[4].resource (MedicationRequest/far)",
    ]
    assert not any("Smith" in line for line in lines)


def test_several_patients_are_several_histories(tmp_path: Path) -> None:
    two = {"resourceType": "Patient", "id": "p2"}
    other = request(ER30, dosage(2), id="m2", subject={"reference": "Patient/p2"})
    reading = read(tmp_path, bundle(two, request(ER30, dosage(1)), other))
    assert {name: history.doses[0].dose for name, history in reading.histories.items()} == {"p1": 30, "p2": 60}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "an empty file"),
        ("   \n", "an empty file"),
        ("hello", "line 1, column 1: given no JSON"),
        ('{"resourceType": "Bundle"}\n  xx', "line 2, column 3: given xx after the end"),
        ('{"resourceType": "Bundle"} {}', "line 1, column 28"),
        ('{"resourceType": "Bundle", "total": NaN}', "given NaN"),
        ('{"resourceType": "Bundle", "total": -Infinity}', "given -Infinity"),
        ('{"resourceType": "Bundle", "total": 1e999}', "1e999"),
        ('{"resourceType": "Bundle", "type": "a", "type": "b"}', "the key type twice"),
        ("[" * 200_000, "nested too deep"),
        ('{"resourceType": "Bundle", "total": ' + "1" * 6000 + "}", "thousands of digits"),
        ("[]", "a JSON list"),
        ("{}", "without a resourceType"),
        ('{"resourceType": "Patient", "id": "p"}', "a lone Patient"),
        ('{"resourceType": "Bundle", "entry": {}}', "a list of entries"),
        ('{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "MedicationOrder"}}]}', "DSTU2"),
        ('{"resourceType": "Bundle", "fhirVersion": "1.0.2"}', "DSTU2"),
        ('{"resourceType": "Bundle", "meta": {"profile": ["http://hl7.org/fhir/DSTU2/bundle.html"]}}', "DSTU2"),
    ],
)
def test_a_file_that_is_not_an_r4_bundle_is_refused_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert len(caught.value.problems) == 1
    assert said in str(caught.value)


def test_other_versions_are_named(tmp_path: Path) -> None:
    r5 = request(ER30, dosage(1), medication={"concept": {"text": ER30}})
    assert "R5" in why(tmp_path, r5)
    stu3 = request(ER30, {"doseQuantity": {"value": 1, "unit": "tablet"}, "timing": every()})
    assert "STU3" in why(tmp_path, stu3)


def observation(code: str, value: float | None, unit: str | None = None, **more: Any) -> Json:
    found = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": "2026-02-01T23:30:00-08:00",
    }
    quantity = {"value": value, **({"unit": unit} if unit else {})}
    return {**found, **({"valueQuantity": quantity} if value is not None else {}), **more}


@pytest.mark.parametrize(
    ("code", "value", "unit", "instrument", "right"),
    [
        ("72514-3", 7, "{score}", "pain_nrs", 7),
        ("8310-5", 98.6, "[degF]", "temp_c", 37),
        ("8310-5", 37.2, "Cel", "temp_c", 37.2),
        ("93832-4", 420, "min", "sleep_hours", 7),
        ("41950-7", 5000, "1/(24.h)", "steps", 5000),
        ("59408-5", 97, "%", "spo2", 97),
        ("62238-1", 55, "mL/min/{1.73_m2}", "egfr", 55),
        ("91147-9", 5.67, None, "peg", 5.67),
        ("44261-6", 12, "{score}", "phq9", 12),
        ("44260-8", 1, None, "phq9_item9", 1),
        ("8867-4", 70, "/min", "hr", 70),
    ],
)
def test_an_observation_is_a_check_in_of_its_local_day(
    tmp_path: Path, code: str, value: float, unit: str | None, instrument: str, right: float
) -> None:
    reading = read(tmp_path, bundle(observation(code, value, unit)))
    (report,) = one(reading).checkins
    assert (report.instrument, report.value, report.day) == (instrument, pytest.approx(right), date(2026, 2, 1))


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (observation("72514-3", 11, "{score}"), "0 to 10"),
        (observation("8310-5", 37), "no unit"),
        (observation("8310-5", 98.6, "Cel"), "30 to 43"),
        (observation("62238-1", 55, "mL/min"), "mL/min"),
        (observation("72514-3", 5, effectiveDateTime=None), "no time"),
        (observation("72514-3", 5, effectiveDateTime="2026-02"), "a whole date"),
        (observation("72514-3", None, valueString="bad"), "valueString"),
        (observation("55423-8", 900, "{steps}"), "a day"),
    ],
)
def test_a_value_outside_its_scale_or_without_unit_or_day_is_reported(
    tmp_path: Path, resource: Json, reason: str
) -> None:
    resource = {key: value for key, value in resource.items() if value is not None}
    reading = read(tmp_path, bundle(resource, observation("72514-3", 4)))
    assert [c.value for c in one(reading).checkins] == [4]
    (failed,) = reading.failed
    assert reason in str(failed)


def test_a_censored_value_is_kept_as_a_range_and_a_late_entry_as_late(tmp_path: Path) -> None:
    above = observation("62238-1", None, valueQuantity={"value": 60, "comparator": ">", "unit": "mL/min/1.73m2"})
    (report,) = one(read(tmp_path, bundle({**above, "issued": "2026-02-03T08:00:00Z"}))).checkins
    assert (report.value, report.high, report.entered) == (60, scales()["egfr"].high, date(2026, 2, 3))


def test_components_are_read_and_entries_in_error_are_not(tmp_path: Path) -> None:
    part = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "valueQuantity": {"value": 130, "unit": "mmHg"},
    }
    pressure = observation("85354-9", None, component=[part])
    wrong = observation("72514-3", 4, status="entered-in-error")
    reading = read(tmp_path, bundle(pressure, wrong))
    assert [(c.instrument, c.value) for c in one(reading).checkins] == [("sbp", 130)]
    assert any("entered-in-error" in note for note in reading.notes)


def answers(values: dict[str, Any], **more: Any) -> Json:
    items = [
        {"linkId": f"/panel/{code}", "answer": [value if isinstance(value, dict) else {"valueInteger": value}]}
        for code, value in values.items()
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "q",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "questionnaire": "http://loinc.org/q/x",
        "authored": "2026-02-01",
        "item": items,
        **more,
    }


PHQ = ("44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3")
GAD = ("69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7")


def test_only_a_complete_questionnaire_is_summed(tmp_path: Path) -> None:
    def found(resource: Json) -> dict[str, float]:
        return {c.instrument: c.value for c in one(read(tmp_path, bundle(resource))).checkins}

    several = {"valueCoding": {"system": "http://loinc.org", "code": "LA6569-3"}}
    scored = {
        "valueCoding": {
            "code": "x",
            "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": 2}],
        }
    }
    assert found(answers(dict.fromkeys(PHQ, several) | {"44260-8": scored})) == {"phq9": 10, "phq9_item9": 2}
    assert found(answers(dict.fromkeys(PHQ, 1))) == {"phq8": 8}
    assert found(answers(dict.fromkeys(PHQ[:2], 3))) == {"phq2": 6}
    assert found(answers(dict.fromkeys(GAD, 2))) == {"gad7": 14}
    assert found(answers({"75893-8": 6, "91145-3": 5, "91146-1": 7})) == {"peg": 6}
    assert found(answers({"44261-6": 9})) == {"phq9": 9}
    assert "missing" in why(tmp_path, answers(dict.fromkeys(PHQ[:5], 1)))
    assert "items give 14" in why(tmp_path, answers(dict.fromkeys(GAD, 2) | {"70274-6": 3}))
    assert "0 to 3" in why(tmp_path, answers(dict.fromkeys(GAD, 4)))


def test_every_code_of_the_table_has_a_known_scale_and_unit() -> None:
    rows = tables.read("loinc").rows
    assert len({row["code"] for row in rows}) == len(rows)
    for code in observations.codes().values():
        assert code.instrument in scales()
        assert code.unit in observations._UNITS
        digits, check = code.code.split("-")
        weighted = "".join(str(int(d) * (2 if k % 2 == 0 else 1)) for k, d in enumerate(reversed(digits)))
        assert (10 - sum(map(int, weighted)) % 10) % 10 == int(check), code.code  # LOINC's own check digit


def test_the_example_is_read_as_documented(tmp_path: Path) -> None:
    reading = read_bundle(ROOT / "examples" / "bundle.json")
    assert [(r.day.isoformat(), r.drug.drug, r.dose) for r in one(reading).doses] == [
        ("2026-01-05", "lorazepam", 1),
        ("2026-01-05", "morphine", 90),
        ("2026-02-02", "morphine", 60),
    ]
    assert len(reading.failed) == 1


_LEAVES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        1e300,
        "",
        "x",
        "2026-01-01",
        "9999-12-31",
        "\ud800",
        [],
        {},
        [[]],
        [None],
        {"value": 1},
        [{"value": "x"}],
        "tablet",
        "mg",
        "Patient/p1",
        10**30,
        "a" * 400,
    ]
)


def _places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, part in inside for place in _places(part, (*here, key)))]


_WHOLE = json.loads((ROOT / "examples" / "bundle.json").read_text())
_WHOLE["entry"] += [
    {"resource": request(FENTANYL, dosage(1, "patch", every(1, 72, "h")), id="f")},
    {
        "resource": request(
            APAP,
            {
                "timing": every(4),
                "doseAndRate": [{"doseRange": {"high": {"value": 2, "unit": "tablet"}}}],
                "maxDosePerPeriod": {
                    "numerator": {"value": 6, "unit": "tablet"},
                    "denominator": {"value": 1, "unit": "d"},
                },
            },
            status="stopped",
            dispenseRequest={"expectedSupplyDuration": {"value": 30, "unit": "days", "code": "d"}},
        )
    },
    {
        "resource": {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "subject": {"reference": "Patient/p1"},
            "medicationReference": {"reference": "#m"},
            "effectiveDateTime": "2026-01-06T08:00:00Z",
            "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": ER30}}],
            "dosage": {"dose": {"value": 30, "unit": "mg"}},
        }
    },
    {
        "resource": {
            "resourceType": "MedicationStatement",
            "status": "active",
            "subject": {"reference": "Patient/p1"},
            "medicationCodeableConcept": {"text": "lorazepam 1 MG Oral Tablet"},
            "effectivePeriod": {"start": "2026-01-10", "end": "2026-01-20"},
            "dosage": [dosage(1)],
        }
    },
]
_PLACES = _places(_WHOLE)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.tuples(st.sampled_from(_PLACES[1:]), _LEAVES, st.booleans()), min_size=1, max_size=4))
def test_any_content_of_a_file_raises_only_an_input_error(changes: list[tuple[tuple[Any, ...], Any, bool]]) -> None:
    content = copy.deepcopy(_WHOLE)
    for place, leaf, remove in changes:
        holder: Any = content
        try:
            for key in place[:-1]:
                holder = holder[key]
            if remove:
                del holder[place[-1]]
            else:
                holder[place[-1]] = copy.deepcopy(leaf)  # a leaf may be changed in its turn
        except (KeyError, IndexError, TypeError):
            continue
    with tempfile.TemporaryDirectory() as folder:
        try:
            reading = read(Path(folder), content)
        except InputError:
            return
        assert all(str(problem).isprintable() for problem in reading.failed)


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 4000), letters=st.text(max_size=5))
def test_a_truncated_or_corrupted_file_raises_only_an_input_error(cut: int, letters: str) -> None:
    text = json.dumps(_WHOLE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.json"
        path.write_bytes((text[:cut] + letters + text[cut + len(letters) :]).encode("utf-8", "surrogatepass"))
        try:
            read_bundle(path)
        except InputError:
            return
