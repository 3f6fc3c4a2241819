"""Validation of resources against FHIR R4 (``fhir.resources``, R4B); other versions are refused. Imports ``data``."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from taper_sim.data.fhir.json_input import Cannot, part, parts, texts, word
from taper_sim.data.problems import problem, shown

RESOURCE_TYPES: Final = (
    "Patient",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationAdministration",
    "Medication",
    "Observation",
    "QuestionnaireResponse",
    "Condition",
)
DSTU2_ONLY: Final = ("MedicationOrder", "DiagnosticOrder", "DeviceUseRequest", "ImagingObjectSelection")


@cache
def _models() -> Mapping[str, Any]:
    """Validation models of :data:`RESOURCE_TYPES`, imported at first use because the import is slow."""
    from fhir.resources.R4B.condition import Condition
    from fhir.resources.R4B.medication import Medication
    from fhir.resources.R4B.medicationadministration import MedicationAdministration
    from fhir.resources.R4B.medicationrequest import MedicationRequest
    from fhir.resources.R4B.medicationstatement import MedicationStatement
    from fhir.resources.R4B.observation import Observation
    from fhir.resources.R4B.patient import Patient
    from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

    return {
        model.__name__: model
        for model in (
            Patient,
            MedicationRequest,
            MedicationStatement,
            MedicationAdministration,
            Medication,
            Observation,
            QuestionnaireResponse,
            Condition,
        )
    }


def validated(resource: Mapping[str, Any]) -> None:
    """Validate a resource against FHIR R4B.

    Raises
    ------
    Cannot
        The first validation error, with its path. Values are not repeated, because they may identify a patient.
    """
    kind = word(resource.get("resourceType"))
    try:
        _models()[kind].model_validate(resource)
    except RecursionError:
        raise Cannot("parts nested too deep", "FHIR R4") from None
    except Exception as error:  # validation errors, and any failure of the validator on content that is not FHIR
        errors: Callable[[], list[Any]] | None = getattr(error, "errors", None)
        validation_errors = errors() if errors is not None else []
        place = ".".join(map(str, validation_errors[0].get("loc", ()))) if validation_errors else ""
        reason = (
            f"{shown(place) or kind}: {shown(validation_errors[0].get('msg', ''))}"
            if validation_errors
            else "content that is not FHIR R4"
        )
        raise Cannot(f"{reason}{_other_version(resource)}", f"a {kind} of FHIR R4") from None


def _other_version(resource: Mapping[str, Any]) -> str:
    """A hint that a resource is of another version of FHIR; empty without evidence."""
    profiles = " ".join(texts(part(resource, "meta").get("profile")))
    if "medication" in resource or ("STU3" not in profiles and isinstance(resource.get("reason"), list)):
        return " (as in R5, where medication is a CodeableReference)"
    dosages = parts(resource.get("dosageInstruction") or resource.get("dosage"))
    has_stu3_dose = any(key in dosage for dosage in dosages for key in ("doseQuantity", "doseRange"))
    if (
        "STU3" in profiles
        or has_stu3_dose
        or "taken" in resource
        or "agent" in part(resource, "requester")
        or ("context" in resource)
    ):
        return " (as in STU3)"
    return " (as in DSTU2)" if "patient" in resource else ""


def refuse_other(path: Path, bundle: Any) -> None:
    """Refuse a file that is not an R4 Bundle."""
    if not isinstance(bundle, dict):
        raise problem(str(path), "", f"a JSON {type(bundle).__name__}", "a FHIR R4 Bundle")
    kind = bundle.get("resourceType")
    if kind != "Bundle":
        given = f"a lone {shown(kind)}" if isinstance(kind, str) else "JSON without a resourceType"
        raise problem(str(path), "resourceType", given, "a Bundle (put resources into entry[].resource)")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise problem(str(path), "entry", f"a {type(entries).__name__}", "a list of entries")
    for k, container in enumerate([bundle, *entries]):
        resource = container if k == 0 else part(container, "resource")
        place = "" if k == 0 else f"entry[{k - 1}].resource"
        version = word(resource.get("fhirVersion"))
        profiles = [p for p in texts(part(resource, "meta").get("profile")) if "dstu2" in p.lower() or "/fhir/1.0" in p]
        if resource.get("resourceType") in DSTU2_ONLY:
            raise problem(str(path), place, f"{resource['resourceType']}, a resource of DSTU2", "FHIR R4 (4.0.1)")
        if version.startswith(("1.0", "0.5")) or profiles:
            raise problem(str(path), place, f"FHIR DSTU2 ({shown(version or profiles[0])})", "FHIR R4 (4.0.1)")
