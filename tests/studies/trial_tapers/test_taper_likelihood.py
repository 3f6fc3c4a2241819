"""The reduced course and filter of a trial agree with the personal ones; drives have their defining invariances."""

from datetime import date, timedelta

import numpy as np
import pytest

from taper_sim.data.records import CheckIn
from taper_sim.data.trial import COWS_CATEGORIES
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.life_block import system_of
from taper_sim.inference.likelihood import log_likelihood
from taper_sim.inference.observation import BY_NAME, reports_of
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.model.pharmacology import level_decay, within_day_shape
from taper_sim.studies.trial_tapers.taper_likelihood import (
    EFFECT_DRIVE,
    LINEAR_DRIVE,
    RELATIVE_DRIVE,
    at_shortfall,
    reported,
    withdrawals,
)
from taper_sim.studies.trial_tapers.taper_people import HIGHEST_SCORES, LOWEST_SCORES

N = 120
DOSE = np.r_[np.full(30, 16.0), np.linspace(16, 0, 41), np.zeros(N - 71)]
DECAY, SHAPE = float(level_decay(34.0)), np.asarray(within_day_shape(0.6))
DELTA, DECAY_S = BY_SYMBOL["delta"].centre(), float(np.exp(-1.0 / BY_SYMBOL["tau_s"].centre()))
SIGMA = np.array([0.4, 1.2, 5.0])


def of_drive(drive: int, scale_mg: float, dose: np.ndarray = DOSE) -> np.ndarray:
    """Withdrawal by day and sensitivity."""
    out = np.empty((len(dose), len(SIGMA)))
    withdrawals(drive, SIGMA, 6.0, 50.0, 0.7, scale_mg, dose, 1825.0, DECAY, SHAPE, DELTA, DECAY_S, out)
    return out


def regimen() -> Regimen:
    """The same doses as the personal course reads them."""
    dose, decay, shape = np.zeros((N, 3)), np.zeros((N, 3)), np.ones((N, 3, 4))
    dose[:, 0], decay[:, 0], shape[:, 0] = DOSE, DECAY, SHAPE
    return Regimen(
        dose,
        np.zeros(N),
        np.zeros((N, 3)),
        decay,
        shape,
        np.array([True, False, False]),
        np.array([1825.0, 1, 1]),
        np.zeros((N, 3)),
        np.zeros(N),
    )


def values(sigma: float) -> np.ndarray:
    """The personal course's values."""
    v = at.centre_values(True)
    v[[at.SIGMA, at.TAU_F, at.TAU_L, at.EC50, at.COWS0, at.KAPPA]] = sigma, 6.0, 50.0, 3.0, -0.5, 25.0
    return v


def test_withdrawal_is_that_of_the_personal_course() -> None:
    reduced = of_drive(EFFECT_DRIVE, 3.0)
    for k, sigma in enumerate(SIGMA):
        expected = at.course(values(sigma), at.couplings(True, omega_0=0.7), regimen())[:, at.W]
        np.testing.assert_allclose(reduced[:, k], expected, rtol=1e-10, atol=1e-13)
    assert reduced.max() > 0.2


def test_the_filter_is_that_of_the_personal_likelihood() -> None:
    day = np.arange(6, N, 7)
    category = np.resize([0, 0, 1, 0, 2, 1, 0, 3], len(day))
    origin = date(2026, 1, 1)
    checkins = [
        (int(d), CheckIn(origin + timedelta(days=int(d)), "cows", *COWS_CATEGORIES[c]))
        for d, c in zip(day, category, strict=True)
    ]
    reports = reports_of(checkins, np.zeros(N, dtype=np.int64), np.zeros(N))
    white, slow, tau = 3.0, 2.0, 9.0
    reports = reports._replace(white=np.array([white]), slow=np.array([slow]), decay=np.array([np.exp(-1.0 / tau)]))
    assert reports.kind[0] == BY_NAME["cows"].kind and reports.interval.all()
    centre, spread = np.empty((1, len(day))), np.empty((1, len(day)))
    shared = at.couplings(True, omega_0=0.7)
    system = system_of(shared, reports)
    expected = log_likelihood(values(SIGMA[1])[None], shared, regimen(), reports, system, centre, spread)[0]
    mass, mean, variance = (np.empty((len(day), 1, len(SIGMA))) for _ in range(3))
    reported(
        np.array([-0.5]),
        25.0,
        white,
        slow,
        tau,
        of_drive(EFFECT_DRIVE, 3.0),
        day,
        day,
        LOWEST_SCORES[category],
        HIGHEST_SCORES[category],
        np.zeros(len(day)),
        mass,
        mean,
        variance,
    )
    np.testing.assert_allclose(mass[:, 0, 1].sum(), expected, rtol=1e-9)
    np.testing.assert_allclose(mean[:, 0, 1], centre[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(variance[:, 0, 1], spread[0] - reports.rounding, rtol=1e-9)


def test_the_linear_drive_ignores_the_dose_level_and_the_relative_drive_its_scale() -> None:
    # linear: the same cut in mg has the same effect from any dose; relative: the same share of the dose
    high, low = np.r_[20.0, np.full(9, 16.0)], np.r_[8.0, np.full(9, 4.0)]
    doubled = 2.0 * high
    flat = np.ones(4)

    def of(drive: int, scale: float, dose: np.ndarray) -> np.ndarray:
        out = np.empty((len(dose), len(SIGMA)))
        withdrawals(drive, SIGMA, 6.0, 50.0, 0.7, scale, dose, 1e6, DECAY, flat, DELTA, DECAY_S, out)
        return out

    np.testing.assert_allclose(of(LINEAR_DRIVE, 16.0, high), of(LINEAR_DRIVE, 16.0, low), rtol=1e-9)
    np.testing.assert_allclose(of(RELATIVE_DRIVE, 1e-9, high), of(RELATIVE_DRIVE, 1e-9, doubled), rtol=1e-6)
    assert of(EFFECT_DRIVE, 3.0, low)[-1, 1] > 2 * of(EFFECT_DRIVE, 3.0, high)[-1, 1]  # the last mg matter most


def test_induction_is_withdrawal_at_a_steady_shortfall() -> None:
    out = np.empty(len(SIGMA))
    at_shortfall(SIGMA, 0.5, out)
    drive = (0.5 * SIGMA) ** 1.5
    assert out == pytest.approx(drive / (1 + drive), rel=1e-12)
