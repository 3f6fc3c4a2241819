"""A day of the kernel, part three: the check-in (section 4). Imports ``rows``, ``elementary``, ``equations``.

As in ``patient_day``: each function walks the lanes of one tile in the local array ``x``.
"""

from typing import Any, Final

import numpy as np

from taper_sim.model import equations as eq
from taper_sim.model.compiled import rows as r
from taper_sim.model.compiled.elementary import exp, log
from taper_sim.model.compiled.jit import inlined
from taper_sim.model.compiled.patient_day import put_where, within
from taper_sim.model.compiled.rows import LANES, PARAM, STATE, STRIDE, SUMS
from taper_sim.model.event_parameters import SLOW_STREAMS, STREAMS

_DECAYS: Final = [np.exp(-1.0 / stream.tau_d) for stream in STREAMS]
DECAY: Final = tuple(float(decay) for decay in _DECAYS)
INNOVATION: Final = tuple(float(np.sqrt(1.0 - decay**2)) for decay in _DECAYS)
OWN: Final = tuple(float(np.sqrt(1.0 - stream.shared**2)) for stream in STREAMS)
SHARED: Final = tuple(float(stream.shared) for stream in STREAMS)
PLACE: Final = tuple(SLOW_STREAMS.index(k) if k in SLOW_STREAMS else -1 for k in range(len(STREAMS)))
HIGH: Final = tuple(float(stream.high) for stream in STREAMS)
_ORDER: Final = [stream.instrument for stream in STREAMS]
SOWS, PAIN, MOOD, SLEEP = map(_ORDER.index, ("sows_gossop", "pain_nrs", "mood_item", "sleep_item"))
FUNCTION, ITEM, STEPS, HOURS = map(_ORDER.index, ("function", "withdrawal_item", "steps", "sleep_hours"))


@inlined
def _noise(x: Any, c: Any, j: int, k: int) -> float:
    """Noise of the report of stream ``k``; its slow part, if it has one, moves on by a day."""
    slow = 0.0
    if PLACE[k] >= 0:
        slow = eq.slow_noise(
            x[(STATE + r.SLOW + PLACE[k]) * STRIDE + j],
            DECAY[k],
            INNOVATION[k],
            x[(r.SLOW_NORMAL + PLACE[k]) * STRIDE + j],
        )
        x[(STATE + r.SLOW + PLACE[k]) * STRIDE + j] = slow
    return eq.report_noise(
        x[(PARAM + r.NOISE) * STRIDE + j],
        c[r.WHITE + k],
        c[r.SLOW_SD + k],
        OWN[k],
        SHARED[k],
        x[(r.WHITE_NORMAL + k) * STRIDE + j],
        x[r.NORMAL * STRIDE + j],
        slow,
    )


@inlined
def _send(x: Any, j: int, k: int, value: float, came: bool) -> None:
    """Report of stream ``k`` as it is written, NaN where no check-in came."""
    x[(r.REPORT + k) * STRIDE + j] = _rounded(value, 0.0, HIGH[k]) if came else np.nan


