"""Reads a trial's daily table: buprenorphine mg, COWS category, self-reported opioid use by day. Imports ``data``.

The format is that of the NIDA trial of patients dependent on prescription opioids (CTN-0030): one row per participant
and day, ``who,study_day,phase,day_in_phase,bup_mg,cows_cat,opioid_use_selfreport``. Reading rules and the source of the
tables: docs/how-to/trial-data.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.data import formulary
from taper_sim.data.csv_input import Problems, read_csv
from taper_sim.data.problems import nearest
from taper_sim.data.records import CheckIn, DoseRow, History

TRIAL_COLUMNS: Final = ("who", "study_day", "phase", "day_in_phase", "bup_mg", "cows_cat", "opioid_use_selfreport")

COWS_CATEGORIES: Final[tuple[tuple[float, float], ...]] = ((0.0, 4.0), (5.0, 12.0), (13.0, 24.0), (25.0, 48.0))
"""Lowest and highest COWS score of categories 0 to 3, both included. Source: the trial's table ``withdrawal``, whose
grades follow Wesson and Ling 2003 (none, mild, moderate, moderately severe and above),
doi 10.1080/02791072.2003.10400007."""

LONGEST_CARRIED_D: Final = 7
"""Days without a recorded dose over which the last dose is carried forward: visits were weekly and medication was
dispensed until the next visit. In a longer gap the dose is unknown. A design choice."""

DAY_0: Final = date(2000, 1, 1)
"""Date of study day 0 in a history; the tables have no dates."""

_LAST_DAY, _MOST_MG = 3650.0, 64.0  # ten years; twice the highest labelled daily dose: a larger value is a typing error


@dataclass(frozen=True)
class TrialPhase:
    """The days of one participant in one phase of the trial.

    Attributes
    ----------
    who : str
        Id of the participant.
    phase : int
    study_day : ndarray of int, (n_days,)
        Ascending; days without a row are absent.
    day_in_phase : ndarray of int, (n_days,)
        0 on the first day of the phase; negative on earlier days.
    dose_mg : ndarray, (n_days,)
        Buprenorphine of the day, mg as recorded; NaN without a record.
    cows_cat : ndarray of int, (n_days,)
        0 to 3; -1 if not rated that day.
    own_use : ndarray, (n_days,)
        Self-reported opioid use: 1 yes, 0 no, NaN not reported.
    first_row : int
        Row of the first day in the file (the header is row 1), for messages.
    """

    who: str
    phase: int
    study_day: Ints
    day_in_phase: Ints
    dose_mg: Floats
    cows_cat: Ints
    own_use: Floats
    first_row: int = 2

    @property
    def last_dose_day(self) -> int | None:
        """The ``day_in_phase`` of the last recorded dose above 0; None if there is none."""
        dosed = np.flatnonzero(self.dose_mg > 0)
        return int(self.day_in_phase[dosed[-1]]) if len(dosed) else None

    def taken_mg(self) -> Floats:
        """Dose by day for the model, mg, (n_days,); NaN where unknown.

        The dose is 0 before the first and after the last recorded dose. Between them the last recorded dose is carried
        forward over gaps of at most ``LONGEST_CARRIED_D`` days; a longer gap is unknown from its first day.
        """
        taken = np.zeros(len(self.dose_mg))
        recorded = np.flatnonzero(~np.isnan(self.dose_mg))
        for place, following in zip(recorded, [*recorded[1:], len(taken)], strict=True):
            taken[place] = self.dose_mg[place]
            if following < len(taken):
                short = self.day_in_phase[following] - self.day_in_phase[place] - 1 <= LONGEST_CARRIED_D
                taken[place + 1 : following] = self.dose_mg[place] if short else np.nan
        return taken

    def reports(self) -> tuple[CheckIn, ...]:
        """COWS categories as interval-censored reports, opioid use as ``illicit_use_reported``; dates from DAY_0."""
        reports: list[CheckIn] = []
        for k, day in enumerate(self.study_day):
            report_day, where = DAY_0 + timedelta(days=int(day)), f"participant {self.who}, study day {day}"
            if self.cows_cat[k] >= 0:
                low, high = COWS_CATEGORIES[self.cows_cat[k]]
                reports.append(CheckIn(report_day, "cows", low, high, where=where))
            if not np.isnan(self.own_use[k]):
                reports.append(CheckIn(report_day, "illicit_use_reported", float(self.own_use[k]), where=where))
        return tuple(sorted(reports))

    def history(self) -> History:
        """The phase as a history: a dose row for each change of :meth:`taken_mg`, and the reports.

        On days with an unknown dose the history carries the last known dose forward, with a note.
        """
        film = formulary.find_drug("buprenorphine", "SL film/tablet")
        rows: list[DoseRow] = []
        taken = self.taken_mg()
        for day, mg in zip(self.study_day, taken, strict=True):
            if np.isnan(mg) or (rows and rows[-1].dose == mg):
                continue
            if rows or mg > 0:
                on = DAY_0 + timedelta(days=int(day))
                rows.append(DoseRow(on, film, float(mg), where=f"participant {self.who}, study day {day}"))
        carried = int((np.isnan(self.dose_mg) & (taken > 0)).sum())
        unknown = int(np.isnan(taken).sum())
        notes = []
        if carried:
            notes.append(f"{carried} day(s) without a recorded dose between doses: the last dose is carried forward")
        if unknown:
            notes.append(
                f"{unknown} day(s) in gaps of over {LONGEST_CARRIED_D} days without a recorded dose: unknown, "
                f"shown as the last dose"
            )
        return History(self.who, self.reports(), tuple(rows), notes=tuple(notes))


_CellCheck = Callable[[Floats], Bools]


def _column(
    table: pd.DataFrame, name: str, bad: Problems, allowed: str, is_valid: _CellCheck, *, empty_allowed: bool
) -> Floats:
    """A column as numbers, NaN where empty; invalid cells are problems."""
    text = table[name].where(~table[name].str.upper().isin(["NA", "NAN"]), "")
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    empty = (text == "").to_numpy()
    with np.errstate(invalid="ignore"):
        invalid = np.where(empty, not empty_allowed, ~(np.isfinite(values) & is_valid(values)))
    bad.rows(table, name, invalid.astype(bool), allowed + (", or nothing" if empty_allowed else ""))
    return values


def _whole(low: float, high: float) -> _CellCheck:
    return lambda x: (x == np.round(x)) & (x >= low) & (x <= high)


def read_trial(path: Path) -> tuple[TrialPhase, ...]:
    """Read a trial's daily table.

    Returns
    -------
    tuple of TrialPhase
        By participant (numeric ids in numeric order, other ids after them), then phase. The row order of the file has
        no effect; further columns are ignored.

    Raises
    ------
    InputError
        A missing column, an invalid day, dose, category or answer, a repeated day, or days that disagree with the
        phase. Every problem is reported with file, row and column.
    """
    table = read_csv(path, "no day", "at least one day of one participant")
    bad = Problems(str(path))
    for column in TRIAL_COLUMNS:
        if column not in table.columns:
            bad.add_text(
                "header",
                f"no column {column}{nearest(column, table.columns)}",
                f"the columns {', '.join(TRIAL_COLUMNS)}",
            )
    bad.raise_if_any()
    bad.rows(table, "who", (table["who"] == "").to_numpy(), "a participant's id")
    days = f"a whole number of days, -{_LAST_DAY:g} to {_LAST_DAY:g}"
    cells: Mapping[str, Floats] = {
        "study_day": _column(table, "study_day", bad, days, _whole(-_LAST_DAY, _LAST_DAY), empty_allowed=False),
        "phase": _column(table, "phase", bad, "1, 2, …", _whole(1, 99), empty_allowed=False),
        "day_in_phase": _column(table, "day_in_phase", bad, days, _whole(-_LAST_DAY, _LAST_DAY), empty_allowed=False),
        "bup_mg": _column(
            table,
            "bup_mg",
            bad,
            f"mg of buprenorphine that day, 0 to {_MOST_MG:g}",
            lambda x: (x >= 0) & (x <= _MOST_MG),
            empty_allowed=True,
        ),
        "cows_cat": _column(table, "cows_cat", bad, "a COWS category 0, 1, 2 or 3", _whole(0, 3), empty_allowed=True),
        "opioid_use_selfreport": _column(
            table, "opioid_use_selfreport", bad, "0 or 1", _whole(0, 1), empty_allowed=True
        ),
    }
    bad.raise_if_any()
    rows = pd.DataFrame({**cells, "who": table["who"], "row": np.arange(len(table)) + 2})
    repeated = rows.duplicated(["who", "study_day"], keep=False)
    for (who, day), same in rows[repeated].groupby(["who", "study_day"]):
        first, second = same["row"].iloc[:2]
        bad.add(
            f"row {second}, study_day",
            f"{day:g} of participant {who}, as in row {first}",
            "one row per participant and day",
        )
    bad.raise_if_any()
    rows = rows.sort_values(["who", "phase", "study_day"], kind="stable")
    phases = [_phase(phase_rows, bad) for _, phase_rows in rows.groupby(["who", "phase"])]
    bad.raise_if_any()
    return tuple(sorted(phases, key=_sort_key))


def _phase(phase_rows: pd.DataFrame, bad: Problems) -> TrialPhase:
    """One phase of one participant, rows in order of days; inconsistent days are problems."""
    row, day, in_phase = (phase_rows[name].to_numpy() for name in ("row", "study_day", "day_in_phase"))
    who = str(phase_rows["who"].iloc[0])
    for k in np.flatnonzero(np.diff(day) != np.diff(in_phase)) + 1:
        given = f"{in_phase[k]:g} on study day {day[k]:g} of participant {who}"
        bad.add(f"row {row[k]}, day_in_phase", given, "the same increase as study_day")
    return TrialPhase(
        who,
        int(phase_rows["phase"].iloc[0]),
        day.astype(np.int64),
        in_phase.astype(np.int64),
        phase_rows["bup_mg"].to_numpy(),
        phase_rows["cows_cat"].fillna(-1).to_numpy(dtype=np.int64),
        phase_rows["opioid_use_selfreport"].to_numpy(),
        int(row[0]),
    )


def _sort_key(phase: TrialPhase) -> tuple[int, int, str, int]:
    number = phase.who.isdecimal()
    return (0 if number else 1, int(phase.who) if number else 0, phase.who, phase.phase)


def histories(phases: tuple[TrialPhase, ...]) -> dict[str, History]:
    """Each phase as a separate history, by ``participant/phase``."""
    return {f"{p.who}/{p.phase}": replace(p.history(), patient_id=f"{p.who}/{p.phase}") for p in phases}
