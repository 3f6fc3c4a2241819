"""Every outcome of a course, and observed minus expected events. Imports ``outcomes``, ``outcome_window``."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.outcome_window import OutcomeWindow
from taper_sim.comparison.outcomes import ALL, BEYOND_EXPECTED, OUTCOMES, SHIPPED_OUTCOMES, Outcome, composite
from taper_sim.comparison.preferences import COMPOSITE_WEIGHTS
from taper_sim.data.problems import problem
from taper_sim.model.compiled import rows
from taper_sim.simulation.days import Trajectory


def own_value(outcome: Outcome, window: OutcomeWindow) -> Floats:
    """The values of an added outcome, (n,); its function may be anybody's, so that its result is checked.

    Raises
    ------
    InputError
        If the function fails, or gives no number a patient.
    """
    n = len(window.course.cohort)
    allowed = f"a function of the window that gives an array of shape ({n},)"
    try:
        values = np.asarray(outcome.of(window), dtype=np.float64)
    except Exception as error:
        raise problem(
            "outcome", outcome.name, f"a function that raised {type(error).__name__}: {error}", allowed
        ) from error
    if values.shape != (n,):
        raise problem("outcome", outcome.name, f"a result of shape {values.shape}", allowed)
    return values


#: Events of an outcome and their expected number, as rows of the kernel's sums.
EXPECTED_EVENTS: Final[Mapping[str, tuple[tuple[int, ...], int]]] = {
    "overdose": ((rows.OVERDOSES,), rows.EXPECTED_OVERDOSES),
    "mental_health_crisis": ((rows.CRISES,), rows.EXPECTED_CRISES),
    "seizure": ((rows.SEIZURES,), rows.EXPECTED_SEIZURES),
    "urgent_visit": ((rows.URGENT,), rows.EXPECTED_URGENT),
    "overdose_or_suicide_death": ((rows.OVERDOSE_DEATHS, rows.SUICIDE_DEATHS), rows.EXPECTED_DEATHS),
    "death": ((rows.OVERDOSE_DEATHS, rows.SUICIDE_DEATHS), rows.EXPECTED_DEATHS),
}
BEYOND_COLUMNS: Final = tuple(name + BEYOND_EXPECTED for name in EXPECTED_EVENTS)


def beyond_expected(course: Trajectory) -> dict[str, Floats]:
    """Observed minus expected events of each person, (n,) by column; their mean over many people is 0.

    The expected number is the sum of the daily probabilities on the days lived.
    """
    look = OutcomeWindow(course, course.n_days, course.n_days)
    return {
        name + BEYOND_EXPECTED: np.asarray(sum(map(look.total, events)) - look.total(expected))
        for name, (events, expected) in EXPECTED_EVENTS.items()
    }


def measure(course: Trajectory, weights: Mapping[str, float] = COMPOSITE_WEIGHTS) -> dict[str, Floats]:
    """Every outcome of a course over its whole length, (n,) each.

    The default weights of the composite count no harm: a clinic of some hundred people has too few deaths.
    """
    look = OutcomeWindow(course, course.n_days, course.n_days)
    values = {outcome.name: np.asarray(outcome.of(look), dtype=np.float64) for outcome in OUTCOMES}
    values["composite"] = composite(look, weights)
    values |= {outcome.name: own_value(outcome, look) for outcome in ALL if outcome.name not in SHIPPED_OUTCOMES}
    return values
