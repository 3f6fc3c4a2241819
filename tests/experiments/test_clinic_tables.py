"""Outcomes of a clinic over replications: bounds, small subgroups, the same spread and error as a comparison."""

import numpy as np
import pandas as pd
import pytest

from taper_sim.comparison.outcomes import ALL, BY_NAME
from taper_sim.comparison.tables import make_tables
from taper_sim.experiments.clinic_case import cases_of
from taper_sim.experiments.clinic_plan import read_plan
from taper_sim.experiments.clinic_tables import outcome_tables
from taper_sim.scenario.building import Overrides
from taper_sim.simulation.ensemble import Ensemble
from tests.conftest import ROOT


def panel(name, values, free, **groups):
    people = pd.DataFrame({name: np.asarray(values, float), f"free_{name}": np.asarray(free, float)})
    return people, pd.DataFrame({"all": np.ones(len(people), dtype=bool), **groups})


def tables(name, *panels, n_draws=1):
    people, masks = zip(*panels, strict=True)
    return [table.set_index("subgroup") for table in outcome_tables("p", [name], people, masks, Ensemble({}, n_draws))]


def test_intervals_stay_within_what_the_outcome_can_be():
    rare = [panel("dropout", [0.0] * 20, [1.0] * 20), panel("dropout", [1.0] * 12 + [0.0] * 8, [0.0] * 20)]
    summary, differences = tables("dropout", *rare)
    assert summary.loc["all", ["lo95", "hi95"]].tolist() == [0.0, 1.0]
    assert differences.loc["all", ["lo95", "hi95"]].tolist() == [-1.0, 1.0]
    summary, differences = tables(
        "dose_reduction_pct", *[panel("dose_reduction_pct", [v] * 12, [0.0] * 12) for v in (99.0, 60.0)]
    )
    assert summary.loc["all", "hi95"] == 100.0 and summary.loc["all", "lo95"] < 0.0
    assert differences.loc["all", "hi95"] > 100.0  # no more is known of a difference


def test_a_subgroup_counts_in_replications_in_which_it_has_eleven_patients():
    big, small = np.arange(20) < 11, np.arange(20) < 10
    value = np.where(big, 4.0, 1.0)
    one = panel("pain_nrs", value, value, **{"x=yes": big, "x=no": ~big})
    two = panel("pain_nrs", 2.0 * value, value, **{"x=yes": small, "x=no": small})
    summary, differences = tables("pain_nrs", one, two)
    assert list(summary.index) == list(differences.index) == ["all", "x=yes"]
    assert summary.loc["x=yes", ["n", "mean"]].tolist() == [11, 4.0] and differences.loc["x=yes", "n"] == 11
    assert summary.loc["all", "n"] == 20
    few = panel("pain_nrs", np.where(small, 4.0, np.nan), value, **{"x=yes": big})  # eleven, of whom ten are known
    assert list(tables("pain_nrs", few)[0].index) == ["all"]


def test_who_has_the_outcome_in_one_replication_only_is_counted_there():
    nobody, two = [np.nan] * 12, [30.0, 40.0] + [np.nan] * 10
    name = "time_to_discontinuation_d"
    summary, _ = tables(name, panel(name, nobody, nobody), panel(name, two, two), panel(name, nobody, nobody))
    assert summary.loc["all", ["n", "mean"]].tolist() == [2, 35.0]


@pytest.mark.parametrize("n_draws", [1, 2])
def test_spread_and_error_are_those_of_a_comparison(n_draws):
    rng = np.random.default_rng(3)
    values, free = rng.normal(5.0, 2.0, (2, n_draws, 15))
    panels = [panel("pain_nrs", a, b) for a, b in zip(values, free, strict=True)]
    own = tables("pain_nrs", *panels, n_draws=n_draws)
    read = {outcome.name: np.zeros(values.size) for outcome in ALL}
    both = {"p": read | {"pain_nrs": values.ravel()}, "free": read | {"pain_nrs": free.ravel()}}
    groups = {"all": np.ones(values.size, dtype=bool)}
    others = make_tables(["p", "free"], "free", both, np.repeat(np.arange(n_draws), 15), groups, ["pain_nrs"])
    for mine, other in zip(own, others, strict=True):
        theirs = other[(other["outcome"] == "pain_nrs") & (other["protocol"] == "p")].iloc[0]
        for column in {"mean", "sd", "mc_se"} & set(other.columns):
            assert mine.loc["all", column] == pytest.approx(theirs[column], rel=1e-12), column


def test_every_patient_lies_within_the_ends_of_every_outcome():
    plan = read_plan(ROOT / "scenarios" / "clinic_urban.yaml", Overrides(patients=60, days=84), 1)
    outcomes = cases_of(plan, 0, plan.arms[:1])[0].unlimited_staff_outcomes()
    for name, values in outcomes.items():
        least, most = BY_NAME[name].ends
        known = values[~np.isnan(values)]
        assert ((least <= known) & (known <= most)).all(), name
