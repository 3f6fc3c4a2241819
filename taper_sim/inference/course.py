"""One person's deterministic course: the days of sections 1 and 2, compiled. Imports ``model``.

The days of ``model.day``, as in ``model.reference``, for one person at a time and many parameter vectors side by side:
what the likelihood and the roll-outs are made of (tests/inference/test_course.py holds it to the reference).
Vectors go through it in tiles whose loops over lanes vectorise (docs/kernel.md has the same for many people).
This is the part of the course that is due to the taper: nothing in it is random given the person's values. What life
brings adds to it and is a linear system of its own (``inference.life_block``).
"""

from collections import namedtuple
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.model import equations as eq
from taper_sim.model.compiled import elementary
from taper_sim.model.compiled.elementary import exp
from taper_sim.model.compiled.jit import fast, inlined, kept_by_sources
from taper_sim.model.day import (
    NO_LIFE,
    Care,
    Medicine,
    MedicineLoad,
    MedicineState,
    PersonStart,
    PersonState,
    Reaction,
    mean_effect,
    medicine_day,
    medicine_load,
    medicine_start,
    person_day,
    respiratory_day,
)
from taper_sim.model.event_parameters import DECAYS, LOADS, PARAMETERS, SHARED
from taper_sim.model.parameters import BY_SYMBOL, Baseline, individual_value
from taper_sim.units import DRUG_CLASSES

SEGMENT_D: Final = 28
"""Days of one piece of the drift of log sigma. Source: docs/inference.md, "Drift"."""
MAX_SEGMENTS: Final = 34
"""Pieces of drift a vector has room for: two years of days and a half year ahead."""

# -- values of one person: a vector whose places are these; a class takes three --------------------------------------
SIGMA, TAU_F, TAU_L, EC50, B, BETA = range(0, 18, 3)
XI, TAU_X, LIFE, P0, M0, I0, U0, N0, C0, S0, NOISE, COWS0, KAPPA, BWSQ0, PWC0, ITEM0, STEPS0, HOURS0 = range(18, 36)
DRIFT: Final = 36
N_VALUES: Final = DRIFT + MAX_SEGMENTS

# -- state of one person at the end of a day -------------------------------------------------------------------------
G, E, F, L, A, W = range(0, 18, 3)
R, X, P, M, I, U, N, C, W_ALL = range(18, 27)  # noqa: E741 - the model's letters
MARGIN0, L0, W0 = range(27, 36, 3)
W_ALL0: Final = 36
N_STATE: Final = 37
N_LATENT: Final = W_ALL + 1  # what a course records of a day

_PER_CLASS: Final = ("omega", "alpha", *LOADS)
#: Of sections 3 and 4 a person's course and reports take only the maps of the instruments.
_OF_REPORTS: Final = tuple(
    symbol
    for symbol in SHARED
    if symbol.startswith(("sows_", "steps_", "hours_")) or symbol in ("pain_report_x", "function_report_x")
)
_TAUS: Final = tuple(tau for tau in DECAYS.values() if tau in BY_SYMBOL and tau != "tau_X")
COUPLINGS: Final[tuple[str, ...]] = (
    *(symbol for symbol in SHARED if symbol in BY_SYMBOL and symbol not in _TAUS),
    "tau_A",
    "tau_R",
    *_OF_REPORTS,
    *(decay for decay, tau in DECAYS.items() if tau in _TAUS),
    *(f"{symbol}_{k}" for symbol in _PER_CLASS for k in range(3)),
)
Couplings = namedtuple("Couplings", COUPLINGS)  # type: ignore[misc]  # its fields are a table's


