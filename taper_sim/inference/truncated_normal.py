"""Mass, mean and variance of a truncated normal, compiled. Imports ``model.compiled.jit``.

A report at an end of its scale stands for everything beyond; the filter of ``inference.likelihood`` reads it as such.
"""

import math
from typing import Any, Final

import numpy as np

from taper_sim.model.compiled.jit import fast, kept_by_sources

LOG_2PI: Final = math.log(2.0 * math.pi)
_SQRT2: Final = math.sqrt(2.0)
_FAR: Final = 30.0  # sds beyond which the tail is taken from its asymptotic form
_LEAST_VARIANCE: Final = 1e-6  # share of the variance that a truncated normal keeps at least

with kept_by_sources(__file__):

    @fast
    def _log_tail(a: float) -> float:
        """``log Phi(a)``."""
        if a > -_FAR:
            return math.log(0.5 * math.erfc(-a / _SQRT2))
        return -0.5 * a * a - 0.5 * LOG_2PI - math.log(-a)

    @fast
    def _hazard(a: float) -> float:
        """``phi(a) / Phi(a)``."""
        if a > -_FAR:
            return math.exp(-0.5 * a * a - 0.5 * LOG_2PI) / (0.5 * math.erfc(-a / _SQRT2))
        return -a - 1.0 / a

    @fast
    def truncated(a: float, b: float) -> Any:
        """Log mass, mean and variance of a standard normal between ``a`` and ``b``; either may be infinite."""
        if a == -np.inf and b == np.inf:
            return 0.0, 0.0, 1.0
        if a == -np.inf:
            h = _hazard(b)
            return _log_tail(b), -h, max(1.0 - b * h - h * h, _LEAST_VARIANCE)
        if b == np.inf:
            h = _hazard(-a)
            return _log_tail(-a), h, max(1.0 + a * h - h * h, _LEAST_VARIANCE)
        side = 1.0
        if a + b > 0.0:  # to the lower side, where differences of tails are exact
            side, a, b = -1.0, -b, -a
        z = 0.5 * (math.erfc(-b / _SQRT2) - math.erfc(-a / _SQRT2))
        if b < -_FAR or z < 1e-12:  # a sliver far out: the density falls from b like exp(b t)
            rate, width = max(-b, 1.0), b - a
            part = -math.expm1(-rate * width)
            back = 1.0 / rate - width * math.exp(-rate * width) / part
            return -0.5 * b * b - 0.5 * LOG_2PI + math.log(part / rate), side * (b - back), width * width / 12.0
        pa = math.exp(-0.5 * a * a - 0.5 * LOG_2PI) / z
        pb = math.exp(-0.5 * b * b - 0.5 * LOG_2PI) / z
        mean = pa - pb
        return math.log(z), side * mean, max(1.0 + a * pa - b * pb - mean * mean, _LEAST_VARIANCE)
