"""resume, verify, hash: the same for every kind of run, and nothing false is vouched for."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taper_sim.briefs.run_reports import RUN_REPORTS
from taper_sim.cli import main
from taper_sim.experiments.kinds import RUN_KINDS
from taper_sim.policies import interface
from tests.conftest import ROOT

PEOPLE = """name: small
days: 14
draws: 2
cohort:
  patients: {patients}
  classes: {{opioid: {{dose_median: 90, mix: [{{drug: morphine, formulation: ER, share: 1}}]}}}}
protocols: ['constant()', 'linear(pct=10, every=14)']
"""
CLINIC = """clinic:
  enrol_over_d: 3
  replications: 1
  team: [{role: physician}, {role: pharmacist}, {role: pt}, {role: psychologist}, {role: nurse}, {role: social_worker}]
  without: [peer_session]
  staffing:
    probability: 0.5
    indifference: 0.3
    confidence: 0.5
    most_teams: 2
    most_replications: 2
    what_if_replications: 1
    fte: {nurse: {least: 1, most: 1}}
    targets: [{metric: late, role: nurse, at_most: 0.9}]
"""
LADDER = """ladder:
  seeds: [1]
  tuning_people: 4
  ceilings: [off]
  truths: [the model]
  rungs:
    - {name: linear, call: 'linear(pct={knob}, every=14)', knobs: [5, 10]}
    - {name: personal, call: 'integral(every=14)', role: personal}
    - {name: oracle, call: 'constant()', role: oracle}
"""
TEXTS = {
    "compare": PEOPLE.format(patients=12),
    "clinic": PEOPLE.format(patients=12) + CLINIC,
    "staffing": PEOPLE.format(patients=12) + CLINIC,
    "triage": PEOPLE.format(patients=12) + CLINIC,
    "evaluate": PEOPLE.format(patients=4) + LADDER,
}
RESULTS = """id,statistic,outcome,value,day,arm,cohort
A,proportion,discontinued,0.5,3,abrupt(),imposed=no
"""
TEXTS["validate"] = RESULTS
COMMANDS = list(TEXTS)


def input_of(command: str) -> str:
    """Name of the input file of a command."""
    return f"{command}.csv" if command == "validate" else f"{command}.yaml"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an input file and a finished run of every kind."""
    folder = tmp_path_factory.mktemp("kinds")
    for command, text in TEXTS.items():
        scenario = folder / input_of(command)
        scenario.write_text(text)
        assert main([command, str(scenario), "--out", str(folder / command)]) == 0, command
    return folder


