"""Mean of each instrument's report from a tile's course, without life outside the taper, compiled. Imports ``course``.

docs/inference.md, "Reports", gives the mean of each instrument. What life adds is linear and enters the filter as a
load on its states (``inference.life_block``).
"""

from typing import Any, Final

import numpy as np

from taper_sim.inference import course, observation
from taper_sim.inference.course import (
    BWSQ0,
    COWS0,
    HOURS0,
    I0,
    ITEM0,
    KAPPA,
    M0,
    N_COURSE,
    P0,
    PWC0,
    S0,
    STATE,
    STEPS0,
    STRIDE,
    U0,
    W0,
    C,
    I,
    M,
    P,
    U,
    W,
    X,
    lanes_of,
)
from taper_sim.inference.observation import (
    BENZODIAZEPINE,
    CLINICIAN,
    CRAVING,
    DISTRESS,
    FUNCTION,
    INSOMNIA,
    LAST_CUT,
    PAIN,
    STEPS,
    WITHDRAWAL,
)
from taper_sim.model import equations as eq
from taper_sim.model.compiled import elementary
from taper_sim.model.compiled.elementary import exp
from taper_sim.model.compiled.jit import fast, inlined, kept_by_sources

N_WINDOWS: Final = 4
"""Quantities that recall scales average: pain as reported, distress, insomnia, benzodiazepine withdrawal."""
MEAN: Final = N_COURSE  # row of a tile behind those of the course
N_MEAN_ROWS: Final = N_COURSE + 1