@cache
def couplings(buprenorphine: bool = False, **changed: float) -> Any:
    """Everything that one person shares with all others, at the centre of its prior unless ``changed``."""
    by_symbol = {q.symbol: q for q in PARAMETERS}
    values: dict[str, float] = {s: float(changed.get(s, by_symbol[s].centre())) for s in SHARED}
    values |= {decay: float(np.exp(-1.0 / values[tau])) for decay, tau in DECAYS.items()}
    for symbol in _PER_CLASS:
        for k, drug_class in enumerate(DRUG_CLASSES):
            centre = by_symbol[symbol].centre(drug_class, buprenorphine=buprenorphine)
            values[f"{symbol}_{k}"] = float(changed.get(f"{symbol}_{k}", centre))
    return Couplings(**{name: values[name] for name in COUPLINGS})


class Regimen(
    namedtuple("Regimen", ("dose", "cut", "removed", "decay_g", "shape", "taken", "use_days", "adjunct", "rotated"))
):
    """Doses of a person by day, day 0 being the start: arrays that the compiled course reads.

    Attributes
    ----------
    dose : ndarray, (n_days + 1, 3)
        Equivalents a day that are taken; row 0 is the dose of the start.
    cut : ndarray, (n_days + 1,)
        Part of the whole reaction that a day's cut brings: 0 without one, at most 1 agreed and ``xi_imposed`` imposed.
    removed : ndarray, (n_days + 1, 3)
        Share of the prescribed dose of day 0 that is removed, 0 to 1.
    decay_g : ndarray, (n_days + 1, 3)
        What is left of a level after a day, by the formulation of that day.
    shape : ndarray, (n_days + 1, 3, 4)
        Within-day shape, by the formulation of that day.
    taken : ndarray of bool, (3,)
    use_days : ndarray, (3,)
        Days of use before day 0.
    adjunct : ndarray, (n_days + 1, 3)
        Share of the drive that an adjunct removes on that day.
    rotated : ndarray, (n_days + 1,)
        1 on a day on which the opioid is rotated: A and R lose what is not cross-tolerant.
    """

    __slots__ = ()

    def until(self, n_days: int) -> "Regimen":
        """The regimen up to the end of day ``n_days``."""
        end = n_days + 1
        by_day = ("dose", "cut", "removed", "decay_g", "shape", "adjunct", "rotated")
        return self._replace(**{name: getattr(self, name)[:end] for name in by_day})


def cut_reference(taken: Bools, dose0: Floats, buprenorphine: bool) -> Floats:
    """Dose against which a cut of each class is measured, equivalents a day, (3,): that of day 0, or a larger one."""
    parameter = BY_SYMBOL["cut_reference"]
    least = [parameter.centre(drug_class, buprenorphine=buprenorphine) for drug_class in DRUG_CLASSES]
    return np.where(taken, np.maximum(dose0, least), least)


def cuts_of(prescribed: Floats, reference: Floats, whole: float) -> tuple[Floats, Floats]:
    """What a regimen's prescribed doses come to: ``cut`` and ``removed`` of :class:`Regimen`.

    Parameters
    ----------
    prescribed : ndarray, (n_days + 1, 3)
        Equivalents a day; row 0 is the dose of the start.
    reference : ndarray, (3,)
        From :func:`cut_reference`.
    whole : float
        What a cut of ``full_cut`` or more counts: 1 if agreed, ``xi_imposed`` if imposed.
    """
    full, cut = BY_SYMBOL["full_cut"].centre(), np.zeros(len(prescribed))
    share = eq.cut_share(prescribed[:-1], prescribed[1:], reference).max(axis=1)
    cut[1:] = whole * eq.cut_weight(np.clip(share, 0.0, full), full)
    taken = prescribed[0] > 0.0
    removed = np.clip(1.0 - prescribed / np.where(taken, prescribed[0], 1.0), 0.0, 1.0)
    return cut, np.where(taken, removed, 0.0)


