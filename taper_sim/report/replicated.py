"""Values over replications, with an interval only from enough of them. Imports ``report.wording``."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.report.wording import count, number_text

FEWEST_REPLICATIONS: Final = 5
"""Fewest replications of an interval on a page. A design choice: Student's factor is 12.7 with 2 replications, 4.3 with
3 and 2.8 with 5, against 2.0 with many, and it also assumes that replications scatter normally."""


@dataclass(frozen=True)
class Replicated:
    """A mean over replications in the unit of its text.

    Attributes
    ----------
    mean, low, high : float
        Mean and 95 % interval over replications.
    n : int
        Replications.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def has_interval(self) -> bool:
        """Whether the interval may be reported."""
        return self.n >= FEWEST_REPLICATIONS and bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def is_above_0(self) -> bool:
        """Whether a reported interval lies above 0."""
        return self.has_interval and self.low > 0.0

    @property
    def is_below_0(self) -> bool:
        """Whether a reported interval lies below 0."""
        return self.has_interval and self.high < 0.0

    def text(self, digits: int, *, signed: bool = False) -> str:
        """The mean, and the interval in brackets if it may be reported."""
        if pd.isna(self.mean):
            return "–"
        shown = number_text(self.mean, digits, signed=signed)
        if not self.has_interval:
            return shown
        return f"{shown} ({self.bounds(digits, signed=signed)})"

    def bounds(self, digits: int, *, signed: bool = False) -> str:
        """The interval."""
        low, high = (number_text(end, digits, signed=signed) for end in (self.low, self.high))
        return f"{low} to {high}"


def replicated(
    row: Mapping[Hashable, Any], n: int | None = None, factor: float = 1.0, *, what: str = "estimate"
) -> Replicated:
    """A value of a row of a table, times a factor.

    Parameters
    ----------
    row : mapping
        Row of a table; ``mean`` is another name of its ``estimate``.
    n : int, optional
        Replications; by default the row's ``n_replications``.
    factor : float
    what : str
        ``estimate``, ``change`` or ``gap``.
    """
    start = "" if what == "estimate" else f"{what}_"
    middle = "mean" if what == "estimate" and "mean" in row else what
    mean, low, high = (factor * float(row[name]) for name in (middle, f"{start}lo95", f"{start}hi95"))
    return Replicated(mean, low, high, int(row["n_replications"] if n is None else n))


def value_text(row: Mapping[Hashable, Any] | None, factor: float, digits: int, n: int | None = None) -> str:
    """The text of a row's value (:func:`replicated`); a dash without a row."""
    return "–" if row is None else replicated(row, n, factor).text(digits)


def few_sentence(what: str, n: int) -> str:
    """What a run with too few replications cannot say."""
    return f"The run cannot say {what}: {count(n, 'replication')}, and an interval needs {FEWEST_REPLICATIONS}."


def replication_sentences(n: int) -> list[str]:
    """How many replications the numbers are means of, and whether they have intervals."""
    if n >= FEWEST_REPLICATIONS:
        return [
            f"Numbers are means over {count(n, 'replication')}; brackets: 95 % interval over replications (Student)."
        ]
    return [
        f"Numbers are means over {count(n, 'replication')}, without intervals: an interval needs {FEWEST_REPLICATIONS} "
        "replications or more. With 2, Student's factor is 12.7 and the interval tells nothing. No difference on this "
        "page is therefore a finding."
    ]


def without_few(table: pd.DataFrame, *ends: str) -> pd.DataFrame:
    """A copy of a table without the ends of intervals from too few replications."""
    shown = table.copy()
    if "n_replications" in shown:
        shown.loc[shown["n_replications"] < FEWEST_REPLICATIONS, [name for name in ends if name in shown]] = np.nan
    return shown
