"""The search for a team against an exhaustive one, on a small clinic with three targets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taper_sim.clinic.staffing.feasibility import Verdict
from taper_sim.experiments.team_search import StaffingPlan, Trial, Trials, meets, read_staffing, run_search, value_of
from taper_sim.run_folder import Parts
from taper_sim.scenario.building import Overrides
from taper_sim.scenario.staffing_schema import Target
from tests.experiments.test_staffing_command import scenario

REPLICATIONS = 3


def six_teams(content: dict) -> None:  # type: ignore[type-arg]
    """Ranges of six teams, all of which may be tried."""
    content["clinic"]["staffing"] |= {
        "fte": {"physician": {"least": 0.2, "most": 1, "step": 0.4}, "nurse": {"least": 0.5, "most": 1, "step": 0.5}},
        "most_teams": 6,
        "most_replications": REPLICATIONS,
    }


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> tuple[StaffingPlan, dict]:  # type: ignore[type-arg]
    """The plan, and every replication of every team."""
    folder: Path = tmp_path_factory.mktemp("exhaustive")
    plan = read_staffing(scenario(folder, six_teams), Overrides())
    trials = Trials(plan.clinic, plan.arm, Parts(folder / "parts", "plan"), lambda n: None)
    wanted = [Trial(team.name, plan.team(team), k) for team in plan.able for k in range(REPLICATIONS)]
    numbers = dict(zip([(trial.label, trial.replication) for trial in wanted], trials.numbers(wanted), strict=True))
    return plan, numbers


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_search_chooses_the_team_of_an_exhaustive_search(share, clinic, monkeypatch):
    plan, numbers = clinic
    assert len(plan.able) == 6
    late = np.array([value_of(table, "late") for table in numbers.values()])
    targets = (Target(metric="late", at_most=float(np.quantile(late, share))),)
    plan = replace(plan, entry=plan.entry.model_copy(update={"targets": targets}))
    monkeypatch.setattr(Trials, "numbers", lambda _, wanted: [numbers[one.label, one.replication] for one in wanted])
    result = run_search(plan, Parts(Path(), "plan"), lambda n: None).result
    verdicts = {
        team: plan.rule.verdict([all(meets(numbers[team.name, k], targets)) for k in range(REPLICATIONS)])
        for team in plan.able
    }
    met = [team for team, verdict in verdicts.items() if verdict is Verdict.MEETS]
    assert result.chosen == min(met, key=lambda team: team.cost_usd_week, default=None)
    assert all(result.tried[team] in (verdicts[team], Verdict.SET_ASIDE) for team in result.tried)
