"""One person's deterministic course: the days of sections 1 and 2, compiled. Imports ``model``.

The same equations as ``model.reference``, in the same order, for one person at a time and many parameter vectors after
each other: what the likelihood and the roll-outs are made of (tests/inference/test_course.py holds it to the
reference). All noise sits in the reports, so that given the parameters nothing here is random.
"""

from collections import namedtuple
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from taper_sim.model import equations as eq
from taper_sim.model.chance import CHANCE_TABLE
from taper_sim.model.compiled import fast, kept_by_sources
from taper_sim.model.parameters import TABLE, Parameter
from taper_sim.units import DRUG_CLASSES

Floats = NDArray[np.float64]

SEGMENT_D: Final = 28
"""Days of one piece of the drift of log sigma. Source: docs/inference.md, "Drift"."""
MAX_SEGMENTS: Final = 34
"""Pieces of drift a vector has room for: two years of days and a half year ahead."""

# -- values of one person: a vector whose places are these; a class takes three --------------------------------------
SIGMA, TAU_F, TAU_L, EC50, B = range(0, 15, 3)
XI, P0, M0, I0, U0, N0, C0, S0, NOISE, COWS0, KAPPA, BWSQ0, PWC0, ITEM0, STEPS0, HOURS0 = range(15, 31)
DRIFT: Final = 31
N_VALUES: Final = DRIFT + MAX_SEGMENTS

# -- state of one person at the end of a day -------------------------------------------------------------------------
G, E, F, L, A, W = range(0, 18, 3)
R, X, P, M, I, U, N, C, W_ALL = range(18, 27)  # noqa: E741 - the model's letters
MARGIN0, L0, W0 = range(27, 36, 3)
W_ALL0: Final = 36
N_STATE: Final = 37
N_LATENT: Final = W_ALL + 1  # what a course records of a day

_DECAYS: Final = ("s", "A", "R", "X", "P", "M", "I", "U", "N", "C")
_LOADS: Final = ("p", "m", "i")
_PARAMETERS: Final[tuple[Parameter, ...]] = (*TABLE, *CHANCE_TABLE)
_SHARED: Final = tuple(q.symbol for q in _PARAMETERS if not q.per_class)
_PER_CLASS: Final = ("omega", "alpha", *_LOADS)
COUPLINGS: Final[tuple[str, ...]] = (
    *_SHARED,
    *(f"decay_{tau}" for tau in _DECAYS),
    *(f"{symbol}_{k}" for symbol in _PER_CLASS for k in range(3)),
)
Couplings = namedtuple("Couplings", COUPLINGS)  # type: ignore[misc]  # its fields are a table's


@cache
def couplings(buprenorphine: bool = False, **changed: float) -> Any:
    """Everything that one person shares with all others, at the centre of its prior unless ``changed``."""
    by_symbol = {q.symbol: q for q in _PARAMETERS}
    values: dict[str, float] = {s: float(changed.get(s, by_symbol[s].centre())) for s in _SHARED}
    values |= {f"decay_{tau}": float(np.exp(-1.0 / values[f"tau_{tau}"])) for tau in _DECAYS}
    for symbol in _PER_CLASS:
        for k, drug_class in enumerate(DRUG_CLASSES):
            centre = by_symbol[symbol].centre(drug_class, buprenorphine=buprenorphine)
            values[f"{symbol}_{k}"] = float(changed.get(f"{symbol}_{k}", centre))
    return Couplings(**values)


