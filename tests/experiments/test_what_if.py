"""Today's team with one thing changed: levers, tornado, capacity, months, equity, and the page that says so."""

import contextlib
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from taper_sim import cli
from taper_sim.clinic.coupling import serve
from taper_sim.clinic.lateness import judged
from taper_sim.clinic.ramp import by_month
from taper_sim.clinic.team import ROLES, Team
from taper_sim.experiments.team_search import Trial, Trials, read_staffing, value_of, within
from taper_sim.experiments.what_if import shortest, variations, with_absence, with_checkins, with_patients
from taper_sim.report.what_if_text import capacity_text, change_text
from taper_sim.run_folder import Parts
from taper_sim.scenario.building import Overrides, build_arms
from taper_sim.scenario.clinic_schema import StaffEntry

SCENARIOS = Path(__file__).resolve().parent.parent.parent / "scenarios"
REPLICATIONS = 2


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    content = yaml.safe_load((SCENARIOS / "staffing_small.yaml").read_text())
    content |= {"days": 35, "draws": 2, "protocols": ["linear(pct=10, every=14)"]}
    content["cohort"]["patients"] = 30
    content["clinic"]["enrol_over_d"] = 6
    content["clinic"]["staffing"] |= {
        "probability": 0.5,
        "indifference": 0.3,
        "confidence": 0.5,
        "most_teams": 1,
        "most_replications": 2,
        "what_if_replications": REPLICATIONS,
        "panel_shares": [0.5, 1.0],
    }
    path = tmp_path_factory.mktemp("what_if") / "s.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def plan(path):
    return read_staffing(path, Overrides())


@pytest.fixture(scope="module")
def done(path):
    folder = path.parent / "run"
    with contextlib.redirect_stdout(io.StringIO()) as page:
        assert cli.main(["staffing", str(path), "--out", str(folder)]) == 0
    (path.parent / "page.txt").write_text(page.getvalue())
    return folder


def table(done, name):
    return pd.read_csv(done / f"{name}.csv")


def test_the_same_panel_again_is_today_to_the_bit(done):
    levers, capacity = table(done, "levers"), table(done, "capacity")
    today = levers[levers["name"] == "as it is"].set_index("metric")["estimate"]
    again = capacity[capacity["name"] == "100%"].set_index("metric")
    assert (again["change"] == 0.0).all() and (again["estimate"] == today).all()
    half = capacity[capacity["name"] == "50%"].set_index("metric")
    assert (half["patients"] == 15).all() and (half["estimate"] != today).any()


def test_a_change_is_the_mean_of_paired_differences(done, plan, tmp_path):
    levers = table(done, "levers")
    role = levers[levers["name"] == "hire one"]["what"].iloc[0].removeprefix("one more ")
    hired = next(one for one in variations(plan, ROLES[role].queue) if one.name == "hire one")
    trials = [
        Trials(clinic, plan.arm, Parts(tmp_path / str(k), "plan"), lambda n: None)
        for k, clinic in enumerate((plan.clinic, hired.clinic))
    ]
    costs = [
        [value_of(run, "cost") for run in one.numbers([Trial("x", one.clinic.team, r) for r in range(2)])]
        for one in trials
    ]
    own = levers[(levers["name"] == "as it is") & (levers["metric"] == "cost")].iloc[0]
    assert own["estimate"] == pytest.approx(np.mean(costs[0]))
    found = levers[(levers["name"] == "hire one") & (levers["metric"] == "cost")].iloc[0]
    assert found["what"] == hired.what
    assert found["change"] == pytest.approx(np.mean(np.subtract(costs[1], costs[0])))


def test_how_often_targets_are_met_is_said_of_every_panel(done):
    capacity = table(done, "capacity")
    assert capacity["p_meets"].isin([0.0, 0.5, 1.0]).all()
    assert (capacity.groupby("patients")["p_meets"].nunique() == 1).all()
    levers = table(done, "levers").groupby("name")["p_meets"].first()
    assert levers["as it is"] == capacity[capacity["name"] == "100%"]["p_meets"].iloc[0]


def test_each_lever_changes_what_it_should(done):
    levers = table(done, "levers")
    assert list(levers["name"].unique()) == ["as it is", "hire one", "enrol fewer", "check in half as often"]
    size = levers.groupby("name", sort=False)[["patients", "fte", "cost_usd_week"]].first()
    assert size.loc["hire one", "fte"] == pytest.approx(size.loc["as it is", "fte"] + 1.0)
    assert size.loc["hire one", "cost_usd_week"] > size.loc["as it is", "cost_usd_week"]
    assert size.loc["enrol fewer", "patients"] == 24
    assert (levers.groupby("name")["n_replications"].first() == REPLICATIONS).all()
    cost = levers[levers["metric"] == "cost"].set_index("name")["change"]
    assert cost["enrol fewer"] > 0 and cost["check in half as often"] == pytest.approx(0.0, abs=1e-9)


