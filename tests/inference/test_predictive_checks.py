"""Predictive checks detect missingness on bad days and single outliers, and ignore runs of missed days."""

import numpy as np
from scipy.stats import chi2

from taper_sim.inference import course as at
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.predictive_checks import LIMIT_MISSINGNESS_P, LIMIT_P, missingness, predictive_checks_of
from taper_sim.studies.simulated_people import DAILY, Reported, evidence_from, population_prior, tapered, until, written

N_DAYS = 112


def sent(seed: int, gone: str) -> tuple[Evidence, Posterior]:
    """A sensitive person whose check-ins are missing on bad days, in runs independent of symptoms, or never."""
    rng = np.random.default_rng(seed)
    prior, shared = population_prior("usual", N_DAYS), at.couplings()
    regimen = tapered(20.0, N_DAYS)
    values = prior.values(np.zeros((1, len(prior.names))))[0]
    values[at.SIGMA] = 5.0
    answered = np.ones(N_DAYS + 1, dtype=np.bool_)
    w = at.course(values, shared, until(regimen, N_DAYS))[:, at.W]
    if gone == "on bad days":
        answered = rng.random(N_DAYS + 1) > np.where(w > np.quantile(w, 0.75), 0.7, 0.15)
    elif gone == "in bursts":
        for day in range(1, N_DAYS + 1):
            answered[day] = rng.random() > (0.13 if answered[day - 1] else 0.52)
    reports: Reported = written(values, shared, until(regimen, N_DAYS), DAILY, answered, rng)
    evidence = evidence_from(prior, shared, regimen, reports, N_DAYS)
    return evidence, posterior_of(evidence, 128)


def test_check_ins_missing_on_bad_days_are_detected() -> None:
    """The test has little power for one person; Fisher's combination of five people rejects clearly."""
    p = [missingness(*sent(seed, "on bad days")) for seed in range(5)]
    assert chi2.sf(-2.0 * np.log(p).sum(), 2 * len(p)) < 0.001


def test_runs_of_missed_days_are_not_taken_for_bad_days() -> None:
    """Only days after an answered day are compared. At most 3 of 12 people below 0.04 has probability 0.999."""
    p = [missingness(*sent(seed, "in bursts")) for seed in range(12)]
    assert sum(x < LIMIT_MISSINGNESS_P for x in p) <= 3


def test_missingness_is_1_if_every_day_was_answered() -> None:
    evidence, posterior = sent(1, "never")
    assert missingness(evidence, posterior) == 1.0
    assert predictive_checks_of(evidence, posterior).missingness == 1.0


def test_a_single_impossible_report_is_detected() -> None:
    evidence, posterior = sent(2, "never")
    r = evidence.reports
    k = np.flatnonzero(r.kind[r.slot] == r.kind[1])[40]  # pain
    y = r.y.copy()
    y[k] = 20.0  # far from anything that life and noise allow
    odd = Evidence(
        evidence.prior,
        evidence.shared,
        evidence.regimen,
        r._replace(
            y=y,
            low=np.where(np.arange(len(y)) == k, y - 0.5, r.low),
            high=np.where(np.arange(len(y)) == k, y + 0.5, r.high),
        ),
    )
    assert predictive_checks_of(evidence, posterior).largest > LIMIT_P
    assert predictive_checks_of(odd, posterior).largest < LIMIT_P


def test_one_instrument_that_scatters_more_than_the_others_is_detected() -> None:
    """Pain is at either end of its scale, day by day; the person's one factor of noise cannot describe it."""
    evidence, _ = sent(3, "never")
    r = evidence.reports
    pain = r.slot == 1
    high = pain & (r.day % 2 == 0)
    odd = Evidence(
        evidence.prior,
        evidence.shared,
        evidence.regimen,
        r._replace(
            low=np.where(pain, np.where(high, 9.5, -np.inf), r.low),
            high=np.where(pain, np.where(high, np.inf, 0.5), r.high),
            interval=r.interval | pain,
            rounding=np.where(pain, 0.0, r.rounding),
        ),
    )
    assert predictive_checks_of(odd, posterior_of(odd, 512)).spread < LIMIT_P


def test_the_models_own_reports_are_seldom_thought_to_scatter_too_much() -> None:
    """At most 2 of 12 people below 0.01 has probability 0.9998 at that rate."""
    p = []
    for seed in range(20, 32):
        evidence, posterior = sent(seed, "never")
        p.append(predictive_checks_of(evidence, posterior).spread)
    assert sum(x < LIMIT_P for x in p) <= 2


def test_reports_that_scatter_less_than_the_model_predicts_are_no_reason_to_abstain() -> None:
    """Pain and insomnia hardly move from day to day: the intervals are too wide then, not too narrow."""
    evidence, _ = sent(4, "never")
    r = evidence.reports
    still = np.isin(r.slot, (1, 2)) & np.isfinite(r.low) & np.isfinite(r.high)
    shrunk = [np.where(still, np.median(x[still]) + 0.3 * (x - np.median(x[still])), x) for x in (r.low, r.high)]
    calm = Evidence(evidence.prior, evidence.shared, evidence.regimen, r._replace(low=shrunk[0], high=shrunk[1]))
    assert predictive_checks_of(calm, posterior_of(calm, 512)).spread > LIMIT_P
