"""Orders as other systems write them: names of products, timings, units, references, refills; the day's dose by hand.

Each case says its daily equivalents, worked out from the words by hand, or None where the words leave it open and the
history must say that it is not complete.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from taper_sim.data.fhir import BundleReading, read_bundle
from taper_sim.data.fhir.frequency import frequency_of
from taper_sim.data.formulary import equivalents
from taper_sim.data.records import History

Json = dict[str, Any]
TODAY = date(2026, 3, 1)
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
OXYCODONE = "oxycodone hydrochloride 5 MG Oral Tablet"
MORPHINE_ER = "morphine sulfate 15 MG Extended Release Oral Tablet"


def repeat(frequency: float | None = 2, period: float | None = 1, unit: str | None = "d", **more: Any) -> Json:
    """A timing; what is None is left out."""
    given = {"frequency": frequency, "period": period, "periodUnit": unit}
    return {"repeat": {**{k: v for k, v in given.items() if v is not None}, **more}}


BID = repeat()
Q72H = repeat(1, 72, "h")


def dosage(value: float, unit: str | None, timing: Json | None = None, **more: Any) -> Json:
    """A dosage instruction of one quantity."""
    quantity = {"value": value, **({"unit": unit} if unit is not None else {})}
    return {"timing": timing or BID, "doseAndRate": [{"doseQuantity": quantity}], **more}


def order(medication: str | Json, *dosages: Json, name: str = "m", **more: Any) -> Json:
    """An active order from 5 January 2026; the medication by text, concept or reference."""
    if isinstance(medication, str):
        medication = {"text": medication}
    key = "medicationReference" if "reference" in medication else "medicationCodeableConcept"
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "active",
        "intent": "order",
        key: medication,
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-01-05",
        "dosageInstruction": list(dosages),
        **more,
    }


def read(folder: Path, *resources: Json, entries: list[Json] | None = None) -> BundleReading:
    """A bundle of these, with a patient."""
    every = entries or [{"resource": r} for r in ({"resourceType": "Patient", "id": "p"}, *resources)]
    path = folder / "b.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": every}))
    return read_bundle(path)


def daily(history: History) -> float | None:
    """Equivalents of today's doses (mg or mcg/h of buprenorphine); None if the history is not complete."""
    known = history.as_of(TODAY)
    if known.unread or not known.doses:
        return None
    rows = {row.drug.key: row for row in known.doses}.values()
    return sum(row.dose if row.drug.is_buprenorphine else equivalents(row.drug, row.dose) for row in rows)


def dose(folder: Path, *resources: Json) -> float | None:
    """The day's dose of the patient of a bundle."""
    return daily(read(folder, *resources).histories["p"])