def test_every_factor_of_the_tornado_changes_something(done):
    tornado = table(done, "tornado")
    assert set(tornado["name"]) == {"demand", "surge", "absence", "who signs orders"}
    for what, own in tornado.groupby("what"):
        assert (own["change"].abs() > 0).any(), what


def test_rarer_checkins_and_absence_are_in_the_plan_that_is_run(plan):
    assert with_checkins(plan.clinic, 2).arms[0].care.checkin_every_d == 2 * plan.arm.care.checkin_every_d
    away = with_absence(plan.clinic).team
    roles = [worker.role.name for worker in away.workers if worker.leave]
    assert sorted(roles) == sorted({worker.role.name for worker in plan.clinic.team.workers})
    assert away.cost_usd(35) < plan.clinic.team.cost_usd(35)


def test_with_fewer_patients_the_others_are_the_same_people(plan):
    all_, some = plan.clinic.cohort(1), with_patients(plan.clinic, 0.5).cohort(1)
    assert len(some) == 15 and list(some.ids) == list(all_.ids[:15])
    assert np.array_equal(some.keys, all_.keys[:15])


def test_one_more_is_hired_where_people_are_lacking_and_not_opening_hours():
    def numbers(**of):
        rows = [(metric, role, "", "all", "share", value) for role, own in of.items() for metric, value in own.items()]
        return pd.DataFrame(rows, columns=["metric", "role", "work", "subgroup", "unit", "value"])

    team = Team(tuple(StaffEntry(role=role).workers(1)[0] for role in ("nurse", "physician", "pt")))
    weekend = {"late": 0.3, "late_closed": 0.3, "utilisation": 0.1}
    assert shortest([numbers(prescriber=weekend, pt={"late": 0.2, "late_closed": 0.05})], team) == "pt"
    assert shortest([numbers(prescriber=weekend, nurse={"late": 0.0, "utilisation": 0.5})], team) == "nurse"
    assert shortest([numbers()], team) in ("nurse", "prescriber", "pt")


def test_months_add_up_to_the_whole(plan):
    from taper_sim.clinic.coupling import serve

    clinic, arm = plan.clinic, plan.arm
    served = serve(
        clinic.cohort(0), arm.build, clinic.ensemble(0), 1, clinic.n_days, arm.care, clinic.team, clinic.setting
    )
    months = by_month(served, clinic.team, clinic.n_days).set_index(["metric", "subgroup"])["value"]
    days = {"month=1": 28, "month=2": 7}
    counted = judged(served.events, clinic.n_days * 1440.0).sum()
    assert sum(months["asked", m] * d / 7 for m, d in days.items()) == pytest.approx(counted)
    assert months["enrolled", "month=1"] == 30
    first = np.clip(28 - (served.starts - 1), 0, None).sum() / 30.0
    assert months["cost", "month=1"] == pytest.approx(clinic.team.cost_usd(28) / first)


def test_one_more_is_hired_where_most_is_late(plan):
    rows = [
        ("late", "nurse", "", "all", "share", 0.2),
        ("late", "prescriber", "", "all", "share", 0.3),
        ("late", "interpreter", "", "all", "share", 0.9),
    ]
    numbers = pd.DataFrame(rows, columns=["metric", "role", "work", "subgroup", "unit", "value"])
    assert shortest([numbers], plan.clinic.team) == "prescriber"  # interpreters are nobody of this team


def test_tables_and_figures_are_written(done):
    ramp, equity = table(done, "ramp"), table(done, "equity")
    late = {"late", "late_closed", "late_people"}
    assert set(ramp["metric"]) == {"enrolled", "asked", "queue", "cost"} | late and set(ramp["month"]) == {1, 2}
    everybody = equity[equity["subgroup"] == "all"]
    assert (everybody["n_replications"] > 0).all()  # the page needs them
    assert (everybody["gap"] == 0.0).all() and set(equity["subgroup"]) > {"all"}
    assert {path.name for path in (done / "figures").iterdir()} == {
        f"{name}.{kind}" for name in ("capacity", "harm", "tornado") for kind in ("svg", "csv")
    }


