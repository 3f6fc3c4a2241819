"""Linear algebra of one person on one thread. Imports nothing.

The matrices of one person are small. Sharing them out between threads takes a hundred times as long as the product, and
the order of its sums, so the last bits of an answer, would depend on the number of cores.
"""

import threading
from contextlib import ContextDecorator
from functools import cache
from typing import Any, Final

from threadpoolctl import OpenBLASController, ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    """The BLAS libraries of NumPy and SciPy; finding them takes milliseconds."""
    import scipy.linalg.blas  # noqa: F401 - only a library that is loaded is found

    return ThreadpoolController()


class _OneBlasThread(ContextDecorator):
    """Holds BLAS to one thread, for all threads of the process, until the last of those inside has left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit = _libraries().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:  # the thread that set the limit may have left before: only it could lift it
                OpenBLASController.clear_controlling_thread(force=True)
                self._limit.restore_original_limits()
                OpenBLASController.clear_controlling_thread()


one_blas_thread: Final = _OneBlasThread()
"""A context, and a decorator of functions; it may be entered again, and by several threads at once."""
