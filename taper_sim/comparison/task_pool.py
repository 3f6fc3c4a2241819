"""Independent tasks on processes of this machine or on workers of a scheduler. Imports ``data.problems``.

A task holds all that it needs, so no number depends on where it runs. The clinic's queue is Python code, which threads
do not speed up. Jobs of a comparison spend their time in the kernel and run in threads (``comparison.jobs``).
"""

import gc
import multiprocessing
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Protocol

from taper_sim.data.problems import problem

MAX_PROCESSES: Final = 256
ALLOWED_WORKERS: Final = f"a number of processes, 1 to {MAX_PROCESSES}, or tcp://host:port of a Dask scheduler"


class Task[Result](Protocol):
    """Work that can be sent to another process."""

    def run(self) -> Result:
        """Result of the work."""
        ...


class Finisher(Protocol):
    """Runs tasks; yields the key and the result of each as it finishes, in any order. Tasks are taken as needed."""

    def __call__[Key, Result](self, tasks: Iterable[tuple[Key, Task[Result]]]) -> Iterator[tuple[Key, Result]]:
        """Run the tasks."""
        ...


def task_pool(workers: int | str) -> AbstractContextManager[Finisher]:
    """Runner of tasks.

    Parameters
    ----------
    workers : int or str
        Number of processes; 1 runs every task in this process. Or the address of a Dask scheduler.

    Raises
    ------
    InputError
        For a number out of range, or a scheduler that does not answer.
    """
    if isinstance(workers, str):
        from taper_sim.comparison.dask_workers import connected_tasks

        return connected_tasks(workers)
    if not 1 <= workers <= MAX_PROCESSES:
        raise problem("--workers", "", workers, ALLOWED_WORKERS)
    return nullcontext(run_here) if workers == 1 else _processes(workers)


def run_here[Key, Result](tasks: Iterable[tuple[Key, Task[Result]]]) -> Iterator[tuple[Key, Result]]:
    """Run each task in this process, in order."""
    for key, task in tasks:
        yield key, task.run()


def _run(task: Task[Any]) -> Any:
    return task.run()


@contextmanager
def _processes(n: int) -> Iterator[Finisher]:
    """Processes that start afresh: a copy of this one could hold locks of its threads.

    They search for garbage as rarely as this process does.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n, fresh, initializer=gc.set_threshold, initargs=gc.get_threshold()) as pool:
        try:
            yield lambda tasks: _finished(pool.submit, tasks, 2 * n)
        except BrokenProcessPool:
            allowed = "processes that stay; finished parts were kept, resume continues the run"
            raise problem("--workers", "", f"{n}, of which one was ended", allowed) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(
    submit: Callable[..., Future[Any]], tasks: Iterable[tuple[Any, Task[Any]]], most: int
) -> Iterator[tuple[Any, Any]]:
    """Keep at most ``most`` tasks sent, so that tasks that wait need no memory."""
    waiting = iter(tasks)
    running: dict[Future[Any], Any] = {}
    while True:
        while len(running) < most and (following := next(waiting, None)) is not None:
            key, task = following
            _refuse_unsendable(task)
            running[submit(_run, task)] = key
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


def _refuse_unsendable(task: Task[Any]) -> None:
    try:
        pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        given = f"several processes, for a policy that cannot be sent to one ({error})"
        raise problem("--workers", "", given, "1, or policies of a module that can be imported") from None
