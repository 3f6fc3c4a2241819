"""The search for a team: sequential test, part-time staff, candidates, order of tests; without simulation."""

import itertools

import numpy as np
import pytest

from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.staffing.bounds import able_h
from taper_sim.clinic.staffing.feasibility import TargetTest, Verdict, share_interval
from taper_sim.clinic.staffing.search import around, candidates, larger_team, part_of, search, weekly_cost, with_fte
from taper_sim.clinic.team import ROLES, Team, Worker

DAY = Shift((0, 1, 2, 3, 4), 480.0, 990.0, ((720.0, 750.0),))
NIGHT = Shift((5, 6), 600.0, 900.0)
CALL = Shift(tuple(range(7)), 0.0, 1440.0, urgent_only=True)


def person(role, k, *shifts, leave=()):
    return Worker(f"{role} {k}", ROLES[role], shifts or (DAY,), leave, None, (), ROLES[role].cost_usd_h)


TEAM = Team(
    (person("physician", 1), person("nurse", 1), person("nurse", 2, leave=((3, 9),)), person("nurse", 3, NIGHT))
)
OTHERWISE = {role: person(role, 1) for role in ROLES}


def test_the_error_rate_of_the_sequential_test_is_at_most_the_stated_one():
    rule = TargetTest(0.8, 0.1, error=0.05, most=400)
    rng = np.random.default_rng(5)
    n = 400
    for share, right in ((0.9, Verdict.MEETS), (0.7, Verdict.FAILS)):
        wrong = 0
        for _ in range(n):
            met = list(rng.random(400) < share)
            said = next(v for k in range(401) if (v := rule.verdict(met[:k])) is not None)
            wrong += said is not right
        # Wald's error is at most 0.05/0.95; a bound passed by chance once in 10,000 runs
        assert wrong <= n * 0.0527 + 3.72 * np.sqrt(n * 0.0527 * 0.9473)


def test_a_perfect_team_passes_after_the_smallest_possible_number_of_replications():
    rule = TargetTest(0.8, 0.1, error=0.005, most=60)
    assert rule.verdict([True] * (rule.fewest - 1)) is None
    assert rule.verdict([True] * rule.fewest) is Verdict.MEETS
    assert rule.verdict([True, False] * 30) is Verdict.FAILS
    assert TargetTest(0.8, 0.1, error=0.005, most=3).verdict([True] * 3) is Verdict.UNDECIDED


def test_the_interval_of_a_share_is_that_of_the_binomial():
    low, high = share_interval(8, 10)
    assert (low, high) == pytest.approx((0.4439, 0.9748), abs=1e-4)  # Clopper and Pearson, standard tables
    assert share_interval(0, 4)[0] == 0.0 and share_interval(4, 4)[1] == 1.0


def test_a_fraction_of_an_fte_works_the_first_part_of_the_shift_with_its_breaks():
    assert part_of(DAY, 0.5) == Shift(DAY.weekdays, 480.0, 720.0, ())
    assert part_of(DAY, 0.75) == Shift(DAY.weekdays, 480.0, 870.0, ((720.0, 750.0),))
    assert part_of(CALL, 0.5) == CALL


@pytest.mark.parametrize("fte", [0.25, 0.75, 1.25, 1.5, 2.25, 3.25])
def test_a_team_has_the_given_fte_and_workers_on_other_shifts_stay(fte):
    team = with_fte(TEAM, {"nurse": fte}, OTHERWISE)
    assert team.fte("nurse") == pytest.approx(fte)
    assert [w for w in team.workers if w.shifts == (NIGHT,)] == [TEAM.workers[3]]
    assert team.of("prescriber") == TEAM.of("prescriber")
    names = [w.name for w in team.workers]
    assert len(set(names)) == len(names)


def test_todays_number_is_todays_team_and_fewer_than_those_who_stay_is_refused():
    assert set(with_fte(TEAM, {"nurse": TEAM.fte("nurse")}, OTHERWISE).workers) == set(TEAM.workers)
    with pytest.raises(ValueError, match=r"0\.25 work other shifts"):
        with_fte(TEAM, {"nurse": 0.1}, OTHERWISE)