def test_every_kind_of_run_has_a_report_and_a_command():
    assert RUN_REPORTS.keys() == RUN_KINDS.keys() | {"tapers"}  # a study, which no command resumes or verifies
    assert {kind.command for kind in RUN_KINDS.values()} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_finished_run_of_any_kind_is_verified_and_its_hash_is_that_of_its_plan(
    runs: Path, command: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["verify", str(runs / command)]) == 0
    assert capsys.readouterr().out.strip() == "the same numbers"
    assert main(["hash", str(runs / command)]) == 0
    assert main(["hash", str(runs / input_of(command)), "--of", command]) == 0
    of_run, of_scenario = capsys.readouterr().out.split()
    assert of_run == of_scenario
    manifest, plan = (json.loads((runs / command / f"{name}.json").read_text()) for name in ("manifest", "plan"))
    assert manifest["kind"] == plan["kind"] and RUN_KINDS[plan["kind"]].command == command


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_of_any_kind_is_resumed_to_the_same_bytes(
    runs: Path, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / command
    folder.mkdir()
    shutil.copy(runs / command / "plan.json", folder)
    assert main(["resume", str(folder)]) == 0
    listed = json.loads((runs / command / "manifest.json").read_text())
    names = [*listed["outputs_sha256"], *listed["report_sha256"]]
    again = json.loads((folder / "manifest.json").read_text())
    assert [*again["outputs_sha256"], *again["report_sha256"]] == names and len(names) > 1
    for name in listed["outputs_sha256"]:
        assert (folder / name).read_bytes() == (runs / command / name).read_bytes(), name


def change_a_figure(folder: Path) -> str:
    (folder / "figures" / "forest.svg").write_text("<svg/>")
    return "figures/forest.svg: changed since the run"


def change_the_report_and_its_hash(folder: Path) -> str:
    page = folder / "report.html"
    page.write_text(page.read_text().replace("linear", "abrupt"))
    relist(folder, "report_sha256", "report.html", digest_of(page))
    return "report.html: different when redrawn"


def change_a_number_and_its_hash(folder: Path) -> str:
    table = folder / "summary.csv"
    table.write_text(table.read_text().replace("0.", "1.", 1))
    relist(folder, "outputs_sha256", "summary.csv", digest_of(table))
    return "summary.csv: other numbers when recomputed"


def empty_the_list(folder: Path) -> str:
    change(folder, outputs_sha256={})
    return "summary.csv: missing in the list"


def empty_the_list_of_the_report(folder: Path) -> str:
    change(folder, report_sha256={})
    return "report.html: not listed"


def drop_a_file_from_the_list(folder: Path) -> str:
    relist(folder, "outputs_sha256", "differences.csv", None)
    (folder / "differences.csv").unlink()
    return "differences.csv: missing in the list"


def add_a_file(folder: Path) -> str:
    (folder / "more.csv").write_text("x\n")
    return "more.csv: not listed"


def list_another_file(folder: Path) -> str:
    (folder / "more.csv").write_text("x\n")
    relist(folder, "outputs_sha256", "more.csv", digest_of(folder / "more.csv"))
    return "more.csv: listed in manifest.json, but the rerun writes no such file"


def list_a_file_elsewhere(folder: Path) -> str:
    (folder.parent / "x.csv").write_text("x\n")
    relist(folder, "outputs_sha256", "../x.csv", digest_of(folder.parent / "x.csv"))
    return "../x.csv: changed since the run"


def say_another_seed(folder: Path) -> str:
    change(folder, seed=99)
    return "manifest.json: seed: another value when recomputed"


def say_another_plan(folder: Path) -> str:
    change(folder, plan_hash="0" * 64)
    return "manifest.json: of another run than plan.json"


def digest_of(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def change(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def relist(folder: Path, key: str, name: str, digest: str | None) -> None:
    listed = json.loads((folder / "manifest.json").read_text())[key]
    listed.pop(name, None)
    change(folder, **{key: listed if digest is None else listed | {name: digest}})


@pytest.mark.parametrize(
    "edit",
    [
        change_a_figure,
        change_the_report_and_its_hash,
        change_a_number_and_its_hash,
        empty_the_list,
        empty_the_list_of_the_report,
        drop_a_file_from_the_list,
        add_a_file,
        list_another_file,
        list_a_file_elsewhere,
        say_another_seed,
        say_another_plan,
    ],
)
def test_verify_finds_every_edit(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[Path], str]
):
    shutil.copytree(runs / "compare", tmp_path / "run")
    expected = edit(tmp_path / "run")
    assert main(["verify", str(tmp_path / "run")]) == 3
    assert expected in capsys.readouterr().out


def test_an_input_that_changed_since_the_run_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "people.csv").write_text("patient_id,pain\na,5\nb,6\n")
    (tmp_path / "drugs.csv").write_text(
        "patient_id,drug,formulation,dose_mg_per_day\na,morphine,ER,60\nb,morphine,ER,90\n"
    )
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "name: files\ndays: 14\ncohort: {file: people.csv, drugs_file: drugs.csv}\nprotocols: ['constant()']\n"
    )
    assert main(["compare", str(scenario), "--out", str(tmp_path / "run")]) == 0
    (tmp_path / "people.csv").write_text("patient_id,pain\na,5\nb,7\n")
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "run")]) == 3
    said = capsys.readouterr().out
    assert "manifest.json: inputs_sha256" in said and "patients.parquet: other numbers" in said


