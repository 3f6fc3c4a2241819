"""True state and parameters of simulated people in the layout of the roll-out, for an oracle. Imports ``model``."""

from typing import Any

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference.life_today import Today, known_today
from taper_sim.model.compiled import rows
from taper_sim.units import DRUG_CLASSES

_PER_CLASS = ("p", "m", "i")


class TrueState:
    """State, parameters and couplings of n people, read from the kernel's arrays.

    Parameters
    ----------
    arrays : Arrays
        Arrays of ``simulation.layout``.
    """

    def __init__(self, arrays: Any):
        self._a = arrays
        names = ("SIGMA", "EC50", "B", "BETA", "DECAY_F", "DECAY_L", "OMEGA", "ALPHA", "MARGIN0", "L0", "W0")
        three = {name: arrays.get3(arrays.params, getattr(rows, name)) for name in names}
        self._three = three
        n = len(arrays.tile)
        v = np.zeros((n, at.N_VALUES))
        tau_f, tau_l = (-1.0 / np.log(three[name]) for name in ("DECAY_F", "DECAY_L"))
        for place, by_class in (
            (at.SIGMA, three["SIGMA"]),
            (at.EC50, three["EC50"]),
            (at.B, three["B"]),
            (at.BETA, three["BETA"]),
            (at.TAU_F, tau_f),
            (at.TAU_L, tau_l),
        ):
            v[:, place : place + 3] = by_class
        for place, row in (
            (at.XI, rows.XI),
            (at.LIFE, rows.LIFE),
            (at.P0, rows.P0),
            (at.M0, rows.M0),
            (at.I0, rows.I0),
            (at.U0, rows.U0),
            (at.N0, rows.N0),
            (at.C0, rows.C0),
            (at.S0, rows.S0),
            (at.NOISE, rows.NOISE),
        ):
            v[:, place] = arrays.get(arrays.params, row)
        v[:, at.TAU_X] = -1.0 / np.log(arrays.get(arrays.params, rows.DECAY_X))
        x = np.zeros((n, at.N_STATE))
        for place, row in (
            (at.G, rows.G),
            (at.E, rows.E),
            (at.F, rows.F),
            (at.L, rows.L),
            (at.A, rows.A),
            (at.W, rows.W),
        ):
            x[:, place : place + 3] = arrays.get3(arrays.state, row)
        for place, row in (
            (at.R, rows.R),
            (at.X, rows.X),
            (at.P, rows.P),
            (at.M, rows.M),
            (at.I, rows.I),
            (at.U, rows.U),
            (at.N, rows.N),
            (at.C, rows.C),
            (at.W_ALL, rows.W_ALL),
        ):
            x[:, place] = arrays.get(arrays.state, row)
        for place, name in ((at.MARGIN0, "MARGIN0"), (at.L0, "L0"), (at.W0, "W0")):
            x[:, place : place + 3] = three[name]
        x[:, at.W_ALL0] = arrays.get(arrays.params, rows.W_ALL0)
        self._values, self._states = v, x
        self._season = arrays.get(arrays.state, rows.SEASON)

    def value(self, row: int, place: int) -> float:
        """One value of one person; ``place`` as in ``inference.course``."""
        return float(self._values[row, place])

    def of(self, row: int) -> tuple[Floats, Any, Today]:
        """Values (1, N_VALUES), couplings and state of one person; what is felt of the state is known as a whole."""
        coefficients = self._a.coefficients[self._a.tile[row]]
        named: dict[str, float] = {}
        for name in at.COUPLINGS:
            symbol, _, last = name.rpartition("_")
            if symbol in _PER_CLASS and last.isdigit():
                named[name] = coefficients[rows.COEFFICIENT[f"{symbol}_{DRUG_CLASSES[int(last)]}"]]
            elif symbol in ("omega", "alpha") and last.isdigit():
                named[name] = self._three[symbol.upper()][row, int(last)]
            else:
                named[name] = coefficients[rows.COEFFICIENT[name]] if name in rows.COEFFICIENT else 0.0
        shared, values = at.Couplings(**named), self._values[[row]]
        return values, shared, known_today(values, self._states[[row]], np.zeros(1), self._season[[row]])
