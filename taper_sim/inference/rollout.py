"""What an option would do to one person, over her posterior: days ahead, compiled. Imports ``course``.

Each posterior draw is carried from the start of the record to today and on through the days of every option.
Withdrawal, pain and function are of the deterministic course; chances of events are integrated hazards, so that no
luck is needed.
A lapse changes the dose of its day in the overdose hazard alone (assumption A30): what it does to the days after, small
beside the rest within a horizon of weeks, is left out.
"""

import math
from collections import namedtuple
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference import course
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
    put,
)
from taper_sim.model import equations as eq
from taper_sim.model.compiled import elementary
from taper_sim.model.compiled.elementary import exp, one_minus_exp
from taper_sim.model.compiled.jit import fast, inlined, kept_by_sources
from taper_sim.model.day import mean_effect

END_D: Final = 14
"""Pain and function at the end of a horizon are means of its last so many days. A design choice."""

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
    EXPOSURE,
) = range(18)
N_FIGURES: Final = EXPOSURE + 3
"""Means are over the days ahead, of changes from the start; the exposure of each class is a share of its first dose."""

# -- what a draw of the events' parameters holds: coefficients, fixed parts of the log hazards, the person's flags ----
(
    CRISIS_M,
    CRISIS_W,
    CRISIS_V,
    V_HALF,
    CAUSAL_SHARE,
    OVERDOSE_DOSE,
    OVERDOSE_EXCESS,
    EXCESS_BENZODIAZEPINE,
    EXCESS_GABAPENTINOID,
    SEIZURE_W,
    SEIZURE_G,
    RETURN_W,
    RETURN_M,
    RETURN_P,
    LAPSE_C,
    LAPSE_W,
    LAPSE_CLUSTER,
    LAPSE_CLUSTER_DAYS,
    LAPSE_PREVIOUS,
    LAPSE_MORE,
    LAPSE_MORE_DOSE,
) = range(21)
FIXED_RETURN, FIXED_LAPSE, FIXED_CRISIS, FIXED_OVERDOSE, FIXED_SEIZURE, APNOEA, MORE_SHARE = range(21, 28)
N_EVENTS: Final = 28
EVENT_COEFFICIENTS: Final = (
    "crisis_m",
    "crisis_w",
    "crisis_v",
    "v_half",
    "causal_share",
    "overdose_dose",
    "overdose_excess",
    "excess_benzodiazepine",
    "excess_gabapentinoid",
    "seizure_w",
    "seizure_g",
    "return_w",
    "return_m",
    "return_p",
    "lapse_c",
    "lapse_w",
    "lapse_cluster",
    "lapse_cluster_days",
    "lapse_previous",
    "lapse_more",
    "lapse_more_dose",
)
"""Symbols of the first places, in their order."""


