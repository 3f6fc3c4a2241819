"""Late and lost work by hand: the clock of each urgency, from the first due minute, once for each piece of work."""

import numpy as np
import pandas as pd
import pytest

from taper_sim.clinic import work
from taper_sim.clinic.lateness import judged, late, late_closed, lost, wait_from_due
from taper_sim.clinic.team import ROLES, Team, Worker
from taper_sim.clinic.work import CLOCK_MIN

END = 20_000.0
NAN = np.nan


def log(*rows):
    """Urgency, due, requested, started, ended, outcome, work, why."""
    columns = ["urgency", "due", "requested", "started", "ended", "outcome", "work", "why"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(clock=table["urgency"].map(dict(CLOCK_MIN)), role="nurse")


@pytest.mark.parametrize("urgency", sorted(CLOCK_MIN))
def test_work_is_late_one_minute_after_its_clock_and_not_one_before(urgency):
    clock = {0: 60.0, 1: 1440.0, 2: 4320.0, 3: 10080.0}[urgency]  # an hour, a day, three days, a week
    rows = [(urgency, 10.0, 10.0, 10.0 + clock + more, 99.0, "done", "message", "") for more in (-1.0, 0.0, 1.0)]
    assert late(log(*rows), END).tolist() == [False, False, True]


def test_postponed_work_is_late_by_the_clock_from_its_first_due_minute():
    hurried = (0, 0.0, 5000.0, 5001.0, 5010.0, "done", "dose_order", "")
    moved = (2, 0.0, 5000.0, 5001.0, 5010.0, "done", "visit", "")
    assert late(log(hurried, moved), END).tolist() == [True, True]


def test_the_clock_of_the_row_counts_and_not_its_urgency():
    passed_on = log((0, 0.0, 3000.0, 3100.0, 3110.0, "done", "escalation", "")).assign(clock=4320.0)
    assert not late(passed_on, END).any() and late(passed_on.assign(clock=60.0), END).all()


def test_reneged_work_and_work_without_an_appointment_is_late_and_rebooked_work_is_assessed_at_its_last_row():
    rows = [
        (3, 0.0, 0.0, NAN, 5.0, "reneged", "message", ""),
        (2, 0.0, 0.0, NAN, 0.0, "cancelled", "visit", work.NO_ROOM),
        (1, 0.0, 0.0, NAN, 5.0, "cancelled", "checkin_review", work.DISMISSED),
        (2, 0.0, 0.0, NAN, 0.0, "cancelled", "visit", work.STAFF_ILL),
        (2, 0.0, 0.0, NAN, 45.0, "reneged", "visit", work.PUT_OFF),
        (1, 0.0, 0.0, NAN, 480.0, "cancelled", "alert_spike", work.PASSED_ON),
        (1, 0.0, 0.0, NAN, 4400.0, "cancelled", "dose_order", work.HURRIED),
    ]
    assert lost(log(*rows)).tolist() == [True, True, True, False, False, False, False]
    assert judged(log(*rows), END).tolist() == [True, True, True, False, False, False, False]
    assert late(log(*rows), END)[:3].all()


@pytest.mark.parametrize("why", [work.LEFT_CARE, work.HANDED_OFF])
def test_work_of_a_patient_who_left_counts_only_if_it_was_late_by_then(why):
    soon, too_late = ((1, 0.0, 0.0, NAN, ended, "cancelled", "dose_order", why) for ended in (1000.0, 2000.0))
    assert judged(log(soon, too_late), END).tolist() == [False, True]
    assert not lost(log(soon, too_late)).any()


def test_a_visit_booked_after_the_run_is_late_after_its_clock():
    rows = [(2, due, due, NAN, due, "cancelled", "visit", work.AFTER_THE_END) for due in (END - 4321.0, END - 4319.0)]
    assert wait_from_due(log(*rows), END).tolist() == [4321.0, 4319.0]
    assert late(log(*rows), END).tolist() == judged(log(*rows), END).tolist() == [True, False]


def test_waiting_work_is_late_after_its_clock():
    waiting = (3, END - 10_081.0, END - 10_081.0, NAN, NAN, "open", "message", "")
    fresh = (3, END - 100.0, END - 100.0, NAN, NAN, "open", "message", "")
    assert late(log(waiting, fresh), END).tolist() == [True, False]


def test_late_work_because_of_closed_hours_differs_from_work_that_waited_for_capacity():
    """A nurse at work from 480 to 960 and from 4800 to 5280, on call in between, and a covering worker."""
    stand_in = Worker("pt 1", ROLES["pt"], (), stands_in_for=("nurse",))
    team = Team((Worker("nurse 1", ROLES["nurse"], ()), stand_in, Worker("pt 2", ROLES["pt"], ())))
    duty = pd.DataFrame(
        [
            ("nurse 1", 480.0, 960.0, False),
            ("nurse 1", 4800.0, 5280.0, False),
            ("pt 1", 4700.0, 5000.0, False),
            ("pt 2", 2000.0, 4000.0, False),
            ("nurse 1", 960.0, 4800.0, True),
        ],
        columns=["resource", "start", "end", "on_call"],
    )
    rows = [
        (1, 950.0, 950.0, 4745.0, 4750.0, "done", "dose_order", ""),  # 10 minutes before closing, 45 after opening
        (1, 950.0, 950.0, 4755.0, 4760.0, "done", "dose_order", ""),  # 65 in all: somebody was there to begin it
        (1, 480.0, 480.0, 4701.0, 4702.0, "done", "dose_order", ""),
        (0, 1000.0, 1000.0, 4701.0, 4702.0, "done", "alert_red_flag", ""),  # on call: there was somebody
        (1, 950.0, 950.0, 960.0, 970.0, "done", "dose_order", ""),  # in time
        (1, 0.0, 0.0, NAN, 0.0, "reneged", "dose_order", ""),
    ]
    assert late(log(*rows), END).tolist() == [True, True, True, True, False, True]
    assert late_closed(log(*rows), duty, team, END).tolist() == [True, False, False, False, False, False]
