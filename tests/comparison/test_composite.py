"""The composite counts harms, and its value judgements are the scenario's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.api.comparison_answer import answer_of
from taper_sim.comparison.loss import Loss
from taper_sim.comparison.measured_outcomes import measure
from taper_sim.comparison.preferences import COMPOSITE_WEIGHTS, FULL_STOP, FULL_STOP_KEY, HARM_WEIGHTS
from taper_sim.data.problems import InputError
from taper_sim.model.compiled import rows
from taper_sim.scenario.all_policies import build_policy
from taper_sim.scenario.building import build_plan, read_scenario, scenario_hash
from taper_sim.simulation.days import Trajectory, run
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan
from tests.conftest import SCENARIO, SEED, opioid_cohort

DEFAULTS = {**COMPOSITE_WEIGHTS, **HARM_WEIGHTS}


@pytest.fixture(scope="module")
def course() -> Trajectory:
    return run(opioid_cohort(400), build_policy("abrupt()", file="test"), from_prior(SEED, 20), SEED, 364, CarePlan({}))


def test_every_harm_adds_its_weight(course: Trajectory):
    loads, whole = measure(course, COMPOSITE_WEIGHTS), measure(course, DEFAULTS)
    harms = sum(
        weight * whole[outcome]
        for weight, outcome in ((2.0, "mental_health_crisis"), (10.0, "overdose"), (100.0, "death"))
    )
    assert (harms > 0).any()
    expected = np.nan_to_num(loads["composite"]) + harms
    assert whole["composite"] == pytest.approx(expected, abs=1e-12)


def test_a_person_who_died_has_a_composite_and_it_counts_the_death(course: Trajectory):
    end = {row: values.copy() for row, values in course.end.items()}
    end[rows.ALIVE][0], end[rows.DEATH_DAY][0] = 0.0, 100.0
    dead = replace(course, end=end)
    assert np.isnan(measure(dead)["composite"][0])
    assert measure(dead, DEFAULTS)["composite"][0] >= HARM_WEIGHTS["death"]


def test_the_worth_of_a_full_stop_is_a_preference(course: Trajectory):
    plain = measure(course, DEFAULTS)["composite"]
    without = measure(course, DEFAULTS | {FULL_STOP_KEY: 0.0})["composite"]
    alive = measure(course)["death"] == 0
    medication = 0.25 * FULL_STOP * (measure(course)["dose_exposure"] - 1.0)
    assert (plain - without)[alive] == pytest.approx(medication[alive], abs=1e-12)
    zeros = np.zeros(3)
    exposure = np.array([0.0, 0.5, 1.0])
    assert (Loss(full_stop=0.0).of_person(exposure, zeros, zeros, zeros) == 0.0).all()


def _written(folder: Path, more: str) -> Path:
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO + more)
    return path


def test_the_scenario_states_the_value_judgements(tmp_path: Path):
    weights = "composite: {pain: 1, function: 1, mood: 1, medication: 1, death: 50}\nfull_stop_worth: 1.5\n"
    path = _written(tmp_path, weights)
    plan, _ = build_plan(read_scenario(path), str(path), tmp_path)
    assert plan.weights[FULL_STOP_KEY] == 1.5
    assert plan.weights["death"] == 50.0
    assert plan.weights["overdose"] == HARM_WEIGHTS["overdose"]


def test_defaults_that_are_written_out_do_not_change_the_hash_and_others_do(tmp_path: Path):
    plain = scenario_hash(read_scenario(_written(tmp_path, "")), tmp_path)
    assert scenario_hash(read_scenario(_written(tmp_path, "full_stop_worth: 2\n")), tmp_path) == plain
    assert scenario_hash(read_scenario(_written(tmp_path, "full_stop_worth: 3\n")), tmp_path) != plain


@pytest.mark.parametrize(
    "more", ["full_stop_worth: -1\n", "composite: {pain: 1, function: 1, mood: 1, medication: .nan}\n"]
)
def test_a_value_judgement_out_of_range_is_refused(tmp_path: Path, more: str):
    with pytest.raises(InputError):
        read_scenario(_written(tmp_path, more))


def test_a_further_harm_adds_its_weight_for_each_unit_of_its_outcome(course: Trajectory):
    plain = measure(course, DEFAULTS)
    assert plain["days_over_limit"].max() > 7
    further = measure(course, DEFAULTS | {"withdrawal": 0.5, "return": 0.2})["composite"]
    added = 0.5 * plain["days_over_limit"] / 7.0 + 0.2 * plain["return_to_higher_dose"]
    assert further == pytest.approx(plain["composite"] + added, abs=1e-12)


def test_nothing_is_ranked_without_stated_weights():
    row = {"outcome": "composite", "subgroup": "all", "mean": 0.0, "lo95": -1.0, "hi95": 1.0, "p_better": 0.5}
    summary = pd.DataFrame([row | {"protocol": name} for name in ("a", "b")])
    assert "Nothing is ranked" in answer_of(summary, ["a", "b"], "a", lambda a, b: summary)
    ranked = answer_of(summary, ["a", "b"], "a", lambda a, b: summary, ("By the weights of us, a ranks first.",))
    assert ranked.startswith("By the weights of us") and "Nothing is ranked" not in ranked
