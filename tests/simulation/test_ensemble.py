"""Centres fixed in a scenario: in every drug class, or in one."""

import numpy as np
import pytest

from taper_sim.data.problems import InputError
from taper_sim.data.yaml_input import parse
from taper_sim.scenario.building import read_scenario
from taper_sim.scenario.schema import Scenario
from taper_sim.simulation.ensemble import from_prior
from tests.conftest import ROOT

SEED = 5


def test_a_value_of_one_class_leaves_the_others_as_drawn() -> None:
    free, fixed = from_prior(SEED, 6), from_prior(SEED, 6, {"sigma_benzodiazepine": 1.5})
    assert (fixed.values["sigma"][:, 1] == 1.5).all()
    for symbol, values in free.values.items():
        others = [0, 2] if symbol == "sigma" else [0, 1, 2]
        a, b = (v[:, others] if v.ndim == 2 else v for v in (values, fixed.values[symbol]))
        np.testing.assert_array_equal(a, b)


def test_the_value_of_a_class_precedes_that_of_all() -> None:
    values = from_prior(SEED, 3, {"tau_L": 70.0, "tau_L_gabapentinoid": 40.0}).values["tau_L"]
    np.testing.assert_array_equal(values, [[70.0, 70.0, 40.0]] * 3)


def _scenario(parameters: dict[str, float]) -> Scenario:
    scenario = read_scenario(ROOT / "scenarios" / "first_comparison.yaml")
    return parse("s.yaml", scenario.model_dump() | {"parameters": parameters}, Scenario)


def test_a_scenario_takes_a_value_of_one_class() -> None:
    assert _scenario({"sigma_opioid": 2.1}).parameters == {"sigma_opioid": 2.1}


def test_a_scenario_refuses_a_class_of_a_symbol_without_classes_and_a_value_out_of_range() -> None:
    with pytest.raises(InputError) as caught:
        _scenario({"xi_opioid": 1.0, "EC50_opioid": -1.0, "sigma_opiod": 1.0})
    unknown, negative, misspelt = str(caught.value).splitlines()
    assert "xi_opioid" in unknown and "an unknown symbol" in unknown
    assert "EC50_opioid" in negative and "above 0" in negative
    assert "did you mean sigma_opioid" in misspelt
