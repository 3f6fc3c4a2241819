"""Warm-up and replications by published methods, on series with a known answer."""

import numpy as np
import pytest
from scipy import stats

from taper_sim.clinic.replications import estimate, estimates, late_growth, mser5


def transient(rng, length=1000, tau=30.0, height=10.0):
    return height * np.exp(-np.arange(length) / tau) + rng.normal(0, 1, length)


def test_mser_5_discards_a_known_transient_and_little_more():
    """The mean after truncation is unbiased within its error; the mean of the whole is not."""
    rng = np.random.default_rng(8)
    whole, cut, lengths = [], [], []
    for _ in range(40):
        y = transient(rng)
        found = mser5(y)
        lengths.append(found.length)
        whole.append(y.mean())
        cut.append(y[found.length :].mean())
        assert found.settled
    error = 1 / np.sqrt(40 * 800)
    assert np.mean(whole) > 0.25  # 10 * 30 / 1000: what the transient adds
    assert abs(np.mean(cut)) < 0.02 + 4 * error
    assert 60 <= np.median(lengths) <= 200  # two to six time constants


def test_mser_5_equals_its_formula_written_out():
    y = transient(np.random.default_rng(2), 203)
    means = y[:200].reshape(40, 5).mean(axis=1)
    statistic = [((means[d:] - means[d:].mean()) ** 2).sum() / (40 - d) ** 2 for d in range(21)]
    assert mser5(y).length == 5 * int(np.argmin(statistic))


def test_a_series_that_never_settles_is_reported_and_a_flat_one_keeps_all_values():
    assert not mser5(np.linspace(0, 1, 300)).settled
    assert not mser5([1.0, 2.0, 3.0]).settled
    assert mser5(np.ones(100)).length == 0


def test_replications_needed_follow_the_spread():
    rng = np.random.default_rng(4)
    narrow, wide = rng.normal(10, 0.5, 40), rng.normal(10, 2, 40)
    found = estimates({"narrow": narrow, "wide": wide})
    assert found["narrow"].needed is not None and found["wide"].needed is not None
    assert found["narrow"].needed < found["wide"].needed

    # the rule by hand: Student's half-width over the mean within 10 %, and still so for the next five
    def relative(n):
        x = wide[:n]
        return stats.t.ppf(0.975, n - 1) * x.std(ddof=1) / np.sqrt(n) / x.mean()

    n = found["wide"].needed
    assert all(relative(k) < 0.10 for k in range(n, n + 6)) and relative(n - 1) >= 0.10
    assert estimate(wide[:5]).needed is None


def test_an_interval_has_its_stated_coverage():
    rng = np.random.default_rng(12)
    covered = sum(e.lo95 <= 3.0 <= e.hi95 for e in (estimate(rng.normal(3, 1, 6)) for _ in range(1000)))
    assert abs(covered / 1000 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 1000)
    one = estimate([2.0])
    assert one.mean == 2.0 and np.isnan(one.lo95) and one.needed is None
    assert estimate([np.nan]).n == 0 and estimate([1.0, 1.0, 1.0, 1.0]).needed == 1
    assert estimate([0.0, np.nan, 2.0]).mean == pytest.approx(1.0)


def test_a_metric_that_begins_with_zeros_has_an_interval_and_warns_of_nothing():
    found = estimate([0.0, 0.0, 0.0, 1.0, 0.0, 2.0])
    assert found.mean == pytest.approx(0.5) and found.lo95 < 0.5 < found.hi95 and found.needed is None


def test_late_growth_separates_growing_settled_and_short_series():
    days = np.arange(160.0)
    assert late_growth(2.0 * days) == pytest.approx(2.0 * 40)  # a quarter of the days further on
    assert late_growth(np.minimum(days, 60.0)) == 0.0
    assert np.isnan(late_growth(days[:111])) and late_growth(days[:112]) == pytest.approx(28.0)
