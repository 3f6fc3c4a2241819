"""The files of one patient as the readers of ``data`` take them. Imports ``data``, ``safety``.

The names of the files and what each holds: ``data.patient_files``.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taper_sim.data.patient import read_patient
from taper_sim.data.patient_files import (
    ABOUT_FILE,
    ADDED_FILE,
    BASELINE_FILE,
    BUNDLE_FILE,
    CHECKIN_FILE,
    DECISION_FILE,
    DOSE_FILE,
    LIMITS_FILE,
    histories_in,
)
from taper_sim.data.problems import InputError, Problem, problem
from taper_sim.data.records import History
from taper_sim.data.yaml_input import read_bytes, read_yaml
from taper_sim.safety.limits import read_limits

PATIENT_INPUTS: Final = (CHECKIN_FILE, DOSE_FILE, BUNDLE_FILE, ADDED_FILE, BASELINE_FILE, LIMITS_FILE, ABOUT_FILE)
"""Files that an answer depends on."""
_MAX_FILE_BYTES: Final = 50_000_000


@dataclass(frozen=True)
class RecordFolder:
    """A folder with the files of one patient."""

    path: Path

    @property
    def is_bundle(self) -> bool:
        """Whether the records are a FHIR bundle."""
        return (self.path / BUNDLE_FILE).exists()

    def about(self) -> dict[str, Any]:
        """Id, clinician and day of the question, where the folder states them."""
        path = self.path / ABOUT_FILE
        if not path.exists():
            return {}
        try:
            content = json.loads(read_bytes(path, _MAX_FILE_BYTES))
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise problem(ABOUT_FILE, "", "text that is no JSON object", "the file that this page wrote")
        return content

    def existing(self, name: str) -> Path | None:
        """Path of a file of the folder; None if it does not exist."""
        path = self.path / name
        return path if path.exists() else None

    def arguments(self) -> dict[str, Any]:
        """Arguments of ``recommend.from_files.weigh_from_files``."""
        records = self.path / (BUNDLE_FILE if self.is_bundle else CHECKIN_FILE)
        return {
            "records": records,
            "doses": None if self.is_bundle else self.path / DOSE_FILE,
            "baseline": self.existing(BASELINE_FILE),
            "limits": self.existing(LIMITS_FILE),
            "as_of": self.about().get("as_of"),
            "added": self.existing(ADDED_FILE) if self.is_bundle else None,
        }

    def history(self) -> History:
        """The records of the patient."""
        return next(iter(histories_in(self.path).values()))

    def check(self) -> None:
        """Read every file; raises InputError with the problems of the first that is wrong."""
        self.history()
        if (baseline := self.existing(BASELINE_FILE)) is not None:
            read_patient(baseline)
        if (limits := self.existing(LIMITS_FILE)) is not None:
            read_limits(limits)

    def text(self, name: str) -> str:
        """Text of a file of the folder; bytes that are no UTF-8 are replaced."""
        return read_bytes(self.path / name, _MAX_FILE_BYTES).decode("utf-8-sig", errors="replace")

    def content_hash(self) -> str:
        """Hash of every file of a patient that the folder has."""
        digest = hashlib.sha256()
        for name in (*PATIENT_INPUTS, DECISION_FILE):
            if (path := self.existing(name)) is not None:
                content = read_bytes(path, _MAX_FILE_BYTES)
                digest.update(f"{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def limits(self) -> dict[str, Any]:
        """Content of the limits file; empty without one."""
        path = self.existing(LIMITS_FILE)
        content = None if path is None else read_yaml(path)
        return dict(content) if isinstance(content, dict) else {}


def without_folders(error: InputError) -> InputError:
    """The same problems with the names of files instead of their paths."""
    return InputError(
        Problem(Path(p.file).name if "/" in p.file else p.file, p.place, p.given, p.allowed) for p in error.problems
    )
