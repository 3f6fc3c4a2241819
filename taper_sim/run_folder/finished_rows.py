"""Rows of a long computation in pieces, kept in one file; a rerun computes the missing pieces. Imports nothing else."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def completed_rows[Piece](
    path: Path,
    columns: Sequence[str],
    pieces: Iterable[Piece],
    rows_of: Callable[[Piece], Iterable[Any]],
    key: int = 1,
    on_piece: Callable[[Piece], None] | None = None,
) -> pd.DataFrame:
    """Rows of all pieces; those in the file are not computed again.

    Parameters
    ----------
    path : Path
        CSV file, written after every piece. Its name should hold the hash of the code that the rows describe.
    columns : sequence of str
        Columns of a row; the first ``key`` name its piece.
    pieces : iterable
        Values of these columns: a tuple, or a single value where ``key`` is 1.
    rows_of : callable
        Rows of a piece.
    on_piece : callable, optional
        Called with each computed piece.
    """
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(columns))
    finished = set(rows[list(columns[:key])].itertuples(index=False, name=None))
    for piece in pieces:
        if (piece if isinstance(piece, tuple) else (piece,)) in finished:
            continue
        new = pd.DataFrame(list(rows_of(piece)), columns=list(columns))
        rows = pd.concat([rows, new], ignore_index=True) if len(rows) else new
        rows.to_csv(path, index=False)
        if on_piece is not None:
            on_piece(piece)
    return rows
