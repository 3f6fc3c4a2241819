"""Likelihood of one person's reports: a filter over life, slow noise and the day, compiled. Imports ``course``.

The states (docs/inference.md, "Likelihood"): life outside the taper (``life_block``), a sum over days for each recall
window that runs, the slow noise of each instrument that has any, and the day factor. Given the person's values the
course due to the taper is deterministic, everything else is linear and Gaussian. Reports enter one after the other: as
the middle of their interval with the variance of rounding, or at an end of the scale (and for a category) as an
interval, whose truncated-normal moments update the states.
"""

import math
from typing import Any, Final

import numpy as np

from taper_sim.inference import course, life_block, observation, report_means, truncated_normal
from taper_sim.inference.course import DRIFTED, LANES, LIFE, N_STATE, NOISE, STATE, STRIDE, P, U, X, lanes_of, put
from taper_sim.inference.life_block import advance_life, gather, place, start_life
from taper_sim.inference.observation import LOG1P
from taper_sim.inference.report_means import MEAN, N_MEAN_ROWS, N_WINDOWS, add_windows, put_means
from taper_sim.inference.truncated_normal import LOG_2PI, truncated
from taper_sim.model import equations as eq
from taper_sim.model.compiled import elementary
from taper_sim.model.compiled.elementary import log
from taper_sim.model.compiled.jit import fast, inlined, kept_by_sources

IMPOSSIBLE: Final = -1e300
# rows of a tile behind those of the means
(
    MU,
    VARIANCE,
    SPREAD,
    SLOW,
    SHARED,
    MOVED,
    SHRUNK,
    LESS,
    TOTAL,
    POSSIBLE,
    SQUARED,
    REFERENCE_PAIN,
    REFERENCE_FUNCTION,
) = range(N_MEAN_ROWS, N_MEAN_ROWS + 13)
N_ROWS: Final = REFERENCE_FUNCTION + 1

