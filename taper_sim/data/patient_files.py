"""Names of the files in a patient's folder, and the records in it. Imports ``data``.

A folder holds ``checkins.csv`` and ``doses.csv``, or ``bundle.json`` and perhaps ``added_checkins.csv``; and where
known ``baseline.yaml``, ``limits.yaml``, ``patient.json`` (id, clinician, day of the question), ``papers.json`` (fields
of the papers), ``consents.json`` (what caregivers may see) and ``decisions.jsonl``.
"""

from pathlib import Path
from typing import Final

from taper_sim.data.added_checkins import with_added
from taper_sim.data.doses import read_histories
from taper_sim.data.fhir import read_bundle
from taper_sim.data.records import History

CHECKIN_FILE: Final = "checkins.csv"
DOSE_FILE: Final = "doses.csv"
BUNDLE_FILE: Final = "bundle.json"
ADDED_FILE: Final = "added_checkins.csv"
"""Check-ins beside a bundle."""
BASELINE_FILE: Final = "baseline.yaml"
LIMITS_FILE: Final = "limits.yaml"
ABOUT_FILE: Final = "patient.json"
PAPERS_FILE: Final = "papers.json"
CONSENT_FILE: Final = "consents.json"
DECISION_FILE: Final = "decisions.jsonl"


def histories_in(folder: Path) -> dict[str, History]:
    """Histories by patient of a folder with a bundle, or with doses and, if there are any, check-ins.

    Raises
    ------
    InputError
        For every problem of the files.
    """
    bundle, added, checkins = (folder / name for name in (BUNDLE_FILE, ADDED_FILE, CHECKIN_FILE))
    if bundle.exists():
        histories = dict(read_bundle(bundle).histories)
        return with_added(histories, added) if added.exists() else histories
    return read_histories(checkins if checkins.exists() else None, folder / DOSE_FILE)
