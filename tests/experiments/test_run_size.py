"""A run that needs more than a day or more than the memory there is says so first, and runs only when told to."""

from pathlib import Path

import pytest

from taper_sim.cli import main
from taper_sim.experiments import run_size
from taper_sim.experiments.run_size import rate_of, size_of
from tests.conftest import ROOT

SCENARIOS = ROOT / "scenarios"


@pytest.mark.parametrize(
    ("command", "scenario", "words"),
    [
        ("compare", "first_comparison.yaml", ("--patients", "10000000", "--days", "3650")),
        ("clinic", "clinic_urban.yaml", ("--patients", "10000000", "--days", "3650")),
        ("triage", "clinic_triage.yaml", ("--patients", "10000000")),
        ("staffing", "staffing_small.yaml", ("--patients", "10000000")),
        ("evaluate", "ladder.yaml", ("--patients", "10000000")),
    ],
)
def test_ten_million_patients_are_refused_before_one_is_sampled(
    command: str,
    scenario: str,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("taper_sim.simulation.cohort.sample", None)  # it is not reached
    assert main([command, str(SCENARIOS / scenario), *words, "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "patient-days" in lines[0] and "GB" in lines[0] and "--yes" in lines[0]
    assert not (tmp_path / "run").exists()


def test_yes_runs_it_nevertheless(small_scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_size, "MOST_SECONDS", 0.0)
    command = ["compare", str(small_scenario), "--patients", "12", "--days", "14", "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert main([*command, "--yes"]) == 0
    assert main(["verify", str(tmp_path / "run")]) == 0  # what was run once is not asked about again


def test_the_estimate_is_patients_times_days_times_runs_and_personal_pace_takes_longer():
    size = size_of("cohort", 1000, 364, 3)
    assert size.patient_days == 1000 * 364 * 3
    assert size_of("personal", 1000, 364, 3).seconds > 100 * size.seconds
    assert rate_of(["constant()", "personal() + run_in(days=14)"]) == "personal"
    assert rate_of(["constant()", "linear(pct=10, every=28)"]) == "cohort"
