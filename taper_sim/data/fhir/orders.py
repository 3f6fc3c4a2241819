"""Dose rows of one drug from its orders, statements and administrations. Imports ``data``, ``model``.

An order gives the prescribed dose; a statement or an administration gives the dose taken. Rules: docs/how-to/fhir.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

from taper_sim.data.fhir.dosage import Segment
from taper_sim.data.fhir.json_input import Cannot
from taper_sim.data.records import DoseRow
from taper_sim.model.pharmacology import Drug

LONGEST_UNENDED_D: Final = 92
"""Longest possible duration of an ended order without a recorded end, days: prescriptions usually cover at most three
months. A design choice."""
EARLY_REFILL_D: Final = 7
"""Days before the end of a supply within which a new order is a refill, not an additional order. A design choice."""


@dataclass(frozen=True)
class MedicationOrder:
    """A readable request or statement.

    Attributes
    ----------
    where : str
        Entry, for messages.
    drug : Drug
    segments : list of Segment
        In chronological order, not overlapping.
    authored : date or None
    active : bool
        Whether the order is still in force.
    name : frozenset of str
        References by which other resources refer to it.
    replaces : str
        Reference to the order that it replaces; empty without one.
    supplied : date or None
        First day after the dispensed supply with its repeats, if stated.
    unended : bool
        Whether the order has ended on an unknown day.
    product : str
        The combination product as recorded; empty for a product of the drug alone.
    """

    where: str
    drug: Drug
    segments: list[Segment]
    authored: date | None
    active: bool
    name: frozenset[str] = frozenset()
    replaces: str = ""
    supplied: date | None = None
    unended: bool = False
    product: str = ""

    @property
    def start(self) -> date:
        """First day."""
        return self.segments[0].start

    @property
    def end(self) -> date | None:
        """First day after the order; None if open-ended."""
        return self.segments[-1].end


@dataclass
class Taken:
    """Doses taken of one drug and form: statements over periods, and administrations by day."""

    stated: list[Segment] = field(default_factory=list)
    administered: dict[date, float] = field(default_factory=dict)

    def on(self, day: date) -> float | None:
        """Dose taken on a day; None if unknown. Administrations take precedence over statements."""
        if day in self.administered:
            return self.administered[day]
        in_force = [s for s in self.stated if s.start <= day and (s.end is None or s.end > day)]
        return in_force[-1].dose if in_force else None

    def changes(self) -> set[date]:
        """Days on which the dose taken may change."""
        days = {s.start for s in self.stated} | {s.end for s in self.stated if s.end is not None}
        return days | set(self.administered) | {day + timedelta(days=1) for day in self.administered}


def _overlap(first: MedicationOrder, second: MedicationOrder) -> bool:
    """Whether two orders are in force at the same time; a shared first or last day does not count."""
    return (first.end is None or (first.end - second.start).days > 1) and (
        second.end is None or (second.end - first.start).days > 1
    )


def _same(first: MedicationOrder, second: MedicationOrder) -> bool:
    """Whether two orders have the same dose whenever both are in force."""
    doses = {(s.dose, s.as_needed) for s in (*first.segments, *second.segments)}
    return len(doses) == 1 or first.segments == second.segments


def closed(orders: Sequence[MedicationOrder], notes: list[str]) -> tuple[list[MedicationOrder], list[MedicationOrder]]:
    """End each order of unknown end at the next order of the drug; also return the orders without a next one soon."""
    kept, lost = [], []
    for order in orders:
        following = [other.start for other in orders if other.start > order.start]
        if not order.unended:
            kept.append(order)
        elif following and (min(following) - order.start).days <= LONGEST_UNENDED_D:
            last = order.segments[-1]
            kept.append(replace(order, segments=[*order.segments[:-1], replace(last, end=min(following))]))
            notes.append(f"{order.where}: ended on an unknown day; read as ended on {min(following)} by the next order")
        else:
            lost.append(order)
    return kept, lost


def in_turn(orders: Sequence[MedicationOrder], notes: list[str]) -> list[MedicationOrder]:
    """Orders of one drug and form without overlap: an order authored later replaces an earlier one.

    Raises
    ------
    Cannot
        Two different orders are in force at the same time, or were authored on the same day.
    """
    ordered = sorted(orders, key=lambda o: (o.authored or o.start, o.start, o.where))
    name = " ".join(ordered[0].drug.key)
    for k, first in enumerate(ordered):
        for second in ordered[k + 1 :]:
            if not _overlap(first, second):
                continue
            if _same(first, second):
                notes.append(f"{name}: the same order twice ({first.where}, {second.where}): counted once")
                continue
            if second.replaces and second.replaces in first.name:
                continue
            if first.supplied is not None and (first.supplied - second.start).days <= EARLY_REFILL_D:
                notes.append(
                    f"{name}: the supply of {first.where} ends about {first.supplied}: {second.where} follows it"
                )
                continue
            tied = (first.authored or first.start) == (second.authored or second.start)
            if tied or (first.active and second.active):
                why = "written on one day" if tied else "both active"
                raise Cannot(
                    f"two different orders of {name} in force at a time, {why} ({first.where} and "
                    f"{second.where}): it is not stated whether they add up or one replaces the other",
                    "an end, another status or priorPrescription for one of them",
                )
    cut: list[MedicationOrder] = []
    for order in ordered:
        kept: list[MedicationOrder] = []
        for earlier in cut:
            segments = [
                replace(s, end=order.start if s.end is None or s.end > order.start else s.end)
                for s in earlier.segments
                if s.start < order.start
            ]
            after = order.end is not None and (earlier.end is None or earlier.end > order.end)
            if after and _same(earlier, order) and segments:  # the same dose continues after the shorter order
                order = replace(order, segments=[replace(order.segments[0], end=earlier.end)])
            if segments:
                kept.append(replace(earlier, segments=segments))
        cut = [*kept, order]
    return sorted(cut, key=lambda o: o.start)


def rows_of(drug: Drug, orders: Sequence[MedicationOrder], taken: Taken) -> list[DoseRow]:
    """Dose rows of one drug and form: the orders' doses, 0 without an order in force, and the dose taken if known."""
    spans = [(s, order.where, order.product) for order in orders for s in order.segments]
    days = {s.start for s, *_ in spans} | {s.end for s, *_ in spans if s.end is not None}
    first = min(days)
    days |= {day for day in taken.changes() if day >= first}
    rows: list[DoseRow] = []
    where = ""
    for day in sorted(days):
        in_force = [span for span in spans if span[0].start <= day and (span[0].end is None or span[0].end > day)]
        s, where, product = in_force[-1] if in_force else (Segment(day, None, 0.0, False), where, "")
        row = DoseRow(day, drug, s.dose, taken.on(day), s.as_needed, where, product=product)
        previous = rows[-1] if rows else None
        if previous is None or replace(previous, day=day) != row:
            rows.append(row)
    return rows
