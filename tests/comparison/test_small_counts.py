"""Intervals of small counts are those that their authors published."""

import math

import pytest

from taper_sim.comparison.small_counts import rate, share, share_difference


def test_the_share_has_wilsons_interval() -> None:
    result = share(81, 263)  # Newcombe 1998, Stat Med 17:857, table I, method 3
    assert (round(result.low, 4), round(result.high, 4)) == (0.2553, 0.3662)
    assert share(0, 20).low == 0.0 and share(0, 20).high == pytest.approx(0.1611, abs=1e-4)
    assert math.isnan(share(0, 0).estimate)


def test_the_difference_has_newcombes_interval() -> None:
    result = share_difference((56, 70), (48, 80))  # Newcombe 1998, Stat Med 17:873, table II, method 10
    assert (round(result.low, 4), round(result.high, 4)) == (0.0524, 0.3339)
    back = share_difference((48, 80), (56, 70))
    assert (back.low, back.high) == pytest.approx((-result.high, -result.low))


def test_the_rate_has_the_exact_interval_of_its_count() -> None:
    result = rate(10, 1.0)  # Garwood 1936: 4.795 to 18.39
    assert (result.low, result.high) == pytest.approx((4.795, 18.39), abs=0.01)
    assert rate(0, 2.0).low == 0.0
