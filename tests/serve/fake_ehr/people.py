"""Twenty simulated patients as FHIR R4 resources; the last eight have late, missing or odd data. Seeded."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from typing import Any, Final

from taper_sim.api.simulated_records import simulated_records

Json = dict[str, Any]
N_PATIENTS: Final = 20
_DAYS: Final = 56
_SEED: Final = 16


@cache
def _simulated() -> tuple[Any, Any]:
    records = simulated_records(N_PATIENTS, days=_DAYS, seed=_SEED)
    return records.checkins, records.doses


def observation(patient_id: str, number: int, day: date, code: str, value: float, unit: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"{patient_id}-o{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": day.isoformat(),
        "valueQuantity": {"value": value, "unit": unit, "code": unit, "system": "http://unitsofmeasure.org"},
    }


def order(patient_id: str, number: int | str, text: str, mg: float, start: date, end: date | None = None) -> Json:
    """An order of ``mg`` twice a day."""
    bounds = {"start": start.isoformat()} | ({} if end is None else {"end": end.isoformat()})
    return {
        "resourceType": "MedicationRequest",
        "id": f"{patient_id}-m{number}",
        "status": "active" if end is None else "completed",
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "subject": {"reference": f"Patient/{patient_id}"},
        "authoredOn": start.isoformat(),
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d", "boundsPeriod": bounds}},
                "doseAndRate": [{"doseQuantity": {"value": mg, "unit": "mg", "code": "mg"}}],
            }
        ],
    }


def condition(patient_id: str, code: str) -> Json:
    return {
        "resourceType": "Condition",
        "id": f"{patient_id}-c1",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
        "subject": {"reference": f"Patient/{patient_id}"},
    }


def _regular(number: int, today: date) -> list[Json]:
    """A patient on a taper of morphine ER with daily pain, whose last day of the record is yesterday."""
    checkins, doses = _simulated()
    patient_id = f"e{number:02d}"
    who, shift = f"p{number:03d}", today - timedelta(days=1) - date(2026, 1, 1) - timedelta(days=_DAYS)
    patient: Json = {"resourceType": "Patient", "id": patient_id, "birthDate": f"{1950 + number}-05-01"}
    patient["gender"] = "female" if number % 2 else "male"
    rows = doses[doses["patient_id"] == who].to_dict("records")
    starts = [row["date"] + shift for row in rows]
    ends = [*(start - timedelta(days=1) for start in starts[1:]), None]
    starts[0] -= timedelta(days=400)  # the first dose was taken for more than a year
    text = "morphine sulfate Extended Release Oral Tablet"
    resources = [patient] + [
        order(patient_id, k, text, row["dose_mg_per_day"] / 2, start, end)
        for k, (row, start, end) in enumerate(zip(rows, starts, ends, strict=True))
    ]
    pain = checkins[(checkins["patient_id"] == who) & (checkins["instrument"] == "pain_nrs")].to_dict("records")
    resources += [
        observation(patient_id, k, row["date"] + shift, "72514-3", row["value"], "{score}")
        for k, row in enumerate(pain)
    ]
    return resources


def _kept(resources: list[Json], *kinds: str) -> list[Json]:
    return [resource for resource in resources if resource["resourceType"] in kinds]


def _late(resources: list[Json], today: date) -> list[Json]:
    """Reports that were entered on the last day."""
    return [r | ({"issued": f"{today}T08:00:00Z"} if r["resourceType"] == "Observation" else {}) for r in resources]


def _without_reports(resources: list[Json], today: date) -> list[Json]:
    return _kept(resources, "Patient", "MedicationRequest")


def _without_orders(resources: list[Json], today: date) -> list[Json]:
    return _kept(resources, "Patient", "Observation")


def _free_text(resources: list[Json], today: date) -> list[Json]:
    """A last order whose dose stands in words alone."""
    *_, last = _kept(resources, "MedicationRequest")
    words = last | {"dosageInstruction": [{"text": "as discussed"}]}
    return [words if r is last else r for r in resources]


def _twice(resources: list[Json], today: date) -> list[Json]:
    """Two orders of one drug in force, of which neither replaces the other."""
    patient_id = resources[0]["id"]
    return [*resources, order(patient_id, "x", "morphine sulfate Extended Release Oral Tablet", 15, today)]


def _odd_values(resources: list[Json], today: date) -> list[Json]:
    """No date of birth; a pain of 99; a report in the future."""
    patient_id = resources[0]["id"]
    patient = {k: v for k, v in resources[0].items() if k != "birthDate"}
    odd = observation(patient_id, 900, today - timedelta(days=2), "72514-3", 99, "{score}")
    ahead = observation(patient_id, 901, today + timedelta(days=30), "72514-3", 4, "{score}")
    return [patient, *resources[1:], odd, ahead]


def _hostile(resources: list[Json], today: date) -> list[Json]:
    """A name and a text that are markup, and a pair that is contraindicated."""
    patient_id = resources[0]["id"]
    patient = resources[0] | {"name": [{"family": '<script>alert("x")</script>'}]}
    maoi = order(patient_id, "maoi", "phenelzine 15 MG Oral Tablet", 15, today)
    return [patient, *resources[1:], maoi]


def _sleeps_badly(resources: list[Json], today: date) -> list[Json]:
    """Sleep apnoea, a benzodiazepine beside the opioid, and an oxygen saturation that is low today."""
    patient_id = resources[0]["id"]
    tablet = order(patient_id, "bzd", "lorazepam 1 MG Oral Tablet", 0.5, today - timedelta(days=200))
    low = observation(patient_id, 900, today, "2708-6", 91, "%")
    return [*resources, tablet, condition(patient_id, "G47.33"), low]


_ODD: Final[tuple[Callable[[list[Json], date], list[Json]], ...]] = (
    _late,
    _without_reports,
    _without_orders,
    _free_text,
    _twice,
    _odd_values,
    _hostile,
    _sleeps_badly,
)


def people(today: date) -> dict[str, list[Json]]:
    """Resources by patient id, the Patient first; ``e13`` to ``e20`` are the odd ones."""
    made = {}
    for number in range(1, N_PATIENTS + 1):
        resources = _regular(number, today)
        changed = number - (N_PATIENTS - len(_ODD)) - 1
        made[resources[0]["id"]] = _ODD[changed](resources, today) if changed >= 0 else resources
    return made
