"""A day of the kernel, part three: the check-in (section 4). Imports ``rows``, ``elementary``, ``equations``.

As in ``lanes``: each function walks the lanes of one tile in the local array ``x``.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable

from taper_sim.model.compiled.elementary import exp, log
from taper_sim.model.compiled.jit import wide
from taper_sim.model.compiled.patient_day import put_where
from taper_sim.model.compiled.rows import (
    ALIVE,
    CHECKIN_EVERY,
    CHECKINS_DONE,
    CHECKINS_DUE,
    CUT,
    I0,
    IN_CARE,
    LANES,
    LAST_CUT,
    M0,
    MISS_FIXED,
    MISSED,
    NOISE,
    NORMAL,
    P0,
    PARAM,
    REPORT,
    S0,
    SLOW,
    STATE,
    STEPS0,
    STRIDE,
    SUMS,
    U0,
    U_MISS,
    I,
    M,
    P,
    U,
    W,
    X,
)
from taper_sim.model.equations import (
    log_steps_mean,
    missing_logit,
    pain_report_mean,
    report_noise,
    sleep_hours_mean,
    slow_noise,
    sows_mean,
)


@register_jitable(forceinline=True)
def reports_of_day(x: Any, c: Any, day: float) -> None:
    """Section 4: the day's check-in, if one is due and comes."""
    wide()
    nan = np.nan
    week = day - 7.0 * np.floor(day / 7.0)
    weekend = 1.0 if week >= 5.0 else 0.0
    for j in range(LANES):
        every = x[(PARAM + CHECKIN_EVERY) * STRIDE + j]  # 0: never
        turns = day / every
        due = ((np.floor(turns) == turns) & (every > 0.0)) & (
            x[(STATE + IN_CARE) * STRIDE + j] * x[(STATE + ALIVE) * STRIDE + j] > 0.0
        )
        z_day, before = x[NORMAL * STRIDE + j], x[(STATE + MISSED) * STRIDE + j]
        m_bar = x[(STATE + M) * STRIDE + j] - x[(PARAM + M0) * STRIDE + j]
        odds = exp(
            missing_logit(
                x[(PARAM + MISS_FIXED) * STRIDE + j], before, z_day, m_bar, c.miss_missed, c.miss_bad, c.miss_m
            )
        )
        missed = 1.0 if x[U_MISS * STRIDE + j] < odds / (1.0 + odds) else 0.0
        put_where(x, (STATE + MISSED) * STRIDE + j, due, missed)
        x[(SUMS + CHECKINS_DUE) * STRIDE + j] += 1.0 if due else 0.0
        done = 1.0 - missed
        x[(SUMS + CHECKINS_DONE) * STRIDE + j] += done if due else 0.0
        came = due & (missed == 0.0)
        person = x[(PARAM + NOISE) * STRIDE + j]
        z, s = NORMAL + 1, STATE + SLOW

        x[s * STRIDE + j] = slow_noise(
            x[s * STRIDE + j], c.decay_sows_gossop, c.innovation_sows_gossop, x[(z + 1) * STRIDE + j]
        )
        noise = report_noise(
            person,
            c.white_sows_gossop,
            c.slow_sows_gossop,
            c.own_sows_gossop,
            c.shared_sows_gossop,
            x[z * STRIDE + j],
            z_day,
            x[s * STRIDE + j],
        )
        value = (
            exp(
                log(
                    1.0
                    + sows_mean(
                        x[(PARAM + S0) * STRIDE + j], x[(STATE + W) * STRIDE + j], x[(STATE + X) * STRIDE + j], c.sows_w
                    )
                )
                + noise
            )
            - 1.0
        )
        value = _rounded(value, 0.0, 30.0)
        x[REPORT * STRIDE + j] = value if came else nan

        x[(s + 1) * STRIDE + j] = slow_noise(
            x[(s + 1) * STRIDE + j], c.decay_pain_nrs, c.innovation_pain_nrs, x[(z + 3) * STRIDE + j]
        )
        noise = report_noise(
            person,
            c.white_pain_nrs,
            c.slow_pain_nrs,
            c.own_pain_nrs,
            c.shared_pain_nrs,
            x[(z + 2) * STRIDE + j],
            z_day,
            x[(s + 1) * STRIDE + j],
        )
        value = pain_report_mean(x[(STATE + P) * STRIDE + j], x[(STATE + X) * STRIDE + j], c.pain_report_x) + noise
        value = _rounded(value, 0.0, 10.0)
        x[(REPORT + 1) * STRIDE + j] = value if came else nan

        x[(s + 2) * STRIDE + j] = slow_noise(
            x[(s + 2) * STRIDE + j], c.decay_mood_item, c.innovation_mood_item, x[(z + 5) * STRIDE + j]
        )
        noise = report_noise(
            person,
            c.white_mood_item,
            c.slow_mood_item,
            c.own_mood_item,
            c.shared_mood_item,
            x[(z + 4) * STRIDE + j],
            z_day,
            x[(s + 2) * STRIDE + j],
        )
        value = _rounded(10.0 * x[(STATE + M) * STRIDE + j] + noise, 0.0, 10.0)
        x[(REPORT + 2) * STRIDE + j] = value if came else nan

        x[(s + 3) * STRIDE + j] = slow_noise(
            x[(s + 3) * STRIDE + j], c.decay_sleep_item, c.innovation_sleep_item, x[(z + 7) * STRIDE + j]
        )
        noise = report_noise(
            person,
            c.white_sleep_item,
            c.slow_sleep_item,
            c.own_sleep_item,
            c.shared_sleep_item,
            x[(z + 6) * STRIDE + j],
            z_day,
            x[(s + 3) * STRIDE + j],
        )
        value = _rounded(10.0 * x[(STATE + I) * STRIDE + j] + noise, 0.0, 10.0)
        x[(REPORT + 3) * STRIDE + j] = value if came else nan
        x[CUT * STRIDE + j] = 1.0 if came else 0.0  # the cut has been used: its row now says whether the check-in came
    for j in range(LANES):
        came = x[CUT * STRIDE + j] > 0.0
        person = x[(PARAM + NOISE) * STRIDE + j]
        z_day = x[NORMAL * STRIDE + j]
        z, s = NORMAL + 1, STATE + SLOW

        x[(s + 4) * STRIDE + j] = slow_noise(
            x[(s + 4) * STRIDE + j], c.decay_function, c.innovation_function, x[(z + 9) * STRIDE + j]
        )
        noise = report_noise(
            person,
            c.white_function,
            c.slow_function,
            c.own_function,
            c.shared_function,
            x[(z + 8) * STRIDE + j],
            z_day,
            x[(s + 4) * STRIDE + j],
        )
        value = _rounded(x[(STATE + U) * STRIDE + j] + noise, 0.0, 100.0)
        x[(REPORT + 4) * STRIDE + j] = value if came else nan

        x[(s + 5) * STRIDE + j] = slow_noise(
            x[(s + 5) * STRIDE + j], c.decay_withdrawal_item, c.innovation_withdrawal_item, x[(z + 11) * STRIDE + j]
        )
        noise = report_noise(
            person,
            c.white_withdrawal_item,
            c.slow_withdrawal_item,
            c.own_withdrawal_item,
            c.shared_withdrawal_item,
            x[(z + 10) * STRIDE + j],
            z_day,
            x[(s + 5) * STRIDE + j],
        )
        last = x[(STATE + LAST_CUT) * STRIDE + j]
        w0, w1, w2 = x[(STATE + W) * STRIDE + j], x[(STATE + W + 1) * STRIDE + j], x[(STATE + W + 2) * STRIDE + j]
        w = w1 if last == 1.0 else w0
        w = w2 if last == 2.0 else w
        value = exp(log(1.0 + c.item_0 + 10.0 * w) + noise) - 1.0
        value = _rounded(value, 0.0, 10.0)
        x[(REPORT + 5) * STRIDE + j] = value if came else nan

        x[(s + 6) * STRIDE + j] = slow_noise(
            x[(s + 6) * STRIDE + j], c.decay_steps, c.innovation_steps, x[(z + 13) * STRIDE + j]
        )
        noise = report_noise(
            person,
            c.white_steps,
            c.slow_steps,
            c.own_steps,
            c.shared_steps,
            x[(z + 12) * STRIDE + j],
            z_day,
            x[(s + 6) * STRIDE + j],
        )
        p_bar = x[(STATE + P) * STRIDE + j] - x[(PARAM + P0) * STRIDE + j]
        u_bar, i_bar = (
            x[(STATE + U) * STRIDE + j] - x[(PARAM + U0) * STRIDE + j],
            x[(STATE + I) * STRIDE + j] - x[(PARAM + I0) * STRIDE + j],
        )
        value = exp(
            log_steps_mean(
                x[(PARAM + STEPS0) * STRIDE + j],
                u_bar,
                i_bar,
                p_bar,
                weekend,
                c.steps_u,
                c.steps_i,
                c.steps_p,
                c.steps_weekend,
            )
            + noise
        )
        value = _rounded(value, 0.0, 50000.0)
        x[(REPORT + 6) * STRIDE + j] = value if came else nan

        x[(s + 7) * STRIDE + j] = slow_noise(
            x[(s + 7) * STRIDE + j], c.decay_sleep_hours, c.innovation_sleep_hours, x[(z + 15) * STRIDE + j]
        )
        noise = report_noise(
            person,
            c.white_sleep_hours,
            c.slow_sleep_hours,
            c.own_sleep_hours,
            c.shared_sleep_hours,
            x[(z + 14) * STRIDE + j],
            z_day,
            x[(s + 7) * STRIDE + j],
        )
        value = sleep_hours_mean(c.hours_0, i_bar, weekend, c.hours_i, c.hours_weekend) + noise
        value = 0.1 * _rounded(10.0 * value, 0.0, 240.0)
        x[(REPORT + 7) * STRIDE + j] = value if came else nan


@register_jitable(forceinline=True)
def _rounded(value: float, low: float, high: float) -> float:
    """``round(limit(value))``: the ends of the scale apply when a report is written."""
    value = low if value < low else value
    value = high if value > high else value
    return np.floor(value + 0.5)
