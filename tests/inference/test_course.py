"""The compiled course of one person is the reference's."""

import numpy as np
import pytest

from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.model import reference
from taper_sim.model.life import N_LIFE
from taper_sim.model.parameters import TABLE
from taper_sim.model.pharmacology import level_decay, within_day_shape
from taper_sim.units import DRUG_CLASSES

N_DAYS = 120


def by_class(symbol: str) -> np.ndarray:
    """The median person's values, (1, 3)."""
    q = next(q for q in TABLE if q.symbol == symbol)
    return np.array([[q.centre(c) for c in DRUG_CLASSES]])


def regimen_of(seed: int) -> tuple[Regimen, np.ndarray]:
    """A random taper of random classes, with an adjunct for a while."""
    luck = np.random.default_rng(seed)
    taken = luck.random(3) < 0.6
    taken[luck.integers(3)] = True
    share = np.cumprod(
        np.where(luck.random((N_DAYS + 1, 3)) < 0.05, luck.uniform(0.5, 1.0, (N_DAYS + 1, 3)), 1.0), axis=0
    )
    dose = share / share[0] * np.array([90.0, 20.0, 300.0]) * taken
    half_life, trough = luck.uniform(3, 40, 3), luck.uniform(0.3, 0.9, 3)
    shape = np.tile([within_day_shape(float(t)) for t in trough], (N_DAYS + 1, 1, 1))
    adjunct = np.zeros((N_DAYS + 1, 3))
    adjunct[30:60, 0] = 0.4
    whole = 2.5 if seed % 2 else 1.0
    cut, removed = at.cuts_of(dose, at.cut_reference(taken, dose[0], False), whole)
    use = np.exp(luck.uniform(0, 8, 3))
    decay = np.tile(level_decay(half_life), (N_DAYS + 1, 1))
    return Regimen(dose, cut, removed, decay, shape, taken, use, adjunct, np.zeros(N_DAYS + 1)), half_life


@pytest.mark.parametrize("seed", range(6))
def test_the_course_is_the_references(seed: int) -> None:
    regimen, half_life = regimen_of(seed)
    values = at.centre_values()
    values[at.SIGMA] = 2.0
    values[at.BETA : at.BETA + 3] = 1.3, -0.4, 0.6
    values[at.XI], values[at.TAU_X] = 2.2, 4.0
    found = at.course(values, at.couplings(), regimen)
    scalar = {q.symbol: np.array([q.centre()]) for q in TABLE if not q.per_class}
    scalar |= {"xi": values[[at.XI]], "tau_X": values[[at.TAU_X]], "sows_w": np.array([30.0])}
    person = reference.PersonParameters(
        taken=regimen.taken[None],
        EC50=by_class("EC50"),
        tau_F=by_class("tau_F"),
        tau_L=by_class("tau_L"),
        omega=by_class("omega"),
        sigma=values[None, at.SIGMA : at.SIGMA + 3],
        alpha=by_class("alpha"),
        b=by_class("b"),
        beta=values[None, at.BETA : at.BETA + 3],
        cut_reference=by_class("cut_reference"),
        life_start=np.zeros((1, N_LIFE)),
        adjunct=regimen.adjunct[:1],
        effect_half_life_h=half_life[None],
        shape=regimen.shape[:1],
        use_days=regimen.use_days[None],
        scalar=scalar,
        loads={load: by_class(load) for load in "pmi"},
        baseline={
            "pain": values[[at.P0]],
            "distress": values[[at.M0]],
            "insomnia": values[[at.I0]],
            "function": values[[at.U0]],
            "engagement": values[[at.N0]],
            "craving": values[[at.C0]],
        },
        imposed=np.array([seed % 2 == 1]),
    )
    state = reference.start(person, regimen.dose[:1])
    for day in range(N_DAYS + 1):
        if day:
            object.__setattr__(person, "adjunct", regimen.adjunct[day : day + 1])
            state = reference.day(person, state, regimen.dose[day : day + 1], np.zeros((1, 6)))
        for place, value in ((at.G, state.G), (at.E, state.E), (at.F, state.F), (at.L, state.L), (at.W, state.W)):
            np.testing.assert_allclose(
                found[day, place : place + 3], np.where(regimen.taken, value[0], 0.0), atol=1e-12
            )
        for place, one in (
            (at.R, state.R),
            (at.X, state.X),
            (at.P, state.P),
            (at.M, state.M),
            (at.I, state.I),
            (at.U, state.U),
            (at.N, state.N),
            (at.C, state.C),
            (at.W_ALL, state.withdrawal),
        ):
            np.testing.assert_allclose(found[day, place], one[0], rtol=1e-12, atol=1e-12)


