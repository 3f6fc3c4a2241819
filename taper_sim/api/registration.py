"""Outcomes and policies of one's own. Imports ``comparison.outcomes``, ``policies.interface``."""

import sys
from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.outcomes import Direction, Outcome, OutcomeWindow, register_outcome
from taper_sim.data.problems import problem
from taper_sim.policies import interface
from taper_sim.policies.interface import Factory

_DIRECTIONS: Final = ("lower", "higher", "neither")
_NAME_LETTERS: Final = "letters, digits and _, beginning with a letter"


def register(name: str) -> Callable[[Factory], Factory]:
    """Register a class or function that makes a policy under the name of its call; the same name again replaces it.

    Parameters
    ----------
    name : str
        As protocols are written: ``"stop_on_day"`` for ``stop_on_day(day=15)``.

    Returns
    -------
    decorator
        Of what makes the policy; its arguments are those of the call.

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
    """Register a function of a patient's trajectory as an outcome, which every later comparison then reports.

    Parameters
    ----------
    name : str
        Column of the tables; not that of a shipped outcome. The same name again replaces it, with a note.
    unit : str
        ``"share of people"`` for what happens or does not (1 or 0).
    direction : "lower", "higher" or "neither"
        Which is better.
    smallest_important : float, optional
        Smallest important difference, in the unit; left out, any difference counts.
    meaning : str, optional
        In words; the function's first docstring line if left out.
    tail : bool, optional
        Whether the mean of the worst 5 % (``…_cvar95``) is reported too.

    Returns
    -------
    decorator
        Of a function of an ``OutcomeWindow`` (``mean(row)``, ``total(row)``, ``change(row)``, ``dose_end``, …) that
        gives a number a patient, ``(n_patients,)``, NaN where it is missing.

    Raises
    ------
    InputError
        A wrong direction, a name that is taken by a shipped outcome, a difference that is not above 0.

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
        own = Outcome(name, unit, cast(Any, direction), important, words, "a user's own", function, tail, ends)
        try:
            replaced = register_outcome(own)
        except ValueError as error:
            raise problem("outcome", "name", name, str(error).split("allowed: ")[-1]) from None
        if replaced:
            print(f"outcome {name} replaces the one registered before", file=sys.stderr)
        return function

    return keep
