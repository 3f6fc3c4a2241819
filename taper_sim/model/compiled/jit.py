"""What every compiled loop shares: the equations known to Numba, and machine code kept by a hash of its sources.

Imports ``equations``, ``rng``. Numba by itself looks only at the file of the function it keeps, and would go on using
old code after a change in ``equations.py``.
"""

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from numba import config, njit, types
from numba.extending import intrinsic, register_jitable

from taper_sim import rng
from taper_sim.model import equations

numba_config: Any = config

for _module in (equations, rng):
    for _, _function in inspect.getmembers(_module, inspect.isfunction):
        if _function.__module__ == _module.__name__:
            # LLVM inlines by size, and a call left in the loop over lanes keeps all of it from vectorising.
            register_jitable(forceinline=True)(_function)


fast: Final[Any] = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
"""How every loop is compiled: kept, without the interpreter's lock; of the fast-math options only ``contract``."""


@intrinsic
def _wide(typing_context: Any) -> Any:
    """Let the compiler use 512-bit registers in the function that calls this, where the processor has them.

    LLVM keeps to 256 bits on most such processors, for the sake of code that is not vectors throughout.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own add knows no such pairs
        return context.get_dummy_value()

    return types.none(), generate


wide: Final[Any] = _wide  # an intrinsic is called without its typing context


@contextmanager
def kept_by_sources(file: str, *modules: ModuleType, also: str = "") -> Iterator[None]:
    """Functions that are decorated inside keep their machine code in the user's cache, keyed by their sources.

    Parameters
    ----------
    file : str
        ``__file__`` of the module that decorates.
    *modules : module
        Others whose functions or constants are compiled in; ``equations`` and ``rng`` always are.
    also : str
        Anything else the code depends on.
    """
    digest = hashlib.sha256()
    for module in (equations, rng, *modules):
        digest.update(inspect.getsource(module).encode())
    for path in (__file__, file):
        digest.update(Path(path).read_bytes())
    digest.update(also.encode())
    before = numba_config.CACHE_DIR
    root = before or str(Path.home() / ".cache" / "taper_sim")
    numba_config.CACHE_DIR = str(Path(root) / digest.hexdigest()[:16])
    try:
        yield
    finally:
        numba_config.CACHE_DIR = before
