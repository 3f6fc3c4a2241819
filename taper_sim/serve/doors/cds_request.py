"""A CDS Hooks request: its fields, its prefetch as a bundle, what is missing. Imports ``doors.entry``, ``data``.

Source of the fields: CDS Hooks 2.0 (cds-hooks.hl7.org/2.0) and the pages of the hooks ``patient-view`` and
``order-sign``. The service asks only for what its readers use, and never contacts the ``fhirServer`` of a request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

from taper_sim import tables
from taper_sim.data.fhir.json_input import part, parts, word
from taper_sim.data.problems import InputError, Problem, shown
from taper_sim.serve.doors.entry import SENT

_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
_LONGEST_TEXT: Final = 4096
_Text = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_TEXT)]
_MOST_DRAFTS: Final = 50
"""Draft orders of one signature. A design choice: a large order set has fewer."""
_PANELS: Final = ("85354-9", "85353-1")
"""Panels of blood pressure and of vital signs, whose components have codes of loinc.csv (FHIR R4, vital signs)."""
_BY_PATIENT: Final = "patient={{context.patientId}}"


def prefetch_templates() -> dict[str, str]:
    """Queries that both services ask for, by key; observations by the codes that are read, and no others."""
    codes = ",".join(dict.fromkeys([*(row["code"] for row in tables.read("loinc").rows), *_PANELS]))
    return {
        "patient": "Patient/{{context.patientId}}",
        "requests": f"MedicationRequest?{_BY_PATIENT}",
        "observations": f"Observation?{_BY_PATIENT}&code={codes}",
        "conditions": f"Condition?{_BY_PATIENT}",
        "statements": f"MedicationStatement?{_BY_PATIENT}",
        "administrations": f"MedicationAdministration?{_BY_PATIENT}",
        "questionnaires": f"QuestionnaireResponse?{_BY_PATIENT}",
    }


NEEDED_KEYS: Final = ("patient", "requests", "observations", "conditions")
"""Keys without which the rules of safety cannot be judged. The others are used if they are sent."""


class _Sent(BaseModel):
    """A part of a request; fields that it does not name are allowed and not used."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class HookContext(_Sent):
    """The patient and the user of a hook."""

    userId: _Text  # the names of the specification
    patientId: _Id
    encounterId: _Text | None = None

    @field_validator("patientId", mode="before")
    @classmethod
    def _id_of_reference(cls, value: Any) -> Any:
        """The specification has an id here; clients also send a reference, which names the same patient."""
        return value.removeprefix("Patient/") if isinstance(value, str) else value


class OrderContext(HookContext):
    """The context of ``order-sign``: with the orders that are about to be signed."""

    draftOrders: dict[str, Any]


class HookCall(_Sent):
    """A call of a service."""

    hook: _Text
    hookInstance: UUID
    fhirServer: _Text | None = None
    fhirAuthorization: dict[str, Any] | None = None
    context: HookContext
    prefetch: dict[str, Any] | None = None


class OrderSignCall(HookCall):
    """A call of ``order-sign``."""

    context: OrderContext


@dataclass(frozen=True)
class Prefetched:
    """The prefetch of a call.

    Attributes
    ----------
    bundle : mapping
        FHIR R4 Bundle of everything that was sent, dated today.
    missing : tuple of str
        A text for each needed key that was not sent, or not in full.
    request_ids : frozenset of str
        Ids of the MedicationRequests in the record.
    """

    bundle: Mapping[str, Any]
    missing: tuple[str, ...]
    request_ids: frozenset[str]


def prefetched(call: HookCall, today: date) -> Prefetched:
    """The prefetch of a call as one bundle.

    Raises
    ------
    InputError
        For a value that is neither a resource nor a Bundle nor null, and for another patient than that of the context.
    """
    sent, wrong = call.prefetch or {}, list[Problem]()
    entries: list[dict[str, Any]] = []
    missing: list[str] = []
    for key in prefetch_templates():
        value = sent.get(key)
        if key not in sent:
            missing += [key] if key in NEEDED_KEYS else []
        elif value is not None and not (isinstance(value, dict) and word(value.get("resourceType"))):
            wrong.append(
                Problem(SENT, f"prefetch.{key}", shown(value), "a FHIR R4 resource, a Bundle of them, or null")
            )
        elif value is None:
            missing += ["patient"] if key == "patient" else []
        elif value["resourceType"] == "OperationOutcome":
            missing.append(f"{key} (an OperationOutcome was sent)")
        elif value["resourceType"] != "Bundle":
            entries.append({"resource": value})
        else:
            entries += _entries(value, f"prefetch.{key}", wrong)
            if any(word(link.get("relation")) == "next" for link in parts(value.get("link"))):
                missing.append(f"{key} (only one page of several was sent)")
    patient_id = call.context.patientId
    for entry in entries:
        resource = part(entry, "resource")
        if resource.get("resourceType") != "Patient":
            continue
        if resource.get("id", patient_id) != patient_id:
            wrong.append(
                Problem(SENT, "prefetch.patient.id", shown(resource["id"]), "the patient of context.patientId")
            )
        entry["resource"] = {**resource, "id": patient_id}
    if wrong:
        raise InputError(wrong)
    bundle = {"resourceType": "Bundle", "type": "collection", "timestamp": f"{today}T23:59:59Z", "entry": entries}
    ids = (word(part(e, "resource").get("id")) for e in entries if _is_request(part(e, "resource")))
    return Prefetched(bundle, tuple(missing), frozenset(filter(None, ids)))


def _is_request(resource: Mapping[str, Any]) -> bool:
    return resource.get("resourceType") == "MedicationRequest"


def _entries(bundle: Mapping[str, Any], place: str, wrong: list[Problem]) -> list[dict[str, Any]]:
    """Entries of a Bundle as objects with a resource; a problem for each other shape."""
    listed = bundle.get("entry", [])
    if not isinstance(listed, list):
        wrong.append(Problem(SENT, f"{place}.entry", shown(listed), "a list of entries"))
        return []
    for k, entry in enumerate(listed):
        if not isinstance(entry, dict) or not isinstance(entry.get("resource"), dict):
            wrong.append(Problem(SENT, f"{place}.entry[{k}]", shown(entry), "an object with a resource"))
    return [dict(entry) for entry in listed if isinstance(entry, dict)]


def draft_resources(call: OrderSignCall) -> list[tuple[str, dict[str, Any]]]:
    """Place and resource of each draft order; raises InputError for a Bundle of another shape."""
    bundle, wrong = call.context.draftOrders, list[Problem]()
    place = "context.draftOrders"
    if bundle.get("resourceType") != "Bundle":
        kind = shown(bundle.get("resourceType", "nothing"))
        raise InputError(Problem(SENT, f"{place}.resourceType", kind, "a Bundle of the draft orders"))
    entries = _entries(bundle, place, wrong)
    if len(entries) > _MOST_DRAFTS:
        wrong.append(Problem(SENT, f"{place}.entry", f"{len(entries):,} orders", f"at most {_MOST_DRAFTS}"))
    for k, entry in enumerate(entries[:_MOST_DRAFTS]):
        resource = part(entry, "resource")
        subject = word(part(resource, "subject").get("reference"))
        if _is_request(resource) and subject and subject.split("/")[-1] != call.context.patientId:
            where = f"{place}.entry[{k}].resource.subject"
            wrong.append(Problem(SENT, where, shown(subject), "the patient of context.patientId"))
    if wrong:
        raise InputError(wrong)
    return [(f"{place}.entry[{k}]", part(entry, "resource")) for k, entry in enumerate(entries)]
