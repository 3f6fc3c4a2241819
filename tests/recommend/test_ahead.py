"""Courses of doses ahead: steps, floors, plateaus, a way back; and the cuts they bring."""

import numpy as np
import pytest

from taper_sim.inference import course as at
from taper_sim.recommend.ahead import WAIT_D, DosePlan
from tests.recommend.test_destination import person_with


def test_a_pace_goes_down_in_equal_steps_to_its_end() -> None:
    shares = DosePlan(10.0, 0.25).shares(1.0, 364, 28)
    np.testing.assert_allclose(shares[::28][:9], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.25])
    assert DosePlan(10.0).shares(1.0, 364, 28)[-1] == 0.0


def test_the_ceiling_of_the_month_holds_the_first_step_back() -> None:
    assert DosePlan(10.0).shares(0.8, 56, 28, lowest=0.75)[[0, 28]] == pytest.approx([0.75, 0.6])
    assert DosePlan(10.0).shares(0.8, 56, 28, lowest=0.9)[0] == pytest.approx(0.8)  # it never raises


def test_shares_of_the_current_dose_are_capped_by_the_pace() -> None:
    steps = DosePlan(10.0, of_current_pct=20.0).shares(1.0, 28 * 12, 28)[::28]
    np.testing.assert_allclose(steps[:5], [0.9, 0.8, 0.7, 0.6, 0.5])
    np.testing.assert_allclose(steps[5:8], [0.4, 0.32, 0.256])


def test_a_plateau_waits_12_weeks_and_then_resumes() -> None:
    shares = DosePlan(10.0, plateau=0.55).shares(1.0, 364, 28)
    assert (shares == 0.55).sum() == WAIT_D
    after = shares[np.flatnonzero(shares == 0.55)[-1] + 1]
    assert after == pytest.approx(0.45)
    assert shares[-1] < 0.3


@pytest.mark.parametrize("every", [14, 28])
def test_a_way_back_rises_by_at_most_a_quarter_in_28_days_and_not_above_its_end(every: int) -> None:
    shares = np.concatenate([np.full(28, 0.1), DosePlan(-25.0, 0.9).shares(0.1, 364, every)])
    assert (shares[28:] - shares[:-28]).max() <= 0.25 + 1e-12
    assert shares.max() == shares[-1] == pytest.approx(0.9)


def test_cuts_ahead_are_those_of_the_whole_course() -> None:
    person, _ = person_with(np.zeros(2))
    shares = DosePlan(10.0, 0.3).shares(1.0, 200, 28)
    ahead = person.with_shares(shares, 0)
    whole = np.repeat(person.original[None], 201, axis=0)
    whole[1:, 0] = shares * person.original[0]
    cut, removed = at.cuts_of(whole, person.reference, 1.0)
    np.testing.assert_array_equal(ahead.dose, whole)
    np.testing.assert_array_equal(ahead.cut, cut)
    np.testing.assert_array_equal(ahead.removed, removed)
