"""Run folders: atomic writes, manifest, hashes. Imports ``data``, ``units``."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pandas as pd

from taper_sim.data.problems import problem


def check_writable(path: Path) -> None:
    """Raise an InputError where a file or folder at ``path`` could not be written, before any work is done."""
    parent = path if path.is_dir() else path.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise problem(str(path), "", f"{parent} is a file", "a folder that can be written")
    if not os.access(parent, os.W_OK):
        raise problem(str(path), "", "a folder that may not be written", "a writable folder")


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file beside its place and move it there: a reader sees the old file or the whole new one."""
    check_writable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)
    except OSError as error:
        raise problem(str(path), "", error.strerror or str(error), "a place that can be written") from None
    try:
        with handle:
            write(handle)
        Path(handle.name).chmod(0o644)
        Path(handle.name).replace(path)
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, atomically."""
    write_atomically(path, lambda handle: _ignore(handle.write(text.encode())))


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table, numbers unrounded (shortest form that reads back the same), atomically."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_json(content: Any, path: Path) -> None:
    """Write JSON, atomically."""
    write_text(path, json.dumps(content, indent=1, sort_keys=False, allow_nan=False) + "\n")


def _ignore(_: object) -> None:
    return None


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