def test_sensitivity_that_drifts_up_gives_more_withdrawal_only_later() -> None:
    regimen, _ = regimen_of(1)
    still, drifting = at.centre_values(), at.centre_values()
    drifting[at.DRIFT + 1] = 0.5  # from day 29 on
    a, b = (at.course(v, at.couplings(), regimen) for v in (still, drifting))
    np.testing.assert_array_equal(a[:29], b[:29])
    assert (b[60:, at.W_ALL] >= a[60:, at.W_ALL]).all() and (b[60:, at.W_ALL] > a[60:, at.W_ALL]).any()


def test_a_rotation_takes_away_tolerance_that_is_not_crossed_and_no_dependence() -> None:
    regimen, _ = regimen_of(3)
    rotated = np.zeros(N_DAYS + 1)
    rotated[10] = 1.0
    values, shared = at.centre_values(), at.couplings()
    a, b = (at.course(values, shared, r) for r in (regimen, regimen._replace(rotated=rotated)))
    assert b[10, at.R] < a[10, at.R] or not regimen.taken[0]
    np.testing.assert_array_equal(a[:, at.F : at.F + 6], b[:, at.F : at.F + 6])


def test_a_cut_counts_by_its_size_up_to_a_tenth_of_the_dose_or_of_the_reference() -> None:
    prescribed = np.array([[100.0, 1.0, 0.0], [97.5, 1.0, 0.0], [87.5, 1.0, 0.0], [47.5, 0.5, 0.0], [90.0, 0.5, 0.0]])
    reference = at.cut_reference(prescribed[0] > 0, prescribed[0], False)
    cut, removed = at.cuts_of(prescribed, reference, 1.0)
    np.testing.assert_allclose(cut, [0.0, 0.5, 1.0, 1.0, 0.0])  # a quarter of a tenth, a tenth, more, a rise
    np.testing.assert_allclose(removed[:, 0], [0.0, 0.025, 0.125, 0.525, 0.1])
    np.testing.assert_allclose(removed[:, 1:], [[0, 0], [0, 0], [0, 0], [0.5, 0], [0.5, 0]])
    alone, _ = at.cuts_of(prescribed[:, [2, 1, 2]], reference, 2.5)
    # half a mg of diazepam is 5 % of the reference, not half of the dose
    np.testing.assert_allclose(alone, [0, 0, 0, 2.5 * np.sqrt(0.5 / 10 / 0.1), 0])


def test_a_class_begun_later_changes_nothing_before_its_first_day_and_relieves_pain_after_it() -> None:
    dose = np.zeros((N_DAYS + 1, 3))
    dose[:, 0] = 90.0
    dose[40:, 2] = 300.0
    begun, never = np.array([True, False, True]), np.array([True, False, False])
    zeros, shape = np.zeros(N_DAYS + 1), np.ones((N_DAYS + 1, 3, 4))
    decay = np.full((N_DAYS + 1, 3), 0.1)
    decay[:40, 2] = 0.0
    courses = []
    for taken, its_dose in ((begun, dose), (never, dose * never)):
        cut, removed = at.cuts_of(its_dose, at.cut_reference(taken, its_dose[0], False), 1.0)
        use, adjunct = np.full(3, 1000.0), np.zeros((N_DAYS + 1, 3))
        regimen = Regimen(its_dose, cut, removed, decay, shape, taken, use, adjunct, zeros)
        courses.append(at.course(at.centre_values(), at.couplings(), regimen))
    with_it, without = courses
    assert np.isfinite(with_it).all()
    np.testing.assert_allclose(with_it[:40], without[:40], rtol=0, atol=1e-7)  # the shortfall is smooth at 0
    assert (with_it[41:, at.P] < without[41:, at.P]).all()
    assert with_it[40, at.F + 2] > 0.0 and (np.diff(with_it[40:, at.L + 2]) > 0.0).all()
    assert (with_it[:, at.W + 2] < 1e-6).all()  # what rises brings no withdrawal
