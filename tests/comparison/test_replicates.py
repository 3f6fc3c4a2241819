"""Few people also live under further draws."""

import numpy as np
import pytest

from taper_sim.comparison.between_draws import DrawEvents, DrawMeans, between_log_odds, between_variances, centres_of
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.replicates import MOST_ROWS, keys_of, n_replicates
from taper_sim.comparison.tables import SMALLEST_CELL, difference_rows, summary_rows
from taper_sim.simulation.ensemble import draw_of

RNG = np.random.default_rng(8)
KEYS = RNG.integers(1, 2**63, 60).astype(np.uint64)


@pytest.mark.parametrize(("people", "draws", "expected"), [(60, 50, 26), (400, 50, 4), (4000, 50, 1), (30, 20, 20)])
def test_replicates_fill_the_tiles_of_the_kernel(people: int, draws: int, expected: int):
    assert n_replicates(people, draws) == expected


def test_a_large_ensemble_of_few_people_is_no_large_run():
    assert 20 * n_replicates(20, 1000) <= MOST_ROWS


def test_fewer_people_than_a_table_shows_have_no_replicates():
    assert n_replicates(SMALLEST_CELL - 1, 50) == 1


def test_the_people_come_first_and_no_replicate_has_a_draw_of_the_same_person():
    keys = keys_of(KEYS, 50, 26)
    assert (keys[:60] == KEYS).all()
    assert len(np.unique(keys)) == len(keys)
    draws = draw_of(keys, 50).reshape(26, 60)
    assert all(len(set(draws[:, person])) == 26 for person in range(60))


def test_a_persons_keys_depend_on_nobody_else():
    order = RNG.permutation(60)[:30]
    assert (keys_of(KEYS[order], 50, 5).reshape(5, 30) == keys_of(KEYS, 50, 5).reshape(5, 60)[:, order]).all()


def test_replicates_leave_mean_and_spread_to_the_people():
    values = RNG.normal(5.0, 1.0, 240)
    draw = np.arange(240) % 20
    groups = {"all": np.ones(60, dtype=bool)}
    row = next(summary_rows("a", [BY_NAME["pain_nrs_change"]], {"pain_nrs_change": values}, draw, groups, False))
    assert row["n"] == 60
    assert row["mean"] == pytest.approx(values[:60].mean(), abs=1e-12)
    assert row["sd"] == pytest.approx(values[:60].std(ddof=1), abs=1e-12)
    assert row["interval_method"] == "draws, replicates"


def test_the_spread_between_draws_is_never_nothing():
    alike = DrawMeans(np.array([0.1, -0.1, 0.05, -0.05]), np.full(4, 1.0), 1.0)
    assert between_variances([alike])[0] > 0.0
    assert between_log_odds([DrawEvents(np.zeros(20) + 1.0, np.full(20, 100.0))])[0] > 0.0


def test_a_single_draw_has_no_spread():
    assert between_variances([DrawMeans(np.array([0.3]), np.array([0.1]), 1.0)])[0] == 0.0


def test_centres_give_the_share_back():
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    for share, sd in ((0.001, 1.5), (0.3, 0.7), (0.9, 2.0)):
        centre = float(centres_of(np.array([share]), np.array([sd]))[0])
        mean = float(weights @ (1.0 / (1.0 + np.exp(-(centre + sd * points)))) / weights.sum())
        assert mean == pytest.approx(share, rel=1e-3)


def _differences(changed: int) -> dict[str, object]:
    had = np.zeros(1000)
    had[:changed] = 1.0
    reads = {"a": {"death": np.zeros(1000)}, "b": {"death": had}}
    rows = difference_rows("a", "b", [BY_NAME["death"]], reads, np.arange(1000) % 50, {"all": np.ones(1000, bool)})
    return next(rows)


def test_five_deaths_prove_no_difference():
    row = _differences(5)
    assert np.isnan(row["lo95"]) and np.isnan(row["p_better"])  # type: ignore[call-overload]
    assert row["interval_reason"] == "fewer than 10 people with it under one protocol only"
    assert _differences(40)["interval_reason"] == ""
