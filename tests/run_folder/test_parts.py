"""Parts of a run: a damaged or foreign part is computed again, and no unfilled value enters an average."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taper_sim.comparison import jobs
from taper_sim.comparison.jobs import Finished
from taper_sim.data.problems import InputError
from taper_sim.experiments.compare import ComparisonRun, compare, resume
from taper_sim.run_folder import Parts
from taper_sim.scenario.building import Overrides, build_plan, read_scenario
from tests.conftest import quiet

NAME = "arm01-chunk00000.parquet"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    kept = Parts(tmp_path / "parts", "plan", lambda line: None)
    kept.keep_table("a.parquet", pa.table({"x": np.arange(904.0)}))
    kept.keep_arrays("b.npz", {"x": np.arange(5)})
    return kept


def test_a_part_comes_back_as_it_was_kept(parts: Parts):
    table = parts.table("a.parquet", 904)
    assert table is not None and table["x"].to_pylist() == list(range(904))
    arrays = parts.arrays("b.npz")
    assert arrays is not None and arrays["x"].tolist() == list(range(5))
    assert parts.table("c.parquet") is None


def cut_to_ten_rows(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(0, 10), path)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def remove_the_record(path: Path) -> None:
    path.with_name(f"{path.name}.json").unlink()


def empty_the_record(path: Path) -> None:
    empty(path.with_name(f"{path.name}.json"))


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [cut_to_ten_rows, flip_a_byte, empty, truncate, remove_the_record, empty_the_record]


@pytest.mark.parametrize("damage", [*DAMAGES, make_a_folder])
def test_a_damaged_part_is_unfinished_and_said_so_in_one_line(parts: Parts, damage: Callable[[Path], None]):
    lines: list[str] = []
    damage(parts.folder / "a.parquet")
    again = Parts(parts.folder, "plan", lines.append)
    assert again.table("a.parquet") is None
    assert len(lines) == 1 and "a.parquet" in lines[0] and "computed again" in lines[0]


def test_a_part_of_another_plan_place_or_size_is_unfinished(parts: Parts):
    lines: list[str] = []
    assert Parts(parts.folder, "other", lines.append).content("a.parquet") is None
    for ending in ("", ".json"):
        shutil.copy(parts.folder / f"a.parquet{ending}", parts.folder / f"c.parquet{ending}")
    again = Parts(parts.folder, "plan", lines.append)
    assert again.content("c.parquet") is None
    assert again.content("a.parquet", 905) is None
    assert ["another plan" in lines[0], "the part a.parquet" in lines[1], "904 rows instead of 905" in lines[2]] == [
        True
    ] * 3


def test_a_part_that_is_lost_during_the_run_is_one_line(parts: Parts):
    with pytest.raises(InputError, match="lost during the run"):
        parts.needed("c.parquet", parts.table("c.parquet"))


def interrupted(scenario: Path, folder: Path, seed: int | None = None) -> None:
    """A comparison whose parts are finished and whose tables are not written."""

    def no_tables(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taper_sim.experiments.compare.make_tables", no_tables)
        with pytest.raises(KeyboardInterrupt):
            compare(scenario, Overrides(seed=seed), folder, 1, quiet)


@pytest.mark.parametrize("damage", DAMAGES)
def test_resume_makes_a_damaged_part_again_and_publishes_the_same_bytes(
    finished: ComparisonRun,
    small_scenario: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
):
    interrupted(small_scenario, tmp_path / "run")
    damage(tmp_path / "run" / "parts" / NAME)
    resume(tmp_path / "run", 1, quiet)
    for name in ("summary.csv", "patients.parquet", "trajectories.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (finished.folder / name).read_bytes(), name
    assert capsys.readouterr().err.count("computed again") == 1


def test_resume_accepts_no_part_of_another_arm_or_seed(
    finished: ComparisonRun, small_scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    interrupted(small_scenario, tmp_path / "run")
    interrupted(small_scenario, tmp_path / "other", seed=99)
    ours, theirs = tmp_path / "run" / "parts", tmp_path / "other" / "parts"
    for ending in ("", ".json"):
        shutil.copy(ours / f"arm02-chunk00000.parquet{ending}", ours / f"{NAME}{ending}")
        shutil.copy(theirs / f"arm03-chunk00000.parquet{ending}", ours / f"arm03-chunk00000.parquet{ending}")
        shutil.copy(theirs / f"arm00-trajectories.npz{ending}", ours / f"arm00-trajectories.npz{ending}")
    resume(tmp_path / "run", 1, quiet)
    for name in ("summary.csv", "patients.parquet", "trajectories.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (finished.folder / name).read_bytes(), name
    assert capsys.readouterr().err.count("computed again") == 3


def test_no_patient_without_a_row_is_averaged(small_scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plan, _ = build_plan(read_scenario(small_scenario), "s", small_scenario.parent)
    parts = Parts(tmp_path / "parts", "plan")
    jobs.run_jobs(plan, parts, lambda _: None, workers=1)
    part = parts.table(NAME)
    assert part is not None
    parts.keep_table(NAME, part.take(list(range(len(part)))[::-1]))  # whole, of this plan, and of others' rows
    with pytest.raises(AssertionError, match="other people"):
        Finished(plan, parts)["linear(pct=10, every=14)"]
    monkeypatch.setattr(jobs.Plan, "chunks", lambda plan: [])
    with pytest.raises(AssertionError, match="150 of 150 rows of the plan are missing"):
        Finished(plan, parts)["abrupt()"]


def test_parts_and_tables_with_patients_ids_are_their_owners_alone(finished: ComparisonRun, parts: Parts):
    assert {path.stat().st_mode & 0o777 for path in parts.folder.iterdir()} == {0o600}
    assert (finished.folder / "patients.parquet").stat().st_mode & 0o777 == 0o600
    assert "patient_id" in pd.read_parquet(finished.folder / "patients.parquet")


def test_a_record_says_plan_place_rows_and_hash(parts: Parts):
    record = json.loads((parts.folder / "a.parquet.json").read_text())
    assert (record["plan"], record["part"], record["rows"], len(record["sha256"])) == ("plan", "a.parquet", 904, 64)
