"""The original dose: the plateau before this taper, or what replaces it in a record too short to hold one."""

from datetime import date, timedelta

import pytest

from taper_sim.data.drugs_taken import DrugTaken
from taper_sim.data.formulary import find_drug
from taper_sim.data.original_dose import original_doses, original_level

TODAY = date(2026, 6, 1)


def levels(*doses: tuple[int, float]) -> list[tuple[date, float]]:
    """Levels as (days ago, dose)."""
    return [(TODAY - timedelta(days=ago), dose) for ago, dose in doses]


def original(*doses: tuple[int, float]) -> float | None:
    """The original dose of these levels."""
    given = levels(*doses)
    number = original_level(given, TODAY)
    return None if number is None else given[number][1]


@pytest.mark.parametrize(
    ("doses", "expected"),
    [
        (((400, 90.0),), 90.0),  # never changed
        (((3, 90.0),), 90.0),  # a record of three days
        (((480, 240.0), (449, 120.0), (421, 60.0)), 60.0),  # an earlier taper that ended in a plateau
        (((480, 240.0), (449, 120.0), (421, 60.0), (20, 45.0)), 60.0),  # and the next taper
        (((700, 30.0), (500, 60.0), (360, 120.0)), 120.0),  # raised twice
        (((700, 30.0), (20, 60.0)), 60.0),  # raised lately: a new one
        (((700, 120.0), (100, 108.0), (72, 97.5), (44, 90.0)), 120.0),  # one taper, steps of 28 days
        (((700, 120.0), (50, 60.0), (20, 90.0)), 120.0),  # a step back belongs to the same taper
        (((700, 60.0), (30, 90.0), (16, 75.0)), 75.0),  # two weeks at 90 make no original dose
        (((700, 60.0), (60, 90.0), (16, 75.0)), 90.0),  # six weeks do
        (((700, 90.0), (30, 900.0), (29, 90.0)), 90.0),  # an entry of one day, corrected
        (((50, 120.0), (40, 110.0), (12, 100.0)), 120.0),  # too short: the first dose began before the record
        (((700, 120.0), (200, 0.0), (40, 30.0)), 30.0),  # stopped for months: the former dose does not count
        (((700, 90.0), (30, 0.0), (9, 90.0)), 90.0),
        (((700, 90.0), (30, 80.0), (9, 0.0)), 90.0),  # stopped: as on the last day
        (((700, 60.0), (650, 60.0), (20, 50.0)), 60.0),  # a row that repeats the dose is no change
        (((40, 0.0),), None),
        ((), None),
    ],
)
def test_the_original_dose_is_the_plateau_before_this_taper(
    doses: tuple[tuple[int, float], ...], expected: float | None
) -> None:
    assert original(*doses) == expected


@pytest.mark.parametrize(("days", "expected"), [(59, 240.0), (60, 60.0)])
def test_sixty_days_unchanged_are_a_plateau(days: int, expected: float) -> None:
    assert original((days + 40, 240.0), (days + 10, 60.0), (10, 45.0)) == expected
    assert original((days + 40, 240.0), (days - 1, 60.0)) == expected  # today counts


@pytest.mark.parametrize(("days", "expected"), [(27, 75.0), (28, 90.0)])
def test_a_dose_after_the_plateau_counts_from_28_days_on(days: int, expected: float) -> None:
    assert original((700, 60.0), (days + 10, 90.0), (10, 75.0)) == expected


def test_a_change_to_buprenorphine_begins_a_new_history() -> None:
    morphine = DrugTaken(find_drug("morphine", "ER"), 120.0, 2)
    film = DrugTaken(find_drug("buprenorphine", "SL film/tablet"), 16.0, 1)
    started, changed = TODAY - timedelta(days=700), TODAY - timedelta(days=20)
    of_opioid = original_doses([(started, (morphine,)), (changed, (film,))], TODAY)["opioid"]
    assert of_opioid.drugs == (film,) and of_opioid.words == "16 mg a day"
    before = original_doses([(started, (morphine,)), (changed, (film,))], changed - timedelta(days=1))["opioid"]
    assert before.drugs == (morphine,) and before.words == "120 mg a day, 120 MME"


def test_each_class_has_its_own_and_a_stated_one_wins() -> None:
    morphine, less = (DrugTaken(find_drug("morphine", "ER"), dose, 2) for dose in (120.0, 60.0))
    lorazepam = DrugTaken(find_drug("lorazepam", "IR"), 2.0, 2)
    days = [(TODAY - timedelta(days=400), (lorazepam, morphine)), (TODAY - timedelta(days=9), (less, lorazepam))]
    both = original_doses(days, TODAY)
    assert both["opioid"].drugs == (morphine,) and both["benzodiazepine"].drugs == (lorazepam,)
    assert "held for 391 days" in both["opioid"].why
    stated = original_doses(days, TODAY, (DrugTaken(find_drug("morphine", "ER"), 240.0, 2),))
    assert stated["opioid"].equivalents == pytest.approx(240.0) and "stated" in stated["opioid"].why
    assert stated["benzodiazepine"].drugs == (lorazepam,)
