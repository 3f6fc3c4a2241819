"""Late and lost, by hand: each urgency's clock, from when work was wanted first."""

import numpy as np
import pandas as pd
import pytest

from taper_sim.clinic.coupling import STAFF_ILL
from taper_sim.clinic.service import late_from_due
from taper_sim.clinic.work import CLOCK_MIN

END = 20_000.0


def log(*rows):
    """Urgency, due, requested, started, ended, outcome, work, why."""
    columns = ["urgency", "due", "requested", "started", "ended", "outcome", "work", "why"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("urgency", sorted(CLOCK_MIN))
def test_work_is_late_one_minute_after_its_clock_and_not_one_before(urgency):
    clock = {0: 60.0, 1: 1440.0, 2: 4320.0, 3: 10080.0}[urgency]  # an hour, a day, three days, a week
    rows = [(urgency, 10.0, 10.0, 10.0 + clock + more, 99.0, "done", "message", "") for more in (-1.0, 0.0, 1.0)]
    assert late_from_due(log(*rows), END).tolist() == [False, False, True]


def test_what_was_put_off_is_late_from_when_it_was_wanted_first():
    hurried = (0, 0.0, 5000.0, 5001.0, 5010.0, "done", "dose_order", "")
    moved = (2, 0.0, 5000.0, 5001.0, 5010.0, "done", "visit", "")
    assert late_from_due(log(hurried, moved), END).tolist() == [True, True]


def test_what_was_given_up_or_had_no_room_is_late_and_what_went_elsewhere_is_not():
    nan = np.nan
    rows = [
        (3, 0.0, 0.0, nan, 5.0, "reneged", "message", ""), (2, 0.0, 0.0, nan, 0.0, "cancelled", "visit", "no room"),
        (2, 0.0, 0.0, nan, 0.0, "cancelled", "visit", STAFF_ILL),
        (1, 0.0, 0.0, nan, 480.0, "cancelled", "alert_spike", "passed on"),
    ]  # fmt: skip
    assert late_from_due(log(*rows), END).tolist() == [True, True, False, False]


def test_what_still_waits_is_late_once_its_clock_has_run_out():
    waiting = (3, END - 10_081.0, END - 10_081.0, np.nan, np.nan, "open", "message", "")
    fresh = (3, END - 100.0, END - 100.0, np.nan, np.nan, "open", "message", "")
    assert late_from_due(log(waiting, fresh), END).tolist() == [True, False]
