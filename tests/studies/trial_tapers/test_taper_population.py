"""The population: scores are gradients, the fit recovers the truth, predictions use earlier visits only."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taper_sim.data.trial import read_trial
from taper_sim.studies.trial_tapers import simulated_trial
from taper_sim.studies.trial_tapers.predict import INFORMATION, predict, visits_to_predict
from taper_sim.studies.trial_tapers.scores import category_scores, mean_and_interval
from taper_sim.studies.trial_tapers.taper_people import HIGHEST_SCORES, people_of
from taper_sim.studies.trial_tapers.taper_population import TaperPopulation, fit, hyperparameters

TRUTH = {
    "sigma": 2.5,
    "sigma_sd": 0.7,
    "sigma_carried": 0.8,
    "tau_F": 7.0,
    "EC50": 6.0,
    "c0": 0.0,
    "c0_sd": 2.5,
    "c0_carried": 0.9,
    "white": 3.0,
    "slow": 2.0,
    "use_points": 3.0,
}


def truth() -> TaperPopulation:
    """A population with a large spread between people."""
    here = []
    for h in hyperparameters():
        forward = {"log": np.log, "atanh": np.arctanh, "linear": float, "logit": lambda p: np.log(p / (1 - p))}
        here.append(forward[h.scale](TRUTH[h.symbol]) if h.symbol in TRUTH else h.mean)
    return TaperPopulation("effect", np.array(here))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """90 people of that population, through the reader."""
    path: Path = tmp_path_factory.mktemp("trial") / "daily.csv"
    simulated_trial.daily_table(truth(), 90, 3).to_csv(path, index=False)
    return people_of(read_trial(path))


def test_scores_are_the_gradient_of_the_evidence(people: dict) -> None:
    population, some = truth(), list(people.values())[:4]
    evidence, scores = population.scores(some)
    assert evidence == pytest.approx([population.log_evidence(person) for person in some])
    for column, h in enumerate(population.free):
        up, down = population.moved(h.symbol, 0.01), population.moved(h.symbol, -0.01)
        slope = [(up.log_evidence(person) - down.log_evidence(person)) / 0.02 for person in some]
        assert scores[:, column] == pytest.approx(slope, rel=0.02, abs=0.02), h.symbol


def test_the_fit_recovers_the_population_of_the_data(people: dict) -> None:
    fitted = fit(list(people.values()))
    assert fitted.converged
    sd = np.sqrt(np.diag(fitted.covariance))
    off = (fitted.population.theta - truth().theta) / sd
    # 18 standard normals under the normal approximation: one of them exceeds 4 in one of 900 fits
    assert np.abs(off).max() < 4.0, dict(zip([h.symbol for h in fitted.population.free], off, strict=True))
    by_symbol = {h.symbol: s for h, s in zip(fitted.population.free, sd, strict=True)}
    assert by_symbol["white"] < 0.15 and by_symbol["c0"] < 1.0  # far below the prior sds


def test_a_persons_earlier_visits_improve_predictions_and_keep_them_calibrated(people: dict) -> None:
    population = truth()
    for information in INFORMATION:
        visits = visits_to_predict(people, information)
        category, who = np.array([v.category for v in visits]), np.array([v.who for v in visits])
        population_only, personal = (predict(population, visits, personal=p) for p in (False, True))
        assert population_only.sum(axis=1) == pytest.approx(1.0) and personal.sum(axis=1) == pytest.approx(1.0)
        gain = category_scores(personal, category)["log_loss"] - category_scores(population_only, category)["log_loss"]
        assert mean_and_interval(gain, who, 1)[2] < 0.0, information
        # calibrated: observed minus expected withdrawal, in standard errors over people
        surplus = mean_and_interval((category > 0) - (1.0 - personal[:, 0]), who, 1)
        assert surplus[1] < 0.02 and surplus[2] > -0.02, information


def test_no_later_visit_changes_a_prediction(people: dict) -> None:
    population = truth()
    one_person = {"0": people["0"]}
    taper = people["0"][1]
    for information in INFORMATION:
        for row, visit in enumerate(visits_to_predict(one_person, information)):
            if row % 5:
                continue
            known = np.zeros(len(taper.day), dtype=bool) if information == INFORMATION[0] else visit.known
            other = replace(taper, category=np.where(known, taper.category, len(HIGHEST_SCORES) - 1 - taper.category))
            changed = visits_to_predict({"0": (people["0"][0], other)}, information)
            before, after = (predict(population, [v], personal=True) for v in (visit, changed[row]))
            np.testing.assert_array_equal(before, after)
    population_only = predict(population, visits_to_predict(one_person, INFORMATION[2]), personal=False)
    other = replace(taper, category=len(HIGHEST_SCORES) - 1 - taper.category)
    same = predict(population, visits_to_predict({"0": (people["0"][0], other)}, INFORMATION[2]), personal=False)
    np.testing.assert_array_equal(population_only, same)


def test_predictions_do_not_depend_on_the_other_visits_predicted(people: dict) -> None:
    population = truth()
    for information in INFORMATION:
        visits = visits_to_predict({who: people[who] for who in ("1", "2")}, information)
        together = predict(population, visits, personal=True)
        alone = np.concatenate([predict(population, [v], personal=True) for v in reversed(visits)])[::-1]
        np.testing.assert_allclose(together, alone, rtol=1e-12)
