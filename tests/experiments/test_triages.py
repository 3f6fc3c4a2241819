"""Rules of triage compared: the committed table is of this code; a run goes on, and says who is apart."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from taper_sim.clinic.coupling import serve
from taper_sim.clinic.team import Team
from taper_sim.clinic.triage import RULES
from taper_sim.data.problems import InputError
from taper_sim.experiments import triage_rules
from taper_sim.experiments.clinic_plan import read_plan
from taper_sim.experiments.triage_rules import REFERENCE, TRIAGE_COLUMNS, code_hash, compare_triage, compared
from taper_sim.report.triage_text import triage_text
from taper_sim.scenario.building import Overrides
from tests.conftest import ROOT, quiet

SCENARIO = ROOT / "scenarios" / "clinic_triage.yaml"
TABLE = ROOT / "docs" / "tables" / "triage.csv"


@pytest.fixture(scope="module")
def plan():
    return read_plan(SCENARIO, Overrides(patients=14, days=14), 2)


def test_the_committed_table_is_of_this_code():
    """Else: the command of docs/clinic.md, and copy its ``triage_short.csv``."""
    table = pd.read_csv(TABLE)
    assert list(table.columns) == list(TRIAGE_COLUMNS)
    assert set(table["code"]) == {code_hash()}
    assert set(table["triage"]) == set(RULES)
    known = table.dropna(subset=["lo95", "hi95"])
    assert (known["lo95"] <= known["estimate"]).all() and (known["estimate"] <= known["hi95"]).all()
    assert (table.loc[table["triage"] == REFERENCE, "change"].fillna(0) == 0).all()
    assert (table.loc[table["subgroup"] == "all", "gap"].fillna(0) == 0).all()


def test_an_interrupted_comparison_goes_on_to_the_same_table(plan, tmp_path, monkeypatch):
    whole = compare_triage(SCENARIO, plan, tmp_path / "whole", quiet)
    assert set(whole["triage"]) == set(RULES) and (whole["n_replications"] == 2).any()
    assert "predicted_risk" in triage_text(whole, tmp_path)
    real, calls = triage_rules.numbers_of, []

    def breaks(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(triage_rules, "numbers_of", breaks)
    monkeypatch.setattr(triage_rules, "code_hash", lambda: "the same")
    with pytest.raises(KeyboardInterrupt):
        compare_triage(SCENARIO, plan, tmp_path / "parts", quiet)
    again = compare_triage(SCENARIO, plan, tmp_path / "parts", quiet)
    assert len(calls) == 2 * len(RULES) + 1  # the one that broke is run again, the three before it are not
    assert again.drop(columns="code").equals(whole.drop(columns="code"))


def test_staff_that_is_never_short_is_refused(plan, tmp_path):
    with pytest.raises(InputError, match="nothing waits"):
        compare_triage(SCENARIO, replace(plan, team=Team(unlimited=True)), tmp_path / "free", quiet)
    assert not (tmp_path / "free").exists()


def test_changes_and_gaps_are_paired_by_replication():
    def one(late, group):
        return pd.DataFrame(
            {
                "metric": "late",
                "unit": "share",
                "subgroup": ["all", "age=old"],
                "patients": [40, 20],
                "value": [late, group],
            }
        )

    runs = {REFERENCE: [one(0.5, 0.6), one(0.1, 0.2)], "urgency": [one(0.4, 0.7), one(0.0, 0.3)]}
    table = compared(runs).set_index(["triage", "subgroup"])
    assert table.loc[("urgency", "all"), "change"] == pytest.approx(-0.1)
    assert table.loc[("urgency", "all"), ["change_lo95", "change_hi95"]].to_numpy() == pytest.approx([-0.1, -0.1])
    assert table.loc[("urgency", "age=old"), "gap"] == pytest.approx(0.3)
    assert np.isclose(table.loc[(REFERENCE, "age=old"), "gap"], 0.1)


def test_what_is_lost_is_the_clinic_minus_staff_that_is_unlimited_staff_outcomes(plan):
    """Less function and more pain than without limits: the sign is that of the outcome itself."""
    case = triage_rules.case_under(plan, "urgency", 1)
    numbers = triage_rules.numbers_of(case).set_index(["metric", "subgroup"])["value"]
    cohort, ensemble, arm, seed = plan.cohort(1), plan.ensemble(1), plan.arms[0], plan.seed(1)
    served = serve(cohort, arm.build, ensemble, seed, plan.n_days, arm.care, plan.team, plan.setting)
    free = case.unlimited_staff_outcomes()
    for name in triage_rules.TRIAGE_OUTCOMES:
        lost = np.nanmean(served.outcomes[name] - free[name])
        assert numbers[(f"{name} lost", "all")] == pytest.approx(lost, abs=1e-12), name
    assert numbers[("function_change lost", "all")] != 0.0
