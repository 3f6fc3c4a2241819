"""One day of sections 1 and 2: the order of the equations and their inputs. Imports only ``equations``.

Each function takes numbers and named tuples of numbers, and returns a named tuple. It calls only equations, so one body
serves the compiled kernel (``compiled.patient_day``), NumPy arrays (``reference``),
the compiled course of one person (``inference.course``), PyTensor variables (``studies.pytensor_course``) and the
oracle. Coefficients come as one object ``c`` and are read by their symbol in the parameter table:
``c.pain_from_distress``, and ``c.decay_P`` for ``exp(-1/tau_P)``.

The caller applies ``exp``, selects the classes that a person takes, and stores the numbers.
"""

from typing import NamedTuple

from taper_sim.model import equations as eq
from taper_sim.model.equations import Number

# -- section 1: one drug class -----------------------------------------------------------------------------------------


class Medicine(NamedTuple):
    """Parameters of one drug class on one day; symbols as in the parameter table.

    ``s1`` to ``s4`` are the shape of the level within the day, ``decay_x`` is ``exp(-1/tau_x)``.
    """

    EC50: Number
    omega: Number
    sigma: Number
    adjunct: Number
    decay_G: Number
    decay_F: Number
    decay_L: Number
    s1: Number
    s2: Number
    s3: Number
    s4: Number


class MedicineState(NamedTuple):
    """Level (equivalents a day); effect, fast and slow adaptation, analgesic tolerance, withdrawal (no unit)."""

    G: Number
    E: Number
    F: Number
    L: Number
    A: Number
    W: Number


class MedicineLoad(NamedTuple):
    """Additions to pain (NRS points), distress and insomnia by one drug class, or their sum over classes.

    ``lost`` is the pain from lost relief and the lasting response; ``pain``, ``distress`` and ``insomnia`` are the
    additions by withdrawal.
    """

    lost: Number
    pain: Number
    distress: Number
    insomnia: Number


def effects(medicine: Medicine, level: Number) -> tuple[Number, Number, Number, Number]:
    """Effect at the four points of the day, 0 to 1."""
    return (
        eq.effect(level, medicine.s1, medicine.EC50),
        eq.effect(level, medicine.s2, medicine.EC50),
        eq.effect(level, medicine.s3, medicine.EC50),
        eq.effect(level, medicine.s4, medicine.EC50),
    )


def mean_effect(medicine: Medicine, level: Number) -> Number:
    """Mean effect over the day, 0 to 1."""
    e1, e2, e3, e4 = effects(medicine, level)
    return eq.mean_of_four(e1, e2, e3, e4)


def withdrawal_drive(
    c: Number, medicine: Medicine, points: tuple[Number, Number, Number, Number], fast: Number, slow: Number
) -> Number:
    """Withdrawal drive of one class, no unit; ``points`` from :func:`effects`, adaptation of yesterday."""
    e1, e2, e3, e4 = points
    missing = eq.shortfall(eq.set_point(medicine.omega, fast, slow), e1, e2, e3, e4, c.delta)
    return eq.drive(medicine.sigma, medicine.adjunct, missing)


def medicine_start(
    c: Number, medicine: Medicine, dose: Number, remaining_F: Number, remaining_L: Number, remaining_A: Number
) -> MedicineState:
    """State of one class on day 0, at a steady dose (equivalents a day).

    ``remaining_x`` is ``exp(-use/tau_x)`` after the days of use; the caller applies ``exp``.
    """
    points = effects(medicine, dose)
    e = eq.mean_of_four(points[0], points[1], points[2], points[3])
    fast = eq.adapted_at_start(e, remaining_F)
    slow = eq.adapted_at_start(e, remaining_L)
    tolerance = eq.adapted_at_start(e, remaining_A)
    target = eq.withdrawal_target(withdrawal_drive(c, medicine, points, fast, slow))
    return MedicineState(dose, e, fast, slow, tolerance, target)


