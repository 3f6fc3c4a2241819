"""What was felt after a cut: broken, kept and unknown limits, by hand and over generated reports."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.safety.red_flags import judge
from taper_sim.safety.variables import Values

TODAY = date(2026, 3, 31)
BEFORE = [5.0, 4.0, 6.0, 5.0, 5.0, 4.0, 6.0, 5.0, 5.0, 5.0]


def record(after: Sequence[float], ago: int, before: Sequence[float] = BEFORE, name: str = "pain_nrs") -> Values:
    """A cut from 300 to 270 mg so many days ago, the reports of the days before it and from its day on."""
    cut = TODAY - timedelta(days=ago)
    entry = find_drug("morphine", "ER")
    rows = (DoseRow(cut - timedelta(days=300), entry, 300.0), DoseRow(cut, entry, 270.0))
    days = [(cut - timedelta(days=k + 1), x) for k, x in enumerate(before)]
    days += [(cut + timedelta(days=k), x) for k, x in enumerate(after)]
    return Values(History("p", tuple(CheckIn(day, name, x) for day, x in days), rows), TODAY)


def states(values: Values) -> tuple[str, str]:
    """States of the two flags on past cuts."""
    by_name = {f.flag: f.state for f in judge(values).flags}
    return by_name["cut_broke_limit"], by_name["cut_not_recovered"]


def test_a_painful_cut_is_said_with_its_worst_day_and_its_days_over_the_limit() -> None:
    (cut,) = record([7.0, 8.0, 7.0, 7.0, 9.0, 7.0, 6.5, 5.0, 5.0], 40).felt_cuts()
    assert (cut.broke, cut.still) == (True, False)
    assert cut.words.startswith(
        "after the opioid cut of 2026-02-19 (10 % of the dose then): pain 9 at worst, 5.0 before"
    )
    assert cut.words.endswith("over the limit on 7 of 9 days; not back after 8 days")


@pytest.mark.parametrize(
    ("after", "ago", "expected"),
    [
        ([7.0] * 5, 4, ("true", "true")),  # five days into a painful cut
        ([7.0] * 7 + [5.0] * 7, 13, ("true", "true")),  # recovered, but less than two weeks ago
        ([7.0] * 7 + [5.0] * 8, 14, ("true", "false")),
        ([7.0] * 60, 59, ("true", "true")),  # it has not passed
        ([6.0] * 14, 20, ("false", "false")),  # exactly at the limit
        ([5.0, 9.0, 5.0, 5.0, 5.0, 5.0, 5.0], 20, ("false", "false")),  # one bad day
        ([9.0, 9.0], 20, ("unknown", "unknown")),
        # three bad days are half of the last six days, but not of the last seven
        ([7.0] * 7 + [5.0] * 8 + [9.0] * 3 + [5.0] * 3, 20, ("true", "false")),
    ],
)
def test_a_cut_breaks_a_limit_in_a_bad_week(after: list[float], ago: int, expected: tuple[str, str]) -> None:
    assert states(record(after, ago)) == expected


def test_scatter_before_the_cut_and_too_few_reports_before_it_break_no_limit() -> None:
    assert states(record([6.5] * 7, 20, before=[1.0, 9.0, 2.0, 8.0, 5.0])) == ("false", "false")
    assert states(record([9.0] * 7, 20, before=[5.0, 5.0])) == ("unknown", "unknown")


def test_function_and_withdrawal_have_limits_of_their_own() -> None:
    assert states(record([34.0] * 7, 20, before=[45.0] * 5, name="function")) == ("true", "false")
    assert states(record([35.0] * 7, 20, before=[45.0] * 5, name="function")) == ("false", "false")
    assert states(record([7.0] * 7, 20, before=[2.0] * 5, name="sows_gossop")) == ("true", "false")
    assert states(record([6.5] * 7, 20, before=[2.0] * 5, name="sows_gossop")) == ("false", "false")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 10), min_size=4, max_size=14),
    st.lists(st.integers(0, 10), min_size=3, max_size=14),
    st.integers(0, 13),
    st.integers(1, 10),
)
def test_a_worse_report_after_a_cut_never_unbreaks_a_limit(
    before: list[int], after: list[int], which: int, by: int
) -> None:
    ago = len(after) - 1
    worse = [min(x + by, 10) if k == which % len(after) else x for k, x in enumerate(after)]
    first, second = (
        record([float(x) for x in xs], ago, [float(x) for x in before]).felt_cuts() for xs in (after, worse)
    )
    assert second[0].broke >= first[0].broke and second[0].still >= first[0].still


@pytest.mark.parametrize(
    ("after", "ago", "back", "not_back"),
    [
        ([5.0, *[8.0] * 7, *[5.0] * 12], 40, 8, None),  # worst on days 1 to 7, and the days from day 8 are as before
        ([5.0, *[8.0] * 7, *[6.0] * 33], 40, None, 40),  # a point above is within the limit, and not back
        ([5.0, *[8.0] * 7, *[5.4] * 33], 40, 8, None),  # within half the limit
        ([*[8.0] * 7, 6.0, *[5.45] * 7], 14, 8, None),  # the first day of a fortnight counts
        ([8.0] * 10, 9, None, 9),  # it lasts
        ([5.0] * 20, 40, None, None),  # nothing was broken: nothing to recover from
        ([*[8.0] * 10, 5.0, 5.0], 11, None, 11),  # two good days are no week
    ],
)
def test_days_to_recover_run_from_the_cut_to_the_first_days_that_are_as_before(
    after: list[float], ago: int, back: int | None, not_back: int | None
) -> None:
    (cut,) = record(after, ago).felt_cuts()
    assert (cut.back_after_d, cut.not_back_after_d) == (back, not_back)


def test_recovery_counts_to_the_next_cut_and_what_is_longest_counts() -> None:
    entry = find_drug("morphine", "ER")
    days = {0: 5.0} | {d: 8.0 for d in range(1, 20)} | {d: 5.0 for d in range(20, 41)}
    checkins = [
        CheckIn(TODAY - timedelta(days=60 - d), name, scale * x)
        for name, scale in (("pain_nrs", 1.0), ("sows_gossop", 2.0))
        for d, x in ({-k: BEFORE[k - 1] for k in range(1, 11)} | days).items()
        if name == "pain_nrs" or d < 10 or d >= 12
    ]
    ago = (400, 60, 45)
    rows = [DoseRow(TODAY - timedelta(days=a), entry, mg) for a, mg in zip(ago, (300.0, 270.0, 240.0), strict=True)]
    cut = Values(History("p", tuple(checkins), tuple(rows[:2])), TODAY).felt_cuts()[0]
    first = Values(History("p", tuple(checkins), tuple(rows)), TODAY).felt_cuts()[0]
    assert (cut.back_after_d, cut.not_back_after_d) == (20, None)
    assert (first.back_after_d, first.not_back_after_d) == (None, 15)
    assert first.words.count("not back after 15 days") == 2
