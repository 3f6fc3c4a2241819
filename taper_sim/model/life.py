"""Life outside the taper as a linear system: its days, its spread in the long run, enrolment. Imports ``day``.

The model is linear in pain, distress, insomnia, function, craving and season, so that the part due to life adds to the
part due to the taper. Its matrix is read off :func:`taper_sim.model.day.person_day` by unit impulses: the equations
stand there once.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.model.day import (
    Care,
    Life,
    LifeDraws,
    MedicineLoad,
    PersonStart,
    PersonState,
    Reaction,
    life_day,
    person_day,
)

LIFE_STATES: Final = ("P", "M", "I", "U", "C", "season")
"""States of the system: deviations from the set points due to life, and the season; units as in ``day``."""
N_LIFE: Final = len(LIFE_STATES)
SEASON: Final = LIFE_STATES.index("season")
_DOUBLINGS: Final = 14  # 16,384 days: far beyond any season


#: Domains that are assessed at enrolment, in the order of the first life states.
ASSESSED_DOMAINS: Final = ("pain", "distress", "insomnia", "function")
#: Measurement sd of an assessment at enrolment, on the model's scales. Source: A29 (PEG, PHQ-9, ISI, function).
ASSESSMENT_SD: Final = (0.6, 0.06, 0.06, 4.0)
#: Assessments of 21,658 people of a registry on the model's scales: mean, sd, correlations. Source: docs/cohort.md.
REGISTRY_MEAN: Final = (6.46, 0.302, 0.528, 36.9)
REGISTRY_SD: Final = (1.96, 0.221, 0.210, 12.7)
REGISTRY_CORRELATION: Final = (
    (1.0, 0.232, 0.321, -0.359),
    (0.232, 1.0, 0.390, -0.363),
    (0.321, 0.390, 1.0, -0.301),
    (-0.359, -0.363, -0.301, 1.0),
)


class LifeSystem(NamedTuple):
    """``x(t) = transition x(t-1) + noise``; the noise of a person of factor ``size`` has covariance ``size^2 shocks``.

    Leading axes are those of the coefficients.

    Attributes
    ----------
    transition, shocks : ndarray, (..., N_LIFE, N_LIFE)
    stationary : ndarray, (..., N_LIFE, N_LIFE)
        Covariance on day 0 at factor 1: that of the long run; craving starts at its set point.
    lead : ndarray, (..., N_LIFE)
        Mean on day 0 of people who enrol: they come in a bad season, and the rest follows as it goes with one.
    """

    transition: Floats
    shocks: Floats
    stationary: Floats
    lead: Floats


def _response(c: Any, before: Floats, draws: Floats) -> Floats:
    """State after a day, (..., N_LIFE), at set points 0 and without a drug; ``draws`` as ``LifeDraws``, size 1."""
    P, M, I, U, C, season = before  # noqa: E741 - the model's letter for insomnia
    life: Life = life_day(c, season, 1.0, LifeDraws(*draws))
    now = person_day(
        c,
        PersonStart(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        PersonState(0.0, P, M, I, U, 0.0, C),
        MedicineLoad(0.0, 0.0, 0.0, 0.0),
        0.0,
        Reaction(0.0, 0.0, 0.0),
        life,
        Care(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    )
    return np.stack(np.broadcast_arrays(now.P, now.M, now.I, now.U, now.C, life.season), axis=-1)


def life_system(c: Any) -> LifeSystem:
    """The system under these coefficients.

    Parameters
    ----------
    c
        Coefficients by symbol, floats or arrays (n_draws,): ``c.pain_from_distress``, ``c.decay_P`` …; as in
        ``model.day``.

    Returns
    -------
    LifeSystem
    """
    still = np.zeros(N_LIFE)
    transition = np.stack([_response(c, unit, np.zeros(6)) for unit in np.eye(N_LIFE)], axis=-1)
    loads = np.stack([_response(c, still, unit) for unit in np.eye(6)], axis=-1)
    shocks = loads @ np.swapaxes(loads, -1, -2)
    power, stationary = transition, shocks
    for _ in range(_DOUBLINGS):
        stationary = stationary + power @ stationary @ np.swapaxes(power, -1, -2)
        power = power @ power
    lead = np.asarray(c.lead)[..., None] * stationary[..., SEASON] / stationary[..., SEASON, SEASON, None]
    known = np.array([name != "C" for name in LIFE_STATES])
    return LifeSystem(transition, shocks, stationary * np.outer(known, known), lead * known)


def set_points(c: Any) -> tuple[Floats, Floats]:
    """Mean and covariance of the set points of ``ASSESSED_DOMAINS`` between people, (4,) and (4, 4).

    What the registry's assessments have left when life outside the taper, with its lead, and error are taken off: an
    assessment is a set point plus the life state of its domain plus an error of :data:`ASSESSMENT_SD`.

    Parameters
    ----------
    c
        Coefficients by symbol, as in :func:`life_system`.
    """
    system, n = life_system(c), len(ASSESSED_DOMAINS)
    sd = np.array(REGISTRY_SD)
    assessed = np.array(REGISTRY_CORRELATION) * np.outer(sd, sd)
    left = assessed - system.stationary[:n, :n] - np.diag(np.square(ASSESSMENT_SD))
    return np.array(REGISTRY_MEAN) - system.lead[:n], left
