"""A trial's people as a factor of the posterior: the normal, its coordinates, the file, and what it changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.data.formulary import find_drug
from taper_sim.data.problems import InputError
from taper_sim.evidence.published_fit.fit_tables import NAMES
from taper_sim.evidence.published_fit.joint_posterior import TargetsToFit, sample_posterior
from taper_sim.evidence.published_fit.simulated_targets import ensemble_at
from taper_sim.evidence.published_fit.trial_factor import (
    INFORMED_BY_TRIAL,
    TRANSPORT_SD,
    TrialSummary,
    conditioned,
    on_buprenorphine,
    read_trial_summary,
    with_trial,
)
from taper_sim.simulation.cohort import ClassMargin, DrugShare, sample
from taper_sim.simulation.ensemble import UNCERTAIN
from taper_sim.simulation.layout import values_of
from taper_sim.studies.trial_tapers import study
from taper_sim.studies.trial_tapers.trial_summary import SHARED_CENTRES

SUMMARY = Path(__file__).resolve().parents[3] / "docs" / "tables" / "trial_summary.csv"
PLACES = [NAMES.index(name) for name in INFORMED_BY_TRIAL]


def _trial(mean: np.ndarray, sd: float = 0.1) -> TrialSummary:
    return TrialSummary(mean, sd**2 * np.eye(len(SHARED_CENTRES)), 300, 4000, "made")


def _targets() -> TargetsToFit:
    """Two targets of one study that see two columns, the second of them the trial's ``tau_L_opioid``."""
    return TargetsToFit(
        value=np.array([0.3, -0.2]),
        variance=np.array([0.5, 0.5]),
        unit=np.ones(2),
        study=np.zeros(2, dtype=np.int64),
        constant=np.zeros(2),
        linear=np.array([[0.5, 0.0], [0.0, 0.5]]),
        quadratic=np.zeros((2, 2, 2)),
    )


COLUMNS = np.array(sorted([NAMES.index("visit_w"), NAMES.index("tau_L_opioid")]))


def _correlated() -> np.ndarray:
    return 0.04 * (0.5 * np.eye(len(SHARED_CENTRES)) + 0.5)


def test_the_coordinates_are_those_of_a_median_person_on_buprenorphine_in_the_simulator() -> None:
    z = np.random.default_rng(1).standard_normal((3, len(UNCERTAIN)))
    drug = find_drug("buprenorphine", "SL film/tablet")
    sampled = sample(3, 1, {"opioid": ClassMargin(1.0, (DrugShare(drug, 1.0),), 12.0, 0.0, 1.0, 32.0, 400.0, 0.0)})
    person = replace(
        sampled, spread=False, keys=np.arange(3, dtype=np.uint64), failed_tapers=np.zeros(3, dtype=np.int64)
    )
    values = values_of(person, ensemble_at(z), 1)
    assert person.buprenorphine.all()
    for k, symbol in enumerate(SHARED_CENTRES):
        own = values[symbol][:, 0]
        expected = np.log(own / (1.0 - own)) if symbol == "omega" else np.log(own)
        np.testing.assert_allclose(on_buprenorphine(z)[:, k], expected, rtol=1e-12)


def test_the_factor_is_the_normal_likelihood_with_its_transport_discrepancy() -> None:
    trial = replace(_trial(on_buprenorphine(np.zeros((1, len(UNCERTAIN))))[0] + 0.4), covariance=_correlated())
    targets, columns = with_trial(_targets(), COLUMNS, trial)
    z = 0.7 * np.random.default_rng(2).standard_normal((20, len(UNCERTAIN)))
    rest = trial.mean - on_buprenorphine(z)
    covariance = trial.covariance + np.diag([TRANSPORT_SD[symbol] ** 2 for symbol in SHARED_CENTRES])
    exact = -0.5 * np.einsum("ni,ij,nj->n", rest, np.linalg.inv(covariance), rest)
    own = slice(len(_targets().value), None)
    errors = (targets.value - targets.at(z[:, columns]))[:, own]
    np.testing.assert_allclose(-0.5 * (errors**2 / targets.variance[own]).sum(axis=1), exact, atol=0.02)
    assert (targets.unit[own] == 0.0).all()


def test_the_published_targets_see_what_they_saw() -> None:
    before = _targets()
    targets, columns = with_trial(before, COLUMNS, _trial(np.zeros(5)))
    assert set(columns) == {*COLUMNS, *PLACES}
    z = np.random.default_rng(3).standard_normal((10, len(UNCERTAIN)))
    np.testing.assert_allclose(targets.at(z[:, columns])[:, :2], before.at(z[:, COLUMNS]))
    assert targets.n_studies == 2 and targets.without(1).n_studies == 1


def test_a_trial_that_says_more_moves_the_centres_towards_it() -> None:
    centre = on_buprenorphine(np.full((1, len(UNCERTAIN)), 1e-6))[0]
    shifted = centre + np.array([0.0, 0.0, 0.0, 0.0, 0.6])
    moved = {}
    for sd in (0.05, 3.0):
        targets, columns = with_trial(_targets(), COLUMNS, _trial(shifted, sd))
        draws = sample_posterior(targets, draws=400, tune=300, seed=1)
        moved[sd] = draws.z[:, list(columns).index(NAMES.index("EC50_opioid"))].mean()
    # prior variance 0.25, likelihood variance 0.05² + 0.5²: half of the shift of 1.2 prior sds, less for sigma's part
    assert 0.35 < moved[0.05] < 0.75
    assert abs(moved[3.0]) < 0.25


def test_the_committed_summary_is_of_this_code_and_names_nobody() -> None:
    table = pd.read_csv(SUMMARY)
    assert set(table["code"]) == {study.code_hash()}
    trial = read_trial_summary(SUMMARY)
    assert (trial.n_people, len(trial.mean)) == (305, 5)
    assert not {"who", "phase", "study_day"} & set(table.columns)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop(columns="sd"), "sd"),
        (lambda t: t.assign(parameter=t["parameter"][::-1].to_numpy()), "parameter"),
        (lambda t: t.assign(mean=["x", *t["mean"][1:]]), "row 2, mean"),
        (lambda t: t.assign(sd=-1.0), "sd, with_…"),
    ],
)
def test_a_summary_that_is_none_gets_one_line(change, told: str, tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    change(pd.read_csv(SUMMARY, dtype=str)).to_csv(path, index=False)
    with pytest.raises(InputError) as refused:
        read_trial_summary(path)
    assert told in str(refused.value) and len(str(refused.value).splitlines()) == 1


def test_conditioned_draws_are_those_of_the_normal_posterior_and_leave_what_is_not_linked() -> None:
    z = np.random.default_rng(4).standard_normal((4000, len(UNCERTAIN)))
    centre = on_buprenorphine(z).mean(axis=0)
    moved = conditioned(z, _trial(centre + np.array([0.0, 0.0, 0.6, 0.0, 0.0])), 1)
    tau, other = NAMES.index("tau_L_opioid"), NAMES.index("visit_w")
    # prior sd 0.3, noise 0.1 and 0.3 of transport: mean 0.6 * 0.3 / (0.09 + 0.01 + 0.09), variance 1 - 0.09 / 0.19
    assert moved[:, tau].mean() - z[:, tau].mean() == pytest.approx(0.947, abs=0.07)
    assert moved[:, tau].std() == pytest.approx(np.sqrt(1.0 - 0.09 / 0.19), abs=0.05)
    np.testing.assert_array_equal(moved[:, other], z[:, other])
