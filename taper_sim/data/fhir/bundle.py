"""A FHIR R4 Bundle, entry by entry, into one history for each patient. Imports ``data``, ``model``.

Each entry that is read is checked by ``fhir.resources`` (R4B) and then turned into rows. What fails is one line with
its place and reason, and the others go on; only what makes the file no R4 Bundle ends the reading.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from taper_sim.data.fhir import conditions, observations
from taper_sim.data.fhir.demographics import answers_of, has_died
from taper_sim.data.fhir.json_input import Cannot, concept_texts, day_of, part, parts, read_json, word
from taper_sim.data.fhir.medications import Product, product_of
from taper_sim.data.fhir.names import form_of
from taper_sim.data.fhir.prescriptions import ENDED, IN_FORCE, Prescriptions
from taper_sim.data.fhir.references import found_by, id_of, names_of
from taper_sim.data.fhir.versions import READ, refuse_other, validated
from taper_sim.data.problems import Problem, shown
from taper_sim.data.records import CheckIn, History, Unread

ORDERS: Final = ("order", "original-order", "instance-order", "filler-order", "reflex-order")
_SEVERAL: Final = 3  # reports of later days that say that the stamp is wrong, and not they. A design choice
_DEPOT: Final = ("buprenorphine", "sublocade", "brixadi", "probuphine")  # given once, and they act for weeks


@dataclass(frozen=True)
class BundleReading:
    """What a bundle holds.

    Attributes
    ----------
    histories : dict of str to History
        By Patient id, sorted.
    failed : tuple of Problem
        Entries that could not be read, each with its place and reason, in the order of the file.
    notes : tuple of str
        What a reader of the output must know of the whole bundle.
    """

    histories: dict[str, History]
    failed: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Record:
    """What is collected of one patient."""

    patient: Mapping[str, Any] = field(default_factory=dict)
    prescriptions: Prescriptions = field(default_factory=Prescriptions)
    checkins: dict[CheckIn, tuple[int, str]] = field(default_factory=dict)
    problems: list[conditions.Answer] = field(default_factory=list)


def _place(k: int, resource: Mapping[str, Any]) -> str:
    kind, own = word(resource.get("resourceType")), word(resource.get("id"))
    return f"entry[{k}].resource ({shown(kind or 'no resourceType')}{'/' + shown(own) if own else ''})"


def _is_medication_entry(resource: Mapping[str, Any]) -> bool:
    return word(resource.get("resourceType")) in IN_FORCE


class _Reader:
    """Reads one bundle."""

    def __init__(self, path: Path, bundle: Mapping[str, Any]):
        self.path = path
        self.entries = [entry if isinstance(entry, dict) else {} for entry in bundle.get("entry") or []]
        self.stamped = day_of(bundle.get("timestamp"))
        self.made = self.stamped or day_of(part(bundle, "meta").get("lastUpdated"))
        self.failed: list[tuple[int, Problem]] = []
        self.set_aside: Counter[str] = Counter()
        self.by_name: dict[str, dict[str, Any]] = {}
        self.records: dict[str, _Record] = {}
        self.subjects: dict[str, str] = {}
        self.valid: dict[int, dict[str, Any]] = {}
        self.invalid: list[tuple[int, dict[str, Any], str]] = []

    def fail(self, k: int, place: str, given: str, allowed: str) -> None:
        self.failed.append((k, Problem(str(self.path), place, given, allowed)))

    def read(self) -> BundleReading:
        self._index()
        steps: dict[str, Callable[[int, str, dict[str, Any], _Record], None]] = {
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
        self._doubtful()
        self._from_the_future()
        histories = {patient: self._history(patient) for patient in sorted(self.records)}
        self.failed.sort(key=lambda both: both[0])
        notes = [f"{count} {why}" for why, count in sorted(self.set_aside.items())]
        if not histories:
            notes.insert(0, "no Patient in the bundle that can be read")
        return BundleReading(histories, tuple(found for _, found in self.failed), tuple(notes))

    # -- who is who ----------------------------------------------------------------------------------------------------

    def _index(self) -> None:
        """Check every resource that is read, and note by which names others refer to it."""
        for k, entry in enumerate(self.entries):
            resource = part(entry, "resource")
            kind = word(resource.get("resourceType"))
            if not resource or not kind:
                if entry.get("resource") is None and entry.get("fullUrl") is None and entry:
                    self.set_aside["entry(s) without a resource: not read"] += 1
                else:
                    self.fail(k, f"entry[{k}].resource", "no resource with a resourceType", "a FHIR R4 resource")
                continue
            if kind == "Bundle":
                given = "a Bundle inside the Bundle"
                self.fail(k, _place(k, resource), given, "its entries beside the others")
                self.invalid.append((k, resource, given))
                continue
            if kind not in READ:
                self.set_aside[f"{shown(kind)} resource(s): not read"] += 1
                continue
            if kind == "Observation" and not observations.is_read(resource):
                self.set_aside["Observation(s) of other codes: not read"] += 1
                continue
            if kind == "Condition" and not conditions.is_read(resource):
                self.set_aside["Condition(s) of other codes: not read"] += 1
                continue
            try:
                validated(resource)
            except Cannot as error:
                self.fail(k, _place(k, resource), error.given, error.allowed)
                self.invalid.append((k, resource, error.given))
                continue
            names = names_of(entry, resource)
            if kind == "Patient" and not self._patient(k, entry, resource, names):
                continue
            self.valid[k] = resource
            for name in names:
                self.by_name.setdefault(name, resource)
        if not self.records and not any(word(r.get("resourceType")) == "Patient" for _, r, _ in self.invalid):
            self._patients_by_reference()

    def _patient(self, k: int, entry: Mapping[str, Any], resource: Mapping[str, Any], names: frozenset[str]) -> bool:
        own = word(resource.get("id")) or word(entry.get("fullUrl")).rsplit(":", 1)[-1].rsplit("/", 1)[-1]
        place = _place(k, resource)
        if not own:
            self.fail(k, place, "a Patient without an id", "an id, or a fullUrl")
            return False
        if own in self.records:
            self.fail(k, place, f"the Patient {shown(own)} a second time", "each Patient once")
            return False
        self.records[own] = _Record(resource)
        for name in names:
            self.subjects[name] = own
        return True

    def _patients_by_reference(self) -> None:
        """A bundle without any Patient, as a search for one kind of resource gives: whom the entries refer to."""
        references = {word(part(resource, "subject").get("reference")) for resource in self.valid.values()}
        for reference in sorted(references):
            own = id_of(reference, "Patient") or (reference if reference.startswith("urn:") else "")
            if own:
                self.records.setdefault(own, _Record())
                self.subjects |= {reference: own, f"Patient/{own}": own}
        if self.records:
            self.set_aside["patient(s) known by reference alone: no Patient in the bundle"] = len(self.records)

    def _record(self, resource: Mapping[str, Any]) -> _Record:
        """The record of a resource's patient."""
        reference = word(part(resource, "subject").get("reference"))
        own = found_by(reference, self.subjects)
        if own is None:
            given = f"the subject {shown(reference)}, which is not in the bundle" if reference else "no subject"
            raise Cannot(given, "a reference to a Patient of the bundle")
        return self.records[own]

    # -- medication ----------------------------------------------------------------------------------------------------

    def _unread(self, place: str, resource: Mapping[str, Any], why: str) -> Unread:
        """What stands in a history for a medication entry that could not be read."""
        kind, status = word(resource.get("resourceType")), word(resource.get("status"))
        days = (
            resource.get("authoredOn"),
            resource.get("effectiveDateTime"),
            resource.get("dateAsserted"),
            part(resource, "effectivePeriod").get("start"),
        )
        since = next((day for day in map(day_of, days) if day is not None), None)
        said = " ".join(concept_texts(resource.get("medicationCodeableConcept"))).lower()
        once = form_of(said) == "other" and not any(name in said for name in _DEPOT)
        return Unread(f"{place}: {why}", since, status in ENDED.get(kind, ()), once)

    def _doubtful(self) -> None:
        """Entries that may hold medication and are no FHIR R4 count as unread: for their patient, else for all."""
        for k, resource, why in self.invalid:
            if resource.get("resourceType") != "Bundle" and not _is_medication_entry(resource):
                continue
            concept = resource.get("medicationCodeableConcept") or part(resource, "medication").get("concept")
            try:
                if isinstance(concept, dict) and product_of([concept]) is None:
                    continue  # of another class, whatever is wrong with it
            except Cannot:
                pass
            try:
                records = [self._record(resource)]
            except Cannot:
                records = list(self.records.values())
            for record in records:
                record.prescriptions.unread.append(self._unread(_place(k, resource), resource, why))

    def _product(self, resource: Mapping[str, Any]) -> Product | None:
        """The medication of a request, statement or administration; None if it is of another class."""
        concept = resource.get("medicationCodeableConcept")
        reference = part(resource, "medicationReference")
        name, display = word(reference.get("reference")), word(reference.get("display"))
        if isinstance(concept, dict):
            return product_of([concept])
        if name.startswith("#"):
            inside = [r for r in parts(resource.get("contained")) if word(r.get("id")) == name[1:]]
            found = inside[0] if len(inside) == 1 else None
        else:
            found = found_by(name, self.by_name)
        if found is not None and found.get("resourceType") == "Medication":
            return product_of([found.get("code"), {"text": display}], found)
        if display:
            return product_of([{"text": display}])
        if not name:
            raise Cannot("no medication", "medicationCodeableConcept or medicationReference")
        raise Cannot(f"the medication {shown(name)}, which is not in the bundle", "a Medication of the bundle")

    def _counted(self, resource: Mapping[str, Any]) -> Product | None:
        """The product of an entry that counts; None, with a note, for one that does not."""
        status, kind = word(resource.get("status")), word(resource.get("resourceType"))
        if status not in (*IN_FORCE[kind], *ENDED[kind]):
            self.set_aside[f"{kind}(s) of status {shown(status or 'nothing')}: not counted"] += 1
            return None
        product = self._product(resource)
        if product is None:
            self.set_aside["medication entry(s) of other drugs: not read"] += 1
        return product

    def _request(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        intent = word(resource.get("intent"))
        if intent not in ORDERS or resource.get("doNotPerform") is True:
            said = "doNotPerform" if intent in ORDERS else f"intent {shown(intent)}"
            self.set_aside[f"MedicationRequest(s) of {said}: not counted"] += 1
            return
        product = self._counted(resource)
        if product is None:
            return
        previous = word(part(resource, "priorPrescription").get("reference"))
        replaced = found_by(previous, self.by_name) if previous else None
        if replaced is not None:
            previous = f"{word(replaced.get('resourceType'))}/{word(replaced.get('id'))}"
        names = names_of(self.entries[k], resource)
        record.prescriptions.request(place, resource, product, self.made, names, previous)

    def _statement(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        product = self._counted(resource)
        if product is None:
            return
        try:
            record.prescriptions.statement(k, place, resource, product, self.made)
        except Cannot as error:  # an order of the drug wins, so that its dose is known without the statement
            lost = self._unread(place, resource, error.given)
            record.prescriptions.unread_statements.append((product.name, lost))
            self.fail(k, place, error.given, error.allowed)

    def _administration(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        product = self._counted(resource)
        if product is not None and not record.prescriptions.administration(k, place, resource, product):
            self.set_aside["administration(s) of patches: not counted, for they are worn for days"] += 1

    # -- reports -------------------------------------------------------------------------------------------------------

    def _observation(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        found, aside = observations.of_observation(resource, f"{self.path.name}, {place}")
        record.checkins |= dict.fromkeys(found, (k, place))
        self.set_aside.update(aside)

    def _questionnaire(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        found, aside = observations.of_questionnaire(resource, f"{self.path.name}, {place}")
        record.checkins |= dict.fromkeys(found, (k, place))
        self.set_aside.update(aside)

    def _condition(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        record.problems += conditions.answers_of(resource)

    def _from_the_future(self) -> None:
        """Reports of a day after the bundle was made are listed; if several and most are, the stamp is wrong."""
        if self.stamped is None:
            return
        until = self.stamped + timedelta(days=1)  # a local day may be one ahead
        late = [(record, c) for record in self.records.values() for c in record.checkins if c.day > until]
        if len(late) >= _SEVERAL and 2 * len(late) > sum(len(record.checkins) for record in self.records.values()):
            self.set_aside["report(s) of days after the bundle's timestamp, which is therefore not used"] = len(late)
            self.stamped = self.made = None
            return
        for record, c in late:
            k, place = record.checkins.pop(c)
            self.fail(k, place, f"{c.instrument} of {c.day}, after the bundle was made", f"a day up to {self.stamped}")

    # -- one patient ---------------------------------------------------------------------------------------------------

    def _history(self, patient: str) -> History:
        record = self.records[patient]
        mine = record.prescriptions
        rows, notes = mine.rows(self.fail, self.path.name)
        checkins = tuple(sorted(record.checkins))
        days: list[date] = [*mine.written, *(c.known_on for c in checkins), *(u.since for u in mine.unread if u.since)]
        written = self.made or (max(days) if days else None)
        return History(
            patient,
            checkins,
            tuple(rows),
            answers=MappingProxyType(
                {**answers_of(record.patient, written), **conditions.known_on(record.problems, written)}
            ),
            notes=tuple(dict.fromkeys(notes)),
            dated=tuple(dict.fromkeys(mine.notes)),
            unread=tuple(mine.unread),
            barred=("the Patient is recorded as dead",) if has_died(record.patient) else (),
            written=written,
        )


def read_bundle(path: Path) -> BundleReading:
    """Read a FHIR R4 Bundle (JSON): searchset, transaction, collection or document alike.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    BundleReading
        A history for each Patient, every entry that failed, and notes.

    Raises
    ------
    InputError
        No JSON (or something after its end), no Bundle, a Bundle of DSTU2; file, place and what is allowed.
    """
    bundle = read_json(path)
    refuse_other(path, bundle)
    return _Reader(path, bundle).read()
