"""The command ``taper-sim staffing``: what it writes, that it goes on where it stopped, what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from taper_sim import cli
from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.staffing.selection import FIRST_REPLICATIONS
from taper_sim.clinic.team import ROLES, Team, Worker
from taper_sim.report.staffing_text import team_words
from taper_sim.report.target_text import target_words, value_words
from taper_sim.scenario.building import Overrides
from taper_sim.scenario.staffing_schema import Target

SCENARIOS = Path(__file__).resolve().parent.parent.parent / "scenarios"
CLINICS = sorted([*SCENARIOS.glob("staffing_*.yaml"), *SCENARIOS.glob("clinic_*.yaml")])
PROTOCOL = "linear(pct=10, every=14)"
#: Two replications in a row settle a team either way: quick, not trustworthy.
LOOSE = {"probability": 0.5, "indifference": 0.3, "confidence": 0.5, "most_teams": 4, "most_replications": 3}


def scenario(folder: Path, change=lambda content: None) -> Path:
    content = yaml.safe_load((SCENARIOS / "staffing_small.yaml").read_text())
    content |= {"days": 14, "draws": 2, "protocols": [PROTOCOL]}
    content["cohort"]["patients"] = 24
    content["clinic"]["enrol_over_d"] = 3
    content["clinic"]["staffing"] = {
        **LOOSE,
        "what_if_replications": 0,
        "fte": {"physician": {"least": 0.2, "most": 1}, "nurse": {"least": 0.5, "most": 1, "step": 0.5}},
        "targets": [{"metric": "late", "role": "nurse", "at_most": 0.9}, {"metric": "order_wait_days", "at_most": 9}],
    }
    change(content)
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def set_in(*keys, value):
    def change(content):
        at = content["clinic"]["staffing"]
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value

    return change


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("staffing")
    assert cli.main(["staffing", str(scenario(folder)), "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_the_table_has_the_columns_of_the_contract_and_the_cheapest_that_meets_is_chosen(done):
    table, manifest = pd.read_csv(done / "staffing.csv"), json.loads((done / "manifest.json").read_text())
    assert list(table.columns)[:9] == "team,role,fte,cost,metric,estimate,lo95,hi95,p_meets".split(",")
    every = table[table["metric"] == "all_targets"].set_index("team")
    assert set(every["verdict"]) <= {"meets", "fails", "undecided", "set aside"} and len(every) <= LOOSE["most_teams"]
    met = every[every["verdict"] == "meets"]
    assert manifest["chosen"]["team"] == met["cost"].idxmin()
    assert manifest["kind"] == "staffing" and "not clinically reviewed" in manifest["clinical_review"]
    assert {"late", "utilisation", "cost", "withdrawal_peak", "withdrawal_peak_against_never_short"} <= set(
        table["metric"]
    )
    assert not (done / "parts").exists()


def test_shares_and_means_can_be_had_from_the_replications(done):
    table, every = pd.read_csv(done / "staffing.csv"), pd.read_csv(done / "replications.csv")
    for team, own in every[every["subgroup"] == "all"].fillna({"role": ""}).groupby("team"):
        waits = own[(own["metric"] == "order_wait_days") & (own["role"] == "")]["value"]
        late = own[(own["metric"] == "late") & (own["role"] == "nurse")]["value"]
        rows = table[table["team"] == team].set_index(["metric", "role"])
        assert rows.loc[("order_wait_days", "all"), "estimate"] == pytest.approx(waits.mean())
        assert rows.loc[("order_wait_days", "all"), "p_meets"] == pytest.approx((waits <= 9).mean())
        met = (waits.to_numpy() <= 9) & (late.to_numpy() <= 0.9)
        assert rows.loc[("all_targets", "all"), "p_meets"] == pytest.approx(met.mean())


def test_teams_meet_the_same_patients_with_the_same_luck(done):
    every = pd.read_csv(done / "replications.csv")
    free = every[(every["subgroup"] == "all") & every["metric"].isin(["pain_nrs_change", "withdrawal_peak"])]
    gap = every[(every["subgroup"] == "all") & every["metric"].str.endswith("_against_never_short")]
    gap = gap.assign(metric=gap["metric"].str.removesuffix("_against_never_short"))
    both = free.merge(gap, on=["team", "replication", "metric"], suffixes=("", "_gap"))
    never_short = (both["value"] - both["value_gap"]).groupby([both["replication"], both["metric"]])
    assert both["team"].nunique() > 1
    assert (never_short.max() - never_short.min()).max() < 1e-9


def test_a_search_goes_on_where_it_stopped_with_the_same_numbers(done, tmp_path, monkeypatch):
    from taper_sim.experiments import clinic_case

    served, calls = clinic_case.serve, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return served(*arguments)

    command = ["staffing", str(scenario(tmp_path)), "--out", str(tmp_path / "run")]
    monkeypatch.setattr(clinic_case, "serve", interrupted)
    assert cli.main(command) == 130
    assert not (tmp_path / "run" / "manifest.json").exists()
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    n_done = len(pd.read_csv(done / "replications.csv").groupby(["team", "replication"]))
    assert len(calls) == n_done + 1  # the finished replication was kept
    for name in ("staffing.csv", "replications.csv"):
        assert (tmp_path / "run" / name).read_text() == (done / name).read_text()
    assert cli.main([*command, "--seed", "5"]) == 2  # another run's folder


def test_verify_searches_again_and_names_a_file_that_was_changed(done, tmp_path, capsys):
    shutil.copytree(done, tmp_path / "run")
    assert cli.main(["verify", str(tmp_path / "run")]) == 0
    with (tmp_path / "run" / "staffing.csv").open("a") as handle:
        handle.write("x\n")
    assert cli.main(["verify", str(tmp_path / "run")]) == 3
    assert "staffing.csv: changed since the run" in capsys.readouterr().out


def test_teams_without_the_hours_are_told_before_anything_runs(tmp_path, capsys, monkeypatch):
    from taper_sim.experiments import clinic_case

    def crowd(content):
        content["cohort"]["patients"] = 900

    monkeypatch.setattr(clinic_case, "serve", None)  # nothing is simulated
    assert cli.main(["staffing", str(scenario(tmp_path, crowd)), "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr()
    assert "4 of 4 teams cannot serve" in printed.err and "at most" in printed.err
    assert "None meets: no team of these ranges has the hours" in printed.out
    table = pd.read_csv(tmp_path / "run" / "staffing.csv")
    assert set(table["verdict"]) == {"cannot serve"} and table["estimate"].max() > 1.0
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["chosen"] is None


def test_the_bound_is_that_of_each_team(tmp_path):
    from taper_sim.clinic.staffing.bounds import able_h
    from taper_sim.experiments.team_search import read_staffing

    def wide(content):
        content["cohort"]["patients"] = 150
        content["clinic"]["staffing"]["fte"] = {
            "physician": {"least": 0, "most": 1, "step": 0.2},
            "np_pa": {"least": 0, "most": 1, "step": 0.5},
            "peer": {"least": 0, "most": 1},  # the social worker stands in
        }

    plan = read_staffing(scenario(tmp_path, wide), Overrides())
    able = {one.levels for one in plan.able}
    assert 0 < plan.n_unable and 0 < len(able) and len(able) + plan.n_unable == 6 * 3 * 2
    for one in plan.able:
        assert all(load.asked_h <= able_h(plan.team(one), load.queue) + 1e-6 for load in plan.loads)
    assert (("physician", 0.0), ("np_pa", 0.0), ("peer", 1.0)) not in able
    assert any(("peer", 0.0) in levels for levels in able)


def test_targets_that_nobody_can_meet_are_said_with_numbers(tmp_path, capsys):
    targets = [{"metric": "dose_reduction_pct", "at_least": 1000}]
    path = scenario(tmp_path, set_in("targets", value=targets))
    assert cli.main(["staffing", str(path), "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert "None meets" in printed and "most often missed: dose down at least 1,000 %, estimate" in printed
    every = pd.read_csv(tmp_path / "run" / "replications.csv")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["chosen"] is None and manifest["chance_missed"] == 0.0 and not manifest["search_stopped"]
    assert np.isfinite(every.loc[every["metric"] == "dose_reduction_pct", "value"]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_in("fte", "farmacist", value={"least": 1, "most": 2}), "did you mean pharmacist"),
        (set_in("fte", "nurse", value={"least": 3, "most": 2}), "3 to 2 FTE"),
        (set_in("fte", "nurse", value={"least": 0, "most": 200, "step": 0}), "0"),
        (set_in("targets", value=[{"metric": "lateness", "at_most": 1}]), "lateness; did you mean"),
        (set_in("targets", value=[{"metric": "late"}]), "no limit"),
        (set_in("targets", value=[{"metric": "late", "at_most": 1, "against": "never_short"}]), "for late"),
        (set_in("targets", value=[{"metric": "late", "role": "nurce", "at_most": 1}]), "did you mean nurse"),
        (set_in("probability", value=0.95), "0.95 with an indifference of 0.3"),
        (set_in("protocol", value="fast"), "fast, no protocol of the scenario"),
        (lambda c: c["clinic"]["team"].pop(1), "no worker for the queue pharmacist"),
        (
            lambda c: c["clinic"]["staffing"]["fte"].update(
                {r: {"least": 0, "most": 20, "step": 0.1} for r in ("pt", "peer", "np_pa")}
            ),
            "at most 20,000",
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(change, said, tmp_path, capsys):
    path = scenario(tmp_path, change)
    assert cli.main(["staffing", str(path), "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0] and "; allowed: " in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", CLINICS, ids=lambda path: path.stem)
def test_every_staffing_scenario_has_teams_that_could_serve(path):
    from taper_sim.experiments.team_search import read_staffing
    from taper_sim.scenario.building import Overrides

    plan = read_staffing(path, Overrides())
    assert plan.able and plan.largest in plan.able
    if plan.entry.minimise == "harm":
        assert len(plan.contenders) > 1 and plan.entry.most_replications > FIRST_REPLICATIONS
    else:
        assert plan.rule.fewest <= plan.entry.most_replications


@pytest.mark.parametrize(("waits", "late", "said"), [(1.0, 0.1, "meets"), (99.0, 0.1, "fails"), (1.0, 0.99, "fails")])
def test_a_team_that_misses_one_of_its_targets_fails(waits, late, said, tmp_path, monkeypatch):
    """Whatever the queue does: numbers are put in its place."""
    from taper_sim.experiments import team_search

    rows = [("order_wait_days", "", waits), ("late", "nurse", late)]
    numbers = pd.DataFrame(
        [(metric, role, "", "all", "", value) for metric, role, value in rows],
        columns=["metric", "role", "work", "subgroup", "unit", "value"],
    )
    monkeypatch.setattr(team_search.Trials, "numbers", lambda _, trials: [numbers] * len(trials))
    plan = team_search.read_staffing(scenario(tmp_path), Overrides())
    found = team_search.run_search(plan, tmp_path / "parts", lambda _: None).result
    decided = found.tried[plan.largest if said == "fails" else min(plan.able, key=lambda team: team.cost_usd_week)]
    assert decided.value == said and (found.chosen is None) == (said == "fails")


def test_a_team_is_everybody_in_it():
    """Not only the roles that were searched; who is on call only has no FTE."""
    week = (Shift((0, 1, 2, 3, 4), 480.0, 960.0),)
    call = (Shift((0, 1, 2, 3, 4, 5, 6), 0.0, 1440.0, urgent_only=True),)
    people = (("np_pa", week), ("np_pa", week), ("social_worker", week), ("physician", call))
    team = Team(tuple(Worker(f"{role} {k}", ROLES[role], shifts) for k, (role, shifts) in enumerate(people)))
    assert team_words(team) == "NP/PA 2, social worker 1; people on call only: physician 1"


@pytest.mark.parametrize(
    ("target", "said", "value", "found"),
    [
        (
            {"metric": "late", "role": "pt", "at_most": 0.1},
            "late or lost work of the physical therapist at most 10 %",
            0.1714,
            "17.1 %",
        ),
        (
            {"metric": "cost", "at_most": 1500},
            "cost at most 1,500 USD a patient and 30 days",
            4310.2,
            "4,310 USD a patient and 30 days",
        ),
        (
            {"metric": "dropout", "against": "never_short", "at_most": 0.02},
            "dropout, minus that with unlimited staff, at most 2 %",
            -0.00001,
            "0.00 %",
        ),
        ({"metric": "withdrawal_peak", "at_most": 0.1}, "peak withdrawal at most 0.1 of 1", 0.00831, "0.01 of 1"),
    ],
)
def test_targets_and_what_was_found_are_said_in_their_units(target, said, value, found):
    assert target_words(Target(**target)) == said and value_words(Target(**target), value) == found
