"""Numbers of a team's rows: the interval of a frequency ends at 0, that of a difference does not."""

import pytest

from taper_sim.briefs.team_rows import EVENT_ROWS, estimate


@pytest.mark.parametrize(("is_difference", "low"), [(False, 0.0), (True, -200.0)])
def test_the_interval_of_a_difference_may_lie_below_0(is_difference: bool, low: float) -> None:
    cells = {"estimate": -0.15, "lo95": -0.2, "hi95": -0.1, "n_replications": 5}
    number = estimate(cells, EVENT_ROWS[0], 100, is_difference=is_difference)
    assert (number.mean, number.low, number.high) == pytest.approx((-150.0, low, -100.0))
