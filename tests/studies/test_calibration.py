"""The committed table of the calibration comes from this code, and its ranks are uniform."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.studies.calibration import DERIVED_QUANTITIES, POPULATIONS, code_hash, replicate

TABLE = pd.read_csv(Path(__file__).parent.parent.parent / "docs" / "tables" / "sbc.csv")


def test_the_table_comes_from_this_code() -> None:
    """Else: ``python -m taper_sim.studies.calibration --out docs/tables/sbc.csv --replications 200 --seeds 1``."""
    assert set(TABLE["code"]) == {code_hash()}


def test_ranks_are_uniform_and_intervals_have_their_coverage() -> None:
    assert set(TABLE["population"]) == set(POPULATIONS) and (TABLE["n"] >= 200).all()
    assert (TABLE["ks_p"] > 0.001 / len(TABLE)).all()  # Bonferroni, one in a thousand for the table
    for level, column in ((0.50, "cover50"), (0.80, "cover80"), (0.95, "cover95")):
        error = np.sqrt(level * (1 - level) / TABLE["n"])
        assert (np.abs(TABLE[column] - level) < np.maximum(4.5 * error, 0.04)).all(), column
    assert set(DERIVED_QUANTITIES) <= set(TABLE["quantity"])


@pytest.mark.parametrize("population", POPULATIONS)
def test_a_replication_is_reproducible(population: str) -> None:
    first, again = (replicate(population, 1, 3, 256) for _ in range(2))
    assert first == again
    assert all(0.0 <= rank <= 1.0 for rank in first.ranks.values())
