"""exp, log and the pair cos, sin of 2πu as polynomials. Imports ``jit``.

A call to the maths library would keep the kernel's loop from vectorising.

Relative error below 1e-14 (tests/model/test_elementary.py). Written for Numba; ``bits`` and ``number`` reinterpret
64 bits as an integer and as a float. Only operations that AVX2 has for vectors of 64-bit lanes are used: no conversion
between integers and floats, no arithmetic shift.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from taper_sim.model.compiled.jit import inlined

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_INV_LN2 = 1.4426950408889634
_ROUNDER = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the rounded integer in the low bits
_ALMOST_1 = 1.0 - 0.5**33
_TWO_52 = 4503599627370496.0
_TWO_52_BITS = np.uint64(0x4330000000000000)
_ROOT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
_BIAS_BITS = np.uint64(0x3FF0000000000000)
_0, _1, _2 = np.uint64(0), np.uint64(1), np.uint64(2)
_20, _52, _62 = np.uint64(20), np.uint64(52), np.uint64(62)
_1023 = np.uint64(1023)


@intrinsic
def _bits(typing_context: Any, value: Any) -> Any:
    """The 64 bits of a float as an unsigned integer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.uint64(types.float64), generate


@intrinsic
def _number(typing_context: Any, value: Any) -> Any:
    """The float that 64 bits stand for."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), generate


bits: Any = _bits  # an intrinsic is called without its typing context
number: Any = _number


@inlined
def small_integer(word: Any) -> float:
    """The float of an unsigned integer below 2^52, without a conversion that half of the processors lack."""
    return number(word | _TWO_52_BITS) - _TWO_52


@inlined
def uniform(word: Any) -> float:
    """``(word + 1/2) / 2^32``, to the bit as ``rng.uniform`` gives it: the word becomes the fraction of a number."""
    return number((word << _20) | _BIAS_BITS) - _ALMOST_1


@inlined
def exp(x: float) -> float:
    """``e^x`` for x from -700 to 700, clamped outside."""
    x = 700.0 if x > 700.0 else x
    x = -700.0 if x < -700.0 else x
    return _power_of_e(x)


@inlined
def _power_of_e(x: float) -> float:
    """``e^x`` for x from -700 to 700."""
    rounded = x * _INV_LN2 + _ROUNDER
    k = rounded - _ROUNDER
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * number((bits(rounded) + _1023) << _52)


@inlined
def one_minus_exp(h: float) -> float:
    """``1 - e^(-h)`` for h from 0, as :func:`exp` gives it; a limit on h costs less than the two on ``-h``."""
    h = 700.0 if h > 700.0 else h
    return 1.0 - _power_of_e(-h)


@inlined
def log(x: float) -> float:
    """Natural logarithm of a normal positive number."""
    b = bits(x)
    biased = (b - _ROOT_HALF_BITS + _BIAS_BITS) >> _52
    m = number(b - (biased << _52) + _BIAS_BITS)  # from root 1/2 to root 2
    s = (m - 1.0) / (m + 1.0)
    t = s * s
    p = 1.0 / 17.0
    p = p * t + 1.0 / 15.0
    p = p * t + 1.0 / 13.0
    p = p * t + 1.0 / 11.0
    p = p * t + 1.0 / 9.0
    p = p * t + 1.0 / 7.0
    p = p * t + 1.0 / 5.0
    p = p * t + 1.0 / 3.0
    e = small_integer(biased) - 1023.0
    return e * _LN2_HIGH + (2.0 * s * (p * t + 1.0) + e * _LN2_LOW)


@inlined
def cos_sin_turn(u: float) -> tuple[float, float]:
    """``cos 2πu`` and ``sin 2πu`` for u in [0, 1]."""
    rounded = 4.0 * u + _ROUNDER
    quarter = bits(rounded)  # its two lowest bits
    a = 6.283185307179586 * (u - 0.25 * (rounded - _ROUNDER))  # from -π/4 to π/4
    t = a * a
    c = 1.0 / 20922789888000.0
    c = c * t - 1.0 / 87178291200.0
    c = c * t + 1.0 / 479001600.0
    c = c * t - 1.0 / 3628800.0
    c = c * t + 1.0 / 40320.0
    c = c * t - 1.0 / 720.0
    c = c * t + 1.0 / 24.0
    c = c * t - 0.5
    c = c * t + 1.0
    s = -1.0 / 1307674368000.0
    s = s * t + 1.0 / 6227020800.0
    s = s * t - 1.0 / 39916800.0
    s = s * t + 1.0 / 362880.0
    s = s * t - 1.0 / 5040.0
    s = s * t + 1.0 / 120.0
    s = s * t - 1.0 / 6.0
    s = (s * t + 1.0) * a
    odd = (quarter & _1) != _0
    cosine = s if odd else c
    sine = c if odd else s
    return _negated(cosine, (quarter + _1) & _2), _negated(sine, quarter & _2)


@inlined
def _negated(x: float, second_bit: Any) -> float:
    """``-x`` where the second lowest bit is set, the only one that may be."""
    return number(bits(x) ^ (second_bit << _62))
