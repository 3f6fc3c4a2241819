"""Registration of a user's outcomes and policies. Imports ``comparison.outcomes``, ``policies.interface``."""

import sys
from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.outcome_window import OutcomeWindow
from taper_sim.comparison.outcomes import Direction, Outcome, register_outcome
from taper_sim.data.problems import problem
from taper_sim.policies import interface
from taper_sim.policies.interface import Factory

_DIRECTIONS: Final = ("lower", "higher", "neither")
_NAME_LETTERS: Final = "letters, digits and _, beginning with a letter"


def register(name: str) -> Callable[[Factory], Factory]:
    """Register a class or function that makes a policy under the name of its call; a second registration replaces it.

    Parameters
    ----------
    name : str
        Name in calls: ``"stop_on_day"`` for ``stop_on_day(day=15)``.

    Returns
    -------
    decorator
        For the class or function; its arguments are those of the call.

    Examples
    --------
    >>> import numpy as np
    >>> import taper_sim as ts
    >>> @ts.register("stop_on_day")
    ... class StopOnDay(ts.Policy):
    ...     def __init__(self, day: int):
    ...         self.day = day
    ...     @property
    ...     def name(self):
    ...         return f"stop_on_day(day={self.day})"
    ...     def decision_days(self, n_days):
    ...         return [1, self.day]
    ...     def start(self, patients):
    ...         return None
    ...     def decide(self, memory, observation):
    ...         return ts.Order(np.full_like(observation.dose_fraction, float(observation.day < self.day)))
    >>> cohort = ts.people(20, drug="morphine ER", mg_per_day=90)
    >>> result = ts.compare(people=cohort, protocols=["stop_on_day(day=15)"], days=28, draws=2, progress=False)
    >>> float(result.people["dose_end_mme"].max())
    0.0
    """
    return interface.register(name)


Measure = Callable[[OutcomeWindow], Floats]


def outcome(
    name: str,
    *,
    unit: str,
    direction: Direction,
    smallest_important: float | None = None,
    meaning: str = "",
    tail: bool = False,
) -> Callable[[Measure], Measure]:
    """Register a function of patients' trajectories as an outcome that every later comparison reports.

    Parameters
    ----------
    name : str
        Column of the tables; not the name of a shipped outcome. A second registration replaces the first, with a note.
    unit : str
        ``"share of people"`` for an event (1 or 0).
    direction : "lower", "higher" or "neither"
        Better direction.
    smallest_important : float, optional
        Smallest important difference, in the unit; if omitted, any difference counts.
    meaning : str, optional
        Meaning in words; the first line of the function's docstring if omitted.
    tail : bool, optional
        Whether to report the mean of the worst 5 % (``…_cvar95``) too.

    Returns
    -------
    decorator
        For a function of an ``OutcomeWindow`` (``mean(row)``, ``total(row)``, ``change(row)``, ``dose_end``, …) that
        returns a number a patient, ``(n_patients,)``, NaN if missing.

    Raises
    ------
    InputError
        For a wrong direction, the name of a shipped outcome, a difference that is not above 0.

    Examples
    --------
    >>> import taper_sim as ts
    >>> @ts.outcome("halved", unit="share of people", direction="higher")
    ... def halved(window):
    ...     "Dose at the end at most half of that at the start."
    ...     return (window.reduction >= 0.5).astype(float)
    """
    if direction not in _DIRECTIONS:
        raise problem("outcome", "direction", direction, ", ".join(_DIRECTIONS))
    if not isinstance(name, str) or not name.isidentifier():
        raise problem("outcome", "name", name, _NAME_LETTERS)
    if smallest_important is not None and not (isinstance(smallest_important, int | float) and smallest_important > 0):
        raise problem("outcome", "smallest_important", smallest_important, "a number above 0")

    def keep(function: Measure) -> Measure:
        words = meaning or (function.__doc__ or name).strip().splitlines()[0]
        ends = (0.0, 1.0) if unit == "share of people" else (-np.inf, np.inf)
        important = None if smallest_important is None else float(smallest_important)
        registered = Outcome(name, unit, cast(Any, direction), important, words, "a user's own", function, tail, ends)
        try:
            replaced = register_outcome(registered)
        except ValueError as error:
            raise problem("outcome", "name", name, str(error).split("allowed: ")[-1]) from None
        if replaced:
            print(f"outcome {name} replaces its earlier registration", file=sys.stderr)
        return function

    return keep
