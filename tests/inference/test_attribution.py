"""What is said of the taper, the reaction and life is held to simulated people whose shares are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, kstest

from taper_sim.inference import attribution
from taper_sim.inference import course as at
from taper_sim.inference.attribution import CAUSES, SHARED_OUTCOMES, SPREADS, attribution_of, parts_of
from taper_sim.inference.life_today import moments_today, reference_days, today_of
from taper_sim.inference.posterior import posterior_of
from taper_sim.studies.simulated_people import DAILY, evidence_from, lived, population_prior, tapered, until, written

N_PEOPLE, N_DAYS, FIRST_CUT = 96, 42, 15
SHARED = at.couplings()


def truth_of(values: np.ndarray, regimen: at.Regimen, life: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of the change since the days before the first cut, from the person's own path."""
    x = at.course(values, SHARED, regimen)
    before = slice(*(reference_days(FIRST_CUT, N_DAYS)[0], FIRST_CUT))
    parts = {}
    for outcome, place, column, per_x in (("pain", at.P, 0, 0.3), ("function", at.U, 3, -1.0)):
        rest = x[before, place] + per_x * x[before, at.X]
        life_part = life[N_DAYS, column] - life[before, column].mean()
        parts[outcome] = np.array([x[N_DAYS, place] - rest.mean(), per_x * x[N_DAYS, at.X], life_part])
    return parts


@pytest.fixture(scope="module")
def people() -> list[dict]:
    """Rank of the truth, and whether the 90 % interval holds it, by quantity."""
    rows = []
    for seed in range(N_PEOPLE):
        luck = np.random.default_rng([11, seed])
        prior = population_prior("usual", N_DAYS)
        z = luck.standard_normal(len(prior.names))
        values = prior.values(z[None])[0]
        whole = tapered(float(luck.choice([5.0, 10.0, 20.0])), N_DAYS)
        regimen, life = until(whole, N_DAYS), lived(values[at.LIFE], SHARED, N_DAYS, luck)
        reports = written(values, SHARED, regimen, DAILY, luck.random(N_DAYS + 1) < 0.8, luck, life)
        evidence = evidence_from(prior, SHARED, whole, reports, N_DAYS)
        posterior = posterior_of(evidence, 512, 0)
        truth, row = truth_of(values, regimen, life), {"ess": posterior.ess}
        draws = posterior.values()
        today = today_of(draws, SHARED, evidence.regimen, evidence.reports, FIRST_CUT, 0)
        named = attribution_of(evidence, posterior, FIRST_CUT, 0)
        for a in named:
            parts = parts_of(a.outcome, draws, today, SHARED)
            for k, part in enumerate(CAUSES):
                row[a.outcome, part, "rank"] = float(posterior.weights @ (parts[:, k] < truth[a.outcome][k]))
                row[a.outcome, part, "in"] = a.parts[part].lo90 <= truth[a.outcome][k] <= a.parts[part].hi90
            total = truth[a.outcome].sum()
            row[a.outcome, "in"] = a.change.lo90 <= total <= a.change.hi90
            assert set(a.mostly_taper_under) == set(SPREADS)
        for name in ("sigma_opioid", "xi", "tau_X", "life", "beta_opioid", "pain", "function"):
            k = prior.names.index(name)
            row[name] = float(posterior.weights @ (posterior.z[:, k] < z[k]))
        rows.append(row)
    return rows


def test_the_intervals_of_the_parts_hold_the_truth_as_often_as_they_say(people: list[dict]) -> None:
    least = binom.ppf(1e-4, N_PEOPLE, 0.9)  # 8 intervals: one in a thousand runs by chance
    for outcome in SHARED_OUTCOMES:
        for part in CAUSES:
            assert sum(row[outcome, part, "in"] for row in people) >= least, (outcome, part)
        assert sum(row[outcome, "in"] for row in people) >= least


