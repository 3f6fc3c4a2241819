"""`evaluate`: the ladder runs, goes on where it stopped, gives the same numbers, refuses what it cannot run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.cli import main
from taper_sim.experiments.ladder import evaluate
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import STREAMS
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
    """Its hash is older than the modality; clinics close, draws are fitted, and a search tries 60 teams."""
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
    registered = "bba0306d2f9ce85093db6d7d27e4f6c19d93a0c51a8cdcbc9e20b147f9b9e15a"
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


def test_noise_of_reports_is_as_the_truth_has_it() -> None:
    ensemble = from_prior(SEED, 2)
    for name, factor in (("noisier reports", 1.5), ("steadier reports", 1 / 1.5)):
        values = TRUE_MODELS[name].ensemble(ensemble).values
        for stream in STREAMS:
            symbol = f"white_{stream.instrument}"
            np.testing.assert_allclose(values[symbol], factor * stream.white)


def test_without_life_a_held_dose_leaves_everybody_where_they_are() -> None:
    truth = TRUE_MODELS["no life outside the taper"]
    spread = []
    for ensemble in (from_prior(SEED, 2), truth.ensemble(from_prior(SEED, 2))):
        policy = build_policy("constant()", file="test")
        course = run(opioid_cohort(40), policy, ensemble, SEED, 70, CarePlan({}), look_days=(35, 70))
        first, last = (course.sums[day][rows.SUM_P] for day in (35, 70))
        spread.append(float(np.std((last - first) / 35 - first / 35)))  # change of mean pain between two halves
    assert spread[1] < 0.02 < 0.2 < spread[0]


def test_flares_have_their_rate_and_length_whatever_the_blocks_of_days() -> None:
    cohort = opioid_cohort(400)
    world = TRUE_MODELS["flares"].world
    reports = {"sows_gossop": np.full((400, 280), 5.0), "pain_nrs": np.full((400, 280), 4.0)}
    whole = world.distorted_reports(reports, cohort, SEED, 1, {})["pain_nrs"]
    raised = whole > 4.0
    assert set(np.unique(whole)) == {4.0, 6.0}
    sows = world.distorted_reports({**reports, "sows_gossop": np.full((400, 280), 15.0)}, cohort, SEED, 1, {})
    np.testing.assert_array_equal(sows["sows_gossop"], np.where(raised, 16.0, 15.0))  # 16 e^(0.05 x 1.5) - 1
    # of onsets on each of five days none: 1 - (1 - 0.5/28)^5 of the days, with an error of a few per thousand
    share, expected = raised[:, 5:].mean(), 1 - (1 - 0.5 / 28) ** 5
    assert abs(share - expected) < 4.5 * np.sqrt(5 * expected * (1 - expected) / raised[:, 5:].size)
    half = {name: values[:, 100:] for name, values in reports.items()}
    np.testing.assert_array_equal(world.distorted_reports(half, cohort, SEED, 101, {})["pain_nrs"], whole[:, 100:])


def test_without_a_lasting_effect_nobody_has_one() -> None:
    cohort = opioid_cohort(40)
    seen = []

    world = TRUE_MODELS["no lasting effect"].world
    for change in (TRUE_MODELS[MODEL].world, world):
        policy = build_policy("linear(pct=50, every=14)", file="test")
        course = run(cohort, policy, from_prior(SEED, 2), SEED, 364, CarePlan({}), look_days=(280, 364), world=change)
        seen.append((course.sums[364][rows.SUM_P] - course.sums[280][rows.SUM_P]) / 84)
    assert np.std(seen[1] - seen[0]) > 0.2


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
