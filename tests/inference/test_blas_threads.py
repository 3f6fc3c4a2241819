"""Linear algebra of one person runs on one thread, and the process gets its threads back."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference.blas_threads import one_blas_thread
from taper_sim.inference.observation import reports_of
from taper_sim.inference.posterior import Evidence, posterior_of
from taper_sim.inference.prior import prior_of
from taper_sim.inference.warm_start import proposal_near
from taper_sim.studies.simulated_people import tapered, until

STILL = np.zeros(29)
EVIDENCE = Evidence(
    prior_of((True, False, False), 1),
    at.couplings(),
    until(tapered(10.0, 28), 28),
    reports_of([], STILL.astype(np.int64), STILL),
)


def blas_threads() -> set[int]:
    """Threads of the libraries of NumPy and SciPy; other tests of the process may have loaded others."""
    libraries = (library for library in ThreadpoolController().lib_controllers if library.user_api == "blas")
    return {library.num_threads for library in libraries if re.search(r"(numpy|scipy)", library.filepath)}


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with one_blas_thread:  # the libraries are loaded
        pass
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        yield


def test_threads_are_given_back_after_an_error_inside_a_nested_use() -> None:
    with pytest.raises(ZeroDivisionError), one_blas_thread, one_blas_thread:
        assert blas_threads() == {1}
        raise ZeroDivisionError
    assert blas_threads() == {2}


def test_the_first_to_leave_does_not_give_the_threads_back_while_another_is_inside() -> None:
    entered, leave = Event(), Event()

    def stays() -> set[int]:
        with one_blas_thread:
            entered.set()
            assert leave.wait(10.0)
            return blas_threads()

    with ThreadPoolExecutor(1) as pool:
        with one_blas_thread:
            inside = pool.submit(stays)
            assert entered.wait(10.0)
        leave.set()
        assert inside.result() == {1}
    assert blas_threads() == {2}


@pytest.mark.parametrize(
    "fit",
    [lambda: posterior_of(EVIDENCE, 64), lambda: proposal_near(EVIDENCE, np.zeros(len(EVIDENCE.prior.names)), 64)],
    ids=["posterior", "proposal"],
)
def test_a_fit_runs_on_one_thread(fit: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    log_posterior = Evidence.log_posterior

    def watched(self: Evidence, z: Floats, *, predicted: bool = False) -> tuple[Floats, Floats, Floats]:
        threads.update(blas_threads())
        return log_posterior(self, z, predicted=predicted)

    monkeypatch.setattr(Evidence, "log_posterior", watched)
    fit()
    assert threads == {1}
