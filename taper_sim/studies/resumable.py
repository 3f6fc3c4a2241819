"""A study of many pieces that goes on where it stopped. Imports nothing of the package.

What is finished stands in a file named by the hash of the code it describes: rows of other code are not gone on with.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

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
    """Run the pieces of a study that are missing, and write its table.

    Parameters
    ----------
    description : str
        For ``--help``.
    folder : str
        Where finished rows are kept unless ``--finished`` says another.
    n_people : int
        Unless ``--people`` says another number.
    columns : list of str
        Of a row; the first ones are a piece's name.
    pieces : callable
        Names of all pieces, for so many people.
    rows_of : callable
        Rows of a piece, for so many people and a seed.
    summary : callable
        The table of all rows.
    code : str
        Hash of the code that the rows describe.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--finished", type=Path, default=Path(folder), help="folder of what is finished")
    parser.add_argument("--people", type=int, default=n_people)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    kept = args.finished / f"people-{code}.csv"
    args.finished.mkdir(parents=True, exist_ok=True)
    found = pd.read_csv(kept) if kept.exists() else pd.DataFrame(columns=columns)
    wanted = list(pieces(args.people))
    name = columns[: len(wanted[0])]
    done = set(found[name].itertuples(index=False, name=None))
    for piece in wanted:
        if piece in done:
            continue
        new = pd.DataFrame(list(rows_of(piece, args.people, args.seed)), columns=columns)
        found = pd.concat([found, new], ignore_index=True) if len(found) else new
        found.to_csv(kept, index=False)
        print(*piece, flush=True)
    table = summary(found)
    table.to_csv(args.out, index=False)
    print(table.to_string())
