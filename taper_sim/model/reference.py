"""The readable day loop in NumPy: the definition of sections 1 and 2. Imports only ``equations``.

Arrays run over people in the first axis and over drug classes (opioid, benzodiazepine, gabapentinoid) in the second;
a class that is not taken has dose, level, effect and withdrawal 0 and no share in anything.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.model import equations as eq


@dataclass(frozen=True)
class PersonParameters:
    """Parameters of people, one row each; units as in the parameter table.

    Attributes
    ----------
    taken : ndarray of bool, (n, 3)
        Which classes the person takes.
    EC50, tau_F, tau_L, omega, sigma, alpha, b, adjunct, effect_half_life_h : ndarray, (n, 3)
        One value for each class.
    shape : ndarray, (n, 3, 4)
        Within-day shape ``s_j``, mean 1.
    use_days : ndarray, (n, 3)
        Days of use before day 0, at least 1.
    scalar : dict of str to ndarray (n,)
        Everything with one value a person: ``delta``, ``tau_s`` … and the couplings of section 2.
    loads : dict of str to ndarray (n, 3)
        ``p``, ``m`` and ``i``: what withdrawal of a class adds to pain, distress and insomnia.
    baseline : dict of str to ndarray (n,)
        ``pain``, ``distress``, ``insomnia``, ``function``, ``engagement``, ``craving``.
    imposed : ndarray of bool, (n,)
        Whether the cuts are imposed.
    """

    taken: Bools
    EC50: Floats
    tau_F: Floats
    tau_L: Floats
    omega: Floats
    sigma: Floats
    alpha: Floats
    b: Floats
    adjunct: Floats
    effect_half_life_h: Floats
    shape: Floats
    use_days: Floats
    scalar: dict[str, Floats]
    loads: dict[str, Floats]
    baseline: dict[str, Floats]
    imposed: Bools


@dataclass(frozen=True)
class State:
    """State of people at the end of a day. Classes: (n, 3); the rest: (n,); ``K``: (n, 6) by discipline."""

    dose: Floats
    G: Floats
    E: Floats
    F: Floats
    L: Floats
    A: Floats
    drive: Floats
    W: Floats
    R: Floats
    X: Floats
    P: Floats
    M: Floats
    I: Floats  # noqa: E741 - the model's letter for insomnia
    U: Floats
    N: Floats
    C: Floats
    K: Floats
    withdrawal: Floats
    at_start: "State | None" = field(default=None, repr=False)


def _decay(tau: Floats | float) -> Floats:
    return np.exp(-1.0 / np.asarray(tau, dtype=np.float64))


def _effect(person: PersonParameters, level: Floats) -> tuple[Floats, Floats]:
    """Effects at the four points of the day, (n, 3, 4), and their mean, (n, 3)."""
    e = eq.effect(level[..., None], person.shape, person.EC50[..., None])
    return e, eq.mean_of_four(e[..., 0], e[..., 1], e[..., 2], e[..., 3])


def _drive(person: PersonParameters, e: Floats, F: Floats, L: Floats) -> Floats:
    expected = eq.set_point(person.omega, F, L)
    missing = eq.shortfall(expected, e[..., 0], e[..., 1], e[..., 2], e[..., 3], person.scalar["delta"][:, None])
    return np.where(person.taken, eq.drive(person.sigma, person.adjunct, missing), 0.0)


def start(person: PersonParameters, dose: Floats) -> State:
    """State on day 0, at the dose of day 0.

    Parameters
    ----------
    person : Person
        n people.
    dose : ndarray, (n, 3)
        Equivalents a day taken on day 0; 0 for a class not taken.

    Returns
    -------
    State
        Level at the dose, effect steady, adaptation as far as ``use_days`` of use bring it.
        Source: docs/model.md, section 1, "Start".
    """
    G = np.where(person.taken, dose, 0.0)
    e, E = _effect(person, G)
    tau_A, tau_R = person.scalar["tau_A"][:, None], person.scalar["tau_R"]
    F = eq.adapted_at_start(E, np.exp(-person.use_days / person.tau_F))
    L = eq.adapted_at_start(E, np.exp(-person.use_days / person.tau_L))
    A = eq.adapted_at_start(E, np.exp(-person.use_days / tau_A))
    R = eq.adapted_at_start(E[:, 0], np.exp(-person.use_days[:, 0] / tau_R))
    omega_drive = _drive(person, e, F, L)
    W = eq.withdrawal_target(omega_drive)
    base = person.baseline
    first = State(
        dose=G,
        G=G,
        E=E,
        F=F,
        L=L,
        A=A,
        drive=omega_drive,
        W=W,
        R=R,
        X=np.zeros(len(G)),
        P=base["pain"],
        M=base["distress"],
        I=base["insomnia"],
        U=base["function"],
        N=base["engagement"],
        C=base["craving"],
        K=np.zeros((len(G), 6)),
        withdrawal=eq.overall_withdrawal(W[:, 0], W[:, 1], W[:, 2]),
    )
    return replace(first, at_start=first)


def day(person: PersonParameters, state: State, dose: Floats, delivered: Floats, cut: Bools | None = None) -> State:
    """Advance one day.

    Parameters
    ----------
    person : Person
        n people.
    state : State
        At the end of yesterday.
    dose : ndarray, (n, 3)
        Equivalents taken today.
    delivered : ndarray, (n, 6)
        Care delivered ÷ planned this week, by discipline.
    cut : ndarray of bool, (n,), optional
        Who is cut today in the dose prescribed; if not given, the dose taken is the one prescribed.

    Returns
    -------
    State
        At the end of today. The order of the steps is that of docs/model.md, sections 1 and 2.
    """
    s = person.scalar
    zero = state.at_start
    if zero is None:
        raise ValueError("the state does not know its start; make it with start()")
    # 1-2. level, and effect through the day
    G = eq.relax(state.G, dose, np.exp(-24.0 * np.log(2.0) / person.effect_half_life_h))
    G = np.where(person.taken, G, 0.0)
    e, E = _effect(person, G)
    # 3-4. drive with yesterday's adaptation; withdrawal
    omega_drive = _drive(person, e, state.F, state.L)
    W = eq.relax(state.W, eq.withdrawal_target(omega_drive), _decay(s["tau_s"])[:, None])
    # 5-6. adaptation
    F = eq.relax(state.F, E, _decay(person.tau_F))
    L = eq.relax(state.L, E, _decay(person.tau_L))
    A = eq.relax(state.A, E, _decay(s["tau_A"])[:, None])
    R = eq.relax(state.R, E[:, 0], _decay(s["tau_R"]))

    withdrawal = eq.overall_withdrawal(W[:, 0], W[:, 1], W[:, 2])
    W_bar = W - zero.W
    w_bar = withdrawal - zero.withdrawal

    cut = (dose < state.dose).any(axis=1) if cut is None else cut
    announced = np.where(cut, np.where(person.imposed, s["xi_imposed"], 1.0), 0.0)
    X = eq.reaction(state.X, _decay(s["tau_X"]), s["xi"], announced)
    K = eq.relax(state.K, delivered, _decay(s["tau_K"])[:, None])
    k_pt, k_psy, k_nurse = K[:, 2], K[:, 3], K[:, 4]

    lost = np.where(
        person.taken,
        eq.relief_lost(person.alpha, E, A, zero.E - zero.A, person.b, L, np.where(person.taken, zero.L, 1.0)),
        0.0,
    ).sum(axis=1)
    P = eq.relax(
        state.P,
        eq.pain_target(
            person.baseline["pain"],
            lost,
            (person.loads["p"] * W_bar).sum(axis=1),
            state.M - zero.M,
            state.I - zero.I,
            k_pt,
            s["pain_from_distress"],
            s["pain_from_insomnia"],
            s["pain_from_pt"],
        ),
        _decay(s["tau_P"]),
    )
    M = eq.relax(
        state.M,
        eq.distress_target(
            person.baseline["distress"],
            (person.loads["m"] * W_bar).sum(axis=1),
            P - zero.P,
            state.I - zero.I,
            X,
            k_psy,
            s["distress_from_pain"],
            s["distress_from_insomnia"],
            s["distress_from_reaction"],
            s["distress_from_psychologist"],
        ),
        _decay(s["tau_M"]),
    )
    I = eq.relax(  # noqa: E741
        state.I,
        eq.insomnia_target(
            person.baseline["insomnia"],
            (person.loads["i"] * W_bar).sum(axis=1),
            M - zero.M,
            P - zero.P,
            k_psy,
            s["insomnia_from_distress"],
            s["insomnia_from_pain"],
            s["insomnia_from_psychologist"],
        ),
        _decay(s["tau_I"]),
    )
    U = eq.relax(
        state.U,
        eq.function_target(
            person.baseline["function"],
            P - zero.P,
            M - zero.M,
            I - zero.I,
            w_bar,
            k_pt,
            s["function_from_pain"],
            s["function_from_distress"],
            s["function_from_insomnia"],
            s["function_from_withdrawal"],
            s["function_from_pt"],
        ),
        _decay(s["tau_U"]),
    )
    N = eq.relax(
        state.N,
        eq.engagement_target(
            person.baseline["engagement"],
            w_bar,
            M - zero.M,
            k_nurse,
            s["engagement_from_withdrawal"],
            s["engagement_from_distress"],
            s["engagement_from_nurse"],
        ),
        _decay(s["tau_N"]),
    )
    C = eq.relax(
        state.C,
        eq.craving_target(
            person.baseline["craving"],
            w_bar,
            M - zero.M,
            P - zero.P,
            s["craving_from_withdrawal"],
            s["craving_from_distress"],
            s["craving_from_pain"],
        ),
        _decay(s["tau_C"]),
    )
    return State(
        dose=dose,
        G=G,
        E=E,
        F=F,
        L=L,
        A=A,
        drive=omega_drive,
        W=W,
        R=R,
        X=X,
        P=P,
        M=M,
        I=I,
        U=U,
        N=N,
        C=C,
        K=K,
        withdrawal=withdrawal,
        at_start=zero,
    )