class Regimen(namedtuple("Regimen", ("dose", "cut", "decay_g", "shape", "taken", "use_days", "adjunct", "rotated"))):
    """Doses of a person by day, day 0 being the start: arrays that the compiled course reads.

    Attributes
    ----------
    dose : ndarray, (n_days + 1, 3)
        Equivalents a day that are taken; row 0 is the dose of the start.
    cut : ndarray, (n_days + 1,)
        What a day's announced cut counts: 0 none, 1 agreed, ``xi_imposed`` imposed.
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


with kept_by_sources(__file__):

    @register_jitable(forceinline=True)
    def effects(level: float, shape: Any, day: int, k: int, ec50: float) -> Any:
        """Effects at the four points of a day."""
        return (
            eq.effect(level, shape[day, k, 0], ec50),
            eq.effect(level, shape[day, k, 1], ec50),
            eq.effect(level, shape[day, k, 2], ec50),
            eq.effect(level, shape[day, k, 3], ec50),
        )

    @register_jitable(forceinline=True)
    def start(v: Any, c: Any, regimen: Any, x: Any) -> None:
        """State of day 0 into ``x``, (N_STATE,): adapted as far as the days of use bring it."""
        x[:] = 0.0
        w = 1.0
        for k in range(3):
            if not regimen.taken[k]:
                continue
            omega = (c.omega_0, c.omega_1, c.omega_2)[k]
            level = regimen.dose[0, k]
            e1, e2, e3, e4 = effects(level, regimen.shape, 0, k, v[EC50 + k])
            e = eq.mean_of_four(e1, e2, e3, e4)
            use = regimen.use_days[k]
            fast = eq.adapted_at_start(e, np.exp(-use / v[TAU_F + k]))
            slow = eq.adapted_at_start(e, np.exp(-use / v[TAU_L + k]))
            tolerance = eq.adapted_at_start(e, np.exp(-use / c.tau_A))
            expected = eq.set_point(omega, fast, slow)
            drive = eq.drive(v[SIGMA + k], regimen.adjunct[0, k], eq.shortfall(expected, e1, e2, e3, e4, c.delta))
            x[G + k], x[E + k], x[F + k], x[L + k], x[A + k] = level, e, fast, slow, tolerance
            x[W + k] = eq.withdrawal_target(drive)
            x[MARGIN0 + k], x[L0 + k], x[W0 + k] = e - tolerance, slow, x[W + k]
            w *= 1.0 - x[W + k]
            if k == 0:
                x[R] = eq.adapted_at_start(e, np.exp(-use / c.tau_R))
        x[W_ALL] = 1.0 - w
        x[W_ALL0] = x[W_ALL]
        x[P], x[M], x[I], x[U], x[N], x[C] = v[P0], v[M0], v[I0], v[U0], v[N0], v[C0]

    @register_jitable(forceinline=True)
    def decays_of(v: Any) -> Any:
        """``exp(-1/tau)`` of fast and slow adaptation, six numbers: they are constant over the days."""
        return (
            np.exp(-1.0 / v[TAU_F]), np.exp(-1.0 / v[TAU_F + 1]), np.exp(-1.0 / v[TAU_F + 2]),
            np.exp(-1.0 / v[TAU_L]), np.exp(-1.0 / v[TAU_L + 1]), np.exp(-1.0 / v[TAU_L + 2]),
        )  # fmt: skip

    @register_jitable(forceinline=True)
    def advance(v: Any, c: Any, decays: Any, sensitivity: float, regimen: Any, day: int, x: Any) -> None:
        """One day of sections 1 and 2, in the order of docs/model.md; ``x`` is changed in place.

        ``sensitivity`` is the factor on sigma of that day (the drift), ``decays`` as from :func:`decays_of`.
        """
        if regimen.rotated[day] > 0.0:
            x[A] *= c.cross_tolerance
            x[R] *= c.cross_tolerance
        lost, p_load, m_load, i_load, left = 0.0, 0.0, 0.0, 0.0, 1.0
        for k in range(3):
            if not regimen.taken[k]:
                continue
            omega = (c.omega_0, c.omega_1, c.omega_2)[k]
            x[G + k] = eq.relax(x[G + k], regimen.dose[day, k], regimen.decay_g[day, k])
            e1, e2, e3, e4 = effects(x[G + k], regimen.shape, day, k, v[EC50 + k])
            e = eq.mean_of_four(e1, e2, e3, e4)
            expected = eq.set_point(omega, x[F + k], x[L + k])
            drive = eq.drive(
                v[SIGMA + k] * sensitivity, regimen.adjunct[day, k], eq.shortfall(expected, e1, e2, e3, e4, c.delta)
            )
            x[W + k] = eq.relax(x[W + k], eq.withdrawal_target(drive), c.decay_s)
            x[E + k] = e
            x[F + k] = eq.relax(x[F + k], e, decays[k])
            x[L + k] = eq.relax(x[L + k], e, decays[3 + k])
            x[A + k] = eq.relax(x[A + k], e, c.decay_A)
            alpha = (c.alpha_0, c.alpha_1, c.alpha_2)[k]
            lost += eq.relief_lost(alpha, e, x[A + k], x[MARGIN0 + k], v[B + k], x[L + k], x[L0 + k])
            w_bar_k = x[W + k] - x[W0 + k]
            p_load += (c.p_0, c.p_1, c.p_2)[k] * w_bar_k
            m_load += (c.m_0, c.m_1, c.m_2)[k] * w_bar_k
            i_load += (c.i_0, c.i_1, c.i_2)[k] * w_bar_k
            left *= 1.0 - x[W + k]
        x[R] = eq.relax(x[R], x[E], c.decay_R)
        x[W_ALL] = 1.0 - left
        w_bar = x[W_ALL] - x[W_ALL0]
        x[X] = eq.reaction(x[X], c.decay_X, v[XI], regimen.cut[day])
        m_bar, i_bar = x[M] - v[M0], x[I] - v[I0]
        x[P] = eq.relax(
            x[P],
            eq.pain_target(v[P0], lost, p_load, m_bar, i_bar, 0.0, c.pain_from_distress, c.pain_from_insomnia, 0.0),
            c.decay_P,
        )
        p_bar = x[P] - v[P0]
        x[M] = eq.relax(
            x[M],
            eq.distress_target(
                v[M0], m_load, p_bar, i_bar, x[X], 0.0, c.distress_from_pain, c.distress_from_insomnia,
                c.distress_from_reaction, 0.0,
            ),
            c.decay_M,
        )  # fmt: skip
        m_bar = x[M] - v[M0]
        x[I] = eq.relax(
            x[I],
            eq.insomnia_target(v[I0], i_load, m_bar, p_bar, 0.0, c.insomnia_from_distress, c.insomnia_from_pain, 0.0),
            c.decay_I,
        )
        i_bar = x[I] - v[I0]
        x[U] = eq.relax(
            x[U],
            eq.function_target(
                v[U0], p_bar, m_bar, i_bar, w_bar, 0.0, c.function_from_pain, c.function_from_distress,
                c.function_from_insomnia, c.function_from_withdrawal, 0.0,
            ),
            c.decay_U,
        )  # fmt: skip
        x[N] = eq.relax(
            x[N],
            eq.engagement_target(
                v[N0], w_bar, m_bar, 0.0, c.engagement_from_withdrawal, c.engagement_from_distress, 0.0
            ),
            c.decay_N,
        )
        x[C] = eq.relax(
            x[C],
            eq.craving_target(
                v[C0], w_bar, m_bar, p_bar, c.craving_from_withdrawal, c.craving_from_distress, c.craving_from_pain
            ),
            c.decay_C,
        )

    @fast
    def run(v: Any, c: Any, regimen: Any, latent: Any, x: Any) -> None:
        """From day 0 to the last day of ``latent``, (n_days + 1, N_LATENT), whose rows are filled; ``x`` ends there."""
        start(v, c, regimen, x)
        decays = decays_of(v)
        drift, step = 0.0, 0.0
        latent[0] = x[:N_LATENT]
        for day in range(1, latent.shape[0]):
            if (day - 1) % SEGMENT_D == 0:
                step = v[DRIFT + min((day - 1) // SEGMENT_D, MAX_SEGMENTS - 1)] / SEGMENT_D
            drift += step
            advance(v, c, decays, np.exp(drift), regimen, day, x)
            latent[day] = x[:N_LATENT]


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
    run(values, shared, regimen, latent, np.empty(N_STATE))
    return latent


def centre_values(buprenorphine: bool = False, baseline: Mapping[str, float] | None = None) -> Floats:
    """Values of the median person, (N_VALUES,), with a baseline as in ``model.parameters.Baseline`` if given."""
    from taper_sim.model.parameters import BY_SYMBOL, Baseline

    v = np.zeros(N_VALUES)
    for place, symbol in ((SIGMA, "sigma"), (TAU_F, "tau_F"), (TAU_L, "tau_L"), (EC50, "EC50"), (B, "b")):
        for k, drug_class in enumerate(DRUG_CLASSES):
            v[place + k] = BY_SYMBOL[symbol].centre(drug_class, buprenorphine=buprenorphine)
    v[XI], v[NOISE] = BY_SYMBOL["xi"].centre(), 1.0
    known = {name: getattr(Baseline, name) for name in ("pain", "distress", "insomnia", "function", "engagement",
                                                        "craving", "sows_gossop")}  # fmt: skip
    known |= dict(baseline or {})
    for place, name in ((P0, "pain"), (M0, "distress"), (I0, "insomnia"), (U0, "function"), (N0, "engagement"),
                        (C0, "craving"), (S0, "sows_gossop")):  # fmt: skip
        v[place] = known[name]
    return v
