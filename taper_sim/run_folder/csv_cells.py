"""Tables as CSV in which no spreadsheet finds a formula. Imports ``run_folder.atomic_files``.

A text that begins with ``= + - @``, a tab or a carriage return gets an apostrophe before it; :func:`read_table` removes
it. Numbers are unchanged, also in a column of texts.
"""

import csv
import re
from pathlib import Path
from typing import Any, Final

import pandas as pd

from taper_sim.run_folder.atomic_files import write_text

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_GUARDED: Final = re.compile(r"'+[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def guarded(value: Any) -> Any:
    """A text as a cell that no spreadsheet executes; any other value unchanged."""
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def unguarded(value: Any) -> Any:
    """Inverse of :func:`guarded`."""
    return value[1:] if isinstance(value, str) and _GUARDED.match(value) else value


def _over_texts(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    """The table with ``change`` applied to each cell of its columns of texts."""
    changed = {}
    for place, name in enumerate(table.columns):
        column = table.iloc[:, place]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        if column.dtype == object or pd.api.types.is_string_dtype(column.dtype):
            texts = column.map(change, na_action="ignore")
            if not texts.equals(column):
                changed[str(name)] = texts
    return table.assign(**changed) if changed else table


def write_csv(table: pd.DataFrame, path: Path, *, private: bool = False) -> None:
    """Write a table, numbers unrounded (shortest form that reads back the same), atomically."""
    text = _over_texts(table, guarded).to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # readers take it for a line end unless it is quoted
        text = _over_texts(table, guarded).to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    write_text(path, text, private=private)


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """Read a table that :func:`write_csv` wrote; ``options`` are those of ``pandas.read_csv``."""
    return without_guards(pd.read_csv(path, **options))


def without_guards(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its texts as they were before :func:`write_csv`."""
    return _over_texts(table, unguarded)
