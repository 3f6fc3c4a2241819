"""Checks of a finished run against its manifest. Imports ``run_folder.folder``.

Three checks: the folder has exactly the files of the manifest, with their hashes; a rerun of the plan reproduces the
outputs; redrawing the report from the outputs reproduces its files.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from taper_sim.data.problems import shown
from taper_sim.run_folder.atomic_files import PARTIAL, read_record, sha256_of
from taper_sim.run_folder.folder import MANIFEST_FILE, MANIFEST_KEYS, PARTS, PLAN_FILE, SAVED_KEY, plan_of
from taper_sim.run_folder.lock import LOCK_FILE

_NOT_LISTED: Final = (PLAN_FILE, MANIFEST_FILE, LOCK_FILE)
_OF_THE_RUN: Final = ("timings_s", "versions", "git_commit", "outputs_sha256", "report_sha256", SAVED_KEY)
"""Keys of a manifest that a rerun need not reproduce, or that have checks of their own."""


def differing(
    folder: Path, recompute: Callable[[Path], Mapping[str, Any]] | None, draw: Callable[[Path], object] | None = None
) -> list[str]:
    """Differences between a finished run's folder and its manifest, a line each.

    Parameters
    ----------
    folder : Path
        Folder of the finished run.
    recompute : callable, optional
        Runs the same plan into the folder that it receives and returns the manifest; None recomputes nothing.
    draw : callable, optional
        Draws the report of the folder that it receives; None compares the report's files by their hashes only.
    """
    plan = plan_of(folder)
    manifest = read_record(folder / MANIFEST_FILE, MANIFEST_KEYS, "the folder of a finished run")
    lines = []
    if (manifest["kind"], manifest["plan_hash"]) != (plan.kind, plan.hash):
        lines.append(f"{MANIFEST_FILE}: of another run than {PLAN_FILE}")
    lines += _changed(folder, manifest)
    with tempfile.TemporaryDirectory() as beside:
        if recompute is not None:
            lines += _recomputed(manifest, recompute(Path(beside) / "run"))
        if draw is not None and not lines:  # the report of changed tables differs anyway
            lines += _drawn_again(folder, manifest, Path(beside) / "report", draw)
    return lines


def _changed(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Files changed or removed since the run, and files that the manifest does not list."""
    saved = manifest.get(SAVED_KEY, {})
    listed = {**manifest["outputs_sha256"], **manifest["report_sha256"], **(saved if isinstance(saved, dict) else {})}
    for name, digest in listed.items():
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        path = folder / name
        if not inside or not path.is_file() or sha256_of(path) != digest:
            yield f"{shown(name)}: changed since the run, or missing"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        not_listed = name in _NOT_LISTED or name.endswith(PARTIAL) or name.startswith(f"{PARTS}/") or path.is_dir()
        if not not_listed and name not in listed:
            yield f"{shown(name)}: not listed in {MANIFEST_FILE}"


def _recomputed(manifest: Mapping[str, Any], rerun: Mapping[str, Any]) -> Iterator[str]:
    """Outputs and other manifest entries that a rerun does not reproduce."""
    listed, written = manifest["outputs_sha256"], rerun["outputs_sha256"]
    for name in dict.fromkeys((*written, *listed)):
        if name not in listed:
            yield f"{name}: missing in the list of {MANIFEST_FILE}"
        elif name not in written:
            yield f"{shown(name)}: listed in {MANIFEST_FILE}, but the rerun writes no such file"
        elif written[name] != listed[name]:
            yield f"{name}: other numbers when recomputed"
    plain = json.loads(json.dumps(rerun))
    for key in dict.fromkeys((*plain, *manifest)):
        if key not in _OF_THE_RUN and plain.get(key) != manifest.get(key):
            yield f"{MANIFEST_FILE}: {shown(key)}: another value when recomputed"


def _drawn_again(
    folder: Path, manifest: Mapping[str, Any], beside: Path, draw: Callable[[Path], object]
) -> Iterator[str]:
    """Files of the report that redrawing from the same outputs does not reproduce."""
    listed = manifest["report_sha256"]
    if not listed:
        return
    for name in (MANIFEST_FILE, *manifest["outputs_sha256"]):
        (beside / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, beside / name)
    draw(beside)
    redrawn = read_record(beside / MANIFEST_FILE, MANIFEST_KEYS, "the folder of a finished run")["report_sha256"]
    for name in dict.fromkeys((*redrawn, *listed)):
        if name not in listed:
            yield f"{name}: missing in the list of {MANIFEST_FILE}"
        elif name not in redrawn:
            yield f"{shown(name)}: listed in {MANIFEST_FILE}, but the redrawn report has no such file"
        elif redrawn[name] != listed[name]:
            yield f"{name}: different when redrawn"
