"""The fit against answers that are known exactly: surfaces, posterior of a linear toy, discrepancy, ranks."""

import numpy as np
import pytest

from taper_sim.evidence.published_fit import fit_checks
from taper_sim.evidence.published_fit.causal_share_fits import with_column_at
from taper_sim.evidence.published_fit.joint_posterior import (
    FitDraws,
    TargetsToFit,
    _LogPosterior,
    prior_draws,
    sample_posterior,
)
from taper_sim.evidence.published_fit.target_emulator import fit_surface, screen

N_COLUMNS = 5


def _toy(quadratic: float = 0.0, seed: int = 1, n: int = 8) -> TargetsToFit:
    """Targets of five columns; four studies of two targets."""
    generator = np.random.default_rng(seed)
    curve = quadratic * generator.standard_normal((n, N_COLUMNS, N_COLUMNS))
    return TargetsToFit(
        value=generator.standard_normal(n),
        variance=np.full(n, 0.2) + 0.1 * np.arange(n) / n,
        unit=np.linspace(0.5, 1.5, n),
        study=np.arange(n) // 2,
        constant=0.3 * generator.standard_normal(n),
        linear=generator.standard_normal((n, N_COLUMNS)),
        quadratic=curve + curve.transpose(0, 2, 1),
    )


def _exact(targets: TargetsToFit) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the posterior of a linear model without discrepancy."""
    weighted = targets.linear / targets.variance[:, None]
    covariance = np.linalg.inv(np.eye(N_COLUMNS) + targets.linear.T @ weighted)
    return covariance @ (weighted.T @ (targets.value - targets.constant)), covariance


def test_the_posterior_of_a_linear_toy_is_the_exact_normal() -> None:
    targets = _toy()
    mean, covariance = _exact(targets)
    draws = sample_posterior(targets, draws=2000, tune=400, chains=2, seed=3, scale=0.0)
    sd = np.sqrt(np.diag(covariance))
    # 4,000 draws of NUTS have at least 1,000 effective ones: 4 standard errors of a mean are 0.13 sd, of an sd 9 %
    assert (np.abs(draws.z.mean(axis=0) - mean) < 0.13 * sd).all()
    assert (np.abs(draws.z.std(axis=0) / sd - 1.0) < 0.09).all()
    np.testing.assert_allclose(np.corrcoef(draws.z.T), covariance / np.outer(sd, sd), atol=0.13)
    assert draws.rhat < 1.02 and draws.divergences == 0


@pytest.mark.parametrize("scale", [0.0, 0.25])
def test_the_gradient_is_that_of_the_log_posterior(scale: float) -> None:
    log_posterior = _LogPosterior(_toy(quadratic=0.3), scale)
    x = 0.7 * np.random.default_rng(2).standard_normal(log_posterior.dim)
    slope = log_posterior(x)[1]
    step = 1e-6 * np.eye(log_posterior.dim)
    differences = [(log_posterior(x + h)[0] - log_posterior(x - h)[0]) / 2e-6 for h in step]
    np.testing.assert_allclose(slope, differences, atol=1e-6)


def test_one_study_in_conflict_gets_a_discrepancy_and_moves_the_fit_less_than_without() -> None:
    agreed = _toy()
    truth = np.array([0.5, -0.5, 0.2, 0.0, 0.3])
    agreed = agreed.with_values(agreed.at(truth[None])[0])
    value = agreed.value.copy()
    value[agreed.study == 3] += 6.0 * agreed.unit[agreed.study == 3]
    conflict = agreed.with_values(value)
    draws = sample_posterior(conflict, draws=1000, tune=500, seed=1)
    shift = draws.shift(conflict).mean(axis=0) / conflict.unit
    assert np.argmax(np.abs([shift[conflict.study == s].mean() for s in range(4)])) == 3
    assert shift[conflict.study == 3].min() > 0.5
    moved_without = np.abs(_exact(conflict)[0] - _exact(agreed)[0]).max()
    moved = np.abs(draws.z.mean(axis=0) - _exact(agreed)[0]).max()
    assert moved < 0.5 * moved_without


def test_a_study_left_out_has_no_part_in_the_fit() -> None:
    targets = _toy()
    less = targets.without(1)
    np.testing.assert_array_equal(less.study, [0, 0, 1, 1, 2, 2])
    moved = targets.with_values(np.where(targets.study == 1, targets.value + 100.0, targets.value))
    np.testing.assert_array_equal(moved.without(1).value, less.value)


@pytest.mark.slow
def test_synthetic_truths_have_uniform_ranks() -> None:
    targets = _toy(quadratic=0.05)
    names = [f"c{k}" for k in range(N_COLUMNS)]
    rows = [row for number in range(24) for row in fit_checks.rank_rows(targets, names, number, seed=5)]
    ranks = np.array([row[2] for row in rows if row[1] != "tau"]).reshape(24, N_COLUMNS)
    # the mean of 24 uniform ranks has an sd of 0.289 / sqrt(24) = 0.059, that of 120 nearly independent ones 0.026
    assert np.abs(ranks.mean(axis=0) - 0.5).max() < 4 * 0.059
    assert abs(ranks.mean() - 0.5) < 4 * 0.026
    covered = (np.abs(ranks - 0.5) < 0.4).mean()
    assert abs(covered - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 120)


def test_weights_are_equal_where_the_simulator_agrees_and_prefer_draws_where_it_fits_better() -> None:
    targets = _toy()
    draws = prior_draws(targets, 200, seed=2)
    nothing = np.zeros(len(targets.value))
    exact = np.zeros((200, len(targets.value)))
    same = fit_checks.weigh_by_simulator(targets, nothing, draws, targets.at(draws.z), exact)
    np.testing.assert_allclose(same.weights, 1 / 200)
    nearer = targets.at(draws.z)
    nearer[0] = targets.value
    assert np.argmax(fit_checks.weigh_by_simulator(targets, nothing, draws, nearer, exact).weights) == 0


def test_the_marginal_density_integrates_the_discrepancy_of_a_study_out() -> None:
    targets = _toy()
    tau, fitted = np.array([0.4, 0.05]), targets.value + np.linspace(-0.5, 0.5, len(targets.value)) * np.ones((2, 1))
    variance = np.broadcast_to(targets.variance, fitted.shape)
    generator = np.random.default_rng(5)
    n = 200_000
    drawn = np.zeros(2)
    for k in range(2):
        for study in range(targets.n_studies):
            t = targets.study == study
            square = 2.0 / generator.standard_gamma(2.0, n)
            size = targets.unit[t] * (tau[k] * np.sqrt(square))[:, None]
            centre = fitted[k, t] + np.sqrt(0.5) * size * generator.standard_normal(n)[:, None]
            spread = variance[k, t] + 0.5 * size**2
            density = -0.5 * ((targets.value[t] - centre) ** 2 / spread + np.log(2 * np.pi * spread))
            drawn[k] += np.log(np.mean(np.exp(density.sum(axis=1))))
    np.testing.assert_allclose(fit_checks.log_marginal(targets, tau, fitted, variance), drawn, atol=0.05)


def test_a_fixed_column_leaves_the_surfaces_of_the_others() -> None:
    targets = _toy()
    z = np.random.default_rng(3).standard_normal((50, targets.n_columns))
    z[:, 1] = 0.7
    fixed = with_column_at(targets, 1, 0.7)
    np.testing.assert_allclose(fixed.at(z), targets.at(z))
    z[:, 1] = -2.0
    moved = z.copy()
    moved[:, 1] = 0.7
    np.testing.assert_allclose(fixed.at(z), targets.at(moved))


def test_scores_of_a_normal_prediction_are_those_of_the_normal() -> None:
    value, mean, sd, below, score = fit_checks._scores(1.0, np.array([0.0]), np.array([4.0]))
    assert (value, mean, sd) == (1.0, 0.0, 2.0)
    assert below == pytest.approx(0.6914625) and score == pytest.approx(-0.5 * np.log(2 * np.pi * 4) - 1 / 8)


def _points(n: int, d: int, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(seed).standard_normal((n, d)), np.arange(n) % 32


def test_a_surface_recovers_a_quadratic_and_the_size_of_its_error() -> None:
    z, slot = _points(320, 12)
    generator = np.random.default_rng(6)
    truth = 1.0 + 0.8 * z[:, 0] - 0.5 * z[:, 3] + 0.2 * z[:, 0] ** 2 + 0.15 * z[:, 0] * z[:, 3]
    people = 0.3 * generator.standard_normal(32)
    values = (truth + people[slot] + 0.2 * generator.standard_normal(320))[:, None]
    visible = screen(z, values, slot)
    assert set(np.flatnonzero(visible.visible[0])) >= {0, 3} and visible.visible[0].sum() <= 4
    every = np.ones(320, dtype=bool)
    surface = fit_surface(z, values[:, 0], np.full(320, 0.13), slot, every, visible.visible[0], visible.slope[0])
    assert surface.linear[0] == pytest.approx(0.8, abs=0.06) and surface.linear[3] == pytest.approx(-0.5, abs=0.06)
    assert surface.quadratic[0, 0] == pytest.approx(0.2, abs=0.06)
    new = np.random.default_rng(7).standard_normal((2000, 12))
    exact = 1.0 + 0.8 * new[:, 0] - 0.5 * new[:, 3] + 0.2 * new[:, 0] ** 2 + 0.15 * new[:, 0] * new[:, 3]
    error = ((surface.at(new) - exact) ** 2).mean()
    assert error < 0.02  # the people of 32 places alone is 0.3^2 / 32 = 0.003
    assert error / 5 < surface.variance < 0.03


def test_a_target_that_sees_nothing_has_a_flat_surface() -> None:
    z, slot = _points(320, 12)
    values = np.random.default_rng(8).standard_normal((320, 1))
    visible = screen(z, values, slot)
    assert not visible.visible.any()
    every = np.ones(320, dtype=bool)
    surface = fit_surface(z, values[:, 0], np.ones(320), slot, every, visible.visible[0], visible.slope[0])
    assert np.ptp(surface.at(z)) == 0.0


def test_draws_at_places_are_those_draws() -> None:
    draws = prior_draws(_toy(), 10, seed=1)
    assert isinstance(draws, FitDraws)
    np.testing.assert_array_equal(draws.at(np.array([3, 1])).z, draws.z[[3, 1]])
