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

from taper_sim.array_types import Floats
from taper_sim.inference import course, life_block, observation, report_means, truncated_normal
from taper_sim.inference.course import DRIFTED, LANES, LIFE, N_STATE, NOISE, STATE, STRIDE, P, U, X, lanes_of, put
from taper_sim.inference.life_block import advance_life, at_row, n_rows_of, place, replace_state, start_life
from taper_sim.inference.observation import LOG1P, packed
from taper_sim.inference.report_means import MEAN, N_MEAN_ROWS, N_WINDOWS, add_windows, put_means
from taper_sim.inference.truncated_normal import LOG_2PI, truncated
from taper_sim.model import equations as eq
from taper_sim.model.compiled import elementary
from taper_sim.model.compiled.elementary import log
from taper_sim.model.compiled.jit import fast, inlined, kept_by_sources

IMPOSSIBLE: Final = -1e300
# rows of a tile behind those of the means
(MU, VARIANCE, SPREAD, NOISE_HERE, MOVED, SHRUNK, LESS, TOTAL, POSSIBLE, REFERENCE_PAIN, REFERENCE_FUNCTION) = range(
    N_MEAN_ROWS, N_MEAN_ROWS + 11
)
N_ROWS: Final = REFERENCE_FUNCTION + 1

with kept_by_sources(__file__, course, observation, elementary, life_block, report_means, truncated_normal):

    @inlined
    def _start_states(t: Any, lanes: int, n_states: int, n_clear: int, system: Any, moments: Any, squared: Any) -> None:
        """Moments of day 0: life as in the long run, of people who enrol; sums 0; noise from ``n_clear`` on 1."""
        moments[:] = 0.0
        for j in range(lanes):
            squared[j] = t[LIFE * STRIDE + j] * t[LIFE * STRIDE + j]
        start_life(moments, lanes, n_states, system, squared)
        for k in range(n_clear, n_states):
            at = place(k, k)
            for j in range(lanes):
                moments[at + j] = 1.0

    @inlined
    def _pass_days(lanes: int, n_states: int, n_clear: int, whole: Any, numbers: Any, gap: int, moments: Any) -> None:
        """Slow noise fades over a gap of days, and the day factor is a new one."""
        fade = 0.0  # of the day factor
        for k in range(n_clear, n_states):
            for s in range(whole.shape[0]):
                if whole[s, 3] == k - n_clear:
                    fade = numbers[s, 5] ** gap
            fade, own = 0.0 if k == n_states - 1 else fade, place(k, k)
            for q in range(n_states + 1):
                at = place(k, q)
                for j in range(lanes):
                    moments[at + j] *= fade
            for j in range(lanes):  # the loop above has faded the variance once
                moments[own + j] = moments[own + j] * fade + (1.0 - fade * fade)

    @inlined
    def _predict(
        t: Any,
        lanes: int,
        n_states: int,
        n_clear: int,
        s: int,
        window: int,
        whole: Any,
        numbers: Any,
        system: Any,
        rounding: float,
        moments: Any,
        gain: Any,
        loads: Any,
    ) -> None:
        """``MU``, ``VARIANCE`` of a report before it is read, and the gains of all states.

        ``loads`` is room for what the states that a report depends on bring to it.
        """
        n, recall, personal = system.shape[1], whole[s, 1], whole[s, 4] == 0
        slow_, shared_, own_ = numbers[s, 2], numbers[s, 1] * numbers[s, 4], numbers[s, 1] * numbers[s, 3]
        if whole[s, 2] == LOG1P:
            for j in range(lanes):
                mean = t[MEAN * STRIDE + j]
                possible = mean > -1.0
                t[POSSIBLE * STRIDE + j] *= 1.0 if possible else 0.0
                t[MEAN * STRIDE + j] = log(1.0 + (mean if possible else 0.0))
        for j in range(lanes):
            noise = t[NOISE * STRIDE + j] if personal else 1.0
            t[NOISE_HERE * STRIDE + j] = noise
            t[MU * STRIDE + j] = t[MEAN * STRIDE + j]
            t[VARIANCE * STRIDE + j] = noise * own_ * noise * own_
        for k in range(n_states):
            at = at_row(k)
            for j in range(lanes):
                gain[at + j] = 0.0
        for twice in range(2):  # the variance takes the gains of all loads
            for i in range(n + 2):  # states of life, slow noise, day factor
                by_noise, state = 1.0, i
                if i < n:
                    load = system[3 * n + 1 + s, i]
                    if window >= 0:
                        state, load = n + window, load / recall
                    by_noise = 0.0
                elif i == n:
                    state, load = n_clear + whole[s, 3], slow_
                else:
                    state, load = n_states - 1, shared_
                if load == 0.0:
                    continue
                for j in range(lanes):
                    loads[j] = load * (by_noise * t[NOISE_HERE * STRIDE + j] + (1.0 - by_noise))
                if twice == 0:
                    for k in range(n_states):
                        at, to = place(k, state), at_row(k)
                        for j in range(lanes):
                            gain[to + j] += loads[j] * moments[at + j]
                else:
                    mean, at = place(n_states, state), at_row(state)
                    for j in range(lanes):
                        t[MU * STRIDE + j] += loads[j] * moments[mean + j]
                        t[VARIANCE * STRIDE + j] += loads[j] * gain[at + j]
        for j in range(lanes):
            t[SPREAD * STRIDE + j] = t[VARIANCE * STRIDE + j] + rounding

    @inlined
    def _read(
        t: Any, lanes: int, n_states: int, interval: bool, y: float, low: float, high: float, moments: Any, gain: Any
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
            mean, of = place(n_states, k), at_row(k)
            for j in range(lanes):
                moments[mean + j] += gain[of + j] * t[MOVED * STRIDE + j]
                t[LESS * STRIDE + j] = gain[of + j] * t[SHRUNK * STRIDE + j]
            for q in range(k + 1):  # only the lower triangle is kept
                at, to = place(k, q), at_row(q)
                for j in range(lanes):
                    moments[at + j] -= t[LESS * STRIDE + j] * gain[to + j]

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
        n_states: int,
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

        ``reports`` is that of ``observation.packed``, ``room`` (sums, moments, gain, squared, loads) to work in.
        ``reference`` holds the first and the last day of the reference; with it the days go on to the last of the
        regimen, without (-1) to that of the last report.
        """
        sums, moments, gain, squared, loads = room
        rows, measured, whole, numbers, gather, opening, weekend, last_cut = reports
        n_reports, n_clear = rows.shape[0], system.shape[1] + gather.shape[1]
        course.start(t, lanes, c, regimen)
        _start_states(t, lanes, n_states, n_clear, system, moments, squared)
        put(t, lanes, TOTAL, 0.0)
        put(t, lanes, POSSIBLE, 1.0)
        put(t, lanes, REFERENCE_PAIN, 0.0)
        put(t, lanes, REFERENCE_FUNCTION, 0.0)
        for row in range(N_WINDOWS):
            put(sums, lanes, row, 0.0)
        recalls = False
        for s in range(whole.shape[0]):
            recalls = recalls or whole[s, 1] > 1
        r, before, end = 0, 0, rows[n_reports - 1, 0] if n_reports else -1
        if reference[1] >= 0:
            end = regimen.dose.shape[0] - 1
        for day in range(end + 1):
            if day > 0:
                course.advance(t, lanes, c, regimen, day)
                advance_life(moments, lanes, n_states, system, squared)
                if recalls:
                    add_windows(t, lanes, c, sums, day)
            for a in range(gather.shape[1]):
                if gather[day, a] >= 0:  # a sum opens, or goes on
                    opens = opening[day, a] > 0.0
                    own, weight = (0.0, opening[day, a]) if opens else (1.0, 1.0)
                    replace_state(moments, lanes, n_states, system.shape[1] + a, own, gather[day, a], weight)
            if reference[0] <= day <= reference[1]:
                _add_reference(t, lanes, c, 1.0 / (reference[1] - reference[0] + 1.0))
            if r == n_reports or rows[r, 0] != day:
                continue
            _pass_days(lanes, n_states, n_clear, whole, numbers, day - before, moments)
            before = day
            while r < n_reports and rows[r, 0] == day:
                s = rows[r, 1]
                kind, recall, scale = whole[s, 0], whole[s, 1], numbers[s, 0]
                put_means(t, lanes, c, sums, kind, scale, recall, day, weekend[day], last_cut[day])
                _predict(
                    t,
                    lanes,
                    n_states,
                    n_clear,
                    s,
                    rows[r, 3],
                    whole,
                    numbers,
                    system,
                    measured[r, 3],
                    moments,
                    gain,
                    loads,
                )
                for j in range(min(n, LANES)):
                    centres[first + j, r] = t[MU * STRIDE + j]
                    spreads[first + j, r] = t[SPREAD * STRIDE + j]
                y, low, high = measured[r, 0], measured[r, 1], measured[r, 2]
                _read(t, lanes, n_states, rows[r, 2] > 0, y, low, high, moments, gain)
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

        ``reports`` is that of ``observation.packed``, ``system`` that of ``life_block.system_of``. Predictions of each
        report fill ``centres`` and ``spreads``, (n or 0, n_reports). With the first and last day of a ``reference``
        (else -1, -1) the end of the regimen fills ``states`` (n, N_STATE), ``drifts`` (n,) and ``life`` (n, k +
        k (k + 1) / 2 + 2): mean and packed covariance of the k states of life and of sums, then pain and function of
        the reference days, as felt without life.
        """
        n, k = values.shape[0], system.shape[1] + reports[4].shape[1]
        out = np.empty(n)
        t = np.empty(N_ROWS * STRIDE)
        n_states = k + 1
        for s in range(reports[2].shape[0]):
            n_states += 1 if reports[2][s, 3] >= 0 else 0
        n_days = regimen.dose.shape[0] - 1
        room = (
            np.zeros((n_days + 1) * N_WINDOWS * STRIDE),
            np.zeros(n_rows_of(n_states) * STRIDE),
            np.zeros(n_states * STRIDE),
            np.zeros(STRIDE),
            np.zeros(STRIDE),
        )
        for first in range(0, n, LANES):
            lanes = lanes_of(n - first)
            course.put_values(t, lanes, values, first)
            here = min(n - first, LANES)
            predicted = min(n - first, centres.shape[0])
            _filtered(
                t, lanes, n_states, c, regimen, reports, system, room, centres, spreads, reference, first, predicted
            )
            for j in range(here):
                total = t[TOTAL * STRIDE + j]
                out[first + j] = total if t[POSSIBLE * STRIDE + j] > 0.0 and np.isfinite(total) else IMPOSSIBLE
            for j in range(here if reference[1] >= 0 else 0):
                for row in range(N_STATE):
                    states[first + j, row] = t[(STATE + row) * STRIDE + j]
                drifts[first + j] = t[DRIFTED * STRIDE + j]
                for row in range(k):
                    life[first + j, row] = room[1][place(n_states, row) + j]
                for row in range(k * (k + 1) // 2):
                    life[first + j, k + row] = room[1][at_row(row) + j]
                life[first + j, k + k * (k + 1) // 2] = t[REFERENCE_PAIN * STRIDE + j]
                life[first + j, k + k * (k + 1) // 2 + 1] = t[REFERENCE_FUNCTION * STRIDE + j]
        return out


_NOTHING: Final = (np.full(2, -1, dtype=np.int64), np.empty((0, N_STATE)), np.empty(0), np.empty((0, 0)))
_NO_PREDICTIONS: Final = np.empty((0, 0))


def log_likelihood(
    values: Floats,
    shared: Any,
    regimen: Any,
    reports: Any,
    system: Floats,
    centres: Floats = _NO_PREDICTIONS,
    spreads: Floats = _NO_PREDICTIONS,
) -> Floats:
    """Log likelihood of each vector of values, (n,).

    Parameters
    ----------
    values : ndarray, (n, N_VALUES)
    shared : Couplings
    regimen : Regimen
    reports : Reports
    system : ndarray
        From ``life_block.system_of``.
    centres, spreads : ndarray, (n or 0, n_reports)
        Filled with the predicted mean and variance of each report, given those before it.
    """
    out = log_likelihoods(values, shared, regimen, packed(reports), system, centres, spreads, *_NOTHING)
    return np.asarray(out, dtype=np.float64)


def at_end(
    values: Floats, shared: Any, regimen: Any, reports: Any, system: Floats, reference: tuple[int, int]
) -> tuple[Floats, Floats, Floats, Floats]:
    """The last day of the regimen at each vector of values, given the reports.

    Parameters
    ----------
    values, shared, regimen, reports, system
        As in :func:`log_likelihood`; the sums of ``reports`` reach to the last day of the regimen.
    reference : tuple of int
        First and last day of the reference.

    Returns
    -------
    states : ndarray, (n, N_STATE)
        State of the course due to the taper.
    drifts : ndarray, (n,)
        Drift of log sigma so far.
    life : ndarray, (n, k + k (k + 1) / 2 + 2)
        Mean and packed covariance of the states of life and of sums, as filtered; pain and function as felt without
        life, means of the reference days.
    log_likelihood : ndarray, (n,)
    """
    n, k = len(values), system.shape[1] + reports.gather.shape[1]
    states, drifts, life = np.empty((n, N_STATE)), np.empty(n), np.empty((n, k + k * (k + 1) // 2 + 2))
    days = np.array(reference, dtype=np.int64)
    out = log_likelihoods(
        values, shared, regimen, packed(reports), system, _NO_PREDICTIONS, _NO_PREDICTIONS, days, states, drifts, life
    )
    return states, drifts, life, np.asarray(out, dtype=np.float64)
