"""What every manifest says in the same way: of whom, by which versions and sources. Imports ``cohort``."""

import hashlib
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from taper_sim.simulation.cohort import Cohort


def patients_entry(cohort: Cohort) -> dict[str, Any]:
    """Who was simulated; ids appear as one hash only."""
    return {
        "n": len(cohort),
        "description": cohort.description,
        "ids_sha256": hashlib.sha256("\n".join(cohort.ids).encode()).hexdigest(),
    }


def versions_of(*libraries: str) -> dict[str, str]:
    """Installed versions by name."""
    return {name: version(name) for name in libraries}


def git_commit() -> str | None:
    """Commit of the sources this package runs from, None outside of a repository."""
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - the git of whoever runs it
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
