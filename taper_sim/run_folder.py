"""Run folders: atomic writes, manifest, hashes. Imports ``data``, ``units``."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

import pandas as pd

from taper_sim.data.problems import problem
from taper_sim.data.yaml_input import read_text

_MAX_RECORD_BYTES: Final = 50_000_000
PLAN_KEYS: Final = {"hash": str, "file": str, "folder": str, "scenario": dict}
"""What ``plan.json`` must hold, with its types."""
MANIFEST_KEYS: Final = {"outputs_sha256": dict}
"""What ``manifest.json`` must hold to be verified, with its types."""


def check_writable(folder: Path) -> None:
    """Raise an InputError where a folder could not be made or written, before any work is done."""
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
    """Raise an InputError where a file could not be written, before any work is done."""
    try:
        if path.is_dir():
            raise problem(str(path), "", "a folder", "the name of a file in it")
    except OSError as error:
        raise problem(str(path), "", error.strerror or str(error), "a place that can be written") from None
    check_writable(path.parent)


def read_record(path: Path, needed: Mapping[str, type], allowed: str) -> dict[str, Any]:
    """A JSON object of a run folder, with the keys that are needed; an InputError says why it is none."""
    text = read_text(path, _MAX_RECORD_BYTES) if path.exists() else ""
    if not text:
        raise problem(str(path.parent), "", f"no {path.name}", allowed)
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise problem(str(path), "", "text that is not JSON", f"the {path.name} that a run wrote") from None
    for key, kind in needed.items():
        if not isinstance(record, dict) or not isinstance(record.get(key), kind):
            raise problem(str(path), key, "nothing of use", f"the {path.name} that a run wrote")
    return dict(record)


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file beside its place and move it there: a reader sees the old file or the whole new one."""
    check_file_writable(path)
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


def claim(folder: Path, plan_file: str, record: Mapping[str, Any], allowed: str) -> None:
    """Write a run's plan into an empty folder; an unfinished run of the same plan goes on, any other is refused.

    Parameters
    ----------
    folder : Path
    plan_file : str
        Name of the plan in it.
    record : mapping
        What the plan holds, its ``hash`` among it.
    allowed : str
        What the folder should be, for the message where its plan cannot be read.
    """
    plan = folder / plan_file
    if plan.exists():
        if read_record(plan, {"hash": str}, allowed)["hash"] != record["hash"]:
            raise problem(str(folder), "", "a folder with another run", "an empty folder, or --out elsewhere")
        return
    if folder.exists() and any(folder.iterdir()):
        raise problem(str(folder), "", "a folder with other files", "an empty folder, or --out elsewhere")
    write_json(record, plan)


def differing(folder: Path, again: Callable[[Path], Mapping[str, Any]]) -> list[str]:
    """Recompute a finished run beside it and name the files whose content is not what its manifest says.

    Parameters
    ----------
    folder : Path
        Of the finished run.
    again : callable
        Runs the same plan into the folder it is given, and returns the manifest.

    Returns
    -------
    list of str
        One line for each file that was changed since the run, and for each that comes out otherwise now.
    """
    said = read_record(folder / "manifest.json", MANIFEST_KEYS, "the folder of a finished run")["outputs_sha256"]
    lines = [
        f"{name}: changed since the run, or missing"
        for name, digest in said.items()
        if not (folder / name).exists() or sha256_of(folder / name) != digest
    ]
    with tempfile.TemporaryDirectory() as beside:
        now = again(Path(beside) / "run")["outputs_sha256"]
    return lines + [f"{name}: other numbers when recomputed" for name in said if now.get(name) != said[name]]
