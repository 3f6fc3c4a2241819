"""From a trial's table to tapers: start of the taper, visits, own use, missing data."""

import numpy as np
import pytest

from taper_sim.data.trial import TrialPhase
from taper_sim.studies.trial_tapers.taper_people import people_of, taper_day, taper_of


def phase(dose: list[float], visits: dict[int, int], use: list[float] | None = None, number: int = 1) -> TrialPhase:
    """A phase with a row for each day from 0."""
    n = len(dose)
    category = np.full(n, -1)
    category[list(visits)] = list(visits.values())
    own_use = np.zeros(n) if use is None else np.array(use, dtype=float)
    return TrialPhase("7", number, np.arange(n), np.arange(n), np.array(dose, dtype=float), category, own_use)


@pytest.mark.parametrize(
    ("dose", "first"),
    [
        ([16, 16, 12, 8, 0, 0], 2),
        ([16, 12, 16, 16, 8, 8], 4),  # a reduction that was reversed
        ([16, 16, 16], 3),  # never reduced
        ([8, 12, 16], 3),
    ],
)
def test_the_taper_begins_with_the_first_reduction_that_is_never_reversed(dose: list[float], first: int) -> None:
    assert taper_day(np.array(dose, dtype=float)) == first


def test_days_count_from_the_end_of_induction_and_visits_at_induction_are_marked() -> None:
    taper = taper_of(phase([4, 12, 16, 16, 16, 8, 4, np.nan, np.nan], {0: 2, 2: 1, 4: 0, 6: 1, 8: 2}))
    assert taper is not None
    assert taper.day.tolist() == [-3, -1, 1, 3, 5]
    assert taper.category.tolist() == [2, 1, 0, 1, 2]
    assert taper.stage.tolist() == [0, 0, 1, 2, 3]
    assert taper.dose.tolist() == [16, 16, 8, 4, 0, 0] and (taper.taper_day, taper.last_day) == (2, 3)


def test_a_person_who_leaves_during_induction_still_has_a_course() -> None:
    taper = taper_of(phase([4, 12, np.nan, np.nan, np.nan], {0: 2, 4: 1}))
    assert taper is not None
    assert taper.dose.tolist() == [12, 0, 0, 0] and taper.day.tolist() == [-1, 3] and taper.stage.tolist() == [0, 3]


def test_own_use_is_averaged_over_the_reported_days_of_the_week_before() -> None:
    use = [1, 1, 1, 1, 0, np.nan, 1, 0, 0, 0, 1, 1]
    taper = taper_of(phase([16.0] * 12, {0: 1, 3: 0, 6: 0, 11: 0}, use))
    assert taper is not None
    assert taper.recent_use.tolist() == pytest.approx([0.0, 0.0, 0.5, 2 / 6])  # no day before; 1 of 2; 2 of 6 reported


def test_a_phase_without_a_dose_or_a_visit_is_left_out() -> None:
    without_dose = phase([np.nan] * 6, {5: 0}, number=2)
    without_visit = phase([16.0] * 6, {}, number=2)
    assert people_of([without_dose]) == {} and people_of([without_visit]) == {}
    complete = phase([16.0] * 6, {5: 0})
    assert [t.phase for t in people_of([without_visit, complete])["7"]] == [1]
