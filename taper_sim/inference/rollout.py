"""What an option would do to one person, over the posterior: days ahead, compiled. Imports ``course``, ``life_today``.

Each posterior draw is carried on from today through the days of every option. The course due to the taper is
deterministic. What is felt is that course plus life outside the taper, a path for each draw that all options share;
what an option brings is its difference to holding, from which life falls out. Chances of events are integrated hazards
of what is felt.
A lapse changes the dose of its day in the overdose hazard alone (assumption A30): what it does to the days after, small
beside the rest within a horizon of weeks, is left out.
"""

import math
from collections import namedtuple
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference import course, event_columns, life_today
from taper_sim.inference.course import (
    DRIFTED,
    LANES,
    N_COURSE,
    N_STATE,
    STATE,
    STRIDE,
    W_ALL,
    W_ALL0,
    C,
    E,
    G,
    M,
    P,
    R,
    U,
    W,
    X,
    put,
)
from taper_sim.inference.event_columns import (
    APNOEA,
    CAUSAL_SHARE,
    CRISIS_M,
    CRISIS_V,
    CRISIS_W,
    EXCESS_BENZODIAZEPINE,
    EXCESS_GABAPENTINOID,
    FIXED_CRISIS,
    FIXED_LAPSE,
    FIXED_OVERDOSE,
    FIXED_RETURN,
    FIXED_SEIZURE,
    LAPSE_C,
    LAPSE_CLUSTER,
    LAPSE_CLUSTER_DAYS,
    LAPSE_MORE,
    LAPSE_MORE_DOSE,
    LAPSE_PREVIOUS,
    LAPSE_V,
    LAPSE_W,
    MORE_SHARE,
    N_EVENTS,
    OVERDOSE_DOSE,
    OVERDOSE_EXCESS,
    OVERDOSE_EXCESS_MOST,
    OVERDOSE_MOST,
    OVERDOSE_V,
    RETURN_M,
    RETURN_P,
    RETURN_W,
    SEIZURE_G,
    SEIZURE_W,
    V_HALF,
)
from taper_sim.inference.life_today import AHEAD, NO_LIFE_AHEAD, Today, life_ahead
from taper_sim.model import equations as eq
from taper_sim.model.compiled import elementary
from taper_sim.model.compiled.elementary import exp, one_minus_exp
from taper_sim.model.compiled.jit import fast, inlined, kept_by_sources
from taper_sim.model.day import mean_effect
from taper_sim.units import WEEK_D

END_D: Final = 14
"""Pain and function at the end of a horizon are means of its last so many days. A design choice."""
WORSE_W: Final = 0.01
"""Withdrawal above that under holding, 0 to 1, from which a day over the limit is brought by the option. A design
choice: the limit is one of the level, and a day on which holding is as bad is not the option's."""

# -- what a roll-out gives for a draw and an option ------------------------------------------------------------------
(
    PEAK_W,
    DAYS_OVER,
    PAIN_END,
    FUNCTION_END,
    DISTRESS_END,
    PAIN_START,
    FUNCTION_START,
    H_CRISIS,
    H_OVERDOSE,
    H_RELAPSE,
    H_SEIZURE,
    H_RETURN,
    W_END,
    AREA_W,
    PAIN_MEAN,
    FUNCTION_MEAN,
    DISTRESS_MEAN,
    FELT_PAIN,
    FELT_FUNCTION,
    BROUGHT_W,
    BROUGHT_PAIN,
    BROUGHT_FUNCTION,
    INSOMNIA_END,
    INSOMNIA_MEAN,
    EXPOSURE,
) = range(25)
N_FIGURES: Final = EXPOSURE + 3
"""Withdrawal is as felt. Pain, function, distress and insomnia at the end and on average are of the course due to the
taper; means are over the days ahead, of changes from the set points. The exposure of each class is a share of its first
dose.

``FELT_``: largest rise of a 7-day mean of pain as felt over the reference, and fall of function below it. ``BROUGHT_``:
largest withdrawal of the days on which it is above that under holding, rise of a 7-day mean of pain over holding, fall
of function below it.
"""


