"""Patients as folders of files, written whole, readable by their owner only. Imports ``data``, ``run_folder``.

A folder holds ``checkins.csv`` and ``doses.csv``, or ``bundle.json``; and where known ``baseline.yaml``,
``limits.yaml``, ``patient.json`` (id, clinician, day of the question) and ``decisions.jsonl``. Addresses and
logs carry a hash of the folder's name, never an id.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taper_sim.data.patient import read_patient
from taper_sim.data.patient_files import (
    ABOUT_FILE,
    BASELINE_FILE,
    BUNDLE_FILE,
    CHECKIN_FILE,
    DECISION_FILE,
    DOSE_FILE,
    LIMITS_FILE,
    histories_in,
)
from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.data.records import History
from taper_sim.data.yaml_input import read_bytes, read_yaml
from taper_sim.run_folder import check_writable, write_text
from taper_sim.run_folder.atomic_files import sync_folder
from taper_sim.safety.limits import read_limits

PATIENT_INPUTS: Final = (CHECKIN_FILE, DOSE_FILE, BUNDLE_FILE, BASELINE_FILE, LIMITS_FILE, ABOUT_FILE)
"""Files that an answer depends on."""
_OWNER_ONLY: Final = 0o700
_MAX_FILE_BYTES: Final = 50_000_000
_MAX_ID: Final = 200


@dataclass(frozen=True)
class PatientFolder:
    """The files of one patient."""

    path: Path

    @property
    def key(self) -> str:
        """Name of the patient in addresses: a hash, so that no address or log has an id."""
        return key_of(self.path.name)

    @property
    def log(self) -> Path:
        """The decision log."""
        return self.path / DECISION_FILE

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

    def content_hash(self) -> str:
        """Hash of everything that an answer depends on."""
        digest = hashlib.sha256(str(self.path).encode())
        for name in PATIENT_INPUTS:
            if (path := self.existing(name)) is not None:
                content = read_bytes(path, _MAX_FILE_BYTES)
                digest.update(f"{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def limits(self) -> dict[str, Any]:
        """Content of the limits file; empty without one."""
        path = self.existing(LIMITS_FILE)
        content = None if path is None else read_yaml(path)
        return dict(content) if isinstance(content, dict) else {}

    def write(self, name: str, text: str) -> None:
        """Write a file of the folder."""
        write_text(self.path / name, text, private=True)


def key_of(folder_name: str) -> str:
    """Hash of a folder's name."""
    return hashlib.sha256(folder_name.encode(errors="surrogateescape")).hexdigest()[:16]


def name_of(patient_id: str) -> str:
    """Name of the folder of an id: a hash, because an id may be no file name."""
    return hashlib.sha256(f"patient {patient_id}".encode(errors="surrogatepass")).hexdigest()[:24]


def check_id(patient_id: str) -> str:
    """An id without blanks around it; raises InputError if it is empty, too long or unprintable."""
    plain = patient_id.strip()
    if not plain or len(plain) > _MAX_ID or not plain.isprintable():
        raise problem("patient", "", shown(patient_id) or "nothing", f"1 to {_MAX_ID} letters that can be printed")
    return plain


@dataclass(frozen=True)
class PatientStore:
    """Folders of patients.

    Attributes
    ----------
    root : Path
    is_shared : bool
        Whether every visitor has the same patients, which is so with ``--data``. Else each visitor has their own.
    """

    root: Path
    is_shared: bool

    def of(self, visitor: str) -> Path:
        """Folder that holds the patients of a visitor."""
        return self.root if self.is_shared else self.root / f"visitor-{visitor}"

    def folders(self, visitor: str) -> list[PatientFolder]:
        """Patients of a visitor, by the name of their folders."""
        root = self.of(visitor)
        if not root.is_dir():
            return []
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
        folders = [PatientFolder(root / name) for name in names if not name.startswith(".")]
        return [f for f in folders if f.existing(DOSE_FILE) or f.is_bundle]

    def folder(self, visitor: str, key: str) -> PatientFolder | None:
        """The patient with this key, None if the visitor has none."""
        return next((folder for folder in self.folders(visitor) if folder.key == key), None)

    def add(self, visitor: str, patient_id: str, files: Mapping[str, str]) -> PatientFolder:
        """Add a patient: all files or none.

        Raises
        ------
        InputError
            If the patient exists, or if a reader refuses a file.
        """
        root, name = self.of(visitor), name_of(patient_id)
        folder = PatientFolder(root / name)
        if folder.path.exists():
            allowed = "another id, or today's numbers on the patient's own page"
            raise problem("patient", "", f"{shown(patient_id)}, who is here already", allowed)
        check_writable(root)
        root.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        staged = root / f".{name}.{secrets.token_hex(4)}"
        staged.mkdir(mode=_OWNER_ONLY)
        try:
            for file, text in files.items():
                write_text(staged / file, text, private=True)
            PatientFolder(staged).check()
            staged.rename(folder.path)
            sync_folder(root)
        except InputError as error:
            raise without_folders(error) from None
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return folder


def without_folders(error: InputError) -> InputError:
    """The same problems with the names of files instead of their paths."""
    return InputError(
        Problem(Path(p.file).name if "/" in p.file else p.file, p.place, p.given, p.allowed) for p in error.problems
    )
