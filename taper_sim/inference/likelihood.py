"""Likelihood of one person's reports: a small filter over white and slow noise, compiled. Imports ``course``.

Form of the filter (docs/inference.md, "Likelihood"): per instrument an Ornstein-Uhlenbeck residual, one shared day
factor, both states of a Kalman filter that is updated report by report; inside the scale a report is its middle with
the variance of rounding, at an end of the scale (and for a category) an interval, whose truncated-normal moments update
the state. Given the person's values the course is deterministic, so this is all there is.
"""

import math
from typing import Any, Final

import numpy as np

from taper_sim.inference import course, observation
from taper_sim.inference.course import (
    BWSQ0,
    COWS0,
    HOURS0,
    I0,
    ITEM0,
    KAPPA,
    LANES,
    M0,
    N_COURSE,
    NOISE,
    P0,
    PWC0,
    S0,
    STATE,
    STEPS0,
    STRIDE,
    U0,
    W0,
    C,
    I,
    M,
    P,
    U,
    W,
    X,
    lanes_of,
    put,
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
from taper_sim.model.compiled import elementary
from taper_sim.model.compiled.elementary import log
from taper_sim.model.compiled.jit import fast, inlined, kept_by_sources

N_WINDOWS: Final = 4
"""Quantities that recall scales average: pain as reported, distress, insomnia, benzodiazepine withdrawal."""
IMPOSSIBLE: Final = -1e300
# rows of a tile behind those of the course
MEAN, MU, VARIANCE, SPREAD, SLOW, SHARED, MOVED, SHRUNK, LESS, TOTAL, POSSIBLE = range(N_COURSE, N_COURSE + 11)
N_ROWS: Final = POSSIBLE + 1
_SQRT2 = math.sqrt(2.0)
_LOG2PI = math.log(2.0 * math.pi)
_FAR = 30.0  # sds beyond which the tail is taken from its asymptotic form
_LEAST_VARIANCE = 1e-6  # share of the variance that a truncated normal keeps at least

with kept_by_sources(__file__, course, observation, elementary):

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

    @inlined
    def _windows(t: Any, lanes: int, c: Any, sums: Any, day: int) -> None:
        """Sums, from day 1 to this one, of what recall scales average."""
        before, at = (day - 1) * N_WINDOWS * STRIDE, day * N_WINDOWS * STRIDE
        for j in range(lanes):
            pain = eq.pain_report_mean(t[(STATE + P) * STRIDE + j], t[(STATE + X) * STRIDE + j], c.pain_report_x)
            sums[at + j] = sums[before + j] + pain
            sums[at + STRIDE + j] = sums[before + STRIDE + j] + t[(STATE + M) * STRIDE + j]
            sums[at + 2 * STRIDE + j] = sums[before + 2 * STRIDE + j] + t[(STATE + I) * STRIDE + j]
            sums[at + 3 * STRIDE + j] = sums[before + 3 * STRIDE + j] + t[(STATE + W + 1) * STRIDE + j]

    @inlined
    def _recalled(
        t: Any, lanes: int, sums: Any, which: int, at_start: int, day: int, recall: int, floor: int, scale: float
    ) -> None:
        """``MEAN`` from the days recalled; days before the start are as the start, row ``at_start``.

        ``floor`` is a row that is added, or -1.
        """
        first = max(day - recall, 0)
        until, since = (day * N_WINDOWS + which) * STRIDE, (first * N_WINDOWS + which) * STRIDE
        before = float(first - (day - recall))
        for j in range(lanes):
            mean = (sums[until + j] - sums[since + j] + t[at_start * STRIDE + j] * before) / recall
            t[MEAN * STRIDE + j] = scale * mean
        if floor >= 0:
            _add(t, lanes, floor)

    @inlined
    def _add(t: Any, lanes: int, row: int) -> None:
        for j in range(lanes):
            t[MEAN * STRIDE + j] += t[row * STRIDE + j]

    @inlined
    def _scaled(t: Any, lanes: int, row: int, scale: float) -> None:
        for j in range(lanes):
            t[MEAN * STRIDE + j] = scale * t[row * STRIDE + j]

    @inlined
    def put_means(
        t: Any,
        lanes: int,
        c: Any,
        sums: Any,
        kind: int,
        scale: float,
        recall: int,
        day: int,
        weekend: float,
        last_cut: int,
    ) -> None:
        """``MEAN`` of a report of this day, on the instrument's own scale (of steps, its log)."""
        if kind == WITHDRAWAL:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = eq.sows_mean(
                    t[S0 * STRIDE + j], t[(STATE + W) * STRIDE + j], t[(STATE + X) * STRIDE + j], scale
                )
        elif kind == PAIN and recall == 1:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = eq.pain_report_mean(
                    t[(STATE + P) * STRIDE + j], t[(STATE + X) * STRIDE + j], c.pain_report_x
                )
        elif kind == PAIN:
            _recalled(t, lanes, sums, 0, P0, day, recall, -1, 1.0)
        elif kind == DISTRESS:
            if recall == 1:
                _scaled(t, lanes, STATE + M, scale)
            else:
                _recalled(t, lanes, sums, 1, M0, day, recall, -1, scale)
        elif kind == INSOMNIA:
            if recall == 1:
                _scaled(t, lanes, STATE + I, scale)
            else:
                _recalled(t, lanes, sums, 2, I0, day, recall, -1, scale)
        elif kind == FUNCTION:
            _scaled(t, lanes, STATE + U, 1.0)
        elif kind == CLINICIAN:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = t[COWS0 * STRIDE + j] + t[KAPPA * STRIDE + j] * t[(STATE + W) * STRIDE + j]
        elif kind == CRAVING:
            _scaled(t, lanes, STATE + C, scale)
        elif kind == BENZODIAZEPINE:
            if recall == 1:
                _scaled(t, lanes, STATE + W + 1, scale)
                _add(t, lanes, PWC0)
            else:
                _recalled(t, lanes, sums, 3, STATE + W0 + 1, day, recall, BWSQ0, scale)
        elif kind == LAST_CUT:
            _scaled(t, lanes, STATE + W + last_cut, scale)
            _add(t, lanes, ITEM0)
        elif kind == STEPS:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = eq.log_steps_mean(
                    t[STEPS0 * STRIDE + j],
                    t[(STATE + U) * STRIDE + j] - t[U0 * STRIDE + j],
                    t[(STATE + I) * STRIDE + j] - t[I0 * STRIDE + j],
                    t[(STATE + P) * STRIDE + j] - t[P0 * STRIDE + j],
                    weekend,
                    c.steps_u,
                    c.steps_i,
                    c.steps_p,
                    c.steps_weekend,
                )
        else:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = eq.sleep_hours_mean(
                    t[HOURS0 * STRIDE + j],
                    t[(STATE + I) * STRIDE + j] - t[I0 * STRIDE + j],
                    weekend,
                    c.hours_i,
                    c.hours_weekend,
                )

    @inlined
    def _pass_days(lanes: int, reports: Any, gap: int, first: bool, m: Any, cov: Any) -> None:
        """Slow residuals fade over a gap of days (before the ``first`` report they are as in the long run)."""
        z = reports.kind.shape[0]
        for k in range(z):
            fade_k = reports.decay[k] ** gap
            if first:
                put(m, lanes, k, 0.0)
            else:
                for j in range(lanes):
                    m[k * STRIDE + j] *= fade_k
            for q in range(k + 1):
                at = (k * (k + 1) // 2 + q) * STRIDE
                if first:
                    for j in range(lanes):
                        cov[at + j] = 1.0 if q == k else 0.0
                else:
                    fade, more = fade_k * reports.decay[q] ** gap, 1.0 - fade_k * fade_k if q == k else 0.0
                    for j in range(lanes):
                        cov[at + j] = cov[at + j] * fade + more
        put(m, lanes, z, 0.0)
        for q in range(z):
            put(cov, lanes, z * (z + 1) // 2 + q, 0.0)
        put(cov, lanes, z * (z + 1) // 2 + z, 1.0)

    @inlined
    def _predict(t: Any, lanes: int, s: int, reports: Any, rounding: float, m: Any, cov: Any, gain: Any) -> None:
        """``MU``, ``VARIANCE`` of a report before it is read, and the gains of all states."""
        z = reports.kind.shape[0]
        slow_, white = reports.slow[s], reports.white[s]
        shared_, own_ = white * reports.shared[s], white * reports.own[s]
        if reports.transform[s] == LOG1P:
            for j in range(lanes):
                mean = t[MEAN * STRIDE + j]
                possible = mean > -1.0
                t[POSSIBLE * STRIDE + j] *= 1.0 if possible else 0.0
                t[MEAN * STRIDE + j] = log(1.0 + (mean if possible else 0.0))
        for j in range(lanes):
            noise = t[NOISE * STRIDE + j]
            t[SLOW * STRIDE + j] = noise * slow_
            t[SHARED * STRIDE + j] = noise * shared_
        last = z * (z + 1) // 2
        for k in range(z + 1):
            of_slow = (k * (k + 1) // 2 + s if k >= s else s * (s + 1) // 2 + k) * STRIDE
            of_day, to = (last + k) * STRIDE, k * STRIDE
            for j in range(lanes):
                gain[to + j] = t[SLOW * STRIDE + j] * cov[of_slow + j] + t[SHARED * STRIDE + j] * cov[of_day + j]
        for j in range(lanes):
            slow, shared, own = t[SLOW * STRIDE + j], t[SHARED * STRIDE + j], t[NOISE * STRIDE + j] * own_
            variance = slow * gain[s * STRIDE + j] + shared * gain[z * STRIDE + j] + own * own
            t[MU * STRIDE + j] = t[MEAN * STRIDE + j] + slow * m[s * STRIDE + j] + shared * m[z * STRIDE + j]
            t[VARIANCE * STRIDE + j] = variance
            t[SPREAD * STRIDE + j] = variance + rounding

    @inlined
    def _read(
        t: Any,
        lanes: int,
        n_states: int,
        interval: bool,
        y: float,
        low: float,
        high: float,
        m: Any,
        cov: Any,
        gain: Any,
    ) -> None:
        """A report is read: its log likelihood is added, and the states move."""
        if interval:
            for j in range(lanes):
                variance, mu = t[VARIANCE * STRIDE + j], t[MU * STRIDE + j]
                sd = math.sqrt(variance)
                mass, mean, kept = truncated((low - mu) / sd, (high - mu) / sd)
                t[TOTAL * STRIDE + j] += mass
                t[MOVED * STRIDE + j] = mean / sd
                t[SHRUNK * STRIDE + j] = (1.0 - kept) / variance
        else:
            for j in range(lanes):
                spread = t[SPREAD * STRIDE + j]
                precision = 1.0 / spread
                moved = (y - t[MU * STRIDE + j]) * precision
                t[TOTAL * STRIDE + j] -= 0.5 * (_LOG2PI + log(spread) + moved * moved * spread)
                t[POSSIBLE * STRIDE + j] *= 1.0 if spread > 0.0 else 0.0
                t[MOVED * STRIDE + j] = moved
                t[SHRUNK * STRIDE + j] = precision
        for k in range(n_states):
            for j in range(lanes):
                g = gain[k * STRIDE + j]
                m[k * STRIDE + j] += g * t[MOVED * STRIDE + j]
                t[LESS * STRIDE + j] = g * t[SHRUNK * STRIDE + j]
            for q in range(k + 1):  # only the lower triangle is kept
                at = (k * (k + 1) // 2 + q) * STRIDE
                for j in range(lanes):
                    cov[at + j] -= t[LESS * STRIDE + j] * gain[q * STRIDE + j]

    @inlined
    def _filtered(
        t: Any,
        lanes: int,
        c: Any,
        regimen: Any,
        reports: Any,
        room: Any,
        centres: Any,
        spreads: Any,
        first: int,
        n: int,
    ) -> None:
        """``TOTAL`` of a tile: log likelihood of the reports; predictions of the ``n`` rows from ``first`` on.

        ``room`` is (sums, m, cov, gain) to work in.
        """
        sums, m, cov, gain = room
        n_reports, n_states = reports.day.shape[0], reports.kind.shape[0] + 1
        course.start(t, lanes, c, regimen)
        put(t, lanes, TOTAL, 0.0)
        put(t, lanes, POSSIBLE, 1.0)
        for row in range(N_WINDOWS):
            put(sums, lanes, row, 0.0)
        recalls = False
        for s in range(reports.kind.shape[0]):
            recalls = recalls or reports.recall[s] > 1
        r, before = 0, -1
        for day in range(reports.day[n_reports - 1] + 1 if n_reports else 0):
            if day > 0:
                course.advance(t, lanes, c, regimen, day)
                if recalls:
                    _windows(t, lanes, c, sums, day)
            if reports.day[r] != day:
                continue
            _pass_days(lanes, reports, day - before, before < 0, m, cov)
            before = day
            while r < n_reports and reports.day[r] == day:
                s = reports.slot[r]
                put_means(
                    t,
                    lanes,
                    c,
                    sums,
                    reports.kind[s],
                    reports.scale[s],
                    reports.recall[s],
                    day,
                    reports.weekend[day],
                    reports.last_cut[day],
                )
                _predict(t, lanes, s, reports, reports.rounding[r], m, cov, gain)
                for j in range(min(n, LANES)):
                    centres[first + j, r] = t[MU * STRIDE + j]
                    spreads[first + j, r] = t[SPREAD * STRIDE + j]
                _read(
                    t, lanes, n_states, reports.interval[r], reports.y[r], reports.low[r], reports.high[r], m, cov, gain
                )
                r += 1

    @inlined
    def _room(reports: Any) -> Any:
        """Arrays that a filter works in."""
        n_reports, n_states = reports.day.shape[0], reports.kind.shape[0] + 1
        n_days = reports.day[n_reports - 1] if n_reports else 0
        return (
            np.zeros((n_days + 1) * N_WINDOWS * STRIDE),
            np.zeros(n_states * STRIDE),
            np.zeros(n_states * (n_states + 1) // 2 * STRIDE),
            np.zeros(n_states * STRIDE),
        )

    @inlined
    def _log_likelihood(t: Any, j: int) -> float:
        total = t[TOTAL * STRIDE + j]
        return total if t[POSSIBLE * STRIDE + j] > 0.0 and np.isfinite(total) else IMPOSSIBLE

    @fast
    def log_posteriors(zs: Any, prior: Any, c: Any, regimen: Any, reports: Any, centres: Any, spreads: Any) -> Any:
        """Log likelihood plus log prior of each row of ``zs`` (n, d); centres, spreads (n or 0, n_reports) are filled.

        ``prior`` is a tuple (base, place, mean, sd, is_log).
        """
        base, place, mean, sd, is_log = prior
        n, d = zs.shape
        out = np.empty(n)
        t = np.empty(N_ROWS * STRIDE)
        room = _room(reports)
        for row in range(base.shape[0]):
            put(t, lanes_of(n), row, base[row])
        for first in range(0, n, LANES):
            lanes = lanes_of(n - first)
            for k in range(d):
                at = place[k] * STRIDE
                for j in range(lanes):
                    natural = mean[k] + sd[k] * zs[min(first + j, n - 1), k]
                    t[at + j] = math.exp(min(natural, 50.0)) if is_log[k] else natural
            _filtered(t, lanes, c, regimen, reports, room, centres, spreads, first, min(n - first, centres.shape[0]))
            for j in range(min(n - first, LANES)):
                total = _log_likelihood(t, j)
                for k in range(d):
                    total -= 0.5 * zs[first + j, k] * zs[first + j, k]
                out[first + j] = total
        return out

    @fast
    def log_likelihoods(values: Any, c: Any, regimen: Any, reports: Any, centres: Any, spreads: Any) -> Any:
        """Log likelihood of each row of ``values``, (n, N_VALUES); predictions as in :func:`log_posteriors`."""
        n = values.shape[0]
        out = np.empty(n)
        t = np.empty(N_ROWS * STRIDE)
        room = _room(reports)
        for first in range(0, n, LANES):
            lanes = lanes_of(n - first)
            course.put_values(t, lanes, values, first)
            _filtered(t, lanes, c, regimen, reports, room, centres, spreads, first, min(n - first, centres.shape[0]))
            for j in range(min(n - first, LANES)):
                out[first + j] = _log_likelihood(t, j)
        return out

    @fast
    def means_by_day(
        values: Any, c: Any, regimen: Any, kind: int, scale: float, recall: int, weekend: Any, last_cut: Any
    ) -> Any:
        """Mean of one instrument's report on each day, (n_days + 1,), for one vector of values, (1, N_VALUES)."""
        n_days = regimen.dose.shape[0] - 1
        out = np.empty(n_days + 1)
        t, sums = np.empty(N_ROWS * STRIDE), np.zeros((n_days + 1) * N_WINDOWS * STRIDE)
        lanes = lanes_of(1)
        course.put_values(t, lanes, values, 0)
        course.start(t, lanes, c, regimen)
        for day in range(n_days + 1):
            if day > 0:
                course.advance(t, lanes, c, regimen, day)
                _windows(t, lanes, c, sums, day)
            put_means(t, lanes, c, sums, kind, scale, recall, day, weekend[day], last_cut[day])
            out[day] = t[MEAN * STRIDE]
        return out
