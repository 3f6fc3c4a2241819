"""The day loop in JAX: ``jit`` and ``lax.scan``, float64, on whole rows of people.

It transforms the sources of ``model.compiled``: ``a if c else b`` becomes ``where(c, a, b)``, the loop over lanes
becomes one step over all people, and ``np`` is ``jax.numpy``. ``exp``,
``log``, ``cos`` and ``sin`` are JAX's own. Import it before any other use of JAX, because it sets one thread.
"""

import ast
import inspect
import os
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np

from taper_sim import rng
from taper_sim.model import day as day_of_model
from taper_sim.model import equations
from taper_sim.model.compiled import events, patient_day, reports, rows
from taper_sim.model.compiled.rows import Coefficients

jax.config.update("jax_enable_x64", True)


class _Choices(ast.NodeTransformer):
    """``a if c else b`` as ``np.where(c, a, b)``; no decorators."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """Replace a choice."""
        self.generic_visit(node)
        where = ast.parse("np.where", mode="eval").body
        return ast.Call(func=where, args=[node.test, node.body, node.orelse], keywords=[])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop decorators."""
        self.generic_visit(node)
        node.decorator_list = []
        return node


def _in_jax(module: ModuleType, known: dict[str, Any]) -> dict[str, Any]:
    """The functions of a module on rows of people. Names in ``known`` stand for what the module imports."""
    tree = _Choices().visit(ast.parse(inspect.getsource(module)))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = {**vars(module), **known}
    exec(compile(ast.fix_missing_locations(tree), module.__name__, "exec"), names)  # noqa: S102
    return names


def _cos_sin_turn(u: Any) -> Any:
    angle = 2.0 * jnp.pi * u
    return jnp.cos(angle), jnp.sin(angle)


def _one_word(value: Any) -> Any:
    return jax.lax.bitcast_convert_type(value, jnp.uint64)


def _functions(module: ModuleType, known: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in _in_jax(module, known).items() if inspect.isfunction(v)}


_equations = SimpleNamespace(**_functions(equations, {"np": jnp}))
_known = _functions(day_of_model, {"eq": _equations}) | {
    "eq": _equations,
    "np": jnp,
    "LANES": 1,
    "STRIDE": 1,
    "exp": jnp.exp,
    "log": jnp.log,
    "one_minus_exp": lambda h: 1.0 - jnp.exp(-h),
    "cos_sin_turn": _cos_sin_turn,
    "uniform": rng.uniform,
    "bits": _one_word,
}
_known["put_where"] = lambda x, at, when, new: x.__setitem__(at, jnp.where(when, new, x[at]))
_lanes = _in_jax(patient_day, _known) | {"put_where": _known["put_where"]}
_chance = _in_jax(events, _known) | _in_jax(reports, _known)


def make(n_days: int) -> Callable[..., Any]:
    """``advance`` of a block of ``n_days``, compiled on its first call.

    Its arguments are state, sums and params as (row, person), the coefficients as one draw for everybody, the halves of
    keys and seed, and the first day; it returns state, sums and reports, (day, stream, person) in float32.
    """
    n_kept = rows.N_STATE + rows.N_SUMS

    def day(kept: Any, number: Any, params: Any, c: Any, low: Any, high: Any, seed_low: Any, seed_high: Any) -> Any:
        x: dict[int, Any] = dict(enumerate(kept)) | {rows.PARAM + k: row for k, row in enumerate(params)}
        x[patient_day.ID_LOW], x[patient_day.ID_HIGH] = (
            jax.lax.bitcast_convert_type(half, jnp.float64) for half in (low, high)
        )
        as_float = number.astype(jnp.float64)
        _lanes["draw"](x, seed_low, seed_high, number, True)
        _lanes["doses"](x, c, as_float)
        for k in range(3):
            _lanes["medicine"](x, c, k)
        _lanes["person"](x, c)
        _chance["events_of_day"](x, c, as_float)
        _chance["reports_of_day"](x, c, as_float)
        _chance["add_up"](x, c, as_float)
        sent = tuple(x[rows.REPORT + k].astype(jnp.float32) for k in range(rows.N_REPORTS))
        return tuple(x[k] for k in range(n_kept)), sent

    @jax.jit
    def advance(
        state: Any,
        sums: Any,
        params: Any,
        coefficients: Any,
        low: Any,
        high: Any,
        seed_low: Any,
        seed_high: Any,
        first: Any,
    ) -> Any:
        c = Coefficients(*coefficients)
        days = first + jnp.arange(n_days, dtype=jnp.uint64)
        kept, sent = jax.lax.scan(
            lambda kept, number: day(kept, number, params, c, low, high, seed_low, seed_high), (*state, *sums), days
        )
        return jnp.stack(kept[: rows.N_STATE]), jnp.stack(kept[rows.N_STATE :]), jnp.stack(sent, axis=1)

    return advance


def by_person(array: np.ndarray) -> Any:
    """(tile, row, lane) as (row, person) of JAX."""
    return jnp.asarray(np.ascontiguousarray(array.transpose(1, 0, 2)).reshape(array.shape[1], -1))
