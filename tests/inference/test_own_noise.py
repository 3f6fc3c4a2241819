"""A person's own noise: found where the population's fails, nothing where it fits, and no excuse for every report."""

from dataclasses import replace
from functools import cache

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference.observation import PLACES
from taper_sim.inference.own_noise import POPULATION_NOISE, InstrumentNoise, OwnNoise, refitted, with_own_noise
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.predictive_checks import PredictiveChecks, predictive_checks_of
from tests.inference.test_predictive_checks import sent


@cache
def usual() -> tuple[Evidence, Posterior]:
    """A person who answers every day as the model has it."""
    return sent(5, "never")


def with_added(noise: dict[str, Floats]) -> Evidence:
    """The usual person's evidence with so many points added by day to the reports of some instruments."""
    evidence, _ = usual()
    r = evidence.reports
    y, low, high = r.y.copy(), r.low.copy(), r.high.copy()
    for slot, place in enumerate(r.place):
        here = (r.slot == slot) & ~r.interval
        more = noise.get(PLACES[place].name, np.zeros(200))[r.day[here]]
        for column in (y, low, high):
            column[here] += more
    return replace(evidence, reports=r._replace(y=y, low=low, high=high))


def lasting(size: float, seed: int) -> Floats:
    """Noise of 200 days with this sd, of which 0.6 lasts from one day to the next."""
    luck, days = np.random.default_rng(seed), np.zeros(200)
    for day in range(1, 200):
        days[day] = 0.6 * days[day - 1] + 0.8 * size * luck.standard_normal()
    return days


def refit(evidence: Evidence) -> tuple[PredictiveChecks, OwnNoise, PredictiveChecks, Posterior]:
    """Checks under the population's noise; the person's own, its checks and its posterior."""
    posterior = posterior_of(evidence, 512)
    checks = predictive_checks_of(evidence, posterior)
    own, again, after = refitted(evidence, posterior, checks, lambda fitted: posterior_of(fitted, 512), 0)
    return checks, own, after, again


def test_reports_that_the_population_fits_keep_its_noise() -> None:
    evidence, posterior = usual()
    checks = predictive_checks_of(evidence, posterior)
    assert refitted(evidence, posterior, checks, lambda _: posterior, 0)[0] == POPULATION_NOISE
    same = with_own_noise(evidence.reports, {int(p): InstrumentNoise() for p in evidence.reports.place})
    for name in ("white", "slow", "decay", "slow_place"):
        assert np.allclose(getattr(same, name), getattr(evidence.reports, name))


def test_noise_that_lasts_for_days_is_found_and_widens_what_is_known() -> None:
    names = ("pain_nrs", "mood_item", "sleep_item", "function")
    sizes = (1.2, 1.4, 1.6, 5.0)
    evidence = with_added({n: lasting(size, k) for k, (n, size) in enumerate(zip(names, sizes, strict=True))})
    before, own, after, _ = refit(evidence)
    assert before.noise_fails and before.any_memory < 0.01
    assert not after.reasons
    found = {PLACES[place].name: noise for place, noise in own.items()}
    assert sum(found[name].share >= 0.15 for name in names) >= 3
    assert np.mean([found[name].factor for name in names]) > 1.0


def test_an_instrument_with_more_noise_than_the_others_gets_a_factor_of_its_own() -> None:
    wild = with_added({"function": 9.0 * np.random.default_rng(1).standard_normal(200)})
    before, own, after, _ = refit(wild)
    factor = {PLACES[place].name: noise.factor for place, noise in own.items()}
    assert before.reasons and not after.reasons
    assert factor["function"] > 1.3 > factor["pain_nrs"]


def test_a_report_that_no_noise_explains_is_still_a_reason_to_abstain() -> None:
    odd = np.zeros(200)
    odd[40] = 30.0
    before, _, after, _ = refit(with_added({"pain_nrs": odd}))
    assert before.reasons and after.reasons