def test_cost_and_hours_of_candidates_are_those_of_their_teams():
    levels = {"nurse": [0.25, 1.75, 3.25], "pt": [0.0, 1.5]}
    for one in candidates(TEAM, levels, OTHERWISE):
        team = with_fte(TEAM, dict(one.levels), OTHERWISE)
        assert one.cost_usd_week == pytest.approx(weekly_cost(team), abs=1e-5)
        assert one.fte == pytest.approx(sum(w.hours_a_week for w in team.workers) / 40.0)
        assert able_h(team, "nurse") == pytest.approx(40.0 * dict(one.levels)["nurse"])


def test_an_additional_worker_works_like_the_first_without_leave():
    team = larger_team(TEAM, "nurse")
    new = next(w for w in team.workers if w not in TEAM.workers)
    assert new.shifts == (DAY,) and new.leave == () and team.fte("nurse") == pytest.approx(TEAM.fte("nurse") + 1.0)


def test_without_ranges_teams_lie_around_todays_and_people_on_call_stay():
    team = Team((person("nurse", 1, CALL), *TEAM.workers))
    spans = around(team)
    assert spans == {"physician": (0.5, 2.0, 0.75), "nurse": (1.25, 4.25, 1.5)}
    fewer = with_fte(team, {"nurse": 1.25}, OTHERWISE)
    assert fewer.fte("nurse") == pytest.approx(1.25) and team.workers[0] in fewer.workers


LEVELS = {"nurse": [1.0, 2.0, 3.0, 4.0], "physician": [1.0, 2.0, 3.0]}
ALL = candidates(Team((person("nurse", 1), person("physician", 1))), LEVELS, OTHERWISE)


def price(one):
    return one.cost_usd_week


@pytest.mark.parametrize(("nurse", "physician", "both"), [*itertools.product([1, 3], [1, 2, 3], [0, 5, 7])])
def test_the_search_finds_the_cheapest_and_tries_fewer_than_all(nurse, physician, both):
    def judge(one):
        has = dict(one.levels)
        enough = has["nurse"] >= nurse and has["physician"] >= physician and sum(has.values()) >= both
        return Verdict.MEETS if enough else Verdict.FAILS

    found = search(ALL, price, judge, 50)
    assert found.chosen == min((one for one in ALL if judge(one) is Verdict.MEETS), key=price)
    assert len(found.tried) < len(ALL) and not found.stopped


def test_if_the_largest_team_fails_no_other_team_is_tested():
    found = search(ALL, price, lambda one: Verdict.FAILS, 50)
    assert found.chosen is None and [one.levels for one in found.tried] == [(("nurse", 4.0), ("physician", 3.0))]


def test_an_undecided_team_is_not_chosen_and_excludes_no_other():
    def judge(one):
        return Verdict.UNDECIDED if one.cost_usd_week < 15_000 else Verdict.MEETS

    found = search(ALL, price, judge, 50)
    assert found.chosen == min((one for one in ALL if one.cost_usd_week >= 15_000), key=price)


def test_a_search_stops_at_its_largest_number_of_teams_and_reports_it():
    def judge(one):
        return Verdict.MEETS if one.fte >= 6 else Verdict.FAILS

    found = search(ALL, price, judge, 2)
    assert found.stopped and len(found.tried) == 2 and found.chosen is not None


@pytest.mark.parametrize("today", [one for one in ALL if one.fte <= 6])
@pytest.mark.parametrize(("nurse", "physician", "both"), [(1, 1, 0), (2, 1, 5), (3, 2, 0)])
def test_from_todays_team_the_cheapest_is_found_too(today, nurse, physician, both):
    def judge(one):
        has = dict(one.levels)
        enough = has["nurse"] >= nurse and has["physician"] >= physician and sum(has.values()) >= both
        return Verdict.MEETS if enough else Verdict.FAILS

    found = search(ALL, price, judge, 50, today)
    assert found.chosen == min((one for one in ALL if judge(one) is Verdict.MEETS), key=price)


def test_a_search_that_stops_early_has_an_answer_no_dearer_than_todays_team_that_meets():
    """One step down at a time, the largest saving first: three teams; a physician costs more."""
    today = next(one for one in ALL if dict(one.levels) == {"nurse": 2.0, "physician": 2.0})
    found = search(ALL, price, lambda one: Verdict.MEETS, 3, today)
    assert found.stopped and found.chosen is not None
    assert dict(found.chosen.levels) == {"nurse": 2.0, "physician": 1.0}
    failing = search(ALL, price, lambda one: Verdict.MEETS if one.fte >= 6 else Verdict.FAILS, 50, today)
    assert failing.chosen is not None and failing.chosen.fte >= 6
