"""A ranking has the stated weights, counts every harm, knows its chance, and says where its first place changes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.preferences import (
    COMPOSITE_WEIGHTS,
    FULL_STOP_KEY,
    FURTHER_HARMS,
    HARM_WEIGHTS,
    counted_harms,
)
from taper_sim.comparison.ranking import Ranking, rank_protocols
from taper_sim.data.problems import InputError
from taper_sim.experiments.compare import ComparisonRun, compare, verify
from taper_sim.scenario.building import Overrides, read_scenario, scenario_hash
from tests.conftest import SCENARIO, quiet

WEIGHTS = {**COMPOSITE_WEIGHTS, **HARM_WEIGHTS, "withdrawal": 0.5, "return": 0.2, FULL_STOP_KEY: 2.0}
LOADS = dict(COMPOSITE_WEIGHTS)
WHOSE = "two people: =a committee"


def stated(**changes: object) -> str:
    """A scenario with weights that somebody stated."""
    weights = {name: weight for name, weight in WEIGHTS.items() if name != FULL_STOP_KEY}
    more = {"weights_of": WHOSE, "composite": weights, **changes}
    return SCENARIO + yaml.safe_dump({name: value for name, value in more.items() if value is not None})


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> ComparisonRun:
    path = tmp_path_factory.mktemp("ranked") / "stated.yaml"
    path.write_text(stated())
    return compare(path, Overrides(), path.parent / "run", 1, quiet)


def made(shifts: dict[str, dict[str, float]], n: int = 400, **weights: float) -> Ranking:
    """A ranking of made-up people who live under 20 draws and differ between protocols by shifts alone, with noise."""
    rng = np.random.default_rng(5)
    draw = np.arange(n) % 20
    read = {}
    for protocol, shift in shifts.items():
        noise = rng.normal(size=n) * 0.5
        values = {name: np.zeros(n) for name in ("mental_health_crisis", "overdose", "death", *BY_NAME)}
        values["pain_nrs_change"] = noise + shift.get("pain", 0.0)
        values["function_change"] = 10.0 * shift.get("function", 0.0) * np.ones(n)
        values["dose_exposure"] = np.full(n, 1.0 - shift.get("reduction", 0.0))
        values["mental_health_crisis"] = (np.arange(n) < n * shift.get("crisis", 0.05)).astype(float)
        read[protocol] = values
    return rank_protocols(list(shifts), read, draw, n, {**WEIGHTS, **weights}, WHOSE)


def test_loads_are_those_of_the_composite_and_harms_those_of_the_tables(ranked: ComparisonRun):
    people = pd.read_parquet(ranked.folder / "patients.parquet").groupby("protocol", observed=True).mean(True)
    whole = ranked.summary[ranked.summary["subgroup"] == "all"].set_index(["protocol", "outcome"])["mean"]
    harms = counted_harms(WEIGHTS)
    assert len(harms) == 5
    for row in ranked.ranking.table.to_dict("records"):
        of_people = people.loc[row["protocol"]]
        counted = sum(WEIGHTS[name] * of_people[outcome] / unit for name, (outcome, unit) in harms.items())
        assert row["loads"] == pytest.approx(of_people["composite"] - counted)
        tabled = sum(WEIGHTS[name] * whole[row["protocol"], outcome] / unit for name, (outcome, unit) in harms.items())
        assert row["harms"] == pytest.approx(tabled)
        assert row["composite"] == pytest.approx(row["loads"] + row["harms"])


def test_a_ranking_is_in_order_and_its_chances_sum_to_one(ranked: ComparisonRun):
    table = ranked.ranking.table
    assert (np.diff(table["composite"]) >= 0).all() and table["rank"].tolist() == [1, 2, 3, 4]
    assert table["p_best"].sum() == pytest.approx(1.0)
    assert (table["rank_lo95"] <= table["rank"]).all() and (table["rank"] <= table["rank_hi95"]).all()
    assert (table["weights_of"] == WHOSE).all()


def test_the_run_can_be_verified_and_its_tables_are_guarded(ranked: ComparisonRun):
    assert verify(ranked.folder, 1, quiet) == []
    assert {"ranking.csv", "ranking_flips.csv"} <= set(ranked.manifest["outputs_sha256"])


def test_a_clear_difference_has_a_chance_near_one_and_none_of_two_alike_is_best():
    table = made({"mild": {}, "hard": {"pain": 2.0}}).table.set_index("protocol")
    assert table.loc["mild", "p_best"] > 0.99 and table.loc["hard", "rank"] == 2
    assert table.loc["hard", "behind_first"] == pytest.approx(0.5, abs=0.03)
    assert table.loc["hard", "behind_lo95"] < 0.5 < table.loc["hard", "behind_hi95"]
    same = made({"a": {}, "b": {}, "worse": {"pain": 2.0}}).table.set_index("protocol")
    assert 0.1 < same.loc["a", "p_best"] < 0.9


def test_protocols_that_never_differ_share_the_place_and_the_chance():
    rng = np.random.default_rng(1)
    n = 200
    values = {name: np.zeros(n) for name in BY_NAME} | {"pain_nrs_change": rng.normal(size=n)}
    values["mental_health_crisis"] = (np.arange(n) < 20).astype(float)
    table = rank_protocols(["a", "b"], {"a": values, "b": values}, np.arange(n) % 10, n, WEIGHTS, WHOSE).table
    assert table["p_best"].tolist() == [0.5, 0.5] and table["rank"].tolist() == [1, 1]
    assert (table["behind_lo95"] == 0.0).all()


def test_the_first_place_changes_where_the_table_says():
    shifts = {"slow": {"reduction": 0.3}, "fast": {"reduction": 0.8, "crisis": 0.2}}
    ranking = made(shifts)
    flips = ranking.flips[ranking.flips["first"] != ""]
    assert set(flips["weight"]) >= {"crisis", "medication", "full_stop"}
    for flip in flips.to_dict("records"):
        changed = flip["weight"], flip["value"]
        step = 1e-6 if flip["change"] == "higher" else -1e-6
        before = made(shifts, **{changed[0]: changed[1] - step}).table
        beyond = made(shifts, **{changed[0]: changed[1] + step}).table
        assert before["protocol"].iloc[0] == ranking.table["protocol"].iloc[0]
        assert beyond["protocol"].iloc[0] == flip["first"]
        assert flip["factor"] == pytest.approx(flip["value"] / flip["stated"])


def test_harms_that_count_double_or_half_can_turn_the_ranking():
    table = made({"slow": {"reduction": 0.3}, "fast": {"reduction": 0.8, "crisis": 0.14}}).table.set_index("protocol")
    assert table.loc["fast", "rank"] == 1
    assert table.loc["fast", ["rank_harms_halved", "rank_harms_doubled"]].tolist() == [1, 2]


def test_too_few_people_or_harms_have_no_chance_and_the_reason():
    for n, reason in ((10, "fewer than 11 people"), (60, "fewer than 5 people with a harm that it counts")):
        table = made({"a": {}, "b": {"pain": 1.0}}, n=n).table
        assert table["p_best"].isna().all() and table["lo95"].isna().all()
        assert table["interval_reason"].tolist() == [reason] * 2


def test_a_further_harm_counts_in_the_unit_of_its_outcome():
    assert FURTHER_HARMS["withdrawal"] == ("days_over_limit", BY_NAME["days_over_limit"].important)
    assert BY_NAME["return_to_higher_dose"].unit == "share of people"


def test_without_the_key_nothing_is_ranked_and_the_hash_is_as_before(tmp_path: Path, finished: ComparisonRun):
    assert finished.ranking is None and not (finished.folder / "ranking.csv").exists()
    for text in (SCENARIO, SCENARIO + "weights_of: ''\n"):
        (tmp_path / "s.yaml").write_text(text)
        assert scenario_hash(read_scenario(tmp_path / "s.yaml"), tmp_path) == finished.manifest["scenario_hash"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (stated(composite=None), [f"composite.{name}: given nothing" for name in (*COMPOSITE_WEIGHTS, *HARM_WEIGHTS)]),
        (stated(composite=LOADS | {"crisis": 1, "death": 0, "overdose": 0}), ["overdose: given 0", "death: given 0"]),
        (stated(composite=LOADS | {"crisis": 1, "overdose": 1}), ["composite.death: given nothing"]),
        (stated(composite=LOADS | {**HARM_WEIGHTS, "boredom": 1}), ["given weights of"]),
        (stated(weights_of="  "), ["weights_of: given"]),
        (stated(weights_of="a\nb"), ["weights_of: given a\\nb"]),
        (stated(weights_of=7), ["weights_of"]),
    ],
    ids=["no weights", "harms of 0", "a harm left out", "unknown harm", "blank", "two lines", "a number"],
)
def test_bad_weights_are_one_line_each(tmp_path: Path, text: str, lines: list[str]):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        read_scenario(tmp_path / "s.yaml")
    problems = str(refused.value).splitlines()
    assert len(problems) == len(lines)
    for problem, line in zip(problems, lines, strict=True):
        assert line in problem
