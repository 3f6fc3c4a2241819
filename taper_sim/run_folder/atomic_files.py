"""Files that are written whole or not at all, and their hashes. Imports ``data.problems``, ``data.yaml_input``."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from taper_sim.data.problems import InputError, Problem, problem
from taper_sim.data.yaml_input import read_text

_MAX_RECORD_BYTES: Final = 50_000_000
PARTIAL: Final = ".partial"
"""Ending of a file that is being written; a killed process leaves such a file behind."""
PRIVATE: Final = 0o600
"""Mode of files with patients' ids: only the owner reads and writes."""
_SHARED: Final = 0o666  # less the umask


class Unwritten(InputError):
    """A file could not be written: full disk, or a read-only or missing folder."""

    def __init__(self, path: Path, error: OSError, more: str = ""):
        self.path, self.error = path, error
        given = error.strerror or str(error)
        super().__init__(Problem(str(path), "", given, f"a place that can be written, with room for the file{more}"))


def _refuse_null(path: Path) -> None:
    if "\0" in str(path):
        raise problem(str(path), "", "a null character in a name", "the name of a file or folder")


def check_writable(folder: Path) -> None:
    """Raise an InputError if a folder cannot be made or written, before any work is done."""
    _refuse_null(folder)
    parent = folder
    try:
        while not parent.exists():
            parent = parent.parent
    except OSError as error:
        raise problem(str(folder), "", error.strerror or str(error), "a place that can be written") from None
    if not parent.is_dir():
        given = "a file" if parent == folder else f"{parent} is a file"
        raise problem(str(folder), "", given, "a folder that can be written")
    if not os.access(parent, os.W_OK):
        raise problem(str(folder), "", "a folder that may not be written", "a writable folder")


def check_file_writable(path: Path) -> None:
    """Raise an InputError if a file cannot be written, before any work is done."""
    _refuse_null(path)
    try:
        if path.is_dir():
            raise problem(str(path), "", "a folder", "the name of a file in it")
    except OSError as error:
        raise problem(str(path), "", error.strerror or str(error), "a place that can be written") from None
    check_writable(path.parent)


def read_record(path: Path, needed: Mapping[str, type], allowed: str) -> dict[str, Any]:
    """Read a JSON object of a run folder; raises InputError unless it has the needed keys with their types."""
    text = read_text(path, _MAX_RECORD_BYTES) if path.exists() else ""
    if not text:
        raise problem(str(path.parent), "", f"no {path.name}", allowed)
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise problem(str(path), "", "text that is not JSON", f"the {path.name} that a run wrote") from None
    for key, kind in needed.items():
        if not isinstance(record, dict) or not isinstance(record.get(key), kind):
            raise problem(str(path), key, "a missing or wrong value", f"the {path.name} that a run wrote")
    return dict(record)


def write_atomically(path: Path, write: Callable[[IO[bytes]], object], *, private: bool = False) -> None:
    """Write a temporary file in the same folder, flush it to the disk, and rename it.

    A reader sees the old file or the whole new one, also after a power failure.

    Parameters
    ----------
    path : Path
    write : callable
        Writes the content to the handle that it receives.
    private : bool
        Whether the file holds patients' ids: only its owner may read it. Else the umask decides.

    Raises
    ------
    Unwritten
        If the disk is full, or the folder is read-only or missing.
    """
    check_file_writable(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE if private else _SHARED)
        with os.fdopen(descriptor, "wb") as handle:
            write(handle)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        _remove(partial)
        raise Unwritten(path, error) from None
    except BaseException:
        _remove(partial)
        raise


def _remove(partial: Path) -> None:
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's directory entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """Write text in UTF-8, atomically."""
    write_atomically(path, lambda handle: handle.write(text.encode()), private=private)


def write_json(content: Any, path: Path, *, private: bool = False) -> None:
    """Write JSON, atomically."""
    write_text(path, json.dumps(content, indent=1, sort_keys=False, allow_nan=False) + "\n", private=private)


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
