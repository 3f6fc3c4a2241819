"""Numba's compiler with other lowering, and with row numbers folded before typing. Imports ``numba`` alone.

The names below ``numba.core`` are not Numba's public interface. Where they are missing, ``jit`` does without this
module.
"""

import operator
from types import ModuleType, SimpleNamespace
from typing import Any, Final

from numba.core import ir
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.ir_utils import build_definitions
from numba.core.lowering import Lower
from numba.core.typed_passes import BaseNativeLowering, NativeLowering
from numba.core.untyped_passes import IRProcessing

_FOLDED: Final = (operator.add, operator.sub, operator.mul)


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


def _is_known(value: Any) -> bool:
    """Whether a value takes part in folding: modules, for what they hold, and integers (not ``bool``)."""
    return isinstance(value, ModuleType) or type(value) is int


def _fold(step: Any, known: dict[str, Any]) -> None:
    """Learn what an assignment gives a temporary; where that follows from known values, assign the result itself."""
    value = step.value
    if isinstance(value, ir.Global | ir.FreeVar | ir.Const):
        result = value.value
    elif not isinstance(value, ir.Expr):
        return
    elif value.op == "getattr" and isinstance(known.get(value.value.name), ModuleType):
        result = getattr(known[value.value.name], value.attr)
        step.value = ir.Global(value.attr, result, step.loc)
    elif value.op == "binop" and value.fn in _FOLDED and {value.lhs.name, value.rhs.name} <= known.keys():
        result = value.fn(known[value.lhs.name], known[value.rhs.name])
        step.value = ir.Const(result, step.loc)
    else:
        return
    if _is_known(result):
        known[step.target.name] = result


def _names_read(step: Any) -> set[str]:
    """Variables that a step reads."""
    source = step.value if isinstance(step, ir.Assign) else step
    if isinstance(source, ir.Var):
        return {source.name}
    return {variable.name for variable in source.list_vars()} if isinstance(source, ir.Inst) else set()


@register_pass(mutates_CFG=True, analysis_only=False)
class _FoldRows(IRProcessing):
    """Makes one number of a row's place before types are inferred.

    Numba types and lowers ``(STATE + r.W) * STRIDE`` in seven steps, and the kernel has 600 such places. LLVM would
    fold them to the same number at the end. Sums of floats are left alone.
    """

    _name: Any = "fold_rows"

    def run_pass(self, state: Any) -> bool:
        """Fold, then drop temporaries that nothing reads any more."""
        super().run_pass(state)
        code = state.func_ir
        assigned_once = {name for name, values in code._definitions.items() if len(values) == 1}
        known: dict[str, Any] = {}
        read: set[str] = set()
        for block in code.blocks.values():
            for step in block.body:
                if isinstance(step, ir.Assign) and step.target.is_temp and step.target.name in assigned_once:
                    _fold(step, known)
                read |= _names_read(step)
        unread = known.keys() - read
        for block in code.blocks.values():
            block.body = [s for s in block.body if not (isinstance(s, ir.Assign) and s.target.name in unread)]
        code._definitions = build_definitions(code.blocks)
        return True


class Wide(Compiler):
    """Compiler of a function that Python calls."""

    lowering: Any = _WideLowering

    def define_pipelines(self) -> Any:
        """Replace the lowering, and fold row numbers before types are inferred."""
        (pipeline,) = super().define_pipelines()
        ours = {IRProcessing: _FoldRows, NativeLowering: self.lowering}
        pipeline.passes = [(ours.get(step, step), what) for step, what in pipeline.passes]
        pipeline.finalize()
        return [pipeline]


class InlinedPart(Wide):
    """Compiler of a function that only becomes part of others."""

    lowering = _PartLowering