@inlined
def reports_of_day(x: Any, c: Any, day: float) -> None:
    """Section 4: the day's check-in, if one is due and comes."""
    week = day - 7.0 * np.floor(day / 7.0)
    weekend = 1.0 if week >= 5.0 else 0.0
    for j in range(LANES):
        every = x[(PARAM + r.CHECKIN_EVERY) * STRIDE + j]  # 0: never
        turns = day / every
        due = ((np.floor(turns) == turns) & (every > 0.0)) & (
            x[(STATE + r.IN_CARE) * STRIDE + j] * x[(STATE + r.ALIVE) * STRIDE + j] > 0.0
        )
        z_day, before = x[r.NORMAL * STRIDE + j], x[(STATE + r.MISSED) * STRIDE + j]
        m_bar = x[r.M_BAR * STRIDE + j]
        odds = exp(
            eq.missing_logit(
                x[(PARAM + r.MISS_FIXED) * STRIDE + j], before, z_day, m_bar, c.miss_missed, c.miss_bad, c.miss_m
            )
        )
        missed = 1.0 if x[r.U_MISS * STRIDE + j] < odds / (1.0 + odds) else 0.0
        put_where(x, (STATE + r.MISSED) * STRIDE + j, due, missed)
        x[(SUMS + r.CHECKINS_DUE) * STRIDE + j] += 1.0 if due else 0.0
        done = 1.0 - missed
        x[(SUMS + r.CHECKINS_DONE) * STRIDE + j] += done if due else 0.0
        came = due & (missed == 0.0)
        w_opioid, reaction = x[(STATE + r.W) * STRIDE + j], x[(STATE + r.X) * STRIDE + j]
        sows = eq.sows_mean(x[(PARAM + r.S0) * STRIDE + j], w_opioid, reaction, c.sows_w)
        shift = eq.sows_shift(
            x[(STATE + r.P) * STRIDE + j] - x[(PARAM + r.P0) * STRIDE + j],
            x[(STATE + r.M) * STRIDE + j] - x[(PARAM + r.M0) * STRIDE + j],
            x[(STATE + r.I) * STRIDE + j] - x[(PARAM + r.I0) * STRIDE + j],
            c.sows_p,
            c.sows_m,
            c.sows_i,
        )
        log_sows = log(1.0 + sows) + shift
        x[r.LOG_SOWS * STRIDE + j] = log_sows
        _send(x, j, SOWS, exp(log_sows + _noise(x, c, j, SOWS)) - 1.0, came)
        pain = eq.pain_report_mean(x[(STATE + r.P) * STRIDE + j], reaction, c.pain_report_x)
        _send(x, j, PAIN, pain + _noise(x, c, j, PAIN), came)
        _send(x, j, MOOD, 10.0 * x[(STATE + r.M) * STRIDE + j] + _noise(x, c, j, MOOD), came)
        _send(x, j, SLEEP, 10.0 * x[(STATE + r.I) * STRIDE + j] + _noise(x, c, j, SLEEP), came)
        x[r.CUT * STRIDE + j] = 1.0 if came else 0.0  # the cut has been used: its row now says whether a check-in came
    for j in range(LANES):
        came = x[r.CUT * STRIDE + j] > 0.0
        function = eq.function_report_mean(
            x[(STATE + r.U) * STRIDE + j], x[(STATE + r.X) * STRIDE + j], c.function_report_x
        )
        _send(x, j, FUNCTION, function + _noise(x, c, j, FUNCTION), came)

        last = x[(STATE + r.LAST_CUT) * STRIDE + j]
        w0, w1, w2 = (
            x[(STATE + r.W) * STRIDE + j],
            x[(STATE + r.W + 1) * STRIDE + j],
            x[(STATE + r.W + 2) * STRIDE + j],
        )
        w = w1 if last == 1.0 else w0
        w = w2 if last == 2.0 else w
        _send(x, j, ITEM, exp(log(1.0 + c.item_0 + 10.0 * w) + _noise(x, c, j, ITEM)) - 1.0, came)

        p_bar = x[(STATE + r.P) * STRIDE + j] - x[(PARAM + r.P0) * STRIDE + j]
        u_bar = x[(STATE + r.U) * STRIDE + j] - x[(PARAM + r.U0) * STRIDE + j]
        i_bar = x[(STATE + r.I) * STRIDE + j] - x[(PARAM + r.I0) * STRIDE + j]
        log_steps = eq.log_steps_mean(
            x[(PARAM + r.STEPS0) * STRIDE + j],
            u_bar,
            i_bar,
            p_bar,
            weekend,
            c.steps_u,
            c.steps_i,
            c.steps_p,
            c.steps_weekend,
        )
        _send(x, j, STEPS, exp(log_steps + _noise(x, c, j, STEPS)), came)

        hours = eq.sleep_hours_mean(c.hours_0, i_bar, weekend, c.hours_i, c.hours_weekend) + _noise(x, c, j, HOURS)
        tenths = _rounded(10.0 * hours, 0.0, 10.0 * HIGH[HOURS])
        x[(r.REPORT + HOURS) * STRIDE + j] = 0.1 * tenths if came else np.nan


@inlined
def _rounded(value: float, low: float, high: float) -> float:
    """``round(limit(value))``: the ends of the scale apply when a report is written."""
    return np.floor(within(value, low, high) + 0.5)
