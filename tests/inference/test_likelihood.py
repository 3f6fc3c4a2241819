"""The filter is the exact Gaussian likelihood inside the scales, and truncated normals at their ends."""

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, truncnorm

from taper_sim.data.records import CheckIn
from taper_sim.inference import course as at
from taper_sim.inference.life_block import ORDER, ordered_system
from taper_sim.inference.observation import BY_NAME, reports_of, weekends
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import prior_of
from taper_sim.inference.truncated_normal import truncated
from taper_sim.studies.simulated_people import tapered, written

N_DAYS = 40
REGIMEN = tapered(10.0, N_DAYS - 28)
DAY0 = date(2026, 1, 1)


def evidence(checkins: list[tuple[int, CheckIn]], instruments: tuple[str, ...]) -> Evidence:
    """Evidence of one opioid taper and these check-ins."""
    reports = reports_of(checkins, np.zeros(N_DAYS + 1, dtype=np.int64), np.zeros(N_DAYS + 1))
    return Evidence(prior_of((True, False, False), 2, instruments), at.couplings(), REGIMEN, reports)


def life_on(day: int, size: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of life on a day, (6,) each; craving is left out of it."""
    system = ordered_system(at.couplings(), len(ORDER))
    return np.linalg.matrix_power(system.transition, day) @ system.lead, size * np.sqrt(np.diag(system.stationary))


def test_a_report_at_the_end_of_its_scale_is_the_chance_of_everything_beyond() -> None:
    found = evidence([(5, CheckIn(DAY0, "pain_nrs", 10.0))], ("pain_nrs",))
    z = np.zeros(len(found.prior.names))
    latent = at.course(found.prior.values(z[None])[0], found.shared, REGIMEN)
    i, life = BY_NAME["pain_nrs"], life_on(5)
    chance = norm.sf(9.5, latent[5, at.P] + 0.3 * latent[5, at.X] + life[0][0], np.hypot(i.white, life[1][0]))
    np.testing.assert_allclose(found.log_posterior(z)[0][0], np.log(chance), rtol=1e-10)


def test_a_category_is_the_chance_of_its_interval() -> None:
    found = evidence([(5, CheckIn(DAY0, "cows", 5.0, 12.0))], ("cows",))
    z = np.zeros(len(found.prior.names))
    values = found.prior.values(z[None])[0]
    latent = at.course(values, found.shared, REGIMEN)
    mean, sd = values[at.COWS0] + values[at.KAPPA] * latent[5, at.W], np.hypot(1.0, 0.8)
    chance = norm.cdf(12.5, mean, sd) - norm.cdf(4.5, mean, sd)
    np.testing.assert_allclose(found.log_posterior(z)[0][0], np.log(chance), rtol=1e-9)


@given(st.floats(-6, 5), st.floats(0.05, 6))
def test_truncated_moments_are_scipys(a: float, width: float) -> None:
    mass, mean, variance = truncated(a, a + width)
    exact = truncnorm(a, a + width)
    np.testing.assert_allclose(
        mass,
        np.log(norm.cdf(a + width) - norm.cdf(a)) if a < 0 else np.log(norm.sf(a) - norm.sf(a + width)),
        rtol=1e-6,
        atol=1e-8,
    )
    np.testing.assert_allclose(mean, exact.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, exact.var(), rtol=1e-2, atol=1e-4)


@given(st.floats(-60, 60))
def test_far_out_a_tail_still_has_a_slope(a: float) -> None:
    here, there = truncated(-np.inf, a)[0], truncated(-np.inf, a + 0.01)[0]
    assert np.isfinite(here) and (there > here or a > 5)


def test_a_recall_scale_reports_the_mean_of_its_days() -> None:
    """PHQ-9 on day 14 is 27 times the mean distress of days 1 to 14."""
    found = evidence([(14, CheckIn(DAY0, "phq9", 9.0))], ("phq9",))
    z = np.zeros(len(found.prior.names))
    latent = at.course(found.prior.values(z[None])[0], found.shared, REGIMEN)
    _, centre, _ = found.log_posterior(z, predicted=True)
    life = np.mean([life_on(day)[0][1] for day in range(1, 15)])
    np.testing.assert_allclose(centre[0, 0], 27 * (latent[1:15, at.M].mean() + life), rtol=1e-12)


def test_reports_are_written_as_they_are_read() -> None:
    """Ten thousand written reports have the mean and the spread that the likelihood expects."""
    values, shared = at.centre_values(), at.couplings()
    values[at.P0] = 5.0  # far from the ends of the scale
    luck = np.random.default_rng(3)
    many = [
        dict(
            (c.instrument, c.value)
            for d, c in written(values, shared, REGIMEN, ("pain_nrs", "function"), np.arange(N_DAYS + 1) == 20, luck)
        )
        for _ in range(3000)
    ]
    latent = at.course(values, shared, REGIMEN)
    x = latent[20, at.X]
    for name, mean, state in (("pain_nrs", latent[20, at.P] + 0.3 * x, 0), ("function", latent[20, at.U] - x, 3)):
        x, i, life = np.array([m[name] for m in many]), BY_NAME[name], life_on(20)
        mean += life[0][state]
        sd = np.sqrt(i.white**2 + life[1][state] ** 2 + i.step**2 / 12)
        assert abs(x.mean() - mean) < 4 * sd / np.sqrt(len(x))
        assert abs(x.std() / sd - 1) < 4 / np.sqrt(2 * len(x))


def test_weekends_are_saturdays_and_sundays() -> None:
    found = weekends(date(2026, 1, 2), 7)  # a Friday
    assert found.tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert (DAY0 + timedelta(days=2)).weekday() == 5


def test_vectors_side_by_side_are_vectors_one_by_one() -> None:
    """Whatever their number and place in a tile; predictions too."""
    luck = np.random.default_rng(8)
    days = np.flatnonzero(luck.random(N_DAYS + 1) < 0.6)
    found = evidence(
        [
            (int(d), CheckIn(DAY0, name, value))
            for d in days[days > 0]
            for name, value in (("sows_gossop", 0.0), ("pain_nrs", 6.0), ("peg", 5.0 if d % 7 == 0 else 4.0))
        ],
        ("sows_gossop", "pain_nrs", "peg"),
    )
    z = luck.standard_normal((70, len(found.prior.names)))
    all_, centres, spreads = found.log_posterior(z, predicted=True)
    for k in (0, 7, 31, 32, 63, 69):
        one, centre, spread = found.log_posterior(z[k], predicted=True)
        np.testing.assert_allclose(one[0], all_[k], rtol=1e-12)
        np.testing.assert_allclose(centre[0], centres[k], rtol=1e-12)
        np.testing.assert_allclose(spread[0], spreads[k], rtol=1e-12)
