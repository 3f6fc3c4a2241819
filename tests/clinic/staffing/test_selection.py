"""Selection of the best system: normal systems with known means, and the library's own procedure."""

import numpy as np
import pytest
from sim_tools.ovs.indifference_zone import KN

from taper_sim.clinic.staffing.selection import FIRST_REPLICATIONS, KimNelson, _Model, select

DELTA, ERROR, N = 0.1, 0.1, 300
#: The least favourable means: the best is better by just the indifference.
CASES = {
    "one luck, the last is best": ([1, 1, 1, 1, 0], [0.3] * 5, 0.8),
    "the first is best and noisy": ([0, 1, 1, 1], [0.7, 0.1, 0.1, 0.1], 0.0),
    "the noisy one is best, in the middle": ([1, 0, 1, 1], [0.05, 0.7, 0.05, 0.05], 0.0),
    "noisy and quiet by turns": ([1, 1, 0, 1, 1], [0.7, 0.05, 0.4, 0.05, 0.05], 0.0),
}


def values(rng, means, sds, shared, n=2000):
    z = np.sqrt(shared) * rng.standard_normal(n) + np.sqrt(1.0 - shared) * rng.standard_normal((len(means), n))
    return DELTA * np.array(means)[:, None] + np.array(sds)[:, None] * z


def chosen(x, error=ERROR, most=2000):
    return select(len(x), lambda system, replication: x[system, replication], DELTA, error, most)


@pytest.mark.parametrize("case", CASES)
def test_the_best_system_is_selected_with_the_stated_probability(case):
    rng, right = np.random.default_rng(3), 0
    for _ in range(N):
        found = chosen(values(rng, *CASES[case]))
        right += found.decided and found.still_in == (int(np.argmin(CASES[case][0])),)
    assert right >= N * (1.0 - ERROR) - 3.72 * np.sqrt(N * ERROR * (1.0 - ERROR))  # by chance once in 10,000 runs


def test_a_pair_is_compared_with_the_variance_of_its_own_difference():
    """The correction of the library's table; the test also fails once the library is corrected."""
    x = values(np.random.default_rng(4), [1, 0, 1, 2], [0.1, 0.2, 0.4, 0.8], 0.3)
    kept = KimNelson(_Model(lambda system, replication: x[system, replication], 4), 4, DELTA, ERROR, 500)
    kept._initialisation()
    first, r = x[:, :FIRST_REPLICATIONS], FIRST_REPLICATIONS
    eta = 0.5 * ((2.0 * ERROR / 3.0) ** (-2.0 / (FIRST_REPLICATIONS - 1)) - 1.0)
    for i in range(4):
        for j in {0, 1, 2, 3} - {i}:
            own = 2.0 * eta * (FIRST_REPLICATIONS - 1) * np.var(first[i] - first[j], ddof=1)
            limit = max(0.0, DELTA / (2.0 * r) * (own / DELTA**2 - r))
            assert kept._limit_to_distance_from_sample_means(i, j) == pytest.approx(limit), (i, j)


def test_without_the_correction_the_best_system_is_lost_more_often_than_stated():
    """The reason for the correction: the uncorrected library on the third case."""

    class Library(KimNelson):
        _limit_to_distance_from_sample_means = KN._limit_to_distance_from_sample_means

    rng, right = np.random.default_rng(3), 0
    for _ in range(100):
        x = values(rng, *CASES["the noisy one is best, in the middle"])
        model = _Model(lambda system, replication, x=x: x[system, replication], len(x))
        right += Library(model, len(x), DELTA, ERROR, 2000).selected().still_in == (1,)
    assert right < 80


def test_two_systems_are_what_the_library_makes_of_their_negated_values():
    """The library's minimum is its maximum of negated values; with two systems its table has one number."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        x = values(rng, [0, 1], [0.3, 0.2], 0.5)
        model = _Model(lambda system, replication, x=x: -x[system, replication], 2)
        library = KN(model, 2, DELTA, ERROR, FIRST_REPLICATIONS, obj="max").solve()
        assert chosen(x).still_in == tuple(library)


def test_the_order_of_systems_changes_nothing():
    rng = np.random.default_rng(6)
    for _ in range(10):
        x = values(rng, [1, 0, 1, 2], [0.1, 0.2, 0.4, 0.8], 0.3)
        order = rng.permutation(4)
        found, other = chosen(x), chosen(x[order])
        assert [order[one] for one in other.still_in] == list(found.still_in)
        assert tuple(np.array(found.n_replications)[order]) == other.n_replications


def test_common_random_numbers_reduce_the_replications():
    n = {
        shared: np.mean(
            [
                sum(chosen(values(np.random.default_rng(k), [0, 1, 1], [0.4] * 3, shared)).n_replications)
                for k in range(20)
            ]
        )
        for shared in (0.0, 0.9)
    }
    assert n[0.9] < n[0.0] / 3


def test_it_stops_at_its_largest_number_of_replications_and_names_the_surviving_systems_by_mean():
    x = values(np.random.default_rng(7), [0, 0, 9], [0.5, 0.5, 0.01], 0.0)
    found = chosen(x, most=15)
    means = x[:2, :15].mean(axis=1)
    assert not found.decided and found.still_in == tuple(np.argsort(means))
    assert found.n_replications == (15, 15, FIRST_REPLICATIONS)
    assert chosen(x, most=3).n_replications == (3, 3, 3)


def test_systems_that_do_not_differ_at_all_end_it():
    x = values(np.random.default_rng(8), [0, 5], [0.2, 0.2], 0.0)
    found = chosen(np.stack([x[0], x[0], x[1]]))
    assert found.decided and set(found.still_in) == {0, 1} and max(found.n_replications) < 100


def test_a_system_alone_is_run_and_chosen():
    assert chosen(np.zeros((1, 2000))).n_replications == (FIRST_REPLICATIONS,)
    assert chosen(np.zeros((1, 2000)), most=4).still_in == (0,)
