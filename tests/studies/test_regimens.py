"""Ordinary regimens have a way down at the default ceiling, and the table of them is current."""

from pathlib import Path

import pandas as pd

from taper_sim.data import formulary
from taper_sim.studies import regimens

TABLE = Path(__file__).parent.parent.parent / "docs" / "tables" / "regimens.csv"


def test_the_table_of_regimens_describes_the_code_as_it_is(tmp_path: Path) -> None:
    """Else: ``python -m taper_sim.studies.regimens --out docs/tables/regimens.csv``, seconds."""
    assert set(pd.read_csv(TABLE)["code"]) == {regimens.code_hash()}
    assert regimens.main(["--out", str(tmp_path / "regimens.csv")]) == 0
    assert (tmp_path / "regimens.csv").read_text() == TABLE.read_text()


def test_nearly_every_ordinary_regimen_can_be_reduced_within_the_ceiling() -> None:
    table = pd.read_csv(TABLE)
    assert set(zip(table["drug"], table["formulation"], strict=True)) == set(formulary.formulary())
    assert (table["reducible"] != "no").mean() >= 50 / 54
    assert table.loc[table["reducible"] != "yes", "needed"].notna().all()
    small = table[table["reducible"] == "yes"]
    assert (small["largest_step_pct"] <= 25).all()
    waits = small["first_step_day"] - 1 >= 28 * small["first_step_pct"] / small["ceiling_pct_per_28d"] - 0.2
    assert (waits | (small["first_step_pct"] <= small["ceiling_pct_per_28d"])).all()