@pytest.mark.parametrize(
    ("product", "value", "unit", "timing", "a_day"),
    [
        ("oxyCODONE (ROXICODONE) 5 MG immediate release tablet", 1, "tablet", BID, 15),
        ("morphine (MS CONTIN) 15 MG 12 hr tablet", 1, "tablet", BID, 30),
        ("oxyCODONE-acetaminophen (PERCOCET) 5-325 mg per tablet", 1, "tablet", BID, 15),
        ("Oxycodone/Acetaminophen 10/325 mg Tab", 1, "tablet", BID, 30),
        ("HYDROcodone-acetaminophen (NORCO) 10-325 mg per tablet", 1, "tablet", BID, 20),
        ("acetaminophen-codeine (TYLENOL #3) 300-30 mg per tablet", 1, "tablet", BID, 9),
        ("acetaminophen 325 MG / oxycodone hydrochloride 5 MG Oral Tablet [Percocet]", 1, "tablet", BID, 15),
        ("Percocet 5 mg-325 mg tablet", 1, "tablet", BID, 15),
        ("Percocet 325 mg-5 mg tablet", 1, "tablet", BID, None),
        ("oxycodone-acetaminophen 325-5 mg tablet", 1, "tablet", BID, None),
        ("oxycodone-acetaminophen 200-325 mg tablet", 1, "tablet", BID, None),
        ("oxycodone 5-10 mg tablet", 1, "tablet", BID, None),
        ("Norco 5 mg-325 mg oral tablet", 1, "tab", BID, 10),
        (
            "Abuse-Deterrent 12 HR Oxycodone Hydrochloride 20 MG Extended Release Oral Tablet [OxyContin]",
            1,
            "tablet",
            BID,
            60,
        ),
        ("24 HR Hydrocodone Bitartrate 20 MG Extended Release Oral Tablet [Hysingla]", 1, "tablet", repeat(1), 20),
        ("morphine 10 mg/5 mL oral solution", 5, "mL", BID, 20),
        ("methadone hydrochloride 2 MG/ML Oral Solution", 5, "mL", BID, 94),
        ("traMADol (ULTRAM) 50 mg tablet", 50, "mg", BID, 20),
        ("fentaNYL (DURAGESIC) 25 mcg/hr patch", 1, "patch", Q72H, 60),
        ("fentaNYL 50 MCG/HR Patch 72 hr", 1, "each", repeat(1, 3), 120),
        ("72 HR Fentanyl 0.025 MG/HR Transdermal System", 25, "mcg/hr", Q72H, 60),
        ("LORazepam (ATIVAN) 1 mg tablet", 1, "tablet", BID, 20),
        ("clonazepam 0.5 MG Disintegrating Oral Tablet", 1, "tablet", BID, 20),
        ("buprenorphine-naloxone (SUBOXONE) 8-2 mg SL film", 1, "film", BID, 16),
        ("Suboxone 2 MG / 0.5 MG Sublingual Film", 1, "film", BID, 4),
        ("Zubsolv 5.7 MG / 1.4 MG Sublingual Tablet", 1, "tablet", repeat(1), None),
        ("buprenorphine 0.15 MG Buccal Film [Belbuca]", 1, "film", BID, 0.3),
        ("168 HR buprenorphine 0.01 MG/HR Transdermal System", 1, "patch", repeat(1, 1, "wk"), 10),
        ("morphine 100 mg/5 mL (20 mg/mL) concentrated solution", 1, "mL", BID, 40),
        ("morphine 100 mg/5 mL (10 mg/mL) solution", 1, "mL", BID, None),
        ("codeine phosphate 2 MG/ML / promethazine hydrochloride 1.25 MG/ML Oral Solution", 5, "mL", BID, 3),
        ("morphine 15 mg/12 hr oral tablet, extended release", 1, "tab", BID, 30),
        ("oxyCODONE 10 mg oral tablet", 1, "tab", {"code": {"coding": [{"display": "BID"}, {"code": "BID"}]}}, 30),
        ("fentaNYL 600 mcg/24 hr patch", 1, "patch", Q72H, 60),
        ("Zomorph 30mg modified-release capsules", 1, "capsule", BID, 60),
        ("Butec 10micrograms/hour transdermal patches", 1, "patch", repeat(1, 7), 10),
        ("Oxycodonhydrochlorid 10 mg prolonged-release tablet", 1, "tablet", BID, 30),
        ("tramadol-acetaminophen (ULTRACET) 37.5-325 mg tablet", 1, "tablet", BID, 15),
        ("fentanyl 0.1 MG Buccal Tablet [Fentora]", 1, "tablet", BID, None),
        ("Co-codamol 30mg/500mg tablets", 1, "tablet", BID, None),
        ("levomethadyl 10 MG/ML Oral Solution", 1, "mL", BID, None),
    ],
)
def test_product_names_of_other_systems_are_read(
    tmp_path: Path, product: str, value: float, unit: str, timing: Json, a_day: float | None
) -> None:
    assert dose(tmp_path, order(product, dosage(value, unit, timing))) == pytest.approx(a_day)


@pytest.mark.parametrize(
    ("text", "a_day"),
    [
        ("2 times daily", 2),
        ("Twice a day", 2),
        ("b.i.d.", 2),
        ("2x/day", 2),
        ("three times a day", 3),
        ("TID", 3),
        ("Every 8 hours", 3),
        ("Every 6 hours PRN", 4),
        ("Q6H:PRN", 4),
        ("every 4 hours as needed", 6),
        ("Daily", 1),
        ("Once daily", 1),
        ("Nightly", 1),
        ("nightly at bedtime", 1),
        ("once a day (at bedtime)", 1),
        ("qHS", 1),
        ("Daily with breakfast", 1),
        ("every other day", 0.5),
        ("Every 12 hours scheduled", 2),
        ("3 times weekly", 3 / 7),
        ("every 72 hours", 1 / 3),
        ("Every 3 days", 1 / 3),
        ("1 time daily", 1),
        ("four times per day", 4),
        ("as directed", None),
        ("1-0-1", None),
        ("every 4 hours while awake", None),
        ("q0h", None),
        ("", None),
        ("daily or twice daily", None),
        ("every 8 to 6 hours", None),
    ],
)
def test_a_frequency_in_words_is_read_as_a_whole_or_not_at_all(text: str, a_day: float | None) -> None:
    said = frequency_of(text)
    assert (None if said is None else said.times) == pytest.approx(a_day)