# -- a tile: vectors side by side, a row of each quantity; t[row * STRIDE + j] is that of lane j ---------------------
LANES: Final = 32
STRIDE: Final = LANES + 8  # rows of 256 bytes would alias in the first-level cache
STATE: Final = N_VALUES  # values come first, at their own places
DECAY_F, DECAY_L = range(STATE + N_STATE, STATE + N_STATE + 6, 3)
DECAY_X, DRIFTING, DRIFTED, FACTOR, LOST, P_LOAD, M_LOAD, I_LOAD, LEFT = range(DECAY_L + 3, DECAY_L + 12)
_LEAST: Final = 1e-9  # no effect and no weight is divided by less
NO_CARE: Final = Care(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # a record does not say what care was delivered
N_COURSE: Final = LEFT + 1
"""Rows of a tile that the course needs; whoever needs more puts them behind."""

with kept_by_sources(__file__, elementary):

    @inlined
    def lanes_of(n: int) -> int:
        """Lanes that ``n`` vectors take, a multiple of eight.

        That their number is known only when the code runs keeps the loops over them from being unrolled into single
        steps, and a tile that is not full costs less.
        """
        return int(min((n + 7) // 8 * 8, LANES))

    @inlined
    def put(t: Any, lanes: int, row: int, value: float) -> None:
        """A row of one number."""
        for j in range(lanes):
            t[row * STRIDE + j] = value

    @inlined
    def put_values(t: Any, lanes: int, values: Any, first: int) -> None:
        """Values (n, N_VALUES) from row ``first`` on into the lanes; lanes beyond the last are as the last."""
        last = values.shape[0] - 1
        for row in range(N_VALUES):
            for j in range(lanes):
                t[row * STRIDE + j] = values[min(first + j, last), row]

    @inlined
    def of_day(c: Any, regimen: Any, day: int, k: int) -> Any:
        """What all lanes share of class ``k`` on a day, read before the loop over lanes: it may read no other array."""
        return (
            (c.omega_0, c.omega_1, c.omega_2)[k],
            regimen.adjunct[day, k],
            regimen.decay_g[day, k],
            regimen.shape[day, k, 0],
            regimen.shape[day, k, 1],
            regimen.shape[day, k, 2],
            regimen.shape[day, k, 3],
        )

    @inlined
    def medicine(t: Any, j: int, k: int, shared: Any, sigma: float) -> Medicine:
        """Parameters of class ``k`` of lane ``j``, from what :func:`of_day` gives."""
        omega, adjunct, decay_g, s1, s2, s3, s4 = shared
        decay_f, decay_l = t[(DECAY_F + k) * STRIDE + j], t[(DECAY_L + k) * STRIDE + j]
        return Medicine(t[(EC50 + k) * STRIDE + j], omega, sigma, adjunct, decay_g, decay_f, decay_l, s1, s2, s3, s4)

    @inlined
    def _put_medicine(t: Any, j: int, k: int, now: MedicineState) -> None:
        t[(STATE + G + k) * STRIDE + j] = now.G
        t[(STATE + E + k) * STRIDE + j] = now.E
        t[(STATE + F + k) * STRIDE + j] = now.F
        t[(STATE + L + k) * STRIDE + j] = now.L
        t[(STATE + A + k) * STRIDE + j] = now.A
        t[(STATE + W + k) * STRIDE + j] = now.W

    @inlined
    def _start_class(t: Any, lanes: int, c: Any, regimen: Any, k: int) -> None:
        level, use, shared = regimen.dose[0, k], regimen.use_days[k], of_day(c, regimen, 0, k)
        for j in range(lanes):
            now = medicine_start(
                c,
                medicine(t, j, k, shared, t[(SIGMA + k) * STRIDE + j]),
                level,
                exp(-use / t[(TAU_F + k) * STRIDE + j]),
                exp(-use / t[(TAU_L + k) * STRIDE + j]),
                exp(-use / c.tau_A),
            )
            _put_medicine(t, j, k, now)
            t[(STATE + MARGIN0 + k) * STRIDE + j] = now.E - now.A
            t[(STATE + L0 + k) * STRIDE + j] = now.L
            t[(STATE + W0 + k) * STRIDE + j] = now.W
            t[LEFT * STRIDE + j] *= 1.0 - now.W
            if k == 0:
                t[(STATE + R) * STRIDE + j] = eq.adapted_at_start(now.E, exp(-use / c.tau_R))
        if level <= 0.0:
            _start_unused_class(t, lanes, c, regimen, k)

    @inlined
    def _start_unused_class(t: Any, lanes: int, c: Any, regimen: Any, k: int) -> None:
        """References of a class that is begun later, so that it changes nothing before its first day.

        Its long-run part is measured against full adaptation to its first dose: ``b L / L0`` instead of
        ``b (L / L0 - 1)``, whose constant the reference of the acute part takes up.
        """
        first = 0
        while first < regimen.dose.shape[0] - 1 and regimen.dose[first, k] <= 0.0:
            first += 1
        alpha, shared = (c.alpha_0, c.alpha_1, c.alpha_2)[k], of_day(c, regimen, first, k)
        for j in range(lanes):
            adapted = mean_effect(medicine(t, j, k, shared, t[(SIGMA + k) * STRIDE + j]), regimen.dose[first, k])
            t[(STATE + L0 + k) * STRIDE + j] = max(adapted, _LEAST)
            t[(STATE + MARGIN0 + k) * STRIDE + j] = -t[(B + k) * STRIDE + j] / max(alpha, _LEAST)

    @inlined
    def prepare(t: Any, lanes: int) -> None:
        """What a tile's values come to for every day, ``exp(-1/tau)``, and no drift so far."""
        for k in range(3):
            for j in range(lanes):
                t[(DECAY_F + k) * STRIDE + j] = exp(-1.0 / t[(TAU_F + k) * STRIDE + j])
                t[(DECAY_L + k) * STRIDE + j] = exp(-1.0 / t[(TAU_L + k) * STRIDE + j])
        for j in range(lanes):
            t[DECAY_X * STRIDE + j] = exp(-1.0 / t[TAU_X * STRIDE + j])
        put(t, lanes, DRIFTED, 0.0)

    @inlined
    def start(t: Any, lanes: int, c: Any, regimen: Any) -> None:
        """State of day 0 from a tile's values: adapted as far as the days of use bring it."""
        prepare(t, lanes)
        for row in range(STATE, STATE + N_STATE):
            put(t, lanes, row, 0.0)
        put(t, lanes, LEFT, 1.0)
        if regimen.taken[0]:
            _start_class(t, lanes, c, regimen, 0)
        if regimen.taken[1]:
            _start_class(t, lanes, c, regimen, 1)
        if regimen.taken[2]:
            _start_class(t, lanes, c, regimen, 2)
        for j in range(lanes):
            w_all = 1.0 - t[LEFT * STRIDE + j]
            t[(STATE + W_ALL) * STRIDE + j] = w_all
            t[(STATE + W_ALL0) * STRIDE + j] = w_all
            t[(STATE + P) * STRIDE + j] = t[P0 * STRIDE + j]
            t[(STATE + M) * STRIDE + j] = t[M0 * STRIDE + j]
            t[(STATE + I) * STRIDE + j] = t[I0 * STRIDE + j]
            t[(STATE + U) * STRIDE + j] = t[U0 * STRIDE + j]
            t[(STATE + N) * STRIDE + j] = t[N0 * STRIDE + j]
            t[(STATE + C) * STRIDE + j] = t[C0 * STRIDE + j]

    @inlined
    def _advance_class(t: Any, lanes: int, c: Any, regimen: Any, day: int, k: int) -> None:
        alpha = (c.alpha_0, c.alpha_1, c.alpha_2)[k]
        per_p, per_m, per_i = (c.p_0, c.p_1, c.p_2)[k], (c.m_0, c.m_1, c.m_2)[k], (c.i_0, c.i_1, c.i_2)[k]
        dose, removed, shared = regimen.dose[day, k], regimen.removed[day, k], of_day(c, regimen, day, k)
        for j in range(lanes):
            sigma = t[(SIGMA + k) * STRIDE + j] * t[FACTOR * STRIDE + j]
            before = MedicineState(
                t[(STATE + G + k) * STRIDE + j],
                t[(STATE + E + k) * STRIDE + j],
                t[(STATE + F + k) * STRIDE + j],
                t[(STATE + L + k) * STRIDE + j],
                t[(STATE + A + k) * STRIDE + j],
                t[(STATE + W + k) * STRIDE + j],
            )
            now = medicine_day(c, medicine(t, j, k, shared, sigma), before, dose)
            load = medicine_load(
                alpha,
                t[(B + k) * STRIDE + j],
                t[(BETA + k) * STRIDE + j],
                per_p,
                per_m,
                per_i,
                now,
                t[(STATE + MARGIN0 + k) * STRIDE + j],
                t[(STATE + L0 + k) * STRIDE + j],
                t[(STATE + W0 + k) * STRIDE + j],
                removed,
            )
            _put_medicine(t, j, k, now)
            t[LOST * STRIDE + j] += load.lost
            t[P_LOAD * STRIDE + j] += load.pain
            t[M_LOAD * STRIDE + j] += load.distress
            t[I_LOAD * STRIDE + j] += load.insomnia
            t[LEFT * STRIDE + j] *= 1.0 - now.W

    @inlined
    def _advance_person(t: Any, lanes: int, c: Any, cut: float) -> None:
        for j in range(lanes):
            withdrawal = 1.0 - t[LEFT * STRIDE + j]
            first = PersonStart(
                t[P0 * STRIDE + j],
                t[M0 * STRIDE + j],
                t[I0 * STRIDE + j],
                t[U0 * STRIDE + j],
                t[N0 * STRIDE + j],
                t[C0 * STRIDE + j],
                t[(STATE + W_ALL0) * STRIDE + j],
            )
            before = PersonState(
                t[(STATE + X) * STRIDE + j],
                t[(STATE + P) * STRIDE + j],
                t[(STATE + M) * STRIDE + j],
                t[(STATE + I) * STRIDE + j],
                t[(STATE + U) * STRIDE + j],
                t[(STATE + N) * STRIDE + j],
                t[(STATE + C) * STRIDE + j],
            )
            load = MedicineLoad(
                t[LOST * STRIDE + j], t[P_LOAD * STRIDE + j], t[M_LOAD * STRIDE + j], t[I_LOAD * STRIDE + j]
            )
            reaction = Reaction(t[XI * STRIDE + j], t[DECAY_X * STRIDE + j], cut)
            now = person_day(c, first, before, load, withdrawal, reaction, NO_LIFE, NO_CARE)
            t[(STATE + R) * STRIDE + j] = respiratory_day(c, t[(STATE + R) * STRIDE + j], t[(STATE + E) * STRIDE + j])
            t[(STATE + W_ALL) * STRIDE + j] = withdrawal
            t[(STATE + X) * STRIDE + j] = now.X
            t[(STATE + P) * STRIDE + j] = now.P
            t[(STATE + M) * STRIDE + j] = now.M
            t[(STATE + I) * STRIDE + j] = now.I
            t[(STATE + U) * STRIDE + j] = now.U
            t[(STATE + N) * STRIDE + j] = now.N
            t[(STATE + C) * STRIDE + j] = now.C

    @inlined
    def advance(t: Any, lanes: int, c: Any, regimen: Any, day: int) -> None:
        """One day of sections 1 and 2, in the order of docs/model.md; the tile's states are changed in place.

        Log sigma moves in a straight line in each piece of the drift.
        """
        piece = DRIFT + min((day - 1) // SEGMENT_D, MAX_SEGMENTS - 1)
        for j in range(lanes):  # a row whose number only a day knows keeps the loop that reads it from vectorising
            t[DRIFTING * STRIDE + j] = t[piece * STRIDE + j]
        for j in range(lanes):
            drifted = t[DRIFTED * STRIDE + j] + t[DRIFTING * STRIDE + j] / SEGMENT_D
            t[DRIFTED * STRIDE + j] = drifted
            t[FACTOR * STRIDE + j] = exp(drifted)
            t[LOST * STRIDE + j] = 0.0
            t[P_LOAD * STRIDE + j] = 0.0
            t[M_LOAD * STRIDE + j] = 0.0
            t[I_LOAD * STRIDE + j] = 0.0
            t[LEFT * STRIDE + j] = 1.0
        if regimen.rotated[day] > 0.0:
            for j in range(lanes):
                t[(STATE + A) * STRIDE + j] *= c.cross_tolerance
                t[(STATE + R) * STRIDE + j] *= c.cross_tolerance
        if regimen.taken[0]:
            _advance_class(t, lanes, c, regimen, day, 0)
        if regimen.taken[1]:
            _advance_class(t, lanes, c, regimen, day, 1)
        if regimen.taken[2]:
            _advance_class(t, lanes, c, regimen, day, 2)
        _advance_person(t, lanes, c, regimen.cut[day])

    @fast
    def run(values: Any, c: Any, regimen: Any, latent: Any) -> None:
        """From day 0 to the last day of ``latent``, (n_days + 1, N_LATENT), for one vector of values."""
        t = np.empty(N_COURSE * STRIDE)
        lanes = lanes_of(1)
        put_values(t, lanes, values, 0)
        start(t, lanes, c, regimen)
        for day in range(latent.shape[0]):
            if day > 0:
                advance(t, lanes, c, regimen, day)
            for row in range(N_LATENT):
                latent[day, row] = t[(STATE + row) * STRIDE]


def course(values: Floats, shared: Any, regimen: Regimen) -> Floats:
    """Course of one person.

    Parameters
    ----------
    values : ndarray, (N_VALUES,)
        The person's values at the places of this module.
    shared : Couplings
        From :func:`couplings`.
    regimen : Regimen
        Doses by day.

    Returns
    -------
    ndarray, (n_days + 1, N_LATENT)
        Level, effect, adaptation, withdrawal by class, and R, X, P, M, I, U, N, C, W at the end of each day.
    """
    latent = np.empty((len(regimen.dose), N_LATENT))
    run(np.atleast_2d(values), shared, regimen, latent)
    return latent


def centre_values(buprenorphine: bool = False, baseline: Mapping[str, float] | None = None) -> Floats:
    """Values of the median person, (N_VALUES,), with a baseline as in ``model.parameters.Baseline`` if given."""
    v = np.zeros(N_VALUES)
    by_class = ((SIGMA, "sigma"), (TAU_F, "tau_F"), (TAU_L, "tau_L"), (EC50, "EC50"), (B, "b"), (BETA, "beta"))
    for place, symbol in by_class:
        for k, drug_class in enumerate(DRUG_CLASSES):
            v[place + k] = BY_SYMBOL[symbol].centre(drug_class, buprenorphine=buprenorphine)
    xi = BY_SYMBOL["xi"]
    v[XI] = individual_value(xi.scale, xi.centre(), 0.0, 0.0)
    v[TAU_X], v[LIFE], v[NOISE] = BY_SYMBOL["tau_X"].centre(), BY_SYMBOL["life"].centre(), 1.0
    known = {
        name: getattr(Baseline, name)
        for name in ("pain", "distress", "insomnia", "function", "engagement", "craving", "sows_gossop")
    }
    known |= dict(baseline or {})
    for place, name in (
        (P0, "pain"),
        (M0, "distress"),
        (I0, "insomnia"),
        (U0, "function"),
        (N0, "engagement"),
        (C0, "craving"),
        (S0, "sows_gossop"),
    ):
        v[place] = known[name]
    return v
