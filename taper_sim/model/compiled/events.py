"""A day of the kernel, part two: events (section 3) and sums. Imports ``rows``, ``elementary``, ``equations``.

As in ``lanes``: each function walks the lanes of one tile in the local array ``x``.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable

from taper_sim.model.compiled.elementary import exp, log, one_minus_exp
from taper_sim.model.compiled.jit import wide
from taper_sim.model.compiled.patient_day import put_where
from taper_sim.model.compiled.rows import (
    ALIVE,
    APNOEA,
    ATTEMPTS,
    CRISES,
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
    IMPOSED,
    IN_CARE,
    IN_CARE_DAYS,
    LANES,
    M0,
    MAX_W,
    OVER_LIMIT,
    OVERDOSE_DEATHS,
    OVERDOSES,
    P0,
    PARAM,
    PRESCRIBED,
    RETURN_DAY,
    RISK_DOSE,
    S0,
    SEIZURES,
    STATE,
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
    U_CRISIS,
    U_DROPOUT,
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
)
from taper_sim.model.equations import (
    log_hazard_crisis,
    log_hazard_dropout,
    log_hazard_overdose,
    log_hazard_return,
    log_hazard_seizure,
    log_hazard_urgent,
    log_hazard_withdrawal_visit,
    recent_weight,
    respiratory_excess,
    sows_mean,
)


@register_jitable(forceinline=True)
def events_of_day(x: Any, c: Any, day: float) -> None:
    """Section 3, on the state of the end of the day. Death, dropout and return act from tomorrow."""
    wide()
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
                x[(PARAM + IMPOSED) * STRIDE + j] * recent_weight(x[(STATE + V) * STRIDE + j], c.v_half),
                c.dropout_w,
                c.dropout_m,
                c.dropout_n,
                c.dropout_imposed,
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
                recent_weight(x[(STATE + V) * STRIDE + j], c.v_half),
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
def add_up(x: Any, c: Any, day: float) -> None:
    """Sums over the days lived; the day of death is the last that counts."""
    wide()
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
