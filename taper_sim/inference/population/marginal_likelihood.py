"""People's marginal likelihood with its gradient, compiled, as an operation of PyTensor too. Imports ``model``.

``hierarchy.Draws`` has the same sum in NumPy, which defines it. One pass over a person's draws while they lie in the
cache gives sum and gradient; an automatic gradient would write and read every draw of everybody several times.
"""

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
)  # sums may be taken in lanes
ROBUST_DF: Final = 4.0
"""Degrees of freedom of the Student t between people with ``robust``. Source: A47."""
_FACTORS: Final = 16  # of 1 + off²/4 before a logarithm is due: below the largest number for values 1e9 spreads off


@_exact
def _exponentials(log_p: Floats, top: float) -> None:
    """``exp(log_p - top)`` in place.

    By itself, and with a flag that says no: a function would inherit its caller's leave to rearrange sums, which undoes
    the rounding that the exponential rests on.
    """
    for s in range(len(log_p)):
        log_p[s] = exp(log_p[s] - top)


@_exact
def _less_logs(log_p: Floats, factor: float, product: Floats) -> None:
    """Take ``factor * log(product)`` off ``log_p``, in place; apart from its caller like :func:`_exponentials`."""
    for s in range(len(log_p)):
        log_p[s] -= factor * log(product[s])


@register_jitable
def _densities(
    log_p: Floats, lw: Floats, x: Floats, has_value: Floats, mean: Floats, spread: Floats, robust: bool
) -> None:
    """Log weight of each draw of one person and its log density but for what all draws share, into ``log_p``."""
    n = len(log_p)
    for s in range(n):
        log_p[s] = lw[s]
    if robust:
        product = np.ones(n)
        held = 0
        for k in range(len(mean)):
            if has_value[k] > 0.0:
                m, scale = mean[k], 1.0 / (spread[k] ** 2 * ROBUST_DF)
                for s in range(n):
                    product[s] *= 1.0 + (x[k, s] - m) ** 2 * scale
                held += 1
            if held == _FACTORS or k == len(mean) - 1:
                _less_logs(log_p, 0.5 * (ROBUST_DF + 1.0), product)
                product[:] = 1.0
                held = 0
    else:
        for k in range(len(mean)):
            if has_value[k] > 0.0:
                m, half = mean[k], 0.5 / spread[k] ** 2
                for s in range(n):
                    log_p[s] -= half * (x[k, s] - m) ** 2


@register_jitable
def _moments(w: Floats, x: Floats, m: float, spread: float, robust: bool) -> tuple[float, float]:
    """Weighted mean over draws of the slope of the log density in the mean, and in the log of the spread but for -1."""
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
def summed(
    log_weight: Floats,
    x: Floats,
    has_value: Floats,
    drift2: Floats,
    n_drift: Floats,
    trait: Floats,
    moved: Floats,
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
        Draws of a value side by side.
    has_value : ndarray, (n_people, n_keys)
        1 where the person has that value.
    drift2 : ndarray, (n_people, n_draws)
    n_drift : ndarray, (n_people,)
    trait : ndarray, (n_people, n_traits)
    moved : ndarray, (n_keys,)
        1 at the values that traits move.
    centre, spread : ndarray, (n_keys,)
    drift_sd : float
    effect : ndarray, (n_traits,)
    robust : bool
        Student t between people.

    Returns
    -------
    tuple
        The sum but for a constant, then its derivatives by centre, spread, drift_sd, effect.
    """
    n_people, n_keys, n = x.shape
    total, by_drift = 0.0, 0.0
    by_centre, by_spread, by_effect = np.zeros(n_keys), np.zeros(n_keys), np.zeros(len(effect))
    log_p, mean = np.empty(n), np.empty(n_keys)
    drift_precision = 1.0 / drift_sd**2
    for q in range(n_people):
        shift = 0.0
        for t in range(len(effect)):
            shift += trait[q, t] * effect[t]
        for k in range(n_keys):
            mean[k] = centre[k] + shift * moved[k]
        _densities(log_p, log_weight[q], x[q], has_value[q], mean, spread, robust)
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
            if has_value[q, k] > 0.0:
                slope, second = _moments(log_p, x[q, k], mean[k], spread[k], robust)
                by_centre[k] += slope
                by_shift += slope * moved[k]
                by_spread[k] += second - 1.0
                total -= np.log(spread[k])
        for t in range(len(effect)):
            by_effect[t] += trait[q, t] * by_shift
    return total, by_centre, by_spread / spread, by_drift / drift_sd, by_effect


class PeopleSummed(Op):
    """:func:`summed` as an operation of data, ``centre``, ``spread``, ``drift_sd``, ``effect``, with its own gradient.

    Only the first output, the sum, may be differentiated.
    """

    __props__ = ("robust",)

    def __init__(self, robust: bool) -> None:
        self.robust = robust

    def make_node(self, *inputs: Any) -> Apply:
        """Inputs of :func:`summed` in its order, ``robust`` left out."""
        given = [pt.as_tensor_variable(i) for i in inputs]
        centre, spread, drift, effect = given[7:]
        return Apply(self, given, [drift.type(), centre.type(), spread.type(), drift.type(), effect.type()])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Without a graph that is compiled whole."""
        found = summed(*inputs[:9], float(inputs[9]), inputs[10], self.robust)
        for store, one in zip(outputs, found, strict=True):
            store[0] = np.asarray(one, dtype=np.float64)

    def grad(self, inputs: Any, output_grads: Any) -> list[Any]:
        """The derivatives that the operation has worked out already."""
        if not all(isinstance(g.type, DisconnectedType) for g in output_grads[1:]):
            raise NotImplementedError("second derivatives of the people's marginal likelihood")
        found: Any = self(*inputs)
        return [DisconnectedType()()] * 7 + [output_grads[0] * one for one in found[1:]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """The data are no variable."""
        return [[k >= 7] * 5 for k in range(11)]


@numba_funcify.register(PeopleSummed)
def _compiled(op: PeopleSummed, node: Apply, **_: Any) -> Any:
    robust = op.robust

    @numba.njit(nogil=True)
    def call(lw, x, has_value, drift2, n_drift, trait, moved, centre, spread, drift, effect):  # type: ignore[no-untyped-def]
        total, a, b, c, d = summed(
            lw, x, has_value, drift2, n_drift, trait, moved, centre, spread, drift.item(), effect, robust
        )
        return np.asarray(total), a, b, np.asarray(c), d

    return call
