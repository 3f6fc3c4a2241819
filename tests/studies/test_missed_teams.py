"""The stated chance of a missed team: invented problems with known chances, and the committed table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.studies import missed_teams
from taper_sim.studies.missed_teams import FEWEST_TEAMS, LARGEST_GRID, PROBABILITY, invented, missed_table, searched

TABLE = Path(__file__).resolve().parents[2] / "docs" / "tables" / "missed_teams.csv"
BORDER = 1001
"""A problem whose cheapest able team meets the targets with little more than the required probability."""


def test_the_chance_of_an_invented_team_is_the_share_of_its_replications_that_meet():
    problem, n = invented(3), 400
    assert FEWEST_TEAMS <= len(problem.teams) <= LARGEST_GRID
    chances = problem.chances
    near = np.argsort(np.abs(chances - PROBABILITY))[:2]
    for team in (*near, int(np.argmax(chances))):
        share = np.mean([problem.margin(int(team), replication) >= 0.0 for replication in range(n)])
        sd = np.sqrt(chances[team] * (1.0 - chances[team]) / n)
        assert abs(share - chances[team]) < 4.0 * sd + 1e-9


@pytest.mark.slow
def test_a_team_at_the_border_is_chosen_by_its_share_or_counted_in_the_stated_chance(monkeypatch):
    problem = invented(BORDER)
    able = problem.chances[problem.chances >= PROBABILITY]
    chosen = searched(problem)
    assert not chosen["missed"] and chosen["undecided"] == 0 and chosen["stated"] < 0.05
    assert chosen["chosen_chance"] == pytest.approx(able.min(), abs=1e-6) and not chosen["chosen_wrong"]
    monkeypatch.setattr(missed_teams, "RULE", replace(missed_teams.RULE, at_bound=0.0))
    undecided = searched(problem)
    assert undecided["missed"] and not undecided["missed_clear"] and undecided["undecided"] > 0
    assert undecided["stated"] > 0.5


def test_a_row_of_the_table_has_the_mean_stated_chance_and_the_share_missed():
    stated, missed = [0.01, 0.02, 0.9, 0.96], [False, False, True, False]
    rows = pd.DataFrame({"stated": stated, "missed": missed}).assign(
        missed_clear=False, excess=0.1, tried=3, undecided=1, replications=40, chosen_chance=0.9, chosen_wrong=False
    )
    table = missed_table(rows).set_index(["from", "to"])
    assert table["problems"].to_dict() == {(0.0, 0.05): 2, (0.75, 0.95): 1, (0.95, 1.0): 1, (0.0, 1.0): 4}
    assert table.loc[(0.0, 1.0), "missed"] == 0.25 and table.loc[(0.0, 1.0), "stated"] == pytest.approx(
        0.4725, abs=1e-3
    )
    assert table.loc[(0.0, 0.05), "missed_hi95"] == pytest.approx(0.842, abs=1e-3)  # Clopper and Pearson, 0 of 2


def test_stated_chances_of_the_committed_table_lie_within_the_bounds_of_the_frequency():
    table = pd.read_csv(TABLE)
    assert set(table["code"]) == {missed_teams.code_hash()}
    assert table["problems"].iloc[-1] == table["problems"].iloc[:-1].sum() >= 40
    inside = table["stated"].between(table["missed_lo95"], table["missed_hi95"])
    assert inside.all()
