"""What every compiled loop shares: the equations known to Numba, and machine code kept by a hash of its sources.

Imports ``pipeline``, ``day``, ``equations``, ``rng``. Numba by itself looks only at the file of the function it keeps,
and would use old code after a change in ``equations.py``.
"""

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from numba import config, njit
from numba.extending import register_jitable

from taper_sim import rng
from taper_sim.model import day, equations

numba_config: Any = config
_njit: Any = njit  # its stubs know fewer options than it takes

try:
    from taper_sim.model.compiled import pipeline
except ImportError:  # another Numba may lack what ``pipeline`` extends: the same results, compiled more slowly
    _sources: tuple[str, ...] = (__file__,)
    _whole: dict[str, Any] = {}
    _part: dict[str, Any] = {}
else:
    _sources = (__file__, pipeline.__file__)
    _whole = {"pipeline_class": pipeline.Wide, "no_cfunc_wrapper": True}
    _part = {"pipeline_class": pipeline.InlinedPart, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

inlined: Final[Any] = register_jitable(forceinline=True, **_part)
"""How every function that a loop calls is compiled: into its caller.

LLVM inlines by size, and a call left in the loop over lanes keeps all of it from vectorising. Without the wrappers for
calls from outside a function is compiled once instead of three times.
"""

for _module in (equations, day, rng):
    for _, _function in inspect.getmembers(_module, inspect.isfunction):
        if _function.__module__ == _module.__name__:
            inlined(_function)


fast: Final[Any] = _njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, **_whole)
"""How every loop is compiled: kept, without the interpreter's lock; of the fast-math options only ``contract``."""


@contextmanager
def kept_by_sources(file: str, *modules: ModuleType, also: str = "") -> Iterator[None]:
    """Functions that are decorated inside keep their machine code in the user's cache, keyed by their sources.

    Parameters
    ----------
    file : str
        ``__file__`` of the module that decorates.
    *modules : module
        Others whose functions or constants are compiled in; ``equations``, ``day`` and ``rng`` always are.
    also : str
        Anything else the code depends on.
    """
    digest = hashlib.sha256()
    for module in (equations, day, rng, *modules):
        digest.update(inspect.getsource(module).encode())
    for path in (*_sources, file):
        digest.update(Path(path).read_bytes())
    digest.update(also.encode())
    before = numba_config.CACHE_DIR
    root = before or str(Path.home() / ".cache" / "taper_sim")
    numba_config.CACHE_DIR = str(Path(root) / digest.hexdigest()[:16])
    try:
        yield
    finally:
        numba_config.CACHE_DIR = before
