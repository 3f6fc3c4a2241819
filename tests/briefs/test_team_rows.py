"""Numbers of a team's rows: the interval of a frequency ends at 0, that of a difference does not."""

import pytest

from taper_sim.briefs.team_rows import EVENT_ROWS, estimate, with_difference, without_difference


@pytest.mark.parametrize(("is_difference", "low"), [(False, 0.0), (True, -200.0)])
def test_the_interval_of_a_difference_may_lie_below_0(is_difference: bool, low: float) -> None:
    cells = {"estimate": -0.15, "lo95": -0.2, "hi95": -0.1, "n_replications": 5}
    number = estimate(cells, EVENT_ROWS[0], 100, is_difference=is_difference)
    assert (number.mean, number.low, number.high) == pytest.approx((-150.0, low, -100.0))


def test_a_row_can_be_read_across_whatever_the_replications_of_its_columns() -> None:
    row = EVENT_ROWS[0]
    today, change = ({"estimate": x, "lo95": x, "hi95": x, "n_replications": 4} for x in (0.010, 0.002))
    unlimited = without_difference(estimate(today, row, 100), estimate(change, row, 100, is_difference=True))
    fewer = estimate(
        {"estimate": -0.003, "lo95": -0.004, "hi95": 0.0, "n_replications": 17}, row, 100, is_difference=True
    )
    assert with_difference(unlimited, fewer).mean == pytest.approx(8.0 - 3.0)
