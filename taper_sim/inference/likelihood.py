"""Likelihood of one person's reports: a small filter over white and slow noise, compiled. Imports ``course``.

Form of the filter (docs/inference.md, "Likelihood"): per instrument an Ornstein-Uhlenbeck residual, one shared day
factor, both states of a Kalman filter that is updated report by report; inside the scale a report is its middle with
the variance of rounding, at an end of the scale (and for a category) an interval, whose truncated-normal moments update
the state. Given the person's values the course is deterministic, so this is all there is.
"""

import math
from typing import Any, Final

import numpy as np
from numba.extending import register_jitable

from taper_sim.inference import course, observation
from taper_sim.inference.course import (
    BWSQ0,
    COWS0,
    HOURS0,
    ITEM0,
    KAPPA,
    N_LATENT,
    N_STATE,
    NOISE,
    PWC0,
    S0,
    STEPS0,
    C,
    I,
    M,
    P,
    U,
    W,
    X,
)
from taper_sim.inference.observation import (
    BENZODIAZEPINE,
    CLINICIAN,
    CRAVING,
    DISTRESS,
    FUNCTION,
    INSOMNIA,
    LAST_CUT,
    LOG1P,
    PAIN,
    STEPS,
    WITHDRAWAL,
)
from taper_sim.model import equations as eq
from taper_sim.model.compiled import fast, kept_by_sources

N_WINDOWS: Final = 4
"""Quantities that recall scales average: pain as reported, distress, insomnia, benzodiazepine withdrawal."""
IMPOSSIBLE: Final = -1e300
_SQRT2 = math.sqrt(2.0)
_LOG2PI = math.log(2.0 * math.pi)
_FAR = 30.0  # sds beyond which the tail is taken from its asymptotic form
_LEAST_VARIANCE = 1e-6  # share of the variance that a truncated normal keeps at least

