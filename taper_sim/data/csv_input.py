"""CSV files as tables of text, and their problems. Imports ``data.problems``, ``data.yaml_input``.

Rows are numbered as an editor shows them, the header being row 1.
"""

import csv
import io
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools
from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.data.yaml_input import read_text

MAX_CSV_BYTES: Final = 1_000_000_000
"""One gigabyte; a million patients need a tenth of it."""
_MAX_COLUMNS: Final = 10_000
_MAX_HEADER: Final = 1_000_000
"""Characters of a header that are read: 10,000 names of a hundred characters."""
_PROBLEMS_SHOWN: Final = 20


class Problems:
    """Collects problems; raises them together, the first few in full, the others as a number.

    Attributes
    ----------
    file : str
    count : int
        Number of problems.
    """

    def __init__(self, file: str):
        self.file = file
        self.count = 0
        self._problems: list[Problem] = []

    @property
    def full(self) -> bool:
        """Whether further problems are only counted."""
        return self.count >= _PROBLEMS_SHOWN

    def add(self, place: str, given: Any, allowed: str) -> None:
        """Add a problem; ``given`` is shortened."""
        self.add_text(place, "" if self.full else shown(given), allowed)

    def add_text(self, place: str, given: str, allowed: str) -> None:
        """Add a problem whose text is short."""
        if not self.full:
            self._problems.append(Problem(self.file, place, given, allowed))
        self.count += 1

    def rows(self, table: pd.DataFrame, column: str, wrong: Bools, allowed: str, more: str = "") -> None:
        """Add a problem for each wrong row."""
        at = np.flatnonzero(wrong)
        for row in at[:_PROBLEMS_SHOWN]:
            given = shown(table[column].iloc[row]) or "nothing"
            self.add_text(f"row {row + 2}, {shown(column)}", f"{given}{more}", allowed)
        self.count += max(len(at) - _PROBLEMS_SHOWN, 0)

    def raise_if_any(self) -> None:
        """Raise :class:`InputError` with the first problems and the number of the others."""
        if not self._problems:
            return
        more = self.count - len(self._problems)
        last = [Problem(self.file, "", f"{more} more problems", "none; these are the first")] if more > 0 else []
        raise InputError([*self._problems, *last])


def _unreadable(path: Path, text: str, message: str) -> InputError:
    """Why a text is no table: the first row with more cells than the header, or an unclosed quote."""
    rows = csv.reader(io.StringIO(text))
    n_columns = 0
    try:
        for number, row in enumerate(rows, start=1):
            n_columns = n_columns or len(row)
            if len(row) > n_columns:
                return problem(str(path), f"row {number}", f"{len(row)} cells", f"{n_columns}, as in the header")
    except csv.Error:
        pass
    if "EOF inside string" in message:
        return problem(str(path), "", "a quote that is not closed", "quotes in pairs")
    return problem(str(path), "", message.strip().splitlines()[-1], "CSV with one header row")


def _refuse_wide(path: Path, text: str) -> None:
    """Refuse a header with more columns than any table has, before pandas spends time on them."""
    head = text[:_MAX_HEADER]
    try:
        header = next(csv.reader(io.StringIO(head, newline="")), [])
    except csv.Error:
        raise problem(str(path), "header", "a cell with too many characters", "names of columns") from None
    if len(header) > _MAX_COLUMNS or (len(text) > _MAX_HEADER and "\n" not in head):
        raise problem(str(path), "header", f"more than {_MAX_COLUMNS:,} columns", f"at most {_MAX_COLUMNS:,}")


def read_csv(path: Path, empty: str | None = "an empty cohort", least: str = "at least one patient") -> pd.DataFrame:
    """Read a CSV file as stripped text; empty cells are empty strings.

    Parameters
    ----------
    path : Path
    empty : str or None
        Name of a table without rows, for the message; None allows such a table.
    least : str
        What a table must have at least, for the message.

    Raises
    ------
    InputError
        For an empty file, repeated columns or a file that is no CSV.
    """
    text = read_text(path, MAX_CSV_BYTES)
    if not text.strip():
        raise problem(str(path), "", "an empty file", "a header and rows")
    if "\0" in text:
        raise problem(str(path), f"character {text.index(chr(0)) + 1}", "a null character", "text")
    _refuse_wide(path, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # else cells beyond the header are lost
            table = pd.read_csv(
                io.StringIO(text),
                dtype=str,
                keep_default_na=False,
                skipinitialspace=True,
                index_col=False,
                on_bad_lines="error",
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise _unreadable(path, text, str(error)) from None
    table.columns = [str(name).strip() for name in table.columns]
    places = {name: k for k, name in enumerate(table.columns, start=1)}
    repeated = [name for name in places if name.endswith(".1") and name[:-2] in places]
    if repeated:
        given = f"column {places[repeated[0]]} with the name of column {places[repeated[0][:-2]]}"
        raise problem(str(path), "header", given, "each column once")
    if table.empty and empty is not None:
        raise problem(str(path), "", f"a header without rows: {empty}", least)
    other = next((sign for sign in ";\t|" if sign in table.columns[0]), None)
    if (
        len(table.columns) == 1 and other is not None
    ):  # the message omits the text, which may be the first line of any file
        raise problem(str(path), "header", f"one column with {other!r} in its name", "columns separated by commas")
    return table.apply(lambda column: column.str.strip())
