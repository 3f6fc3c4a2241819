"""Structural alternatives: each changes what it says and nothing else, and the table is of this code."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import values_of
from taper_sim.studies import structures
from taper_sim.studies.structures import (
    ALTERNATIVES,
    COMPARED_OUTCOMES,
    COMPARED_PROTOCOLS,
    SHIPPED_FORM,
    code_hash,
    compared,
    measured,
    readings,
    summary,
    turns,
)

TABLE = Path(__file__).parent.parent.parent / "docs" / "tables" / "structures.csv"
N = 96
CURVES = ("EC50 30", "EC50 250", "linear in the dose")


def test_the_committed_table_comes_from_this_code():
    """Else: ``python -m taper_sim.studies.structures --out docs/tables/structures.csv``, some minutes."""
    assert set(pd.read_csv(TABLE)["code"]) == {code_hash()}


def test_the_table_has_every_pair_under_every_alternative():
    table = pd.read_csv(TABLE)
    pairs = {(b, a) for a, b in combinations(COMPARED_PROTOCOLS, 2)}
    for structure in ALTERNATIVES:
        for outcome in COMPARED_OUTCOMES:
            rows = table[(table["structure"] == structure) & (table["outcome"] == outcome)]
            assert set(zip(rows["protocol"], rows["against"], strict=True)) == pairs
            assert len(rows) == len(pairs)
    assert len(table) == len(ALTERNATIVES) * len(COMPARED_OUTCOMES) * len(pairs)
    shown = table.dropna(subset=["lo95"])
    # the ends are rounded to four digits, and so is the difference
    slack = 1e-3 * shown["difference"].abs()
    assert (shown["lo95"] <= shown["difference"] + slack).all() and (shown["difference"] - slack <= shown["hi95"]).all()


def test_readings_and_turns_of_the_table_follow_from_its_numbers():
    table = pd.read_csv(TABLE)
    assert list(readings(table)) == list(table["reading"])
    assert set(table.loc[table["structure"] == SHIPPED_FORM, "turns"]) == {"no"}
    key = ["outcome", "protocol", "against"]
    shipped = table[table["structure"] == SHIPPED_FORM][[*key, "reading"]]
    both = table.merge(shipped, on=key, how="left", suffixes=("", "_shipped"))
    assert list(turns(both["reading"], both["reading_shipped"])) == list(table["turns"])


@pytest.mark.parametrize(
    ("outcome", "lo95", "hi95", "reading"),
    [
        ("withdrawal_peak", -2.0, -1.0, "better"),
        ("withdrawal_peak", 1.0, 2.0, "worse"),
        ("function_change", 1.0, 2.0, "better"),
        ("function_change", -2.0, -1.0, "worse"),
        ("function_change", -1.0, 1.0, "open"),
        ("pain_nrs_change", 0.0, 0.0, "open"),
        ("overdose", np.nan, np.nan, "few"),
    ],
)
def test_a_reading_is_the_side_on_which_the_whole_interval_lies(outcome, lo95, hi95, reading):
    row = pd.DataFrame({"outcome": [outcome], "lo95": [lo95], "hi95": [hi95]})
    assert list(readings(row)) == [reading]


@pytest.mark.parametrize(
    ("reading", "shipped", "turn"),
    [
        ("better", "better", "no"),
        ("few", "few", "no"),
        ("worse", "better", "reversed"),
        ("better", "worse", "reversed"),
        ("open", "worse", "opened"),
        ("better", "open", "settled"),
        ("few", "open", "unknown"),
        ("worse", "few", "unknown"),
    ],
)
def test_a_turn_compares_two_readings(reading, shipped, turn):
    assert list(turns(pd.Series([reading]), pd.Series([shipped]))) == [turn]


@pytest.mark.parametrize("structure", CURVES)
def test_a_curve_keeps_what_the_effect_of_90_mme_does_to_each_person(structure):
    shipped = from_prior(1, 5)
    people = structures._people(N, 1)
    cohort, draws = ALTERNATIVES[structure].changed(people, shipped, 1)
    before, after = values_of(people, shipped, 1), values_of(cohort, draws, 1)

    def strength(values, symbol):
        return values[symbol][:, 0] * 90.0 / (90.0 + values["EC50"][:, 0])

    for symbol in ("sigma", "alpha"):
        np.testing.assert_allclose(strength(after, symbol), strength(before, symbol), rtol=1e-12)
        np.testing.assert_array_equal(after[symbol][:, 1:], before[symbol][:, 1:])
    assert not np.allclose(after["EC50"][:, 0], before["EC50"][:, 0])
    for symbol in ("delta", "excess_apnoea"):  # a share of the effect, as the risk of lost tolerance is
        kept = shipped.values[symbol] * shipped.values["overdose_excess"]
        np.testing.assert_allclose(draws.values[symbol] * draws.values["overdose_excess"], kept, rtol=1e-12)
    changed = {"EC50", "sigma", "alpha", "delta", "overdose_excess", "excess_apnoea"}
    for symbol in before.keys() - changed:
        np.testing.assert_array_equal(after[symbol], before[symbol])


@pytest.mark.parametrize(
    ("structure", "symbols"),
    [
        ("no life outside the taper", {"life", "lead"}),
        ("no lasting effect", {"b", "beta"}),
        ("no reaction to cuts", {"xi"}),
        ("no couplings", set(structures._COUPLINGS)),
        ("causal share 0", {"causal_share"}),
    ],
)
def test_what_is_left_out_is_0_for_everybody_and_nothing_else_changes(structure, symbols):
    shipped, people = from_prior(1, 5), structures._people(N, 1)
    cohort, draws = ALTERNATIVES[structure].changed(people, shipped, 1)
    before, after = values_of(people, shipped, 1), values_of(cohort, draws, 1)
    for symbol in before:
        if symbol in symbols:
            assert not after[symbol].any() and before[symbol].any()
        else:
            np.testing.assert_array_equal(after[symbol], before[symbol])


def test_the_alternatives_change_the_courses_as_they_say():
    """Small runs with the same people, draws and chance: exact where the form says 0, and by order elsewhere."""
    held = measured("no life outside the taper", "constant()", N, 1, 84)
    assert np.nanmax(np.abs(held["pain_nrs_change"])) < 0.1  # steady, but for care and doses between tablets
    assert np.nanstd(measured(SHIPPED_FORM, "constant()", N, 1, 84)["pain_nrs_change"]) > 0.5
    peak = {s: measured(s, "abrupt()", N, 1, 28)["withdrawal_peak"] for s in (SHIPPED_FORM, "linear in the dose")}
    near_90 = np.abs(structures._people(N, 1).dose[:, 0] - 90.0) < 16.0
    ratio = peak["linear in the dose"][near_90].mean() / peak[SHIPPED_FORM][near_90].mean()
    assert near_90.sum() >= 10 and 0.8 < ratio < 1.25
    slow = {s: measured(s, "linear(pct=10, every=28)", N, 1, 308)["withdrawal_peak"].mean() for s in CURVES}
    assert slow["EC50 30"] > slow["EC50 250"] > slow["linear in the dose"]  # the last steps are the hard ones


def test_a_small_study_has_the_form_of_the_table():
    columns = structures._COLUMNS
    rows = [row for name in (SHIPPED_FORM, "no reaction to cuts") for row in compared((name,), 40, 1, 56)]
    table = summary(pd.DataFrame(rows, columns=columns))
    assert list(table.columns) == [*columns, "reading", "turns", "code"]
    assert list(table.columns) == list(pd.read_csv(TABLE, nrows=1).columns)
    of_peak = table[(table["outcome"] == "withdrawal_peak") & (table["protocol"] == "abrupt stop")]
    with_, without = of_peak["mean"].drop_duplicates()
    assert without < with_
