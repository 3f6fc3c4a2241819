"""The package's CSV tables, with sources and review columns. Imports nothing of the package.

Every row has the columns ``source``, ``verified`` (whether the key number was seen in that source), ``reviewed_by`` and
``reviewed_on`` (whether a licensed person has read the row against its source). Only a licensed person fills the review
columns; nothing in this package writes them.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

__all__ = ["REVIEWED", "UNREVIEWED", "Row", "Table", "is_reviewed", "names", "read", "review_status", "verified_counts"]

UNREVIEWED: Final = "research use: not clinically reviewed"
REVIEWED: Final = "clinically reviewed"
VERIFIED_VALUES: Final = ("yes", "partial", "no")

Row = Mapping[str, str]


def is_reviewed(row: Row) -> bool:
    """Whether a licensed person has signed the row: ``reviewed_by`` and ``reviewed_on`` both filled."""
    return bool(row["reviewed_by"].strip()) and bool(row["reviewed_on"].strip())


def review_status(rows: Iterable[Row]) -> str:
    """Review status of the rows used, for outputs.

    Returns
    -------
    str
        :data:`REVIEWED` if there is at least one row and every row is signed, else :data:`UNREVIEWED`.
    """
    signed = [is_reviewed(row) for row in rows]
    return REVIEWED if signed and all(signed) else UNREVIEWED


def verified_counts(rows: Iterable[Row]) -> dict[str, int]:
    """Number of rows with ``verified`` equal to ``yes``, ``partial`` and ``no``; all three keys are present."""
    counts = dict.fromkeys(VERIFIED_VALUES, 0)
    for row in rows:
        counts[row["verified"]] += 1
    return counts


@dataclass(frozen=True)
class Table:
    """A CSV table of the package.

    Attributes
    ----------
    name : str
        File name without ``.csv``.
    columns : tuple of str
        The file's first line.
    rows : tuple of mapping
        Column to text, read-only, in file order; an empty cell is ``""``.
    sha256 : str
        Hash of the file's bytes, for run manifests.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    sha256: str

    def provenance(self, rows: Iterable[Row] | None = None) -> dict[str, object]:
        """Provenance of the table for outputs: number of rows used, their verification and review.

        Parameters
        ----------
        rows : iterable of mapping, optional
            The rows that were used; all rows if omitted.
        """
        used = self.rows if rows is None else tuple(rows)
        return {
            "table": self.name,
            "sha256": self.sha256,
            "rows": len(used),
            "verified": verified_counts(used),
            "reviewed": sum(map(is_reviewed, used)),
            "status": review_status(used),
        }


def names() -> tuple[str, ...]:
    """Names of all tables, sorted."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".csv") for name in files if name.endswith(".csv")))


@cache
def read(name: str) -> Table:
    """Read a table of the package; the result is cached.

    Parameters
    ----------
    name : str
        One of :func:`names`, such as ``"drugs"``.

    Raises
    ------
    ValueError
        If the table does not exist, or a line has more or fewer cells than the first.
    """
    if name not in names():
        raise ValueError(f"there is no table {name!r}; allowed: {', '.join(names())}")
    content = resources.files(__name__).joinpath(f"{name}.csv").read_bytes()
    lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    columns = tuple(next(lines))
    rows: list[Row] = []
    for cells in lines:
        if len(cells) != len(columns):
            raise ValueError(f"{name}.csv line {lines.line_num} has {len(cells)} cells; allowed: {len(columns)}")
        rows.append(MappingProxyType(dict(zip(columns, cells, strict=True))))
    return Table(name, columns, tuple(rows), hashlib.sha256(content).hexdigest())
