"""Reading of a trial's daily table: rows, empty cells, and one line per problem."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from taper_sim.data.problems import InputError
from taper_sim.data.trial import DAY_0, TRIAL_COLUMNS, histories, read_trial

HEAD = ",".join(TRIAL_COLUMNS) + "\n"
GOOD = (
    "7,3,1,0,4.0,2.0,0\n7,4,1,1.0,16,,0\n7,5,1,2,,,1\n7,6,1,3,12,1,0\n7,7,1,4,8,0,\n7,8,1,5,,,0\n7,9,1,6,,3,0\n"
    "7,39,2,-1,,,1\n7,40,2,0,16,,0\n7,41,2,1,8,,0\n11,1,1,0,8,,0\n"
)


def write(tmp_path: Path, rows: str, head: str = HEAD) -> Path:
    """Write a table."""
    path = tmp_path / "daily.csv"
    path.write_text(head + rows, encoding="utf-8")
    return path


def test_a_category_is_a_report_between_two_scores(tmp_path: Path) -> None:
    first = read_trial(write(tmp_path, GOOD))[0]
    cows = [(c.day, c.value, c.high) for c in first.reports() if c.instrument == "cows"]
    assert cows == [
        (DAY_0 + timedelta(days=d), low, high) for d, low, high in ((3, 13, 24), (6, 5, 12), (7, 0, 4), (9, 25, 48))
    ]
    use = {c.day: c.value for c in first.reports() if c.instrument == "illicit_use_reported"}
    assert use[DAY_0 + timedelta(days=5)] == 1.0 and DAY_0 + timedelta(days=7) not in use


def test_a_dose_is_carried_forward_between_recorded_doses_and_is_0_after_the_last(tmp_path: Path) -> None:
    first = read_trial(write(tmp_path, GOOD))[0]
    assert np.isnan(first.dose_mg[[2, 5, 6]]).all() and first.last_dose_day == 4
    assert first.taken_mg().tolist() == [4, 16, 16, 12, 8, 0, 0]


@pytest.mark.parametrize(("gap", "known"), [(7, True), (8, False)])
def test_a_long_gap_between_doses_is_unknown(tmp_path: Path, gap: int, known: bool) -> None:
    rows = ["a,0,1,0,16,,", *(f"a,{d},1,{d},,," for d in range(1, gap + 1)), f"a,{gap + 1},1,{gap + 1},8,,"]
    taken = read_trial(write(tmp_path, "\n".join(rows) + "\n"))[0].taken_mg()
    assert (taken[1:-1] == 16).all() if known else np.isnan(taken[1:-1]).all()
    assert taken[0] == 16 and taken[-1] == 8


def test_a_phase_is_a_history_of_changes(tmp_path: Path) -> None:
    by_phase = histories(read_trial(write(tmp_path, GOOD)))
    assert list(by_phase) == ["7/1", "7/2", "11/1"]
    assert [((row.day - DAY_0).days, row.dose) for row in by_phase["7/1"].doses] == [
        (3, 4),
        (4, 16),
        (6, 12),
        (7, 8),
        (8, 0),
    ]
    assert all(row.drug.is_buprenorphine for row in by_phase["7/1"].doses)
    assert any("1 day(s) without a recorded dose" in note for note in by_phase["7/1"].notes)


def test_the_row_order_has_no_effect_and_further_columns_are_ignored(tmp_path: Path) -> None:
    rows = GOOD.splitlines()
    before = histories(read_trial(write(tmp_path, GOOD)))
    mixed = "".join(f"x,{row}\n" for row in [*rows[1::2], *rows[::-2]])
    assert histories(read_trial(write(tmp_path, mixed, f"site,{HEAD}"))) == before


@pytest.mark.parametrize(
    ("row", "fragments"),
    [
        ("7,10,1,7,8,4,0", ("cows_cat", "0, 1, 2 or 3")),
        ("7,10,1,7,8,1.5,0", ("cows_cat", "0, 1, 2 or 3")),
        ("7,10,1,7,-2,,0", ("bup_mg", "0 to 64")),
        ("7,10,1,7,1600,,0", ("bup_mg", "0 to 64")),
        ("7,10,1,7,8mg,,0", ("bup_mg", "8mg")),
        ("7,10,1,7,inf,,0", ("bup_mg", "inf")),
        ("7,10,1,7,8,,2", ("opioid_use_selfreport", "0 or 1")),
        ("7,ten,1,7,8,,0", ("study_day", "ten")),
        ("7,,1,7,8,,0", ("study_day", "nothing")),
        ("7,10.5,1,7,8,,0", ("study_day", "10.5")),
        (",10,1,7,8,,0", ("who", "id")),
        ("7,10,0,7,8,,0", ("phase", "1, 2")),
        ("7,10,1,-1,8,,0", ("day_in_phase", "the same increase")),
        ("7,9,1,6,8,,0", ("row 13, study_day", "as in row 8")),
        ("7,10,1,9,8,,0", ("row 13, day_in_phase", "the same increase")),
    ],
)
def test_a_problem_is_reported_with_row_and_column(tmp_path: Path, row: str, fragments: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        read_trial(write(tmp_path, GOOD + row + "\n"))
    (line,) = map(str, error.value.problems)
    assert "row 13" in line and "daily.csv" in line and all(part in line for part in fragments), line


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column cows_cat; did you mean cows"):
        read_trial(write(tmp_path, GOOD, HEAD.replace("cows_cat", "cows")))