def test_a_range_of_hours_gives_the_highest_dose_and_a_single_dose_gives_none(tmp_path: Path) -> None:
    history = read(tmp_path, order(OXYCODONE, dosage(1, "tablet", {"code": {"text": "q4-6h prn"}}))).histories["p"]
    assert [(row.dose, row.as_needed) for row in history.doses] == [(30, True)]
    assert dose(tmp_path, order(OXYCODONE, dosage(1, "tablet", {"code": {"text": "ONCE"}}))) is None
    assert dose(tmp_path, order(OXYCODONE, dosage(1, "tablet", {**BID, "code": {"text": "3 times daily"}}))) is None


@pytest.mark.parametrize(
    ("timing", "times"),
    [
        (repeat(None, None, None, when=["MORN", "AFT", "NIGHT"]), 3),
        (repeat(4, timeOfDay=["06:00:00", "12:00:00", "18:00:00", "23:00:00"]), 4),
        (repeat(1, 0.5), 2),
        (repeat(1, 480, "min"), 3),
        (repeat(2, frequencyMax=4), 4),
        (repeat(None, 6, "h"), 4),
        (repeat(None, None, None, dayOfWeek=["mon", "wed", "fri", "sun"], timeOfDay=["08:00:00"]), 4 / 7),
        ({**BID, "code": {"coding": [{"code": "BID"}], "text": "2 Times Daily"}}, 2),
        ({"code": {"coding": [{"code": "229799001", "display": "Twice a day"}]}}, 2),
        (repeat(60, 1, "mo"), None),
        ({"event": ["2026-01-05T08:00:00Z"]}, None),
    ],
)
def test_a_timing_in_every_form(tmp_path: Path, timing: Json, times: float | None) -> None:
    found = dose(tmp_path, order(OXYCODONE, dosage(1, "tablet", timing)))
    assert found == (None if times is None else pytest.approx(7.5 * times))


@pytest.mark.parametrize(
    ("unit", "right"),
    [
        ("TAB", 15),
        ("tablet(s)", 15),
        ("{tbl}", 15),
        ("Tablet - unit of product usage", 15),
        ("EA", 15),
        (None, 15),
        ("dose", None),
        ("puff", None),
    ],
)
def test_units_of_other_systems_are_read(tmp_path: Path, unit: str | None, right: float | None) -> None:
    assert dose(tmp_path, order(OXYCODONE, dosage(1, unit))) == right


def test_a_medication_is_resolved_by_any_reference_and_else_by_its_display(tmp_path: Path) -> None:
    medication = {"resourceType": "Medication", "id": "drug", "code": {"text": "oxycodone 15 MG Oral Tablet"}}
    take = dosage(1, "tablet")
    for reference in ("Medication/drug", "https://a.example/R4/Medication/drug", "Medication/drug/_history/2"):
        assert dose(tmp_path, medication, order({"reference": reference}, take)) == 45, reference
    assert dose(tmp_path, order({"reference": "#drug"}, take, contained=[medication])) == 45
    said = {"reference": "Medication/gone", "display": "oxyCODONE 15 MG immediate release tablet"}
    assert dose(tmp_path, order(said, take)) == 45
    assert dose(tmp_path, order({"reference": "Medication/gone"}, take)) is None
    urn, patient = "urn:uuid:0f9e3fbc-0000-4000-8000-000000000001", "urn:uuid:0f9e3fbc-0000-4000-8000-000000000002"
    entries = [
        {"fullUrl": patient, "resource": {"resourceType": "Patient", "id": "p"}},
        {"fullUrl": urn, "resource": medication},
        {"fullUrl": "urn:uuid:3", "resource": order({"reference": urn}, take, subject={"reference": patient})},
    ]
    assert daily(read(tmp_path, entries=entries).histories["p"]) == 45
    del medication["id"]
    entries[1] = {"fullUrl": "https://a.example/R4/Medication/drug", "resource": medication}
    entries[2]["resource"]["medicationReference"]["reference"] = "Medication/drug"
    assert daily(read(tmp_path, entries=entries).histories["p"]) == 45


