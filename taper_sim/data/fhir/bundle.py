"""A FHIR R4 Bundle, entry by entry, into one history for each patient. Imports ``data``, ``model``.

Each entry that is read is checked by ``fhir.resources`` (R4B) and then turned into rows. What fails is one line with
its place and reason, and the others go on; only what makes the file no R4 Bundle ends the reading.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

from taper_sim.data import formulary
from taper_sim.data.checkins import reading_notes
from taper_sim.data.doses import overlap_notes
from taper_sim.data.fhir import medications, observations
from taper_sim.data.fhir.dosage import Segment, amount_of, segments, supplied_until
from taper_sim.data.fhir.json_input import (
    Cannot,
    day_of,
    end_of,
    number,
    part,
    parts,
    read_json,
    texts,
    walk,
    word,
)  # fmt: skip
from taper_sim.data.fhir.orders import Order, Taken, in_turn, rows_of
from taper_sim.data.problems import Problem, problem, shown
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.data.yaml_input import divided
from taper_sim.model.pharmacology import Drug

READ: Final = (
    "Patient", "MedicationRequest", "MedicationStatement", "MedicationAdministration", "Medication", "Observation",
    "QuestionnaireResponse",
)  # fmt: skip
DSTU2_ONLY: Final = ("MedicationOrder", "DiagnosticOrder", "DeviceUseRequest", "ImagingObjectSelection")
ORDERS: Final = ("order", "original-order", "instance-order", "filler-order", "reflex-order")
_IN_FORCE: Final = {"MedicationRequest": ("active",), "MedicationStatement": ("active",)}
_ENDED: Final = {"MedicationRequest": ("completed", "stopped"), "MedicationStatement": ("completed", "stopped")}


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

    checkins: set[CheckIn] = field(default_factory=set)
    requests: list[Order] = field(default_factory=list)
    statements: list[tuple[Order, int]] = field(default_factory=list)
    given: dict[tuple[str, str], dict[date, float]] = field(default_factory=dict)
    given_by: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unread: int = 0


@cache
def _models() -> Mapping[str, Any]:
    """The checkers of the resources that are read; imported when first needed, for they are slow to import."""
    from fhir.resources.R4B.medication import Medication
    from fhir.resources.R4B.medicationadministration import MedicationAdministration
    from fhir.resources.R4B.medicationrequest import MedicationRequest
    from fhir.resources.R4B.medicationstatement import MedicationStatement
    from fhir.resources.R4B.observation import Observation
    from fhir.resources.R4B.patient import Patient
    from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

    return {
        model.__name__: model
        for model in (Patient, MedicationRequest, MedicationStatement, MedicationAdministration, Medication,
                      Observation, QuestionnaireResponse)
    }  # fmt: skip


def _validated(resource: Mapping[str, Any]) -> None:
    """Check a resource against FHIR R4B.

    Raises
    ------
    Cannot
        The first thing that is wrong, by its path; values are not repeated, for they may name a person.
    """
    kind = word(resource.get("resourceType"))
    try:
        _models()[kind].model_validate(resource)
    except RecursionError:
        raise Cannot("parts nested without end", "FHIR R4") from None
    except Exception as error:  # the checker's own, and whatever it stumbles over in what is no FHIR
        errors: Callable[[], list[Any]] | None = getattr(error, "errors", None)
        found = errors() if errors is not None else []
        place = ".".join(map(str, found[0].get("loc", ()))) if found else ""
        said = f"{shown(place) or kind}: {shown(found[0].get('msg', ''))}" if found else "what is no FHIR R4"
        raise Cannot(f"{said}{_other_version(resource)}", f"a {kind} of FHIR R4") from None


def _other_version(resource: Mapping[str, Any]) -> str:
    """A hint that a resource is of another version of FHIR; empty if nothing tells."""
    profiles = " ".join(texts(part(resource, "meta").get("profile")))
    if "medication" in resource or ("STU3" not in profiles and isinstance(resource.get("reason"), list)):
        return " (as in R5, where medication is a CodeableReference)"
    dosages = parts(resource.get("dosageInstruction") or resource.get("dosage"))
    stu3 = any(key in dosage for dosage in dosages for key in ("doseQuantity", "doseRange"))
    if (
        "STU3" in profiles
        or stu3
        or "taken" in resource
        or "agent" in part(resource, "requester")
        or ("context" in resource)
    ):
        return " (as in STU3)"
    return " (as in DSTU2)" if "patient" in resource else ""


def _refuse_other(path: Path, bundle: Any) -> None:
    """Refuse a file that is no Bundle of R4."""
    if not isinstance(bundle, dict):
        raise problem(str(path), "", f"a JSON {type(bundle).__name__}", "a FHIR R4 Bundle")
    kind = bundle.get("resourceType")
    if kind != "Bundle":
        given = f"a lone {shown(kind)}" if isinstance(kind, str) else "JSON without a resourceType"
        raise problem(str(path), "resourceType", given, "a Bundle (put resources into entry[].resource)")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise problem(str(path), "entry", f"a {type(entries).__name__}", "a list of entries")
    for k, holder in enumerate([bundle, *entries]):
        resource = holder if k == 0 else part(holder, "resource")
        place = "" if k == 0 else f"entry[{k - 1}].resource"
        version = word(resource.get("fhirVersion"))
        profiles = [p for p in texts(part(resource, "meta").get("profile")) if "dstu2" in p.lower() or "/fhir/1.0" in p]
        if resource.get("resourceType") in DSTU2_ONLY:
            raise problem(str(path), place, f"{resource['resourceType']}, a resource of DSTU2", "FHIR R4 (4.0.1)")
        if version.startswith(("1.0", "0.5")) or profiles:
            raise problem(str(path), place, f"FHIR DSTU2 ({shown(version or profiles[0])})", "FHIR R4 (4.0.1)")


def _place(k: int, resource: Mapping[str, Any]) -> str:
    kind, own = word(resource.get("resourceType")), word(resource.get("id"))
    return f"entry[{k}].resource ({shown(kind or 'no resourceType')}{'/' + shown(own) if own else ''})"


class _Reader:
    """Reads one bundle."""

    def __init__(self, path: Path, bundle: Mapping[str, Any]):
        self.path = path
        self.entries = [entry if isinstance(entry, dict) else {} for entry in bundle.get("entry") or []]
        self.made = day_of(bundle.get("timestamp")) or day_of(part(bundle, "meta").get("lastUpdated"))
        self.failed: list[tuple[int, Problem]] = []
        self.set_aside: Counter[str] = Counter()
        self.by_name: dict[str, dict[str, Any]] = {}
        self.patients: dict[int, str] = {}
        self.records: dict[str, _Record] = {}
        self.valid: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, str] = {}

    def fail(self, k: int, place: str, given: str, allowed: str) -> None:
        self.failed.append((k, Problem(str(self.path), place, given, allowed)))

    def read(self) -> BundleReading:
        self._index()
        steps: dict[str, Callable[[int, str, dict[str, Any], _Record], None]] = {
            "MedicationRequest": self._request, "MedicationStatement": self._statement,
            "MedicationAdministration": self._administration, "Observation": self._observation,
            "QuestionnaireResponse": self._questionnaire,
        }  # fmt: skip
        for k, resource in self.valid.items():
            step = steps.get(word(resource.get("resourceType")))
            if step is None:
                continue
            place, record = _place(k, resource), None
            try:
                record = self._record(resource)
                step(k, place, resource, record)
            except Cannot as error:
                if record is not None and word(resource.get("resourceType")).startswith("Medication"):
                    record.unread += 1
                self.fail(k, place, error.given, error.allowed)
        histories = {patient: self._history(patient) for patient in sorted(self.records)}
        self.failed.sort(key=lambda both: both[0])
        notes = [f"{count} {why}" for why, count in sorted(self.set_aside.items())]
        if not histories:
            notes.insert(0, "no Patient in the bundle that can be read")
        return BundleReading(histories, tuple(found for _, found in self.failed), tuple(notes))

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
            if kind not in READ:
                self.set_aside[f"{shown(kind)} resource(s): not read"] += 1
                continue
            try:
                _validated(resource)
            except Cannot as error:
                self.fail(k, _place(k, resource), error.given, error.allowed)
                continue
            names = self._names(entry, resource)
            if kind == "Patient" and not self._patient(k, entry, resource, names):
                continue
            self.valid[k] = resource
            for name in names:
                self.by_name.setdefault(name, resource)

    @staticmethod
    def _names(entry: Mapping[str, Any], resource: Mapping[str, Any]) -> set[str]:
        kind, own, url = word(resource.get("resourceType")), word(resource.get("id")), word(entry.get("fullUrl"))
        return ({f"{kind}/{own}"} if own else set()) | ({url} if url else set())

    def _patient(self, k: int, entry: Mapping[str, Any], resource: Mapping[str, Any], names: set[str]) -> bool:
        own = word(resource.get("id")) or word(entry.get("fullUrl")).rsplit(":", 1)[-1].rsplit("/", 1)[-1]
        place = _place(k, resource)
        if not own:
            self.fail(k, place, "a Patient without an id", "an id, or a fullUrl")
            return False
        if own in self.records:
            self.fail(k, place, f"the Patient {shown(own)} a second time", "each Patient once")
            return False
        self.records[own] = _Record()
        for name in names:
            self.subjects[name] = own
        return True

    def _find(self, reference: str, known: Mapping[str, Any]) -> Any:
        """What a reference names: by fullUrl, by ``Type/id``, or by the end of an absolute URL."""
        bare = reference.split("/_history/", 1)[0]
        if bare in known:
            return known[bare]
        tail = "/".join(bare.split("/")[-2:])
        return known.get(tail) if bare.startswith(("http://", "https://")) else None

    def _record(self, resource: Mapping[str, Any]) -> _Record:
        """The record of a resource's patient."""
        reference = word(part(resource, "subject").get("reference"))
        own = self._find(reference, self.subjects)
        if own is None:
            given = f"the subject {shown(reference)}, which is not in the bundle" if reference else "no subject"
            raise Cannot(given, "a reference to a Patient of the bundle")
        return self.records[own]

    def _product(self, resource: Mapping[str, Any]) -> medications.Product | None:
        """The medication of a request, statement or administration; None if it is of another class."""
        concept = resource.get("medicationCodeableConcept")
        reference = part(resource, "medicationReference")
        name = word(reference.get("reference"))
        if not name and not isinstance(concept, dict):
            if not word(reference.get("display")):
                raise Cannot("no medication", "medicationCodeableConcept or medicationReference")
            concept = {"text": reference["display"]}
        if isinstance(concept, dict):
            return medications.product_of([concept])
        if name.startswith("#"):
            inside = [r for r in parts(resource.get("contained")) if word(r.get("id")) == name[1:]]
            found = inside[0] if len(inside) == 1 else None
        else:
            found = self._find(name, self.by_name)
        if found is None or found.get("resourceType") != "Medication":
            raise Cannot(f"the medication {shown(name)}, which is not in the bundle", "a Medication of the bundle")
        return medications.product_of([found.get("code"), {"text": word(reference.get("display"))}], found)

    def _of_classes(self, resource: Mapping[str, Any]) -> medications.Product | None:
        product = self._product(resource)
        if product is None:
            self.set_aside["medication entry(s) of other drugs: not read"] += 1
        return product

    def _status(self, resource: Mapping[str, Any], read: Sequence[str]) -> bool:
        status, kind = word(resource.get("status")), word(resource.get("resourceType"))
        if status not in read:
            self.set_aside[f"{kind}(s) of status {shown(status or 'nothing')}: not counted"] += 1
            return False
        return True

    def _request(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        kind, intent = "MedicationRequest", word(resource.get("intent"))
        if not self._status(resource, _IN_FORCE[kind] + _ENDED[kind]):
            return
        if intent not in ORDERS or resource.get("doNotPerform") is True:
            said = "doNotPerform" if intent in ORDERS else f"intent {shown(intent)}"
            self.set_aside[f"MedicationRequest(s) of {said}: not counted"] += 1
            return
        product = self._of_classes(resource)
        if product is None:
            return
        dispensed = part(resource, "dispenseRequest")
        valid = part(dispensed, "validityPeriod")
        authored = day_of(resource.get("authoredOn"))
        if resource.get("authoredOn") and authored is None:
            raise Cannot(f"authoredOn {shown(resource['authoredOn'])}", "a whole date, years 1900 to 2200")
        for key in ("start", "end"):
            if valid.get(key) and day_of(valid[key]) is None:
                raise Cannot(f"validityPeriod.{key} {shown(valid[key])}", "a whole date")
        start, end = day_of(valid.get("start")) or authored, end_of(valid.get("end"))
        notes: list[str] = []
        drug, found = self._segments(resource, parts(resource.get("dosageInstruction")), product, start, end, notes)
        ended = word(resource.get("status")) in _ENDED[kind]
        if ended and found[-1].end is None:
            supply = supplied_until(dispensed.get("expectedSupplyDuration"), found[-1].start,
                                    number(dispensed.get("numberOfRepeatsAllowed")) or 0.0)  # fmt: skip
            found = self._ended(place, drug, resource, found, supply, notes)
        previous = word(part(resource, "priorPrescription").get("reference"))
        names = frozenset(self._names(self.entries[k], resource))
        replaced = self._find(previous, self.by_name) if previous else None
        if replaced is not None:
            previous = f"{word(replaced.get('resourceType'))}/{word(replaced.get('id'))}"
        record.requests.append(Order(place, drug, found, authored, not ended, names, previous))
        record.notes += [f"{place}: {note}" for note in dict.fromkeys(notes)]

    def _ended(
        self, place: str, drug: Drug, resource: Mapping[str, Any], found: list[Segment], supply: date | None,
        notes: list[str],
    ) -> list[Segment]:  # fmt: skip
        """Give an order that is over, without a date, the latest end it can have had."""
        written = day_of(part(resource, "meta").get("lastUpdated")) or self.made
        ends = [(day, why) for day, why in ((supply, "its supply lasted"), (written, "its status was written"))
                if day is not None and day > found[-1].start]  # fmt: skip
        name, status = " ".join(drug.key), word(resource.get("status"))
        if not ends:
            notes.append(f"{name}: {status}, and nothing says when; its dose stands until a later order of this drug")
            return found
        end, why = ends[0]
        notes.append(f"{name}: {status}, and no end is given; ended on {end}, the day to which {why}")
        last = found[-1]
        return [*found[:-1], Segment(last.start, end, last.dose, last.as_needed)]

    def _segments(
        self, resource: Mapping[str, Any], dosages: list[dict[str, Any]], product: medications.Product,
        start: date | None, end: date | None, notes: list[str],
    ) -> tuple[Drug, list[Segment]]:  # fmt: skip
        """Drug and doses by days, each dose one that somebody may take."""
        rates = ("rateQuantity", "rateRatio", "rateRange")
        released = any(one.get(key) for d in dosages for one in parts(d.get("doseAndRate")) for key in rates) or any(
            word(quantity.get("unit")).lower() in ("mcg/h", "mcg/hr", "ug/h", "µg/h") or quantity.get("code") == "ug/h"
            for quantity in walk(dosages)
        )
        drug = product.drug(released)
        found = segments(dosages, product, drug, start, end, notes)
        for segment in found:
            _may_be(drug, segment.dose)
        return drug, found

    def _statement(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        kind = "MedicationStatement"
        if not self._status(resource, (*_IN_FORCE[kind], *_ENDED[kind], "not-taken")):
            return
        product = self._of_classes(resource)
        if product is None:
            return
        period = part(resource, "effectivePeriod")
        start, end = day_of(period.get("start")) or day_of(resource.get("effectiveDateTime")), end_of(period.get("end"))
        start = start or day_of(resource.get("dateAsserted"))
        notes: list[str] = []
        status = word(resource.get("status"))
        if status == "not-taken":
            drug = product.drug()
            if start is None:
                raise Cannot("not taken, without a day", "effectiveDateTime or effectivePeriod")
            found = [Segment(start, end, 0.0, False)]
        else:
            drug, found = self._segments(resource, parts(resource.get("dosage")), product, start, end, notes)
        if status in _ENDED[kind] and found[-1].end is None:
            found = self._ended(place, drug, resource, found, None, notes)
        active = status not in _ENDED[kind]
        record.statements.append((Order(place, drug, found, day_of(resource.get("dateAsserted")), active), k))
        record.notes += [f"{place}: {note}" for note in dict.fromkeys(notes)]

    def _administration(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        if not self._status(resource, ("completed", "not-done")):
            return
        product = self._of_classes(resource)
        if product is None:
            return
        when = resource.get("effectiveDateTime") or part(resource, "effectivePeriod").get("start")
        day = day_of(when)
        if day is None:
            raise Cannot(f"a time {shown(when or 'nothing')}", "effectiveDateTime")
        drug = product.drug()
        if drug.is_patch:
            self.set_aside["administration(s) of patches: not counted, for they are worn for days"] += 1
            return
        amount, notes = 0.0, list[str]()
        if word(resource.get("status")) == "completed":
            dosage = part(resource, "dosage")
            if not dosage.get("dose"):
                raise Cannot("an administration without a dose", "dosage.dose")
            amount = amount_of(dosage["dose"], product, drug, notes)
        days = record.given.setdefault(drug.key, {})
        days[day] = round(days.get(day, 0.0) + amount, 9)
        record.given_by.setdefault(drug.key, []).append((k, place))
        record.notes += [f"{place}: {note}" for note in notes]

    def _observation(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        found, aside = observations.of_observation(resource, f"{self.path.name}, {place}")
        record.checkins |= set(found)
        self.set_aside.update(aside)

    def _questionnaire(self, k: int, place: str, resource: dict[str, Any], record: _Record) -> None:
        found, aside = observations.of_questionnaire(resource, f"{self.path.name}, {place}")
        record.checkins |= set(found)
        self.set_aside.update(aside)

    def _history(self, patient: str) -> History:
        record = self.records[patient]
        rows, notes = self._rows(record)
        if record.unread:
            notes.append(f"{record.unread} medication entry(s) could not be read: the dose history is not complete")
        checkins = tuple(sorted(record.checkins))
        notes += [*overlap_notes(rows), *reading_notes(checkins)]
        return History(patient, checkins, tuple(rows), notes=tuple(dict.fromkeys((*record.notes, *notes))))

    def _rows(self, record: _Record) -> tuple[list[DoseRow], list[str]]:
        """Dose rows of every drug; what is ambiguous fails, and leaves its drug without a dose."""
        rows: list[DoseRow] = []
        notes: list[str] = []
        ordered = {order.drug.key: order.drug for order in record.requests}
        names = {drug.drug for drug in ordered.values()}
        taken: dict[tuple[str, str], Taken] = {key: Taken(given=days) for key, days in record.given.items()}
        alone: dict[tuple[str, str], list[Order]] = {}
        for order, k in record.statements:
            key = order.drug.key
            if key in ordered:
                taken.setdefault(key, Taken()).stated += order.segments
            elif order.drug.drug in names:
                record.unread += 1
                self.fail(k, order.where, f"{' '.join(key)} by a statement, beside orders of another form of it",
                          "a statement of the form that is ordered")  # fmt: skip
            else:
                alone.setdefault(key, []).append(order)
        for key, (k, place) in ((key, by[0]) for key, by in record.given_by.items()):
            if key not in ordered and key not in alone:
                record.unread += 1
                self.fail(k, place, f"{' '.join(key)} administered, without an order of it", "an order of this drug")
        groups: dict[tuple[str, str], list[Order]] = dict(alone)
        for order in record.requests:
            groups.setdefault(order.drug.key, []).append(order)
        for key, orders in sorted(groups.items()):
            drug = orders[0].drug
            if key in alone:
                notes.append(f"{' '.join(key)}: by a statement, not by an order")
            try:
                mine = rows_of(drug, in_turn(orders, notes), taken.get(key, Taken()))
                for row in mine:
                    _may_be(drug, row.dose)
                    if row.taken is not None:
                        _may_be(drug, row.taken)
            except Cannot as error:
                record.unread += 1
                first = min(self._number(order.where) for order in orders)
                self.fail(first, " and ".join(order.where for order in orders), error.given, error.allowed)
                continue
            where = f"{self.path.name}, "
            rows += [DoseRow(r.day, r.drug, r.dose, r.taken, r.as_needed, where + r.where) for r in mine]
        return sorted(rows, key=lambda row: row.order), notes

    @staticmethod
    def _number(place: str) -> int:
        return int(place[len("entry[") : place.index("]")])


def _may_be(drug: Drug, dose: float) -> None:
    """Refuse a dose that nobody takes."""
    try:
        formulary.validate_dose(drug, **{"dose_mcg_per_h" if drug.is_patch else "dose_mg_per_day": dose})
    except ValueError as error:
        raise Cannot(*divided(str(error), "a dose that may be taken")) from None


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
    _refuse_other(path, bundle)
    return _Reader(path, bundle).read()
