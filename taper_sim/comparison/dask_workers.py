"""Work on other machines: workers of a Dask scheduler that the user names. Imports ``jobs``, ``task_pool``.

The only module that talks to a network, and only where an address is given. ``distributed`` is an extra of its own
(``pip install 'taper-sim[distributed]'``) and is imported when it is used. Patients' ids stay here; their numbers
travel, and a hash of the id, which is the key of a patient's draws.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

from taper_sim.comparison.jobs import Part, Plan, Runner, SimulationJob, job_of, unfinished
from taper_sim.comparison.task_pool import Finisher, Task
from taper_sim.data.problems import InputError, Problem
from taper_sim.run_folder import Parts

ALLOWED: Final = "tcp://host:port or tls://host:port, a Dask scheduler that answers and has workers"
_CONNECT_S: Final = 5  # in which a scheduler must answer, and have a worker
_AT_ONCE: Final = 4  # jobs sent ahead for each thread of a worker: enough to keep it busy, few enough to fit in memory
_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "llvmlite")  # what the last bits depend on


def _wrong(given: str, allowed: str = ALLOWED) -> InputError:
    return InputError(Problem("--workers", "", given, allowed))


def versions() -> dict[str, str]:
    """Versions of the libraries on which the last bits depend, on the machine that is asked."""
    return {name: version(name) for name in _LIBRARIES}


def _run(task: Task[Any]) -> Any:
    return task.run()


@contextmanager
def connected(address: str) -> Iterator[Runner]:
    """What runs a plan's jobs on the workers of a scheduler; the parts are kept here.

    Parameters
    ----------
    address : str
        Of the scheduler, ``tcp://host:port`` or ``tls://host:port``.

    Raises
    ------
    InputError
        No such scheduler, no worker, other versions there; later, workers that were lost: what is finished is kept.
    """
    with connected_tasks(address) as finish:
        yield lambda plan, parts, on_progress: _run_all(finish, plan, parts, on_progress)


@contextmanager
def connected_tasks(address: str) -> Iterator[Finisher]:
    """What runs tasks on the workers of a scheduler; parameters and errors of :func:`connected`."""
    try:
        from distributed import Client
    except ImportError:
        allowed = "an installation with it: pip install 'taper-sim[distributed]'"
        raise _wrong(f"{address}, without the library distributed", allowed) from None
    log = logging.getLogger("distributed")
    before = log.level
    log.setLevel(logging.CRITICAL)  # what is wrong is said in one line
    client = None
    try:
        try:
            client = Client(address, timeout=_CONNECT_S, set_as_default=False)
            client.wait_for_workers(1, timeout=_CONNECT_S)
            worker_versions = client.run(versions)
        except ModuleNotFoundError:
            raise _wrong(f"{address}, with a worker without taper_sim", "workers that have it") from None
        except (OSError, ValueError) as error:  # a timeout is an OSError
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise _wrong(f"{address} ({reason})") from None
        _refuse_others(address, worker_versions)
        yield lambda tasks: _finished(client, address, tasks)
    finally:
        if client is not None:
            client.close(timeout=_CONNECT_S)
        log.setLevel(before)


def _refuse_others(address: str, versions_there: dict[str, dict[str, str]]) -> None:
    """Refuse workers whose libraries are not ours: their last bits could differ."""
    here = versions()
    for worker, there in versions_there.items():
        other = [f"{name} {there[name]} (here {here[name]})" for name in here if there[name] != here[name]]
        if other:
            raise _wrong(f"{address}, whose worker {worker} has {', '.join(other)}", "workers with the same versions")


def _run_all(finish: Finisher, plan: Plan, parts: Parts, on_progress: Callable[[int], None]) -> None:
    nameless = replace(plan, cohort=replace(plan.cohort, ids=("",) * len(plan.cohort)))

    def jobs() -> Iterator[tuple[tuple[int, int], SimulationJob]]:
        for arm, chunk, people in unfinished(plan, parts, on_progress):
            yield (arm, chunk), job_of(nameless, arm, people, first=chunk == 0)

    part: Part
    for place, part in finish(jobs()):
        part.keep(parts, *place)
        on_progress(len(part.columns["row"]) * plan.n_days)


def _finished(client: Any, address: str, tasks: Iterable[tuple[Any, Task[Any]]]) -> Iterator[tuple[Any, Any]]:
    from distributed import CancelledError, KilledWorker, as_completed

    waiting = iter(tasks)
    running, key_of = as_completed(loop=client.loop), {}

    def send() -> None:
        following = next(waiting, None)
        if following is not None:
            key, task = following
            future = client.submit(_run, task, pure=False)
            key_of[future.key] = key
            running.add(future)

    for _ in range(_AT_ONCE * sum(client.nthreads().values())):
        send()
    try:
        for future in running:
            result = future.result()
            future.release()
            yield key_of.pop(future.key), result
            send()
    except (KilledWorker, CancelledError) as error:
        allowed = "workers that stay; finished parts were kept, resume continues the run"
        raise _wrong(f"{address}, whose workers were lost ({type(error).__name__})", allowed) from None