@pytest.mark.parametrize("name", ["sigma_opioid", "xi", "tau_X", "life", "beta_opioid", "pain", "function"])
def test_the_rank_of_a_true_value_among_its_draws_is_uniform(people: list[dict], name: str) -> None:
    assert kstest([row[name] for row in people], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("outcome", SHARED_OUTCOMES)
def test_the_rank_of_the_true_part_of_life_and_of_the_taper_is_uniform(people: list[dict], outcome: str) -> None:
    for part in ("life", "taper"):
        assert kstest([row[outcome, part, "rank"] for row in people], "uniform").pvalue > 1e-3


def test_a_change_of_life_before_the_first_cut_is_not_the_tapers() -> None:
    """Without a cut all of the change is life."""
    luck = np.random.default_rng(5)
    prior, regimen = population_prior("usual", 28), tapered(10.0, 28)
    still = regimen._replace(
        dose=np.repeat(regimen.dose[:1], len(regimen.dose), axis=0),
        cut=np.zeros_like(regimen.cut),
        removed=np.zeros_like(regimen.removed),
    )
    values = prior.values(np.zeros((1, len(prior.names))))[0]
    reports = written(values, SHARED, until(still, 28), DAILY, np.ones(29, dtype=np.bool_), luck)
    evidence = evidence_from(prior, SHARED, still, reports, 28)
    for a in attribution_of(evidence, posterior_of(evidence, 512, 0), None, 0):
        assert abs(a.parts["taper"].mean) < 0.02 * (1 if a.outcome == "pain" else 10)
        assert a.parts["reaction"].hi90 == 0.0 and a.mostly_taper < 0.05


def test_the_parts_of_a_draw_add_up_to_what_is_felt_against_the_reference() -> None:
    prior, regimen = population_prior("usual", N_DAYS), until(tapered(20.0, N_DAYS), N_DAYS)
    values = prior.values(np.random.default_rng(0).standard_normal((40, len(prior.names))))
    reports = evidence_from(prior, SHARED, regimen, [], N_DAYS).reports
    today = today_of(values, SHARED, regimen, reports, FIRST_CUT, 3)
    felt = today.states[:, at.P] + 0.3 * today.states[:, at.X] + today.life[:, 0] - today.reference[:, 0]
    np.testing.assert_allclose(parts_of("pain", values, today, SHARED).sum(axis=1), felt, atol=1e-10)


def test_without_reports_life_today_is_that_of_people_who_enrol() -> None:
    prior, regimen = population_prior("usual", N_DAYS), until(tapered(10.0, N_DAYS), N_DAYS)
    values = prior.values(np.zeros((1, len(prior.names))))
    reports = evidence_from(prior, SHARED, regimen, [], N_DAYS).reports
    mean, covariance, *_ = moments_today(values, SHARED, regimen, reports, FIRST_CUT)
    luck, n = np.random.default_rng(9), 4000
    paths = np.array([lived(values[0, at.LIFE], SHARED, N_DAYS, luck) for _ in range(n)])
    drawn = np.concatenate([paths[:, N_DAYS], paths[:, 1:FIRST_CUT][:, :, [0, 3]].mean(axis=1)], axis=1)
    error = np.sqrt(np.diagonal(covariance[0]) / n)
    assert (np.abs(drawn.mean(axis=0) - mean[0]) < 4.5 * error).all()
    sd = np.sqrt(np.diagonal(covariance[0]))
    np.testing.assert_allclose(
        np.cov(drawn.T) / np.outer(sd, sd), covariance[0] / np.outer(sd, sd), atol=5 / np.sqrt(n)
    )


def test_other_spreads_by_weights_are_those_of_another_posterior() -> None:
    luck = np.random.default_rng(3)
    prior, whole = population_prior("usual", N_DAYS), tapered(10.0, N_DAYS)
    values = prior.values(np.zeros((1, len(prior.names))))[0]
    reports = written(values, SHARED, until(whole, N_DAYS), DAILY, np.ones(N_DAYS + 1, dtype=np.bool_), luck)
    evidence = evidence_from(prior, SHARED, whole, reports, N_DAYS)
    posterior = posterior_of(evidence, 4096, 0)
    for factor in (0.8, 1.25):  # a factor that leaves enough draws
        weights = attribution._reweighted(posterior, factor)
        assert weights is not None
        other = posterior_of(replace(evidence, prior=attribution._under(prior, factor)), 4096, 0)
        for name in ("beta_opioid", "life"):
            x, y = posterior.of(name), other.of(name)
            sd = np.sqrt(other.mean((y - other.mean(y)) ** 2))
            error = sd * np.sqrt((weights**2).sum() + (other.weights**2).sum())
            assert abs(weights @ x - other.mean(y)) < 5 * error
            assert abs(np.sqrt(weights @ (x - weights @ x) ** 2) / sd - 1) < 0.25
