"""The committed tables of the ladder: of this code, and with the columns that are promised."""

from pathlib import Path

import pandas as pd
import pytest

from taper_sim.experiments.ladder import code_hash
from tests.conftest import ROOT

TABLES = sorted((ROOT / "docs" / "tables").glob("ladder*.csv"))


def test_there_are_tables() -> None:
    assert TABLES


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_table_is_of_this_code(path: Path) -> None:
    """Else: the command of docs/personal-pace.md, and copy its tables."""
    table = pd.read_csv(path)
    assert set(table["code"]) == {code_hash()}
    if "gap" in table:
        assert (table["gain_lo95"] <= table["gain"]).all() and (table["gain"] <= table["gain_hi95"]).all()
    else:
        assert ((table["share_over"] >= 0) & (table["share_over"] <= 1)).all()
        assert (table["lo95"] <= table["loss"]).all() and (table["loss"] <= table["hi95"]).all()
