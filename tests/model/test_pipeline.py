"""Numba's compiler as the project extends it: folding of row numbers, and a Numba without the extended names."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, types

from taper_sim.model.compiled import rows as r
from taper_sim.model.compiled.pipeline import Wide
from taper_sim.model.compiled.rows import PARAM, STRIDE

WITHOUT_PIPELINE = """
import sys
sys.modules["taper_sim.model.compiled.pipeline"] = None  # its import fails, as where Numba lacks what it extends
from taper_sim.model.compiled.jit import fast, inlined

@inlined
def double(x):
    return 2.0 * x

@fast
def total(n):
    s = 0.0
    for k in range(n):
        s += double(k)
    return s

print(total.py_func(4) == total(4) == 12.0)
"""


def _place(j: int) -> int:
    return (PARAM + r.HAZARD - 1) * STRIDE + j


def _counted(n: int) -> int:
    step = 1
    for _ in range(n):
        step = step + 2 if n > 3 else 3
    return step * STRIDE


def _compiled(function: Any) -> Any:
    return njit(pipeline_class=Wide)(function)


def test_no_module_and_no_partial_sum_of_a_place_is_typed() -> None:
    place: Any = _compiled(_place)
    assert place(3) == _place(3)
    (overload,) = place.overloads.values()
    typed = overload.type_annotation.typemap.values()
    assert not [t for t in typed if isinstance(t, types.Module)]
    assert len([t for t in typed if isinstance(t, types.Integer)]) <= 6  # argument, place, sum and their copies


def test_a_variable_that_changes_is_not_folded() -> None:
    counted: Any = _compiled(_counted)
    assert [counted(n) for n in range(6)] == [_counted(n) for n in range(6)]


def test_a_float_sum_and_a_call_through_a_module_keep_their_values() -> None:
    def root(x: float) -> float:
        return np.sqrt(x) + 0.1 + 0.2

    assert _compiled(root)(2.0) == root(2.0)


def test_without_the_extended_names_functions_compile_with_numbas_own_compiler(tmp_path: Path) -> None:
    script = tmp_path / "without.py"
    script.write_text(WITHOUT_PIPELINE)
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "True", done.stderr
