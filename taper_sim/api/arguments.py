"""Check of the argument names of public functions. Imports ``data.problems``."""

import inspect
from collections.abc import Callable
from functools import wraps

from taper_sim.data.problems import InputError, Problem, nearest, shown


def names_checked[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Make a public function refuse unknown arguments with the nearest known name.

    Raises
    ------
    InputError
        One problem for each unknown argument.
    """
    parameters = inspect.signature(function).parameters
    named = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        unknown = [] if takes_any else [name for name in kwargs if name not in named]
        if unknown:
            raise InputError(
                Problem(
                    function.__name__,
                    name,
                    f"{shown(kwargs[name])}, an unknown argument{nearest(name, named)}",
                    ", ".join(named),
                )
                for name in unknown
            )
        return function(*args, **kwargs)

    return checked
