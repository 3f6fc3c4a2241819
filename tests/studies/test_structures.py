"""Structural alternatives: each changes what it says and nothing else, and the table is of this code."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.model import reference
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import reference_person, values_of
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
    shift_of,
    summary,
    turns,
)

DOCS = Path(__file__).parent.parent.parent / "docs"
TABLE = DOCS / "tables" / "structures.csv"
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
    assert (shown["lo95"] <= shown["difference"] + slack).all()
    assert (shown["difference"] - slack <= shown["hi95"]).all()


def test_readings_and_turns_of_the_table_follow_from_its_numbers():
    table = pd.read_csv(TABLE)
    assert list(readings(table)) == list(table["reading"])
    assert set(table.loc[table["structure"] == SHIPPED_FORM, "turns"]) == {"no"}
    key = ["outcome", "protocol", "against"]
    shipped = table[table["structure"] == SHIPPED_FORM][[*key, "reading"]]
    both = table.merge(shipped, on=key, how="left", suffixes=("", "_shipped"))
    assert list(turns(both["reading"], both["reading_shipped"])) == list(table["turns"])


def test_the_page_has_the_counts_of_the_table():
    """Else: put the rows that this test expects on docs/structures.md, and read its sentences again."""
    table = pd.read_csv(TABLE)
    excludes_0 = (table["shift_lo95"] > 0.0) | (table["shift_hi95"] < 0.0)
    expected = []
    for structure in list(ALTERNATIVES)[1:]:
        of_form = table["structure"] == structure
        n = [int((table.loc[of_form, "turns"] == kind).sum()) for kind in ("reversed", "opened", "settled")]
        expected.append(f"| {structure} | {n[0]} | {n[1]} | {n[2]} | {int(excludes_0[of_form].sum())} |")
    page = (DOCS / "structures.md").read_text(encoding="utf-8").split("<!-- counts")[1].split("\n## ")[0]
    assert [line for line in page.splitlines() if line.startswith("| ")][1:] == expected

    shipped = table[table["structure"] == SHIPPED_FORM]["reading"].isin(["better", "worse"]).to_numpy()
    by_form = table["reading"].to_numpy().reshape(len(ALTERNATIVES), -1)
    kept = shipped & (by_form == by_form[0]).all(axis=0)
    text = " ".join((DOCS / "structures.md").read_text(encoding="utf-8").split())
    assert f"decides {shipped.sum()} of the {len(shipped)} pairs. Of these, {kept.sum()} have the same reading" in text


def test_a_shift_is_the_difference_less_that_of_the_shipped_model():
    table = pd.read_csv(TABLE).set_index(["outcome", "protocol", "against"])
    shipped = table[table["structure"] == SHIPPED_FORM]
    assert not shipped[["shift", "shift_lo95", "shift_hi95"]].to_numpy().any()
    # these two have a value for everybody; others are missing for the dead, or count expected events
    numbers = table.loc[["withdrawal_peak", "days_over_limit"]]
    expected = numbers["difference"] - shipped["difference"].reindex(numbers.index)
    largest = numbers["difference"].abs() + shipped["difference"].abs().reindex(numbers.index)
    rounding = 0.5e-3 * largest  # half of the fourth digit of each of the two, and of the shift
    missed_by = (numbers["shift"] - expected).abs()
    assert (missed_by <= 2.0 * rounding + 0.5e-3 * numbers["shift"].abs() + 1e-12).all()


def test_a_shift_has_the_interval_of_a_paired_mean():
    rng = np.random.default_rng(1)
    draw = np.arange(4000) % 50
    mean, low, high = shift_of(np.where(draw == 0, np.nan, 1.0 + rng.normal(size=4000)), draw)
    # 3,920 people of sd 1: the Monte Carlo error alone is 0.016, and five of them are allowed
    assert (
        abs(mean - 1.0) < 5.0 / np.sqrt(3920) and low < mean - 1.5 / np.sqrt(3920) and high > mean + 1.5 / np.sqrt(3920)
    )
    assert np.isnan(shift_of(np.r_[np.ones(5), np.full(100, np.nan)], np.arange(105) % 5)).all()


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


def test_a_straighter_curve_has_more_withdrawal_between_doses():
    """Limits of docs/structures.md: 50 % against 6 % of people above 0.02; S6 of docs/stylised-facts.md."""
    n, drawn = 2000, from_prior(1)
    above = {}
    for structure in (SHIPPED_FORM, *CURVES):
        cohort, draws = ALTERNATIVES[structure].changed(structures._people(n, 1), drawn, 1)
        start = reference.start(reference_person(cohort, values_of(cohort, draws, 1), draws, 1), cohort.dose)
        above[structure] = float((start.withdrawal > 0.02).mean())
    assert above["EC50 30"] < above[SHIPPED_FORM] < above["EC50 250"] < above["linear in the dose"]
    # 3.5 binomial standard errors of 2,000 people are 0.019 and 0.039; people who share draws vary a little more
    assert abs(above[SHIPPED_FORM] - 0.06) < 0.03 and abs(above["linear in the dose"] - 0.50) < 0.06


def test_a_small_study_has_the_form_of_the_table():
    columns = structures._COLUMNS
    rows = [row for name in (SHIPPED_FORM, "no reaction to cuts") for row in compared((name, 40), 40, 1, 56)]
    table = summary(pd.DataFrame(rows, columns=columns))
    assert list(table.columns) == [*columns, "reading", "turns", "code"]
    assert list(table.columns) == list(pd.read_csv(TABLE, nrows=1).columns)
    of_peak = table[(table["outcome"] == "withdrawal_peak") & (table["protocol"] == "abrupt stop")]
    with_, without = of_peak["mean"].drop_duplicates()
    assert without < with_
    shipped, other = (table[table["structure"] == name] for name in (SHIPPED_FORM, "no reaction to cuts"))
    assert not shipped["shift"].any()
    is_peak = (other["outcome"] == "withdrawal_peak").to_numpy()
    expected = other["difference"].to_numpy() - shipped["difference"].to_numpy()
    np.testing.assert_allclose(other["shift"][is_peak], expected[is_peak], atol=2e-4)  # differences below 1, 4 digits


def test_a_table_of_two_sizes_reads_each_against_its_own_shipped_form():
    table = pd.read_csv(TABLE)
    few = table[table["structure"].isin([SHIPPED_FORM, "linear in the dose"])].assign(people=60, lo95=-1.0, hi95=1.0)
    both = summary(pd.concat([table, few])[structures._COLUMNS].reset_index(drop=True))
    assert list(both.loc[both["people"] == table["people"].iloc[0], "turns"]) == list(table["turns"])
    assert set(both.loc[both["people"] == 60, "turns"]) == {"no"}
