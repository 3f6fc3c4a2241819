"""Clinics on several processes and on other machines: the same bytes as in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from distributed import LocalCluster

from taper_sim import cli
from taper_sim.experiments import clinic_case
from tests.conftest import ROOT
from tests.experiments.test_staffing_command import scenario


def tiny(folder: Path) -> list[str]:
    """A clinic of twelve patients, over two weeks."""
    content = yaml.safe_load((ROOT / "scenarios" / "staffing_small.yaml").read_text())
    content |= {"days": 14, "draws": 2, "protocols": ["linear(pct=10, every=14)"]}
    content["clinic"].pop("staffing")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return [str(path), "--patients", "12", "--replications", "2"]


def searched(folder: Path) -> list[str]:
    """A search for a team."""
    return [str(scenario(folder))]


COMMANDS: dict[str, tuple[Callable[[Path], list[str]], tuple[str, ...]]] = {
    "clinic": (tiny, ("summary.csv", "differences.csv", "service.csv", "events.parquet")),
    "staffing": (searched, ("staffing.csv", "replications.csv")),
    "triage": (tiny, ("triage.csv",)),
}


def run(command: str, folder: Path, *more: str) -> list[bytes]:
    """The files of a run."""
    arguments, names = COMMANDS[command]
    folder.mkdir()
    assert cli.main([command, *arguments(folder), "--out", str(folder / "run"), *more]) == 0
    return [(folder / "run" / name).read_bytes() for name in names]


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_as_this_one(tmp_path: Path) -> None:
    assert run("clinic", tmp_path / "two", "--workers", "2") == run("clinic", tmp_path / "here")


@pytest.mark.parametrize("command", list(COMMANDS))
def test_workers_elsewhere_give_the_same_bytes_and_learn_no_ids(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = run(command, tmp_path / "here")
    sent: set[str] = set()
    serve = clinic_case.serve

    def watched(cohort, *arguments):  # type: ignore[no-untyped-def]
        sent.update(cohort.ids)
        return serve(cohort, *arguments)

    monkeypatch.setattr(clinic_case, "serve", watched)
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address=":0"
    ) as cluster:
        assert run(command, tmp_path / "there", "--workers", cluster.scheduler_address) == own
    assert sent and all(patient.isdecimal() for patient in sent)


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("workers", ["0", "many", "1000"])
def test_impossible_workers_are_one_line_and_nothing_is_written(
    command: str, workers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, _ = COMMANDS[command]
    assert cli.main([command, *arguments(tmp_path), "--out", str(tmp_path / "run"), "--workers", workers]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"--workers: given {workers}") and "; allowed: " in lines[0]
    assert not (tmp_path / "run").exists()
