"""The compiled day loop: many people, many days. Imports ``patient_day``, ``events``, ``reports``, ``rows``.

The same equations as ``reference`` and ``reference_events``, in the same order, on tiles of people; must agree with
them (tests/model/test_kernel.py). How it is laid out and why: docs/kernel.md. Importing compiles nothing: Numba
compiles :func:`advance` on its first call and keeps the machine code in the user's cache, keyed by these sources.
"""

from typing import Any, Final

import numpy as np

from taper_sim.model.compiled import elementary, events, patient_day, reports, rows
from taper_sim.model.compiled import rows as r
from taper_sim.model.compiled.events import add_up, events_of_day
from taper_sim.model.compiled.jit import fast, inlined, kept_by_sources
from taper_sim.model.compiled.patient_day import doses, draw, medicine, person, put_keys
from taper_sim.model.compiled.reports import reports_of_day
from taper_sim.model.compiled.rows import COEFFICIENTS, LANES, STRIDE, Coefficients
from taper_sim.model.event_parameters import STREAMS


def _reader() -> Any:
    """A function that reads a row of coefficients under their names, written out: Numba builds no tuple in a loop."""
    places = ", ".join(f"row[{k}]" for k in range(len(COEFFICIENTS)))
    namespace: dict[str, Any] = {"Coefficients": Coefficients}
    exec(f"def named(row):\n    return Coefficients({places})", namespace)  # noqa: S102 - the text is from a table
    return namespace["named"]


named: Final[Any] = inlined(_reader())


@inlined
def _copy_in(x: Any, first: int, n_rows: int, block: Any) -> None:
    """Rows of one tile into the local array, from row ``first`` on."""
    for row in range(n_rows):
        for j in range(LANES):
            x[(first + row) * STRIDE + j] = block[row, j]


@inlined
def _copy_out(x: Any, first: int, n_rows: int, block: Any, at: int) -> None:
    """Rows of the local array, from row ``first`` on, into rows ``at`` and on of one tile."""
    for row in range(n_rows):
        for j in range(LANES):
            block[at + row, j] = x[(first + row) * STRIDE + j]


with kept_by_sources(
    __file__, elementary, patient_day, events, reports, rows, also=" ".join(COEFFICIENTS) + repr(STREAMS)
):

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
        x = np.empty(r.N_ROWS * STRIDE)
        for t in range(state.shape[0]):
            _copy_in(x, r.STATE, r.N_STATE, state[t])
            _copy_in(x, r.SUMS, r.N_SUMS, sums[t])
            _copy_in(x, r.PARAM, r.N_PARAM, params[t])
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
                    _copy_out(x, r.REPORT, r.N_REPORTS, reports[t], (day - first_day) * r.N_REPORTS)
            _copy_out(x, r.STATE, r.N_STATE, state[t], 0)
            _copy_out(x, r.SUMS, r.N_SUMS, sums[t], 0)
