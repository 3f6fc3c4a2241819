"""What an option does to a person: felt and brought figures follow from the course and from life."""

import numpy as np
import pytest

from taper_sim.inference import course as at
from taper_sim.inference import event_columns, rollout
from taper_sim.inference.life_today import life_ahead, today_of
from taper_sim.studies.simulated_people import evidence_from, population_prior, tapered, until

N_DAYS, AHEAD_D, N = 42, 28, 70
SHARED = at.couplings()


@pytest.fixture(scope="module")
def rolled() -> dict:
    """Holding, the same again, and a fast taper of some people, with their courses and lives."""
    prior, whole = population_prior("usual", N_DAYS), tapered(20.0, N_DAYS)
    values = prior.values(np.random.default_rng(1).standard_normal((N, len(prior.names))))
    record = until(whole, N_DAYS)
    held = np.concatenate([record.dose, np.repeat(record.dose[-1:], AHEAD_D, axis=0)])

    def with_doses(dose: np.ndarray) -> at.Regimen:
        cut, removed = at.cuts_of(dose, at.cut_reference(whole.taken, dose[0], False), 1.0)
        return whole._replace(dose=dose, cut=cut, removed=removed)

    fast = held.copy()
    fast[N_DAYS + 1 :] *= 0.5
    regimens = tuple(with_doses(dose) for dose in (held, held, fast))
    reports = evidence_from(prior, SHARED, whole, [], N_DAYS).reports
    today = today_of(values, SHARED, record, reports, 15, 0)
    options = rollout.Options(regimens, N_DAYS + 1, held[0], held[0], 90.0, 0.0, 0.965, 1.0)
    none = np.zeros((0, event_columns.N_EVENTS))
    figures = rollout.figures_of(values, today, SHARED, none, options, 0.15, 0)
    life = life_ahead(today, values, SHARED, AHEAD_D, 0)
    courses = [np.stack([at.course(v, SHARED, r)[N_DAYS + 1 :] for v in values]) for r in regimens]
    return {"figures": figures, "courses": courses, "life": life, "today": today, "values": values}


def felt(rolled: dict, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Withdrawal, pain and function of an option's days as felt without life, (N, AHEAD_D)."""
    x = rolled["courses"][k]
    w_bar = x[:, :, at.W_ALL] - np.stack([at.course(v, SHARED, STILL)[0, at.W_ALL] for v in rolled["values"]])[:, None]
    w = 1 - (1 - w_bar) / (1 + x[:, :, at.X] / 30)
    return w, x[:, :, at.P] + 0.3 * x[:, :, at.X], x[:, :, at.U] - x[:, :, at.X]


STILL = until(tapered(20.0, 0), 0)


def weeks(x: np.ndarray) -> np.ndarray:
    """Means of seven days, (N, AHEAD_D - 6)."""
    return np.stack([x[:, d : d + 7].mean(axis=1) for d in range(AHEAD_D - 6)], axis=1)


def test_what_is_felt_is_the_course_and_life_against_the_reference(rolled: dict) -> None:
    pain_ref, function_ref = rolled["today"].reference.T
    life = rolled["life"][:, :, :N]
    for k in (0, 2):
        f, (w, pain, function) = rolled["figures"][k], felt(rolled, k)
        np.testing.assert_allclose(f[:, rollout.PEAK_W], np.maximum(w.max(axis=1), 0.0), rtol=1e-9, atol=1e-12)
        rise = weeks(pain + life[:, 0].T).max(axis=1) - pain_ref
        fall = function_ref - weeks(function + life[:, 3].T).min(axis=1)
        np.testing.assert_allclose(f[:, rollout.FELT_PAIN], rise, atol=1e-9)
        np.testing.assert_allclose(f[:, rollout.FELT_FUNCTION], fall, atol=1e-9)


def test_what_an_option_brings_is_its_difference_to_holding(rolled: dict) -> None:
    w, pain, function = felt(rolled, 2)
    w_hold, pain_hold, function_hold = felt(rolled, 0)
    f = rolled["figures"][2]
    brought = np.where(w > w_hold + rollout.WORSE_W, w, 0.0).max(axis=1)
    np.testing.assert_allclose(f[:, rollout.BROUGHT_W], np.maximum(brought, 0.0), atol=1e-9)
    rise = np.maximum(weeks(pain - pain_hold).max(axis=1), 0.0)
    np.testing.assert_allclose(f[:, rollout.BROUGHT_PAIN], rise, atol=1e-9)
    fall = np.maximum(weeks(function_hold - function).max(axis=1), 0.0)
    np.testing.assert_allclose(f[:, rollout.BROUGHT_FUNCTION], fall, atol=1e-9)
    assert (f[:, rollout.BROUGHT_W] > 0.01).mean() > 0.3


def test_an_option_that_is_holding_brings_nothing_at_all(rolled: dict) -> None:
    hold, again = rolled["figures"][:2]
    np.testing.assert_array_equal(hold, again)
    assert (again[:, [rollout.BROUGHT_W, rollout.BROUGHT_PAIN, rollout.BROUGHT_FUNCTION]] == 0.0).all()


def test_life_ahead_has_the_spread_of_the_long_run(rolled: dict) -> None:
    """Pain of life, a row for each draw, divided by the draw's factor, on the last day ahead."""
    from taper_sim.inference.life_block import ordered_system

    prior = population_prior("usual", N_DAYS)
    values = np.repeat(prior.values(np.zeros((1, len(prior.names)))), 2000, axis=0)
    record = until(tapered(20.0, N_DAYS), N_DAYS)
    reports = evidence_from(prior, SHARED, record, [], N_DAYS).reports
    today = today_of(values, SHARED, record, reports, 15, 0)
    last = life_ahead(today, values, SHARED, AHEAD_D, 0)[-1, :4, :2000]
    system = ordered_system(SHARED, 5)
    sd = np.sqrt(np.diag(system.stationary))[:4]
    np.testing.assert_allclose(last.std(axis=1) / sd, 1.0, atol=4 / np.sqrt(2 * 2000))
