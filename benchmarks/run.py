"""Speed of the kernel, as ratios within one run: ``python -m benchmarks.run [--quick] [--json]``, from the sources.

The same cohort, full model, float64, chance and reports every day, in blocks of 14 days: two decisions a month. Kernel,
C and JAX alternate on one core, NumPy (the reference) in fewer turns; a ratio is the median over the turns
of the other's time over the kernel's in the same turn, so above 1 the kernel is faster. All must give the
same states before the timing. gcc is required; without JAX its ratio is omitted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # the cohort is that of the tests, which are not installed

from benchmarks import c_kernel, numpy_kernel, personal  # noqa: E402
from benchmarks.queue_speed import events_vs_ciw  # noqa: E402
from taper_sim import rng  # noqa: E402
from taper_sim.model.compiled import rows  # noqa: E402
from taper_sim.model.compiled.kernel import advance  # noqa: E402
from tests.model.test_kernel import SEED, People, Run, random_people  # noqa: E402

BLOCKS = ((1, 14), (15, 28))
CHUNKS = (256, 1024, 4096)
LOW, HIGH = (np.uint64(half) for half in rng.split(SEED))


def cohort(n_tiles: int) -> People:
    """The random cohort of the tests, all under one draw of the ensemble (JAX then takes its coefficients as one)."""
    people = random_people(1, n_tiles=n_tiles)
    person, chance = people.person, people.chance
    scalar = {k: v if k == "xi" else np.full_like(v, v[0]) for k, v in person.scalar.items()}
    loads = {k: np.broadcast_to(v[0], v.shape).copy() for k, v in person.loads.items()}
    return replace(people, person=replace(person, scalar=scalar, loads=loads), chance=replace(chance, scalar=scalar))


class Tiles:
    """The cohort as the kernel's arrays, advanced by the kernel or by C; one draw also in the lanes without people."""

    def __init__(self, people: People, n_tiles: int) -> None:
        self.first = Run(people, n_tiles=n_tiles)
        self.n_tiles = n_tiles
        self.reports = np.zeros((n_tiles, 14 * rows.N_REPORTS, rows.LANES), dtype=np.float32)

    def fresh(self) -> list[np.ndarray]:
        """The arrays of day 0."""
        r = self.first
        return [r.state.copy(), r.sums.copy(), r.params, r.coefficients, self.reports, r.id_low, r.id_high]

    def run(self, step: Callable[..., None], arrays: Sequence[np.ndarray]) -> None:
        """Two blocks."""
        for first, last in BLOCKS:
            step(*arrays, LOW, HIGH, first, last, True, True)


def seconds(work: Callable[[], Any]) -> float:
    """Time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def ratio(others: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of other over ours."""
    quarter, middle, three = np.percentile(np.asarray(others) / np.asarray(ours), [25, 50, 75])
    return {"ratio": round(middle, 3), "low": round(quarter, 3), "high": round(three, 3)}


def jax_runner(tiles: Tiles) -> Callable[[], Any] | None:
    """Two blocks in JAX on the same arrays, or None where it is not installed."""
    try:
        from benchmarks import jax_kernel
    except ImportError:
        return None
    block = jax_kernel.make(14)
    r = tiles.first
    state, sums, params = (jax_kernel.by_person(a) for a in (r.state, r.sums, r.params))
    low, high, coefficients = r.id_low.ravel(), r.id_high.ravel(), r.coefficients[0]

    def two_blocks() -> Any:
        kept = (state, sums)
        for first, _ in BLOCKS:
            *kept, reports = block(*kept, params, coefficients, low, high, LOW, HIGH, np.uint64(first))
            reports.block_until_ready()
        return kept

    return two_blocks


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, relative to values above 1."""
    return float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(a))))


def check(tiles: Tiles, c_step: Callable[..., None], in_jax: Callable[[], Any] | None) -> dict[str, float]:
    """Differences of the states of C and JAX from the kernel's; an error if they are not the same model."""
    ours, theirs = tiles.fresh(), tiles.fresh()
    tiles.run(advance, ours)
    sent = tiles.reports.copy()
    tiles.run(c_step, theirs)
    differences = {"c": largest_difference(ours[0], theirs[0])}
    if (np.isnan(sent) != np.isnan(tiles.reports)).any():
        raise SystemExit("C sends other reports than the kernel")
    if in_jax is not None:
        state = np.asarray(in_jax()[0]).reshape(rows.N_STATE, tiles.n_tiles, rows.LANES).transpose(1, 0, 2)
        differences["jax"] = largest_difference(ours[0], state)
    if max(differences.values()) > 1e-11:
        raise SystemExit(f"not the same states: {differences}")
    return differences


