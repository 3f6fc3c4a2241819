"""The rows of the committee's table: outcomes in people of 1,000, harms first. Imports ``comparison``, ``run_people``.

Everything that a row needs is data here: its outcome, its words, the difference that matters, and what its certainty
rests on. A row whose outcome the run's tables lack is computed from every person's values, with the same intervals.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.briefs.run_people import RunPeople
from taper_sim.comparison.outcomes import BEYOND_EXPECTED, BY_NAME, SHARE_OF_PEOPLE, Outcome
from taper_sim.comparison.tables import SMALLEST_CELL, difference_rows, summary_rows
from taper_sim.model.compiled import rows as kernel_rows
from taper_sim.report.harm_words import PER
from taper_sim.report.run_tables import RunTables, rows_by, rows_where
from taper_sim.report.wording import is_nothing, number_text

PAIN_UP: Final = float(BY_NAME["pain_nrs_change"].important or 0.0)
"""Rise of pain that counts as worse, NRS points. Source: the smallest important difference (scales.csv)."""
FUNCTION_UP: Final = float(BY_NAME["function_change"].important or 0.0)
"""Rise of function that counts as better, points of 100. Source: the smallest important difference (scales.csv)."""


def _reached(change: Floats, least: float) -> Floats:
    """1 where a change is at least ``least``, else 0; missing where it is missing, (n,)."""
    return np.where(np.isnan(change), np.nan, change >= least)


PAIN_WORSE_BY_1: Final = Outcome(
    "pain_worse_important",
    SHARE_OF_PEOPLE,
    "lower",
    None,
    f"pain up by {PAIN_UP:g} point or more",
    "scales.csv",
    lambda look: _reached(look.change(kernel_rows.P), PAIN_UP),
    ends=(0.0, 1.0),
)
FUNCTION_BETTER_BY_10: Final = Outcome(
    "function_better_important",
    SHARE_OF_PEOPLE,
    "higher",
    None,
    f"function up by {FUNCTION_UP:g} points or more",
    "scales.csv",
    lambda look: _reached(look.change(kernel_rows.U), FUNCTION_UP),
    ends=(0.0, 1.0),
)


@dataclass(frozen=True, kw_only=True)
class ScreenRow:
    """One row of the table of a first screen.

    Attributes
    ----------
    name : str
        Name in the run's tables and in ``brief.csv``.
    label, note : str
        Name of the row, and its definition with its unit.
    events : str
        Words after *more*: *mental health crises*.
    important : float
        Difference that matters, in the unit of the row; 0 if none is stated. Source: A115, A129.
    is_harm : bool
        Whether fewer are better.
    is_serious : bool
        Whether the certainty of the answer rests on it.
    per : int
        People of a frequency; 1 for another quantity.
    unit : str
        Unit of a number.
    published : tuple of str
        Outcomes of published results that test predictions of such outcomes.
    forms : str
        Outcome of the structural alternatives that shows whether other forms of the model agree; empty if none does.
    more_less : tuple of (str, str)
        Words of a positive and of a negative difference.
    digits : int
        Decimals of a row whose numbers are all below 10.
    """

    name: str
    label: str
    note: str
    events: str
    important: float
    is_harm: bool
    is_serious: bool = False
    per: int = int(PER)
    unit: str = "people"
    published: tuple[str, ...] = ()
    forms: str = ""
    more_less: tuple[str, str] = ("more", "fewer")
    digits: int = 1

    @property
    def line(self) -> str:
        """The difference that matters in words: *10 in 1,000*."""
        amount = number_text(self.important, 0 if self.important >= 1.0 or self.important == 0.0 else 2)
        unit = self.unit.removesuffix("s") if self.important == 1.0 else self.unit
        return f"{amount} in {self.per:,}" if self.per > 1 else f"{amount} {unit}".rstrip()


def quantity_row(
    name: str,
    label: str,
    note: str,
    important: float,
    unit: str,
    *,
    events: str = "",
    is_harm: bool = True,
    more_less: tuple[str, str] = ("more", "less"),
    **more: Any,
) -> ScreenRow:
    """A row of a quantity that is no frequency; ``more`` are further attributes of :class:`ScreenRow`."""
    return ScreenRow(
        name=name,
        label=label,
        note=note,
        events=events or label.lower(),
        important=important,
        is_harm=is_harm,
        per=1,
        unit=unit,
        more_less=more_less,
        **more,
    )


@dataclass(frozen=True, kw_only=True)
class BriefRow(ScreenRow):
    """A row that a comparison has, and how it comes about.

    Attributes
    ----------
    outcome : Outcome
    change : str
        Column of every person's values from which the row is computed; empty if the tables have it.
    least : float
        Change from which a person counts.
    """

    outcome: Outcome
    change: str = ""
    least: float = 0.0


def _of(outcome: Outcome, label: str, note: str, events: str, important: float, **more: Any) -> BriefRow:
    return BriefRow(
        name=outcome.name,
        label=label,
        note=note,
        events=events,
        important=important,
        is_harm=outcome.direction == "lower",
        outcome=outcome,
        **more,
    )


_STOPPING: Final = ("discontinued", "completed_withdrawal", "dose_end_mme", "dose_reduction_pct")
BRIEF_ROWS: Final[tuple[BriefRow, ...]] = (
    _of(
        BY_NAME["death"],
        "Death",
        "by overdose or suicide",
        "deaths",
        1.0,
        is_serious=True,
        published=("death", "overdose_or_suicide_death"),
    ),
    _of(
        BY_NAME["overdose"],
        "Overdose",
        "any, fatal or not",
        "overdoses",
        5.0,
        is_serious=True,
        published=("overdose", "overdose_or_withdrawal", "overdose_or_suicide_event"),
        forms="overdose",
    ),
    _of(
        BY_NAME["mental_health_crisis"],
        "Mental health crisis",
        "emergency or hospital care",
        "mental health crises",
        10.0,
        is_serious=True,
        published=("mental_health_crisis",),
        forms="mental_health_crisis",
    ),
    _of(
        BY_NAME["return_to_higher_dose"],
        "Return to a higher dose",
        "after a reduction",
        "returns to a higher dose",
        50.0,
        published=("return_to_higher_dose",),
        forms="return_to_higher_dose",
    ),
    _of(
        PAIN_WORSE_BY_1,
        "Worse pain",
        f"up by {PAIN_UP:g} point of 10 or more",
        "people with worse pain",
        50.0,
        published=("pain_nrs", "pain_nrs_change"),
        forms="pain_nrs_change",
        change="pain_nrs_change",
        least=PAIN_UP,
    ),
    _of(
        FUNCTION_BETTER_BY_10,
        "Better function",
        f"up by {FUNCTION_UP:g} points of 100 or more",
        "people with better function",
        50.0,
        published=("function_change",),
        forms="function_change",
        change="function_change",
        least=FUNCTION_UP,
    ),
    _of(
        BY_NAME["dose_reduction_ge15"],
        "At a lower dose",
        "down by 15 % or more at the end",
        "people at a lower dose",
        50.0,
        published=_STOPPING,
        forms="dose_reduction_pct",
    ),
)
"""Rows in their order: harms first. Source of the differences that matter: A115."""


@dataclass(frozen=True)
class PerThousand:
    """People of 1,000 or another quantity of a row, or a difference of them, with its 95 % interval.

    Attributes
    ----------
    mean, low, high : float
        ``low`` and ``high`` are NaN without an interval.
    reason : str
        Why there is no interval.
    n : int
        People behind the number.
    """

    mean: float
    low: float
    high: float
    reason: str
    n: int

    @property
    def is_hidden(self) -> bool:
        """Whether too few people stand behind the number to show it."""
        return self.n < SMALLEST_CELL

    @property
    def has_interval(self) -> bool:
        """Whether the interval may be printed."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def digits(self, bound: float = 10.0) -> int:
        """Decimals with which the number is printed."""
        return 1 if abs(self.mean) < bound and self.mean != 0.0 else 0

    def level_text(self, digits: int) -> str:
        """The number itself."""
        return number_text(self.mean, digits)

    def interval_text(self, digits: int) -> str:
        """The interval of a level; why there is none."""
        if not self.has_interval:
            no_interval = f"no interval: {self.reason}" if self.reason else ""
            return "none seen" if self.mean == 0.0 and not no_interval else no_interval
        return f"{number_text(self.low, digits)} to {number_text(self.high, digits)}"

    def more_text(self, digits: int, words: tuple[str, str] = ("more", "fewer")) -> str:
        """A difference in words: *16 more*, *2 fewer*."""
        shown = number_text(abs(self.mean), digits)
        return shown if is_nothing(self.mean, digits) else f"{shown} {words[0] if self.mean > 0.0 else words[1]}"

    def bounds_text(self, digits: int) -> str:
        """The interval after :meth:`more_text`: *145 to 335*, with signs where it holds 0; why there is none."""
        if not self.has_interval:
            return f"no interval: {self.reason}" if self.reason else ""
        one_side = self.low >= 0.0 or self.high <= 0.0
        ends = sorted((abs(self.low), abs(self.high))) if one_side else (self.low, self.high)
        low, high = (number_text(end, digits, signed=not one_side).replace("-", "−") for end in ends)
        return f"{low} to {high}"


