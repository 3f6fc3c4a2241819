"""Which parameter decides, in one call."""

import pandas as pd
import pytest

import taper_sim as ts

RUN = {"protocols": ["constant()", "abrupt()"], "days": 28, "progress": False}


@pytest.fixture(scope="module")
def cohort() -> ts.People:
    return ts.people(150, drug="morphine ER", mg_per_day=90)


@pytest.fixture(scope="module")
def result(cohort: ts.People) -> ts.Sensitivity:
    return ts.sensitivity(cohort, ["sigma", "xi"], outcomes=["withdrawal_peak"], draws=12, **RUN)


def test_more_withdrawal_per_drive_is_more_withdrawal(result: ts.Sensitivity) -> None:
    row = result.frame.set_index("parameter").loc["sigma"]
    assert row["low_value"] < row["high_value"]
    assert row["swing"] == row["outcome_at_high"] - row["outcome_at_low"] > 0
    assert -1 <= row["lo95"] <= row["rank_correlation"] <= row["hi95"] <= 1
    assert row["rank_correlation"] > 0


def test_it_draws_and_says_which_parameter_moves_most(result: ts.Sensitivity) -> None:
    assert len(result.plot().axes) == 2
    assert "sigma changes it most" in repr(result)
    assert "Not calibrated" in result._repr_html_()


def test_a_comparison_brings_its_people_and_protocols(cohort: ts.People) -> None:
    compared = ts.compare(people=cohort, draws=6, outcomes=["withdrawal_peak"], **RUN)
    words = {"outcomes": ["withdrawal_peak"], "draws": 6, "progress": False}
    of_comparison = ts.sensitivity(compared, ["sigma"], **words)
    of_people = ts.sensitivity(cohort, ["sigma"], **words, protocols=RUN["protocols"], days=RUN["days"])
    pd.testing.assert_frame_equal(of_comparison.frame, of_people.frame)


def test_an_unknown_symbol_names_the_nearest(cohort: ts.People) -> None:
    with pytest.raises(ts.InputError, match="did you mean sigma"):
        ts.sensitivity(cohort, ["sigmaa"], **RUN)
