"""A table of published results: its rows, and the problems of each. Imports the other readers of ``evidence``.

A row with a problem does not stop the others: it is returned with its problems. Only a file that is no such table is
refused as a whole.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from taper_sim import tables
from taper_sim.data.csv_input import Problems, read_csv
from taper_sim.data.problems import InputError, Problem, nearest, shown
from taper_sim.evidence.coded_arms import CodedArm, read_arm
from taper_sim.evidence.coded_cohorts import CodedCohort, Enrolment, read_cohort, read_enrolment
from taper_sim.evidence.coded_words import (
    CHANGES,
    FIRST_DAYS,
    OPTIONAL,
    OUTCOME_KINDS,
    REQUIRED,
    ROLES_LEFT_OUT,
    STATISTICS,
    STUDY_EVENTS,
    TARGET_ROLE,
    WIDTHS,
    Statistic,
)
from taper_sim.evidence.predictive_interval import Z95, to_scale
from taper_sim.units import LONGEST_D

MOST_RESULTS: Final = 10_000
PCT25: Final = 0.25
"""Half width of the interval of ``width_from=pct25``, a convention of the table."""
_HALF: Final = 0.5


@dataclass(frozen=True)
class PublishedResult:
    """One published number, and the study that gives it.

    Attributes
    ----------
    statistic : Statistic
    outcome : str
    value, lo95, hi95 : float
        Published, with the interval by ``width_from``.
    se : float
        Standard error on the statistic's scale.
    compared : float
        The value, moved within half a person of 0 and 1 where it is a share: no interval of a share holds its ends.
    day, followup_days : int
    arm : CodedArm
    reference : CodedArm or None
    cohort : CodedCohort
    enrolment : Enrolment
    """

    statistic: Statistic
    outcome: str
    value: float
    lo95: float
    hi95: float
    se: float
    compared: float
    day: int
    followup_days: int
    arm: CodedArm
    reference: CodedArm | None
    cohort: CodedCohort
    enrolment: Enrolment


@dataclass(frozen=True)
class EvidenceRow:
    """A row of the table.

    Attributes
    ----------
    cells : mapping of str to str
        The coded columns.
    result : PublishedResult or None
        None for a row that is not simulated.
    problems : tuple of Problem
        What is wrong with the row.
    reason : str
        Why the row is not simulated; empty otherwise.
    """

    cells: Mapping[str, str]
    result: PublishedResult | None
    problems: tuple[Problem, ...]
    reason: str


@dataclass(frozen=True)
class EvidenceTable:
    """Rows of a table, in their order."""

    rows: tuple[EvidenceRow, ...]

    @property
    def problems(self) -> list[Problem]:
        """Problems of all rows."""
        return [problem for row in self.rows for problem in row.problems]

    @property
    def hash(self) -> str:
        """Hash of the coded columns."""
        return hashlib.sha256(json.dumps([dict(row.cells) for row in self.rows]).encode()).hexdigest()


def read_evidence(path: Path) -> EvidenceTable:
    """Read a table (CSV); raises InputError if the file is no such table."""
    return evidence_of(read_csv(path, "a table of published results", "at least one row"), str(path))


def evidence_of(table: pd.DataFrame, file: str) -> EvidenceTable:
    """Read a table of texts, empty cells as empty texts; ``file`` is named in problems."""
    problems = Problems(file)
    for name in REQUIRED:
        if name not in table.columns:
            hint = nearest(name, [column for column in table.columns if column not in (*REQUIRED, *OPTIONAL)])
            problems.add_text("header", f"no column {name}{hint}", f"the columns {', '.join(REQUIRED)}")
    if len(table) > MOST_RESULTS:
        problems.add_text("", f"{len(table):,} rows", f"at most {MOST_RESULTS:,}")
    problems.raise_if_any()
    names = [name for name in (*REQUIRED, *OPTIONAL) if name in table.columns]
    records = table[names].to_dict("records")
    first_with: dict[str, int] = {}  # row of each id
    rows = []
    for number, record in enumerate(records, 2):
        cells = {str(k): str(v) for k, v in record.items()}
        rows.append(_row(cells, number, file, first_with.setdefault(cells["id"].strip(), number)))
    return EvidenceTable(tuple(rows))


class _Cells:
    """The cells of one row, and the problems that reading them gives."""

    def __init__(self, cells: Mapping[str, str], number: int, file: str):
        self.cells, self.file = cells, file
        self.where = f"row {number}" + (f" ({shown(name)})" if (name := self.text("id")) else "")
        self.problems: list[Problem] = []

    def text(self, name: str) -> str:
        return self.cells.get(name, "").strip()

    def wrong(self, name: str, given: str, allowed: str) -> None:
        self.problems.append(Problem(self.file, f"{self.where}, {name}", shown(given) if given else "nothing", allowed))

    def number(self, name: str, low: float, high: float, *, needed: bool = False, whole: bool = False) -> float:
        """A number within its range; NaN for an empty or a wrong cell."""
        text = self.text(name)
        if not text and not needed:
            return math.nan
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or not math.isfinite(value) or (whole and value != round(value)):
            ends = (
                f" from {low:g} to {high:g}" if high < math.inf else f" of at least {low:g}" if low > -math.inf else ""
            )
            self.wrong(name, text, f"a {'whole ' if whole else ''}number{ends}")
            return math.nan
        return value

    def read[Read](self, name: str, reader: Callable[..., Read]) -> Read | None:
        """A cell that a reader of its own understands; None if it does not."""
        try:
            return reader(self.text(name), file=self.file, place=f"{self.where}, {name}")
        except InputError as error:
            self.problems += error.problems
            return None


def _row(cells: Mapping[str, str], number: int, file: str, first: int) -> EvidenceRow:
    """Read one row; a row whose role is not to be compared is not read further. ``first`` is the row with its id."""
    row = _Cells(cells, number, file)
    role = row.text("role")
    if role in ROLES_LEFT_OUT:
        return EvidenceRow(cells, None, (), f"role {role}: {ROLES_LEFT_OUT[role]}")
    if role not in ("", TARGET_ROLE):
        roles = (TARGET_ROLE, *ROLES_LEFT_OUT)
        row.wrong("role", role + nearest(role, roles), f"one of {', '.join(roles)}, or nothing")
    if not row.text("id"):
        row.wrong("id", "", "a name of its own")
    elif first != number:
        row.wrong("id", row.text("id"), f"a name of its own; row {first} has this one")
    result = _result(row)
    reason = "; ".join(f"{p.place.partition(', ')[2]}: given {p.given}; allowed: {p.allowed}" for p in row.problems)
    return EvidenceRow(cells, result, tuple(row.problems), reason)


def _result(row: _Cells) -> PublishedResult | None:
    """The published result of a row; None if anything is wrong."""
    statistic, outcome = _statistic(row), _outcome(row)
    day = row.number("day", 1, LONGEST_D, needed=True, whole=True)
    follow = row.number("followup_days", 1, LONGEST_D, whole=True)
    if follow > day:
        row.wrong("followup_days", row.text("followup_days"), f"at most the day, {day:g}")
    arm = row.read("arm", read_arm)
    reference = row.read("reference_arm", read_arm) if row.text("reference_arm") else None
    cohort = row.read("cohort", read_cohort)
    enrolment = row.read("enrolment", read_enrolment)
    if statistic is not None:
        if statistic.two_arms and not row.text("reference_arm"):
            row.wrong("reference_arm", "", f"an arm: {statistic.name} compares two")
        if not statistic.two_arms and row.text("reference_arm"):
            row.wrong("reference_arm", row.text("reference_arm"), f"nothing: {statistic.name} is of one arm")
        if outcome is not None:
            _check_pair(row, statistic, outcome)
    value, lo95, hi95 = _published(row, statistic)
    if row.problems or statistic is None or outcome is None or arm is None or cohort is None or enrolment is None:
        return None
    least = _least_share(value, row.number("n_arm", 1, math.inf))
    return PublishedResult(
        statistic,
        outcome,
        value,
        lo95,
        hi95,
        _standard_error(statistic, lo95, hi95, least),
        float(np.clip(value, least, 1.0 - least)) if statistic.scale == "logit" else value,
        int(day),
        int(day if math.isnan(follow) else follow),
        arm,
        reference,
        cohort,
        enrolment,
    )


def _statistic(row: _Cells) -> Statistic | None:
    name = row.text("statistic")
    if name not in STATISTICS:
        row.wrong("statistic", name + nearest(name, STATISTICS), f"one of {', '.join(STATISTICS)}")
    return STATISTICS.get(name)


def _outcome(row: _Cells) -> str | None:
    name = row.text("outcome")
    if name in OUTCOME_KINDS:
        return name
    row.wrong("outcome", name + nearest(name, OUTCOME_KINDS), "an outcome of `taper-sim outcomes`")
    return None


def _check_pair(row: _Cells, statistic: Statistic, outcome: str) -> None:
    """Refuse a statistic that is not defined for an outcome."""
    if statistic.family == "change":
        if outcome not in CHANGES:
            row.wrong("outcome", f"{outcome} with {statistic.name}", f"one of {', '.join(CHANGES)}")
        return
    kind = OUTCOME_KINDS[outcome]
    timed = statistic.family in ("rate", "hazard")
    if kind not in statistic.kinds or (timed and outcome not in STUDY_EVENTS and outcome not in FIRST_DAYS):
        allowed = (
            [*STUDY_EVENTS, *FIRST_DAYS]
            if timed
            else [name for name, kind in OUTCOME_KINDS.items() if kind in statistic.kinds]
        )
        row.wrong("outcome", f"{outcome} with {statistic.name}", f"one of {', '.join(allowed)}")


def _published(row: _Cells, statistic: Statistic | None) -> tuple[float, float, float]:
    """Value and interval by ``width_from``; NaN where something is wrong."""
    scale = "linear" if statistic is None else statistic.scale
    low, high = {"linear": (-math.inf, math.inf), "log": (0.0, math.inf), "logit": (0.0, 1.0)}[scale]
    if statistic is not None and statistic.name == "risk_difference":
        low, high = -1.0, 1.0
    value = row.number("value", low, high, needed=True)
    if scale == "log" and value == 0.0:
        row.wrong("value", row.text("value"), "a number above 0")
        value = math.nan
    given = row.number("lo95", -math.inf, math.inf), row.number("hi95", -math.inf, math.inf)
    n = row.number("n_arm", 1, math.inf)
    width = row.text("width_from") or _width_of(row, statistic, given, n)
    if width not in WIDTHS:
        row.wrong("width_from", width + nearest(width, WIDTHS), f"one of {', '.join(WIDTHS)}")
    elif width == "ci":
        _check_interval(row, value, given, (low, high), scale)
        return value, *given
    elif width == "n":
        if statistic is not None and statistic.name != "proportion":
            row.wrong("width_from", f"n with {statistic.name}", "n with proportion; ci or pct25 with the others")
        if not row.text("n_arm"):
            row.wrong("n_arm", "", "the number of people, for width_from=n")
        return value, *wilson(value, n)
    elif scale == "log":
        return value, value / (1.0 + PCT25), value * (1.0 + PCT25)
    return value, value - PCT25 * abs(value), value + PCT25 * abs(value)


def _width_of(row: _Cells, statistic: Statistic | None, given: tuple[float, float], n: float) -> str:
    """``width_from`` of a row that does not give it: the interval, else the number of people, else 25 %."""
    if row.text("lo95") or row.text("hi95"):
        return "ci"
    return "n" if statistic is not None and statistic.name == "proportion" and n >= 1 else "pct25"


def _check_interval(
    row: _Cells, value: float, given: tuple[float, float], ends: tuple[float, float], scale: str
) -> None:
    """Refuse an interval that no study can have."""
    lo95, hi95 = given
    text = f"{row.text('lo95') or 'nothing'} to {row.text('hi95') or 'nothing'}"
    if not (row.text("lo95") and row.text("hi95")):
        row.wrong("lo95, hi95", text, "both ends, for width_from=ci")
    elif math.isnan(lo95) or math.isnan(hi95):
        return  # reported as no numbers
    elif lo95 >= hi95:
        row.wrong("lo95, hi95", text, "the lower end first")
    elif not math.isnan(value) and not lo95 <= value <= hi95:
        row.wrong("lo95, hi95", text, f"an interval that holds the value, {value:g}")
    elif lo95 < ends[0] or hi95 > ends[1] or (scale == "log" and lo95 <= 0):
        allowed = "ends above 0" if scale == "log" else f"ends from {ends[0]:g} to {ends[1]:g}"
        row.wrong("lo95, hi95", text, allowed)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n people. Source: Wilson 1927."""
    middle = (share + Z95**2 / (2.0 * n)) / (1.0 + Z95**2 / n)
    half = Z95 / (1.0 + Z95**2 / n) * math.sqrt(max(share * (1.0 - share) / n + Z95**2 / (4.0 * n**2), 0.0))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _least_share(value: float, n: float) -> float:
    """Least share that a study of n people can tell from 0: half a person; without n a tenth of the value."""
    return _HALF / (n + 1.0) if n >= 1 else min(1e-4, abs(value) / 10.0 or 1e-4)


def _standard_error(statistic: Statistic, lo95: float, hi95: float, least: float) -> float:
    """Standard error on the statistic's scale: the width of its interval there over 2 × 1.96."""
    ends = np.array([lo95, hi95])
    if statistic.scale == "logit":
        ends = np.clip(ends, least, 1.0 - least)
    low, high = to_scale(ends, statistic.scale)
    return float((high - low) / (2.0 * Z95))


def cells_of(table: EvidenceTable) -> Sequence[dict[str, str]]:
    """The coded columns of every row, from which :func:`evidence_of` reads the same table."""
    return [dict(row.cells) for row in table.rows]


SHIPPED_RESULTS: Final = "evidence"
"""Name of the package's table of published results."""


def shipped_evidence() -> EvidenceTable:
    """The package's table of published results."""
    rows = tables.read(SHIPPED_RESULTS).rows
    return evidence_of(pd.DataFrame([dict(row) for row in rows]), f"{SHIPPED_RESULTS}.csv")
