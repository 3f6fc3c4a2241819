"""Notebooks are pairs: the .py that is read in a review and the .ipynb that is run (CI runs them)."""

from pathlib import Path

import jupytext
import pytest

PAIRS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.py"))


def test_there_are_notebooks():
    assert PAIRS


@pytest.mark.parametrize("script", PAIRS, ids=lambda path: path.stem)
def test_the_two_of_a_pair_hold_the_same_cells_and_no_output(script: Path):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    assert not any(cell.get("outputs") for cell in notebook.cells)
