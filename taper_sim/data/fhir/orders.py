"""From the orders, statements and administrations of one drug to its dose rows. Imports ``data``, ``model``.

An order is what is prescribed; a statement or an administration says what was taken. Rules: docs/how-to/fhir.md.
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
"""Days for which an order that is over may have gone on where nothing says when it ended: three months are the most
that is usually given out. A design choice."""
EARLY_REFILL_D: Final = 7
"""Days before the end of a supply on which an order may follow it rather than come on top. A design choice."""


@dataclass(frozen=True)
class MedicationOrder:
    """One request or statement that could be read.

    Attributes
    ----------
    where : str
        Entry, for messages.
    drug : Drug
    segments : list of Segment
        In order, not overlapping.
    authored : date or None
    active : bool
        Whether it is still in force.
    name : frozenset of str
        References by which others call it.
    replaces : str
        Reference to the order it replaces, if it says so.
    supplied : date or None
        First day after what was dispensed on it lasts, with its repeats, if that is told.
    unended : bool
        Whether it is over and nothing says when that was.
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

    @property
    def start(self) -> date:
        """First day."""
        return self.segments[0].start

    @property
    def end(self) -> date | None:
        """First day after it; None if open."""
        return self.segments[-1].end


@dataclass
class Taken:
    """What was taken of one drug and form: as stated over spans, and as administered by day."""

    stated: list[Segment] = field(default_factory=list)
    given: dict[date, float] = field(default_factory=dict)

    def on(self, day: date) -> float | None:
        """Dose taken on a day; None if not known. What was administered counts before what was stated."""
        if day in self.given:
            return self.given[day]
        held = [s for s in self.stated if s.start <= day and (s.end is None or s.end > day)]
        return held[-1].dose if held else None

    def changes(self) -> set[date]:
        """Days on which the answer may change."""
        days = {s.start for s in self.stated} | {s.end for s in self.stated if s.end is not None}
        return days | set(self.given) | {day + timedelta(days=1) for day in self.given}


def _overlap(first: MedicationOrder, second: MedicationOrder) -> bool:
    """Whether the second begins while the first is in force; a day shared at the border does not count."""
    return (first.end is None or (first.end - second.start).days > 1) and (
        second.end is None or (second.end - first.start).days > 1
    )


def _same(first: MedicationOrder, second: MedicationOrder) -> bool:
    """Whether two orders say the same dose at every time that both hold."""
    doses = {(s.dose, s.as_needed) for s in (*first.segments, *second.segments)}
    return len(doses) == 1 or first.segments == second.segments


def closed(orders: Sequence[MedicationOrder], notes: list[str]) -> tuple[list[MedicationOrder], list[MedicationOrder]]:
    """Orders that are over without an end, ended by the next order of the drug; and those that none follows soon."""
    kept, lost = [], []
    for order in orders:
        following = [other.start for other in orders if other.start > order.start]
        if not order.unended:
            kept.append(order)
        elif following and (min(following) - order.start).days <= LONGEST_UNENDED_D:
            last = order.segments[-1]
            kept.append(replace(order, segments=[*order.segments[:-1], replace(last, end=min(following))]))
            notes.append(f"{order.where}: over, and nothing says when; ended on {min(following)} by the next order")
        else:
            lost.append(order)
    return kept, lost


def in_turn(orders: Sequence[MedicationOrder], notes: list[str]) -> list[MedicationOrder]:
    """Orders of one drug and form, cut so that the later authored one replaces the earlier.

    Raises
    ------
    Cannot
        Two different orders of which both are in force at a time, or of which none is the later.
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
                    f"{second.where}): whether they add up or one replaces the other is not said",
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
            if after and _same(earlier, order) and segments:  # the same dose goes on after the shorter of two
                order = replace(order, segments=[replace(order.segments[0], end=earlier.end)])
            if segments:
                kept.append(replace(earlier, segments=segments))
        cut = [*kept, order]
    return sorted(cut, key=lambda o: o.start)


def rows_of(drug: Drug, orders: Sequence[MedicationOrder], taken: Taken) -> list[DoseRow]:
    """Dose rows of one drug and form: each order's steps, 0 where none holds, and what was taken where known."""
    spans = [(s, order.where) for order in orders for s in order.segments]
    days = {s.start for s, _ in spans} | {s.end for s, _ in spans if s.end is not None}
    first = min(days)
    days |= {day for day in taken.changes() if day >= first}
    rows: list[DoseRow] = []
    where = ""
    for day in sorted(days):
        held = [(s, place) for s, place in spans if s.start <= day and (s.end is None or s.end > day)]
        s, where = held[-1] if held else (Segment(day, None, 0.0, False), where)
        row = DoseRow(day, drug, s.dose, taken.on(day), s.as_needed, where)
        before = rows[-1] if rows else None
        if before is None or (before.dose, before.taken, before.as_needed) != (row.dose, row.taken, row.as_needed):
            rows.append(row)
    return rows
