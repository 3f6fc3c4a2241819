"""How often a trial at half the dose settles where to stop: the committed table, and the study on a few people."""

from pathlib import Path

import numpy as np
import pandas as pd

from taper_sim.studies.settled import WORTHS, settled_rows

TABLE = pd.read_csv(Path(__file__).parents[2] / "docs" / "tables" / "settled.csv")


def test_the_forecast_agrees_with_what_happened() -> None:
    """Within three standard errors; where nobody was settled the error is that of one person."""
    error = np.maximum(TABLE["se"], 1.0 / TABLE["people"])
    assert (np.abs(TABLE["expected"] - TABLE["settled_after_trial"]) <= 3.0 * error).all()


def test_the_study_asks_every_question_of_everybody_in_care() -> None:
    rows = settled_rows(people=2, seeds=(1,))
    assert sorted(set(rows["full_stop"])) == list(WORTHS) and len(rows) == 4 * len(WORTHS)
    for column in ("settled_first", "expected", "settled_after_trial", "settled_last"):
        assert rows[column].between(0.0, 1.0).all()
    assert (rows["people"] <= 2).all()