def frequency(row: Mapping[Hashable, Any], *, is_level: bool = False) -> PerThousand:
    """A row of ``summary.csv`` or ``differences.csv`` as people of 1,000; a level of 0 has no reason: none was seen."""
    mean, low, high = (PER * float(row[name]) for name in ("mean", "lo95", "hi95"))
    reason = "" if is_level and mean == 0.0 else row.get("interval_reason")
    return PerThousand(mean, low, high, reason if isinstance(reason, str) else "", int(row["n"]))


@dataclass(frozen=True)
class Frequencies:
    """The rows of a run: levels by protocol and row, and differences from the comparator."""

    rows: tuple[BriefRow, ...]
    levels: Mapping[tuple[str, str], PerThousand]
    differences: Mapping[tuple[str, str], PerThousand]


def frequencies(run: RunTables, people: RunPeople, comparator: str) -> Frequencies:
    """Levels of every protocol and their differences from the comparator, from the run's tables or its people.

    Parameters
    ----------
    run : RunTables
    people : RunPeople
        Without a file of people, rows that need it are left out, and so are differences from another protocol than the
        run's reference.
    comparator : str
        Protocol with which the others are compared.
    """
    levels: dict[tuple[str, str], PerThousand] = {}
    differences: dict[tuple[str, str], PerThousand] = {}
    by_level = rows_by(rows_where(run.summary, subgroup="all"), "protocol", "outcome")
    by_difference = rows_by(rows_where(run.differences, subgroup="all"), "protocol", "outcome")
    kept = []
    for row in BRIEF_ROWS:
        in_tables = any((name, row.name) in by_level for name in run.protocols)
        if in_tables and comparator == run.reference:
            sources = by_level, by_difference
        elif people.n:
            sources = _from_people(run, people, row, comparator)
        else:
            continue
        kept.append(row)
        for name in run.protocols:
            if (name, row.name) in sources[0]:
                levels[name, row.name] = frequency(sources[0][name, row.name], is_level=True)
            if name != comparator and (name, row.name) in sources[1]:
                differences[name, row.name] = frequency(sources[1][name, row.name])
    return Frequencies(tuple(kept), levels, differences)


_Rows = dict[tuple[str, ...], Mapping[Hashable, Any]]


def _from_people(run: RunTables, people: RunPeople, row: BriefRow, comparator: str) -> tuple[_Rows, _Rows]:
    """A row of every protocol, and its differences from the comparator, from every person's values."""
    column = row.change or row.name
    read = people.values(run.protocols, (column, row.name + BEYOND_EXPECTED))
    if row.change:
        read = {name: {row.name: _reached(columns[column], row.least)} for name, columns in read.items()}
    everybody = {"all": np.ones(people.n, dtype=bool)}
    calibrated = bool(run.manifest["ensemble"]["calibrated"])
    levels: _Rows = {}
    differences: _Rows = {}
    for name in run.protocols:
        for level in summary_rows(name, [row.outcome], read[name], people.draw, everybody, calibrated):
            levels[name, row.name] = level  # type: ignore[assignment]
        if name != comparator:
            for change in difference_rows(name, comparator, [row.outcome], read, people.draw, everybody):
                differences[name, row.name] = change  # type: ignore[assignment]
    return levels, differences
