"""Courses of every protocol on every chunk of a cohort, each part kept. Imports ``simulation``, ``run_folder``.

The kernel works without Python's lock, so threads use the cores; every job builds its own policy, so none is shared.
Bits do not depend on workers or chunks: a person's course depends on seed, key, parameters and policy alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.comparison.measured_outcomes import BEYOND_COLUMNS, beyond_expected, measure
from taper_sim.comparison.outcomes import ALL
from taper_sim.comparison.replicates import keys_of
from taper_sim.policies.interface import Policy
from taper_sim.run_folder import Parts
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import TRACKED, run
from taper_sim.simulation.ensemble import Ensemble, draw_of
from taper_sim.simulation.layout import CarePlan, arrays_of

CHUNK: Final = 4096  # people a job: some 30 MB of arrays
FIGURE_PEOPLE: Final = 4096  # whose trajectories are kept for the figures: those of the first chunk
SNAPSHOT_EVERY_D: Final = 7
_KEPT_NUMBERS: Final = 5_000_000  # of finished arms in memory: 40 MB


@dataclass(frozen=True)
class Arm:
    """A protocol of a comparison: its name, how to build a fresh policy, the care planned with it."""

    name: str
    build: Callable[[], Policy]
    care: CarePlan


@dataclass(frozen=True)
class Plan:
    """Everything that a comparison's numbers depend on.

    ``replicates`` is the number of draws under which each person lives (``comparison.replicates``). The plan's rows are
    the people, then replicate by replicate.
    """

    cohort: Cohort
    arms: Sequence[Arm]
    ensemble: Ensemble
    seed: int
    n_days: int
    weights: Mapping[str, float]
    replicates: int = 1

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """Key of each row, (n_rows,)."""
        return keys_of(self.cohort.keys, self.ensemble.n_draws, self.replicates)

    @cached_property
    def draw(self) -> Ints:
        """The draw each row lives under, (n_rows,)."""
        return draw_of(self.keys, self.ensemble.n_draws)

    @property
    def n_rows(self) -> int:
        """People times replicates."""
        return len(self.cohort) * self.replicates

    def people(self, chunk: Ints) -> Cohort:
        """The cohort of some rows."""
        return replace(self.cohort.take(chunk % len(self.cohort)), keys=self.keys[chunk])

    def chunks(self) -> list[Ints]:
        """Rows of each chunk, those of one draw together, so that few lanes of a tile are empty."""
        order = np.argsort(self.draw, kind="stable")
        return [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]

    def snapshot_days(self) -> list[int]:
        """Days of the figures' points."""
        return sorted({*range(SNAPSHOT_EVERY_D, self.n_days + 1, SNAPSHOT_EVERY_D), self.n_days})


def part_name(arm: int, chunk: int) -> str:
    """Name of the finished part of an arm and a chunk."""
    return f"arm{arm:02d}-chunk{chunk:05d}.parquet"


def trajectory_name(arm: int) -> str:
    """Name of the part with the first chunk's tracked rows."""
    return f"arm{arm:02d}-trajectories.npz"


@dataclass(frozen=True)
class SimulationJob:
    """One arm on one chunk, with all that it needs: it can be sent to another machine.

    ``people`` are the chunk's rows in the plan, ``cohort`` those people, ``snapshot_days`` empty but in the first.
    ``n_people`` is the number of people of the plan; rows from there on are replicates, which no figure shows.
    """

    people: Ints
    cohort: Cohort
    policy: Policy
    care: CarePlan
    ensemble: Ensemble
    seed: int
    n_days: int
    weights: Mapping[str, float]
    snapshot_days: Sequence[int]
    n_people: int

    def run(self, on_progress: Callable[[int], None] | None = None) -> "Part":
        """Simulate and measure; see :func:`taper_sim.simulation.days.run`."""
        course = run(
            self.cohort,
            self.policy,
            self.ensemble,
            self.seed,
            self.n_days,
            self.care,
            arrays=arrays_of(self.cohort, self.ensemble, self.seed, self.care),
            snapshot_days=self.snapshot_days,
            on_progress=on_progress,
        )
        rounding = np.abs(course.rounding).max(axis=(0, 2)).astype(np.float64)
        columns = {
            "row": self.people,
            **measure(course, self.weights),
            **beyond_expected(course),
            "rounding_error": rounding,
        }
        kept = None
        if course.snapshots is not None:
            names = [*(name for name, _ in TRACKED), "dose"]
            shown = np.flatnonzero(self.people < self.n_people)[:FIGURE_PEOPLE]
            kept = {
                "day": np.array(course.snapshot_days),
                "names": np.array(names),
                "values": course.snapshots[:, :, shown],
                "ordered": course.ordered[:, shown].mean(axis=1),
                "block_start": np.array([first for first, _ in course.days]),
            }
        return Part(columns, kept)