with kept_by_sources(__file__, course, observation, elementary):

    @inlined
    def add_windows(t: Any, lanes: int, c: Any, sums: Any, day: int) -> None:
        """Sums, from day 1 to this one, of what recall scales average."""
        before, at = (day - 1) * N_WINDOWS * STRIDE, day * N_WINDOWS * STRIDE
        for j in range(lanes):
            pain = eq.pain_report_mean(t[(STATE + P) * STRIDE + j], t[(STATE + X) * STRIDE + j], c.pain_report_x)
            sums[at + j] = sums[before + j] + pain
            sums[at + STRIDE + j] = sums[before + STRIDE + j] + t[(STATE + M) * STRIDE + j]
            sums[at + 2 * STRIDE + j] = sums[before + 2 * STRIDE + j] + t[(STATE + I) * STRIDE + j]
            sums[at + 3 * STRIDE + j] = sums[before + 3 * STRIDE + j] + t[(STATE + W + 1) * STRIDE + j]

    @inlined
    def _recalled(
        t: Any, lanes: int, sums: Any, which: int, at_start: int, day: int, recall: int, floor: int, scale: float
    ) -> None:
        """``MEAN`` from the days recalled; days before the start are as the start, row ``at_start``.

        ``floor`` is a row that is added, or -1.
        """
        first = max(day - recall, 0)
        until, since = (day * N_WINDOWS + which) * STRIDE, (first * N_WINDOWS + which) * STRIDE
        before = float(first - (day - recall))
        for j in range(lanes):
            mean = (sums[until + j] - sums[since + j] + t[at_start * STRIDE + j] * before) / recall
            t[MEAN * STRIDE + j] = scale * mean
        if floor >= 0:
            _add(t, lanes, floor)

    @inlined
    def _add(t: Any, lanes: int, row: int) -> None:
        for j in range(lanes):
            t[MEAN * STRIDE + j] += t[row * STRIDE + j]

    @inlined
    def _scaled(t: Any, lanes: int, row: int, scale: float) -> None:
        for j in range(lanes):
            t[MEAN * STRIDE + j] = scale * t[row * STRIDE + j]

    @inlined
    def put_means(
        t: Any,
        lanes: int,
        c: Any,
        sums: Any,
        kind: int,
        scale: float,
        recall: int,
        day: int,
        weekend: float,
        last_cut: int,
    ) -> None:
        """``MEAN`` of a report of this day, on the instrument's own scale (of steps, its log)."""
        if kind == WITHDRAWAL:
            for j in range(lanes):
                mean = eq.sows_mean(t[S0 * STRIDE + j], t[(STATE + W) * STRIDE + j], t[(STATE + X) * STRIDE + j], scale)
                shift = eq.sows_shift(
                    t[(STATE + P) * STRIDE + j] - t[P0 * STRIDE + j],
                    t[(STATE + M) * STRIDE + j] - t[M0 * STRIDE + j],
                    t[(STATE + I) * STRIDE + j] - t[I0 * STRIDE + j],
                    c.sows_p,
                    c.sows_m,
                    c.sows_i,
                )
                t[MEAN * STRIDE + j] = (1.0 + mean) * exp(shift) - 1.0  # the shift is on the log of the score plus 1
        elif kind == PAIN and recall == 1:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = eq.pain_report_mean(
                    t[(STATE + P) * STRIDE + j], t[(STATE + X) * STRIDE + j], c.pain_report_x
                )
        elif kind == PAIN:
            _recalled(t, lanes, sums, 0, P0, day, recall, -1, 1.0)
        elif kind == DISTRESS:
            if recall == 1:
                _scaled(t, lanes, STATE + M, scale)
            else:
                _recalled(t, lanes, sums, 1, M0, day, recall, -1, scale)
        elif kind == INSOMNIA:
            if recall == 1:
                _scaled(t, lanes, STATE + I, scale)
            else:
                _recalled(t, lanes, sums, 2, I0, day, recall, -1, scale)
        elif kind == FUNCTION:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = eq.function_report_mean(
                    t[(STATE + U) * STRIDE + j], t[(STATE + X) * STRIDE + j], c.function_report_x
                )
        elif kind == CLINICIAN:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = t[COWS0 * STRIDE + j] + t[KAPPA * STRIDE + j] * t[(STATE + W) * STRIDE + j]
        elif kind == CRAVING:
            _scaled(t, lanes, STATE + C, scale)
        elif kind == BENZODIAZEPINE:
            if recall == 1:
                _scaled(t, lanes, STATE + W + 1, scale)
                _add(t, lanes, PWC0)
            else:
                _recalled(t, lanes, sums, 3, STATE + W0 + 1, day, recall, BWSQ0, scale)
        elif kind == LAST_CUT:
            _scaled(t, lanes, STATE + W + last_cut, scale)
            _add(t, lanes, ITEM0)
        elif kind == STEPS:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = eq.log_steps_mean(
                    t[STEPS0 * STRIDE + j],
                    t[(STATE + U) * STRIDE + j] - t[U0 * STRIDE + j],
                    t[(STATE + I) * STRIDE + j] - t[I0 * STRIDE + j],
                    t[(STATE + P) * STRIDE + j] - t[P0 * STRIDE + j],
                    weekend,
                    c.steps_u,
                    c.steps_i,
                    c.steps_p,
                    c.steps_weekend,
                )
        else:
            for j in range(lanes):
                t[MEAN * STRIDE + j] = eq.sleep_hours_mean(
                    t[HOURS0 * STRIDE + j],
                    t[(STATE + I) * STRIDE + j] - t[I0 * STRIDE + j],
                    weekend,
                    c.hours_i,
                    c.hours_weekend,
                )

    @fast
    def means_by_day(
        values: Any, c: Any, regimen: Any, kind: int, scale: float, recall: int, weekend: Any, last_cut: Any
    ) -> Any:
        """Mean of one instrument's report on each day, (n_days + 1,), for one vector of values, (1, N_VALUES)."""
        n_days = regimen.dose.shape[0] - 1
        out = np.empty(n_days + 1)
        t, sums = np.empty(N_MEAN_ROWS * STRIDE), np.zeros((n_days + 1) * N_WINDOWS * STRIDE)
        lanes = lanes_of(1)
        course.put_values(t, lanes, values, 0)
        course.start(t, lanes, c, regimen)
        for day in range(n_days + 1):
            if day > 0:
                course.advance(t, lanes, c, regimen, day)
                add_windows(t, lanes, c, sums, day)
            put_means(t, lanes, c, sums, kind, scale, recall, day, weekend[day], last_cut[day])
            out[day] = t[MEAN * STRIDE]
        return out
