"""A day of the kernel, part two: events, reports, sums. Imports ``rows``, ``elementary``, ``equations``.

As in ``lanes``: each function walks the lanes of one tile in the local array ``x``.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable

from taper_sim.model.elementary import exp, log, one_minus_exp
from taper_sim.model.equations import (
    log_hazard_crisis,
    log_hazard_dropout,
    log_hazard_overdose,
    log_hazard_return,
    log_hazard_seizure,
    log_hazard_urgent,
    log_hazard_withdrawal_visit,
    log_steps_mean,
    missing_logit,
    pain_report_mean,
    report_noise,
    respiratory_excess,
    sleep_hours_mean,
    slow_noise,
    sows_mean,
)  # fmt: skip
from taper_sim.model.lanes import put_where
from taper_sim.model.rows import (
    ALIVE,
    APNOEA,
    ATTEMPTS,
    CHECKIN_EVERY,
    CHECKINS_DONE,
    CHECKINS_DUE,
    CRISES,
    CUT,
    DAYS,
    DEATH_DAY,
    DOSE0,
    DROPOUT_DAY,
    E0,
    FATAL,
    FIRST_CRISIS,
    FIRST_OVERDOSE,
    FIRST_URGENT,
    FROZEN,
    HAZARD,
    HAZARD_DOSE,
    HAZARD_EXCESS,
    HELD,
    I0,
    IN_CARE,
    IN_CARE_DAYS,
    LANES,
    LAST_CUT,
    M0,
    MAX_W,
    MISS_FIXED,
    MISSED,
    NOISE,
    NORMAL,
    OVER_LIMIT,
    OVERDOSE_DEATHS,
    OVERDOSES,
    P0,
    PARAM,
    PRESCRIBED,
    REPORT,
    RETURN_DAY,
    RISK_DOSE,
    S0,
    SEIZURES,
    SLOW,
    STATE,
    STEPS0,
    STOP_DAY,
    STRIDE,
    SUICIDE_DEATHS,
    SUM_DOSE,
    SUM_I,
    SUM_LOG_SOWS,
    SUM_M,
    SUM_P,
    SUM_PRESCRIBED,
    SUM_SOWS,
    SUM_U,
    SUM_W,
    SUM_W_CLASS,
    SUM_X,
    SUMS,
    TAKEN,
    TARGET,
    U0,
    U_CRISIS,
    U_DROPOUT,
    U_MISS,
    U_OVERDOSE,
    U_RETURN,
    U_SEIZURE,
    U_URGENT,
    URGENT,
    W_ALL,
    W_ALL0,
    WITHDRAWAL_VISITS,
    E,
    I,
    M,
    N,
    P,
    R,
    U,
    V,
    W,
    X,
)  # fmt: skip


@register_jitable(forceinline=True)
def events(x: Any, c: Any, day: float) -> None:
    """Section 3, on the state of the end of the day. Death, dropout and return act from tomorrow."""
    for j in range(LANES):
        w_bar = x[(STATE + W_ALL) * STRIDE + j] - x[(PARAM + W_ALL0) * STRIDE + j]
        m_bar = x[(STATE + M) * STRIDE + j] - x[(PARAM + M0) * STRIDE + j]
        p_bar = x[(STATE + P) * STRIDE + j] - x[(PARAM + P0) * STRIDE + j]
        alive = x[(STATE + ALIVE) * STRIDE + j] > 0.0
        frozen_before, in_care = x[(STATE + FROZEN) * STRIDE + j], x[(STATE + IN_CARE) * STRIDE + j]
        d0, d1, d2 = (
            x[(STATE + PRESCRIBED) * STRIDE + j],
            x[(STATE + PRESCRIBED + 1) * STRIDE + j],
            x[(STATE + PRESCRIBED + 2) * STRIDE + j],
        )
        base0, base1, base2 = (
            x[(PARAM + DOSE0) * STRIDE + j],
            x[(PARAM + DOSE0 + 1) * STRIDE + j],
            x[(PARAM + DOSE0 + 2) * STRIDE + j],
        )
        h = exp(
            log_hazard_dropout(
                x[(PARAM + HAZARD) * STRIDE + j],
                w_bar,
                m_bar,
                x[(STATE + N) * STRIDE + j],
                c.dropout_w,
                c.dropout_m,
                c.dropout_n,
            )
        )
        leaves = (x[U_DROPOUT * STRIDE + j] < one_minus_exp(h)) & (in_care > 0.0) & alive
        h = exp(
            log_hazard_return(
                x[(PARAM + HAZARD + 1) * STRIDE + j], w_bar, m_bar, p_bar, c.return_w, c.return_m, c.return_p
            )
        )
        below = ((d0 < base0) | (d1 < base1)) | (d2 < base2)
        returns = (x[U_RETURN * STRIDE + j] < one_minus_exp(h)) & below & alive & (frozen_before == 0.0)
        back = c.return_share if returns else 0.0
        stays = leaves | returns
        held0, held1, held2 = d0 + back * (base0 - d0), d1 + back * (base1 - d1), d2 + back * (base2 - d2)
        freezes = stays & (frozen_before == 0.0)
        put_where(x, (STATE + HELD) * STRIDE + j, freezes, held0)
        put_where(x, (STATE + HELD + 1) * STRIDE + j, freezes, held1)
        put_where(x, (STATE + HELD + 2) * STRIDE + j, freezes, held2)
        put_where(x, (STATE + FROZEN) * STRIDE + j, stays, 1.0)
        put_where(x, (STATE + IN_CARE) * STRIDE + j, leaves, 0.0)
        put_where(x, (STATE + DROPOUT_DAY) * STRIDE + j, leaves, day)
        put_where(x, (STATE + RETURN_DAY) * STRIDE + j, returns, day)
        target = x[(PARAM + TARGET) * STRIDE + j]
        d = d0 if target == 0.0 else d1
        d = d2 if target == 2.0 else d
        stopped = (d == 0.0) & (x[(STATE + STOP_DAY) * STRIDE + j] == 0.0) & alive
        put_where(x, (STATE + STOP_DAY) * STRIDE + j, stopped, day)
        x[(SUMS + SUM_PRESCRIBED) * STRIDE + j] += d
    for j in range(LANES):
        w_bar = x[(STATE + W_ALL) * STRIDE + j] - x[(PARAM + W_ALL0) * STRIDE + j]
        m_bar = x[(STATE + M) * STRIDE + j] - x[(PARAM + M0) * STRIDE + j]
        p_bar = x[(STATE + P) * STRIDE + j] - x[(PARAM + P0) * STRIDE + j]
        living = x[(STATE + ALIVE) * STRIDE + j]
        h = exp(
            log_hazard_crisis(
                x[(PARAM + HAZARD + 3) * STRIDE + j],
                m_bar,
                w_bar,
                x[(STATE + V) * STRIDE + j],
                c.crisis_m,
                c.crisis_w,
                c.causal_share * c.crisis_v,
            )
        )
        p_crisis = one_minus_exp(h) * living
        u_crisis = x[U_CRISIS * STRIDE + j]
        crisis = 1.0 if u_crisis < p_crisis else 0.0
        x[(SUMS + CRISES) * STRIDE + j] += crisis
        x[(SUMS + ATTEMPTS) * STRIDE + j] += 1.0 if u_crisis < p_crisis * c.crisis_suicidal else 0.0
        suicide = u_crisis < p_crisis * c.crisis_fatal
        x[(SUMS + SUICIDE_DEATHS) * STRIDE + j] += 1.0 if suicide else 0.0
        never = x[(SUMS + FIRST_CRISIS) * STRIDE + j] == 0.0
        put_where(x, (SUMS + FIRST_CRISIS) * STRIDE + j, (crisis > 0.0) & never, day)

        by_dose = exp(
            log_hazard_overdose(
                x[(PARAM + HAZARD + 4) * STRIDE + j],
                np.sqrt(x[TAKEN * STRIDE + j]) * x[(PARAM + RISK_DOSE) * STRIDE + j],
                c.overdose_dose,
                c.causal_share,
            )
        )
        excess = respiratory_excess(
            x[(STATE + E) * STRIDE + j],
            x[(STATE + E + 1) * STRIDE + j],
            x[(STATE + E + 2) * STRIDE + j],
            x[(PARAM + APNOEA) * STRIDE + j],
            x[(STATE + R) * STRIDE + j],
            c.excess_benzodiazepine,
            c.excess_gabapentinoid,
        )
        h = by_dose * exp(c.overdose_excess * excess)
        x[(SUMS + HAZARD_DOSE) * STRIDE + j] += by_dose * living
        x[(SUMS + HAZARD_EXCESS) * STRIDE + j] += (h - by_dose) * living
        p_overdose = one_minus_exp(h) * living
        u_overdose = x[U_OVERDOSE * STRIDE + j]
        overdose = 1.0 if u_overdose < p_overdose else 0.0
        x[(SUMS + OVERDOSES) * STRIDE + j] += overdose
        never = x[(SUMS + FIRST_OVERDOSE) * STRIDE + j] == 0.0
        put_where(x, (SUMS + FIRST_OVERDOSE) * STRIDE + j, (overdose > 0.0) & never, day)
        killed = u_overdose < p_overdose * x[(PARAM + FATAL) * STRIDE + j]
        x[(SUMS + OVERDOSE_DEATHS) * STRIDE + j] += 1.0 if killed else 0.0

        h = exp(
            log_hazard_seizure(
                x[(PARAM + HAZARD + 5) * STRIDE + j],
                x[(STATE + W + 1) * STRIDE + j],
                x[(STATE + W + 2) * STRIDE + j],
                x[(PARAM + E0 + 2) * STRIDE + j],
                c.seizure_w,
                c.seizure_g,
            )
        )
        x[(SUMS + SEIZURES) * STRIDE + j] += 1.0 if x[U_SEIZURE * STRIDE + j] < one_minus_exp(h) * living else 0.0

        h_other = exp(log_hazard_urgent(x[(PARAM + HAZARD + 6) * STRIDE + j], p_bar, m_bar, c.urgent_p, c.urgent_m))
        h_visit = exp(
            log_hazard_withdrawal_visit(
                x[(PARAM + HAZARD + 7) * STRIDE + j], x[(STATE + W_ALL) * STRIDE + j], c.visit_w
            )
        )
        u_urgent = x[U_URGENT * STRIDE + j]
        urgent = 1.0 if u_urgent < one_minus_exp(h_other + h_visit) * living else 0.0
        x[(SUMS + URGENT) * STRIDE + j] += urgent
        x[(SUMS + WITHDRAWAL_VISITS) * STRIDE + j] += 1.0 if u_urgent < one_minus_exp(h_visit) * living else 0.0
        never = x[(SUMS + FIRST_URGENT) * STRIDE + j] == 0.0
        put_where(x, (SUMS + FIRST_URGENT) * STRIDE + j, (urgent > 0.0) & never, day)

        # the sums count a day for those alive on its morning
        x[(SUMS + DAYS) * STRIDE + j] += living
        x[(SUMS + IN_CARE_DAYS) * STRIDE + j] += living * x[(STATE + IN_CARE) * STRIDE + j]
        dies = suicide | killed
        put_where(x, (STATE + DEATH_DAY) * STRIDE + j, dies, day)
        put_where(x, (STATE + ALIVE) * STRIDE + j, dies, 0.0)


@register_jitable(forceinline=True)
def reports_of_day(x: Any, c: Any, day: float) -> None:
    """Section 4: the day's check-in, if one is due and comes."""
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


