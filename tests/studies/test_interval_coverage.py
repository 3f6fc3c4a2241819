"""Intervals of a comparison contain the truth as often as they say, for few people and many."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from taper_sim.studies.interval_coverage import COHORT_SIZES, TARGETS, code_hash, pieces, repeat, summary

TABLE = pd.read_csv(Path(__file__).parent.parent.parent / "docs" / "tables" / "interval_coverage.csv")
REPETITIONS = 150


def _row(target: str, rate: float, draws: int, people: int) -> pd.Series:
    columns = ["target", "rate", "draws", "people", "repetitions", "printed", "covered", "below", "width"]
    found = next(repeat((target, rate, draws, people), REPETITIONS, 11))
    return pd.Series(found[: len(columns)], columns)


def test_the_table_describes_the_code_as_it_is():
    """Else: ``python -m taper_sim.studies.interval_coverage --out docs/tables/interval_coverage.csv``, ten minutes."""
    assert set(TABLE["code"]) == {code_hash()}
    assert len(TABLE) == len(pieces(1))


@pytest.mark.parametrize(
    ("target", "rate", "people"),
    [
        ("mean", 0.0, 20),
        ("mean", 0.0, 60),
        ("mean, skewed draws", 0.0, 200),
        ("mean of a subgroup of 5 %", 0.0, 1000),
        ("worst 5 %", 0.0, 200),
        ("share", 0.1, 200),
        ("share", 0.01, 4000),
        ("difference of means", 0.0, 60),
        ("difference of shares", 0.1, 1000),
    ],
)
def test_printed_intervals_contain_the_truth(target: str, rate: float, people: int):
    row = _row(target, rate, 20, people)
    # true coverage of at least 90 %: with as many intervals, fewer than this many hits have probability below 1e-3
    assert row["printed"] > 0.5 * REPETITIONS
    assert row["covered"] >= binom.ppf(1e-3, int(row["printed"]), 0.90)


def test_fewer_people_do_not_narrow_an_interval():
    few, some, many = (float(_row("mean", 0.0, 50, n)["width"]) for n in (60, 1000, 4000))
    # the median width has a relative sd of some 1.25 / sqrt(2 * 49 * 150) = 1 %: five of them are allowed
    assert few > 0.95 * some
    assert some > 0.95 * many


def test_rare_events_of_few_people_have_no_interval():
    assert _row("share", 0.001, 20, 60)["printed"] == 0
    assert _row("difference of shares", 0.01, 20, 60)["printed"] == 0


def test_the_committed_coverage_is_near_nominal():
    shown = TABLE[TABLE["printed"] > 0.5]
    assert set(shown["target"]) == set(TARGETS)
    assert set(TABLE["people"]) == set(COHORT_SIZES)
    expected = shown["printed"] * shown["repetitions"]
    hits = np.rint(shown["coverage"] * expected)
    # true coverage of at least 90 % in every piece; with some hundred pieces the bound has probability 1e-4 in each
    assert (hits >= binom.ppf(1e-4, np.rint(expected).astype(int), 0.90)).all()
    assert float(np.average(shown["coverage"], weights=expected)) > 0.93
    assert (TABLE["wrong"] < 0.12).all()


def test_a_summary_of_no_printed_interval_has_no_coverage():
    columns = ["target", "rate", "draws", "people", "repetitions", "printed", "covered", "below", "width"]
    row = pd.DataFrame([("share", 0.001, 20, 20, 10, 0, 0, 0, np.nan)], columns=columns)
    table = summary(row.assign(p_better=np.nan, better=np.nan))
    assert table["coverage"].isna().all()
    assert table["wrong"].item() == 0.0
