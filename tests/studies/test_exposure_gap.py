"""Why people keep more of the dose than the schedule says: the committed table, and what the study switches off."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.model.event_parameters import PARAMETERS
from taper_sim.studies.exposure_gap import REASONS, _exposures, schedule_exposure

ROOT = Path(__file__).parents[2]
TABLE = pd.read_csv(ROOT / "docs" / "tables" / "exposure_gap.csv").set_index("reason")


def test_every_parameter_that_is_switched_off_exists() -> None:
    known = {q.symbol for q in PARAMETERS}
    assert {name for reason in REASONS for name in reason.fixed} <= known


def test_the_schedule_by_hand() -> None:
    assert schedule_exposure(364, 14) == pytest.approx((14 + 28 * sum(k / 10 for k in range(1, 10))) / 364)


def test_the_reasons_explain_the_whole_gap() -> None:
    """Only tablets are left, and lapses of those who are in the study to its end."""
    last = TABLE.loc["days with more than prescribed"]
    assert last["together"] - last["schedule"] == pytest.approx(last["tablets"], abs=0.002)
    assert TABLE.loc["every reason", "together"] > 0.6


def test_without_any_reason_people_take_what_the_schedule_says() -> None:
    exposure, of_tablets = _exposures(REASONS, 20, (1,))
    assert float(np.mean(exposure)) == pytest.approx(schedule_exposure(364, 0) + of_tablets, abs=0.01)