@dataclass(frozen=True)
class Part:
    """What a job gives: one number a person of every outcome, and of the first chunk the figures' trajectories."""

    columns: Mapping[str, NDArray[Any]]
    trajectories: Mapping[str, NDArray[Any]] | None

    def keep(self, parts: Parts, arm: int, chunk: int) -> None:
        """Write it among the parts of a run."""
        if self.trajectories is not None:
            parts.keep_arrays(trajectory_name(arm), self.trajectories)
        parts.keep_table(part_name(arm, chunk), pa.table(dict(self.columns)))


def job_of(plan: Plan, arm: int, people: Ints, *, first: bool) -> SimulationJob:
    """The job of an arm and of a chunk's people, with a policy of its own."""
    return SimulationJob(
        people,
        plan.people(people),
        plan.arms[arm].build(),
        plan.arms[arm].care,
        plan.ensemble,
        plan.seed,
        plan.n_days,
        plan.weights,
        plan.snapshot_days() if first else (),
        len(plan.cohort),
    )


def unfinished(plan: Plan, parts: Parts, on_progress: Callable[[int], None]) -> Iterator[tuple[int, int, Ints]]:
    """Arm, chunk and people of what is not finished yet; finished parts are ticked off at once."""
    for chunk, people in enumerate(plan.chunks()):
        for arm in range(len(plan.arms)):
            drawn = chunk > 0 or parts.is_finished(trajectory_name(arm))
            if drawn and parts.is_finished(part_name(arm, chunk), len(people)):
                on_progress(len(people) * plan.n_days)
            else:
                yield arm, chunk, people


Runner = Callable[[Plan, Parts, Callable[[int], None]], None]
"""What runs a plan's unfinished jobs into the parts of a run, reporting patient-days as they are done."""


def run_jobs(plan: Plan, parts: Parts, on_progress: Callable[[int], None], *, workers: int) -> None:
    """Run what is not finished yet, in threads of this process.

    Parameters
    ----------
    plan : Plan
    parts : Parts
        Of the run.
    on_progress : callable
        Called with patient-days as they are done (finished parts count at once).
    workers : int
        Threads.
    """

    def work(arm: int, chunk: int, people: Ints) -> None:
        job_of(plan, arm, people, first=chunk == 0).run(on_progress).keep(parts, arm, chunk)

    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(work, *what) for what in unfinished(plan, parts, on_progress)]
        try:
            for done in as_completed(waiting):
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Finished(Mapping[str, Mapping[str, Floats]]):
    """One number a row of the plan of every arm, read from the parts when asked for: people first, in their order.

    Two arms are kept in memory, or more if they are small: a comparison of many protocols on many people needs no more
    memory than one of two.
    """

    def __init__(self, plan: Plan, parts: Parts):
        self.plan, self.parts = plan, parts
        self._columns: Final = [*(o.name for o in ALL), *BEYOND_COLUMNS, "rounding_error"]
        self._most_kept: Final = max(2, _KEPT_NUMBERS // (plan.n_rows * len(self._columns)))
        self._kept: dict[str, dict[str, Floats]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(arm.name for arm in self.plan.arms)

    def __len__(self) -> int:
        return len(self.plan.arms)

    def __getitem__(self, name: str) -> Mapping[str, Floats]:
        if name not in self._kept:
            columns = self._read([arm.name for arm in self.plan.arms].index(name))
            while len(self._kept) >= self._most_kept:
                self._kept.pop(next(iter(self._kept)))
            self._kept[name] = columns
        self._kept[name] = self._kept.pop(name)
        return self._kept[name]

    def _read(self, arm: int) -> dict[str, Floats]:
        """One number a row of every outcome of an arm; every row of the plan must be there."""
        n = self.plan.n_rows
        columns = {column: np.full(n, np.nan) for column in self._columns}
        filled: Bools = np.zeros(n, dtype=bool)  # NaN may also say that a patient has no such number
        for chunk, people in enumerate(self.plan.chunks()):
            part_ = part_name(arm, chunk)
            part = self.parts.needed(part_, self.parts.table(part_, len(people)))
            row = part["row"].to_numpy()
            if not np.array_equal(row, people):
                raise AssertionError(f"{part_} holds other people than the plan")
            for column, values in columns.items():
                values[row] = part[column].to_numpy()
            filled[row] = True
        if not filled.all():
            raise AssertionError(f"{int((~filled).sum())} of {n} rows of the plan are missing under arm {arm}")
        return columns
