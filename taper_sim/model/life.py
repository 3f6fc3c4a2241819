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


class LifeSystem(NamedTuple):
    """``x(t) = transition x(t-1) + noise``, the noise with covariance ``size^2 shocks`` for a person of factor ``size``.

    Attributes
    ----------
    transition, shocks : ndarray, (N_LIFE, N_LIFE)
    stationary : ndarray, (N_LIFE, N_LIFE)
        Covariance on day 0 at factor 1: that of the long run; craving starts at its set point.
    lead : ndarray, (N_LIFE,)
        Mean on day 0 of people who enrol: they come in a bad season, and the rest follows as it goes with one.
    """

    transition: Floats
    shocks: Floats
    stationary: Floats
    lead: Floats


def _response(c: Any, before: Floats, draws: Floats) -> Floats:
    """State after a day, (N_LIFE,), of a person at set points 0 under no drug; ``draws`` as ``LifeDraws``, size 1."""
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
    return np.array([now.P, now.M, now.I, now.U, now.C, life.season])


def life_system(c: Any) -> LifeSystem:
    """The system under these coefficients.

    Parameters
    ----------
    c
        Coefficients by symbol, floats: ``c.pain_from_distress``, ``c.decay_P`` …; as in ``model.day``.

    Returns
    -------
    LifeSystem
    """
    still = np.zeros(N_LIFE)
    transition = np.stack([_response(c, unit, np.zeros(6)) for unit in np.eye(N_LIFE)], axis=1)
    loads = np.stack([_response(c, still, unit) for unit in np.eye(6)], axis=1)
    shocks = loads @ loads.T
    power, stationary = transition, shocks
    for _ in range(_DOUBLINGS):
        stationary = stationary + power @ stationary @ power.T
        power = power @ power
    craving = LIFE_STATES.index("C")
    lead = c.lead * stationary[:, SEASON] / stationary[SEASON, SEASON]
    stationary[craving, :] = 0.0
    stationary[:, craving] = 0.0
    lead[craving] = 0.0
    return LifeSystem(transition, shocks, stationary, lead)
