"""A day of the kernel, part two: events (section 3) and sums. Imports ``rows``, ``elementary``, ``equations``.

As in ``patient_day``: each function walks the lanes of one tile in the local array ``x``.
"""

from typing import Any

import numpy as np

from taper_sim.model import equations as eq
from taper_sim.model.compiled import rows as r
from taper_sim.model.compiled.elementary import exp, one_minus_exp
from taper_sim.model.compiled.jit import inlined
from taper_sim.model.compiled.patient_day import put_where, within
from taper_sim.model.compiled.rows import LANES, PARAM, STATE, STRIDE, SUMS


@inlined
def events_of_day(x: Any, c: Any, day: float) -> None:
    """Section 3, on the state of the end of the day. Death, dropout and return act from tomorrow."""
    for j in range(LANES):
        w_felt, m_bar, p_bar = x[r.W_FELT * STRIDE + j], x[r.M_BAR * STRIDE + j], x[r.P_BAR * STRIDE + j]
        alive = x[(STATE + r.ALIVE) * STRIDE + j] > 0.0
        frozen_before, in_care = x[(STATE + r.FROZEN) * STRIDE + j], x[(STATE + r.IN_CARE) * STRIDE + j]
        d0, d1, d2 = (
            x[(STATE + r.PRESCRIBED) * STRIDE + j],
            x[(STATE + r.PRESCRIBED + 1) * STRIDE + j],
            x[(STATE + r.PRESCRIBED + 2) * STRIDE + j],
        )
        base0, base1, base2 = (
            x[(PARAM + r.DOSE0) * STRIDE + j],
            x[(PARAM + r.DOSE0 + 1) * STRIDE + j],
            x[(PARAM + r.DOSE0 + 2) * STRIDE + j],
        )
        h = exp(
            eq.log_hazard_dropout(
                x[(PARAM + r.HAZARD) * STRIDE + j],
                w_felt,
                m_bar,
                x[(STATE + r.N) * STRIDE + j],
                x[(PARAM + r.IMPOSED) * STRIDE + j] * eq.recent_weight(x[(STATE + r.V) * STRIDE + j], c.v_half),
                c.dropout_w,
                c.dropout_m,
                c.dropout_n,
                c.dropout_imposed,
            )
        )
        leaves = (x[r.U_DROPOUT * STRIDE + j] < one_minus_exp(h)) & (in_care > 0.0) & alive
        h = exp(
            eq.log_hazard_return(
                x[(PARAM + r.HAZARD + 1) * STRIDE + j], w_felt, m_bar, p_bar, c.return_w, c.return_m, c.return_p
            )
        )
        below = ((d0 < base0) | (d1 < base1)) | (d2 < base2)
        returns = (x[r.U_RETURN * STRIDE + j] < one_minus_exp(h)) & below & alive & (frozen_before == 0.0)
        back = c.return_share if returns else 0.0
        stays = leaves | returns
        held0, held1, held2 = d0 + back * (base0 - d0), d1 + back * (base1 - d1), d2 + back * (base2 - d2)
        freezes = stays & (frozen_before == 0.0)
        put_where(x, (STATE + r.HELD) * STRIDE + j, freezes, held0)
        put_where(x, (STATE + r.HELD + 1) * STRIDE + j, freezes, held1)
        put_where(x, (STATE + r.HELD + 2) * STRIDE + j, freezes, held2)
        put_where(x, (STATE + r.FROZEN) * STRIDE + j, stays, 1.0)
        put_where(x, (STATE + r.IN_CARE) * STRIDE + j, leaves, 0.0)
        put_where(x, (STATE + r.DROPOUT_DAY) * STRIDE + j, leaves, day)
        put_where(x, (STATE + r.RETURN_DAY) * STRIDE + j, returns, day)
        target = x[(PARAM + r.TARGET) * STRIDE + j]
        d = d0 if target == 0.0 else d1
        d = d2 if target == 2.0 else d
        stopped = (d == 0.0) & (x[(STATE + r.STOP_DAY) * STRIDE + j] == 0.0) & alive
        put_where(x, (STATE + r.STOP_DAY) * STRIDE + j, stopped, day)
        x[(SUMS + r.SUM_PRESCRIBED) * STRIDE + j] += d
    for j in range(LANES):
        w_felt, m_bar, p_bar = x[r.W_FELT * STRIDE + j], x[r.M_BAR * STRIDE + j], x[r.P_BAR * STRIDE + j]
        living = x[(STATE + r.ALIVE) * STRIDE + j]
        h = exp(
            eq.log_hazard_crisis(
                x[(PARAM + r.HAZARD + 3) * STRIDE + j],
                m_bar,
                w_felt,
                eq.recent_weight(x[(STATE + r.V) * STRIDE + j], c.v_half),
                c.crisis_m,
                c.crisis_w,
                c.causal_share * c.crisis_v,
            )
        )
        p_crisis = one_minus_exp(h) * living
        u_crisis = x[r.U_CRISIS * STRIDE + j]
        crisis = 1.0 if u_crisis < p_crisis else 0.0
        x[(SUMS + r.EXPECTED_CRISES) * STRIDE + j] += p_crisis
        x[(SUMS + r.CRISES) * STRIDE + j] += crisis
        x[(SUMS + r.ATTEMPTS) * STRIDE + j] += 1.0 if u_crisis < p_crisis * c.crisis_suicidal else 0.0
        suicide = u_crisis < p_crisis * c.crisis_fatal
        x[(SUMS + r.SUICIDE_DEATHS) * STRIDE + j] += 1.0 if suicide else 0.0
        never = x[(SUMS + r.FIRST_CRISIS) * STRIDE + j] == 0.0
        put_where(x, (SUMS + r.FIRST_CRISIS) * STRIDE + j, (crisis > 0.0) & never, day)

        taken = x[r.TAKEN * STRIDE + j] + x[(r.TAKEN + 1) * STRIDE + j] + x[(r.TAKEN + 2) * STRIDE + j]
        recent = eq.recent_weight(x[(STATE + r.V) * STRIDE + j], c.v_half)
        by_dose = exp(
            eq.log_hazard_overdose(
                x[(PARAM + r.HAZARD + 4) * STRIDE + j],
                np.sqrt(x[r.TAKEN * STRIDE + j]) * x[(PARAM + r.RISK_DOSE) * STRIDE + j],
                recent if taken > 0.0 else 0.0,
                c.overdose_dose,
                c.overdose_v,
                c.causal_share,
            )
        )
        excess = eq.respiratory_excess(
            x[(STATE + r.E) * STRIDE + j],
            x[(STATE + r.E + 1) * STRIDE + j],
            x[(STATE + r.E + 2) * STRIDE + j],
            x[(PARAM + r.APNOEA) * STRIDE + j],
            x[(STATE + r.R) * STRIDE + j],
            c.excess_benzodiazepine,
            c.excess_gabapentinoid,
        )
        ratio = exp(eq.log_ratio_excess(excess, c.overdose_excess, c.overdose_excess_most))
        h = eq.with_ceiling(by_dose * ratio, c.overdose_most)
        x[(SUMS + r.HAZARD_DOSE) * STRIDE + j] += h / ratio * living
        x[(SUMS + r.HAZARD_EXCESS) * STRIDE + j] += (h - h / ratio) * living
        p_overdose = one_minus_exp(h) * living
        x[(SUMS + r.EXPECTED_OVERDOSES) * STRIDE + j] += p_overdose
        fatal = p_overdose * x[(PARAM + r.FATAL) * STRIDE + j]
        x[(SUMS + r.EXPECTED_DEATHS) * STRIDE + j] += p_crisis * c.crisis_fatal + fatal
        u_overdose = x[r.U_OVERDOSE * STRIDE + j]
        overdose = 1.0 if u_overdose < p_overdose else 0.0
        x[(SUMS + r.OVERDOSES) * STRIDE + j] += overdose
        never = x[(SUMS + r.FIRST_OVERDOSE) * STRIDE + j] == 0.0
        put_where(x, (SUMS + r.FIRST_OVERDOSE) * STRIDE + j, (overdose > 0.0) & never, day)
        killed = u_overdose < fatal
        x[(SUMS + r.OVERDOSE_DEATHS) * STRIDE + j] += 1.0 if killed else 0.0

        h = exp(
            eq.log_hazard_seizure(
                x[(PARAM + r.HAZARD + 5) * STRIDE + j],
                x[(STATE + r.W + 1) * STRIDE + j],
                x[(STATE + r.W + 2) * STRIDE + j],
                x[(PARAM + r.E0 + 2) * STRIDE + j],
                c.seizure_w,
                c.seizure_g,
            )
        )
        p_seizure = one_minus_exp(h) * living
        x[(SUMS + r.EXPECTED_SEIZURES) * STRIDE + j] += p_seizure
        x[(SUMS + r.SEIZURES) * STRIDE + j] += 1.0 if x[r.U_SEIZURE * STRIDE + j] < p_seizure else 0.0

        h_other = exp(
            eq.log_hazard_urgent(x[(PARAM + r.HAZARD + 6) * STRIDE + j], p_bar, m_bar, c.urgent_p, c.urgent_m)
        )
        h_visit = exp(eq.log_hazard_withdrawal_visit(x[(PARAM + r.HAZARD + 7) * STRIDE + j], w_felt, c.visit_w))
        u_urgent = x[r.U_URGENT * STRIDE + j]
        p_urgent, p_visit = one_minus_exp(h_other + h_visit) * living, one_minus_exp(h_visit) * living
        urgent = 1.0 if u_urgent < p_urgent else 0.0
        x[(SUMS + r.EXPECTED_URGENT) * STRIDE + j] += p_urgent
        x[(SUMS + r.EXPECTED_WITHDRAWAL_VISITS) * STRIDE + j] += p_visit
        x[(SUMS + r.URGENT) * STRIDE + j] += urgent
        x[(SUMS + r.WITHDRAWAL_VISITS) * STRIDE + j] += 1.0 if u_urgent < p_visit else 0.0
        never = x[(SUMS + r.FIRST_URGENT) * STRIDE + j] == 0.0
        put_where(x, (SUMS + r.FIRST_URGENT) * STRIDE + j, (urgent > 0.0) & never, day)

        # the sums count a day for those alive on its morning
        x[(SUMS + r.DAYS) * STRIDE + j] += living
        x[(SUMS + r.IN_CARE_DAYS) * STRIDE + j] += living * x[(STATE + r.IN_CARE) * STRIDE + j]
        dies = suicide | killed
        put_where(x, (STATE + r.DEATH_DAY) * STRIDE + j, dies, day)
        put_where(x, (STATE + r.ALIVE) * STRIDE + j, dies, 0.0)


