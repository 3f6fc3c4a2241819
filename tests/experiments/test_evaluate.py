"""`evaluate`: the ladder runs, goes on where it stopped, gives the same numbers, refuses what it cannot run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.cli import main
from taper_sim.experiments.ladder import evaluate
from taper_sim.scenario.all_policies import build_policy
from taper_sim.scenario.building import Overrides, read_scenario, scenario_hash
from taper_sim.scenario.true_models import MODEL, TRUE_MODELS
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan
from tests.conftest import ROOT, SEED, opioid_cohort, quiet

LADDER = """
name: small ladder
days: 56
draws: 2
cohort:
  patients: 4
  classes: {opioid: {dose_median: 90, mix: [{drug: morphine, formulation: ER, share: 1}]}}
protocols: ['constant()']
ladder:
  seeds: [1, 2]
  tuning_people: 4
  ceilings: [off]
  truths: [the model, under-reporting]
  rungs:
    - {name: linear, call: 'linear(pct={knob}, every=28)', knobs: [5, 10]}
    - {name: prior only, call: 'prior_only(draws=64, ceiling={ceiling})'}
    - {name: personal, call: 'personal(draws=64, ceiling={ceiling})', role: personal}
    - {name: oracle, call: 'personal(sees=state, ceiling={ceiling})', role: oracle}
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ladder") / "ladder.yaml"
    path.write_text(LADDER)
    return path


def test_the_command_writes_the_tables_and_goes_on_where_it_was_stopped(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from taper_sim.experiments import ladder

    done = []

    def stopped(*args: object, **options: object) -> object:
        done.append(1)
        if len(done) == 6:
            raise KeyboardInterrupt
        return run(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ladder, "run", stopped)
    assert main(["evaluate", str(scenario), "--out", str(tmp_path / "run")]) == 130
    before = len(done)
    assert main(["evaluate", str(scenario), "--out", str(tmp_path / "run")]) == 0
    assert "not clinically reviewed" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "run" / "ladder.csv", dtype={"code": str})  # a hash may be all digits
    assert list(table["policy"]) == ["linear", "prior only", "personal", "oracle"] * 2
    assert set(table["n"]) == {8}
    gap = pd.read_csv(tmp_path / "run" / "gap.csv")
    assert list(gap["against"]) == ["best other", "prior only"] * 2
    for name in ("manifest.json", "ladder.txt", "figures/ladder.svg", "figures/ladder.csv"):
        assert (tmp_path / "run" / name).exists()
    again = evaluate(scenario, Overrides(), tmp_path / "again", quiet)
    pd.testing.assert_frame_equal(again.ladder.assign(knob=table["knob"]), table)
    assert len(done) == before + (18 - 5) + 18  # the five that were finished before the stop were not run again


