"""Load on the doors of a served process: requests about twenty simulated patients, eight at once, and memory.

``python -m benchmarks.serve_load [--requests N] [--out docs/tables/serve_load.csv]`` starts `taper-sim serve`. The
first answer about each patient is counted apart: it is computed, and the later ones are kept.
"""

import argparse
import asyncio
import csv
import os
import platform
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.serve.fake_ehr.people import order, people

AT_ONCE = 8
VIEW, SIGN, RECOMMEND = "taper-patient-view", "taper-order-sign", "recommend"
HEADER = (
    "machine",
    "date",
    "door",
    "phase",
    "requests",
    "errors",
    "p50_ms",
    "p95_ms",
    "max_ms",
    "cpu_ms",
    "rss_mb_after",
)


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MB (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def processor_s(pid: int) -> float:
    """Processor time that a process has used, seconds (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bodies(today: date) -> list[tuple[str, str, dict[str, Any]]]:
    """Door, address and body of the requests about each patient."""
    made = []
    for patient_id, resources in people(today).items():

        def listed(kind: str, resources: list[dict[str, Any]] = resources) -> dict[str, Any]:
            entry = [{"resource": r} for r in resources if r["resourceType"] == kind]
            return {"resourceType": "Bundle", "type": "searchset", "entry": entry}

        prefetch = {
            "patient": resources[0],
            "requests": listed("MedicationRequest"),
            "observations": listed("Observation"),
            "conditions": listed("Condition"),
        }
        context = {"userId": "Practitioner/1", "patientId": patient_id}
        draft = order(patient_id, "draft", "morphine sulfate Extended Release Oral Tablet", 30, today)
        drafts = {"resourceType": "Bundle", "entry": [{"resource": draft | {"status": "draft"}}]}
        view = {"hook": "patient-view", "context": context, "prefetch": prefetch}
        sign = {"hook": "order-sign", "context": context | {"draftOrders": drafts}, "prefetch": prefetch}
        bundle = {"resourceType": "Bundle", "type": "collection", "timestamp": f"{today}T12:00:00Z"}
        bundle |= {"entry": [{"resource": resource} for resource in resources]}
        asked = {"bundle": bundle, "patient": patient_id, "as_of": today.isoformat()}
        made += [
            (VIEW, f"/cds-services/{VIEW}", view),
            (SIGN, f"/cds-services/{SIGN}", sign),
            (RECOMMEND, "/api/v1/recommend", asked),
        ]
    return made


async def sent(client: httpx.AsyncClient, asked: Sequence[tuple[str, str, dict[str, Any]]], at_once: int) -> list[Any]:
    """Door, milliseconds and whether it was answered, for each request."""
    turn = asyncio.Semaphore(at_once)

    async def one(door: str, address: str, body: dict[str, Any]) -> tuple[str, float, bool]:
        if door != RECOMMEND:
            body = body | {"hookInstance": str(uuid.uuid4())}
        async with turn:
            begun = time.perf_counter()
            response = await client.post(address, json=body)
            return door, 1000 * (time.perf_counter() - begun), response.status_code == 200

    return list(await asyncio.gather(*(one(*request) for request in asked)))


def rows_of(results: Sequence[tuple[str, float, bool]], phase: str, cpu_ms: float, rss: float) -> list[tuple[Any, ...]]:
    """A row for each door, and one for all of several; processor time is that of the whole phase."""
    load = f"load {os.getloadavg()[0]:.0f}"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {load}"
    rows, doors = [], sorted({name for name, _, _ in results})
    for door in [*doors, "all"] if len(doors) > 1 else doors:
        of_door = [(ms, good) for name, ms, good in results if door in (name, "all")]
        times = np.array([ms for ms, _ in of_door])
        errors = sum(not good for _, good in of_door)
        p50, p95 = np.percentile(times, (50, 95))
        cpu = f"{cpu_ms:.0f}" if door == "all" or len(doors) == 1 else ""
        figures = (f"{p50:.0f}", f"{p95:.0f}", f"{times.max():.0f}", cpu, f"{rss:.0f}")
        rows.append((machine, date.today().isoformat(), door, phase, len(of_door), errors, *figures))
    return rows


async def measured(base: str, pid: int, n_requests: int) -> list[tuple[Any, ...]]:
    """Rows of the first answers, of each door alone once these are kept, and of the load."""
    asked = bodies(date.today())
    rng = np.random.default_rng(0)
    async with httpx.AsyncClient(base_url=base, timeout=600, trust_env=False) as client:

        async def phase(name: str, requests: Sequence[tuple[str, str, dict[str, Any]]], at_once: int) -> list[Any]:
            before = processor_s(pid)
            results = await sent(client, requests, at_once)
            cpu_ms = 1000 * (processor_s(pid) - before) / len(requests)
            return rows_of(results, name, cpu_ms, resident_mb(pid))

        await sent(client, [next(r for r in asked if r[0] == RECOMMEND)], 1)  # waits for the compilation
        rows = await phase("first", asked, 1)
        for door in (VIEW, SIGN, RECOMMEND):
            rows += await phase("one at a time", [request for request in asked if request[0] == door], 1)
        await sent(client, asked, AT_ONCE)
        before = resident_mb(pid)
        rows += await phase(
            f"{AT_ONCE} at once", [asked[k] for k in rng.integers(len(asked), size=n_requests)], AT_ONCE
        )
    print(f"memory before and after {n_requests} requests: {before:.0f} and {resident_mb(pid):.0f} MB")
    return rows


def main() -> int:
    """Measure and print; write the table if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "taper_sim.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None  # noqa: S101
            line = server.stdout.readline()
            base = line.split("taper-sim serve: ")[1].split(" ")[0].strip()
            rows = asyncio.run(measured(base, server.pid, arguments.requests))
        finally:
            server.terminate()
    for row in (HEADER, *rows):
        print("  ".join(map(str, row)))
    if arguments.out is not None:
        with arguments.out.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle, lineterminator="\n").writerows([HEADER, *rows])
    return int(any(row[5] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