@register_jitable(forceinline=True)
def add_up(x: Any, c: Any, day: float) -> None:
    """Sums over the days lived; the day of death is the last that counts."""
    for j in range(LANES):
        death_day, alive = x[(STATE + DEATH_DAY) * STRIDE + j], x[(STATE + ALIVE) * STRIDE + j]
        lived = 1.0 if (alive > 0.0) | (death_day == day) else 0.0
        w = x[(STATE + W_ALL) * STRIDE + j]
        x[(SUMS + SUM_DOSE) * STRIDE + j] += x[TAKEN * STRIDE + j] * lived
        x[(SUMS + SUM_DOSE + 1) * STRIDE + j] += x[(TAKEN + 1) * STRIDE + j] * lived
        x[(SUMS + SUM_DOSE + 2) * STRIDE + j] += x[(TAKEN + 2) * STRIDE + j] * lived
        x[(SUMS + SUM_W_CLASS) * STRIDE + j] += x[(STATE + W) * STRIDE + j] * lived
        x[(SUMS + SUM_W_CLASS + 1) * STRIDE + j] += x[(STATE + W + 1) * STRIDE + j] * lived
        x[(SUMS + SUM_W_CLASS + 2) * STRIDE + j] += x[(STATE + W + 2) * STRIDE + j] * lived
        x[(SUMS + SUM_W) * STRIDE + j] += w * lived
        x[(SUMS + OVER_LIMIT) * STRIDE + j] += lived if w > c.limit_w else 0.0
        most = x[(SUMS + MAX_W) * STRIDE + j]
        put_where(x, (SUMS + MAX_W) * STRIDE + j, (w > most) & (lived > 0.0), w)
    for j in range(LANES):
        death_day, alive = x[(STATE + DEATH_DAY) * STRIDE + j], x[(STATE + ALIVE) * STRIDE + j]
        lived = 1.0 if (alive > 0.0) | (death_day == day) else 0.0
        sows = sows_mean(
            x[(PARAM + S0) * STRIDE + j], x[(STATE + W) * STRIDE + j], x[(STATE + X) * STRIDE + j], c.sows_w
        )
        x[(SUMS + SUM_X) * STRIDE + j] += x[(STATE + X) * STRIDE + j] * lived
        x[(SUMS + SUM_SOWS) * STRIDE + j] += sows * lived
        x[(SUMS + SUM_LOG_SOWS) * STRIDE + j] += log(1.0 + sows) * lived
        x[(SUMS + SUM_P) * STRIDE + j] += x[(STATE + P) * STRIDE + j] * lived
        x[(SUMS + SUM_M) * STRIDE + j] += x[(STATE + M) * STRIDE + j] * lived
        x[(SUMS + SUM_I) * STRIDE + j] += x[(STATE + I) * STRIDE + j] * lived
        x[(SUMS + SUM_U) * STRIDE + j] += x[(STATE + U) * STRIDE + j] * lived