class Options(namedtuple("Options", "regimens first_day baseline reference before_cut recent decay_v scored")):
    """Options of one person, as the compiled roll-out reads them.

    Attributes
    ----------
    regimens : tuple of Regimen
        One an option, each over the record and the horizon; the first is that of holding.
    first_day : int
        First day of the horizon, days since the start of the record.
    baseline : ndarray, (3,)
        Doses of day 0, equivalents a day.
    reference : ndarray, (3,)
        Doses against which cuts are measured, from ``course.cut_reference``.
    before_cut : float
        Opioid dose before the last cut.
    recent : float
        Recent reduction V at the end of the record.
    decay_v : float
        What a day leaves of V.
    scored : float
        0 for buprenorphine, whose dose has no MME; else 1.
    """

    __slots__ = ()


# rows of a tile behind those of the course
FIGURE: Final = N_COURSE
EVENT: Final = FIGURE + N_FIGURES
CALM, CLUSTERED, LEVEL_BEFORE, W_FELT, W_HOLD = range(EVENT + N_EVENTS, EVENT + N_EVENTS + 5)
LIFE_HERE: Final = W_HOLD + 1  # five, as AHEAD
SUM: Final = LIFE_HERE + len(AHEAD)  # four: sums of the last seven days of pain and function, as felt and as brought
RING: Final = SUM + 4  # seven times four: those days
N_ROWS: Final = RING + 4 * WEEK_D
_BESIDE: Final = 3  # what a day of holding is kept by: withdrawal, pain, function as felt without life

