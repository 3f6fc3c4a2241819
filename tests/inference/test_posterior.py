"""One patient's posterior: what it may depend on, what it must get right."""

import numpy as np
import pytest

from taper_sim.inference import course as at
from taper_sim.inference.observation import reports_of
from taper_sim.inference.posterior import Evidence, Posterior, pareto_smoothed, posterior_of, weighted_quantile
from taper_sim.inference.prior import Prior, prior_of
from taper_sim.studies.simulated_people import DAILY, population_prior, tapered, until, written

N_DAYS = 84


def fitted(seed: int, sigma: float, *, n_draws: int = 2048, draw_seed: int = 0) -> tuple[Posterior, Evidence]:
    """Posterior of a person with this sensitivity after six steps of 15 %."""
    prior = population_prior("usual", N_DAYS)
    regimen = until(tapered(15.0, N_DAYS), N_DAYS)
    values = prior.values(np.zeros((1, len(prior.names))))[0]
    values[at.SIGMA] = sigma
    luck = np.random.default_rng(seed)
    reports = written(values, at.couplings(), regimen, DAILY, luck.random(N_DAYS + 1) < 0.85, luck)
    still = np.zeros(N_DAYS + 1)
    evidence = Evidence(prior, at.couplings(), regimen, reports_of(reports, still.astype(np.int64), still))
    return posterior_of(evidence, n_draws, draw_seed), evidence


def test_the_same_data_and_seed_give_the_same_answer_whatever_was_asked_before() -> None:
    first, _ = fitted(1, 1.2)
    fitted(2, 3.0)
    again, _ = fitted(1, 1.2)
    np.testing.assert_array_equal(first.z, again.z)
    np.testing.assert_array_equal(first.weights, again.weights)


def test_another_seed_of_the_draws_moves_the_means_by_no_more_than_its_monte_carlo_error() -> None:
    one, _ = fitted(1, 2.0)
    other, _ = fitted(1, 2.0, draw_seed=9)
    for k, name in enumerate(one.prior.names):
        a, b = one.z[:, k], other.z[:, k]
        sd = np.sqrt(one.weights @ (a - one.weights @ a) ** 2)
        error = sd * np.sqrt(1 / one.ess + 1 / other.ess)
        assert abs(one.weights @ a - other.weights @ b) < 5 * error, name


def test_nobody_who_sent_nothing_is_known_better_than_everybody() -> None:
    prior = prior_of((True, False, False), 3)
    regimen = until(tapered(10.0, 28), 28)
    still = np.zeros(29)
    evidence = Evidence(prior, at.couplings(), regimen, reports_of([], still.astype(np.int64), still))
    found = posterior_of(evidence, 1024)
    sigma = np.log(found.of("sigma_opioid"))
    k = prior.names.index("sigma_opioid")
    assert found.converged
    assert abs(found.mean(sigma) - prior.mean[k]) < 0.05
    assert abs(np.sqrt(found.mean((sigma - found.mean(sigma)) ** 2)) - prior.sd[k]) < 0.05


def test_a_sensitive_person_is_told_from_a_calm_one() -> None:
    calm, sensitive = (fitted(5, sigma)[0] for sigma in (0.5, 4.5))
    a, b = calm.of("sigma_opioid"), sensitive.of("sigma_opioid")
    assert calm.quantile(a, 0.5) < sensitive.quantile(b, 0.5)
    assert sensitive.mean(b) > 1.2 * calm.mean(a)


def test_the_importance_sampler_agrees_with_a_long_random_walk() -> None:
    found, evidence = fitted(3, 2.0, n_draws=4096)
    d = len(found.prior.names)
    mean = found.weights @ found.z
    cov = (found.z - mean).T @ ((found.z - mean) * found.weights[:, None])
    factor = np.linalg.cholesky(cov) * 2.0 / np.sqrt(d)
    luck = np.random.default_rng(0)
    n_chains, n_steps = 200, 400
    z = found.z[luck.choice(len(found.z), n_chains, p=found.weights)]
    now = evidence.log_posterior(z)[0]
    kept = np.zeros(d)
    for step in range(n_steps):
        new = z + luck.standard_normal((n_chains, d)) @ factor.T
        then = evidence.log_posterior(new)[0]
        moved = np.log(luck.random(n_chains)) < then - now
        z, now = np.where(moved[:, None], new, z), np.where(moved, then, now)
        if step >= n_steps // 2:
            kept += z.mean(axis=0) / (n_steps - n_steps // 2)
    # chains start in the posterior, so only Monte Carlo error is left: some 200 effective draws at least
    np.testing.assert_allclose(kept, mean, atol=float(4 * np.sqrt(np.diag(cov).max() * (1 / 200 + 1 / found.ess))))


def test_weights_of_one_size_have_no_tail() -> None:
    weights, khat = pareto_smoothed(np.full(1000, -3.0))
    assert khat == -np.inf
    np.testing.assert_allclose(np.exp(weights).sum(), 1.0)


def test_weights_with_a_heavy_tail_are_not_trusted() -> None:
    luck = np.random.default_rng(1)
    heavy = np.log(luck.pareto(0.8, 4000) + 1.0)
    light = luck.standard_normal(4000) * 0.3
    assert pareto_smoothed(heavy)[1] > 0.7 > pareto_smoothed(light)[1]


def test_a_weighted_quantile_of_equal_weights_is_the_quantile() -> None:
    x = np.random.default_rng(0).standard_normal(10_001)
    for q in (0.05, 0.5, 0.95):
        assert weighted_quantile(x, np.full(len(x), 1 / len(x)), q) == pytest.approx(np.quantile(x, q), abs=1e-3)


def test_an_earlier_failed_taper_and_a_fixed_value_change_the_prior() -> None:
    plain, failed = (prior_of((True, False, False), 2, failed_tapers=n) for n in (0, 2))
    k = plain.names.index("sigma_opioid")
    assert np.exp(failed.mean[k] - plain.mean[k]) == pytest.approx(1.15**2)
    fixed: Prior = prior_of((True, False, False), 2, fixed={"sigma_opioid": 3.3})
    assert "sigma_opioid" not in fixed.names and fixed.base[at.SIGMA] == 3.3
