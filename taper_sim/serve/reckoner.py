"""Answers by the content of a patient's folder, computed after each other. Imports ``recommend``, ``patient_store``.

An answer depends on the files alone. It is kept by a hash of them and of the folder, so that a changed file is computed
again, and the answer of one visitor's patient is never that of another's.
"""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import pandas as pd

from taper_sim.api.examples import shipped_folder
from taper_sim.api.report_forecasts import forecasts_from
from taper_sim.data.problems import InputError
from taper_sim.data.records import History
from taper_sim.recommend.from_files import weigh_from_files
from taper_sim.recommend.own_plan import Weighed, projected
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.record_folder import RecordFolder

_KEPT: Final = 200
"""Answers that are kept in memory; each has a few MB. A design choice."""


@dataclass(frozen=True)
class Reckoned:
    """The answer for a patient, the records, and the forecasts of their reports; None if the model makes none."""

    weighed: Weighed
    history: History
    forecasts: pd.DataFrame | None = None


class Reckoner:
    """Computes answers in a thread of its own, in the order in which they are wanted."""

    def __init__(self) -> None:
        self._computed: OrderedDict[str, Future[Any]] = OrderedDict()
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reckoner")

    def reckoned(self, folder: PatientFolder) -> Reckoned:
        """The answer for a patient, computed now if it is not there; raises InputError with every problem."""
        return self.wanted(folder).result()

    def wanted(self, folder: PatientFolder) -> "Future[Reckoned]":
        """The answer for a patient, which may be in the making."""
        snapshot = folder.snapshot()
        return self.kept(folder.content_hash(), lambda: _reckoned(snapshot))

    def kept[Result](self, key: str, compute: Callable[[], Result]) -> "Future[Result]":
        """What was computed under a key, a hash of everything that it depends on; computed now if it is not there."""
        with self._lock:
            future = self._computed.get(key)
            if future is None or _failed(future):
                future = self._thread.submit(compute)
                self._computed[key] = future
                while len(self._computed) > _KEPT:
                    self._computed.popitem(last=False)
            self._computed.move_to_end(key)
        return future

    def warm_up(self) -> None:
        """Compile what an answer needs, on the shipped example, before the first patient."""
        self._thread.submit(_warmed)

    def stop(self) -> None:
        """Drop what waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _failed(future: "Future[Any]") -> bool:
    """Whether an answer failed for another reason than its files, such as a lack of memory: it is tried again."""
    return future.done() and not isinstance(future.exception(), InputError | None)


def _reckoned(folder: RecordFolder) -> Reckoned:
    arguments = folder.arguments()
    weighed = weigh_from_files(arguments.pop("records"), arguments.pop("doses"), **arguments)[0]
    return Reckoned(weighed, folder.history(), _forecasts(weighed))


def _forecasts(weighed: Weighed) -> pd.DataFrame | None:
    ground = weighed.ground
    if ground is None or not ground.n_reports:
        return None
    return forecasts_from(ground.record, ground.evidence, ground.posterior, ground.seed)


def _warmed() -> None:
    examples = shipped_folder() / "examples"
    weighed = weigh_from_files(
        examples / "checkins.csv",
        examples / "doses.csv",
        baseline=examples / "assessment.yaml",
        limits=examples / "limits.yaml",
    )[0]
    _forecasts(weighed)
    projected(weighed, [])
