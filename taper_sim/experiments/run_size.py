"""Memory and time that a run needs, estimated before it starts. Imports ``comparison``, ``policies``.

A run above the free memory, or above a day of work, is refused unless the user passes ``--yes``.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taper_sim.comparison.outcomes import ALL
from taper_sim.data.problems import InputError, Problem
from taper_sim.experiments.user_policies import names_called
from taper_sim.policies import calls

PATIENT_DAYS_A_SECOND: Final = {"cohort": 1_000_000.0, "personal": 2_400.0, "clinic": 5_000.0}
"""Patient-days a second of one core: a comparison, one with ``personal()``, a clinic. Sources:
docs/how-to/run-folder.md, "Large runs"; for ``personal()`` docs/progress.md, 10,000 patients a year in 25 minutes."""
MOST_SECONDS: Final = 86_400.0
"""A day: a design choice."""
_COHORT_BYTES: Final = 1_000
"""Bytes a patient: assessment, flags, drugs, keys; about 100 numbers of 8 bytes, and the id."""
_COPIES: Final = 3
"""Arms in memory together: the two compared and the one that is written."""


@dataclass(frozen=True)
class RunSize:
    """Size of a run.

    Attributes
    ----------
    patient_days : int
    n_patients : int
        Patients in memory at the same time.
    seconds : float
        Seconds of one core.
    memory : float
        Bytes.
    """

    patient_days: int
    n_patients: int
    seconds: float
    memory: float


def size_of(rate: str, n_patients: int, n_days: int, n_runs: int) -> RunSize:
    """Estimate the size of a run.

    Parameters
    ----------
    rate : str
        A key of :data:`PATIENT_DAYS_A_SECOND`.
    n_patients : int
        Patients of one run.
    n_days : int
    n_runs : int
        Number of runs: protocols times replications, or times true models.
    """
    patient_days = n_patients * n_days * n_runs
    memory = n_patients * (_COHORT_BYTES + 8.0 * _COPIES * (len(ALL) + 1))
    return RunSize(patient_days, n_patients, patient_days / PATIENT_DAYS_A_SECOND[rate], memory)


def free_memory() -> float:
    """Free memory in bytes; infinite if the system does not report it."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, AttributeError):
        return float("inf")


def rate_of(texts: Iterable[str]) -> str:
    """Rate for calls of protocols: ``personal`` if one of them sets a personal pace, else ``cohort``."""
    named = {name for text in texts for name in names_called(calls.parse(text))}
    return "personal" if named & {"personal", "prior_only"} else "cohort"


def refuse_large(file: str, size: RunSize, *, sure: bool) -> None:
    """Refuse a run above the free memory or a day of work, unless ``sure``.

    Raises
    ------
    InputError
        With the estimate, and the option that allows the run.
    """
    free = free_memory()
    if sure or (size.memory <= free and size.seconds <= MOST_SECONDS):
        return
    needs = f"{size.patient_days:,} patient-days: about {_in_words(size.seconds)} of one core"
    given = f"{needs}, {size.memory / 1e9:,.1f} GB of memory where {free / 1e9:,.1f} GB are free"
    raise InputError(Problem(file, "", given, "a day of work within the free memory; --yes runs it nevertheless"))


def _in_words(seconds: float) -> str:
    hours = seconds / 3600.0
    return f"{hours:,.1f} hours" if hours < 48.0 else f"{hours / 24.0:,.1f} days"
