"""Rows of a long computation: a rerun computes what is missing and nothing else."""

from pathlib import Path

import pandas as pd
import pytest

from taper_sim.run_folder import completed_rows


def test_a_rerun_computes_the_missing_pieces_only(tmp_path: Path) -> None:
    path, computed = tmp_path / "rows.csv", []

    def rows_of(piece: tuple[str, int]) -> list[tuple[str, int, float]]:
        if piece[1] == 2 and len(computed) == 1:
            raise KeyboardInterrupt
        computed.append(piece)
        return [(*piece, 0.5), (*piece, 1.5)]

    pieces = [("a", 1), ("a", 2), ("b", 1)]
    with pytest.raises(KeyboardInterrupt):
        completed_rows(path, ["name", "number", "value"], pieces, rows_of, key=2)
    computed.append(("stopped", 0))
    rows = completed_rows(path, ["name", "number", "value"], pieces, rows_of, key=2)
    assert computed == [("a", 1), ("stopped", 0), ("a", 2), ("b", 1)]
    assert rows[["name", "number"]].values.tolist() == [["a", 1], ["a", 1], ["a", 2], ["a", 2], ["b", 1], ["b", 1]]
    pd.testing.assert_frame_equal(pd.read_csv(path), rows, check_dtype=False)


def test_a_piece_may_be_a_single_value(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    first = completed_rows(path, ["number", "square"], range(3), lambda n: [(n, n * n)])
    again = completed_rows(path, ["number", "square"], range(4), lambda n: [(n, -1)] if n < 3 else [(n, n * n)])
    assert first["square"].tolist() == [0, 1, 4] and again["square"].tolist() == [0, 1, 4, 9]
