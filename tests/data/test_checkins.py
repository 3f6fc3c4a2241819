"""Check-ins and doses as they are read: each rule, and a line for each thing wrong."""

import random
from datetime import date
from pathlib import Path

import pytest

from taper_sim.data.checkins import read_checkins
from taper_sim.data.doses import one_scale_problem, read_doses, read_histories
from taper_sim.data.problems import InputError

HEAD = "patient_id,date,instrument,value\n"
DOSES = "patient_id,date,drug,formulation,dose_mg_per_day,dose_mcg_per_h,taken_mg_per_day\n"


def write(path: Path, text: str) -> Path:
    """A file with this text."""
    path.write_text(text, encoding="utf-8")
    return path


def lines(error: pytest.ExceptionInfo[InputError]) -> list[str]:
    """Problems, a line each."""
    found = [str(p) for p in error.value.problems]
    assert all(": given " in line and "; allowed: " in line for line in found)
    return found


def test_a_check_in_is_a_report_of_one_instrument_on_one_day(tmp_path: Path) -> None:
    found = read_checkins(write(tmp_path / "c.csv", HEAD + "a,2026-01-02,pain_nrs,6\na,2026-01-01,seizure,yes\n"))
    assert [(c.day, c.instrument, c.value) for c in found["a"]] == [
        (date(2026, 1, 1), "seizure", 1.0),
        (date(2026, 1, 2), "pain_nrs", 6.0),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,2026-02-30,pain_nrs,6", "a date that exists"),
        ("a,01/02/2026,pain_nrs,6", "a date that exists"),
        ("a,2026-01-01,pain_nrs,11", "0 to 10"),
        ("a,2026-01-01,sows_gossop,45", "0 to 30"),
        ("a,2026-01-01,pain_nrs,", "0 to 10"),
        ("a,2026-01-01,pain_nrs,nan", "0 to 10"),
        ("a,2026-01-01,pain_nrs,inf", "0 to 10"),
        ("a,2026-01-01,pain_nsr,5", "did you mean pain_nrs"),
        (",2026-01-01,pain_nrs,5", "an id"),
        ("a,2026-01-01,seizure,2", "0 or 1"),
        ("a,1026-01-01,pain_nrs,5", "years"),
        ("a,2026-01-01,<b>,5", "an instrument"),
    ],
)
def test_what_is_wrong_with_a_check_in_is_said_in_one_line(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_checkins(write(tmp_path / "c.csv", HEAD + "a,2026-01-01,pain_nrs,5\n" + row + "\n"))
    found = lines(error)
    assert len(found) == 1 and said in found[0] and "row 3" in found[0]


def test_the_two_withdrawal_scales_are_two(tmp_path: Path) -> None:
    found = read_checkins(write(tmp_path / "c.csv", HEAD + "a,2026-01-01,sows,45\na,2026-01-01,sows_gossop,25\n"))
    assert {c.instrument: c.value for c in found["a"]} == {"sows": 45.0, "sows_gossop": 25.0}


def test_nobody_has_answered_yet_is_no_error_and_a_missing_column_is(tmp_path: Path) -> None:
    assert read_checkins(write(tmp_path / "c.csv", HEAD)) == {}
    with pytest.raises(InputError) as error:
        read_checkins(write(tmp_path / "d.csv", "patient_id,date,instrument\na,2026-01-01,pain_nrs\n"))
    assert "no column value" in lines(error)[0]


def test_row_order_changes_nothing(tmp_path: Path) -> None:
    rows = [f"a,2026-01-{d:02d},{i},{d % 10}" for d in range(1, 29) for i in ("pain_nrs", "mood_item")]
    one = read_checkins(write(tmp_path / "a.csv", HEAD + "\n".join(rows)))
    random.Random(1).shuffle(rows)  # noqa: S311 - no secret is made of it
    assert read_checkins(write(tmp_path / "b.csv", HEAD + "\n".join(rows))) == one


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,2026-01-05,fentanyl,TD,25,,", "mcg/h"),
        ("a,2026-01-05,morphine,ER,-5,,", "0 or more"),
        ("a,2026-01-05,morphine,ER,99999,,", "morphine ER"),
        ("a,2026-01-05,morfine,ER,30,,", "morphine"),
        ("a,2026-01-05,morphine,ER,,,", "dose_mg_per_day"),
        ("a,2026-01-05,morphine,XR,30,,", "ER"),
        ("a,2026-01-01,morphine,ER,60,,", "one row for a drug, formulation and date"),
        ("a,2026-13-01,morphine,ER,60,,", "a date that exists"),
        ("a,2026-01-05,morphine,ER,many,,", "a number"),
        ("a,2026-01-05,morphine,ER,60,,-1", "0 or more"),
    ],
)
def test_what_is_wrong_with_a_dose_is_said_in_one_line(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_doses(write(tmp_path / "d.csv", DOSES + "a,2026-01-01,morphine,ER,90,,\n" + row + "\n"))
    found = lines(error)
    assert len(found) == 1 and said in found[0] and "row 3" in found[0]


def test_a_patch_is_read_in_its_own_unit_and_buprenorphine_beside_another_opioid_cannot_be_converted(
    tmp_path: Path,
) -> None:
    text = (
        DOSES + "a,2026-01-01,fentanyl,TD,,25,\nb,2026-01-01,morphine,ER,90,,\n"
        "b,2026-01-09,buprenorphine,SL film/tablet,8,,\n"
    )
    found = read_doses(write(tmp_path / "d.csv", text))
    assert found["a"][0].dose == 25 and one_scale_problem(found["a"]) is None
    wrong = one_scale_problem(found["b"])
    assert wrong is not None and "buprenorphine" in wrong[0]


def test_check_ins_of_somebody_without_doses_are_an_error(tmp_path: Path) -> None:
    checkins = write(tmp_path / "c.csv", HEAD + "b,2026-01-01,pain_nrs,5\n")
    with pytest.raises(InputError) as error:
        read_histories(checkins, write(tmp_path / "d.csv", DOSES + "a,2026-01-01,morphine,ER,90,,\n"))
    assert "patient b" in lines(error)[0]


def test_entered_before_the_day_it_is_about_is_an_error(tmp_path: Path) -> None:
    text = "patient_id,date,instrument,value,entered\na,2026-01-05,pain_nrs,5,2026-01-01\n"
    with pytest.raises(InputError) as error:
        read_checkins(write(tmp_path / "c.csv", text))
    assert "entered" in lines(error)[0]
