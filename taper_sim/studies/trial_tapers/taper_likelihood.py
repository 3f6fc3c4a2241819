"""Likelihood of one taper's visits on a grid of sensitivities and levels, compiled.

Imports ``inference.truncated_normal``, ``model``. It uses the equations of ``model.equations`` and the filter of
``inference.likelihood``, reduced to one drug and one scale. The shortfall does not depend on a person's sensitivity, so
it is computed once for the whole grid. ``tests/studies/trial_tapers/test_taper_likelihood.py`` compares the results
with ``inference.course`` and ``inference.likelihood``.
"""

import math
from typing import Any, Final

import numpy as np

from taper_sim.inference import truncated_normal
from taper_sim.inference.truncated_normal import truncated
from taper_sim.model import equations as eq
from taper_sim.model.compiled.jit import fast, kept_by_sources

DRIVES: Final = ("effect", "linear", "relative")
"""Quantity whose shortfall drives withdrawal: effect ``G/(G + EC50)``; mg over a unit of mg; mg over the dose to which
the person is adapted."""
EFFECT_DRIVE, LINEAR_DRIVE, RELATIVE_DRIVE = range(3)

with kept_by_sources(__file__, truncated_normal):

    @fast
    def withdrawals(
        drive: int,
        sigma: Any,
        tau_f: float,
        tau_l: float,
        omega: float,
        scale_mg: float,
        dose: Any,
        adapted_d: float,
        decay_g: float,
        shape: Any,
        delta: float,
        decay_s: float,
        out: Any,
    ) -> None:
        """Withdrawal by day and sensitivity, written to ``out``, (at least n_days, n_sigma).

        ``dose``, (n_days,), is in mg a day; the person is adapted to the first dose for ``adapted_d`` days.
        ``scale_mg`` is EC50 of the effect, the unit of a linear drive, or the constant added to the dose to which the
        person is adapted in a relative drive.
        """
        n_days, n = len(dose), len(sigma)
        decay_f, decay_l = math.exp(-1.0 / tau_f), math.exp(-1.0 / tau_l)
        s1, s2, s3, s4 = shape[0], shape[1], shape[2], shape[3]
        level, fast_, slow = dose[0], 0.0, 0.0
        for day in range(n_days):
            if day > 0:
                level = eq.relax(level, dose[day], decay_g)
            if drive == EFFECT_DRIVE:
                e1, e2 = eq.effect(level, s1, scale_mg), eq.effect(level, s2, scale_mg)
                e3, e4 = eq.effect(level, s3, scale_mg), eq.effect(level, s4, scale_mg)
            else:
                e1, e2, e3, e4 = level * s1, level * s2, level * s3, level * s4
            e = eq.mean_of_four(e1, e2, e3, e4)
            if day == 0:
                fast_ = eq.adapted_at_start(e, math.exp(-adapted_d / tau_f))
                slow = eq.adapted_at_start(e, math.exp(-adapted_d / tau_l))
            expected, unit = eq.set_point(omega, fast_, slow), 1.0
            if drive == LINEAR_DRIVE:
                unit = scale_mg
            if drive == RELATIVE_DRIVE:
                unit = expected + scale_mg
            missing = eq.shortfall(expected / unit, e1 / unit, e2 / unit, e3 / unit, e4 / unit, delta)
            for i in range(n):
                target = eq.withdrawal_target(eq.drive(sigma[i], 0.0, missing))
                out[day, i] = target if day == 0 else eq.relax(out[day - 1, i], target, decay_s)
            if day > 0:
                fast_ = eq.relax(fast_, e, decay_f)
                slow = eq.relax(slow, e, decay_l)

    @fast
    def at_shortfall(sigma: Any, missing: float, out: Any) -> None:
        """Withdrawal at a steady shortfall, by sensitivity, written to ``out``, (n_sigma,)."""
        for i in range(len(sigma)):
            out[i] = eq.withdrawal_target(eq.drive(sigma[i], 0.0, missing))

    @fast
    def reported(
        c0: Any,
        kappa: float,
        white: float,
        slow: float,
        tau_slow: float,
        w: Any,
        row: Any,
        day: Any,
        low: Any,
        high: Any,
        shift: Any,
        mass: Any,
        centre: Any,
        spread: Any,
    ) -> None:
        """Filter over the reports of one taper, for each level ``c0`` (n_c0,) and each column of ``w``.

        ``row, day, low, high, shift``, (n_reports,), are the report's row of ``w``, its day, its interval of scores and
        the points added to its mean. A report between minus and plus infinity carries no information. ``mass, centre,
        spread``, (n_reports, n_c0, n_sigma), receive each report's log probability, mean and variance given the earlier
        reports.
        """
        n_reports, n_c0, n_sigma = mass.shape
        fades = np.empty(n_reports)
        for r in range(n_reports):
            fades[r] = math.exp(-(day[r] - day[r - 1]) / tau_slow) if r > 0 else 0.0
        for j in range(n_c0):
            for i in range(n_sigma):
                m, c = 0.0, 1.0
                for r in range(n_reports):
                    m *= fades[r]
                    c = 1.0 + (c - 1.0) * fades[r] * fades[r]
                    mu = c0[j] + kappa * w[row[r], i] + shift[r] + slow * m
                    variance = slow * slow * c + white * white
                    sd = math.sqrt(variance)
                    log_p, mean, kept = truncated((low[r] - mu) / sd, (high[r] - mu) / sd)
                    mass[r, j, i], centre[r, j, i], spread[r, j, i] = log_p, mu, variance
                    gain = slow * c
                    m += gain * mean / sd
                    c -= gain * gain * (1.0 - kept) / variance