class Options(namedtuple("Options", "regimens first_day baseline before_cut recent decay_v scored")):
    """Options of one person, as the compiled roll-out reads them.

    Attributes
    ----------
    regimens : tuple of Regimen
        One an option, each over the record and the horizon.
    first_day : int
        First day of the horizon, days since the start of the record.
    baseline : ndarray, (3,)
        Doses of day 0, equivalents a day.
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
CALM, CLUSTERED, LEVEL_BEFORE = range(EVENT + N_EVENTS, EVENT + N_EVENTS + 3)
N_ROWS: Final = LEVEL_BEFORE + 1

with kept_by_sources(__file__, course, elementary):

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

    @inlined
    def _store(t: Any, states: Any, drifts: Any, first: int) -> None:
        for j in range(min(states.shape[0] - first, LANES)):
            for row in range(N_STATE):
                states[first + j, row] = t[(STATE + row) * STRIDE + j]
            drifts[first + j] = t[DRIFTED * STRIDE + j]

    @fast
    def carry_on(values: Any, states: Any, drifts: Any, c: Any, regimen: Any, first: int, last: int) -> None:
        """Carry states (n, N_STATE) and drifts (n,) of the evening before ``first`` to that of ``last``, in place."""
        t = np.empty(N_COURSE * STRIDE)
        for k in range(0, values.shape[0], LANES):
            _load(t, values, states, drifts, k)
            for day in range(first, last + 1):
                course.advance(t, LANES, c, regimen, day)
            _store(t, states, drifts, k)

    @fast
    def carried(values: Any, c: Any, regimen: Any, last: int) -> Any:
        """State of each draw at the end of day ``last``, (n, N_STATE), and the drift of log sigma there, (n,)."""
        n = values.shape[0]
        states, drifts = np.empty((n, N_STATE)), np.zeros(n)
        t = np.empty(N_COURSE * STRIDE)
        for k in range(0, n, LANES):
            course.put_values(t, LANES, values, k)
            course.start(t, LANES, c, regimen)
            for day in range(1, last + 1):
                course.advance(t, LANES, c, regimen, day)
            _store(t, states, drifts, k)
        return states, drifts

    @fast
    def carried_peaks(values: Any, c: Any, regimen: Any, n_days: int) -> Any:
        """Largest overall withdrawal of the days after ``n_days``, for each vector of values, (n,)."""
        n = values.shape[0]
        peak = np.zeros(n)
        t = np.empty(N_COURSE * STRIDE)
        for k in range(0, n, LANES):
            course.put_values(t, LANES, values, k)
            course.start(t, LANES, c, regimen)
            for day in range(1, regimen.dose.shape[0]):
                course.advance(t, LANES, c, regimen, day)
                for j in range(min(n - k, LANES) if day > n_days else 0):
                    peak[k + j] = max(peak[k + j], t[(STATE + W_ALL) * STRIDE + j])
        return peak

    @inlined
    def _add_day(t: Any, limit_w: float, of_end: float, n_days: float) -> None:
        """Withdrawal, pain, function, distress of a day; ``of_end`` is its share of the last days' mean."""
        for j in range(LANES):
            w, p = t[(STATE + W_ALL) * STRIDE + j], t[(STATE + P) * STRIDE + j]
            m, u = t[(STATE + M) * STRIDE + j], t[(STATE + U) * STRIDE + j]
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

    @inlined
    def _add_hazards(t: Any, recent: float, reduced: bool) -> None:
        """Hazards of crisis, seizure and, where the dose is ``reduced``, of a return to a higher one."""
        returning = 1.0 if reduced else 0.0
        for j in range(LANES):
            w_bar = t[(STATE + W_ALL) * STRIDE + j] - t[(STATE + W_ALL0) * STRIDE + j]
            m_bar = t[(STATE + M) * STRIDE + j] - t[course.M0 * STRIDE + j]
            p_bar = t[(STATE + P) * STRIDE + j] - t[course.P0 * STRIDE + j]
            weight = eq.recent_weight(recent, t[(EVENT + V_HALF) * STRIDE + j])
            per_recent = t[(EVENT + CAUSAL_SHARE) * STRIDE + j] * t[(EVENT + CRISIS_V) * STRIDE + j]
            t[(FIGURE + H_CRISIS) * STRIDE + j] += exp(
                eq.log_hazard_crisis(
                    t[(EVENT + FIXED_CRISIS) * STRIDE + j],
                    m_bar,
                    w_bar,
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
                    w_bar,
                    m_bar,
                    p_bar,
                    t[(EVENT + RETURN_W) * STRIDE + j],
                    t[(EVENT + RETURN_M) * STRIDE + j],
                    t[(EVENT + RETURN_P) * STRIDE + j],
                )
            )

    @inlined
    def _overdose(t: Any, j: int, dose: float, effect: float, scored: float) -> float:
        """Hazard of overdose of a lane at an opioid dose and its effect."""
        by_dose = eq.log_hazard_overdose(
            t[(EVENT + FIXED_OVERDOSE) * STRIDE + j],
            math.sqrt(dose) * scored,
            t[(EVENT + OVERDOSE_DOSE) * STRIDE + j],
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
        return exp(by_dose + t[(EVENT + OVERDOSE_EXCESS) * STRIDE + j] * excess)

    @inlined
    def _lapsed(t: Any, j: int, medicine: Any, dose: float, scored: float) -> float:
        """Hazard of overdose of a lane on a day on which so much is taken."""
        level = eq.relax(t[LEVEL_BEFORE * STRIDE + j], dose, medicine.decay_G)
        return _overdose(t, j, dose, mean_effect(medicine, level), scored)

    @inlined
    def _add_overdose(t: Any, c: Any, regimen: Any, day: int, previous: float, at_start: float, scored: float) -> None:
        """Hazard of overdose as prescribed, and on days on which more is taken."""
        prescribed = regimen.dose[day, 0]
        shared = course.of_day(c, regimen, day, 0)
        before, first = max(previous, prescribed), max(at_start, prescribed)
        for j in range(LANES):
            w_bar = t[(STATE + W_ALL) * STRIDE + j] - t[(STATE + W_ALL0) * STRIDE + j]
            base = eq.log_hazard_lapse(
                t[(EVENT + FIXED_LAPSE) * STRIDE + j],
                t[(STATE + C) * STRIDE + j],
                w_bar,
                0.0,
                t[(EVENT + LAPSE_C) * STRIDE + j],
                t[(EVENT + LAPSE_W) * STRIDE + j],
                t[(EVENT + LAPSE_CLUSTER) * STRIDE + j],
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
                of_previous * usual * _lapsed(t, j, medicine, before, scored)
                + (1.0 - of_previous - of_more) * usual * _lapsed(t, j, medicine, first, scored)
                + more * _lapsed(t, j, medicine, most, scored)
            )
            adherent = _overdose(t, j, prescribed, t[(STATE + E) * STRIDE + j], scored)
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
        before_cut: float,
        recent: float,
        decay_v: float,
        scored: float,
        limit_w: float,
    ) -> Any:
        """Figures of one option for each draw, (n, N_FIGURES).

        ``values`` (n, N_VALUES), ``states`` and ``drifts`` from :func:`carried` to the day before ``first_day``;
        ``events`` (n_event_draws, N_EVENTS), of which draw k lives under row k modulo their number; without a row no
        hazard is followed, and all of them are 0.
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
                _add_day(t, limit_w, 1.0 / min(END_D, n_ahead) if day > last - END_D else 0.0, n_ahead)
                share, reduced = 0.0, False
                for k in range(3):
                    if baseline[k] > 0.0:
                        exposure[k] += regimen.dose[day, k] / baseline[k] / n_ahead
                        share = max(share, (regimen.dose[day - 1, k] - regimen.dose[day, k]) / baseline[k])
                    reduced = reduced or regimen.dose[day, k] < baseline[k]
                if regimen.dose[day, 0] < regimen.dose[day - 1, 0]:
                    previous = regimen.dose[day - 1, 0]
                recent_v = eq.recent_cut(recent_v, decay_v, share)
                if n_events == 0:
                    continue
                _add_hazards(t, recent_v, reduced)
                if regimen.taken[0]:
                    _add_overdose(t, c, regimen, day, previous, baseline[0], scored)
            for j in range(min(n - first, LANES)):
                for row in range(EXPOSURE):
                    out[first + j, row] = t[(FIGURE + row) * STRIDE + j]
                out[first + j, W_END] = t[(STATE + W_ALL) * STRIDE + j]
                out[first + j, PAIN_START], out[first + j, FUNCTION_START] = (
                    t[course.P0 * STRIDE + j],
                    t[course.U0 * STRIDE + j],
                )
                for k in range(3):
                    out[first + j, EXPOSURE + k] = exposure[k]
        return out


def figures_of(values: Floats, shared: Any, events: Floats, options: Options, limit_w: float) -> list[Floats]:
    """Figures of every option, each (n, N_FIGURES); the same draws and the same luck for all."""
    states, drifts = carried(values, shared, options.regimens[0], options.first_day - 1)
    return [
        roll_out(
            values,
            states,
            drifts,
            shared,
            events,
            regimen,
            options.first_day,
            options.baseline,
            options.before_cut,
            options.recent,
            options.decay_v,
            options.scored,
            limit_w,
        )
        for regimen in options.regimens
    ]
