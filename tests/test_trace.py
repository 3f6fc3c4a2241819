"""The trace, as a user calls it."""

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.cli import main
from tests.conftest import ROOT

VA = "id: va\ndrugs: [{drug: morphine, formulation: ER, dose_mg_per_day: 270, interval_h: 8}]\n"


def trace(tmp_path: Path, text: str, *options: str) -> pd.DataFrame:
    patient, out = tmp_path / "patient.yaml", tmp_path / "out.csv"
    patient.write_text(text)
    assert main(["trace", str(patient), "--out", str(out), *options]) == 0
    return pd.read_csv(out)


def test_columns_are_those_of_the_contract_and_a_class_not_taken_has_only_its_dose(tmp_path: Path):
    table = trace(tmp_path, (ROOT / "examples" / "patient.yaml").read_text(), "--noise", "off")
    per_class = ("level", "occupancy", "fast", "slow", "tolerance", "drive", "withdrawal")
    expected = ["day", "dose_opioid", "dose_benzodiazepine", "dose_gabapentinoid"]
    expected += [f"{name}_{c}" for c in ("opioid", "benzodiazepine") for name in per_class]
    expected += [
        "withdrawal",
        "pain",
        "distress",
        "insomnia",
        "function",
        "engagement",
        "craving",
        "expectation",
        "resp_tolerance",
    ]
    assert list(table.columns) == expected
    assert table["day"].tolist() == list(range(170))
    assert (table["dose_gabapentinoid"] == 0).all()


def test_a_schedule_is_not_rounded_and_each_dose_holds_until_the_next_day_in_it(tmp_path: Path):
    text = VA + "schedule: {opioid: {0: 90, 3: 71.3, 5: 0}}\n"
    assert trace(tmp_path, text, "--days", "6")["dose_opioid"].tolist() == [90, 90, 90, 71.3, 71.3, 0, 0]


def test_a_fixed_sigma_is_unchanged_and_a_free_one_grows_with_failed_tapers(tmp_path: Path):
    stop = "schedule: {opioid: {0: 90, 1: 0}}\n"
    peaks = {}
    for name, text in (
        ("median", ""),
        ("failed", "risk: {failed_tapers: 2}\n"),
        ("five", "risk: {failed_tapers: 5}\n"),
        ("fixed", "parameters: {sigma: {opioid: 1.2}}\n"),
        ("both", "parameters: {sigma: {opioid: 1.2}}\nrisk: {failed_tapers: 2}\n"),
    ):
        peaks[name] = trace(tmp_path, VA + stop + text)["drive_opioid"].max()
    assert peaks["fixed"] == peaks["both"] == pytest.approx(peaks["median"])
    assert peaks["failed"] == pytest.approx(1.15**2 * peaks["median"])
    assert peaks["five"] == pytest.approx(1.15**3 * peaks["median"])


def test_buprenorphine_is_on_its_own_scale(tmp_path: Path):
    text = "id: b\ndrugs: [{drug: buprenorphine, formulation: SL film/tablet, dose_mg_per_day: 8}]\n"
    table = trace(tmp_path, text, "--days", "2")
    assert table["dose_opioid"].tolist() == [8, 8, 8]
    assert table["occupancy_opioid"][0] == pytest.approx(8 / (8 + 2.4), abs=0.03)


def test_under_a_va_preset_morphine_er_90_mg_every_8_hours_gets_tablets_that_exist_at_the_printed_pace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    doses = trace(tmp_path, VA, "--protocol", 'preset("VA Opioid Taper Decision Tool - slower")')["dose_opioid"]
    printed = capsys.readouterr().out
    steps = doses[doses.diff() != 0].tolist()
    assert steps == [270, 240, 210, 195, 165, 135, 105, 75, 60, 30, 0]
    cuts = [(a - b) / 270 for a, b in pairwise(steps)]
    assert all(0.05 <= cut <= 0.20 for cut in cuts)  # "5 to 20 % every 4 weeks"
    assert "84 x 60 mg; 28 x 30 mg; 56 x 15 mg" in printed  # four weeks of 240 mg
    assert "not clinically reviewed" in printed


def test_a_protocol_that_waits_for_reports_has_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    patient = tmp_path / "patient.yaml"
    patient.write_text(VA)
    assert main(["trace", str(patient), "--protocol", "integral()", "--out", str(tmp_path / "o.csv")]) == 2
    assert "a trace has no check-ins" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_care_of_a_protocol_replaces_the_care_in_the_patients_file(tmp_path: Path):
    taper = "linear(pct=10, every=28)"
    none, own, brought = (
        trace(tmp_path, VA + care, "--protocol", protocol, "--days", "84")
        for care, protocol in (
            ("", taper),
            ("care: {psychologist: 1.0, nurse: 1.0}\n", taper),
            ("care: {pt: 1.0}\n", f"supported(taper={taper}, care=psychologist/nurse)"),
        )
    )
    pd.testing.assert_frame_equal(own, brought)
    assert brought["engagement"].iloc[-1] > none["engagement"].iloc[-1]
