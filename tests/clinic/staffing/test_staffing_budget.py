"""The team with the least harm within a budget: compared teams, choice, refused input."""

import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from taper_sim import cli
from taper_sim.clinic.staffing.search import Candidate, within_budget
from taper_sim.clinic.staffing.selection import FIRST_REPLICATIONS
from taper_sim.experiments import clinic_case, team_search
from taper_sim.report.staffing_text import bound_text
from taper_sim.report.wording import in_words, number_text
from taper_sim.scenario.building import Overrides
from taper_sim.scenario.staffing_schema import StaffingEntry
from tests.experiments.test_staffing_command import scenario, set_in

BUDGET = 17_000
HARM = "composite_against_never_short"


def with_budget(content, **more):
    content["clinic"]["staffing"] |= {
        "minimise": "harm",
        "budget_usd_week": BUDGET,
        "indifference": 0.02,
        "confidence": 0.8,
        "most_replications": 4,
        "most_teams": 6,
        "fte": {
            "physician": {"least": 0.2, "most": 1, "step": 0.4},
            "nurse": {"least": 0.5, "most": 1.5, "step": 0.5},
            "pt": {"least": 0.4, "most": 1, "step": 0.3},
        },
    } | more
    del content["clinic"]["staffing"]["probability"]
    for key in [key for key, value in more.items() if value is None]:
        del content["clinic"]["staffing"][key]


def budget_scenario(folder, **more):
    return scenario(folder, lambda content: with_budget(content, **more))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("budget")
    assert cli.main(["staffing", str(budget_scenario(folder)), "--out", str(folder / "run")]) == 0
    return folder / "run"


def teams_of(levels, cost):
    return [
        Candidate(tuple(zip(levels, some, strict=True)), cost(some), sum(some))
        for some in itertools.product(*levels.values())
    ]


def test_only_undominated_teams_of_the_budget_are_compared():
    levels = {"nurse": [1.0, 2.0, 3.0], "pt": [0.0, 1.0, 2.0], "physician": [1.0, 2.0]}
    teams = teams_of(levels, lambda some: float(np.dot(some, (2, 3, 7))))
    found = within_budget(teams, 19.0)
    for one in found:
        assert one.cost_usd_week <= 19.0
        assert not any(one.within(other) and one != other for other in teams if other.cost_usd_week <= 19.0)
    for one in teams:  # and every other team of the budget lies within one of them
        assert one.cost_usd_week > 19.0 or any(one.within(other) for other in found)
    assert [one.cost_usd_week for one in found] == sorted(one.cost_usd_week for one in found)
    assert not within_budget(teams, 8.0)


def test_the_table_says_how_every_team_stands_and_what_it_costs(done):
    table, manifest = pd.read_csv(done / "staffing.csv"), json.loads((done / "manifest.json").read_text())
    own = table[(table["metric"] == HARM) & (table["role"] == "all")].set_index("team")
    assert (own["cost"] <= BUDGET).all() and len(own) == manifest["teams_compared"] > 1
    assert set(own["verdict"]) <= {"best", "as good", "eliminated"} or manifest["search_stopped"]
    best = manifest["chosen"]["team"]
    assert own.loc[best, "verdict"] == ("still in" if manifest["search_stopped"] else "best")
    same = own[own["n_replications"] == own.loc[best, "n_replications"]]
    assert same["estimate"].idxmin() == best
    assert manifest["harm"] == {"outcome": "composite", "unit": "important differences", "does_not_matter": 0.02}
    assert manifest["budget_usd_week"] == BUDGET and "zone" not in manifest
    assert (table["metric"] == "all_targets").sum() == len(own)  # targets are reported of all


def test_a_comparison_of_harm_resumes_and_can_be_verified(done, tmp_path, monkeypatch):
    served, calls = clinic_case.serve, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return served(*arguments)

    monkeypatch.setattr(clinic_case, "serve", interrupted)
    command = ["staffing", str(budget_scenario(tmp_path)), "--out", str(tmp_path / "run")]
    assert cli.main(command) == 130
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    n_done = len(pd.read_csv(done / "replications.csv").groupby(["team", "replication"]))
    assert len(calls) == n_done + 1
    for name in ("staffing.csv", "replications.csv"):
        assert (tmp_path / "run" / name).read_text() == (done / name).read_text()
    shutil.copytree(done, tmp_path / "copy")
    assert cli.main(["verify", str(tmp_path / "copy")]) == 0


