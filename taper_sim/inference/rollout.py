"""What an option would do to one person, over her posterior: days ahead, compiled. Imports ``course``.

Each posterior draw is carried from the start of the record to today and on through the days of every option. Withdrawal,
pain and function are of the deterministic course; chances of events are integrated hazards, so that no luck is needed.
A lapse changes the dose of its day in the overdose hazard alone (assumption A30): what it does to the days after, small
beside the rest within a horizon of weeks, is left out.
"""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taper_sim.inference import course
from taper_sim.inference.course import (
    DRIFT,
    MAX_SEGMENTS,
    N_STATE,
    SEGMENT_D,
    A,
    C,
    E,
    G,
    I,
    M,
    N,
    P,
    R,
    Regimen,
    U,
    W,
    W_ALL,
    W_ALL0,
)
from taper_sim.model import equations as eq
from taper_sim.model.compiled import kept_by_sources

Floats = NDArray[np.float64]

END_D: Final = 14
"""Pain and function at the end of a horizon are means of its last so many days. A design choice."""

# -- what a roll-out gives for a draw and an option ------------------------------------------------------------------
(
    PEAK_W, DAYS_OVER, PAIN_END, FUNCTION_END, DISTRESS_END, PAIN_START, FUNCTION_START, H_CRISIS, H_OVERDOSE,
    H_RELAPSE, H_SEIZURE, H_RETURN, W_END, AREA_W,
) = range(14)  # fmt: skip
N_FIGURES: Final = 14

EVENT_COEFFICIENTS: Final = (
    "crisis_m", "crisis_w", "crisis_v", "causal_share", "overdose_dose", "overdose_excess", "excess_benzodiazepine",
    "excess_gabapentinoid", "seizure_w", "seizure_g", "return_w", "return_m", "return_p", "lapse_c", "lapse_w",
    "lapse_cluster", "lapse_cluster_days", "lapse_previous", "lapse_more", "lapse_more_oud", "lapse_more_dose",
)  # fmt: skip
EVENT_FIXED: Final = ("return", "lapse", "crisis", "overdose", "seizure")
EventRow = namedtuple("EventRow", (*EVENT_COEFFICIENTS, *(f"fixed_{e}" for e in EVENT_FIXED), "apnoea", "oud"))


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

    @njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
    def _overdose(e: Any, x: Any, dose: float, effect: float, scored: float) -> Any:
        """Hazard of overdose, and the part without lost tolerance, at an opioid dose and its effect."""
        by_dose = np.exp(
            eq.log_hazard_overdose(e.fixed_overdose, np.sqrt(dose) * scored, e.overdose_dose, e.causal_share)
        )
        excess = eq.respiratory_excess(
            effect, x[E + 1], x[E + 2], e.apnoea, x[R], e.excess_benzodiazepine, e.excess_gabapentinoid
        )
        return by_dose * np.exp(e.overdose_excess * excess)

    @njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
    def roll_out(values: Any, c: Any, events: Any, regimen: Any, first_day: int, baseline: Any, before_cut: float,
                 recent: float, decay_v: float, scored: float, limit_w: float) -> Any:  # fmt: skip
        """Figures of one option for each draw, (n, N_FIGURES).

        ``values`` (n, N_VALUES); ``events`` a list of EventRow, of which draw k lives under the k-th modulo its length.
        """
        n, last = values.shape[0], regimen.dose.shape[0] - 1
        out = np.zeros((n, N_FIGURES))
        x = np.empty(N_STATE)
        for k in range(n):
            v, e = values[k], events[k % len(events)]
            course.start(v, c, regimen, x)
            decays = course.decays_of(v)
            drift, step, f = 0.0, 0.0, out[k]
            recent_v, previous, calm, start_p, start_u = recent, before_cut, 1.0, x[P], x[U]
            for day in range(1, last + 1):
                if (day - 1) % SEGMENT_D == 0:
                    step = v[DRIFT + min((day - 1) // SEGMENT_D, MAX_SEGMENTS - 1)] / SEGMENT_D
                drift += step
                opioid_level = x[G]
                course.advance(v, c, decays, np.exp(drift), regimen, day, x)
                if day < first_day:
                    continue
                share = 0.0
                for j in range(3):
                    if baseline[j] > 0.0 and regimen.dose[day, j] < regimen.dose[day - 1, j]:
                        share += (regimen.dose[day - 1, j] - regimen.dose[day, j]) / baseline[j]
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
                f[H_CRISIS] += np.exp(
                    eq.log_hazard_crisis(
                        e.fixed_crisis, m_bar, w_bar, recent_v, e.crisis_m, e.crisis_w, e.causal_share * e.crisis_v
                    )
                )
                f[H_SEIZURE] += np.exp(
                    eq.log_hazard_seizure(e.fixed_seizure, x[W + 1], x[W + 2], 0.5, e.seizure_w, e.seizure_g)
                )
                below = False
                for j in range(3):
                    below = below or regimen.dose[day, j] < baseline[j]
                if below:
                    f[H_RETURN] += np.exp(
                        eq.log_hazard_return(e.fixed_return, w_bar, m_bar, p_bar, e.return_w, e.return_m, e.return_p)
                    )
                if not regimen.taken[0]:
                    continue
                base = eq.log_hazard_lapse(e.fixed_lapse, x[C], w_bar, 0.0, e.lapse_c, e.lapse_w, e.lapse_cluster)
                hazard = np.exp(base) * (calm + (1.0 - calm) * np.exp(e.lapse_cluster))
                p_lapse = -np.expm1(-hazard)
                calm = calm * (1.0 - p_lapse) + (1.0 - calm) / e.lapse_cluster_days  # back to calm after the cluster
                more = min(e.lapse_more * (e.lapse_more_oud if e.oud > 0.0 else 1.0), 0.9)
                usual = (1.0 - more) / (1.0 - e.lapse_more)
                adherent = _overdose(e, x, regimen.dose[day, 0], x[E], scored)
                lapsed = 0.0
                for kind in range(3):
                    dose = (previous, baseline[0], e.lapse_more_dose * baseline[0])[kind]
                    weight = (e.lapse_previous * usual, (1.0 - e.lapse_previous - e.lapse_more) * usual, more)[kind]
                    dose = max(dose, regimen.dose[day, 0])
                    level = eq.relax(opioid_level, dose, regimen.decay_g[day, 0])
                    e1, e2, e3, e4 = course.effects(level, regimen.shape, day, 0, v[course.EC50])
                    lapsed += weight * _overdose(e, x, dose, eq.mean_of_four(e1, e2, e3, e4), scored)
                f[H_OVERDOSE] += (1.0 - p_lapse) * adherent
                f[H_RELAPSE] += p_lapse * lapsed
            f[W_END] = x[W_ALL]
            f[PAIN_START], f[FUNCTION_START] = start_p, start_u
        return out


def figures_of(values: Floats, shared: Any, events: Sequence[Any], options: Options, limit_w: float) -> list[Floats]:
    """Figures of every option, each (n, N_FIGURES); the same draws and the same luck for all."""
    rows = tuple(events)
    return [
        roll_out(values, shared, rows, regimen, options.first_day, options.baseline, options.before_cut,
                 options.recent, options.decay_v, options.scored, limit_w)
        for regimen in options.regimens
    ]  # fmt: skip