def test_an_unknown_name_with_an_atc_code_of_the_classes_makes_the_history_incomplete(tmp_path: Path) -> None:
    known = order(OXYCODONE, dosage(1, "tablet"))
    for code, right in (("N02AA05", None), ("N05BA12", None), ("N02BE01", 15)):
        concept = {"coding": [{"system": "http://www.whocc.no/atc", "code": code, "display": "Neuartikel"}]}
        assert dose(tmp_path, known, order(concept, dosage(1, "tablet"), name="new")) == right, code


def step(number: int, tablets: float, **bounds: Any) -> Json:
    """One step of a taper, twice a day."""
    return dosage(tablets, "tablet", repeat(**bounds), sequence=number)


def test_a_taper_is_read_from_durations_or_counts_in_any_order(tmp_path: Path) -> None:
    two_weeks = {"boundsDuration": {"value": 2, "unit": "weeks", "code": "wk"}}
    assert dose(tmp_path, order(MORPHINE_ER, step(1, 3, **two_weeks), step(2, 2, **two_weeks), step(3, 1))) == 30
    assert dose(tmp_path, order(MORPHINE_ER, step(3, 1), step(1, 3, **two_weeks), step(2, 2, **two_weeks))) == 30
    assert dose(tmp_path, order(MORPHINE_ER, step(1, 3, **two_weeks), step(2, 1, **two_weeks))) == 0
    assert dose(tmp_path, order(MORPHINE_ER, step(1, 3, count=28), step(2, 2, count=28), step(3, 1))) == 30
    counted = read(tmp_path, order(MORPHINE_ER, step(1, 3, count=28), step(2, 2))).histories["p"]
    assert [(row.day.isoformat(), row.dose) for row in counted.doses] == [("2026-01-05", 90), ("2026-01-19", 60)]


@pytest.mark.parametrize(
    "supply",
    [
        {"expectedSupplyDuration": {"value": 14, "unit": "days", "code": "d"}},
        {"expectedSupplyDuration": {"value": 7, "unit": "days", "code": "d"}, "numberOfRepeatsAllowed": 1},
        {"quantity": {"value": 84, "unit": "tablet"}},
    ],
)
def test_an_active_order_whose_supply_has_ended_is_replaced_by_the_next(tmp_path: Path, supply: Json) -> None:
    first = order(MORPHINE_ER, dosage(3, "tablet"), name="a", dispenseRequest=supply)
    for authored, right in (("2026-01-19", 30), ("2026-01-14", 30), ("2026-01-10", None)):
        assert dose(tmp_path, first, order(MORPHINE_ER, dosage(1, "tablet"), name="b", authoredOn=authored)) == right
    later = read(tmp_path, first, order(MORPHINE_ER, dosage(1, "tablet"), name="b", authoredOn="2026-01-19"))
    assert [row.dose for row in later.histories["p"].doses] == [90, 30]
    assert any("supply" in note for note in later.histories["p"].notes)


def test_an_unreadable_statement_does_not_matter_if_an_order_states_the_dose(tmp_path: Path) -> None:
    statement = {
        "resourceType": "MedicationStatement",
        "id": "s",
        "status": "active",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": OXYCODONE},
        "effectiveDateTime": "2026-01-10",
        "dosage": [{"text": "as directed"}],
    }
    reading = read(tmp_path, order(OXYCODONE, dosage(1, "tablet")), statement)
    assert daily(reading.histories["p"]) == 15 and len(reading.failed) == 1
    assert dose(tmp_path, order("lorazepam 1 MG Oral Tablet", dosage(1, "tablet")), statement) is None
    over = {**statement, "status": "completed", "dosage": [dosage(3, "tablet")]}
    (row,) = read(tmp_path, order(OXYCODONE, dosage(1, "tablet")), over).histories["p"].doses
    assert row.taken is None


