"""The whole fit on a small table: from published rows to joint draws, resumed without a simulation."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.evidence.coded_results import evidence_of
from taper_sim.evidence.published_fit import fit_tables, fit_waves
from taper_sim.evidence.published_fit.fit_waves import FitSize, PublishedFit, fit_published
from taper_sim.evidence.published_fit.simulated_targets import SLOTS, TargetSimulator, ensemble_at
from taper_sim.evidence.published_fit.trial_comparison import trial_table
from taper_sim.evidence.published_fit.trial_factor import (
    INFORMED_BY_TRIAL,
    TrialSummary,
    fit_with_trial,
    on_buprenorphine,
)
from taper_sim.simulation.ensemble import UNCERTAIN

TABLE = (
    "id,study,role,statistic,outcome,value,lo95,hi95,width_from,n_arm,day,followup_days,arm,reference_arm,cohort,"
    "enrolment\n"
    "A,ward,target,mean,withdrawal_sows_gossop,12,11.5,12.5,ci,,7,7,abrupt(),,"
    '"drug_class=opioid;formulation=IR;oud_share=1;imposed=no",inpatient; leaves at will\n'
    "B,ward,target,proportion,completed_withdrawal,0.3,,,n,150,7,7,abrupt(),,"
    '"drug_class=opioid;formulation=IR;oud_share=1;imposed=no",inpatient; leaves at will\n'
    'C,other,target,mean_difference,dose_end_mme,-40,-60,-20,ci,,7,7,"linear(pct=50, every=28)",constant(),'
    "imposed=no,\n"
    "D,other,context,,,,,,,,,,,,,\n"
)
SIZE = FitSize(waves=(8, 1), check=1, people=16, people_for_events=16, seed=3)


def _simulator() -> TargetSimulator:
    table = evidence_of(pd.read_csv(StringIO(TABLE), dtype=str).fillna(""), "t.csv")
    return TargetSimulator(table, SIZE.seed, SIZE.people, SIZE.people_for_events)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fit")


@pytest.fixture(scope="module")
def fit(folder: Path) -> PublishedFit:
    return fit_published(_simulator(), SIZE, folder, lambda _: None)


def test_the_targets_are_the_rows_that_can_be_simulated_on_their_scales() -> None:
    ward, share, dose = _simulator().targets
    assert [ward.id, share.id, dose.id] == ["A", "B", "C"]
    assert ward.value == 12.0 and ward.unit == 12.0 and ward.se == pytest.approx(0.255, abs=0.001)
    assert share.value == pytest.approx(np.log(0.3 / 0.7)) and share.unit == 1.0
    assert dose.unit == 40.0


def test_places_hold_their_people_in_every_batch_and_arms_share_them() -> None:
    simulator = _simulator()
    z = np.zeros((SLOTS, len(UNCERTAIN)))
    first, _ = simulator.batch(z)
    again, _ = simulator.batch(z[::-1])
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first[:, 0])) > SLOTS / 2  # people of different places differ


def test_the_fit_moves_withdrawal_towards_the_published_score(fit: PublishedFit) -> None:
    sigma = fit_tables.NAMES.index("sigma_opioid")
    assert fit.screened.visible[0, sigma]
    z = fit_tables.joint_draws(fit, SIZE.seed)
    assert z[:, sigma].mean() > 0.1  # 512 draws have a standard error of 0.044; much is taken by the discrepancy
    table = fit_tables.target_table(fit).set_index("id")
    assert abs(table.loc["A", "posterior"] - 12.0) < abs(table.loc["A", "prior"] - 12.0)
    assert table.loc["A", "gap_in_se"] > 0 and table.loc["A", "discrepancy"] > 0


def test_columns_that_no_target_sees_keep_the_prior(fit: PublishedFit) -> None:
    z = fit_tables.joint_draws(fit, SIZE.seed)
    unseen = np.setdiff1d(np.arange(len(UNCERTAIN)), fit.columns)
    assert len(unseen) > len(UNCERTAIN) / 2
    np.testing.assert_allclose(z[:, unseen].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(z[:, unseen].std(axis=0), 1.0, atol=0.01)


def test_a_finished_fit_resumes_to_the_same_draws_without_a_simulation(
    fit: PublishedFit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def simulated_again(*_: object) -> None:
        raise AssertionError("a batch was simulated again")

    monkeypatch.setattr(TargetSimulator, "batch", simulated_again)
    again = fit_published(_simulator(), SIZE, folder, lambda _: None)
    np.testing.assert_array_equal(again.draws.z, fit.draws.z)
    ours, theirs = (fit_tables.draws_table(one, SIZE.seed) for one in (fit, again))
    pd.testing.assert_frame_equal(ours, theirs)


def test_the_seed_and_the_people_are_part_of_what_a_batch_is_saved_under(fit: PublishedFit) -> None:
    table = fit.simulator.plan.table
    hashes = {TargetSimulator(table, *sizes).hash for sizes in ((3, 16, 16), (4, 16, 16), (3, 32, 16), (3, 16, 32))}
    assert len(hashes) == 4 and fit.simulator.hash in hashes


def test_points_of_the_prior_are_stratified_in_every_column() -> None:
    z = np.sort(fit_waves.prior_points(64, 1), axis=0)
    assert z.shape == (64, len(UNCERTAIN))
    quarter = (z < -0.67449).sum(axis=0)
    assert (quarter == 16).all()


def test_sigma_of_a_point_is_rescaled_with_ec50() -> None:
    z = np.zeros((2, len(UNCERTAIN)))
    z[1, fit_tables.NAMES.index("EC50_opioid")] = 1.0
    values = ensemble_at(z).values
    ec50 = values["EC50"][:, 0]
    peak = values["sigma"][:, 0] * 90.0 / (90.0 + ec50)
    assert peak[0] == pytest.approx(peak[1])
    np.testing.assert_allclose(
        fit_tables._without_rescaling(z)[0],
        fit_tables._without_rescaling(z)[1] / np.where(z[1] == 1.0, ec50[1] / ec50[0], 1.0),
    )


def test_a_trial_is_one_more_factor_on_the_same_surfaces_and_is_checked_at_its_own_draws(
    fit: PublishedFit, folder: Path
) -> None:
    centre = on_buprenorphine(np.full((1, len(UNCERTAIN)), 1e-6))[0]
    trial = TrialSummary(centre + 0.5, 0.01 * np.eye(len(centre)), 300, 4000, "made")
    with_it = fit_with_trial(fit, trial, SIZE.seed, folder, lambda _: None)
    assert set(with_it.columns) == {*fit.columns, *(fit_tables.NAMES.index(name) for name in INFORMED_BY_TRIAL)}
    np.testing.assert_allclose(with_it.check.z[:, with_it.columns], with_it.checked.z)
    table = trial_table(fit, with_it, trial, SIZE.seed, folder).set_index("what")
    assert table.loc["EC50_opioid: mean z", "with"] > table.loc["EC50_opioid: mean z", "without"] + 0.2
    gap = table.loc["gap of the trial, sd: EC50"]
    assert abs(gap["with"]) < abs(gap["without"])
    draws = fit_tables.joint_draws(with_it, SIZE.seed)
    assert draws.shape == fit_tables.joint_draws(fit, SIZE.seed).shape
