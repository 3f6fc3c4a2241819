"""Which parameter decides, in one call."""

import numpy as np
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
    assert "Calibrated to 41 published results" in result._repr_html_()


def test_a_comparison_brings_its_people_and_protocols(cohort: ts.People) -> None:
    compared = ts.compare(people=cohort, draws=6, outcomes=["withdrawal_peak"], **RUN)
    words = {"outcomes": ["withdrawal_peak"], "draws": 6, "progress": False}
    of_comparison = ts.sensitivity(compared, ["sigma"], **words)
    of_people = ts.sensitivity(cohort, ["sigma"], **words, protocols=RUN["protocols"], days=RUN["days"])
    pd.testing.assert_frame_equal(of_comparison.frame, of_people.frame)


def test_an_unknown_symbol_names_the_nearest(cohort: ts.People) -> None:
    with pytest.raises(ts.InputError, match="did you mean sigma"):
        ts.sensitivity(cohort, ["sigmaa"], **RUN)


@pytest.fixture(scope="module")
def both_classes() -> ts.People:
    return ts.people(120, drug="morphine ER", mg_per_day=90, benzodiazepine={"drug": "diazepam", "mg_per_day": 20})


def test_people_on_two_classes_get_a_row_for_each(both_classes: ts.People) -> None:
    frame = ts.sensitivity(both_classes, outcomes=["withdrawal_peak"], draws=4, **RUN).frame
    names = [f"{symbol}_{c}" for symbol in ("sigma", "tau_F") for c in ("opioid", "benzodiazepine")]
    assert frame["parameter"].tolist()[:4] == names
    assert frame["parameter"].tolist()[-2:] == ["xi", "delta"]


def test_the_bare_symbol_holds_each_class_at_its_own_percentile(both_classes: ts.People) -> None:
    names = ["sigma", "sigma_opioid", "sigma_benzodiazepine"]
    words = {"outcomes": ["withdrawal_peak"], "protocols": ["abrupt()"], "days": 28, "progress": False}
    rows = ts.sensitivity(both_classes, names, draws=30, **words).frame.set_index("parameter")
    assert np.isnan(rows.loc["sigma", "low_value"])
    assert rows.loc["sigma_opioid", "low_value"] != rows.loc["sigma_benzodiazepine", "low_value"]
    assert rows.loc["sigma", "swing"] > 0.99 * max(rows.loc[name, "swing"] for name in names[1:]) > 0
    low = {name: rows.loc[name, "low_value"] for name in names[1:]}
    held = ts.compare(people=both_classes, draws=1, parameters=low, **words)
    assert held.people["withdrawal_peak"].mean() == rows.loc["sigma", "outcome_at_low"]
    assert rows["first_order"].between(0, 1).all()
    assert (rows["first_order_lo95"] <= rows["first_order"]).all()


def test_a_class_that_nobody_takes_is_refused(cohort: ts.People) -> None:
    with pytest.raises(ts.InputError, match=r"sigma_gabapentinoid, of a drug class that nobody takes.*sigma_opioid"):
        ts.sensitivity(cohort, ["sigma_gabapentinoid"], **RUN)
    with pytest.raises(ts.InputError, match="an empty list"):
        ts.sensitivity(cohort, [], **RUN)


def test_values_that_the_comparison_fixes_stay_fixed(cohort: ts.People) -> None:
    still = {"sigma": 0.0, "xi": 0.0}
    fixed = ts.compare(people=cohort, draws=4, outcomes=["withdrawal_peak"], parameters=still, **RUN)
    table = ts.sensitivity(fixed, ["tau_F", "sigma"], outcomes=["withdrawal_peak"], draws=4, progress=False)
    row = table.frame.set_index("parameter")
    assert row.loc["tau_F", "outcome_at_high"] == 0  # no sensitivity and no reaction, no withdrawal
    assert row.loc["sigma", "outcome_at_high"] > 0  # varied, since it was named
    assert np.isnan(row.loc["sigma", "rank_correlation"])
