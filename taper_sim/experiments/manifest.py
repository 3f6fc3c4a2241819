"""Entries that every manifest has: patients, versions, commit. Imports ``simulation.cohort``."""

import hashlib
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from taper_sim.simulation.cohort import Cohort


def patients_entry(cohort: Cohort) -> dict[str, Any]:
    """Number, description and one hash of the ids of the simulated patients."""
    return {
        "n": len(cohort),
        "description": cohort.description,
        "ids_sha256": hashlib.sha256("\n".join(cohort.ids).encode()).hexdigest(),
    }


def versions_of(*libraries: str) -> dict[str, str]:
    """Installed versions by name."""
    return {name: version(name) for name in libraries}


def git_commit() -> str | None:
    """Commit of the sources that the package runs from; None outside a repository."""
    here = Path(__file__).resolve().parent
    try:
        output = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - the user's git
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return output.stdout.strip()