with kept_by_sources(__file__, course, observation, elementary, life_block, report_means, truncated_normal):

    @inlined
    def _start_states(t: Any, lanes: int, reports: Any, system: Any, m: Any, cov: Any) -> None:
        """Moments of day 0: life as in the long run, of people who enrol; slow noise of variance 1; sums 0."""
        n_states = m.shape[0] // STRIDE
        for row in range(n_states):
            put(m, lanes, row, 0.0)
            for q in range(row + 1):
                put(cov, lanes, row * (row + 1) // 2 + q, 0.0)
        for j in range(lanes):
            t[SQUARED * STRIDE + j] = t[LIFE * STRIDE + j] * t[LIFE * STRIDE + j]
        start_life(m, cov, lanes, system, t, SQUARED * STRIDE)
        for s in range(reports.kind.shape[0]):
            if reports.slow_place[s] >= 0:
                at = system.shape[1] + reports.gather.shape[1] + reports.slow_place[s]
                put(cov, lanes, at * (at + 1) // 2 + at, 1.0)

    @inlined
    def _pass_days(lanes: int, reports: Any, system: Any, gap: int, m: Any, cov: Any) -> None:
        """Slow noise fades over a gap of days, and the day factor is a new one."""
        last = m.shape[0] // STRIDE - 1
        for s in range(reports.kind.shape[0]):
            if reports.slow_place[s] < 0:
                continue
            k = system.shape[1] + reports.gather.shape[1] + reports.slow_place[s]
            fade, own = reports.decay[s] ** gap, place(k, k)
            for j in range(lanes):
                m[k * STRIDE + j] *= fade
            for q in range(last):
                at = place(k, q)
                for j in range(lanes):
                    cov[at + j] *= fade
            for j in range(lanes):  # the loop above has faded the variance once
                cov[own + j] = cov[own + j] * fade + (1.0 - fade * fade)
        put(m, lanes, last, 0.0)
        for q in range(last):
            put(cov, lanes, last * (last + 1) // 2 + q, 0.0)
        put(cov, lanes, last * (last + 1) // 2 + last, 1.0)

    @inlined
    def _loaded(lanes: int, n_states: int, state: int, load: float, cov: Any, gain: Any) -> None:
        """Gains of all states by a load, the same in all lanes, of a report on one of them."""
        for k in range(n_states):
            at, to = place(k, state), k * STRIDE
            for j in range(lanes):
                gain[to + j] += load * cov[at + j]

    @inlined
    def _loaded_by_lane(t: Any, lanes: int, n_states: int, state: int, row: int, cov: Any, gain: Any) -> None:
        """Gains of all states by a load of a report on one of them, that is row ``row`` of the tile."""
        for k in range(n_states):
            at, to = place(k, state), k * STRIDE
            for j in range(lanes):
                gain[to + j] += t[row * STRIDE + j] * cov[at + j]

    @inlined
    def _predict(
        t: Any,
        lanes: int,
        s: int,
        window: int,
        reports: Any,
        system: Any,
        rounding: float,
        m: Any,
        cov: Any,
        gain: Any,
    ) -> None:
        """``MU``, ``VARIANCE`` of a report before it is read, and the gains of all states."""
        n, n_states = system.shape[1], m.shape[0] // STRIDE
        slow_, white = reports.slow[s], reports.white[s]
        shared_, own_, last = white * reports.shared[s], white * reports.own[s], n_states - 1
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
            t[MU * STRIDE + j] = t[MEAN * STRIDE + j]
            t[VARIANCE * STRIDE + j] = noise * own_ * noise * own_
        for k in range(n_states):
            put(gain, lanes, k, 0.0)
        slow_state = n + reports.gather.shape[1] + reports.slow_place[s]
        if reports.shared[s] > 0.0:
            _loaded_by_lane(t, lanes, n_states, last, SHARED, cov, gain)
        if reports.slow_place[s] >= 0:
            _loaded_by_lane(t, lanes, n_states, slow_state, SLOW, cov, gain)
        for i in range(n):
            load = system[3 * n + 1 + s, i]
            if load != 0.0:
                state, load = (n + window, load / reports.recall[s]) if window >= 0 else (i, load)
                _loaded(lanes, n_states, state, load, cov, gain)
        # the variance takes the gains of all loads, so that it comes after them
        if reports.shared[s] > 0.0:
            for j in range(lanes):
                t[MU * STRIDE + j] += t[SHARED * STRIDE + j] * m[last * STRIDE + j]
                t[VARIANCE * STRIDE + j] += t[SHARED * STRIDE + j] * gain[last * STRIDE + j]
        if reports.slow_place[s] >= 0:
            for j in range(lanes):
                t[MU * STRIDE + j] += t[SLOW * STRIDE + j] * m[slow_state * STRIDE + j]
                t[VARIANCE * STRIDE + j] += t[SLOW * STRIDE + j] * gain[slow_state * STRIDE + j]
        for i in range(n):
            load = system[3 * n + 1 + s, i]
            if load != 0.0:
                state, load = (n + window, load / reports.recall[s]) if window >= 0 else (i, load)
                for j in range(lanes):
                    t[MU * STRIDE + j] += load * m[state * STRIDE + j]
                    t[VARIANCE * STRIDE + j] += load * gain[state * STRIDE + j]
        for j in range(lanes):
            t[SPREAD * STRIDE + j] = t[VARIANCE * STRIDE + j] + rounding

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
                t[TOTAL * STRIDE + j] -= 0.5 * (LOG_2PI + log(spread) + moved * moved * spread)
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
    def _live(t: Any, lanes: int, c: Any, reports: Any, system: Any, day: int, room: Any) -> None:
        """Life goes on for a day (day 0 is as it starts), and the windows that run take it up."""
        sums, m, cov, gain, square = room
        n_states = m.shape[0] // STRIDE
        if day > 0:  # the day factor, the last state, is of the day alone
            advance_life(m, cov, lanes, n_states - 1, system, t, SQUARED * STRIDE, square)
        for a in range(reports.gather.shape[1]):
            source = reports.gather[day, a]
            if source >= 0:
                gather(m, cov, lanes, n_states - 1, system.shape[1] + a, source, reports.opening[day, a])

    @inlined
    def _add_reference(t: Any, lanes: int, c: Any, share: float) -> None:
        """Pain and function as felt today, without life, to the mean of the reference days."""
        for j in range(lanes):
            x = t[(STATE + X) * STRIDE + j]
            pain = eq.pain_report_mean(t[(STATE + P) * STRIDE + j], x, c.pain_report_x)
            function = eq.function_report_mean(t[(STATE + U) * STRIDE + j], x, c.function_report_x)
            t[REFERENCE_PAIN * STRIDE + j] += share * pain
            t[REFERENCE_FUNCTION * STRIDE + j] += share * function

    @inlined
    def _filtered(
        t: Any,
        lanes: int,
        c: Any,
        regimen: Any,
        reports: Any,
        system: Any,
        room: Any,
        centres: Any,
        spreads: Any,
        reference: Any,
        first: int,
        n: int,
    ) -> None:
        """``TOTAL`` of a tile: log likelihood of the reports; predictions of the ``n`` rows from ``first`` on.

        ``room`` is (sums, m, cov, gain, square) to work in. ``reference`` holds the first and the last day of the
        reference; with it the days go on to the last of the regimen, without (-1) to that of the last report.
        """
        sums, m, cov, gain, square = room
        n_reports, n_states = reports.day.shape[0], m.shape[0] // STRIDE
        course.start(t, lanes, c, regimen)
        _start_states(t, lanes, reports, system, m, cov)
        put(t, lanes, TOTAL, 0.0)
        put(t, lanes, POSSIBLE, 1.0)
        put(t, lanes, REFERENCE_PAIN, 0.0)
        put(t, lanes, REFERENCE_FUNCTION, 0.0)
        for row in range(N_WINDOWS):
            put(sums, lanes, row, 0.0)
        recalls = False
        for s in range(reports.kind.shape[0]):
            recalls = recalls or reports.recall[s] > 1
        r, before, end = 0, 0, reports.day[n_reports - 1] if n_reports else -1
        if reference[1] >= 0:
            end = regimen.dose.shape[0] - 1
        for day in range(end + 1):
            if day > 0:
                course.advance(t, lanes, c, regimen, day)
                if recalls:
                    add_windows(t, lanes, c, sums, day)
            _live(t, lanes, c, reports, system, day, room)
            if reference[0] <= day <= reference[1]:
                _add_reference(t, lanes, c, 1.0 / (reference[1] - reference[0] + 1.0))
            if r == n_reports or reports.day[r] != day:
                continue
            _pass_days(lanes, reports, system, day - before, m, cov)
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
                _predict(t, lanes, s, reports.window[r], reports, system, reports.rounding[r], m, cov, gain)
                for j in range(min(n, LANES)):
                    centres[first + j, r] = t[MU * STRIDE + j]
                    spreads[first + j, r] = t[SPREAD * STRIDE + j]
                _read(
                    t, lanes, n_states, reports.interval[r], reports.y[r], reports.low[r], reports.high[r], m, cov, gain
                )
                r += 1

    @fast
    def log_likelihoods(
        values: Any,
        c: Any,
        regimen: Any,
        reports: Any,
        system: Any,
        centres: Any,
        spreads: Any,
        reference: Any,
        states: Any,
        drifts: Any,
        life: Any,
    ) -> Any:
        """Log likelihood of each row of ``values``, (n, N_VALUES).

        ``system`` is that of ``life_block.system_of``. Predictions of each report fill ``centres`` and ``spreads``,
        (n or 0, n_reports). With the first and last day of a ``reference`` (else -1, -1) the end of the regimen fills
        ``states`` (n, N_STATE), ``drifts`` (n,) and ``life`` (n, k + k (k + 1) / 2 + 2): mean and packed covariance of
        the k states of life and of sums, then pain and function of the reference days, as felt without life.
        """
        n, k = values.shape[0], system.shape[1] + reports.gather.shape[1]
        out = np.empty(n)
        t = np.empty(N_ROWS * STRIDE)
        n_slow = 0
        for s in range(reports.kind.shape[0]):
            n_slow += 1 if reports.slow_place[s] >= 0 else 0
        n_states = k + n_slow + 1
        n_days = regimen.dose.shape[0] - 1
        room = (
            np.zeros((n_days + 1) * N_WINDOWS * STRIDE),
            np.zeros(n_states * STRIDE),
            np.zeros(n_states * (n_states + 1) // 2 * STRIDE),
            np.zeros(n_states * STRIDE),
            np.zeros(25 * STRIDE),
        )
        for first in range(0, n, LANES):
            lanes = lanes_of(n - first)
            course.put_values(t, lanes, values, first)
            here = min(n - first, LANES)
            predicted = min(n - first, centres.shape[0])
            _filtered(t, lanes, c, regimen, reports, system, room, centres, spreads, reference, first, predicted)
            for j in range(here):
                total = t[TOTAL * STRIDE + j]
                out[first + j] = total if t[POSSIBLE * STRIDE + j] > 0.0 and np.isfinite(total) else IMPOSSIBLE
            for j in range(here if reference[1] >= 0 else 0):
                for row in range(N_STATE):
                    states[first + j, row] = t[(STATE + row) * STRIDE + j]
                drifts[first + j] = t[DRIFTED * STRIDE + j]
                for row in range(k):
                    life[first + j, row] = room[1][row * STRIDE + j]
                for row in range(k * (k + 1) // 2):
                    life[first + j, k + row] = room[2][row * STRIDE + j]
                life[first + j, k + k * (k + 1) // 2] = t[REFERENCE_PAIN * STRIDE + j]
                life[first + j, k + k * (k + 1) // 2 + 1] = t[REFERENCE_FUNCTION * STRIDE + j]
        return out