def test_the_page_names_the_best_and_lists_teams_by_their_harm(done, capsys):
    assert cli.main(["resume", str(done)]) == 0
    said = capsys.readouterr().out.splitlines()
    table, manifest = pd.read_csv(done / "staffing.csv"), json.loads((done / "manifest.json").read_text())
    chosen = manifest["chosen"]
    everybody = said[said.index("The team with the least harm, FTE by role:") + 1].strip().split(", ")
    assert set(everybody) > set(in_words(chosen["team"]).split(", "))
    first = next(k for k, line in enumerate(said) if line.startswith("team tested")) + 1
    own = table[(table["metric"] == HARM) & (table["role"] == "all")].sort_values("estimate")
    for line, (_, row) in zip(said[first:], own.iterrows(), strict=False):
        assert (
            line.startswith(in_words(row["team"]))
            and f" {number_text(row['estimate'], 3)} (" in line
            and row["verdict"] in line
        )
    assert f"Objective: least harm for {BUDGET:,} USD a week" in "\n".join(said)


def numbers_of(monkeypatch, value, metric=HARM):
    """Replace the simulation by a number for each team and replication."""

    def numbers(_trials, wanted):
        columns = ["metric", "role", "work", "subgroup", "unit", "value"]
        late = ("late", "nurse", "", "all", "", 0.99)
        return [
            pd.DataFrame([(metric, "", "", "all", "", value(trial.label, trial.replication)), late], columns=columns)
            for trial in wanted
        ]

    monkeypatch.setattr(team_search.Trials, "numbers", numbers)


def selected(tmp_path, **more):
    plan = team_search.read_staffing(budget_scenario(tmp_path, **more), Overrides())
    return plan, team_search.run_search(plan, tmp_path / "parts", lambda _: None).result


def test_the_least_harm_is_chosen_whatever_it_does_to_the_targets(tmp_path, monkeypatch):
    plan = team_search.read_staffing(budget_scenario(tmp_path), Overrides())
    names = [one.name for one in plan.contenders]
    luck = np.random.default_rng(1).normal(size=(len(names), 100))

    def value(label, replication):
        return 0.1 * abs(names.index(label) - 1) + 0.001 * luck[names.index(label), replication]

    numbers_of(monkeypatch, value)
    _, found = selected(tmp_path)
    assert found.chosen is not None and found.chosen.name == names[1] and not found.stopped
    assert {one.name: said.value for one, said in found.tried.items()} == {
        name: "best" if name == names[1] else "eliminated" for name in names
    }


def test_of_an_outcome_that_is_better_higher_the_largest_difference_is_the_least_harm(tmp_path, monkeypatch):
    luck = np.random.default_rng(2).normal(size=100)
    outcome = "function_change_against_never_short"
    plan = team_search.read_staffing(budget_scenario(tmp_path, harm="function_change"), Overrides())
    names = [one.name for one in plan.contenders]
    numbers_of(monkeypatch, lambda label, k: -3.0 * names.index(label) + 0.001 * luck[k], outcome)
    _, found = selected(tmp_path, harm="function_change")
    assert found.chosen is not None and found.chosen.name == names[0]


def test_the_procedure_is_asked_with_the_scenarios_confidence_indifference_and_bound(tmp_path, monkeypatch):
    asked, select = [], team_search.select
    monkeypatch.setattr(
        team_search, "select", lambda n, value, *rest: asked.append((n, *rest[:-1])) or select(n, value, *rest)
    )
    numbers_of(monkeypatch, lambda _label, k: 0.01 * k)
    plan, _ = selected(tmp_path, most_replications=7)
    assert asked == [(len(plan.contenders), 0.02, pytest.approx(0.2), 7)]


