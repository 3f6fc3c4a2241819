"""Record types of one patient: check-ins, doses, answers, the same for every file format. Imports ``model``.

CSV files (:mod:`taper_sim.data.checkins`, ``doses``), FHIR bundles (:mod:`taper_sim.data.fhir`) and trial tables are
read into these types. Inference uses only these types. Records are kept in a canonical order; the row order of a file
has no effect.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Final

from taper_sim.data.problems import Problem, counted
from taper_sim.model.pharmacology import Drug
from taper_sim.units import DrugClass

PAST_D: Final = 364
"""Days after which an ended, unreadable entry no longer makes the history incomplete: the adaptation to its dose has
decayed by then (nearly five times ``tau_L``, 75 d). A design choice."""
PAST_ONCE_D: Final = 28
"""The same limit for a single administration, such as an injection, days. A design choice."""


@dataclass(frozen=True, order=True)
class CheckIn:
    """A report of a patient on a day.

    Attributes
    ----------
    day : date
        Day that the report describes.
    instrument : str
        An ``instrument`` of scales.csv or a variable of variables.csv.
    value : float
        Value on the instrument's scale and in its unit; 0 or 1 for a boolean.
    high : float or None
        Upper end of an interval-censored report, which lies between ``value`` and ``high``, both included. Else None.
    entered : date or None
        Day on which the report was entered, if known and later than ``day``.
    where : str
        File and place of the record, for messages.
    """

    day: date
    instrument: str
    value: float
    high: float | None = field(default=None, compare=False)
    entered: date | None = field(default=None, compare=False)
    where: str = field(default="", compare=False)

    @property
    def known_on(self) -> date:
        """First day on which the report was available."""
        return self.day if self.entered is None else max(self.day, self.entered)


@dataclass(frozen=True)
class DoseRow:
    """A dose from ``day`` until the next row of the same drug and formulation; a dose of 0 stops the drug.

    Attributes
    ----------
    day : date
        First day of the dose.
    drug : Drug
        Row of the formulary.
    dose : float
        Prescribed dose in the drug's own unit: mg a day, or mcg/h for a patch.
    taken : float or None
        Dose taken, in the same unit, if known.
    as_needed : bool
        Whether the order is "as needed": the prescribed dose is then the highest that may be taken.
    interval_h : float or None
        The patient's own interval between doses, hours; None if it is not recorded.
    product : str
        The product as recorded, if it is more than the drug, such as a combination; else empty.
    where : str
        File and place of the record, for messages.
    copies : int
        Number of further identical rows in the file.
    """

    day: date
    drug: Drug
    dose: float
    taken: float | None = None
    as_needed: bool = False
    where: str = field(default="", compare=False)
    copies: int = field(default=0, compare=False)
    interval_h: float | None = None
    product: str = field(default="", compare=False)

    @property
    def order(self) -> tuple[date, str, str]:
        """Key of the canonical order."""
        return (self.day, *self.drug.key)


@dataclass(frozen=True)
class Unread:
    """A medication entry that could not be read. It may make the dose history incomplete.

    Attributes
    ----------
    why : str
        Place and reason.
    since : date or None
        First day on which the entry may apply; None if unknown.
    over : bool
        Whether the entry is recorded as ended.
    once : bool
        Whether it is a single administration, such as an injection for an operation.
    drug_class : DrugClass or None
        Class of the drug; None if the drug could not be identified.
    place : str
        Place of the entry; empty if ``why`` has none.
    """

    why: str
    since: date | None = None
    over: bool = False
    once: bool = False
    drug_class: DrugClass | None = None
    place: str = ""

    def matters(self, day: date) -> bool:
        """Whether the doses up to ``day`` may be incomplete: not if the entry began later or ended long ago."""
        if self.since is None:
            return True
        days_since = (day - self.since).days
        return days_since >= 0 and not (self.over and days_since > (PAST_ONCE_D if self.once else PAST_D))


def unread_lines(unread: Iterable[Unread]) -> list[str]:
    """A line for each reason, with the number of entries that have it."""
    problems = (Problem("", entry.place, entry.why.removeprefix(f"{entry.place}: "), "") for entry in unread)
    return [f"{p.place}: {p.given}" if p.place else p.given for p in counted(problems)]


@dataclass(frozen=True)
class History:
    """All records of one patient, in canonical order.

    Attributes
    ----------
    patient_id : str
    checkins : tuple of CheckIn
        By day, then instrument.
    doses : tuple of DoseRow
        By day, then drug and formulation.
    answers : mapping of str to float
        Variables of variables.csv from the patient's file, not from a check-in (booleans 0 or 1).
    notes : tuple of str
        Notes on how the records were read, for readers of the output, one line each. ``data.reading`` derives further
        notes from the rows.
    dated : tuple of (date, str)
        Notes on entries written on a day; they are not available before that day.
    unread : tuple of Unread
        Medication entries that could not be read.
    barred : tuple of str
        Reasons in the records to give no recommendation for this patient.
    written : date or None
        Day on which the records end, if stated. A later row is a plan.
    """

    patient_id: str
    checkins: tuple[CheckIn, ...] = ()
    doses: tuple[DoseRow, ...] = ()
    answers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    dated: tuple[tuple[date, str], ...] = ()
    unread: tuple[Unread, ...] = ()
    barred: tuple[str, ...] = ()
    written: date | None = None

    def __post_init__(self) -> None:
        """Sort the records into canonical order."""
        object.__setattr__(self, "checkins", tuple(sorted(self.checkins)))
        object.__setattr__(self, "doses", tuple(sorted(self.doses, key=lambda row: row.order)))

    def as_of(self, day: date) -> "History":
        """The records available at the end of ``day``; nothing later is included."""
        return replace(
            self,
            checkins=tuple(c for c in self.checkins if c.known_on <= day),
            doses=tuple(d for d in self.doses if d.day <= day),
            dated=tuple((on, note) for on, note in self.dated if on <= day),
            unread=tuple(u for u in self.unread if u.matters(day)),
        )
