"""A run's folder: one run at a time, whole files, a full disk in one line, the umask's modes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pandas as pd
import pytest

from taper_sim.cli import main
from taper_sim.data.problems import InputError
from taper_sim.run_folder import (
    PLAN_FILE,
    PlanRecord,
    atomic_files,
    locked,
    open_run,
    plan_of,
    read_table,
    write_csv,
    write_text,
)

RECORD = PlanRecord("compare", "hash", "s.yaml", "/nowhere", {})


# -- the lock ----------------------------------------------------------------------------------------------------------


def test_a_second_run_into_a_folder_is_refused_with_the_process_that_has_it(tmp_path: Path):
    with open_run(tmp_path / "run", RECORD), pytest.raises(InputError, match=f"process {os.getpid()}"):
        with open_run(tmp_path / "run", RECORD):
            raise AssertionError("two at once")


def test_the_command_refuses_a_folder_that_another_process_writes_to(
    small_scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "run"
    folder.mkdir()
    code = f"import time, pathlib; from taper_sim.run_folder import locked\nwith locked(pathlib.Path({str(folder)!r})):"
    held = subprocess.Popen(  # noqa: S603 - this Python
        [sys.executable, "-c", f"{code}\n print('held', flush=True); time.sleep(60)"], stdout=subprocess.PIPE
    )
    assert held.stdout is not None
    with held:
        held.stdout.readline()
        assert main(["compare", str(small_scenario), "--out", str(folder)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and f"process {held.pid}" in lines[0]
        assert not (folder / PLAN_FILE).exists()
        held.kill()
    with locked(folder):  # a dead process's lock is none, though its file is still there
        assert (folder / ".lock").exists()
    assert not (folder / ".lock").exists()


# -- files -------------------------------------------------------------------------------------------------------------


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_on_a_full_disk_is_one_line_and_the_old_file_stays(tmp_path: Path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(InputError, match=r"a\.txt: given No space left on device"):
        atomic_files.write_atomically(tmp_path / "a.txt", full_disk)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_and_its_folder_are_brought_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[str] = []
    monkeypatch.setattr(atomic_files.os, "fsync", lambda n: synced.append(os.readlink(f"/proc/self/fd/{n}")))
    write_text(tmp_path / "a.txt", "new")
    assert len(synced) == 2 and synced[0].endswith(".partial") and synced[1] == str(tmp_path)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_reads_a_file_and_a_private_one_is_its_owners(tmp_path: Path, umask: int, mode: int):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "a")
        write_text(tmp_path / "b.txt", "b", private=True)
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o600


def test_no_cell_of_a_table_is_a_formula_and_texts_read_back_as_they_were(tmp_path: Path):
    texts = ["=HYPERLINK(1)", "+x", "-y", "@z", "\tt", "\rr", "'=q", "''-p", "plain", "'quoted'", "-1.5", ""]
    table = pd.DataFrame({"text": texts, "number": range(-6, 6), "word": pd.Categorical(["=a", "b"] * 6)})
    write_csv(table, tmp_path / "t.csv")
    raw = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    assert not raw["text"].str.match(r"[=+@\t\r]|-[^1]").any() and not raw["word"].str.startswith("=").any()
    assert raw["number"].tolist() == [str(n) for n in range(-6, 6)]
    again = read_table(tmp_path / "t.csv", dtype={"text": str}, keep_default_na=False)
    assert again["text"].tolist() == texts and again["word"].tolist() == ["=a", "b"] * 6
    assert again["number"].tolist() == list(range(-6, 6))


# -- a run -------------------------------------------------------------------------------------------------------------


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path):
    with open_run(tmp_path / "run", RECORD):
        pass
    (tmp_path / "run" / ".summary.csv.0123.partial").write_text("half")
    (tmp_path / "run" / ".lock").write_text("999999999\n")
    with open_run(tmp_path / "run", RECORD):
        pass
    assert {path.name for path in (tmp_path / "run").iterdir()} == {PLAN_FILE}


def test_a_plan_of_another_version_is_said_in_one_line(tmp_path: Path):
    with open_run(tmp_path / "run", RECORD):
        pass
    plan = json.loads((tmp_path / "run" / PLAN_FILE).read_text())
    (tmp_path / "run" / PLAN_FILE).write_text(json.dumps(plan | {"version": "0.0.1"}))
    with pytest.raises(InputError, match=r"another version of taper-sim \(0\.0\.1\)"):
        plan_of(tmp_path / "run")


def test_a_manifest_of_before_is_gone_once_outputs_are_replaced(tmp_path: Path):
    with open_run(tmp_path / "run", RECORD) as kept:
        kept.write_csv("a.csv", pd.DataFrame({"x": [1]}))
        kept.finish({}, None)
    assert (tmp_path / "run" / "manifest.json").exists()
    with open_run(tmp_path / "run", RECORD) as kept:
        kept.write_csv("a.csv", pd.DataFrame({"x": [2]}))
        assert not (tmp_path / "run" / "manifest.json").exists()


PLACES = ["plan.json", "arm01-chunk00000.parquet", "summary.csv", "patients.parquet", "manifest.json", "forest.svg"]


@pytest.mark.parametrize("place", [*PLACES, "report.html"])
def test_a_disk_that_is_full_at_any_file_is_one_line_and_resume_goes_on(
    place: str,
    finished: object,
    small_scenario: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder = tmp_path / "run"
    replace = Path.replace

    def full(partial: Path, path: Path) -> Path:
        if path.name == place:
            full_disk()
        return replace(partial, path)

    command = ["compare", str(small_scenario), "--patients", "30", "--days", "28", "--out", str(folder)]
    monkeypatch.setattr(Path, "replace", full)
    assert main(command) == 2
    lines = capsys.readouterr().err.splitlines()
    lines = [line for line in lines if "given" in line]
    assert len(lines) == 1 and place in lines[0]
    assert (f"taper-sim resume {folder}" in lines[0]) == (place != "plan.json")
    monkeypatch.setattr(Path, "replace", replace)
    again = command if place == "plan.json" else ["resume", str(folder)]
    if place not in ("plan.json", "arm01-chunk00000.parquet"):  # every part is finished: nothing is simulated again
        monkeypatch.setattr("taper_sim.comparison.jobs.SimulationJob.run", full_disk)
    assert main(again) == 0
    assert (folder / "report.html").exists() and not (folder / "parts").exists()


def test_a_folder_that_vanishes_during_the_run_is_one_line_and_is_not_made_again(
    small_scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from taper_sim.comparison.jobs import SimulationJob

    run = SimulationJob.run

    def vanishing(job: SimulationJob, *args: object) -> object:
        if (tmp_path / "run").exists():
            (tmp_path / "run").rename(tmp_path / "elsewhere")
        return run(job, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(SimulationJob, "run", vanishing)
    command = ["compare", str(small_scenario), "--patients", "30", "--days", "28", "--out", str(tmp_path / "run")]
    assert main([*command, "--workers", "1"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "given" in line]
    assert len(lines) == 1 and "a folder that was removed" in lines[0]
    assert not (tmp_path / "run").exists()


def test_output_on_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("taper_sim.cli._show", full_disk)
    assert main(["outcomes"]) == 2
    assert capsys.readouterr().err.startswith("output: given No space left on device")


SLOW = """
import sys, time
from taper_sim import cli
from taper_sim.comparison import jobs
run = jobs.SimulationJob.run
def slowly(job, *args):
    part = run(job, *args)
    if list((__import__("pathlib").Path(sys.argv[2]) / "parts").glob("*.json")):
        print("kept", flush=True)
        time.sleep(60)
    return part
jobs.SimulationJob.run = slowly
sys.exit(cli.main(["compare", sys.argv[1], "--workers", "1", "--out", sys.argv[2]]))
"""


def test_a_run_that_is_told_to_end_keeps_its_parts_and_says_how_to_continue(small_scenario: Path, tmp_path: Path):
    folder = tmp_path / "run"
    with subprocess.Popen(  # noqa: S603 - this Python
        [sys.executable, "-c", SLOW, str(small_scenario), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        output: IO[str] | None = process.stdout
        assert output is not None and output.readline() == "kept\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)  # the first ends the run, the second the wait for what is being simulated
        _, said = process.communicate(timeout=90)
    assert process.returncode == 130
    assert f"interrupted; finished parts were kept. Continue with: taper-sim resume {folder}" in said.splitlines()
    assert list((folder / "parts").glob("*.parquet"))
