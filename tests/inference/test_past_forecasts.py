"""Past forecasts are those that could have been made then, and their scores are those of simulated people."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from taper_sim.inference import course as at
from taper_sim.inference.past_forecasts import MOST_CUTS, SCORED, PastForecast, past_forecasts_of
from taper_sim.inference.posterior import Evidence
from taper_sim.studies.simulated_people import DAILY, evidence_from, lived, population_prior, tapered, until, written

N_DAYS, CUT = 56, 29
N_SIMULATED = 40
COUPLINGS = at.couplings()


def person(seed: int) -> Evidence:
    """Reports of a simulated person over eight weeks."""
    luck = np.random.default_rng([17, seed])
    prior = population_prior("usual", N_DAYS)
    values = prior.values(luck.standard_normal((1, len(prior.names))))[0]
    whole = tapered(10.0, N_DAYS)
    regimen, life = until(whole, N_DAYS), lived(values[at.LIFE], COUPLINGS, N_DAYS, luck)
    reports = written(values, COUPLINGS, regimen, DAILY, luck.random(N_DAYS + 1) < 0.8, luck, life)
    return evidence_from(prior, COUPLINGS, whole, reports, N_DAYS)


@pytest.fixture(scope="module")
def scores() -> list[list[PastForecast]]:
    """Scores of every person's forecast of the last four weeks."""
    return [past_forecasts_of(person(seed), N_DAYS, [CUT], 0) for seed in range(N_SIMULATED)]


def test_four_in_five_reports_lie_inside_the_80_pct_interval(scores: list[list[PastForecast]]) -> None:
    for name in set(SCORED) & {row.instrument for row in scores[0]}:
        rows = [row for person_rows in scores for row in person_rows if row.instrument == name]
        share = np.array([row.share_in_80 for row in rows])
        # reports of a person depend on each other: the spread between people is the error; rounding widens by little
        error = share.std(ddof=1) / np.sqrt(len(share))
        assert 0.8 - 4.0 * error < share.mean() < 0.88 + 4.0 * error, name
        error_of = np.array([row.mean_error for row in rows])
        assert abs(error_of.mean()) < 4.0 * error_of.std(ddof=1) / np.sqrt(len(rows)) + 0.3, name
        assert len(rows) >= binom.ppf(1e-6, N_SIMULATED, 0.99)


def test_a_forecast_uses_nothing_that_came_later() -> None:
    evidence = person(3)
    (before,) = {row.made_on for row in past_forecasts_of(evidence, N_DAYS, [CUT], 0)}
    assert before == CUT - 1
    r = evidence.reports
    later = r.day >= CUT
    worse = r._replace(y=r.y + 6.0 * later, low=r.low + 6.0 * later, high=r.high + 6.0 * later)
    rows = zip(
        past_forecasts_of(evidence, N_DAYS, [CUT], 0),
        past_forecasts_of(replace(evidence, reports=worse), N_DAYS, [CUT], 0),
        strict=True,
    )
    for honest, changed in rows:
        assert changed.forecast == honest.forecast and changed.n_reports == honest.n_reports
        assert changed.reported > honest.reported + 0.5 and changed.mean_error > honest.mean_error + 0.5
        assert changed.share_in_80 < honest.share_in_80


def test_without_a_cut_the_last_four_weeks_are_scored_and_of_many_cuts_the_latest() -> None:
    evidence = person(4)
    assert {row.made_on for row in past_forecasts_of(evidence, N_DAYS, [], 0)} == {N_DAYS - 28}
    many = past_forecasts_of(evidence, N_DAYS, [1, 10, 20, 30, 40, 50], 0)
    assert sorted({row.made_on for row in many}) == [29, 39, 49] and MOST_CUTS == 3
    assert all(row.n_reports <= (N_DAYS - 29) for row in many)
    assert past_forecasts_of(evidence, N_DAYS, [2], 0) == []  # nothing was known before it
