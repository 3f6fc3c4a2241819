"""Reference implementation of sections 1 and 2 in NumPy, one day at a time. Imports ``day``, ``life``, ``equations``.

Arrays run over people in the first axis and over drug classes (opioid, benzodiazepine, gabapentinoid) in the second;
a class that is not taken has dose, level, effect and withdrawal 0 and no influence.
"""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.model import equations as eq
from taper_sim.model.day import (
    NO_LIFE,
    Care,
    Life,
    LifeDraws,
    Medicine,
    MedicineLoad,
    MedicineState,
    PersonStart,
    PersonState,
    Reaction,
    care_day,
    effects,
    life_day,
    medicine_day,
    medicine_load,
    medicine_start,
    person_day,
    respiratory_day,
    withdrawal_drive,
)
from taper_sim.model.life import LIFE_STATES, SEASON
from taper_sim.model.parameters import BASELINE_LIMITS


@dataclass(frozen=True)
class PersonParameters:
    """Parameters of people, one row each; units as in the parameter table.

    Attributes
    ----------
    taken : ndarray of bool, (n, 3)
        Whether the person takes each class.
    EC50, tau_F, tau_L, omega, sigma, alpha, b, beta, cut_reference, adjunct, effect_half_life_h : ndarray, (n, 3)
        One value for each class.
    shape : ndarray, (n, 3, 4)
        Within-day shape ``s_j``, mean 1.
    use_days : ndarray, (n, 3)
        Days of use before day 0, at least 1.
    scalar : dict of str to ndarray (n,)
        Parameters with one value for each person: ``delta``, ``tau_s`` … and the couplings of section 2.
    loads : dict of str to ndarray (n, 3)
        ``p``, ``m`` and ``i``: additions by withdrawal of a class to pain, distress and insomnia.
    baseline : dict of str to ndarray (n,)
        Set points of ``pain``, ``distress``, ``insomnia``, ``function``, ``engagement``, ``craving``.
    life_start : ndarray, (n, N_LIFE)
        Life outside the taper on day 0 (``life.LIFE_STATES``): deviations from the set points, and the season.
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
    beta: Floats
    cut_reference: Floats
    adjunct: Floats
    effect_half_life_h: Floats
    shape: Floats
    use_days: Floats
    scalar: dict[str, Floats]
    loads: dict[str, Floats]
    baseline: dict[str, Floats]
    life_start: Floats
    imposed: Bools


@dataclass(frozen=True)
class State:
    """State of people at the end of a day. Classes: (n, 3); the rest: (n,); ``K``: (n, 6) by discipline.

    ``w_felt``, ``p_bar``, ``m_bar`` and ``c_felt`` are what events depend on: felt withdrawal less that of day 0, pain
    and distress less their set points, and craving, each within its scale.
    """

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
    season: Floats
    withdrawal: Floats
    w_felt: Floats
    p_bar: Floats
    m_bar: Floats
    c_felt: Floats
    at_start: "State | None" = field(default=None, repr=False)


def _decay(tau: Floats | float) -> Floats:
    return np.exp(-1.0 / np.asarray(tau, dtype=np.float64))


def _coefficients(person: PersonParameters) -> Any:
    """Coefficients by name, (n,) each: every scalar symbol, and ``decay_x`` for each ``tau_x``."""
    decays = {f"decay_{s.removeprefix('tau_')}": _decay(v) for s, v in person.scalar.items() if s.startswith("tau_")}
    return SimpleNamespace(**person.scalar, **decays)


def _medicine(person: PersonParameters, k: int) -> Medicine:
    """Parameters of class ``k``, (n,) each; a class that is not taken has no drive."""
    decay_level = np.exp(-24.0 * np.log(2.0) / person.effect_half_life_h)
    return Medicine(
        EC50=person.EC50[:, k],
        omega=person.omega[:, k],
        sigma=np.where(person.taken, person.sigma, 0.0)[:, k],
        adjunct=person.adjunct[:, k],
        decay_G=decay_level[:, k],
        decay_F=_decay(person.tau_F)[:, k],
        decay_L=_decay(person.tau_L)[:, k],
        s1=person.shape[:, k, 0],
        s2=person.shape[:, k, 1],
        s3=person.shape[:, k, 2],
        s4=person.shape[:, k, 3],
    )


def _by_class(states: list[MedicineState]) -> dict[str, Any]:
    """States of the three classes side by side, (n, 3), under their letters."""
    return {name: np.stack([getattr(state, name) for state in states], axis=1) for name in MedicineState._fields}


def _drive(person: PersonParameters, c: Any, k: int, level: Floats, fast: Floats, slow: Floats) -> Floats:
    """Withdrawal drive of class ``k``, (n,), at a level and with the adaptation before today, (n, 3) each."""
    medicine = _medicine(person, k)
    return np.asarray(withdrawal_drive(c, medicine, effects(medicine, level[:, k]), fast[:, k], slow[:, k]))


def start(person: PersonParameters, dose: Floats) -> State:
    """State on day 0, at the dose of day 0.

    Parameters
    ----------
    person : PersonParameters
        n people.
    dose : ndarray, (n, 3)
        Equivalents a day taken on day 0; 0 for a class not taken.

    Returns
    -------
    State
        Level and effect at steady state, adaptation after ``use_days`` of use.
        Source: docs/model.md, section 1, "Start".
    """
    c, base = _coefficients(person), person.baseline
    dose = np.where(person.taken, dose, 0.0)
    remaining = [np.exp(-person.use_days / tau) for tau in (person.tau_F, person.tau_L, c.tau_A[:, None])]
    by_class = _by_class(
        [medicine_start(c, _medicine(person, k), dose[:, k], *(r[:, k] for r in remaining)) for k in range(3)]
    )
    W = by_class["W"]
    life = dict(zip(LIFE_STATES, person.life_start.T, strict=True))
    P, M, C = base["pain"] + life["P"], base["distress"] + life["M"], base["craving"] + life["C"]
    withdrawal = eq.overall_withdrawal(W[:, 0], W[:, 1], W[:, 2])
    first = State(
        dose=dose,
        drive=np.stack([_drive(person, c, k, by_class["G"], by_class["F"], by_class["L"]) for k in range(3)], axis=1),
        **by_class,
        R=eq.adapted_at_start(by_class["E"][:, 0], np.exp(-person.use_days[:, 0] / c.tau_R)),
        X=np.zeros(len(dose)),
        P=P,
        M=M,
        I=base["insomnia"] + life["I"],
        U=base["function"] + life["U"],
        N=base["engagement"],
        C=C,
        K=np.zeros((len(dose), 6)),
        season=person.life_start[:, SEASON],
        withdrawal=withdrawal,
        w_felt=np.zeros(len(dose)),
        **_felt(person, P, M, C),
    )
    return replace(first, at_start=first)


def _felt(person: PersonParameters, P: Floats, M: Floats, C: Floats) -> dict[str, Floats]:
    """Pain and distress less their set points, and craving, each within its scale."""
    base = person.baseline
    return {
        "p_bar": within("pain", P) - base["pain"],
        "m_bar": within("distress", M) - base["distress"],
        "c_felt": within("craving", C),
    }


def within(scale: str, value: Floats) -> Floats:
    """A value of ``parameters.BASELINE_LIMITS`` kept within the ends of its scale: what a person can feel."""
    return np.asarray(np.clip(value, *BASELINE_LIMITS[scale]))


def day(
    person: PersonParameters,
    state: State,
    dose: Floats,
    delivered: Floats,
    prescribed: tuple[Floats, Floats] | None = None,
    draws: LifeDraws | None = None,
) -> State:
    """Advance one day.

    Parameters
    ----------
    person : PersonParameters
        n people.
    state : State
        At the end of yesterday.
    dose : ndarray, (n, 3)
        Equivalents taken today.
    delivered : ndarray, (n, 6)
        Care delivered ÷ planned this week, by discipline.
    prescribed : tuple of ndarray, (n, 3) each, optional
        Equivalents prescribed yesterday and today. Default: the doses taken.
    draws : LifeDraws, optional
        Standard normals of the day, (n,) each. Default: no shocks, and a season that fades.

    Returns
    -------
    State
        At the end of today. The order of the steps is that of docs/model.md, sections 1 and 2.
    """
    zero = state.at_start
    if zero is None:
        raise ValueError("the state has no start; create it with start()")
    c, loads, base, taken = _coefficients(person), person.loads, person.baseline, person.taken
    before_dose, now_dose = (state.dose, dose) if prescribed is None else prescribed
    level_dose = np.where(taken, dose, 0.0)
    alpha, b, beta = (np.where(taken, values, 0.0) for values in (person.alpha, person.b, person.beta))
    margin0, slow0 = zero.E - zero.A, np.where(taken, zero.L, 1.0)
    removed = removed_share(zero.dose, now_dose)
    medicines, load = [], MedicineLoad(0.0, 0.0, 0.0, 0.0)
    for k in range(3):
        before = MedicineState(*(getattr(state, name)[:, k] for name in MedicineState._fields))
        now = medicine_day(c, _medicine(person, k), before, level_dose[:, k])
        added = medicine_load(
            alpha[:, k],
            b[:, k],
            beta[:, k],
            loads["p"][:, k],
            loads["m"][:, k],
            loads["i"][:, k],
            now,
            margin0[:, k],
            slow0[:, k],
            zero.W[:, k],
            removed[:, k],
        )
        medicines.append(now)
        load = MedicineLoad(*(total + more for total, more in zip(load, added, strict=True)))
    by_class = _by_class(medicines)
    withdrawal = eq.overall_withdrawal(*(now.W for now in medicines))
    share = np.maximum(cut_shares(person, zero.dose, before_dose, now_dose).max(axis=1), 0.0)
    announced = eq.cut_weight(np.minimum(share, c.full_cut), c.full_cut) * np.where(person.imposed, c.xi_imposed, 1.0)
    K = np.stack([care_day(c, state.K[:, k], delivered[:, k]) for k in range(6)], axis=1)
    life = NO_LIFE._replace(season=state.season * c.decay_S)
    if draws is not None:
        life = Life(*life_day(c, state.season, c.life, draws))
    mind = person_day(
        c,
        PersonStart(
            base["pain"],
            base["distress"],
            base["insomnia"],
            base["function"],
            base["engagement"],
            base["craving"],
            zero.withdrawal,
        ),
        PersonState(*(getattr(state, name) for name in PersonState._fields)),
        load,
        withdrawal,
        Reaction(c.xi, c.decay_X, announced),
        life,
        Care(*K.T),
    )
    return State(
        dose=dose,
        drive=np.stack([_drive(person, c, k, by_class["G"], state.F, state.L) for k in range(3)], axis=1),
        **by_class,
        R=respiratory_day(c, state.R, by_class["E"][:, 0]),
        **mind._asdict(),
        K=K,
        season=np.asarray(life.season),
        withdrawal=withdrawal,
        w_felt=np.asarray(eq.felt_withdrawal(withdrawal - zero.withdrawal, mind.X, c.sows_w)),
        **_felt(person, mind.P, mind.M, mind.C),
        at_start=zero,
    )


def cut_shares(person: PersonParameters, original: Floats, before: Floats, dose: Floats) -> Floats:
    """Share of the original dose by which each class falls, (n, 3); negative where it rises.

    ``original``, ``before`` and ``dose`` are the doses of day 0, of yesterday and of today, (n, 3).
    """
    return np.asarray(eq.cut_share(before, dose, np.maximum(original, person.cut_reference)))


def removed_share(original: Floats, dose: Floats) -> Floats:
    """Share of the dose of day 0 that is removed, 0 to 1, (n, 3); 0 for a class that is not taken."""
    taken = original > 0
    return np.where(taken, np.clip(1.0 - dose / np.where(taken, original, 1.0), 0.0, 1.0), 0.0)
