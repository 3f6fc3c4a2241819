"""One patient's requests, statements and administrations into dose rows, and what could not be read. Imports ``data``.

Each method takes one checked resource and its product; :meth:`Prescriptions.rows` brings them together at the end.
Rules: docs/how-to/fhir.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
"""Status of what is over, by resource; of anything else than these two nothing is counted."""

Failed = Callable[[int, str, str, str], None]
"""Notes an entry as failed: number, place, given, allowed."""


@dataclass
class Prescriptions:
    """What one patient's medication entries say.

    Attributes
    ----------
    requests : list of Order
    statements : list of (Order, int)
        With the number of the entry.
    given : dict of drug to dict of date to float
        Administered on a day, in the drug's own unit.
    given_by : dict of drug to list of (int, str)
        Entries that say so: number and place.
    unread : list of Unread
        Entries without which the doses are not complete.
    unread_statements : list of (str, Unread)
        Statements that could not be read, by ingredient: missed only where no order says the dose of that drug.
    written : list of date
        Days on which something was written down.
    notes : list of (date, str)
        What was done with what was written on a day.
    """

    requests: list[MedicationOrder] = field(default_factory=list)
    statements: list[tuple[MedicationOrder, int]] = field(default_factory=list)
    given: dict[tuple[str, str], dict[date, float]] = field(default_factory=dict)
    given_by: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    unread_statements: list[tuple[str, Unread]] = field(default_factory=list)
    written: list[date] = field(default_factory=list)
    notes: list[tuple[date, str]] = field(default_factory=list)

    def request(
        self,
        place: str,
        resource: dict[str, Any],
        product: Product,
        made: date | None,
        names: frozenset[str],
        replaces: str,
    ) -> None:
        """A MedicationRequest: an order.

        Parameters
        ----------
        place : str
            Of the entry, for messages.
        resource : dict
        product : Product
        made : date or None
            Day on which the bundle was made.
        names : frozenset of str
            References by which others call it.
        replaces : str
            Reference to the order that it replaces; empty if it names none.
        """
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
        drug, found = _segments(parts(resource.get("dosageInstruction")), product, start, end, notes)
        over = word(resource.get("status")) in ENDED["MedicationRequest"]
        supply = _supply(dispensed, product, drug, found)
        if over and found[-1].end is None:
            found = _ended(drug, resource, found, supply, made, notes)
        unended = over and found[-1].end is None
        self.requests.append(MedicationOrder(place, drug, found, authored, not over, names, replaces, supply, unended))
        self.written.append(authored or found[0].start)
        self.notes += [(self.written[-1], f"{place}: {note}") for note in dict.fromkeys(notes)]

    def statement(self, k: int, place: str, resource: dict[str, Any], product: Product, made: date | None) -> None:
        """A MedicationStatement: what is taken, or was not."""
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
            found = [Segment(start, end, 0.0, False)]
        else:
            drug, found = _segments(parts(resource.get("dosage")), product, start, end, notes)
        if status in ("completed", "stopped") and found[-1].end is None:
            found = _ended(drug, resource, found, None, made, notes)
        active = status not in ENDED["MedicationStatement"]
        unended = not active and status != "not-taken" and found[-1].end is None
        self.statements.append((MedicationOrder(place, drug, found, asserted, active, unended=unended), k))
        self.written.append(asserted or found[0].start)
        self.notes += [(self.written[-1], f"{place}: {note}") for note in dict.fromkeys(notes)]

    def administration(self, k: int, place: str, resource: dict[str, Any], product: Product) -> bool:
        """A MedicationAdministration: what was taken on a day; False for a patch, which is worn for days."""
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
        days = self.given.setdefault(drug.key, {})
        days[day] = round(days.get(day, 0.0) + amount, 9)
        self.given_by.setdefault(drug.key, []).append((k, place))
        self.written.append(day)
        self.notes += [(day, f"{place}: {note}") for note in notes]
        return True

    def rows(self, fail: Failed, file: str) -> tuple[list[DoseRow], list[str]]:
        """Dose rows of every drug, and notes; what is ambiguous fails, and leaves its drug without a dose."""
        rows: list[DoseRow] = []
        notes: list[str] = []
        ordered = {order.drug.key: order.drug for order in self.requests}
        names = {drug.drug for drug in ordered.values()}
        said_by_order = {name.split("-")[0] for name in names}
        self.unread += [lost for name, lost in self.unread_statements if name not in said_by_order]
        taken: dict[tuple[str, str], Taken] = {key: Taken(given=days) for key, days in self.given.items()}
        alone: dict[tuple[str, str], list[MedicationOrder]] = {}
        for order, k in self.statements:
            key = order.drug.key
            if key in ordered and order.unended:
                notes.append(f"{order.where}: a statement that is over, and nothing says when: not counted")
            elif key in ordered:
                taken.setdefault(key, Taken()).stated += order.segments
            elif order.drug.drug in names:
                said = f"{' '.join(key)} by a statement, beside orders of another form of it"
                self.unread.append(Unread(f"{order.where}: {said}", order.start, not order.active))
                fail(k, order.where, said, "a statement of the form that is ordered")
            else:
                alone.setdefault(key, []).append(order)
        for key, (k, place) in ((key, by[0]) for key, by in self.given_by.items()):
            if key not in ordered and key not in alone:
                said = f"{' '.join(key)} administered, without an order of it"
                self.unread.append(Unread(f"{place}: {said}", max(self.given[key]), over=True))
                fail(k, place, said, "an order of this drug")
        groups: dict[tuple[str, str], list[MedicationOrder]] = dict(alone)
        for order in self.requests:
            groups.setdefault(order.drug.key, []).append(order)
        for key, orders in sorted(groups.items()):
            drug = orders[0].drug
            if key in alone:
                notes.append(f"{' '.join(key)}: by a statement, not by an order")
            orders, lost = closed(orders, notes)
            for order in lost:
                self.unread.append(
                    Unread(
                        f"{order.where}: {' '.join(key)}, over, and nothing says when it ended", order.start, over=True
                    )
                )
                notes.append(f"{order.where}: {' '.join(key)}, over, and nothing says when it ended: not counted")
            if not orders:
                continue
            try:
                mine = rows_of(drug, in_turn(orders, notes), taken.get(key, Taken()))
                for row in mine:
                    _may_be(drug, row.dose)
                    if row.taken is not None:
                        _may_be(drug, row.taken)
            except Cannot as error:
                where = " and ".join(order.where for order in orders)
                over = not any(order.active for order in orders)
                self.unread.append(Unread(f"{where}: {error.given}", max(o.start for o in orders), over))
                fail(min(_number(order.where) for order in orders), where, error.given, error.allowed)
                continue
            rows += [DoseRow(r.day, r.drug, r.dose, r.taken, r.as_needed, f"{file}, {r.where}") for r in mine]
        return sorted(rows, key=lambda row: row.order), notes


def _segments(
    dosages: list[dict[str, Any]], product: Product, start: date | None, end: date | None, notes: list[str]
) -> tuple[Drug, list[Segment]]:
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


def _supply(dispensed: Mapping[str, Any], product: Product, drug: Drug, found: list[Segment]) -> date | None:
    """First day after a supply with its repeats: by its duration or, of one dose by mouth, by its quantity."""
    repeats = number(dispensed.get("numberOfRepeatsAllowed")) or 0.0
    until = supplied_until(dispensed.get("expectedSupplyDuration"), found[-1].start, repeats)
    if until is not None or drug.is_patch or len(found) > 1 or found[0].dose <= 0 or not dispensed.get("quantity"):
        return until
    try:
        days = amount_of(dispensed["quantity"], product, drug, []) / found[0].dose
    except Cannot:
        return None
    return supplied_until({"value": days, "unit": "d"}, found[0].start, repeats)


def _ended(
    drug: Drug,
    resource: Mapping[str, Any],
    found: list[Segment],
    supply: date | None,
    made: date | None,
    notes: list[str],
) -> list[Segment]:
    """Give an order that is over, without a date, the latest end it can have had, if that is told and near."""
    written = day_of(part(resource, "meta").get("lastUpdated")) or made
    last = found[-1]
    if written is not None and (written - last.start).days > LONGEST_UNENDED_D:
        written = None  # it was over by then, and may have been for long
    ends = [
        (day, why)
        for day, why in ((supply, "its supply lasted"), (written, "its status was written"))
        if day is not None and day > last.start
    ]
    if not ends:
        return found
    end, why = ends[0]
    notes.append(
        f"{' '.join(drug.key)}: {word(resource.get('status'))}, and no end is given; ended on {end}, the day "
        f"to which {why}"
    )
    return [*found[:-1], Segment(last.start, end, last.dose, last.as_needed)]


def _number(place: str) -> int:
    """Number of the entry in its place."""
    return int(place[len("entry[") : place.index("]")])


def _may_be(drug: Drug, dose: float) -> None:
    """Refuse a dose that nobody takes."""
    try:
        formulary.validate_dose(drug, **{"dose_mcg_per_h" if drug.is_patch else "dose_mg_per_day": dose})
    except ValueError as error:
        raise Cannot(*divided(str(error), "a dose that may be taken")) from None
