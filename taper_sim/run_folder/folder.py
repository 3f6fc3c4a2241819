"""An output folder from its plan to its manifest. Imports the other modules of ``run_folder``."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final

import pandas as pd

from taper_sim.data.problems import problem
from taper_sim.run_folder.atomic_files import (
    PARTIAL,
    Unwritten,
    check_writable,
    read_record,
    sha256_of,
    write_atomically,
    write_json,
)
from taper_sim.run_folder.csv_cells import write_csv
from taper_sim.run_folder.lock import LOCK_FILE, locked
from taper_sim.run_folder.parts import Parts, Warn, warn_on_stderr

PLAN_FILE: Final = "plan.json"
MANIFEST_FILE: Final = "manifest.json"
PARTS: Final = "parts"
_TEXTS: Final = ("hash", "kind", "version", "file", "folder")
_OBJECTS: Final = ("scenario", "options", "policies")
_PLAN_KEYS: Final[dict[str, type]] = {**dict.fromkeys(_TEXTS, str), **dict.fromkeys(_OBJECTS, dict)}
MANIFEST_KEYS: Final[dict[str, type]] = {"kind": str, "plan_hash": str, "outputs_sha256": dict, "report_sha256": dict}
"""Keys that ``manifest.json`` needs for ``verify``, with their types."""
SAVED_KEY: Final = "saved_sha256"
"""Key of the manifest for files saved with the run; absent if there are none."""


@dataclass(frozen=True)
class PlanRecord:
    """Content of ``plan.json``: everything that a rerun of the plan needs.

    Attributes
    ----------
    kind : str
        Kind of run (``experiments.kinds``).
    hash : str
        Hash of everything that the numbers depend on.
    file, folder : str
        Name of the scenario file, and the folder relative to which it names other files.
    scenario : dict
        Content of the scenario, with the overrides of the command line.
    options : dict
        Other options of the command line.
    policies : dict
        Source and hash of each policy that the package does not ship, by the name of its call.
    """

    kind: str
    hash: str
    file: str
    folder: str
    scenario: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Path that the scenario file had."""
        return Path(self.folder) / self.file


def plan_of(folder: Path) -> PlanRecord:
    """Plan of an output folder, whether the run is finished or not.

    Raises
    ------
    InputError
        If there is no plan, or another version of the package wrote it.
    """
    allowed = "the folder of a run"
    path = folder / PLAN_FILE
    record = read_record(path, {"hash": str}, allowed)
    here = version("taper-sim")
    if record.get("version") != here or "kind" not in record:
        given = f"a run of another version of taper-sim ({record.get('version') or 'an earlier one'})"
        raise problem(str(folder), "", given, f"a run of this version ({here}): run it into an empty folder")
    record = read_record(path, _PLAN_KEYS, allowed)
    return PlanRecord(**{name: record[name] for name in PlanRecord.__dataclass_fields__})


class RunFolder:
    """Output folder of a run in progress.

    Attributes
    ----------
    path : Path
    record : PlanRecord
    parts : Parts
    """

    def __init__(self, path: Path, record: PlanRecord, warn: Warn):
        self.path, self.record = path, record
        self.parts = Parts(path / PARTS, record.hash, warn)
        self._outputs: dict[str, str] = {}

    def write_csv(self, name: str, table: pd.DataFrame) -> None:
        """Write a table of the run's results."""
        self._begin()
        write_csv(table, self.path / name)
        self._outputs[name] = sha256_of(self.path / name)

    def write(self, name: str, write: Callable[[IO[bytes]], object], *, private: bool = False) -> None:
        """Write another file of the run's results; ``private`` if it holds patients' ids."""
        self._begin()
        write_atomically(self.path / name, write, private=private)
        self._outputs[name] = sha256_of(self.path / name)

    def _begin(self) -> None:
        """Remove the manifest of an earlier run of this plan before the first output is replaced."""
        if not self.path.is_dir():
            raise problem(str(self.path), "", "a folder that was removed", "a folder that exists during the whole run")
        (self.path / MANIFEST_FILE).unlink(missing_ok=True)

    def finish(self, about: Mapping[str, Any], report: Callable[[Path], object] | None) -> dict[str, Any]:
        """Write the manifest, draw the report, remove the parts.

        Parameters
        ----------
        about : mapping
            Entries of the manifest besides the kind and the hashes.
        report : callable, optional
            Draws the report of the folder that it receives.

        Returns
        -------
        dict
            The manifest.
        """
        manifest = {
            "kind": self.record.kind,
            **about,
            "plan_hash": self.record.hash,
            "outputs_sha256": self._outputs,
            "report_sha256": {},
        }
        write_json(manifest, self.path / MANIFEST_FILE)
        if report is not None:
            report(self.path)
        shutil.rmtree(self.path / PARTS, ignore_errors=True)
        return dict(json.loads((self.path / MANIFEST_FILE).read_text(encoding="utf-8")))


def list_report(folder: Path, written: Sequence[Path]) -> None:
    """List a report's files with their hashes in the manifest of a finished run, instead of earlier entries."""
    if (folder / MANIFEST_FILE).exists():  # without a manifest the tables are not of a run
        _list_files(folder, "report_sha256", written)


def list_saved(folder: Path, written: Sequence[Path]) -> None:
    """List files saved with a finished run (inputs, tables of subgroups) in its manifest."""
    _list_files(folder, SAVED_KEY, written)


def _list_files(folder: Path, key: str, written: Sequence[Path]) -> None:
    path = folder / MANIFEST_FILE
    manifest = read_record(path, {}, "the folder of a finished run")
    names = sorted(file.relative_to(folder).as_posix() for file in written)
    write_json(manifest | {key: {name: sha256_of(folder / name) for name in names}}, path)


@contextmanager
def open_run(folder: Path, record: PlanRecord, warn: Warn = warn_on_stderr) -> Iterator[RunFolder]:
    """Lock a folder and write the run's plan into it; an unfinished run of the same plan is resumed.

    Raises
    ------
    InputError
        For a folder of another run or with other files, a folder that another process writes to, or a full disk.
    """
    check_writable(folder)
    if folder.exists():
        _refuse_others(folder, record)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritten(folder, error) from None
    try:
        with locked(folder):
            _refuse_others(folder, record)
            for leftover in folder.rglob(f".*{PARTIAL}"):
                leftover.unlink(missing_ok=True)
            if not (folder / PLAN_FILE).exists():
                write_json(asdict(record) | {"version": version("taper-sim")}, folder / PLAN_FILE)
            yield RunFolder(folder, record, warn)
    except Unwritten as error:
        begun = (folder / PLAN_FILE).exists()
        more = f"; finished parts were kept, `taper-sim resume {folder}` continues the run" if begun else ""
        raise Unwritten(error.path, error.error, more) from None
    except OSError as error:
        raise Unwritten(Path(error.filename or folder), error) from None


def _refuse_others(folder: Path, record: PlanRecord) -> None:
    """Raise InputError if a folder holds anything but a run of this plan."""
    if (folder / PLAN_FILE).exists():
        kept = read_record(folder / PLAN_FILE, {"hash": str}, "the folder of a run")
        if kept["hash"] != record.hash or kept.get("kind") != record.kind:
            raise problem(str(folder), "", "a folder with another run", "an empty folder, or another folder for --out")
        plan_of(folder)
    elif any(path.name != LOCK_FILE and not path.name.endswith(PARTIAL) for path in folder.iterdir()):
        raise problem(str(folder), "", "a folder with other files", "an empty folder, or another folder for --out")
