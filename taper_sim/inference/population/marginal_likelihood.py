"""Marginal likelihood of several people and its gradient, compiled and as a PyTensor operation. Imports ``model``.

``hierarchy.Draws`` defines the same sum in NumPy. One pass over a person's draws, while they are in the cache, gives
sum and gradient; automatic differentiation would write and read every draw of every person several times.
"""

import math
from typing import Any, Final

import numba
import numpy as np
from numba.extending import register_jitable
from pytensor import tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch import numba_funcify

from taper_sim.array_types import Floats
from taper_sim.model.compiled.elementary import exp, log

_exact: Final[Any] = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
_rearranged: Final[Any] = numba.njit(
    cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy"
)  # the compiler may reorder sums into lanes
ROBUST_DF: Final = 4.0
"""Degrees of freedom of the Student t between people with ``robust``. Source: A47."""
_N_DATA: Final = 9  # arguments of the sum before its parameters
_FACTORS: Final = 16  # factors 1 + off²/4 for each logarithm: their product is finite for values up to 1e9 spreads away


@_exact
def _exponentials(log_p: Floats, top: float) -> None:
    """``exp(log_p - top)`` in place.

    A separate function compiled without fast math: inlined code would inherit the caller's permission to reorder sums,
    which breaks the rounding that the exponential relies on.
    """
    for s in range(len(log_p)):
        log_p[s] = exp(log_p[s] - top)


@_exact
def _less_logs(log_p: Floats, factor: float, product: Floats) -> None:
    """Subtract ``factor * log(product)`` in place; separate from its caller like :func:`_exponentials`."""
    for s in range(len(log_p)):
        log_p[s] -= factor * log(product[s])


@_exact
def _bent(log_p: Floats, x: Floats, m: float, spread: float, bend: float, robust: bool) -> None:
    """Add the log density of a value ``m + spread sinh(bend z)/bend`` in place, without its spread."""
    for s in range(len(log_p)):
        t = abs(bend * (x[s] - m) / spread)
        root = math.sqrt(1.0 + t * t)
        z = log(t + root) / bend
        if robust:
            log_p[s] -= 0.5 * (ROBUST_DF + 1.0) * log(1.0 + z * z / ROBUST_DF) + log(root)
        else:
            log_p[s] -= 0.5 * z * z + log(root)


@_exact
def _bent_moments(w: Floats, x: Floats, m: float, spread: float, bend: float, robust: bool) -> tuple[float, float]:
    """As :func:`_moments`, of a value ``m + spread sinh(bend z)/bend``."""
    first, second = 0.0, 0.0
    for s in range(len(w)):
        off = (x[s] - m) / spread
        t = bend * off
        root = math.sqrt(1.0 + t * t)
        z = log(abs(t) + root) / bend
        z = z if t > 0.0 else -z
        pull = (ROBUST_DF + 1.0) * z / (ROBUST_DF + z * z) if robust else z
        pull = w[s] * (pull / root + bend * t / (root * root))
        first += pull
        second += pull * off
    return first / spread, second


@register_jitable
def _independent(u: Floats, x: Floats, mean: Floats, spread: Floats, whiten: Floats, joint: Any, a: int) -> None:
    """Independent normal ``a`` of the correlated values ``joint``, of every draw, to ``u``."""
    u[:] = 0.0
    for b in range(a + 1):
        k = joint[b]
        m, scale = mean[k], whiten[joint[a], k] / spread[k]
        for s in range(len(u)):
            u[s] += (x[k, s] - m) * scale


