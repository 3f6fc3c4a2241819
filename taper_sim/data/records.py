"""What was recorded of one patient: check-ins, doses, answers, in one form whatever file they came from.

Imports ``data.formulary``, ``tables``, ``model``. CSV files (:mod:`taper_sim.data.checkins`, ``doses``), FHIR bundles
(:mod:`taper_sim.data.fhir`) and trial tables are read into these types; inference sees nothing else. Records stand in a
canonical order, so that the row order of a file changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Final

from taper_sim.model.pharmacology import Drug

PAST_D: Final = 364
"""Days after which an entry that is over and could not be read is no longer missed: by then adaptation to its dose has
passed (``tau_L`` 75 d, nearly five times). A design choice."""
PAST_ONCE_D: Final = 28
"""The same for something given once, such as an injection. A design choice."""


@dataclass(frozen=True, order=True)
class CheckIn:
    """One report of one patient on one day.

    Attributes
    ----------
    day : date
        The day the report is about.
    instrument : str
        An ``instrument`` of scales.csv or a variable of variables.csv.
    value : float
        On the instrument's scale, in its unit; a boolean is 0 or 1.
    high : float or None
        Of a report known as a category: it lies between ``value`` and ``high``, both included. Else None.
    entered : date or None
        The day on which it was written down, where that is known to be later than ``day``.
    where : str
        File and place it was read from, for messages.
    """

    day: date
    instrument: str
    value: float
    high: float | None = field(default=None, compare=False)
    entered: date | None = field(default=None, compare=False)
    where: str = field(default="", compare=False)

    @property
    def known_on(self) -> date:
        """The first day on which somebody could know of it."""
        return self.day if self.entered is None else max(self.day, self.entered)


@dataclass(frozen=True)
class DoseRow:
    """A dose from ``day`` until the next row of the same drug and formulation; stopping is a row with 0.

    Attributes
    ----------
    day : date
        First day of the dose.
    drug : Drug
        The row of the formulary.
    dose : float
        Prescribed, in the drug's own unit: mg a day, or mcg/h for a patch.
    taken : float or None
        Really taken, in the same unit, where known.
    as_needed : bool
        Whether the order says "as needed": the prescribed dose is then the most that may be taken.
    where : str
        File and place it was read from, for messages.
    copies : int
        How often the same row stood in the file once more.
    """

    day: date
    drug: Drug
    dose: float
    taken: float | None = None
    as_needed: bool = False
    where: str = field(default="", compare=False)
    copies: int = field(default=0, compare=False)

    @property
    def order(self) -> tuple[date, str, str]:
        """Place in the canonical order."""
        return (self.day, *self.drug.key)


@dataclass(frozen=True)
class Unread:
    """A medication entry that could not be read: without it the doses are not known to be complete.

    Attributes
    ----------
    why : str
        Place and reason.
    since : date or None
        Day from which it may have counted; None if nothing says.
    over : bool
        Whether it is said to be over.
    once : bool
        Whether it was given once, such as an injection for an operation.
    """

    why: str
    since: date | None = None
    over: bool = False
    once: bool = False

    def matters(self, day: date) -> bool:
        """Whether the doses up to ``day`` may lack it: not if it began later, or is over and long past."""
        if self.since is None:
            return True
        ago = (day - self.since).days
        return ago >= 0 and not (self.over and ago > (PAST_ONCE_D if self.once else PAST_D))


@dataclass(frozen=True)
class History:
    """Everything recorded of one patient, in canonical order.

    Attributes
    ----------
    patient_id : str
    checkins : tuple of CheckIn
        By day, then instrument.
    doses : tuple of DoseRow
        By day, then drug and formulation.
    answers : mapping of str to float
        Variables of variables.csv known from a patient's file and not from a day's check-in (booleans 0 or 1).
    notes : tuple of str
        What a reader of the output must know of how the records were read, one line each. What follows from the rows
        themselves is said by ``data.reading``.
    dated : tuple of (date, str)
        The same, of something written on that day: not known before.
    unread : tuple of Unread
        Medication entries that could not be read.
    barred : tuple of str
        Reasons in the records themselves to say nothing of this patient.
    written : date or None
        Day up to which the records were written, where they say so: a later row is a plan.
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
        """Put the records in their order."""
        object.__setattr__(self, "checkins", tuple(sorted(self.checkins)))
        object.__setattr__(self, "doses", tuple(sorted(self.doses, key=lambda row: row.order)))

    def as_of(self, day: date) -> "History":
        """What could be known at the end of ``day``: nothing later enters."""
        return replace(
            self,
            checkins=tuple(c for c in self.checkins if c.known_on <= day),
            doses=tuple(d for d in self.doses if d.day <= day),
            dated=tuple((on, said) for on, said in self.dated if on <= day),
            unread=tuple(u for u in self.unread if u.matters(day)),
        )
