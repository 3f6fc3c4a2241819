"""Settings of a run besides its plan: workers, progress, report, warnings. Imports ``run_folder``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taper_sim.run_folder import Warn, warn_on_stderr

MAX_THREADS: Final = 1024
Workers = int | str
"""Number of threads or, for a clinic, of processes; or the address of a Dask scheduler."""
DEFAULT_THREADS: Final = 2
Progress = Callable[[int], Callable[[int], None]]
"""Takes the total amount of work; returns a function that takes each amount done."""
Report = Callable[[Path], object]
"""Draws the report of the output folder that it receives."""


def silent(_: int) -> Callable[[int], None]:
    """Progress that shows nothing."""
    return lambda done: None


@dataclass(frozen=True)
class Running:
    """Settings of a run besides its plan; no number depends on them.

    Attributes
    ----------
    workers : int or str, optional
        Threads, or the address of a Dask scheduler. A clinic uses processes, by default this one alone; other runs
        use :data:`DEFAULT_THREADS`.
    progress : callable
        Takes the total amount of work; returns a function that takes each amount done.
    report : callable, optional
        Draws the report of a folder before the parts are removed; None draws no report.
    warn : callable
        Receives a line for each part that must be computed again.
    sure : bool
        Whether to run although the run needs more than the free memory or more than a day.
    """

    workers: Workers | None = None
    progress: Progress = silent
    report: Report | None = None
    warn: Warn = warn_on_stderr
    sure: bool = False

    @property
    def threads(self) -> Workers:
        """Threads of a run that uses threads, or the address of a scheduler."""
        return DEFAULT_THREADS if self.workers is None else self.workers
