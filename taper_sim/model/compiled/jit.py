"""What every compiled loop shares: the equations known to Numba, and machine code kept by a hash of its sources.

Imports ``day``, ``equations``, ``rng``. Numba by itself looks only at the file of the function it keeps, and would use
old code after a change in ``equations.py``.
"""

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

from numba import config, njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import BaseNativeLowering, NativeLowering
from numba.extending import register_jitable

from taper_sim import rng
from taper_sim.model import day, equations

numba_config: Any = config
_njit: Any = njit  # its stubs know fewer options than it takes


class _WideLower(Lower):
    """Lets LLVM use 512-bit registers where the processor has them.

    LLVM keeps to 256 bits on most such processors, for the sake of code that is not vectors throughout.
    """

    def setup_function(self, fndesc: Any) -> None:
        super().setup_function(fndesc)
        set.add(self.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own add knows no such pairs


class _PartLibrary(JITCodeLibrary):
    """Code that only becomes part of other functions: neither optimised nor turned into machine code by itself."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """None: there is no machine code."""
        return 0

    @property
    def codegen(self) -> Any:
        """What Numba tells where a function's environment is; code that is only a part has none of its own."""
        return SimpleNamespace(set_env=lambda name, env: None)


@register_pass(mutates_CFG=True, analysis_only=False)
class _WideLowering(BaseNativeLowering):
    _name: Any = "wide_native_lowering"

    @property
    def lowering_class(self) -> Any:
        return _WideLower


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    _name: Any = "part_native_lowering"

    def run_pass(self, state: Any) -> Any:
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().run_pass(state)


class _Wide(Compiler):
    """Numba's compiler with another lowering."""

    lowering: Any = _WideLowering

    def define_pipelines(self) -> Any:
        """Replace the lowering."""
        (pipeline,) = super().define_pipelines()
        pipeline.passes = [
            (self.lowering, what) if step is NativeLowering else (step, what) for step, what in pipeline.passes
        ]
        pipeline.finalize()
        return [pipeline]


class _Part(_Wide):
    lowering = _PartLowering


inlined: Final[Any] = register_jitable(
    forceinline=True, pipeline_class=_Part, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""How every function that a loop calls is compiled: into its caller.

LLVM inlines by size, and a call left in the loop over lanes keeps all of it from vectorising. Without the wrappers for
calls from outside a function is compiled once instead of three times.
"""

for _module in (equations, day, rng):
    for _, _function in inspect.getmembers(_module, inspect.isfunction):
        if _function.__module__ == _module.__name__:
            inlined(_function)


fast: Final[Any] = _njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, pipeline_class=_Wide, no_cfunc_wrapper=True
)
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