with kept_by_sources(__file__, course, observation):

    @fast
    def _log_tail(a: float) -> float:
        """``log Phi(a)``."""
        if a > -_FAR:
            return math.log(0.5 * math.erfc(-a / _SQRT2))
        return -0.5 * a * a - 0.5 * _LOG2PI - math.log(-a)

    @fast
    def _hazard(a: float) -> float:
        """``phi(a) / Phi(a)``."""
        if a > -_FAR:
            return math.exp(-0.5 * a * a - 0.5 * _LOG2PI) / (0.5 * math.erfc(-a / _SQRT2))
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
            return -0.5 * b * b - 0.5 * _LOG2PI + math.log(part / rate), side * (b - back), width * width / 12.0
        pa = math.exp(-0.5 * a * a - 0.5 * _LOG2PI) / z
        pb = math.exp(-0.5 * b * b - 0.5 * _LOG2PI) / z
        mean = pa - pb
        return math.log(z), side * mean, max(1.0 + a * pa - b * pb - mean * mean, _LEAST_VARIANCE)

    @register_jitable(forceinline=True)
    def _average(sums: Any, row: int, day: int, recall: int, at_start: float) -> float:
        """Mean of a quantity over the days recalled; days before the start are as the start."""
        first = day - recall
        if first >= 0:
            return (sums[day, row] - sums[first, row]) / recall
        return (sums[day, row] + at_start * -first) / recall

    @register_jitable(forceinline=True)
    def mean_of(kind: int, scale: float, recall: int, day: int, v: Any, c: Any, latent: Any, sums: Any,
                weekend: float, last_cut: int) -> float:  # fmt: skip
        """Mean of a report, on the instrument's own scale (of steps, its log)."""
        if kind == WITHDRAWAL:
            return eq.sows_mean(v[S0], latent[day, W], latent[day, X], scale)
        if kind == PAIN:
            if recall == 1:
                return eq.pain_report_mean(latent[day, P], latent[day, X], c.pain_report_x)
            return _average(sums, 0, day, recall, latent[0, P])
        if kind == DISTRESS:
            return scale * (latent[day, M] if recall == 1 else _average(sums, 1, day, recall, latent[0, M]))
        if kind == INSOMNIA:
            return scale * (latent[day, I] if recall == 1 else _average(sums, 2, day, recall, latent[0, I]))
        if kind == FUNCTION:
            return latent[day, U]
        if kind == CLINICIAN:
            return v[COWS0] + v[KAPPA] * latent[day, W]
        if kind == CRAVING:
            return scale * latent[day, C]
        if kind == BENZODIAZEPINE:
            w = latent[day, W + 1] if recall == 1 else _average(sums, 3, day, recall, latent[0, W + 1])
            return v[BWSQ0 if recall > 1 else PWC0] + scale * w
        if kind == LAST_CUT:
            return v[ITEM0] + scale * latent[day, W + last_cut]
        p_bar, u_bar, i_bar = (
            latent[day, P] - latent[0, P],
            latent[day, U] - latent[0, U],
            latent[day, I] - latent[0, I],
        )
        if kind == STEPS:
            return eq.log_steps_mean(
                v[STEPS0], u_bar, i_bar, p_bar, weekend, c.steps_u, c.steps_i, c.steps_p, c.steps_weekend
            )
        return eq.sleep_hours_mean(v[HOURS0], i_bar, weekend, c.hours_i, c.hours_weekend)

    @fast
    def filtered(v: Any, c: Any, regimen: Any, reports: Any, latent: Any, x: Any, sums: Any, centre: Any,
                 spread: Any) -> float:  # fmt: skip
        """Log likelihood of the reports; ``centre`` and ``spread`` get each report's predicted mean and variance.

        ``latent`` (n_days + 1, N_LATENT), ``x`` (N_STATE,), ``sums`` (n_days + 1, N_WINDOWS) are room to work in.
        """
        course.run(v, c, regimen, latent, x)
        for row in range(N_WINDOWS):
            sums[0, row] = 0.0
        for day in range(1, latent.shape[0]):
            sums[day, 0] = sums[day - 1, 0] + eq.pain_report_mean(latent[day, P], latent[day, X], c.pain_report_x)
            sums[day, 1] = sums[day - 1, 1] + latent[day, M]
            sums[day, 2] = sums[day - 1, 2] + latent[day, I]
            sums[day, 3] = sums[day - 1, 3] + latent[day, W + 1]
        n_slots = reports.kind.shape[0]
        z = n_slots  # place of the day factor
        m = np.zeros(n_slots + 1)
        cov = np.zeros((n_slots + 1, n_slots + 1))
        gain = np.zeros(n_slots + 1)
        for k in range(n_slots):
            cov[k, k] = 1.0
        total, before = 0.0, -1
        noise = v[NOISE]
        for r in range(reports.day.shape[0]):
            day, s = reports.day[r], reports.slot[r]
            if day != before:
                if before >= 0:
                    gap = day - before
                    for k in range(n_slots):
                        fade = reports.decay[k] if gap == 1 else reports.decay[k] ** gap
                        m[k] *= fade
                        gain[k] = fade
                    for k in range(n_slots):
                        for q in range(k + 1):
                            cov[k, q] *= gain[k] * gain[q]
                        cov[k, k] += 1.0 - gain[k] * gain[k]
                m[z] = 0.0
                for k in range(n_slots):
                    cov[z, k] = 0.0
                cov[z, z] = 1.0
                before = day
            value = mean_of(
                reports.kind[s], reports.scale[s], reports.recall[s], day, v, c, latent, sums, reports.weekend[day],
                reports.last_cut[day],
            )  # fmt: skip
            if reports.transform[s] == LOG1P:
                if value <= -1.0:
                    return IMPOSSIBLE
                value = math.log(1.0 + value)
            slow = noise * reports.slow[s]
            shared = noise * reports.white[s] * reports.shared[s]
            own = noise * reports.white[s] * reports.own[s]
            mu = value + slow * m[s] + shared * m[z]
            variance = (
                slow * slow * cov[s, s] + 2.0 * slow * shared * cov[z, s] + shared * shared * cov[z, z] + own * own
            )
            for k in range(n_slots + 1):
                gain[k] = slow * (cov[k, s] if k >= s else cov[s, k]) + shared * cov[z, k]
            if reports.interval[r]:
                sd = math.sqrt(variance)
                mass, mean, kept = truncated((reports.low[r] - mu) / sd, (reports.high[r] - mu) / sd)
                total += mass
                moved, shrunk = mean / sd, (1.0 - kept) / variance
            else:
                with_rounding = variance + reports.rounding[r]
                off = reports.y[r] - mu
                total -= 0.5 * (_LOG2PI + math.log(with_rounding) + off * off / with_rounding)
                moved, shrunk = off / with_rounding, 1.0 / with_rounding
            centre[r] = mu
            spread[r] = variance + reports.rounding[r]
            for k in range(n_slots + 1):
                m[k] += gain[k] * moved
                for q in range(k + 1):  # only the lower triangle is kept
                    cov[k, q] -= gain[k] * gain[q] * shrunk
        return total if np.isfinite(total) else IMPOSSIBLE

    @fast
    def values_of(z: Any, base: Any, place: Any, mean: Any, sd: Any, is_log: Any, v: Any) -> None:
        """A person's values from whitened parameters ``z``: what is not inferred stays as in ``base``."""
        v[:] = base
        for k in range(z.shape[0]):
            natural = mean[k] + sd[k] * z[k]
            v[place[k]] = math.exp(min(natural, 50.0)) if is_log[k] else natural

    @fast
    def log_posteriors(zs: Any, prior: Any, c: Any, regimen: Any, reports: Any, centres: Any, spreads: Any) -> Any:
        """Log likelihood plus log prior of each row of ``zs`` (n, d); centres, spreads (n or 1, n_reports) are filled.

        ``prior`` is a tuple (base, place, mean, sd, is_log).
        """
        base, place, mean, sd, is_log = prior
        n, d = zs.shape
        out = np.empty(n)
        v, x = np.empty(base.shape[0]), np.empty(N_STATE)
        latent = np.empty((regimen.dose.shape[0], N_LATENT))
        sums = np.zeros((regimen.dose.shape[0], N_WINDOWS))
        for k in range(n):
            values_of(zs[k], base, place, mean, sd, is_log, v)
            at = k if centres.shape[0] == n else 0
            total = filtered(v, c, regimen, reports, latent, x, sums, centres[at], spreads[at])
            for j in range(d):
                total -= 0.5 * zs[k, j] * zs[k, j]
            out[k] = total
        return out
