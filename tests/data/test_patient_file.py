"""One patient's file: right input gives the right numbers."""

from pathlib import Path

import numpy as np
import pytest

from taper_sim.data.patient import Patient, doses_by_day, range_of, read_patient

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "patient.yaml"


def _patient(tmp_path: Path, text: str) -> Patient:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return read_patient(path)


def test_the_example_is_read():
    patient = read_patient(EXAMPLE)
    assert patient.id == "p1"
    assert [(*entry.row.key, entry.dose) for entry in patient.drugs] == [
        ("morphine", "ER", 90.0),
        ("lorazepam", "IR", 1.0),
    ]
    assert patient.use_days == {"opioid": 2000.0, "benzodiazepine": 900.0}
    assert patient.baseline.function == 45.0
    assert patient.parameters["sigma"] == {"opioid": 2.1}
    assert patient.parameters["b"] == {"opioid": -0.5}
    assert patient.care.pt == 1.0


def test_an_omitted_entry_takes_the_median_patients_value(tmp_path: Path):
    patient = _patient(tmp_path, "id: 7\ndrugs: [{drug: fentanyl, formulation: TD, dose_mcg_per_h: 25}]\n")
    assert patient.id == "7"
    assert patient.drugs[0].dose == 25.0
    assert (patient.baseline.pain, patient.baseline.sows_gossop, patient.imposed) == (6.0, 3.5, False)
    assert patient.care.prescriber == 0.0
    assert patient.schedule is None


def test_a_dose_holds_until_the_next_day_in_the_schedule():
    doses = doses_by_day({"opioid": {29: 60.0, 0: 90.0, 1: 75.0}, "gabapentinoid": {0: 10.0}}, 30)
    assert doses.shape == (31, 3)
    np.testing.assert_array_equal(doses[[0, 1, 28, 29, 30], 0], [90, 75, 75, 60, 60])
    np.testing.assert_array_equal(doses[:, 1], 0.0)
    np.testing.assert_array_equal(doses[:, 2], 10.0)


def test_a_schedule_of_a_class_not_taken_is_valid(tmp_path: Path):
    patient = _patient(tmp_path, "id: p\nschedule: {opioid: {0: 0}}\n")
    assert patient.schedule == {"opioid": {0: 0.0}}


@pytest.mark.parametrize(
    ("symbol", "right", "wrong"),
    [
        ("sigma", 0.0, -0.1),
        ("tau_s", 0.1, 0.0),
        ("trough_mean", 0.99, 1.0),
        ("omega", 1.0, 1.1),
        ("b", -3.0, -1e9),
        ("EC50", 60.0, 0.0),
        ("xi", 0.0, 1e7),
    ],
)
def test_a_value_has_its_range(symbol: str, right: float, wrong: float):
    assert range_of(symbol, right) is None
    assert range_of(symbol, wrong)