def medicine_day(c: Number, medicine: Medicine, before: MedicineState, dose: Number) -> MedicineState:
    """One day of one class after the state ``before``, at the dose taken today (equivalents).

    1. level; 2. effect; 3. shortfall and drive, with yesterday's adaptation; 4. withdrawal; 5. adaptation;
    6. analgesic tolerance.
    """
    level = eq.relax(before.G, dose, medicine.decay_G)
    points = effects(medicine, level)
    e = eq.mean_of_four(points[0], points[1], points[2], points[3])
    target = eq.withdrawal_target(withdrawal_drive(c, medicine, points, before.F, before.L))
    return MedicineState(
        level,
        e,
        eq.relax(before.F, e, medicine.decay_F),
        eq.relax(before.L, e, medicine.decay_L),
        eq.relax(before.A, e, c.decay_A),
        eq.relax(before.W, target, c.decay_s),
    )


def medicine_load(
    alpha: Number,
    b: Number,
    beta: Number,
    per_pain: Number,
    per_distress: Number,
    per_insomnia: Number,
    now: MedicineState,
    margin0: Number,
    slow0: Number,
    w0: Number,
    removed: Number,
) -> MedicineLoad:
    """Additions of one class to pain, distress and insomnia today.

    ``margin0``, ``slow0`` and ``w0`` are effect less tolerance, slow adaptation and withdrawal on day 0;
    ``per_pain``, ``per_distress`` and ``per_insomnia`` are the symbols ``p``, ``m`` and ``i`` of the class;
    ``removed`` is the share of the prescribed dose of day 0 that is removed, 0 to 1.
    """
    w_bar = now.W - w0
    return MedicineLoad(
        eq.relief_lost(alpha, now.E, now.A, margin0, b, now.L, slow0) + eq.lasting_response(beta, removed),
        per_pain * w_bar,
        per_distress * w_bar,
        per_insomnia * w_bar,
    )


def respiratory_day(c: Number, tolerance: Number, effect: Number) -> Number:
    """Respiratory tolerance after a day with this effect of the opioid."""
    return eq.relax(tolerance, effect, c.decay_R)


# -- section 2: the person ---------------------------------------------------------------------------------------------


class PersonStart(NamedTuple):
    """Set points of pain, distress, insomnia, function, engagement, craving, on their scales; withdrawal on day 0.

    A person moves around the set points by life outside the taper; without it they are the values of day 0.
    """

    P: Number
    M: Number
    I: Number  # noqa: E741 - the model's letter for insomnia
    U: Number
    N: Number
    C: Number
    W: Number


class PersonState(NamedTuple):
    """Reaction to a cut, pain, distress, insomnia, function, engagement, craving at the end of a day."""

    X: Number
    P: Number
    M: Number
    I: Number  # noqa: E741 - the model's letter for insomnia
    U: Number
    N: Number
    C: Number


class Care(NamedTuple):
    """Care received (K), share of full care, by discipline; fields as in ``parameters.DISCIPLINES``."""

    prescriber: Number
    pharmacist: Number
    pt: Number
    psychologist: Number
    nurse: Number
    peer: Number


def care_day(c: Number, received: Number, delivered: Number) -> Number:
    """Care of one discipline received, after a day on which this share was delivered."""
    return eq.relax(received, delivered, c.decay_K)


class Life(NamedTuple):
    """Life outside the taper on one day: season of pain (NRS points), shocks of pain, distress, insomnia, function."""

    season: Number
    P: Number
    M: Number
    I: Number  # noqa: E741 - the model's letter for insomnia
    U: Number


class LifeDraws(NamedTuple):
    """Standard normals of one person's day: of the season, common to the shocks, and of each shock."""

    season: Number
    common: Number
    P: Number
    M: Number
    I: Number  # noqa: E741 - the model's letter for insomnia
    U: Number


NO_LIFE = Life(0.0, 0.0, 0.0, 0.0, 0.0)


