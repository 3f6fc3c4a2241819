"""Reads a FHIR R4 Bundle, entry by entry, into one history per patient. Imports ``data``, ``model``.

Each entry is validated by ``fhir.resources`` (R4B) and then converted to rows. An entry that fails is reported with its
place and reason; the others are still read. Only a file that is not an R4 Bundle is refused as a whole.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from taper_sim.data.fhir import conditions, observations, other_drugs
from taper_sim.data.fhir.demographics import answers_of_patient, has_died
from taper_sim.data.fhir.json_input import Cannot, concept_texts, day_of, part, parts, read_json, word
from taper_sim.data.fhir.medications import Product, product_of
from taper_sim.data.fhir.names import form_of
from taper_sim.data.fhir.prescriptions import ENDED, IN_FORCE, Prescriptions
from taper_sim.data.fhir.references import id_of, references_to, resolved
from taper_sim.data.fhir.versions import RESOURCE_TYPES, refuse_other, validated
from taper_sim.data.formulary import formulary
from taper_sim.data.problems import Problem, shown
from taper_sim.data.records import CheckIn, History, Unread
from taper_sim.units import DrugClass

ORDERS: Final = ("order", "original-order", "instance-order", "filler-order", "reflex-order")
_WRONG_STAMP_REPORTS: Final = 3  # reports after the timestamp from which the timestamp is wrong. A design choice
_DEPOT: Final = (
    "buprenorphine",
    "sublocade",
    "brixadi",
    "probuphine",
)  # depot drugs: one administration acts for weeks


@dataclass(frozen=True)
class BundleReading:
    """The content of a bundle.

    Attributes
    ----------
    histories : dict of str to History
        By Patient id, sorted.
    failed : tuple of Problem
        Entries that could not be read, with place and reason, in the order of the file.
    notes : tuple of str
        Notes on the bundle for readers of the output.
    """

    histories: dict[str, History]
    failed: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _PatientRecord:
    """Everything collected for one patient."""

    patient: Mapping[str, Any] = field(default_factory=dict)
    prescriptions: Prescriptions = field(default_factory=Prescriptions)
    checkins: dict[CheckIn, tuple[int, str]] = field(default_factory=dict)
    problems: list[conditions.ConditionAnswer] = field(default_factory=list)
    others: list[other_drugs.OtherDrug] = field(default_factory=list)


def _place(k: int, resource: Mapping[str, Any]) -> str:
    kind, resource_id = word(resource.get("resourceType")), word(resource.get("id"))
    return f"entry[{k}].resource ({shown(kind or 'no resourceType')}{'/' + shown(resource_id) if resource_id else ''})"


def _is_medication_entry(resource: Mapping[str, Any]) -> bool:
    return word(resource.get("resourceType")) in IN_FORCE


class _Reader:
    """Reads one bundle."""

    def __init__(self, path: Path, bundle: Mapping[str, Any]):
        self.path = path
        self.entries = [entry if isinstance(entry, dict) else {} for entry in bundle.get("entry") or []]
        self.timestamp = day_of(bundle.get("timestamp"))
        self.created = self.timestamp or day_of(part(bundle, "meta").get("lastUpdated"))
        self.failed: list[tuple[int, Problem]] = []
        self.not_read: Counter[str] = Counter()
        self.by_name: dict[str, dict[str, Any]] = {}
        self.records: dict[str, _PatientRecord] = {}
        self.subjects: dict[str, str] = {}
        self.valid: dict[int, dict[str, Any]] = {}
        self.invalid: list[tuple[int, dict[str, Any], str]] = []

    def fail(self, k: int, place: str, given: str, allowed: str) -> None:
        self.failed.append((k, Problem(str(self.path), place, given, allowed)))

    def read(self) -> BundleReading:
        self._index()
        steps: dict[str, Callable[[int, str, dict[str, Any], _PatientRecord], None]] = {
            "MedicationRequest": self._request,
            "MedicationStatement": self._statement,
            "MedicationAdministration": self._administration,
            "Observation": self._observation,
            "QuestionnaireResponse": self._questionnaire,
            "Condition": self._condition,
        }
        for k, resource in self.valid.items():
            step = steps.get(word(resource.get("resourceType")))
            if step is None:
                continue
            place, record = _place(k, resource), None
            try:
                record = self._record(resource)
                step(k, place, resource, record)
            except Cannot as error:
                if record is not None and _is_medication_entry(resource):
                    record.prescriptions.unread.append(self._unread(place, resource, error.given))
                self.fail(k, place, error.given, error.allowed)
        self._mark_invalid_medication()
        self._drop_future_reports()
        histories = {patient: self._history(patient) for patient in sorted(self.records)}
        self.failed.sort(key=lambda failure: failure[0])
        notes = [f"{count} {why}" for why, count in sorted(self.not_read.items())]
        if not histories:
            notes.insert(0, "no readable Patient in the bundle")
        return BundleReading(histories, tuple(problem for _, problem in self.failed), tuple(notes))

    # -- patients -----------------------------------------------------------------------------------------------------

    def _index(self) -> None:
        """Validate every resource of a type that is read, and index it by its references."""
        for k, entry in enumerate(self.entries):
            resource = part(entry, "resource")
            kind = word(resource.get("resourceType"))
            if not resource or not kind:
                if entry.get("resource") is None and entry.get("fullUrl") is None and entry:
                    self.not_read["entry(s) without a resource: not read"] += 1
                else:
                    self.fail(k, f"entry[{k}].resource", "no resource with a resourceType", "a FHIR R4 resource")
                continue
            if kind == "Bundle":
                given = "a Bundle inside the Bundle"
                self.fail(k, _place(k, resource), given, "its entries in the outer Bundle")
                self.invalid.append((k, resource, given))
                continue
            if kind not in RESOURCE_TYPES:
                self.not_read[f"{shown(kind)} resource(s): not read"] += 1
                continue
            if kind == "Observation" and not observations.is_read(resource):
                self.not_read["Observation(s) of other codes: not read"] += 1
                continue
            if kind == "Condition" and not conditions.is_read(resource):
                self.not_read["Condition(s) of other codes: not read"] += 1
                continue
            try:
                validated(resource)
            except Cannot as error:
                self.fail(k, _place(k, resource), error.given, error.allowed)
                self.invalid.append((k, resource, error.given))
                continue
            names = references_to(entry, resource)
            if kind == "Patient" and not self._patient(k, entry, resource, names):
                continue
            self.valid[k] = resource
            for name in names:
                self.by_name.setdefault(name, resource)
        if not self.records and not any(word(r.get("resourceType")) == "Patient" for _, r, _ in self.invalid):
            self._patients_by_reference()

    def _patient(self, k: int, entry: Mapping[str, Any], resource: Mapping[str, Any], names: frozenset[str]) -> bool:
        patient_id = word(resource.get("id")) or word(entry.get("fullUrl")).rsplit(":", 1)[-1].rsplit("/", 1)[-1]
        place = _place(k, resource)
        if not patient_id:
            self.fail(k, place, "a Patient without an id", "an id, or a fullUrl")
            return False
        if patient_id in self.records:
            self.fail(k, place, f"the Patient {shown(patient_id)} a second time", "each Patient once")
            return False
        self.records[patient_id] = _PatientRecord(resource)
        for name in names:
            self.subjects[name] = patient_id
        return True

    def _patients_by_reference(self) -> None:
        """Patients of a bundle without Patient resources (such as a search result): the subjects of the entries."""
        references = {word(part(resource, "subject").get("reference")) for resource in self.valid.values()}
        for reference in sorted(references):
            patient_id = id_of(reference, "Patient") or (reference if reference.startswith("urn:") else "")
            if patient_id:
                self.records.setdefault(patient_id, _PatientRecord())
                self.subjects |= {reference: patient_id, f"Patient/{patient_id}": patient_id}
        if self.records:
            self.not_read["patient(s) known only by reference: no Patient in the bundle"] = len(self.records)

    def _record(self, resource: Mapping[str, Any]) -> _PatientRecord:
        """The record of a resource's patient."""
        reference = word(part(resource, "subject").get("reference"))
        patient_id = resolved(reference, self.subjects)
        if patient_id is None:
            given = f"the subject {shown(reference)}, which is not in the bundle" if reference else "no subject"
            raise Cannot(given, "a reference to a Patient of the bundle")
        return self.records[patient_id]

    # -- medication ----------------------------------------------------------------------------------------------------

    def _unread(self, place: str, resource: Mapping[str, Any], why: str) -> Unread:
        """Placeholder in the history for a medication entry that could not be read."""
        kind, status = word(resource.get("resourceType")), word(resource.get("status"))
        days = (
            resource.get("authoredOn"),
            resource.get("effectiveDateTime"),
            resource.get("dateAsserted"),
            part(resource, "effectivePeriod").get("start"),
        )
        since = next((day for day in map(day_of, days) if day is not None), None)
        text = " ".join(concept_texts(resource.get("medicationCodeableConcept"))).lower()
        once = form_of(text) == "other" and not any(name in text for name in _DEPOT)
        return Unread(f"{place}: {why}", since, status in ENDED.get(kind, ()), once, self._class_of(resource), place)

    def _class_of(self, resource: Mapping[str, Any]) -> DrugClass | None:
        """Class of the drug of an entry whose dose could not be read; None if the drug is not identified either."""
        try:
            product = self._product(resource)
        except Cannot:
            return None
        name = product.name if product is not None else ""
        return next((drug.drug_class for drug in formulary().values() if drug.drug.split("-")[0] == name), None)

    def _mark_invalid_medication(self) -> None:
        """Record invalid entries that may hold medication as unread: for their patient, else for every patient."""
        for k, resource, why in self.invalid:
            if resource.get("resourceType") != "Bundle" and not _is_medication_entry(resource):
                continue
            concept = resource.get("medicationCodeableConcept") or part(resource, "medication").get("concept")
            try:
                if isinstance(concept, dict) and product_of([concept]) is None:
                    continue  # a medication outside the three classes
            except Cannot:
                pass
            try:
                records = [self._record(resource)]
            except Cannot:
                records = list(self.records.values())
            for record in records:
                record.prescriptions.unread.append(self._unread(_place(k, resource), resource, why))

    def _concepts(self, resource: Mapping[str, Any]) -> list[Any]:
        """CodeableConcepts of the medication of an entry."""
        name = word(part(resource, "medicationReference").get("reference"))
        contained = [r for r in parts(resource.get("contained")) if name == f"#{word(r.get('id'))}"]
        target = contained[0] if contained else (resolved(name, self.by_name) if name else None)
        display = {"text": word(part(resource, "medicationReference").get("display"))}
        return [resource.get("medicationCodeableConcept"), (target or {}).get("code"), display]

    def _product(self, resource: Mapping[str, Any]) -> Product | None:
        """The medication of a request, statement or administration; None outside the three classes."""
        concept = resource.get("medicationCodeableConcept")
        reference = part(resource, "medicationReference")
        name, display = word(reference.get("reference")), word(reference.get("display"))
        if isinstance(concept, dict):
            return product_of([concept])
        if name.startswith("#"):
            contained = [r for r in parts(resource.get("contained")) if word(r.get("id")) == name[1:]]
            target = contained[0] if len(contained) == 1 else None
        else:
            target = resolved(name, self.by_name)
        if target is not None and target.get("resourceType") == "Medication":
            return product_of([target.get("code"), {"text": display}], target)
        if display:
            return product_of([{"text": display}])
        if not name:
            raise Cannot("no medication", "medicationCodeableConcept or medicationReference")
        raise Cannot(f"the medication {shown(name)}, which is not in the bundle", "a Medication of the bundle")

    def _counted(self, resource: Mapping[str, Any], record: _PatientRecord) -> Product | None:
        """The product of an entry that counts; None for another drug, which may answer a variable, or with a note."""
        status, kind = word(resource.get("status")), word(resource.get("resourceType"))
        if status not in (*IN_FORCE[kind], *ENDED[kind]):
            self.not_read[f"{kind}(s) of status {shown(status or 'nothing')}: not counted"] += 1
            return None
        product = self._product(resource)
        if product is None:
            others = other_drugs.other_drugs_of(resource, self._concepts(resource), status in IN_FORCE[kind])
            record.others += others
            if not others:
                self.not_read["medication entry(s) of other drugs: not read"] += 1
        return product

    def _request(self, k: int, place: str, resource: dict[str, Any], record: _PatientRecord) -> None:
        intent = word(resource.get("intent"))
        if intent not in ORDERS or resource.get("doNotPerform") is True:
            reason = "doNotPerform" if intent in ORDERS else f"intent {shown(intent)}"
            self.not_read[f"MedicationRequest(s) of {reason}: not counted"] += 1
            return
        product = self._counted(resource, record)
        if product is None:
            return
        previous = word(part(resource, "priorPrescription").get("reference"))
        replaced = resolved(previous, self.by_name) if previous else None
        if replaced is not None:
            previous = f"{word(replaced.get('resourceType'))}/{word(replaced.get('id'))}"
        names = references_to(self.entries[k], resource)
        record.prescriptions.request(place, resource, product, self.created, names, previous)

    def _statement(self, k: int, place: str, resource: dict[str, Any], record: _PatientRecord) -> None:
        product = self._counted(resource, record)
        if product is None:
            return
        try:
            record.prescriptions.statement(k, place, resource, product, self.created)
        except Cannot as error:  # an order of the drug takes precedence: its dose is known without the statement
            unread = self._unread(place, resource, error.given)
            record.prescriptions.unread_statements.append((product.name, unread))
            self.fail(k, place, error.given, error.allowed)

    def _administration(self, k: int, place: str, resource: dict[str, Any], record: _PatientRecord) -> None:
        product = self._counted(resource, record)
        if product is not None and not record.prescriptions.administration(k, place, resource, product):
            self.not_read["administration(s) of patches, which are worn for days: not counted"] += 1

    # -- reports -------------------------------------------------------------------------------------------------------

    def _observation(self, k: int, place: str, resource: dict[str, Any], record: _PatientRecord) -> None:
        checkins, reasons = observations.of_observation(resource, f"{self.path.name}, {place}")
        record.checkins |= dict.fromkeys(checkins, (k, place))
        self.not_read.update(reasons)

    def _questionnaire(self, k: int, place: str, resource: dict[str, Any], record: _PatientRecord) -> None:
        checkins, reasons = observations.of_questionnaire(resource, f"{self.path.name}, {place}")
        record.checkins |= dict.fromkeys(checkins, (k, place))
        self.not_read.update(reasons)

    def _condition(self, k: int, place: str, resource: dict[str, Any], record: _PatientRecord) -> None:
        record.problems += conditions.answers_of_condition(resource)

    def _drop_future_reports(self) -> None:
        """Refuse reports dated after the bundle's timestamp; if several and most reports are, ignore the timestamp."""
        if self.timestamp is None:
            return
        until = self.timestamp + timedelta(days=1)  # a local day may be one ahead
        late = [(record, c) for record in self.records.values() for c in record.checkins if c.day > until]
        if len(late) >= _WRONG_STAMP_REPORTS and 2 * len(late) > sum(
            len(record.checkins) for record in self.records.values()
        ):
            self.not_read["report(s) dated after the bundle's timestamp: the timestamp is ignored"] = len(late)
            self.timestamp = self.created = None
            return
        for record, c in late:
            k, place = record.checkins.pop(c)
            self.fail(
                k, place, f"{c.instrument} of {c.day}, after the bundle was created", f"a day up to {self.timestamp}"
            )

    # -- one patient ---------------------------------------------------------------------------------------------------

    def _history(self, patient: str) -> History:
        record = self.records[patient]
        prescriptions = record.prescriptions
        rows, notes = prescriptions.rows(self.fail, self.path.name)
        checkins = tuple(sorted(record.checkins))
        days: list[date] = [
            *prescriptions.written,
            *(c.known_on for c in checkins),
            *(u.since for u in prescriptions.unread if u.since),
        ]
        written = self.created or (max(days) if days else None)
        return History(
            patient,
            checkins,
            tuple(rows),
            answers=MappingProxyType(
                {
                    **answers_of_patient(record.patient, written),
                    **conditions.valid_on(record.problems, written),
                    **other_drugs.answers_on(record.others, written),
                }
            ),
            notes=tuple(dict.fromkeys(notes)),
            dated=tuple(dict.fromkeys(prescriptions.notes)),
            unread=tuple(prescriptions.unread),
            barred=("the Patient is recorded as dead",) if has_died(record.patient) else (),
            written=written,
        )


def read_bundle(path: Path) -> BundleReading:
    """Read a FHIR R4 Bundle (JSON): searchset, transaction, collection or document.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    BundleReading
        The history of each Patient, the entries that failed, and notes.

    Raises
    ------
    InputError
        The file is not JSON (or has content after its end), not a Bundle, or a DSTU2 Bundle.
    """
    return bundle_reading(path, read_json(path))


def bundle_reading(path: Path, bundle: Any) -> BundleReading:
    """Read a Bundle that was parsed already; ``path`` names it in messages. Raises as :func:`read_bundle`."""
    refuse_other(path, bundle)
    return _Reader(path, bundle).read()
