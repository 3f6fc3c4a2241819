"""Clinic, team, evaluation, fit, trace: run from a notebook, saved and loaded."""

from pathlib import Path

import pandas as pd
import pytest

import taper_sim as ts
from taper_sim.cli import main

ROOT = Path(__file__).resolve().parents[2]
CLINIC = ROOT / "scenarios" / "clinic_urban.yaml"


@pytest.fixture(scope="module")
def clinic() -> ts.Run:
    return ts.run_clinic(CLINIC, replications=1, patients=12, days=7, progress=False)


def test_a_clinic_run_has_the_numbers_of_the_command(clinic: ts.Run, tmp_path: Path) -> None:
    words = ["--replications", "1", "--patients", "12", "--days", "7", "--out", str(tmp_path / "run")]
    assert main(["clinic", str(CLINIC), *words]) == 0
    pd.testing.assert_frame_equal(clinic.tables["service"], pd.read_csv(tmp_path / "run" / "service.csv"))


def test_a_saved_clinic_run_is_loaded_with_its_answer(clinic: ts.Run, tmp_path: Path) -> None:
    again = ts.load(clinic.save(tmp_path / "kept"))
    assert isinstance(again, ts.Run)
    assert (again.kind, again.text) == ("clinic", clinic.text)
    assert "Nothing breaks" in repr(again) or "breaks" in repr(again)
    pd.testing.assert_frame_equal(again.tables["events"], clinic.tables["events"])
    assert "<svg" in again._repr_html_()


def test_a_folder_with_another_clinic_run_is_kept(clinic: ts.Run, tmp_path: Path) -> None:
    clinic.save(tmp_path / "kept")
    other = ts.run_clinic(CLINIC, replications=1, patients=11, days=7, progress=False)
    with pytest.raises(ts.InputError, match="another run"):
        other.save(tmp_path / "kept")


@pytest.mark.slow
def test_a_population_says_whether_it_is_trusted_and_is_loaded(tmp_path: Path) -> None:
    examples = ROOT / "examples"
    tables = (pd.read_csv(examples / "checkins.csv"), pd.read_csv(examples / "doses.csv"))
    population = ts.fit(*tables, draws=20, tune=20, person_draws=64, progress=False)
    assert not population.trusted and population.failures
    assert "Not trustworthy" in repr(population)
    assert {"centre", "spread"} == set(population.table["what"])
    assert population.table["rhat"].notna().all()
    again = ts.load(population.save(tmp_path / "population.nc"))
    assert isinstance(again, ts.Population)
    pd.testing.assert_frame_equal(again.table, population.table)
    assert len(again.plot().axes) == 2


def test_a_trace_has_the_days_of_the_command(tmp_path: Path) -> None:
    patient = ROOT / "examples" / "patient.yaml"
    words = ["--protocol", "linear(pct=10, every=28)", "--days", "56", "--out", str(tmp_path / "t.csv")]
    assert main(["trace", str(patient), *words]) == 0
    traced = ts.trace(patient, protocol="linear(pct=10, every=28)", days=56)
    pd.testing.assert_frame_equal(traced.days, pd.read_csv(tmp_path / "t.csv"), check_dtype=False)
    assert len(traced.tablets)
    assert len(traced.plot().axes) == 5


def test_a_patient_may_be_a_mapping() -> None:
    drugs = [{"drug": "morphine", "formulation": "ER", "dose_mg_per_day": 60}]
    assert ts.trace({"id": "a", "drugs": drugs}, days=3).days["dose_opioid"].tolist() == [60.0] * 4


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: ts.load("nowhere"), "no folder"),
        (lambda: ts.load(ROOT / "README.md"), "the file of a population"),
        (lambda: ts.load(ROOT / "docs"), "without plan.json"),
        (lambda: ts.trace({"id": "a"}), "patient: drugs: given nothing"),
        (lambda: ts.trace(ROOT / "examples/patient.yaml", protocol="linnear()"), "did you mean linear"),
        (lambda: ts.run_clinic(CLINIC, replications=0), "replications: given 0"),
        (lambda: ts.fit("a.csv", "b.csv", draws=0, progress=False), "draws: given 0"),
        (lambda: ts.evaluate(CLINIC, patients=0, progress=False), "patients: given 0"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(call: object, line: str) -> None:
    with pytest.raises(ts.InputError, match=line) as error:
        call()  # type: ignore[operator]
    assert len(str(error.value).splitlines()) == 1
