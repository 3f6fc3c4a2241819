"""Duty periods of weekly shifts."""

from dataclasses import replace

import pytest

from taper_sim.clinic.calendars import Duty, Shift, duties
from taper_sim.clinic.event_log import duty_table
from taper_sim.clinic.staffing.bounds import able_h, hours_until
from taper_sim.clinic.team import FULL_TIME_H, ROLES, Team, Worker

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
    ("shifts", "hours"),
    [
        ((Shift((0,), 480, 960), Shift((0,), 600, 1080)), 10.0),  # 08-16 and 10-18: 08-18
        ((Shift((0,), 480, 720),) * 6, 4.0),  # the same shift six times
        ((Shift(WORKDAYS, 480, 960, ((600, 720), (660, 780))),), 25.0),  # breaks 10-12 and 11-13: 10-13
        ((Shift(WORKDAYS, 480, 960, ((720, 780),)), Shift((2,), 480, 960)), 36.0),  # at work in Wednesday's break
        ((Shift((6,), 1320, 1800),), 8.0),  # Sunday night
        ((Shift(tuple(range(7)), 0, 1440),), 168.0),
        ((Shift((0,), 480, 960), Shift(tuple(range(7)), 0, 1440, urgent_only=True)), 8.0),
    ],
)
def test_the_hours_of_a_week_are_those_on_duty(shifts, hours):
    """Hours of the duty table in a week without effects of the start."""
    worker = Worker("w", ROLES["nurse"], shifts, leave=((8, 14),))
    team = Team((worker,))
    assert worker.hours_a_week == hours == team.fte("nurse") * FULL_TIME_H == able_h(team, "nurse")
    frame = duty_table(Team((replace(worker, leave=()),)).servers(28))
    table = frame[~frame["on_call"].astype(bool)]
    week = [(table["end"].clip(upper=day) - table["start"]).clip(lower=0).sum() / 60 for day in (14 * 1440, 21 * 1440)]
    assert week[1] - week[0] == pytest.approx(hours)


def test_hours_on_duty_until_a_day_end_at_midnight():
    """A night from 22:00 to 06:00, of which two hours are before midnight."""
    nights = Worker("w", ROLES["nurse"], (Shift((1,), 1320, 1800),))
    assert (hours_until(nights, 1), hours_until(nights, 2)) == (2.0, 8.0)


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
def test_an_invalid_shift_is_one_clear_line(shift, said):
    lines = [str(found) for found in shift.problems("team.xlsx", "row 4")]
    assert len(lines) == 1 and said in lines[0] and lines[0].startswith("team.xlsx: row 4: given ")
    assert not Shift((0,), 540, 1020, ((600, 615),)).problems("team.xlsx", "row 4")
