"""The parameters of events that a roll-out reads."""

from datetime import date, timedelta

import numpy as np
import pytest

from taper_sim.data.drugs_taken import DrugTaken
from taper_sim.data.formulary import find_drug
from taper_sim.data.patient import DrugEntry, Patient
from taper_sim.data.records import DoseRow, History
from taper_sim.inference import event_columns
from taper_sim.inference.event_columns import FIXED_OVERDOSE
from taper_sim.inference.event_risk import event_draws, event_matrix, overdose_ratio, simulated_patient
from taper_sim.safety.variables import Values
from taper_sim.simulation.ensemble import from_prior
from tests.conftest import SEED, opioid_cohort

TODAY = date(2026, 3, 31)


def test_a_row_of_the_matrix_is_of_that_patient_and_that_draw_alone() -> None:
    cohort, ensemble = opioid_cohort(4), from_prior(SEED, 4)
    matrix = event_matrix(cohort, ensemble.of(np.arange(4)))
    assert matrix.shape == (4, event_columns.N_EVENTS)
    np.testing.assert_array_equal(matrix[[2]], event_matrix(cohort.take([2]), ensemble.of(np.array([2]))))


def test_more_lapses_go_beyond_the_baseline_dose_in_opioid_use_disorder_but_never_all() -> None:
    cohort = opioid_cohort(2).take(np.zeros(2, dtype=np.int64))
    cohort.flags["oud"][:] = [False, True]
    centre = from_prior(SEED, 1).of(np.zeros(2, dtype=np.int64))
    without, with_disorder = event_matrix(cohort, centre)[:, event_columns.MORE_SHARE]
    assert without < with_disorder
    most = event_matrix(cohort, centre | {"lapse_more": np.full(2, 5.0)})[:, event_columns.MORE_SHARE]
    assert (most == 0.9).all()


def test_the_columns_stand_where_the_roll_out_looks_for_them() -> None:
    cohort = opioid_cohort(1)
    centre = from_prior(SEED, 1).of(np.zeros(1, dtype=np.int64))
    row = event_matrix(cohort, centre)[0]
    assert row[event_columns.CRISIS_M] == centre["crisis_m"][0]
    assert row[event_columns.FIXED_RETURN] == centre["return_0"][0]


def _overdose(history: History, patient: Patient | None = None) -> float:
    """Mean log of the overdose rate of a person on 60 mg of morphine."""
    values = Values(history, TODAY)
    known = {name: values.value(name) for name in ("egfr", "crcl", "phq9", "age", "oud_criteria_count")}
    slots = (DrugTaken(find_drug("morphine", "ER"), 60.0, 2),)
    person = simulated_patient(slots, patient, known, "p")
    return float(event_draws(person, 0, 64, overdose_ratio(values))[:, FIXED_OVERDOSE].mean())


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("alcohol_dependence", 1.0),
        ("controlled_drug_prescribers", 4.0),
        ("copd", 1.0),
        ("egfr", 18.0),
        ("crcl", 18.0),
        ("phq9", 20.0),
        ("oud_criteria_count", 3.0),
    ],
)
def test_a_risk_factor_raises_the_overdose_rate_with_and_without_a_patients_file(answer: str, value: float) -> None:
    doses = (DoseRow(TODAY - timedelta(days=400), find_drug("morphine", "ER"), 60.0),)
    without, with_it = History("p", (), doses), History("p", (), doses, {answer: value})
    file = Patient(id="p", drugs=(DrugEntry(drug="morphine", formulation="ER", dose_mg_per_day=60.0),))
    for patient in (None, file):
        assert _overdose(with_it, patient) > _overdose(without, patient) + 0.2


def test_three_prescribers_are_not_four() -> None:
    doses = (DoseRow(TODAY - timedelta(days=400), find_drug("morphine", "ER"), 60.0),)
    assert overdose_ratio(Values(History("p", (), doses, {"controlled_drug_prescribers": 3.0}), TODAY)) == 1.0