with kept_by_sources(__file__, course, elementary, event_columns, life_today):

    @inlined
    def _load(t: Any, values: Any, states: Any, drifts: Any, first: int) -> None:
        """A tile of people from row ``first`` on, as they stand; lanes beyond the last are as the last."""
        last = values.shape[0] - 1
        course.put_values(t, LANES, values, first)
        course.prepare(t, LANES)
        for row in range(N_STATE):
            for j in range(LANES):
                t[(STATE + row) * STRIDE + j] = states[min(first + j, last), row]
        for j in range(LANES):
            t[DRIFTED * STRIDE + j] = drifts[min(first + j, last)]

    @fast
    def carried_peaks(values: Any, c: Any, regimen: Any, n_days: int) -> Any:
        """Largest withdrawal as felt of the days after ``n_days``, for each vector of values, (n,)."""
        n = values.shape[0]
        peak = np.zeros(n)
        t = np.empty(N_COURSE * STRIDE)
        for k in range(0, n, LANES):
            course.put_values(t, LANES, values, k)
            course.start(t, LANES, c, regimen)
            for day in range(1, regimen.dose.shape[0]):
                course.advance(t, LANES, c, regimen, day)
                for j in range(min(n - k, LANES) if day > n_days else 0):
                    w_bar = t[(STATE + W_ALL) * STRIDE + j] - t[(STATE + W_ALL0) * STRIDE + j]
                    peak[k + j] = max(peak[k + j], eq.felt_withdrawal(w_bar, t[(STATE + X) * STRIDE + j], c.sows_w))
        return peak

    @inlined
    def _within(x: float, high: float) -> float:
        """The number within 0 and ``high``."""
        x = x if x > 0.0 else 0.0
        return x if x < high else high

    @inlined
    def _add_day(t: Any, c: Any, limit_w: float, of_end: float, n_days: float) -> None:
        """Withdrawal, pain, function, distress of a day; ``of_end`` is its share of the last days' mean."""
        for j in range(LANES):
            w_bar = t[(STATE + W_ALL) * STRIDE + j] - t[(STATE + W_ALL0) * STRIDE + j]
            w, p = eq.felt_withdrawal(w_bar, t[(STATE + X) * STRIDE + j], c.sows_w), t[(STATE + P) * STRIDE + j]
            m, u = t[(STATE + M) * STRIDE + j], t[(STATE + U) * STRIDE + j]
            insomnia = t[(STATE + course.I) * STRIDE + j]
            t[W_FELT * STRIDE + j] = w
            peak = t[(FIGURE + PEAK_W) * STRIDE + j]
            t[(FIGURE + PEAK_W) * STRIDE + j] = w if w > peak else peak
            t[(FIGURE + DAYS_OVER) * STRIDE + j] += 1.0 if w > limit_w else 0.0
            t[(FIGURE + AREA_W) * STRIDE + j] += w
            t[(FIGURE + PAIN_END) * STRIDE + j] += p * of_end
            t[(FIGURE + FUNCTION_END) * STRIDE + j] += u * of_end
            t[(FIGURE + DISTRESS_END) * STRIDE + j] += m * of_end
            t[(FIGURE + PAIN_MEAN) * STRIDE + j] += (p - t[course.P0 * STRIDE + j]) / n_days
            t[(FIGURE + FUNCTION_MEAN) * STRIDE + j] += (u - t[course.U0 * STRIDE + j]) / n_days
            t[(FIGURE + DISTRESS_MEAN) * STRIDE + j] += (m - t[course.M0 * STRIDE + j]) / n_days
            t[(FIGURE + INSOMNIA_END) * STRIDE + j] += insomnia * of_end
            t[(FIGURE + INSOMNIA_MEAN) * STRIDE + j] += (insomnia - t[course.I0 * STRIDE + j]) / n_days

    @inlined
    def _add_felt(t: Any, c: Any, life: Any, beside: Any, holds: bool, reference: Any, day: int, first: int) -> None:
        """Pain and function as felt, and what the option brings of them and of withdrawal, on a day ahead (from 0).

        A day of holding is kept in ``beside``; other options are compared with it.
        """
        for d in range(len(AHEAD)):
            for j in range(LANES):
                t[(LIFE_HERE + d) * STRIDE + j] = life[day, d, first + j]
        here, last = (RING + 4 * (day % WEEK_D)) * STRIDE, reference.shape[0] - 1
        days = min(day + 1, WEEK_D)
        whole = day + 1 >= min(WEEK_D, life.shape[0])
        for j in range(LANES):
            x = t[(STATE + X) * STRIDE + j]
            pain = eq.pain_report_mean(t[(STATE + P) * STRIDE + j], x, c.pain_report_x)
            function = eq.function_report_mean(t[(STATE + U) * STRIDE + j], x, c.function_report_x)
            if holds:
                beside[day, 0, first + j] = t[W_FELT * STRIDE + j]
                beside[day, 1, first + j] = pain
                beside[day, 2, first + j] = function
            w, w_hold = t[W_FELT * STRIDE + j], beside[day, 0, first + j]
            most = t[(FIGURE + BROUGHT_W) * STRIDE + j]
            t[(FIGURE + BROUGHT_W) * STRIDE + j] = w if w > most and w > w_hold + WORSE_W else most
            felt_pain = pain + t[LIFE_HERE * STRIDE + j]
            felt_function = function + t[(LIFE_HERE + 3) * STRIDE + j]
            more, less = pain - beside[day, 1, first + j], beside[day, 2, first + j] - function
            t[SUM * STRIDE + j] += felt_pain - t[here + j]
            t[(SUM + 1) * STRIDE + j] += felt_function - t[here + STRIDE + j]
            t[(SUM + 2) * STRIDE + j] += more - t[here + 2 * STRIDE + j]
            t[(SUM + 3) * STRIDE + j] += less - t[here + 3 * STRIDE + j]
            t[here + j] = felt_pain
            t[here + STRIDE + j] = felt_function
            t[here + 2 * STRIDE + j] = more
            t[here + 3 * STRIDE + j] = less
        for j in range(LANES if whole else 0):
            row = min(first + j, last)
            rise = t[SUM * STRIDE + j] / days - reference[row, 0]
            fall = reference[row, 1] - t[(SUM + 1) * STRIDE + j] / days
            t[(FIGURE + FELT_PAIN) * STRIDE + j] = max(t[(FIGURE + FELT_PAIN) * STRIDE + j], rise)
            t[(FIGURE + FELT_FUNCTION) * STRIDE + j] = max(t[(FIGURE + FELT_FUNCTION) * STRIDE + j], fall)
            more, less = t[(SUM + 2) * STRIDE + j] / days, t[(SUM + 3) * STRIDE + j] / days
            t[(FIGURE + BROUGHT_PAIN) * STRIDE + j] = max(t[(FIGURE + BROUGHT_PAIN) * STRIDE + j], more)
            t[(FIGURE + BROUGHT_FUNCTION) * STRIDE + j] = max(t[(FIGURE + BROUGHT_FUNCTION) * STRIDE + j], less)

    @inlined
    def _add_hazards(t: Any, recent: float, reduced: bool) -> None:
        """Hazards of crisis, seizure and, where the dose is ``reduced``, of a return to a higher one."""
        returning = 1.0 if reduced else 0.0
        for j in range(LANES):
            w_felt = t[W_FELT * STRIDE + j]
            distress = t[(STATE + M) * STRIDE + j] + t[(LIFE_HERE + 1) * STRIDE + j]
            pain = t[(STATE + P) * STRIDE + j] + t[LIFE_HERE * STRIDE + j]
            m_bar = _within(distress, 1.0) - t[course.M0 * STRIDE + j]
            p_bar = _within(pain, 10.0) - t[course.P0 * STRIDE + j]
            weight = eq.recent_weight(recent, t[(EVENT + V_HALF) * STRIDE + j])
            per_recent = t[(EVENT + CAUSAL_SHARE) * STRIDE + j] * t[(EVENT + CRISIS_V) * STRIDE + j]
            t[(FIGURE + H_CRISIS) * STRIDE + j] += exp(
                eq.log_hazard_crisis(
                    t[(EVENT + FIXED_CRISIS) * STRIDE + j],
                    m_bar,
                    w_felt,
                    weight,
                    t[(EVENT + CRISIS_M) * STRIDE + j],
                    t[(EVENT + CRISIS_W) * STRIDE + j],
                    per_recent,
                )
            )
            t[(FIGURE + H_SEIZURE) * STRIDE + j] += exp(
                eq.log_hazard_seizure(
                    t[(EVENT + FIXED_SEIZURE) * STRIDE + j],
                    t[(STATE + W + 1) * STRIDE + j],
                    t[(STATE + W + 2) * STRIDE + j],
                    0.5,
                    t[(EVENT + SEIZURE_W) * STRIDE + j],
                    t[(EVENT + SEIZURE_G) * STRIDE + j],
                )
            )
            t[(FIGURE + H_RETURN) * STRIDE + j] += returning * exp(
                eq.log_hazard_return(
                    t[(EVENT + FIXED_RETURN) * STRIDE + j],
                    w_felt,
                    m_bar,
                    p_bar,
                    t[(EVENT + RETURN_W) * STRIDE + j],
                    t[(EVENT + RETURN_M) * STRIDE + j],
                    t[(EVENT + RETURN_P) * STRIDE + j],
                )
            )

    @inlined
    def _overdose(t: Any, j: int, dose: float, others: float, effect: float, recent: float, scored: float) -> float:
        """Hazard of overdose of a lane at an opioid dose, doses of other classes and the opioid's effect."""
        by_dose = eq.log_hazard_overdose(
            t[(EVENT + FIXED_OVERDOSE) * STRIDE + j],
            math.sqrt(dose) * scored,
            eq.recent_weight(recent, t[(EVENT + V_HALF) * STRIDE + j]),
            t[(EVENT + OVERDOSE_DOSE) * STRIDE + j],
            t[(EVENT + OVERDOSE_V) * STRIDE + j],
            t[(EVENT + CAUSAL_SHARE) * STRIDE + j],
        )
        excess = eq.respiratory_excess(
            effect,
            t[(STATE + E + 1) * STRIDE + j],
            t[(STATE + E + 2) * STRIDE + j],
            t[(EVENT + APNOEA) * STRIDE + j],
            t[(STATE + R) * STRIDE + j],
            t[(EVENT + EXCESS_BENZODIAZEPINE) * STRIDE + j],
            t[(EVENT + EXCESS_GABAPENTINOID) * STRIDE + j],
        )
        per_excess, most = t[(EVENT + OVERDOSE_EXCESS) * STRIDE + j], t[(EVENT + OVERDOSE_EXCESS_MOST) * STRIDE + j]
        h = exp(by_dose + eq.log_ratio_excess(excess, per_excess, most)) if dose + others > 0.0 else 0.0
        return eq.with_ceiling(h, t[(EVENT + OVERDOSE_MOST) * STRIDE + j])

    @inlined
    def _lapsed(t: Any, j: int, medicine: Any, dose: float, others: float, recent: float, scored: float) -> float:
        """Hazard of overdose of a lane on a day on which so much is taken."""
        level = eq.relax(t[LEVEL_BEFORE * STRIDE + j], dose, medicine.decay_G)
        return _overdose(t, j, dose, others, mean_effect(medicine, level), recent, scored)

    @inlined
    def _add_overdose(
        t: Any, c: Any, regimen: Any, day: int, previous: float, at_start: float, recent: float, scored: float
    ) -> None:
        """Hazard of overdose as prescribed, and on days on which more is taken."""
        prescribed = regimen.dose[day, 0]
        shared = course.of_day(c, regimen, day, 0)
        before, first = max(previous, prescribed), max(at_start, prescribed)
        others = regimen.dose[day, 1] + regimen.dose[day, 2]
        for j in range(LANES):
            base = eq.log_hazard_lapse(
                t[(EVENT + FIXED_LAPSE) * STRIDE + j],
                _within(t[(STATE + C) * STRIDE + j] + t[(LIFE_HERE + 4) * STRIDE + j], 1.0),
                t[W_FELT * STRIDE + j],
                0.0,
                eq.recent_weight(recent, t[(EVENT + V_HALF) * STRIDE + j]),
                t[(EVENT + LAPSE_C) * STRIDE + j],
                t[(EVENT + LAPSE_W) * STRIDE + j],
                t[(EVENT + LAPSE_CLUSTER) * STRIDE + j],
                t[(EVENT + CAUSAL_SHARE) * STRIDE + j] * t[(EVENT + LAPSE_V) * STRIDE + j],
            )
            calm = t[CALM * STRIDE + j]
            p_lapse = one_minus_exp(exp(base) * (calm + (1.0 - calm) * t[CLUSTERED * STRIDE + j]))
            more, of_more = t[(EVENT + MORE_SHARE) * STRIDE + j], t[(EVENT + LAPSE_MORE) * STRIDE + j]
            of_previous = t[(EVENT + LAPSE_PREVIOUS) * STRIDE + j]
            usual = (1.0 - more) / (1.0 - of_more)
            most = t[(EVENT + LAPSE_MORE_DOSE) * STRIDE + j] * at_start
            most = most if most > prescribed else prescribed
            medicine = course.medicine(t, j, 0, shared, 0.0)
            lapsed = (
                of_previous * usual * _lapsed(t, j, medicine, before, others, recent, scored)
                + (1.0 - of_previous - of_more) * usual * _lapsed(t, j, medicine, first, others, recent, scored)
                + more * _lapsed(t, j, medicine, most, others, recent, scored)
            )
            adherent = _overdose(t, j, prescribed, others, t[(STATE + E) * STRIDE + j], recent, scored)
            # back to calm after the cluster
            t[CALM * STRIDE + j] = calm * (1.0 - p_lapse) + (1.0 - calm) / t[(EVENT + LAPSE_CLUSTER_DAYS) * STRIDE + j]
            t[(FIGURE + H_OVERDOSE) * STRIDE + j] += (1.0 - p_lapse) * adherent
            t[(FIGURE + H_RELAPSE) * STRIDE + j] += p_lapse * lapsed

    @fast
    def roll_out(
        values: Any,
        states: Any,
        drifts: Any,
        c: Any,
        events: Any,
        regimen: Any,
        first_day: int,
        baseline: Any,
        cut_reference: Any,
        before_cut: float,
        recent: float,
        decay_v: float,
        scored: float,
        limit_w: float,
        reference: Any,
        life: Any,
        beside: Any,
        holds: bool,
    ) -> Any:
        """Figures of one option for each draw, (n, N_FIGURES).

        ``values`` (n, N_VALUES); ``states``, ``drifts`` and ``reference`` of ``life_today.Today`` on the day before
        ``first_day``; ``events`` (n_event_draws, N_EVENTS), of which draw k lives under row k modulo their number;
        without a row no hazard is followed, and all of them are 0. ``life`` from ``life_today.life_ahead``, and
        ``beside`` (n_ahead, 3, as many draws), which is written if this option ``holds`` and read if not; without days
        in them no figure of what is felt or brought is made.
        """
        n, last, n_events = values.shape[0], regimen.dose.shape[0] - 1, events.shape[0]
        n_ahead = last - first_day + 1
        out = np.zeros((n, N_FIGURES))
        exposure = np.zeros(3)
        t = np.empty(N_ROWS * STRIDE)
        for first in range(0, n, LANES):
            _load(t, values, states, drifts, first)
            for row in range(N_FIGURES):
                put(t, LANES, FIGURE + row, 0.0)
            for row in range(LIFE_HERE, N_ROWS):
                put(t, LANES, row, 0.0)
            put(t, LANES, FIGURE + FELT_PAIN, -np.inf)
            put(t, LANES, FIGURE + FELT_FUNCTION, -np.inf)
            for row in range(N_EVENTS if n_events > 0 else 0):
                for j in range(LANES):
                    t[(EVENT + row) * STRIDE + j] = events[(first + j) % n_events, row]
            for j in range(LANES if n_events > 0 else 0):
                t[CLUSTERED * STRIDE + j] = exp(t[(EVENT + LAPSE_CLUSTER) * STRIDE + j])
            put(t, LANES, CALM, 1.0)
            recent_v, previous = recent, before_cut
            exposure[:] = 0.0
            for day in range(first_day, last + 1):
                for j in range(LANES):
                    t[LEVEL_BEFORE * STRIDE + j] = t[(STATE + G) * STRIDE + j]
                course.advance(t, LANES, c, regimen, day)
                _add_day(t, c, limit_w, 1.0 / min(END_D, n_ahead) if day > last - END_D else 0.0, n_ahead)
                if life.shape[0] > 0:
                    _add_felt(t, c, life, beside, holds, reference, day - first_day, first)
                most, least, reduced = 0.0, 0.0, False
                for k in range(3):
                    if baseline[k] > 0.0:
                        exposure[k] += regimen.dose[day, k] / baseline[k] / n_ahead
                    share = eq.cut_share(regimen.dose[day - 1, k], regimen.dose[day, k], cut_reference[k])
                    most, least = max(most, share), min(least, share)
                    reduced = reduced or regimen.dose[day, k] < baseline[k]
                if regimen.dose[day, 0] < regimen.dose[day - 1, 0]:
                    previous = regimen.dose[day - 1, 0]
                recent_v = max(eq.recent_cut(recent_v, decay_v, most + least), 0.0)
                if n_events == 0:
                    continue
                _add_hazards(t, recent_v, reduced)
                if regimen.taken[0]:
                    _add_overdose(t, c, regimen, day, previous, baseline[0], recent_v, scored)
            for j in range(min(n - first, LANES)):
                for row in range(EXPOSURE):
                    out[first + j, row] = t[(FIGURE + row) * STRIDE + j]
                out[first + j, W_END] = t[W_FELT * STRIDE + j]
                out[first + j, PAIN_START], out[first + j, FUNCTION_START] = (
                    t[course.P0 * STRIDE + j],
                    t[course.U0 * STRIDE + j],
                )
                for k in range(3):
                    out[first + j, EXPOSURE + k] = exposure[k]
        return out


