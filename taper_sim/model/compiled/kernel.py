"""The compiled day loop: many people, many days. Imports ``lanes`` and its parts, ``rows``.

The same equations as ``reference`` and ``reference_chance``, in the same order, on tiles of people; must agree with
them (tests/model/test_kernel.py). How it is laid out and why: docs/kernel.md. Importing compiles nothing: Numba
compiles :func:`advance` on its first call and keeps the machine code in the user's cache, keyed by these sources.
"""

from collections import namedtuple
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from taper_sim.model.compiled import elementary, events, patient_day, reports, rows
from taper_sim.model.compiled.events import add_up, events_of_day
from taper_sim.model.compiled.jit import fast, kept_by_sources
from taper_sim.model.compiled.patient_day import doses, draw, medicine, person, put_keys
from taper_sim.model.compiled.reports import reports_of_day
from taper_sim.model.compiled.rows import (
    COEFFICIENTS,
    LANES,
    N_PARAM,
    N_REPORTS,
    N_ROWS,
    N_STATE,
    N_SUMS,
    PARAM,
    REPORT,
    STATE,
    STRIDE,
    SUMS,
)

_NC = len(COEFFICIENTS)
Coefficients = namedtuple("Coefficients", COEFFICIENTS)  # type: ignore[misc]  # its fields are a table's


@intrinsic
def _named(typing_context: Any, row: Any) -> Any:
    """A contiguous row of coefficients under their names; Numba's own conversion takes as long as some days."""
    kind = types.NamedUniTuple(types.float64, _NC, Coefficients)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = context.make_array(row)(context, builder, args[0]).data
        places = [builder.gep(first, [ir.Constant(ir.IntType(64), k)]) for k in range(_NC)]
        return context.make_tuple(builder, kind, [builder.load(place) for place in places])

    return kind(row), generate


named: Any = _named  # an intrinsic is called without its typing context


with kept_by_sources(__file__, elementary, patient_day, events, reports, rows, also=" ".join(COEFFICIENTS)):

    @fast
    def advance(
        state: Any,
        sums: Any,
        params: Any,
        coefficients: Any,
        reports: Any,
        id_low: Any,
        id_high: Any,
        seed_low: Any,
        seed_high: Any,
        first_day: int,
        last_day: int,
        chance: bool,
        record: bool,
    ) -> None:
        """Advance everybody from the end of day ``first_day - 1`` to the end of day ``last_day``, in place.

        Parameters
        ----------
        state, sums, params : ndarray of float64, (n_tiles, N_STATE | N_SUMS | N_PARAM, LANES)
            Rows as in ``model.rows``.
        coefficients : ndarray of float64, (n_tiles, len(COEFFICIENTS))
            One draw of the ensemble a tile.
        reports : ndarray of float32, (n_tiles, n_days * N_REPORTS, LANES)
            Filled where ``record``: the day's check-in in the order of STREAMS, NaN where nothing came.
        id_low, id_high : ndarray of uint64, (n_tiles, LANES)
            Halves of the patients' keys.
        seed_low, seed_high : uint64
            Halves of the seed.
        first_day, last_day : int
            Days to simulate, both included; day 0 is the start.
        chance : bool
            False: nothing happens by chance and reports carry no noise.
        record : bool
            Whether to fill ``reports``.
        """
        x = np.empty(N_ROWS * STRIDE)
        for t in range(state.shape[0]):
            for r in range(N_STATE):
                for j in range(LANES):
                    x[(STATE + r) * STRIDE + j] = state[t, r, j]
            for r in range(N_SUMS):
                for j in range(LANES):
                    x[(SUMS + r) * STRIDE + j] = sums[t, r, j]
            for r in range(N_PARAM):
                for j in range(LANES):
                    x[(PARAM + r) * STRIDE + j] = params[t, r, j]
            put_keys(x, id_low[t], id_high[t])
            c = named(coefficients[t])
            for day in range(first_day, last_day + 1):
                draw(x, seed_low, seed_high, np.uint64(day), chance)
                doses(x, c, float(day))
                for k in range(3):
                    medicine(x, c, k)
                person(x, c)
                events_of_day(x, c, float(day))
                reports_of_day(x, c, float(day))
                add_up(x, c, float(day))
                if record:
                    at = (day - first_day) * N_REPORTS
                    for r in range(N_REPORTS):
                        for j in range(LANES):
                            reports[t, at + r, j] = x[(REPORT + r) * STRIDE + j]
            for r in range(N_STATE):
                for j in range(LANES):
                    state[t, r, j] = x[(STATE + r) * STRIDE + j]
            for r in range(N_SUMS):
                for j in range(LANES):
                    sums[t, r, j] = x[(SUMS + r) * STRIDE + j]
