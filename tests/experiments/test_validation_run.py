"""taper-sim validate and ts.validate: a table in, a row each out."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import taper_sim as ts
from taper_sim.cli import main
from taper_sim.evidence.coded_results import evidence_of
from taper_sim.evidence.study_runs import COLUMNS, StudyPlan
from taper_sim.experiments.running import Running
from taper_sim.experiments.validation_run import ValidationOptions, read_results, validate
from taper_sim.model.event_parameters import SETTINGS
from taper_sim.simulation.ensemble import from_prior

COLUMNS_GIVEN = (
    "id,study,role,statistic,outcome,value,lo95,hi95,width_from,n_arm,day,followup_days,arm,reference_arm,cohort,"
    "enrolment\n"
)
HALVED = '"linear(pct=50, every=14)"'
TABLE = COLUMNS_GIVEN + (
    f"A,trial,target,mean_difference,dose_end_mme,-40,-60,-20,ci,,28,28,{HALVED},constant(),imposed=no,consent\n"
    f"B,trial,target,proportion,discontinued,0.9,,,n,100,28,28,{HALVED},,imposed=no,consent\n"
    "C,trial,target,proportion,discontinued,0.05,,,n,100,14,14,constant(),,imposed=no,consent\n"
    "D,other,target,hazard_rato,overdose,2,3,1,ci,,28,28,constnt(),constant(),mme_mn=5,\n"
    "E,other,context,,,,,,,,,,,,,\n"
)
SMALL = ["--patients", "60", "--draws", "3"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "results.csv"
    path.write_text(TABLE)
    return path


def test_the_command_writes_a_row_for_each_row_and_a_line_for_each_problem(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["validate", str(table), *SMALL, "--out", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if "row 5 (D)" in line]
    assert len(lines) == 4 and all("allowed:" in line for line in lines)
    assert "published results" in captured.out
    frame = pd.read_csv(tmp_path / "run" / "validation.csv")
    assert list(frame.columns) == list(COLUMNS)
    assert frame["id"].tolist() == list("ABCDE")
    assert frame["status"].tolist()[:3] == ["simulated"] * 3
    assert "hazard_ratio" in frame["status"][3] and "context" in frame["status"][4]
    done = frame.iloc[:3]
    assert (done["simulated_lo"] < done["simulated"]).all() and (done["simulated"] < done["simulated_hi"]).all()
    for row in done.to_dict("records"):
        assert (row["inside"] == "yes") == (row["simulated_lo"] <= row["published"] <= row["simulated_hi"])
        assert (row["inside_new_study"] == "yes") == (row["new_study_lo"] <= row["published"] <= row["new_study_hi"])
    assert (done["new_study_lo"] < done["simulated_lo"]).all() and (done["simulated_hi"] < done["new_study_hi"]).all()
    assert f"{int((done['inside_new_study'] == 'yes').sum())} of 3" in captured.out
    assert frame["simulated"][1] > 0.5 > 0.2 > frame["simulated"][2]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "data:image/svg+xml" in page and "hazard_rato" in page
    assert 'src="http' not in page and 'href="http' not in page  # names of namespaces are no requests


def test_python_gives_the_numbers_of_the_command(table: Path, tmp_path: Path):
    assert main(["validate", str(table), *SMALL, "--out", str(tmp_path / "run")]) == 0
    of_command = pd.read_csv(tmp_path / "run" / "validation.csv")
    result = ts.validate(pd.read_csv(table), patients=60, draws=3, progress=False)
    assert np.allclose(result.frame["simulated"][:3], of_command["simulated"][:3], rtol=0, atol=0)
    assert len(result.problems) == 4 and result.problems[0].startswith("table: row 5 (D), statistic")
    assert result.answer in result._repr_html_()
    assert len(result.plot().axes) == 2 and len(result.plot.forest().axes) == 2
    again = ts.load(result.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(again.frame, result.frame)
    assert main(["verify", str(tmp_path / "saved")]) == 0


def test_no_row_depends_on_the_others_or_on_their_order(tmp_path: Path):
    rows = pd.read_csv(StringIO(TABLE)).iloc[:3]
    whole = ts.validate(rows, patients=60, draws=3, progress=False).frame.set_index("id")
    turned = ts.validate(rows.iloc[::-1], patients=60, draws=3, progress=False).frame.set_index("id")
    alone = ts.validate(rows.iloc[[1]], patients=60, draws=3, progress=False).frame.set_index("id")
    columns = ["simulated", "simulated_lo", "simulated_hi"]
    assert np.array_equal(whole[columns], turned.loc[whole.index, columns])
    assert np.array_equal(whole.loc["B", columns], alone.loc["B", columns])


def test_rows_of_one_cohort_and_arm_share_a_simulation():
    rows = pd.read_csv(StringIO(TABLE), dtype=str).fillna("")
    plan = StudyPlan(evidence_of(rows, "t.csv"), from_prior(1, 2), 1, 10)
    assert [(s.call, s.n_days) for s in plan.simulations] == [("linear(pct=50, every=14)", 28), ("constant()", 28)]


def test_draws_of_ones_own_are_used(table: Path, tmp_path: Path):
    read, named = read_results(table)
    options = ValidationOptions(60, 3, 1)
    fixed = from_prior(1, 3, {f"leave_{name}": 2.0 for name in SETTINGS})  # everybody leaves on the first day
    usual = validate(read, named, options, tmp_path / "a", Running(warn=lambda _: None))
    gone = validate(read, named, options, tmp_path / "b", Running(warn=lambda _: None), fixed)
    assert gone.table["simulated"][1] < 0.3 < usual.table["simulated"][1]


def test_calibrated_draws_are_asked_for_recorded_and_verified(table: Path, tmp_path: Path):
    words = ["validate", str(table), "--patients", "60", "--draws", "3", "--seed", "1"]
    assert main([*words, "--draws-from", "prior", "--out", str(tmp_path / "prior")]) == 0
    assert main([*words, "--out", str(tmp_path / "fitted")]) == 0
    prior, fitted = (pd.read_csv(tmp_path / name / "validation.csv") for name in ("prior", "fitted"))
    assert set(prior["calibrated"].dropna()) == {"no"} and set(fitted["calibrated"].dropna()) == {"yes"}
    assert not prior["simulated"].equals(fitted["simulated"])
    assert main(["verify", str(tmp_path / "fitted")]) == 0
    in_memory = ts.validate(table, patients=60, draws=3, seed=1, draws_from="published", progress=False)
    assert in_memory.frame["simulated"].equals(fitted["simulated"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nothing.csv"], "nothing.csv"),
        (["{table}", "--patients", "0"], "--patients"),
        (["{table}", "--draws", "2000"], "--draws"),
        (["{table}", "--workers", "tcp://somewhere:1"], "--workers"),
    ],
)
def test_a_wrong_argument_ends_with_2_and_writes_nothing(
    words: list[str], line: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "run"
    assert main(["validate", *(word.format(table=table) for word in words), "--out", str(out)]) == 2
    assert line in capsys.readouterr().err and not out.exists()


def test_a_file_that_is_no_table_of_results_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "t.csv"
    path.write_text("id,value\nA,1\n")
    assert main(["validate", str(path), "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.count("no column") == 5 and not (tmp_path / "run").exists()


def test_nobody_left_after_a_filter_is_a_reason(tmp_path: Path):
    rows = pd.read_csv(StringIO(TABLE)).iloc[[2]].assign(arm="constant() + ended=stopped")
    result = ts.validate(rows, patients=60, draws=3, progress=False)
    assert "nobody is left" in result.frame["status"][0]
    assert result.answer == "None of the 1 rows could be simulated."


def test_a_published_arm_on_buprenorphine_is_its_own_rule(tmp_path: Path):
    rows = pd.read_csv(StringIO(TABLE)).iloc[[1]].assign(arm="rapid(days=7)", cohort="drug=buprenorphine;oud_share=1")
    frame = ts.validate(rows, patients=60, draws=3, progress=False).frame
    assert frame["status"][0] == "simulated" and frame["simulated"][0] > 0.5
