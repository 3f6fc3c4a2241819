"""What designs of data are worth: bounds that hold for any person, and the committed table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.recommend.learning_ahead import value_of_knowing
from taper_sim.studies.trial_designs import DESIGNS, expected_given, worth_of_designs
from tests.recommend.test_look_ahead import uncertain_person

TABLE = pd.read_csv(Path(__file__).parents[2] / "docs" / "tables" / "trial_designs.csv")


def test_no_design_is_worth_more_than_knowing_and_none_without_a_change_of_dose_is_worth_much() -> None:
    person, life = uncertain_person()
    worth = pd.DataFrame(worth_of_designs(person, life)).pivot_table(
        index="design", columns="full_stop", values="worth"
    )
    everything = worth.loc["everything known"]
    assert (worth <= everything + 1e-9).all().all()
    assert (worth.loc["b known"] < worth.loc["b and beta known"]).all()
    same = worth.loc["check-ins at the same dose, 24 weeks"]
    changed = worth.drop(["check-ins at the same dose, 24 weeks"])
    assert (same <= changed.min() + 1e-9).all()


def test_the_regression_returns_what_is_a_function_of_the_known_values() -> None:
    b, beta, other = np.random.default_rng(2).normal(size=(3, 400))
    gains = np.stack([np.zeros(400), b - 0.5 * beta**2 + b * beta, other])
    given = expected_given([b, beta], gains)
    np.testing.assert_allclose(given[:2], gains[:2], atol=1e-9)
    assert given[2].std() < 0.25 and value_of_knowing(given) < value_of_knowing(gains)


def test_every_design_has_whole_months_and_shares_of_the_original_dose() -> None:
    for path in DESIGNS.values():
        assert len(path) % 28 == 0 and path.min() >= 0.0 and path.max() <= 1.0


def test_the_committed_table_has_every_design_under_each_worth_of_a_full_stop() -> None:
    worth = TABLE.pivot_table(index="design", columns="full_stop", values="worth")
    assert set(DESIGNS) < set(worth.index) and list(worth.columns) == [0.5, 1.0, 2.0]
    assert (worth <= worth.loc["everything known"] + 1e-9).all().all()
    plateau = TABLE[TABLE["design"].str.startswith("10 % a month")]
    withdrawn = TABLE[TABLE["design"].str.startswith("enriched")]
    assert plateau["share_over_limit"].max() < withdrawn["share_over_limit"].min()
    assert TABLE["people"].min() == pytest.approx(TABLE["people"].max())
