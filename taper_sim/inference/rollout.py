"""What an option would do to one person, over her posterior: days ahead, compiled. Imports ``course``.

Each posterior draw is carried from the start of the record to today and on through the days of every option.
Withdrawal, pain and function are of the deterministic course; chances of events are integrated hazards, so that no
luck is needed.
A lapse changes the dose of its day in the overdose hazard alone (assumption A30): what it does to the days after, small
beside the rest within a horizon of weeks, is left out.
"""

from collections import namedtuple
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taper_sim.inference import course
from taper_sim.inference.course import (
    DRIFT,
    MAX_SEGMENTS,
    N_STATE,
    SEGMENT_D,
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
)
from taper_sim.model import equations as eq
from taper_sim.model.compiled import fast, kept_by_sources

Floats = NDArray[np.float64]

END_D: Final = 14
"""Pain and function at the end of a horizon are means of its last so many days. A design choice."""

# -- what a roll-out gives for a draw and an option ------------------------------------------------------------------
(
    PEAK_W, DAYS_OVER, PAIN_END, FUNCTION_END, DISTRESS_END, PAIN_START, FUNCTION_START, H_CRISIS, H_OVERDOSE,
    H_RELAPSE, H_SEIZURE, H_RETURN, W_END, AREA_W, PAIN_MEAN, FUNCTION_MEAN, DISTRESS_MEAN, EXPOSURE,
) = range(18)  # fmt: skip
N_FIGURES: Final = EXPOSURE + 3
"""Means are over the days ahead, of changes from the start; the exposure of each class is a share of its first dose."""

# -- what a draw of the events' parameters holds: coefficients, fixed parts of the log hazards, the person's flags ----
(
    CRISIS_M, CRISIS_W, CRISIS_V, V_HALF, CAUSAL_SHARE, OVERDOSE_DOSE, OVERDOSE_EXCESS, EXCESS_BENZODIAZEPINE,
    EXCESS_GABAPENTINOID, SEIZURE_W, SEIZURE_G, RETURN_W, RETURN_M, RETURN_P, LAPSE_C, LAPSE_W, LAPSE_CLUSTER,
    LAPSE_CLUSTER_DAYS, LAPSE_PREVIOUS, LAPSE_MORE, LAPSE_MORE_DOSE,
) = range(21)  # fmt: skip
FIXED_RETURN, FIXED_LAPSE, FIXED_CRISIS, FIXED_OVERDOSE, FIXED_SEIZURE, APNOEA, MORE_SHARE = range(21, 28)
N_EVENTS: Final = 28
EVENT_COEFFICIENTS: Final = (
    "crisis_m", "crisis_w", "crisis_v", "v_half", "causal_share", "overdose_dose", "overdose_excess",
    "excess_benzodiazepine", "excess_gabapentinoid", "seizure_w", "seizure_g", "return_w", "return_m", "return_p",
    "lapse_c", "lapse_w", "lapse_cluster", "lapse_cluster_days", "lapse_previous", "lapse_more", "lapse_more_dose",
)  # fmt: skip
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