# -- policies that are not shipped -------------------------------------------------------------------------------------

OWN = """
import sys
from pathlib import Path

import numpy as np

from taper_sim.cli import main
from taper_sim.policies.interface import Order, Policy, register

STEP = 0.1


def lower(share):
    return np.maximum(share - STEP, 0.0)


@register("own_policy")
class Own(Policy):
    name = "own_policy()"

    def decision_days(self, n_days):
        return range(1, n_days + 1, 14)

    def start(self, patients):
        return None

    def decide(self, memory, observation):
        return Order(lower(observation.dose_fraction))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def finished_own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script with a policy of its own, and a finished run with it, both of another process."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(OWN)
    (folder / "s.yaml").write_text(TEXTS["compare"].replace("'constant()'", "'own_policy()'"))
    assert script(folder, "compare", "s.yaml", "--out", "run")[0] == 0
    return folder


@pytest.fixture
def own(finished_own: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(finished_own, tmp_path / "copy"))


def script(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "own.py", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def forgotten():
    """Registered policies as they were before the test."""
    before = dict(interface._REGISTRY)
    yield
    interface._REGISTRY.clear()
    interface._REGISTRY.update(before)


@pytest.mark.slow
def test_a_run_with_a_users_policy_is_verified_by_the_source_it_recorded(
    own: Path, capsys: pytest.CaptureFixture[str], forgotten: None
):
    policy = json.loads((own / "run" / "plan.json").read_text())["policies"]["own_policy"]
    assert "class Own" in policy["source"] and "STEP = 0.1" in policy["source"] and "main" not in policy["source"]
    code, text = script(own, "verify", "run")
    assert code == 0 and "the same numbers" in text
    assert main(["verify", str(own / "run")]) == 3  # nothing is executed without being told to
    said = capsys.readouterr().out
    assert "not registered here" in said and policy["sha256"] in said and "were not recomputed" in said
    assert "own_policy" not in interface.registered()
    assert main(["verify", str(own / "run"), "--trust-policy"]) == 0
    captured = capsys.readouterr()
    assert policy["sha256"] in captured.err and "the same numbers" in captured.out


@pytest.mark.slow
def test_a_users_policy_with_another_source_is_not_taken_for_it(own: Path, capsys: pytest.CaptureFixture[str]):
    (own / "own.py").write_text(OWN.replace("STEP = 0.1", "STEP = 0.2"))  # not in the class, and it moves every dose
    code, said = script(own, "verify", "run")
    assert code == 3 and "another source here than in the run" in said
    assert script(own, "compare", "s.yaml", "--out", "run")[0] == 2  # another run's folder
    (own / "run" / "summary.csv").write_text("changed\n")
    assert main(["verify", str(own / "run")]) == 3
    assert "summary.csv: changed since the run" in capsys.readouterr().out


@pytest.mark.slow
def test_a_recorded_source_of_another_hash_is_not_executed(
    own: Path, capsys: pytest.CaptureFixture[str], forgotten: None
):
    plan = json.loads((own / "run" / "plan.json").read_text())
    plan["policies"]["own_policy"]["source"] += "\nraise SystemExit('executed')\n"
    (own / "run" / "plan.json").write_text(json.dumps(plan))
    assert main(["verify", str(own / "run"), "--trust-policy"]) == 3
    assert "a source with another hash" in capsys.readouterr().out


def test_scenarios_without_users_policies_keep_the_hash_that_was_registered(capsys: pytest.CaptureFixture[str]):
    from taper_sim.scenario.building import read_scenario, scenario_hash

    path = ROOT / "scenarios" / "first_comparison.yaml"
    assert main(["hash", str(path)]) == 0
    assert capsys.readouterr().out.strip() == scenario_hash(read_scenario(path), path.parent)