def test_an_undecided_comparison_is_reported_with_the_surviving_teams(tmp_path, monkeypatch, capsys):
    plan = team_search.read_staffing(budget_scenario(tmp_path), Overrides())
    names = [one.name for one in plan.contenders]
    luck = np.random.default_rng(3).normal(size=(len(names), 100))
    numbers_of(monkeypatch, lambda label, k: luck[names.index(label), k])
    path = budget_scenario(tmp_path, most_replications=5)
    assert cli.main(["staffing", str(path), "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert (
        "Not decided after 5 replications. Still in:" in said
        and "The team with the least harm so far, FTE by role:\n" in said
    )
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    left = [name for name, verdict in manifest["teams"]["tried"].items() if verdict == "still in"]
    assert manifest["search_stopped"] and len(left) > 1 and all(f"  {in_words(name)}\n" in said for name in left)
    means = {name: luck[names.index(name), :5].mean() for name in left}
    assert manifest["chosen"]["team"] == min(left, key=lambda name: means[name])


def test_teams_that_do_not_differ_are_as_good_and_the_cheapest_is_chosen(tmp_path, monkeypatch):
    numbers_of(monkeypatch, lambda _label, k: 0.01 * k)
    plan, found = selected(tmp_path, most_replications=20)
    assert found.chosen == plan.contenders[0] and not found.stopped
    assert [said.value for said in found.tried.values()] == ["best"] + ["as good"] * (len(plan.contenders) - 1)


def test_a_budget_for_one_team_only_runs_and_chooses_it(tmp_path, monkeypatch):
    plan = team_search.read_staffing(budget_scenario(tmp_path, budget_usd_week=1_000_000), Overrides())
    assert plan.contenders == [plan.largest]
    numbers_of(monkeypatch, lambda _label, k: 0.01 * k)
    plan, found = selected(tmp_path, budget_usd_week=1_000_000, most_replications=30)
    assert found.chosen == plan.largest and found.tried[plan.largest].value == "best"


def test_the_compared_teams_are_reported_before_the_run(tmp_path):
    plan = team_search.read_staffing(budget_scenario(tmp_path), Overrides())
    said = bound_text(plan)[-1]
    assert said.startswith(f"{len(plan.contenders)} of {len(plan.able)} teams are compared")


def test_the_default_indifference_is_a_tenth_of_the_smallest_important_difference():
    assert StaffingEntry(minimise="harm", budget_usd_week=1.0).unimportant == pytest.approx(0.05)
    assert StaffingEntry(minimise="harm", budget_usd_week=1.0, harm="phq9_change").unimportant == pytest.approx(0.5)
    assert StaffingEntry().unimportant == 0.15 and StaffingEntry().zone == pytest.approx((0.65, 0.95))
    assert FIRST_REPLICATIONS <= StaffingEntry().most_replications


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"budget_usd_week": None}, "budget_usd_week: given nothing with minimise: harm"),
        ({"minimise": "cost", "indifference": 0.1}, "budget_usd_week: given 17000.0 with minimise: cost"),
        (
            {"minimise": "fte", "budget_usd_week": None, "harm": "dropout", "indifference": 0.1},
            "harm: given dropout with minimise: fte",
        ),
        ({"budget_usd_week": -5}, "budget_usd_week"),
        ({"harm": "withdrawal_peek"}, "withdrawal_peek; did you mean withdrawal_peak"),
        ({"harm": "dose_change_mme"}, "harm: given dose_change_mme"),
        ({"harm": "dropout", "indifference": None}, "dropout has no smallest important difference"),
        ({"budget_usd_week": 1000}, "budget_usd_week: given 1,000 USD a week; allowed: more: the cheapest team"),
        ({"most_teams": 2}, "most_teams: given 2, with "),
    ],
)
def test_bad_input_about_the_budget_is_one_clear_line(more, said, tmp_path, capsys):
    path = budget_scenario(tmp_path, **more)
    assert cli.main(["staffing", str(path), "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0] and "; allowed: " in lines[0]
    assert not (tmp_path / "run").exists()


def test_a_search_without_a_budget_has_no_contenders(tmp_path):
    plan = team_search.read_staffing(scenario(tmp_path, set_in("minimise", value="fte")), Overrides())
    assert plan.contenders == []