def test_a_ladder_without_a_personalised_policy_reports_that_there_is_no_gap_to_close(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fixed.yaml"
    rungs = [line for line in LADDER.splitlines() if "role: personal" not in line and "prior only" not in line]
    path.write_text("\n".join(rungs).replace("truths: [the model, under-reporting]", "truths: [the model]"))
    assert main(["evaluate", str(path), "--out", str(tmp_path / "run")]) == 0
    assert "No personalised policy: no gap to close." in capsys.readouterr().out
    gap = pd.read_csv(tmp_path / "run" / "gap.csv")
    assert gap.empty and {"truth", "policy", "gap", "n", "code"} <= set(gap.columns)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("role: oracle", "exactly one oracle"),
        ("truths: [the model,", "an unknown true model"),
        ("knobs: [5, 10]", "both or"),
        ("linear(pct={knob}", "lineer"),
    ],
)
def test_a_ladder_that_cannot_be_run_is_refused(
    change: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {
        "role: oracle": "role: other",
        "truths: [the model,": "truths: [a truth,",
        "knobs: [5, 10]": "knobs: []",
        "linear(pct={knob}": "lineer(pct={knob}",
    }[change]
    path = tmp_path / "wrong.yaml"
    path.write_text(LADDER.replace(change, other))
    assert main(["evaluate", str(path), "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_ladder_of_the_repository_can_be_read_and_a_scenario_without_one_keeps_its_hash(tmp_path: Path) -> None:
    path = ROOT / "scenarios" / "ladder.yaml"
    entry = read_scenario(path).ladder
    assert entry is not None
    assert [rung.role for rung in entry.rungs].count("oracle") == 1
    assert entry.ceilings == ("on", "off")
    plain = tmp_path / "plain.yaml"
    plain.write_text(LADDER.split("ladder:\n")[0])
    with_ladder = tmp_path / "with.yaml"
    with_ladder.write_text(LADDER)
    hashes = [scenario_hash(read_scenario(p), tmp_path) for p in (plain, with_ladder)]
    assert hashes[0] != hashes[1]


def test_a_plan_that_was_registered_keeps_its_hash_when_scenarios_can_say_more(tmp_path: Path) -> None:
    """Its hash was taken before ``modality``, ``home_visits`` and a budget for staff could be said."""
    path = tmp_path / "plan.yaml"
    path.write_text("""
name: registered
cohort:
  patients: 10
  classes: {opioid: {dose_median: 90, mix: [{drug: morphine, formulation: ER, share: 1}]}}
protocols: ["linear(pct=10, every=28)"]
clinic:
  team: [{role: physician}, {role: pharmacist}, {role: pt}, {role: psychologist}, {role: nurse},
         {role: social_worker, stands_in_for: [peer]}]
  staffing: {indifference: 0.1}
""")
    registered = "09490af60b6879e6134b1dd4bdd1393754ecd4ff1067e25d4fae56238c9ec3d6"
    assert scenario_hash(read_scenario(path), tmp_path) == registered
    path.write_text(path.read_text().replace("  patients: 10", "  modality: {video: 1}\n  patients: 10"))
    assert scenario_hash(read_scenario(path), tmp_path) != registered


@pytest.mark.parametrize("name", [name for name in TRUE_MODELS if name != MODEL])
def test_every_truth_changes_what_happens_or_what_is_said(name: str) -> None:
    cohort = opioid_cohort(40)
    care = CarePlan({})
    seen = []
    for truth in (TRUE_MODELS[MODEL], TRUE_MODELS[name]):
        policy = build_policy("integral(max_pct=20, every=14)", file="test")
        course = run(cohort, policy, truth.ensemble(from_prior(SEED, 2)), SEED, 70, care, world=truth.world)
        seen.append((course.ordered, course.sums[70]))
    (ordered, sums), (other, others) = seen
    assert not np.array_equal(ordered, other) or any(not np.array_equal(sums[row], others[row]) for row in sums)


def test_memory_of_reports_is_as_the_truth_says() -> None:
    ensemble = from_prior(SEED, 1)
    for name, target in (("lag-1 0.2", 0.2), ("lag-1 0.6", 0.6)):
        values = TRUE_MODELS[name].ensemble(ensemble).values
        white, slow = values["white_pain_nrs"][0], values["slow_pain_nrs"][0]
        assert white**2 + slow**2 == pytest.approx(0.95**2 + 0.75**2)
        assert slow**2 * np.exp(-1 / 10) / (white**2 + slow**2) == pytest.approx(target)


def test_a_protocol_within_the_ceiling_takes_no_more_in_28_days_and_catches_up() -> None:
    cohort = opioid_cohort(30)
    policy = build_policy("linear(pct=20, every=14) + within_ceiling()", file="test")
    course = run(cohort, policy, from_prior(SEED, 1), SEED, 364, CarePlan({}))
    ceiling = np.where(cohort.failed_tapers > 0, 0.05, 0.10)
    by_day = np.ones((365, 30))
    for (first, _), ordered in zip(course.days, course.ordered, strict=True):
        by_day[first:] = ordered[:, 0]
    assert (by_day[:-28] - by_day[28:] <= ceiling + 1e-6).all()
    assert by_day[-1, cohort.failed_tapers == 0].max() == 0.0
