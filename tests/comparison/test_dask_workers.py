"""Workers on other machines: a scheduler that the user names."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from distributed import LocalCluster

from taper_sim.cli import main
from taper_sim.comparison import dask_workers, jobs
from taper_sim.data.problems import InputError
from taper_sim.experiments.compare import ComparisonRun, compare, verify
from taper_sim.scenario.building import Overrides, build_plan, overridden, read_scenario
from tests.conftest import quiet


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """A scheduler and a worker of this process, which talk as they would across machines."""
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address=":0"
    ) as made:
        yield made


def test_workers_elsewhere_give_the_same_bytes_and_learn_no_ids(
    cluster: LocalCluster,
    finished: ComparisonRun,
    small_scenario: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(jobs, "CHUNK", 64)
    sent: list[tuple[str, ...]] = []
    run = jobs.SimulationJob.run

    def watched(job: jobs.SimulationJob, *args: Any) -> jobs.Part:
        sent.append(job.cohort.ids)
        return run(job, *args)

    monkeypatch.setattr(jobs.SimulationJob, "run", watched)
    ticked: list[int] = []
    done = compare(
        small_scenario, Overrides(), tmp_path / "run", cluster.scheduler_address, lambda total: ticked.append
    )
    for name in ("summary.csv", "differences.csv", "patients.parquet"):  # the figures' people are the first chunk's
        assert (done.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name
    assert len(sent) == 3 * 4
    assert sum(ticked) == 150 * 84 * 4
    assert {patient_id for ids in sent for patient_id in ids} == {""}


def test_what_is_finished_is_not_sent_again(
    cluster: LocalCluster, small_scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "CHUNK", 64)
    run, count, running = jobs.SimulationJob.run, [0], [0]

    def fails_later(job: jobs.SimulationJob, *args: Any) -> jobs.Part:
        count[0] += 1
        if count[0] == 6:
            raise RuntimeError("lost")
        running[0] += 1
        try:
            return run(job, *args)
        finally:
            running[0] -= 1

    monkeypatch.setattr(jobs.SimulationJob, "run", fails_later)
    address = cluster.scheduler_address
    with pytest.raises(RuntimeError, match="lost"):
        compare(small_scenario, Overrides(), tmp_path / "run", address, quiet)
    kept = len(list((tmp_path / "run" / "parts").glob("*.parquet.json")))  # the record marks a part as finished
    assert kept > 0
    while running[0]:  # a worker that is busy with a job of the first call ends it before jobs are counted again
        time.sleep(0.01)
    count[0] = 100
    compare(small_scenario, Overrides(), tmp_path / "run", address, quiet)
    # a job of the first call that the worker had already been given may still be counted
    assert 12 - kept <= count[0] - 100 < 12
    assert verify(tmp_path / "run", 1, quiet) == []


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "tcp://127.0.0.1", "tcp://no-such-host.invalid:1"])
def test_an_address_where_nobody_answers_is_one_line_and_nothing_is_written(
    address: str,
    small_scenario: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(dask_workers, "_CONNECT_S", 0.5)
    at, folder = address.format(port=free_port()), tmp_path / "run"
    assert main(["compare", str(small_scenario), "--out", str(folder), "--workers", at]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"--workers: given {at} (") and "allowed: tcp://host:port" in said[0]
    assert not folder.exists()


def test_a_scheduler_without_workers_and_workers_of_other_versions_are_refused(
    small_scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dask_workers, "_CONNECT_S", 0.5)
    folder = tmp_path / "run"
    with (
        LocalCluster(n_workers=0, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address=":0") as idle,
        pytest.raises(InputError, match="has workers"),
    ):
        compare(small_scenario, Overrides(), folder, idle.scheduler_address, quiet)
    assert not folder.exists()
    dask_workers._refuse_others("tcp://there:1", {"a": dask_workers.versions()})
    with pytest.raises(InputError, match=r"there:1, whose worker b has numba 0\.1 "):
        dask_workers._refuse_others(
            "tcp://there:1", {"a": dask_workers.versions(), "b": {**dask_workers.versions(), "numba": "0.1"}}
        )


def test_a_job_can_be_sent_for_every_kind_of_policy(small_scenario: Path, tmp_path: Path):
    """What a job holds survives the way to another machine: same numbers from a copy."""
    scenario = overridden(
        read_scenario(small_scenario),
        Overrides(
            40,
            28,
            'preset("HHS Guide"), oracle(limit=0.15, every=14), abrupt() + adjunct(lofexidine),'
            "supported(taper=linear(pct=10, every=7), care=nurse, pace=patient)",
            None,
        ),
    )
    plan, _ = build_plan(scenario, "test", tmp_path)
    for arm in range(4):
        job = jobs.job_of(plan, arm, plan.chunks()[0], first=True)
        there = cloudpickle.loads(cloudpickle.dumps(job)).run()
        here = job.run()
        for name, values in here.columns.items():
            np.testing.assert_array_equal(values, there.columns[name])
