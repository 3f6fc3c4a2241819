"""Names of the files in a patient's folder, and the records in it. Imports ``data``.

A folder holds ``checkins.csv`` and ``doses.csv``, or ``bundle.json``; and where known ``baseline.yaml``,
``limits.yaml``, ``patient.json`` and ``decisions.jsonl``.
"""

from pathlib import Path
from typing import Final

from taper_sim.data.doses import read_histories
from taper_sim.data.fhir import read_bundle
from taper_sim.data.records import History

CHECKIN_FILE: Final = "checkins.csv"
DOSE_FILE: Final = "doses.csv"
BUNDLE_FILE: Final = "bundle.json"
BASELINE_FILE: Final = "baseline.yaml"
LIMITS_FILE: Final = "limits.yaml"
ABOUT_FILE: Final = "patient.json"
DECISION_FILE: Final = "decisions.jsonl"


def histories_in(folder: Path) -> dict[str, History]:
    """Histories by patient of a folder with a bundle, or with doses and, if there are any, check-ins.

    Raises
    ------
    InputError
        For every problem of the files.
    """
    bundle, checkins = folder / BUNDLE_FILE, folder / CHECKIN_FILE
    if bundle.exists():
        return dict(read_bundle(bundle).histories)
    return read_histories(checkins if checkins.exists() else None, folder / DOSE_FILE)