def room_beside(life: Floats) -> Floats:
    """Room for the days of holding, beside which other options are rolled out."""
    return np.zeros((len(life), _BESIDE, life.shape[2]))


def figures_of(
    values: Floats, today: Today, shared: Any, events: Floats, options: Options, limit_w: float, seed: int
) -> list[Floats]:
    """Figures of every option, each (n, N_FIGURES); the same draws and the same life for all.

    Parameters
    ----------
    values : ndarray, (n, N_VALUES)
    today : Today
        Of the same draws.
    shared : Couplings
    events : ndarray, (n_event_draws, N_EVENTS)
    options : Options
        The first regimen is that of holding.
    limit_w : float
        Withdrawal, 0 to 1, above which a day counts as over the limit.
    seed : int
        Seed of life on the days ahead.
    """
    n_ahead = len(options.regimens[0].dose) - options.first_day
    life = life_ahead(today, values, shared, n_ahead, seed) if n_ahead else NO_LIFE_AHEAD
    beside = room_beside(life)
    return [
        roll_out(
            values,
            today.states,
            today.drifts,
            shared,
            events,
            regimen,
            options.first_day,
            options.baseline,
            options.reference,
            options.before_cut,
            options.recent,
            options.decay_v,
            options.scored,
            limit_w,
            today.reference,
            life,
            beside,
            k == 0,
        )
        for k, regimen in enumerate(options.regimens)
    ]
