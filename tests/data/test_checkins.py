"""Reading of check-ins and doses: each rule, and one line per problem."""

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
    """Write a file with this text."""
    path.write_text(text, encoding="utf-8")
    return path


def lines(error: pytest.ExceptionInfo[InputError]) -> list[str]:
    """The problems, one line each."""
    problem_lines = [str(p) for p in error.value.problems]
    assert all(": given " in line and "; allowed: " in line for line in problem_lines)
    return problem_lines


def test_a_check_in_is_a_report_of_one_instrument_on_one_day(tmp_path: Path) -> None:
    reports = read_checkins(write(tmp_path / "c.csv", HEAD + "a,2026-01-02,pain_nrs,6\na,2026-01-01,seizure,yes\n"))
    assert [(c.day, c.instrument, c.value) for c in reports["a"]] == [
        (date(2026, 1, 1), "seizure", 1.0),
        (date(2026, 1, 2), "pain_nrs", 6.0),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
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
def test_a_problem_of_a_check_in_is_reported_in_one_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_checkins(write(tmp_path / "c.csv", HEAD + "a,2026-01-01,pain_nrs,5\n" + row + "\n"))
    problem_lines = lines(error)
    assert len(problem_lines) == 1 and message in problem_lines[0] and "row 3" in problem_lines[0]


def test_the_two_withdrawal_scales_are_separate(tmp_path: Path) -> None:
    reports = read_checkins(write(tmp_path / "c.csv", HEAD + "a,2026-01-01,sows,45\na,2026-01-01,sows_gossop,25\n"))
    assert {c.instrument: c.value for c in reports["a"]} == {"sows": 45.0, "sows_gossop": 25.0}


def test_a_file_without_reports_is_valid_and_a_missing_column_is_an_error(tmp_path: Path) -> None:
    assert read_checkins(write(tmp_path / "c.csv", HEAD)) == {}
    with pytest.raises(InputError) as error:
        read_checkins(write(tmp_path / "d.csv", "patient_id,date,instrument\na,2026-01-01,pain_nrs\n"))
    assert "no column value" in lines(error)[0]


def test_the_row_order_has_no_effect(tmp_path: Path) -> None:
    rows = [f"a,2026-01-{d:02d},{i},{d % 10}" for d in range(1, 29) for i in ("pain_nrs", "mood_item")]
    in_order = read_checkins(write(tmp_path / "a.csv", HEAD + "\n".join(rows)))
    random.Random(1).shuffle(rows)  # noqa: S311 - no secret is made of it
    assert read_checkins(write(tmp_path / "b.csv", HEAD + "\n".join(rows))) == in_order


@pytest.mark.parametrize(
    ("row", "message"),
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
def test_a_problem_of_a_dose_is_reported_in_one_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_doses(write(tmp_path / "d.csv", DOSES + "a,2026-01-01,morphine,ER,90,,\n" + row + "\n"))
    problem_lines = lines(error)
    assert len(problem_lines) == 1 and message in problem_lines[0] and "row 3" in problem_lines[0]


def test_a_patch_is_read_in_its_own_unit_and_buprenorphine_beside_another_opioid_cannot_be_converted(
    tmp_path: Path,
) -> None:
    text = (
        DOSES + "a,2026-01-01,fentanyl,TD,,25,\nb,2026-01-01,morphine,ER,90,,\n"
        "b,2026-01-09,buprenorphine,SL film/tablet,8,,\n"
    )
    rows_of = read_doses(write(tmp_path / "d.csv", text))
    assert rows_of["a"][0].dose == 25 and one_scale_problem(rows_of["a"]) is None
    scale_problem = one_scale_problem(rows_of["b"])
    assert scale_problem is not None and "buprenorphine" in scale_problem[0]


def test_check_ins_of_a_patient_without_doses_are_an_error(tmp_path: Path) -> None:
    checkins = write(tmp_path / "c.csv", HEAD + "b,2026-01-01,pain_nrs,5\n")
    with pytest.raises(InputError) as error:
        read_histories(checkins, write(tmp_path / "d.csv", DOSES + "a,2026-01-01,morphine,ER,90,,\n"))
    assert "patient b" in lines(error)[0]


def test_an_entry_before_the_day_of_the_report_is_an_error(tmp_path: Path) -> None:
    text = "patient_id,date,instrument,value,entered\na,2026-01-05,pain_nrs,5,2026-01-01\n"
    with pytest.raises(InputError) as error:
        read_checkins(write(tmp_path / "c.csv", text))
    assert "entered" in lines(error)[0]
