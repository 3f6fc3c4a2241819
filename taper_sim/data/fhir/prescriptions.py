"""Dose rows of a patient from requests, statements and administrations. Imports ``data``, ``model``.

Each method takes one validated resource and its product; :meth:`Prescriptions.rows` combines them at the end. Entries
that cannot be read are kept with their reason. Rules: docs/how-to/fhir.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from taper_sim.data import formulary
from taper_sim.data.fhir.dosage import Segment, amount_of, segments, supplied_until
from taper_sim.data.fhir.json_input import Cannot, day_of, end_of, number, part, parts, walk, word
from taper_sim.data.fhir.medications import Product
from taper_sim.data.fhir.orders import LONGEST_UNENDED_D, MedicationOrder, Taken, closed, in_turn, rows_of
from taper_sim.data.problems import shown
from taper_sim.data.records import DoseRow, Unread
from taper_sim.data.yaml_input import divided
from taper_sim.model.pharmacology import Drug

IN_FORCE: Final[Mapping[str, tuple[str, ...]]] = {
    "MedicationRequest": ("active",),
    "MedicationStatement": ("active",),
    "MedicationAdministration": ("in-progress",),
}
ENDED: Final[Mapping[str, tuple[str, ...]]] = {
    "MedicationRequest": ("completed", "stopped"),
    "MedicationStatement": ("completed", "stopped", "not-taken"),
    "MedicationAdministration": ("completed", "not-done"),
}
"""Statuses of ended entries, by resource. Entries of a status in neither mapping are not counted."""

Failed = Callable[[int, str, str, str], None]
"""Records an entry as failed: number, place, given, allowed."""


@dataclass
class Prescriptions:
    """The medication entries of one patient.

    Attributes
    ----------
    requests : list of MedicationOrder
    statements : list of (MedicationOrder, int)
        With the number of the entry.
    administered : dict of drug to dict of date to float
        Amount administered on a day, in the drug's own unit.
    administered_by : dict of drug to list of (int, str)
        Entries of these administrations: number and place.
    unread : list of Unread
        Unreadable entries that make the dose history incomplete.
    unread_statements : list of (str, Unread)
        Unreadable statements, by ingredient. They matter only without an order of that drug.
    written : list of date
        Days on which entries were written.
    notes : list of (date, str)
        How an entry written on a day was read.
    """

    requests: list[MedicationOrder] = field(default_factory=list)
    statements: list[tuple[MedicationOrder, int]] = field(default_factory=list)
    administered: dict[tuple[str, str], dict[date, float]] = field(default_factory=dict)
    administered_by: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    unread_statements: list[tuple[str, Unread]] = field(default_factory=list)
    written: list[date] = field(default_factory=list)
    notes: list[tuple[date, str]] = field(default_factory=list)

    def request(
        self,
        place: str,
        resource: dict[str, Any],
        product: Product,
        created: date | None,
        names: frozenset[str],
        replaces: str,
    ) -> None:
        """Add a MedicationRequest: an order.

        Parameters
        ----------
        place : str
            Place of the entry, for messages.
        resource : dict
        product : Product
        created : date or None
            Day on which the bundle was created.
        names : frozenset of str
            References by which other resources refer to it.
        replaces : str
            Reference to the order that it replaces; empty if it names none.
        """
        dispensed = part(resource, "dispenseRequest")
        validity = part(dispensed, "validityPeriod")
        authored = day_of(resource.get("authoredOn"))
        if resource.get("authoredOn") and authored is None:
            raise Cannot(f"authoredOn {shown(resource['authoredOn'])}", "a whole date, years 1900 to 2200")
        for key in ("start", "end"):
            if validity.get(key) and day_of(validity[key]) is None:
                raise Cannot(f"validityPeriod.{key} {shown(validity[key])}", "a whole date")
        start, end = day_of(validity.get("start")) or authored, end_of(validity.get("end"))
        notes: list[str] = []
        drug, dose_segments = _segments(parts(resource.get("dosageInstruction")), product, start, end, notes)
        ended = word(resource.get("status")) in ENDED["MedicationRequest"]
        supply = _supply(dispensed, product, drug, dose_segments)
        if ended and dose_segments[-1].end is None:
            dose_segments = _ended(drug, resource, dose_segments, supply, created, notes)
        unended = ended and dose_segments[-1].end is None
        self.requests.append(
            MedicationOrder(
                place, drug, dose_segments, authored, not ended, names, replaces, supply, unended, product.combination
            )
        )
        self.written.append(authored or dose_segments[0].start)
        self.notes += [(self.written[-1], f"{place}: {note}") for note in dict.fromkeys(notes)]

    def statement(self, k: int, place: str, resource: dict[str, Any], product: Product, created: date | None) -> None:
        """Add a MedicationStatement: a dose taken, or not taken."""
        period = part(resource, "effectivePeriod")
        start, end = day_of(period.get("start")) or day_of(resource.get("effectiveDateTime")), end_of(period.get("end"))
        asserted = day_of(resource.get("dateAsserted"))
        start = start or asserted
        notes: list[str] = []
        status = word(resource.get("status"))
        if status == "not-taken":
            drug = product.drug()
            if start is None:
                raise Cannot("not taken, without a day", "effectiveDateTime or effectivePeriod")
            dose_segments = [Segment(start, end, 0.0, False)]
        else:
            drug, dose_segments = _segments(parts(resource.get("dosage")), product, start, end, notes)
        if status in ("completed", "stopped") and dose_segments[-1].end is None:
            dose_segments = _ended(drug, resource, dose_segments, None, created, notes)
        active = status not in ENDED["MedicationStatement"]
        unended = not active and status != "not-taken" and dose_segments[-1].end is None
        order = MedicationOrder(
            place, drug, dose_segments, asserted, active, unended=unended, product=product.combination
        )
        self.statements.append((order, k))
        self.written.append(asserted or dose_segments[0].start)
        self.notes += [(self.written[-1], f"{place}: {note}") for note in dict.fromkeys(notes)]

    def administration(self, k: int, place: str, resource: dict[str, Any], product: Product) -> bool:
        """Add a MedicationAdministration: an amount taken on a day. False for a patch, which is worn for days."""
        when = resource.get("effectiveDateTime") or part(resource, "effectivePeriod").get("start")
        day = day_of(when)
        if day is None:
            raise Cannot(f"a time {shown(when or 'nothing')}", "effectiveDateTime")
        drug = product.drug()
        if drug.is_patch:
            return False
        amount, notes = 0.0, list[str]()
        if word(resource.get("status")) != "not-done":
            dosage = part(resource, "dosage")
            if not dosage.get("dose"):
                raise Cannot("an administration without a dose", "dosage.dose")
            amount = amount_of(dosage["dose"], product, drug, notes)
        days = self.administered.setdefault(drug.key, {})
        days[day] = round(days.get(day, 0.0) + amount, 9)
        self.administered_by.setdefault(drug.key, []).append((k, place))
        self.written.append(day)
        self.notes += [(day, f"{place}: {note}") for note in notes]
        return True

    def rows(self, fail: Failed, file: str) -> tuple[list[DoseRow], list[str]]:
        """Dose rows of every drug, and notes. An ambiguous drug fails and has no dose."""
        rows: list[DoseRow] = []
        notes: list[str] = []
        ordered = {order.drug.key: order.drug for order in self.requests}
        names = {drug.drug for drug in ordered.values()}
        ordered_ingredients = {name.split("-")[0] for name in names}
        self.unread += [lost for name, lost in self.unread_statements if name not in ordered_ingredients]
        taken: dict[tuple[str, str], Taken] = {key: Taken(administered=days) for key, days in self.administered.items()}
        without_order: dict[tuple[str, str], list[MedicationOrder]] = {}
        for order, k in self.statements:
            key = order.drug.key
            if key in ordered and order.unended:
                notes.append(f"{order.where}: a statement that ended on an unknown day: not counted")
            elif key in ordered:
                taken.setdefault(key, Taken()).stated += order.segments
            elif order.drug.drug in names:
                reason = f"{' '.join(key)} by a statement, beside orders of another form of the drug"
                self.unread.append(
                    Unread(f"{order.where}: {reason}", order.start, not order.active, drug_class=order.drug.drug_class)
                )
                fail(k, order.where, reason, "a statement of the ordered form")
            else:
                without_order.setdefault(key, []).append(order)
        for key, entries in self.administered_by.items():
            k, place = entries[0]
            if key not in ordered and key not in without_order:
                reason = f"{' '.join(key)} administered, without an order of the drug"
                last, drug_class = max(self.administered[key]), formulary.find_drug(*key).drug_class
                self.unread.append(Unread(f"{place}: {reason}", last, over=True, drug_class=drug_class))
                fail(k, place, reason, "an order of this drug")
        groups: dict[tuple[str, str], list[MedicationOrder]] = dict(without_order)
        for order in self.requests:
            groups.setdefault(order.drug.key, []).append(order)
        for key, orders in sorted(groups.items()):
            drug = orders[0].drug
            if key in without_order:
                notes.append(f"{' '.join(key)}: from a statement, without an order")
            orders, lost = closed(orders, notes)
            for order in lost:
                self.unread.append(
                    Unread(
                        f"{order.where}: {' '.join(key)}, ended on an unknown day",
                        order.start,
                        over=True,
                        drug_class=drug.drug_class,
                    )
                )
                notes.append(f"{order.where}: {' '.join(key)}, ended on an unknown day: not counted")
            if not orders:
                continue
            try:
                drug_rows = rows_of(drug, in_turn(orders, notes), taken.get(key, Taken()))
                for row in drug_rows:
                    _may_be(drug, row.dose)
                    if row.taken is not None:
                        _may_be(drug, row.taken)
            except Cannot as error:
                where = " and ".join(order.where for order in orders)
                over = not any(order.active for order in orders)
                self.unread.append(
                    Unread(f"{where}: {error.given}", max(o.start for o in orders), over, drug_class=drug.drug_class)
                )
                fail(min(_number(order.where) for order in orders), where, error.given, error.allowed)
                continue
            rows += [replace(row, where=f"{file}, {row.where}") for row in drug_rows]
        return sorted(rows, key=lambda row: row.order), notes


def _segments(
    dosages: list[dict[str, Any]], product: Product, start: date | None, end: date | None, notes: list[str]
) -> tuple[Drug, list[Segment]]:
    """Drug and daily doses; refuses implausible doses."""
    rates = ("rateQuantity", "rateRatio", "rateRange")
    is_release_rate = any(
        dose_and_rate.get(key) for d in dosages for dose_and_rate in parts(d.get("doseAndRate")) for key in rates
    ) or any(
        word(quantity.get("unit")).lower() in ("mcg/h", "mcg/hr", "ug/h", "µg/h") or quantity.get("code") == "ug/h"
        for quantity in walk(dosages)
    )
    drug = product.drug(is_release_rate)
    notes += filter(None, [product.other_concentration(drug)])
    dose_segments = segments(dosages, product, drug, start, end, notes)
    for segment in dose_segments:
        _may_be(drug, segment.dose)
    return drug, dose_segments


def _supply(dispensed: Mapping[str, Any], product: Product, drug: Drug, dose_segments: list[Segment]) -> date | None:
    """First day after a supply with its repeats: from its duration, or for a single oral dose from its quantity."""
    repeats = number(dispensed.get("numberOfRepeatsAllowed")) or 0.0
    until = supplied_until(dispensed.get("expectedSupplyDuration"), dose_segments[-1].start, repeats)
    if (
        until is not None
        or drug.is_patch
        or len(dose_segments) > 1
        or dose_segments[0].dose <= 0
        or not dispensed.get("quantity")
    ):
        return until
    try:
        days = amount_of(dispensed["quantity"], product, drug, []) / dose_segments[0].dose
    except Cannot:
        return None
    return supplied_until({"value": days, "unit": "d"}, dose_segments[0].start, repeats)


def _ended(
    drug: Drug,
    resource: Mapping[str, Any],
    dose_segments: list[Segment],
    supply: date | None,
    created: date | None,
    notes: list[str],
) -> list[Segment]:
    """Set the latest possible end of an ended order without a date, if it is stated and near."""
    written = day_of(part(resource, "meta").get("lastUpdated")) or created
    last = dose_segments[-1]
    if written is not None and (written - last.start).days > LONGEST_UNENDED_D:
        written = None  # the order may have ended long before
    ends = [
        (day, why)
        for day, why in ((supply, "the end of its supply"), (written, "the day its status was written"))
        if day is not None and day > last.start
    ]
    if not ends:
        return dose_segments
    end, why = ends[0]
    notes.append(f"{' '.join(drug.key)}: {word(resource.get('status'))} without an end; read as ended on {end}, {why}")
    return [*dose_segments[:-1], Segment(last.start, end, last.dose, last.as_needed)]


def _number(place: str) -> int:
    """Number of the entry in its place."""
    return int(place[len("entry[") : place.index("]")])


def _may_be(drug: Drug, dose: float) -> None:
    """Refuse an implausible dose."""
    try:
        formulary.validate_dose(drug, **{"dose_mcg_per_h" if drug.is_patch else "dose_mg_per_day": dose})
    except ValueError as error:
        raise Cannot(*divided(str(error), "a plausible dose")) from None
