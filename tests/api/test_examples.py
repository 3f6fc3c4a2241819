"""Scenarios and examples that come with the package."""

from pathlib import Path

import pytest

from taper_sim.cli import main


def test_a_scenario_is_copied_with_the_files_that_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example", "opioid_protocols", "--into", str(tmp_path)]) == 0
    assert (tmp_path / "rules" / "symptom_guided.yaml").is_file()
    assert main(["hash", str(tmp_path / "opioid_protocols.yaml")]) == 0
    assert "opioid_protocols.yaml" in capsys.readouterr().out


def test_a_file_of_another_folder_is_copied_beside_its_scenario(tmp_path: Path) -> None:
    assert main(["example", "clinic_workbook", "--into", str(tmp_path)]) == 0
    assert (tmp_path / "team.xlsx").is_file()
    assert "team_file: team.xlsx" in (tmp_path / "clinic_workbook.yaml").read_text()


def test_without_a_name_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example"]) == 0
    assert {"first_comparison.yaml", "checkins.csv"} <= set(capsys.readouterr().out.split())


def test_an_unknown_name_and_a_file_that_is_there_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["example", "first_comparson", "--into", str(tmp_path)]) == 2
    assert "did you mean first_comparison.yaml" in capsys.readouterr().err
    (tmp_path / "checkins.csv").write_text("mine")
    assert main(["example", "checkins.csv", "--into", str(tmp_path)]) == 2
    assert (tmp_path / "checkins.csv").read_text() == "mine"
