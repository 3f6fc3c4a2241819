"""Weeks into stretches of duty."""

import pytest

from taper_sim.clinic.calendars import Duty, Shift, duties

WORKDAYS = (0, 1, 2, 3, 4)


def test_a_week_with_a_break_and_a_day_of_leave():
    nine_to_five = Shift(WORKDAYS, 540, 1020, breaks=((720, 750),))
    found = duties([nine_to_five], 7, leave=[(3, 3)])  # day 1 is a Tuesday, days 5 and 6 the weekend
    assert [int(d.start // 1440) + 1 for d in found] == [1, 1, 2, 2, 4, 4, 7, 7]
    assert found[:2] == [Duty(540, 720), Duty(750, 1020)]


def test_a_night_shift_ends_on_the_next_day_and_overlaps_are_joined():
    found = duties([Shift((1,), 1320, 1800), Shift((2,), 300, 600)], 3)
    assert found == [Duty(1320, 1440 + 600)]


def test_on_call_is_what_no_shift_covers():
    found = duties([Shift((1,), 480, 960), Shift((1,), 0, 1440, urgent_only=True)], 2)
    assert found == [Duty(0, 480, True), Duty(480, 960), Duty(960, 1440, True)]


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (Shift((0,), 1020, 540), "a shift from 17:00 to 09:00"),
        (Shift((0,), 540, 540), "not positive"),
        (Shift((), 540, 1020), "weekdays"),
        (Shift((0,), 540, 1020, ((500, 560),)), "a break from 08:20 to 09:20"),
        (Shift((0,), 0, 3000), "3000 min"),
    ],
)
def test_what_is_wrong_with_a_shift_is_said_in_one_line(shift, said):
    lines = [str(found) for found in shift.problems("team.xlsx", "row 4")]
    assert len(lines) == 1 and said in lines[0] and lines[0].startswith("team.xlsx: row 4: given ")
    assert not Shift((0,), 540, 1020, ((600, 615),)).problems("team.xlsx", "row 4")