with kept_by_sources(__file__, course):

    @fast
    def _overdose(e: Any, x: Any, dose: float, effect: float, scored: float) -> Any:
        """Hazard of overdose at an opioid dose and its effect."""
        by_dose = eq.log_hazard_overdose(e[FIXED_OVERDOSE], np.sqrt(dose) * scored, e[OVERDOSE_DOSE], e[CAUSAL_SHARE])
        excess = eq.respiratory_excess(
            effect, x[E + 1], x[E + 2], e[APNOEA], x[R], e[EXCESS_BENZODIAZEPINE], e[EXCESS_GABAPENTINOID]
        )
        return np.exp(by_dose + e[OVERDOSE_EXCESS] * excess)

    @fast
    def carry_on(values: Any, states: Any, drifts: Any, c: Any, regimen: Any, first: int, last: int) -> None:
        """Carry states (n, N_STATE) and drifts (n,) of the evening before ``first`` to that of ``last``, in place."""
        for k in range(values.shape[0]):
            v = values[k]
            decays = course.decays_of(v)
            for day in range(first, last + 1):
                drifts[k] += v[DRIFT + min((day - 1) // SEGMENT_D, MAX_SEGMENTS - 1)] / SEGMENT_D
                course.advance(v, c, decays, np.exp(drifts[k]), regimen, day, states[k])

    @fast
    def carried(values: Any, c: Any, regimen: Any, last: int) -> Any:
        """State of each draw at the end of day ``last``, (n, N_STATE), and the drift of log sigma there, (n,)."""
        n = values.shape[0]
        states, drifts = np.empty((n, N_STATE)), np.zeros(n)
        for k in range(n):
            course.start(values[k], c, regimen, states[k])
        carry_on(values, states, drifts, c, regimen, 1, last)
        return states, drifts

    @fast
    def carried_peaks(values: Any, c: Any, regimen: Any, n_days: int) -> Any:
        """Largest overall withdrawal of the days after ``n_days``, for each vector of values, (n,)."""
        states, drifts = carried(values, c, regimen, n_days)
        peak = np.zeros(values.shape[0])
        for k in range(values.shape[0]):
            v, x = values[k], states[k]
            decays = course.decays_of(v)
            for day in range(n_days + 1, regimen.dose.shape[0]):
                drifts[k] += v[DRIFT + min((day - 1) // SEGMENT_D, MAX_SEGMENTS - 1)] / SEGMENT_D
                course.advance(v, c, decays, np.exp(drifts[k]), regimen, day, x)
                peak[k] = max(peak[k], x[W_ALL])
        return peak

    @fast
    def roll_out(values: Any, states: Any, drifts: Any, c: Any, events: Any, regimen: Any, first_day: int,
                 baseline: Any, before_cut: float, recent: float, decay_v: float, scored: float, limit_w: float
                 ) -> Any:  # fmt: skip
        """Figures of one option for each draw, (n, N_FIGURES).

        ``values`` (n, N_VALUES), ``states`` and ``drifts`` from :func:`carried` to the day before ``first_day``;
        ``events`` (n_event_draws, N_EVENTS), of which draw k lives under row k modulo their number; without a row no
        hazard is followed, and all of them are 0.
        """
        n, last = values.shape[0], regimen.dose.shape[0] - 1
        out = np.zeros((n, N_FIGURES))
        x = np.empty(N_STATE)
        n_events = events.shape[0]
        none = np.zeros(N_EVENTS)
        for k in range(n):
            v, e = values[k], events[k % n_events] if n_events > 0 else none
            x[:] = states[k]
            decays = course.decays_of(v)
            drift, f = drifts[k], out[k]
            recent_v, previous, calm = recent, before_cut, 1.0
            clustered = np.exp(e[LAPSE_CLUSTER])
            for day in range(first_day, last + 1):
                drift += v[DRIFT + min((day - 1) // SEGMENT_D, MAX_SEGMENTS - 1)] / SEGMENT_D
                opioid_level = x[G]
                course.advance(v, c, decays, np.exp(drift), regimen, day, x)
                share = 0.0
                for j in range(3):
                    if baseline[j] > 0.0:
                        f[EXPOSURE + j] += regimen.dose[day, j] / baseline[j] / (last - first_day + 1)
                        share = max(share, (regimen.dose[day - 1, j] - regimen.dose[day, j]) / baseline[j])
                if regimen.dose[day, 0] < regimen.dose[day - 1, 0]:
                    previous = regimen.dose[day - 1, 0]
                recent_v = eq.recent_cut(recent_v, decay_v, share)
                w_bar, m_bar, p_bar = x[W_ALL] - x[W_ALL0], x[M] - v[course.M0], x[P] - v[course.P0]
                f[PEAK_W] = max(f[PEAK_W], x[W_ALL])
                f[DAYS_OVER] += 1.0 if x[W_ALL] > limit_w else 0.0
                f[AREA_W] += x[W_ALL]
                if day > last - END_D:
                    f[PAIN_END] += x[P] / min(END_D, last - first_day + 1)
                    f[FUNCTION_END] += x[U] / min(END_D, last - first_day + 1)
                    f[DISTRESS_END] += x[M] / min(END_D, last - first_day + 1)
                f[PAIN_MEAN] += p_bar / (last - first_day + 1)
                f[FUNCTION_MEAN] += (x[U] - v[course.U0]) / (last - first_day + 1)
                f[DISTRESS_MEAN] += m_bar / (last - first_day + 1)
                if n_events == 0:
                    continue
                f[H_CRISIS] += np.exp(
                    eq.log_hazard_crisis(
                        e[FIXED_CRISIS], m_bar, w_bar, eq.recent_weight(recent_v, e[V_HALF]), e[CRISIS_M], e[CRISIS_W],
                        e[CAUSAL_SHARE] * e[CRISIS_V],
                    )
                )  # fmt: skip
                f[H_SEIZURE] += np.exp(
                    eq.log_hazard_seizure(e[FIXED_SEIZURE], x[W + 1], x[W + 2], 0.5, e[SEIZURE_W], e[SEIZURE_G])
                )
                below = False
                for j in range(3):
                    below = below or regimen.dose[day, j] < baseline[j]
                if below:
                    f[H_RETURN] += np.exp(
                        eq.log_hazard_return(
                            e[FIXED_RETURN], w_bar, m_bar, p_bar, e[RETURN_W], e[RETURN_M], e[RETURN_P]
                        )
                    )
                if not regimen.taken[0]:
                    continue
                base = eq.log_hazard_lapse(e[FIXED_LAPSE], x[C], w_bar, 0.0, e[LAPSE_C], e[LAPSE_W], e[LAPSE_CLUSTER])
                hazard = np.exp(base) * (calm + (1.0 - calm) * clustered)
                p_lapse = -np.expm1(-hazard)
                calm = calm * (1.0 - p_lapse) + (1.0 - calm) / e[LAPSE_CLUSTER_DAYS]  # back to calm after the cluster
                more = e[MORE_SHARE]
                usual = (1.0 - more) / (1.0 - e[LAPSE_MORE])
                adherent = _overdose(e, x, regimen.dose[day, 0], x[E], scored)
                lapsed = 0.0
                for kind in range(3):
                    dose = (previous, baseline[0], e[LAPSE_MORE_DOSE] * baseline[0])[kind]
                    weight = (e[LAPSE_PREVIOUS] * usual, (1.0 - e[LAPSE_PREVIOUS] - e[LAPSE_MORE]) * usual, more)[kind]
                    dose = max(dose, regimen.dose[day, 0])
                    level = eq.relax(opioid_level, dose, regimen.decay_g[day, 0])
                    e1, e2, e3, e4 = course.effects(level, regimen.shape, day, 0, v[course.EC50])
                    lapsed += weight * _overdose(e, x, dose, eq.mean_of_four(e1, e2, e3, e4), scored)
                f[H_OVERDOSE] += (1.0 - p_lapse) * adherent
                f[H_RELAPSE] += p_lapse * lapsed
            f[W_END] = x[W_ALL]
            f[PAIN_START], f[FUNCTION_START] = v[course.P0], v[course.U0]
        return out


def figures_of(values: Floats, shared: Any, events: Floats, options: Options, limit_w: float) -> list[Floats]:
    """Figures of every option, each (n, N_FIGURES); the same draws and the same luck for all."""
    states, drifts = carried(values, shared, options.regimens[0], options.first_day - 1)
    return [
        roll_out(values, states, drifts, shared, events, regimen, options.first_day, options.baseline,
                 options.before_cut, options.recent, options.decay_v, options.scored, limit_w)
        for regimen in options.regimens
    ]  # fmt: skip