@inlined
def add_up(x: Any, c: Any, day: float) -> None:
    """Sums over the days lived; the day of death is the last that counts."""
    for j in range(LANES):
        death_day, alive = x[(STATE + r.DEATH_DAY) * STRIDE + j], x[(STATE + r.ALIVE) * STRIDE + j]
        lived = 1.0 if (alive > 0.0) | (death_day == day) else 0.0
        w = within(x[r.W_FELT * STRIDE + j], 0.0, 1.0)
        x[(SUMS + r.SUM_DOSE) * STRIDE + j] += x[r.TAKEN * STRIDE + j] * lived
        x[(SUMS + r.SUM_DOSE + 1) * STRIDE + j] += x[(r.TAKEN + 1) * STRIDE + j] * lived
        x[(SUMS + r.SUM_DOSE + 2) * STRIDE + j] += x[(r.TAKEN + 2) * STRIDE + j] * lived
        x[(SUMS + r.SUM_W_CLASS) * STRIDE + j] += x[(STATE + r.W) * STRIDE + j] * lived
        x[(SUMS + r.SUM_W_CLASS + 1) * STRIDE + j] += x[(STATE + r.W + 1) * STRIDE + j] * lived
        x[(SUMS + r.SUM_W_CLASS + 2) * STRIDE + j] += x[(STATE + r.W + 2) * STRIDE + j] * lived
        x[(SUMS + r.SUM_W) * STRIDE + j] += w * lived
        x[(SUMS + r.OVER_LIMIT) * STRIDE + j] += lived if w > c.limit_w else 0.0
        most = x[(SUMS + r.MAX_W) * STRIDE + j]
        put_where(x, (SUMS + r.MAX_W) * STRIDE + j, (w > most) & (lived > 0.0), w)
    for j in range(LANES):
        death_day, alive = x[(STATE + r.DEATH_DAY) * STRIDE + j], x[(STATE + r.ALIVE) * STRIDE + j]
        lived = 1.0 if (alive > 0.0) | (death_day == day) else 0.0
        log_sows = x[r.LOG_SOWS * STRIDE + j]
        x[(SUMS + r.SUM_X) * STRIDE + j] += x[(STATE + r.X) * STRIDE + j] * lived
        x[(SUMS + r.SUM_SOWS) * STRIDE + j] += (exp(log_sows) - 1.0) * lived
        x[(SUMS + r.SUM_LOG_SOWS) * STRIDE + j] += log_sows * lived
        x[(SUMS + r.SUM_P) * STRIDE + j] += within(x[(STATE + r.P) * STRIDE + j], 0.0, 10.0) * lived
        x[(SUMS + r.SUM_M) * STRIDE + j] += within(x[(STATE + r.M) * STRIDE + j], 0.0, 1.0) * lived
        x[(SUMS + r.SUM_I) * STRIDE + j] += within(x[(STATE + r.I) * STRIDE + j], 0.0, 1.0) * lived
        x[(SUMS + r.SUM_U) * STRIDE + j] += within(x[(STATE + r.U) * STRIDE + j], 0.0, 100.0) * lived