def test_the_largest_panel_that_keeps_the_targets_is_said():
    rows = [
        (n, n / 4, metric, value, met)
        for n, met in ((20, 1.0), (40, 0.9), (60, 0.5), (80, 1.0))
        for metric, value in (("late", 0.1), ("composite_against_never_short", 0.02))
    ]
    columns = ["patients", "patients_per_fte", "metric", "estimate", "p_meets"]
    lines = capacity_text(pd.DataFrame(rows, columns=columns), 0.8)
    assert lines[0] == "Today's team meets its targets with up to 40 patients:"  # a lucky larger panel does not count
    assert lines[2].split() == ["20", "5.0", "100", "%", "10", "+0.020"]
    assert "none of these panels" in capacity_text(pd.DataFrame(rows, columns=columns).assign(p_meets=0.0), 0.8)[0]


def test_check_ins_that_a_protocol_sets_itself_are_rarer_too(plan):
    """A rule that asks every week otherwise makes the lever do nothing."""
    scenario = plan.clinic.scenario
    own = scenario.protocols[0].model_copy(update={"call": 'adaptive("rules/symptom_guided.yaml")', "name": "guided"})
    clinic = replace(plan.clinic, folder=SCENARIOS, scenario=scenario.model_copy(update={"protocols": (own,)}))
    clinic = replace(clinic, arms=build_arms(clinic.scenario, "", SCENARIOS))
    asked = []
    for one in (clinic, with_checkins(clinic, 2)):
        arm = one.arms[0]
        cohort, ensemble = one.cohort(0), one.ensemble(0)
        served = serve(cohort, arm.build, ensemble, one.seed(0), 35, arm.care, Team(unlimited=True), one.setting)
        batches = served.events[served.events["work"].isin(["checkin_batch", "checkin_review"])]
        asked.append(batches["n_items"].sum())
    assert 0.4 * asked[0] < asked[1] < 0.65 * asked[0]


def test_intervals_of_shares_stay_between_nothing_and_all(done):
    for name in ("levers", "tornado", "capacity"):
        own = table(done, name)
        shares = own[own["unit"].str.startswith("share") & ~own["metric"].str.endswith("never_short")]
        assert len(shares) and (shares["lo95"].fillna(0) >= 0).all() and (shares["hi95"].fillna(1) <= 1).all()
    assert within(-0.1, 1.2, "share", "late") == (0.0, 1.0)
    assert within(-0.1, 0.2, "share of people", "dropout_against_never_short") == (-0.1, 0.2)
    assert within(-1.1, 1.2, "share of people", "dropout_against_never_short") == (-1.0, 1.0)
    assert within(-0.1, 0.2, "0-1", "withdrawal_peak") == (0.0, 0.2)
    assert within(-1.0, 2.0, "days a patient", "order_wait_days") == (0.0, 2.0)
    assert within(-9.0, 101.0, "%", "dose_reduction_pct") == (-9.0, 100.0)


def test_the_page_reads_in_plain_words_and_numbers(done):
    page = (done.parent / "page.txt").read_text().replace(str(done), "")
    assert not re.search(r"\de[+-]\d", page)  # no powers of ten
    assert not re.search(r"[-+]0\.?0*(?![\d.])", page)  # no sign before nothing
    assert "social_worker" not in page and "order_wait_days" not in page
    assert "all targets met in" in page and "of 2 replications" in page
    told = page.split("Largest effects on today's late work", 1)[1].split("Today's team meets", 1)[0].splitlines()[1:]
    late = [float(line.split()[4]) for line in told if line.startswith("    late or lost work ")]
    assert len(late) == 5
    tornado = table(done, "tornado")
    largest = 100.0 * tornado.loc[tornado["metric"] == "late", "change"].abs().nlargest(5)
    assert np.abs(late) == pytest.approx(largest.to_numpy(), abs=0.051)


@pytest.mark.parametrize(
    ("change", "low", "high", "said"),
    [
        (0.123, 0.1, 0.15, "+12.3 (+10.0 to +15.0): more"),
        (-0.1, -0.2, 0.0001, "-10.0 (-20.0 to 0.0): no clear change"),
        (-0.0001, -0.0002, -0.0001, "almost no change"),
        (0.0, 0.0, 0.0, "no change"),
        (43.1, np.nan, np.nan, "+4,310.0"),
    ],
)
def test_what_a_change_comes_to(change, low, high, said):
    assert change_text(pd.Series({"change": change, "change_lo95": low, "change_hi95": high}), 100.0, 1) == said
