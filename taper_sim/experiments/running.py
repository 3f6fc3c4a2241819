"""How a run is run, whatever its kind: who is told what, and what draws its report. Imports ``run_folder``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taper_sim.run_folder import Warn, warn_on_stderr

MAX_THREADS: Final = 1024
Workers = int | str
"""How many threads, or the address of workers elsewhere."""
Progress = Callable[[int], Callable[[int], None]]
"""Given all that is to be done, returns a function called with what is done."""
Report = Callable[[Path], object]
"""Draws the report of the run folder it is given."""


def silent(_: int) -> Callable[[int], None]:
    """Progress that nobody sees."""
    return lambda done: None


@dataclass(frozen=True)
class Running:
    """What a run is told besides its plan; no number depends on it.

    Attributes
    ----------
    workers : int or str
    progress : callable
    report : callable, optional
        Draws the report before the parts are removed; without it none is drawn.
    warn : callable
        Told of each part that must be made again.
    sure : bool
        Whether a run that needs more memory than there is, or more than a day, is run nevertheless.
    """

    workers: Workers = 2
    progress: Progress = silent
    report: Report | None = None
    warn: Warn = warn_on_stderr
    sure: bool = False
