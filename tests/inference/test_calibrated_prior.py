"""The prior of one patient's values about calibrated centres, and posteriors of people of the calibrated ensemble."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from taper_sim import tables
from taper_sim.evidence.published_fit.fit_tables import NAMES
from taper_sim.inference.calibrated_prior import calibrated_population
from taper_sim.inference.posterior import posterior_of
from taper_sim.inference.prior import DEFAULT_POPULATION, VALUE_PRIORS, PopulationPrior, combined_sd, prior_of
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.simulation.ensemble import calibrated
from taper_sim.studies import simulated_people


def _z(name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in tables.read("calibrated_draws").rows])


@pytest.mark.parametrize("value", ["sigma_opioid", "tau_L_benzodiazepine", "EC50_opioid", "b_opioid", "xi"])
def test_a_value_has_the_mean_and_the_spread_of_the_draws_beside_that_between_people(value: str) -> None:
    assert value in NAMES
    prior, z = VALUE_PRIORS[value], _z(value)
    centre, sd = calibrated_population().of(value)
    assert centre == pytest.approx(prior.centre + prior.centre_sd * z.mean(), abs=1e-9)
    assert sd == pytest.approx(combined_sd(prior.scale, prior.spread, prior.centre_sd * z.std()), rel=1e-9)
    assert sd > prior.spread


def test_buprenorphine_moves_by_the_same_factor_from_its_own_centre() -> None:
    ours = calibrated_population()
    own = np.log(BY_SYMBOL["EC50"].centre("opioid", buprenorphine=True))
    moved = ours.of("EC50_opioid")[0] - np.log(BY_SYMBOL["EC50"].centre("opioid"))
    assert abs(moved) > 0.01
    assert ours.of("EC50_opioid_buprenorphine")[0] == pytest.approx(own + moved)


def test_what_no_draw_holds_is_as_in_the_shipped_population() -> None:
    ours = calibrated_population()
    for value in ("pain", "function", "noise", "s0", "tau_X", "kappa"):
        assert ours.of(value) == DEFAULT_POPULATION.of(value)
    assert ours.calibrated and not DEFAULT_POPULATION.calibrated and ours.id.startswith("calibrated-")


N_PEOPLE, N_DAYS = 30, 28
RANKED = ("sigma_opioid", "EC50_opioid", "tau_F_opioid", "b_opioid", "xi", "pain", "function")


def _population_of(draw: int) -> PopulationPrior:
    """People under one joint draw of the ensemble: its centres, with sigma rescaled with EC50, and their spread."""
    values, centre, sd = calibrated(0, N_PEOPLE).values, {}, {}
    for value in DEFAULT_POPULATION.centre:
        prior = VALUE_PRIORS[value]
        symbol, _, of_class = value.rpartition("_")
        drawn = values[symbol][draw, 0] if of_class == "opioid" else values["xi"][draw] if value == "xi" else None
        if drawn is not None:
            centre[value] = float(np.log(drawn)) if prior.is_log else float(drawn)
        sd[value] = prior.spread
    return PopulationPrior(centre=centre, sd=sd)


def test_posteriors_of_people_of_the_calibrated_ensemble_are_calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = []
    for number in range(N_PEOPLE):
        monkeypatch.setattr(simulated_people, "prior_of", partial(prior_of, population=_population_of(number)))
        generator = np.random.default_rng([7, number])
        person = simulated_people.person_of("usual", "opioid", 10.0, N_DAYS, generator)
        monkeypatch.setattr(simulated_people, "prior_of", partial(prior_of, population=calibrated_population()))
        prior = simulated_people.population_prior("usual", N_DAYS)
        posterior = posterior_of(replace(person.evidence, prior=prior), 512, number)
        drawn, places = prior.natural(posterior.z), [prior.names.index(name) for name in RANKED]
        ranks.append(posterior.weights @ (drawn[:, places] < person.values[prior.place[places]]))
    table = np.array(ranks)
    # the mean of 30 uniform ranks has an sd of 0.289 / sqrt(30) = 0.053; of 210 intervals of 80 % that are nearly
    # independent by person, 30 people have an sd of 0.8 * 0.2 / 30 at least
    assert np.abs(table.mean(axis=0) - 0.5).max() < 4 * 0.053
    assert abs((np.abs(table - 0.5) < 0.4).mean() - 0.8) < 4 * np.sqrt(0.8 * 0.2 / (3 * N_PEOPLE))
    print(np.round(table.mean(axis=0), 2), np.round((np.abs(table - 0.5) < 0.4).mean(axis=0), 2))
