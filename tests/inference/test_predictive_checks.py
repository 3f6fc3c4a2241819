"""What the checks of a patient's reports must see, and what they must not be misled by."""

import numpy as np
from scipy.stats import chi2

from taper_sim.inference import course as at
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.predictive_checks import LIMIT_MISSINGNESS_P, LIMIT_P, missingness, predictive_checks_of
from taper_sim.studies.simulated_people import DAILY, Reported, evidence_from, population_prior, tapered, until, written

N_DAYS = 112


def sent(seed: int, gone: str) -> tuple[Evidence, Posterior]:
    """Somebody whom cuts hurt, whose check-ins stay away on bad days, in bursts whatever the day, or never."""
    luck = np.random.default_rng(seed)
    prior, shared = population_prior("usual", N_DAYS), at.couplings()
    regimen = tapered(20.0, N_DAYS)
    values = prior.values(np.zeros((1, len(prior.names))))[0]
    values[at.SIGMA] = 5.0
    answered = np.ones(N_DAYS + 1, dtype=np.bool_)
    w = at.course(values, shared, until(regimen, N_DAYS))[:, at.W]
    if gone == "on bad days":
        answered = luck.random(N_DAYS + 1) > np.where(w > np.quantile(w, 0.75), 0.7, 0.15)
    elif gone == "in bursts":
        for day in range(1, N_DAYS + 1):
            answered[day] = luck.random() > (0.13 if answered[day - 1] else 0.52)
    reports: Reported = written(values, shared, until(regimen, N_DAYS), DAILY, answered, luck)
    evidence = evidence_from(prior, shared, regimen, reports, N_DAYS)
    return evidence, posterior_of(evidence, 128)


def test_check_ins_that_stay_away_on_bad_days_are_seen() -> None:
    """One person tells little, five together (Fisher's sum of logs) leave no doubt."""
    p = [missingness(*sent(seed, "on bad days")) for seed in range(5)]
    assert chi2.sf(-2.0 * np.log(p).sum(), 2 * len(p)) < 0.001


def test_bursts_of_missing_days_are_no_sign_of_bad_days() -> None:
    """Days after an answered one are compared; of 12 people at most 3 below 0.04 has a chance of 0.999."""
    p = [missingness(*sent(seed, "in bursts")) for seed in range(12)]
    assert sum(x < LIMIT_MISSINGNESS_P for x in p) <= 3


def test_nothing_is_judged_where_everything_was_answered() -> None:
    evidence, posterior = sent(1, "never")
    assert missingness(evidence, posterior) == 1.0
    assert predictive_checks_of(evidence, posterior).missingness == 1.0


def test_a_single_report_that_nobody_would_send_is_seen() -> None:
    evidence, posterior = sent(2, "never")
    r = evidence.reports
    k = np.flatnonzero(r.kind[r.slot] == r.kind[1])[40]  # pain
    y = r.y.copy()
    y[k] = 15.0
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