@register_jitable
def _densities(
    log_p: Floats,
    lw: Floats,
    x: Floats,
    has_value: Floats,
    mean: Floats,
    spread: Floats,
    bend: Floats,
    whiten: Floats,
    joint: Any,
    alone: Any,
    u: Floats,
    robust: bool,
) -> None:
    """Write log weight plus log density of each draw of one person to ``log_p``, without terms common to all draws.

    ``joint`` and ``alone`` are the places of the correlated and of the independent values; ``u`` is room for a value of
    every draw.
    """
    n = len(log_p)
    for s in range(n):
        log_p[s] = lw[s]
    product = np.ones(n)
    held = 0
    for k in range(len(mean)):
        if alone[k] and has_value[k] > 0.0:
            if bend[k] > 0.0:
                _bent(log_p, x[k], mean[k], spread[k], bend[k], robust)
            elif robust:
                m, scale = mean[k], 1.0 / (spread[k] ** 2 * ROBUST_DF)
                for s in range(n):
                    product[s] *= 1.0 + (x[k, s] - m) ** 2 * scale
                held += 1
            else:
                m, half = mean[k], 0.5 / spread[k] ** 2
                for s in range(n):
                    log_p[s] -= half * (x[k, s] - m) ** 2
        if held == _FACTORS or (robust and k == len(mean) - 1):
            _less_logs(log_p, 0.5 * (ROBUST_DF + 1.0), product)
            product[:] = 1.0
            held = 0
    for a in range(len(joint)):
        _independent(u, x, mean, spread, whiten, joint, a)
        for s in range(n):
            if robust:
                product[s] *= 1.0 + u[s] * u[s] / ROBUST_DF
            else:
                log_p[s] -= 0.5 * u[s] * u[s]
    if robust:
        _less_logs(log_p, 0.5 * (ROBUST_DF + 1.0), product)


@register_jitable
def _moments(w: Floats, x: Floats, m: float, spread: float, robust: bool) -> tuple[float, float]:
    """Weighted mean of the derivative of the log density by the mean, and by the log of the spread without its -1."""
    first, second = 0.0, 0.0
    if robust:
        for s in range(len(w)):
            off = (x[s] - m) / spread
            pull = w[s] * off * ((ROBUST_DF + 1.0) / (ROBUST_DF + off * off))
            first += pull
            second += pull * off
    else:
        for s in range(len(w)):
            off = (x[s] - m) / spread
            first += w[s] * off
            second += w[s] * off * off
    return first / spread, second


@_rearranged
def log_marginal_likelihood(
    log_weight: Floats,
    x: Floats,
    has_value: Floats,
    drift2: Floats,
    n_drift: Floats,
    trait: Floats,
    moved: Floats,
    bend: Floats,
    whiten: Floats,
    centre: Floats,
    spread: Floats,
    drift_sd: float,
    effect: Floats,
    robust: bool,
) -> tuple[float, Floats, Floats, float, Floats]:
    """Sum over people of the log of the summed weights, and its gradient.

    Equation: ``sum_q log sum_s exp(log_weight_qs + log p(x_qs | centre, spread, drift_sd, effect))``

    Parameters
    ----------
    log_weight : ndarray, (n_people, n_draws)
    x : ndarray, (n_people, n_keys, n_draws)
        The draws of one value are contiguous.
    has_value : ndarray, (n_people, n_keys)
        1 if the person has that value.
    drift2 : ndarray, (n_people, n_draws)
    n_drift : ndarray, (n_people,)
    trait : ndarray, (n_people, n_traits)
    moved : ndarray, (n_keys,)
        1 for values that depend on traits; these are normal and independent.
    bend : ndarray, (n_keys,)
        ``h`` of a value ``centre + spread sinh(h z)/h`` of a normal z; 0 for a normal value.
    whiten : ndarray, (n_keys, n_keys)
        Lower triangle that makes independent normals of those of the values; correlated values have no bend.
    centre, spread : ndarray, (n_keys,)
    drift_sd : float
    effect : ndarray, (n_traits,)
    robust : bool
        Student t distribution between people.

    Returns
    -------
    tuple
        The sum up to a constant, then its derivatives by centre, spread, drift_sd, effect.
    """
    n_people, n_keys, n = x.shape
    total, by_drift = 0.0, 0.0
    by_centre, by_spread, by_effect = np.zeros(n_keys), np.zeros(n_keys), np.zeros(len(effect))
    log_p, mean, u = np.empty(n), np.empty(n_keys), np.empty(n)
    alone = np.ones(n_keys, dtype=np.bool_)
    for k in range(n_keys):
        for r in range(k):
            if whiten[k, r] != 0.0:
                alone[k] = alone[r] = False
    joint = np.flatnonzero(~alone)
    drift_precision = 1.0 / drift_sd**2
    for q in range(n_people):
        shift = 0.0
        for t in range(len(effect)):
            shift += trait[q, t] * effect[t]
        for k in range(n_keys):
            mean[k] = centre[k] + shift * moved[k]
        _densities(log_p, log_weight[q], x[q], has_value[q], mean, spread, bend, whiten, joint, alone, u, robust)
        top = -np.inf
        for s in range(n):
            log_p[s] -= 0.5 * drift_precision * drift2[q, s]
            top = max(top, log_p[s])
        _exponentials(log_p, top)
        mass, drifted = 0.0, 0.0
        for s in range(n):
            mass += log_p[s]
            drifted += log_p[s] * drift2[q, s]
        for s in range(n):
            log_p[s] /= mass
        total += top + np.log(mass) - n_drift[q] * np.log(drift_sd)
        by_drift += drifted / mass * drift_precision - n_drift[q]
        by_shift = 0.0
        for k in range(n_keys):
            if alone[k] and has_value[q, k] > 0.0:
                if bend[k] > 0.0:
                    slope, second = _bent_moments(log_p, x[q, k], mean[k], spread[k], bend[k], robust)
                else:
                    slope, second = _moments(log_p, x[q, k], mean[k], spread[k], robust)
                by_centre[k] += slope
                by_shift += slope * moved[k]
                by_spread[k] += second - 1.0
                total -= np.log(spread[k])
        for a in range(len(joint)):
            _independent(u, x[q], mean, spread, whiten, joint, a)
            for s in range(n):
                factor = (ROBUST_DF + 1.0) / (ROBUST_DF + u[s] * u[s]) if robust else 1.0
                u[s] *= log_p[s] * factor
            for b in range(a + 1):
                k = joint[b]
                load, m, first, second = whiten[joint[a], k], mean[k], 0.0, 0.0
                for s in range(n):
                    first += u[s]
                    second += u[s] * (x[q, k, s] - m)
                by_centre[k] += load * first / spread[k]
                by_spread[k] += load * second / spread[k]
            by_spread[joint[a]] -= 1.0
            total -= np.log(spread[joint[a]])
        for t in range(len(effect)):
            by_effect[t] += trait[q, t] * by_shift
    return total, by_centre, by_spread / spread, by_drift / drift_sd, by_effect