def test_drugs_of_an_operation_long_ago_do_not_make_the_history_incomplete(tmp_path: Path) -> None:
    def injected(text: str, day: str, status: str = "completed") -> Json:
        return order(text, name="i", status=status, authoredOn=day)

    now = order(OXYCODONE, dosage(1, "tablet"))
    assert dose(tmp_path, now, injected("1 ML midazolam 5 MG/ML Injection", "2025-12-20")) == 15
    assert dose(tmp_path, now, injected("fentanyl 0.05 MG/ML Injectable Solution", "2026-02-20")) is None
    assert dose(tmp_path, now, injected("fentanyl 0.05 MG/ML Injectable Solution", "2025-12-20", "active")) is None
    assert dose(tmp_path, now, injected("Sublocade 300 MG Prefilled Syringe", "2025-12-20")) is None


def test_a_bundle_inside_a_bundle_is_reported_and_makes_the_history_incomplete(tmp_path: Path) -> None:
    inside = {"resourceType": "Bundle", "id": "in", "entry": [{"resource": order(OXYCODONE, dosage(1, "tablet"))}]}
    reading = read(tmp_path, order(MORPHINE_ER, dosage(1, "tablet")), inside)
    assert "a Bundle inside the Bundle" in str(reading.failed[0]) and daily(reading.histories["p"]) is None


def test_a_resource_that_is_not_r4_makes_only_its_patients_history_incomplete(tmp_path: Path) -> None:
    stu3 = order(OXYCODONE, {"timing": BID, "doseQuantity": {"value": 1, "unit": "tablet"}}, name="old")
    two = {"resourceType": "Patient", "id": "q"}
    other = order(OXYCODONE, dosage(1, "tablet"), name="n", subject={"reference": "Patient/q"})
    reading = read(tmp_path, two, order(MORPHINE_ER, dosage(1, "tablet")), stu3, other)
    assert {name: daily(history) for name, history in reading.histories.items()} == {"p": None, "q": 15}
    assert daily(read(tmp_path, two, {**stu3, "subject": {"display": "somebody"}}, other).histories["q"]) is None
    harmless = {**stu3, "medicationCodeableConcept": {"text": "lisinopril 10 MG Oral Tablet"}}
    reading = read(tmp_path, order(MORPHINE_ER, dosage(1, "tablet")), harmless)
    assert len(reading.failed) == 1 and daily(reading.histories["p"]) == 30


@pytest.mark.parametrize("kind", ["searchset", "transaction", "collection", "document", "history", "batch"])
def test_every_type_of_bundle_is_read_and_other_content_is_ignored(tmp_path: Path, kind: str) -> None:
    server = "https://a.example/fhir/R4"
    patient = {"resourceType": "Patient", "id": "p", "extension": [{"url": "http://x.example/y", "valueString": "z"}]}
    medication = {"resourceType": "Medication", "id": "drug", "code": {"text": OXYCODONE}}
    wanted = order(
        {"reference": f"{server}/Medication/drug"},
        dosage(1, "tablet"),
        subject={"reference": f"{server}/Patient/p", "display": "A. Person"},
    )
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "suppressed"}]}
    every: list[Json] = [
        {"resource": {"resourceType": "Composition", "status": "final", "section": []}},
        {"resource": outcome, "search": {"mode": "outcome"}},
        {"fullUrl": f"{server}/Patient/p", "resource": patient, "request": {"method": "PUT", "url": "Patient/p"}},
        {"fullUrl": f"{server}/Medication/drug", "resource": medication, "search": {"mode": "include"}},
        {"fullUrl": f"{server}/MedicationRequest/m", "resource": wanted, "response": {"status": "200 OK"}},
        {"request": {"method": "DELETE", "url": "MedicationRequest/gone"}},
        {"resource": {"resourceType": "SomethingOfR6", "id": "x", "status": 7}},
    ]
    path = tmp_path / "b.json"
    more = {"total": 1, "link": [{"relation": "self", "url": server}], "identifier": {"value": "1"}}
    path.write_text(json.dumps({"resourceType": "Bundle", "type": kind, "entry": every, **more}))
    reading = read_bundle(path)
    assert reading.failed == () and daily(reading.histories["p"]) == 15
    assert "1 SomethingOfR6 resource(s): not read" in reading.notes
