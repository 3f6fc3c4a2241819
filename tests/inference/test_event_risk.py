"""The parameters of events that a roll-out reads."""

import numpy as np

from taper_sim.inference import event_columns
from taper_sim.inference.event_risk import event_matrix
from taper_sim.simulation.ensemble import from_prior
from tests.conftest import SEED, opioid_cohort


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