class LogMarginalLikelihood(Op):
    """:func:`log_marginal_likelihood` as a PyTensor operation of data and parameters, with its own gradient.

    Only the first output, the sum, may be differentiated.
    """

    __props__ = ("robust",)

    def __init__(self, robust: bool) -> None:
        self.robust = robust

    def make_node(self, *inputs: Any) -> Apply:
        """Inputs of :func:`log_marginal_likelihood` in its order, ``robust`` left out."""
        variables = [pt.as_tensor_variable(i) for i in inputs]
        centre, spread, drift, effect = variables[_N_DATA:]
        return Apply(self, variables, [drift.type(), centre.type(), spread.type(), drift.type(), effect.type()])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Compute the outputs where PyTensor does not compile the whole graph."""
        values = log_marginal_likelihood(
            *inputs[: _N_DATA + 2], float(inputs[_N_DATA + 2]), inputs[_N_DATA + 3], self.robust
        )
        for storage, value in zip(outputs, values, strict=True):
            storage[0] = np.asarray(value, dtype=np.float64)

    def grad(self, inputs: Any, output_grads: Any) -> list[Any]:
        """The derivatives, which are further outputs of the operation."""
        if not all(isinstance(g.type, DisconnectedType) for g in output_grads[1:]):
            raise NotImplementedError("second derivatives of the people's marginal likelihood")
        values: Any = self(*inputs)
        return [DisconnectedType()()] * _N_DATA + [output_grads[0] * derivative for derivative in values[1:]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Outputs depend on the parameters; the data are constants."""
        return [[k >= _N_DATA] * 5 for k in range(_N_DATA + 4)]


@numba_funcify.register(LogMarginalLikelihood)
def _compiled(op: LogMarginalLikelihood, node: Apply, **_: Any) -> Any:
    robust = op.robust

    @numba.njit(nogil=True)
    def call(lw, x, has_value, drift2, n_drift, trait, moved, bend, whiten, centre, spread, drift, effect):  # type: ignore[no-untyped-def]
        total, a, b, c, d = log_marginal_likelihood(
            lw, x, has_value, drift2, n_drift, trait, moved, bend, whiten, centre, spread, drift.item(), effect, robust
        )
        return np.asarray(total), a, b, np.asarray(c), d

    return call