def life_day(c: Number, season: Number, size: Number, z: LifeDraws) -> Life:
    """Life outside the taper today, after the season of yesterday; ``size`` is the person's factor ``life``.

    A bad day is bad in pain, distress and insomnia, and lowers function.
    """
    return Life(
        eq.season(season, c.decay_S, size * c.season_p, z.season),
        eq.shock(size * c.life_p, c.decay_P, c.life_r, z.P, z.common),
        eq.shock(size * c.life_m, c.decay_M, c.life_r, z.M, z.common),
        eq.shock(size * c.life_i, c.decay_I, c.life_r, z.I, z.common),
        eq.shock(size * c.life_u, c.decay_U, c.life_r, z.U, -z.common),
    )


class Reaction(NamedTuple):
    """Reaction to cuts: SOWS-Gossop points of a whole one, ``exp(-1/tau_X)``, and what today's cut brings of it."""

    xi: Number
    decay: Number
    announced: Number


def person_day(
    c: Number,
    start: PersonStart,
    before: PersonState,
    load: MedicineLoad,
    withdrawal: Number,
    reaction: Reaction,
    life: Life,
    care: Care,
) -> PersonState:
    """One day of a person after the state ``before``.

    Reaction, pain, distress, insomnia, function, engagement, craving, in this order: each uses today's value of
    the quantities before it, and yesterday's value of those after it. The shocks of the day come last: they act on
    other domains from tomorrow.

    Parameters
    ----------
    c
        Coefficients.
    start : PersonStart
    before : PersonState
        At the end of yesterday.
    load : MedicineLoad
        Sum over the classes taken, today.
    withdrawal
        Overall withdrawal today, 0 to 1.
    reaction : Reaction
        ``announced`` is 0 without a cut, else ``equations.cut_weight`` times 1 (agreed) or ``xi_imposed`` (imposed).
    life : Life
        Of today; :data:`NO_LIFE` for the part of the course that is due to the taper.
    care : Care
        Received up to today.
    """
    w_bar = withdrawal - start.W
    x = eq.reaction(before.X, reaction.decay, reaction.xi, reaction.announced)
    w_felt = eq.felt_withdrawal(w_bar, x, c.sows_w)
    i_bar = before.I - start.I
    target = eq.pain_target(
        start.P,
        load.lost,
        load.pain,
        life.season,
        before.M - start.M,
        i_bar,
        care.pt,
        c.pain_from_distress,
        c.pain_from_insomnia,
        c.pain_from_pt,
    )
    pain = eq.relax(before.P, target, c.decay_P)
    p_bar = pain - start.P
    target = eq.distress_target(
        start.M,
        load.distress,
        p_bar,
        i_bar,
        x,
        care.psychologist,
        c.distress_from_pain,
        c.distress_from_insomnia,
        c.distress_from_reaction,
        c.distress_from_psychologist,
    )
    distress = eq.relax(before.M, target, c.decay_M)
    m_bar = distress - start.M
    target = eq.insomnia_target(
        start.I,
        load.insomnia,
        m_bar,
        p_bar,
        care.psychologist,
        c.insomnia_from_distress,
        c.insomnia_from_pain,
        c.insomnia_from_psychologist,
    )
    insomnia = eq.relax(before.I, target, c.decay_I)
    target = eq.function_target(
        start.U,
        p_bar,
        m_bar,
        insomnia - start.I,
        w_bar,
        care.pt,
        c.function_from_pain,
        c.function_from_distress,
        c.function_from_insomnia,
        c.function_from_withdrawal,
        c.function_from_pt,
    )
    function = eq.relax(before.U, target, c.decay_U)
    target = eq.engagement_target(
        start.N,
        w_felt,
        m_bar,
        care.nurse,
        c.engagement_from_withdrawal,
        c.engagement_from_distress,
        c.engagement_from_nurse,
    )
    engagement = eq.relax(before.N, target, c.decay_N)
    target = eq.craving_target(
        start.C, w_felt, m_bar, p_bar, c.craving_from_withdrawal, c.craving_from_distress, c.craving_from_pain
    )
    craving = eq.relax(before.C, target, c.decay_C)
    return PersonState(x, pain + life.P, distress + life.M, insomnia + life.I, function + life.U, engagement, craving)
