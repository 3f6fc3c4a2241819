"""Resumable studies: a study is a list of pieces; a rerun computes the missing ones. Imports ``run_folder``.

The file of finished rows carries the hash of the code in its name, so that rows of other code are never reused.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from taper_sim.run_folder import completed_rows

StudyPiece = tuple[Any, ...]


def run_study(
    description: str,
    folder: str,
    n_people: int,
    columns: list[str],
    pieces: Callable[[int], Iterable[StudyPiece]],
    rows_of: Callable[[StudyPiece, int, int], Iterable[Any]],
    summary: Callable[[pd.DataFrame], pd.DataFrame],
    code: str,
) -> None:
    """Run the missing pieces of a study, and write its table.

    Parameters
    ----------
    description : str
        Description for ``--help``.
    folder : str
        Default of ``--finished``, the folder of finished rows.
    n_people : int
        Default of ``--people``.
    columns : list of str
        Columns of a row; the first ones name the piece.
    pieces : callable
        Takes the number of people; returns the names of all pieces.
    rows_of : callable
        Takes a piece, the number of people and a seed; returns the rows of the piece.
    summary : callable
        Takes all rows; returns the table.
    code : str
        Hash of the code that the rows describe.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--finished", type=Path, default=Path(folder), help="folder of finished rows")
    parser.add_argument("--people", type=int, default=n_people)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    path = args.finished / f"people-{code}.csv"
    args.finished.mkdir(parents=True, exist_ok=True)
    all_pieces = list(pieces(args.people))
    rows = completed_rows(
        path,
        columns,
        all_pieces,
        lambda piece: rows_of(piece, args.people, args.seed),
        key=len(all_pieces[0]),
        on_piece=lambda piece: print(*piece, flush=True),
    )
    table = summary(rows)
    table.to_csv(args.out, index=False)
    print(table.to_string())