def on_one_core(n_tiles: int, turns: int) -> dict[str, Any]:
    """Ratios to C, NumPy and JAX."""
    people = cohort(n_tiles)
    tiles, c_step = Tiles(people, n_tiles), c_kernel.load()
    in_jax = jax_runner(tiles)
    result: dict[str, Any] = {"difference": check(tiles, c_step, in_jax)}
    times: dict[str, list[float]] = {name: [] for name in ("kernel", "c", "jax")}
    for turn in range(turns):
        order = [("kernel", advance), ("c", c_step)]
        for name, step in order if turn % 2 else order[::-1]:
            arrays = tiles.fresh()
            times[name].append(seconds(lambda step=step, arrays=arrays: tiles.run(step, arrays)))
        if in_jax is not None:
            times["jax"].append(seconds(in_jax))
    n, few = len(people), max(2, turns // 5)
    everybody = np.zeros(n, dtype=int)

    def in_numpy(chunk: int) -> float:
        return seconds(
            lambda: numpy_kernel.run(lambda k: people.take(k, everybody[k], everybody[k]), n, chunk, BLOCKS, SEED)
        )

    ours, theirs = [], []
    for _ in range(few):
        arrays = tiles.fresh()
        ours.append(seconds(lambda arrays=arrays: tiles.run(advance, arrays)))
        theirs.append(min(in_numpy(chunk) for chunk in CHUNKS if chunk <= max(n, CHUNKS[0])))
    result["kernel_vs_c"] = ratio(times["c"], times["kernel"])
    result["kernel_vs_numpy"] = ratio(theirs, ours)
    if in_jax is not None:
        result["kernel_vs_jax"] = ratio(times["jax"], times["kernel"])
    return result


@njit(nogil=True)
def _spin(n: int) -> float:
    """Work that needs no memory."""
    x = 1.0
    for k in range(n):
        x = x * 0.999999 + 1e-7 * k
    return x


def in_threads(work: Sequence[Callable[[], Any]]) -> float:
    """Time until each of some works has ended in a thread of its own."""
    threads = [threading.Thread(target=part) for part in work]

    def all_of_them() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return seconds(all_of_them)


def on_two_cores(n_tiles: int, turns: int) -> dict[str, Any]:
    """Two threads against one, beside the same of a plain loop: more than that loop the machine does not give."""
    tiles = Tiles(cohort(n_tiles), n_tiles)
    half, n_spin = n_tiles // 2, 30_000_000
    _spin(1)
    times: dict[str, list[float]] = {name: [] for name in ("one", "two", "spin one", "spin two")}
    for _ in range(turns):
        arrays = tiles.fresh()
        times["one"].append(seconds(lambda a=arrays: tiles.run(advance, a)))
        arrays = tiles.fresh()
        parts = [[a[:half] for a in arrays], [a[half:] for a in arrays]]
        times["two"].append(in_threads([lambda p=p: tiles.run(advance, p) for p in parts]))
        times["spin one"].append(2 * seconds(lambda: _spin(n_spin)))
        times["spin two"].append(in_threads([lambda: _spin(n_spin)] * 2))
    return {
        "threads_2_vs_1": ratio(times["one"], times["two"]),
        "plain_loop_2_vs_1": ratio(times["spin one"], times["spin two"]),
    }


def starts(turns: int) -> dict[str, Any]:
    """Seconds of an import and of a warm comparison of 1,000 patients, and both over an empty Python."""
    scenario = (ROOT / "scenarios" / "first_comparison.yaml").read_text().replace("patients: 2000", "patients: 1000")

    def process(*arguments: str) -> float:
        return seconds(lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenario.yaml"
        path.write_text(scenario)
        program = "import sys; from taper_sim.cli import main; sys.exit(main(sys.argv[1:]))"

        def compare(number: int) -> float:
            return process("-c", program, "compare", str(path), "--out", str(Path(folder) / f"run{number}"))

        compare(-1)  # the cache is warm from here on
        empty = min(process("-c", "pass") for _ in range(turns))
        imported = min(process("-c", "import taper_sim") for _ in range(turns))
        compared = min(compare(k) for k in range(turns))
    return {
        "import_s": round(imported, 3),
        "import_vs_empty_python": round(imported / empty, 2),
        "compare_1000_s": round(compared, 2),
        "compare_1000_vs_empty_python": round(compared / empty, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Ratios of speed; above 1 the kernel is faster.")
    parser.add_argument("--quick", action="store_true", help="a small cohort and few turns")
    parser.add_argument("--json", action="store_true", help="one object of ratios instead of lines with quartiles")
    given = parser.parse_args(arguments)
    n_tiles, turns = (32, 5) if given.quick else (128, 25)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    result = on_one_core(n_tiles, turns)
    turn = events_vs_ciw(4_000 if given.quick else 20_000, turns // 2)
    result["events_vs_ciw"] = ratio(turn, np.ones(len(turn)))
    os.sched_setaffinity(0, cores)
    if len(cores) > 1:
        result |= on_two_cores(n_tiles, turns)
    speeds = personal.posterior_vs_nuts(2 if given.quick else 6)
    result["posterior_vs_nuts"] = ratio(speeds, np.ones(len(speeds)))
    if given.json:
        sys.stdout.write(json.dumps(ratios(result), indent=1) + "\n")
        return
    result |= starts(2 if given.quick else 4)
    for name, value in result.items():
        sys.stdout.write(f"{name:30}{_line(value)}\n")


def ratios(result: Mapping[str, Any]) -> dict[str, float]:
    """Plain numbers, above 1 the package is faster: the medians, and threads over what a plain loop gains by them."""
    plain = {name: value["ratio"] for name, value in result.items() if isinstance(value, Mapping) and "ratio" in value}
    loop = plain.pop("plain_loop_2_vs_1", None)
    return plain if loop is None else plain | {"threads_vs_plain_loop": round(plain["threads_2_vs_1"] / loop, 3)}


def _line(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    if "ratio" in value:
        return f"{value['ratio']:.2f}  (quartiles {value['low']:.2f} to {value['high']:.2f})"
    return ", ".join(f"{key} {number:.1e}" for key, number in value.items())


if __name__ == "__main__":
    main()
