"""Working time: opening hours, clocks, public holidays, their files, and what they change in a run."""

import datetime as dt

import numpy as np
import pytest

from taper_sim.clinic.calendars import DAY_MIN, EVERY_DAY, OpeningHours, Shift, duties
from taper_sim.clinic.event_log import clocks_in_working_time
from taper_sim.clinic.holidays import days_of_study, read_holidays, us_federal_holidays
from taper_sim.clinic.team import QUEUES, ROLES, Team, Worker
from taper_sim.data.problems import InputError
from taper_sim.scenario.clinic_schema import CalendarEntry
from tests.clinic.test_coupling import people, served, worker  # noqa: F401 - a fixture

WORKDAYS = OpeningHours(frozenset(range(5)))
"""Day 1 is a Tuesday: days 5 and 6 are the first weekend."""


def minute(day, hour):
    return (day - 1) * DAY_MIN + hour * 60.0


@pytest.mark.parametrize(
    ("since", "days", "until"),
    [
        ((1, 9), 1, (2, 9)),  # Tuesday to Wednesday
        ((4, 15), 1, (7, 15)),  # Friday to Monday
        ((4, 20), 1, (8, 8)),  # after closing: from Monday's opening
        ((5, 11), 1, (8, 8)),  # Saturday
        ((1, 6), 1, (2, 8)),  # before the opening
        ((4, 8), 3, (9, 8)),
        ((4, 16), 0.5, (7, 11)),  # two of five hours on Friday, three on Monday
    ],
)
def test_a_clock_runs_in_working_time(since, days, until):
    ends = WORKDAYS.after(np.array([minute(*since)]), np.array([days * DAY_MIN]))
    assert ends.tolist() == [minute(*until)]


def test_a_public_holiday_stops_the_clock_and_an_open_weekend_does_not():
    since, day = np.array([minute(4, 9)]), np.array([DAY_MIN])
    assert OpeningHours(WORKDAYS.weekdays, holidays=frozenset({7})).after(since, day).tolist() == [minute(8, 9)]
    assert EVERY_DAY.after(since, day).tolist() == [minute(5, 9)]
    assert WORKDAYS.after(np.zeros(0), np.zeros(0)).tolist() == []


def test_work_that_cannot_wait_has_a_clock_at_all_hours():
    due, clock = np.array([minute(5, 11)] * 2), np.array([60.0, DAY_MIN])
    assert clocks_in_working_time(due, clock, WORKDAYS).tolist() == [60.0, minute(8, 8) - minute(5, 11)]


def test_regular_shifts_stop_on_a_holiday_and_on_call_shifts_go_on():
    shifts = (Shift((1,), 480.0, 960.0), Shift((1,), 0.0, DAY_MIN, urgent_only=True))
    assert [duty.urgent_only for duty in duties(shifts, 1, holidays=frozenset({1}))] == [True]
    assert len(duties((Shift((1,), 480.0, 960.0, on_holidays=True),), 1, holidays=frozenset({1}))) == 1
    nurse = Worker("nurse 1", ROLES["nurse"], shifts[:1], cost_usd_h=10.0)
    assert Team((nurse,)).with_holidays(frozenset({1})).cost_usd(7) == 80.0  # the day is paid


def test_the_federal_holidays_are_the_published_ones():
    """Days off of the years 2026 and 2027, as the Office of Personnel Management lists them."""
    published = "01-01 01-19 02-16 05-25 06-19 07-03 09-07 10-12 11-11 11-26 12-25"
    days = us_federal_holidays(dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert sorted(days) == [dt.date.fromisoformat(f"2026-{day}") for day in published.split()]
    next_year = us_federal_holidays(dt.date(2027, 1, 1), dt.date(2027, 12, 31))
    observed = {dt.date(2027, 6, 18), dt.date(2027, 7, 5), dt.date(2027, 12, 24), dt.date(2027, 12, 31)}
    assert observed <= next_year and len(next_year) == 12
    assert dt.date(2020, 6, 19) not in us_federal_holidays(dt.date(2020, 1, 1), dt.date(2020, 12, 31))
    assert days_of_study([dt.date(2026, 1, 1), dt.date(2026, 1, 19)], dt.date(2026, 1, 6)) == {14}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("day\n2026-01-01\n", "no column date"),
        ("date\n2026-13-01\n", "row 2, date: given 2026-13-01"),
        ("date,name\n2026-01-01,a\n2026-01-01,b\n", "2026-01-01, as in row 2"),
    ],
)
def test_an_invalid_list_of_holidays_is_one_line(text, said, tmp_path):
    path = tmp_path / "holidays.csv"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_holidays(path)
    assert len(refused.value.problems) == 1 and said in str(refused.value)


def test_a_holiday_file_of_another_year_is_refused(tmp_path):
    path = tmp_path / "holidays.csv"
    path.write_text("date\n2025-12-25\n2025-11-11\n")
    entry = CalendarEntry(holidays_file="holidays.csv")
    with pytest.raises(InputError, match="given holidays of 2025; allowed: holidays of the run") as refused:
        entry.built(dt.date(2026, 1, 6), 30, tmp_path, "s.yaml")
    assert len(str(refused.value).splitlines()) == 1
    path.write_text("date\n2026-12-25\n2026-01-19\n")
    assert entry.built(dt.date(2026, 1, 6), 30, tmp_path, "s.yaml").holidays == {14, 354}


def test_an_order_of_a_weekend_is_not_late_and_waits_on_closed_days(people):  # noqa: F811
    """Everybody works from Monday to Friday; decisions fall on all days of the week."""
    workdays = Team(tuple(worker(queue, k, weekdays=range(5)) for queue in QUEUES for k in range(6)))
    runs = {
        name: served(people, workdays, n_days=42, enrol_over_d=14, opening=opening)
        for name, opening in {"closed": WORKDAYS, "every day": EVERY_DAY}.items()
    }
    late = {}
    for name, run in runs.items():
        orders = run.events[run.events["work"] == "dose_order"]
        weekend = ((orders["due"] // DAY_MIN + 1) % 7).isin([5, 6])
        begun = orders["started"] - orders["due"]
        late[name] = (begun > orders["clock"])[weekend].mean()
        assert weekend.sum() > 5
    assert late["every day"] > 0.3 and late["closed"] == 0.0
    assert runs["closed"].clinic["days_waiting_closed"].sum() > 0
    total = [run.clinic["days_waiting"] + run.clinic["days_waiting_closed"] for run in runs.values()]
    assert total[0].sum() < 1.5 * total[1].sum() and runs["every day"].clinic["days_waiting_closed"].sum() == 0
    unread = {name: np.nanmean(run.clinic["unread"]) for name, run in runs.items()}
    assert unread["closed"] < 0.05 < 0.2 < unread["every day"]
    assert np.nanmean(runs["closed"].clinic["unread_closed"]) > 0.2
