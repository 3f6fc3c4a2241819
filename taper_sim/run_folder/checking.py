"""Whether a finished run's files are those that its manifest lists, and come out again. Imports ``run_folder.folder``.

Three questions: do the files in the folder have the hashes of the manifest, and no others; does the plan give the same
outputs when it is run again; does the report come out the same when it is drawn again from the outputs.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from taper_sim.data.problems import shown
from taper_sim.run_folder.files import PARTIAL, read_record, sha256_of
from taper_sim.run_folder.folder import MANIFEST_FILE, MANIFEST_KEYS, PARTS, PLAN_FILE, SAVED_KEY, plan_of
from taper_sim.run_folder.lock import LOCK_FILE

_OWN: Final = (PLAN_FILE, MANIFEST_FILE, LOCK_FILE)
_OF_THE_RUN: Final = ("timings_s", "versions", "git_commit", "outputs_sha256", "report_sha256", SAVED_KEY)
"""Keys of a manifest that another run of the same plan need not repeat, or that are checked by themselves."""


def differing(
    folder: Path, again: Callable[[Path], Mapping[str, Any]] | None, draw: Callable[[Path], object] | None = None
) -> list[str]:
    """What in a finished run's folder is not what its manifest says, a line each.

    Parameters
    ----------
    folder : Path
        Of the finished run.
    again : callable, optional
        Runs the same plan into the folder it is given, and returns the manifest; without it nothing is recomputed.
    draw : callable, optional
        Draws the report of the folder it is given; without it the report's files are compared by their hashes only.
    """
    plan = plan_of(folder)
    manifest = read_record(folder / MANIFEST_FILE, MANIFEST_KEYS, "the folder of a finished run")
    lines = []
    if (manifest["kind"], manifest["plan_hash"]) != (plan.kind, plan.hash):
        lines.append(f"{MANIFEST_FILE}: not of the run that {PLAN_FILE} says")
    lines += _changed(folder, manifest)
    with tempfile.TemporaryDirectory() as beside:
        if again is not None:
            lines += _recomputed(manifest, again(Path(beside) / "run"))
        if draw is not None and not lines:  # a report of changed tables would differ without a fault of its own
            lines += _drawn_again(folder, manifest, Path(beside) / "report", draw)
    return lines


def _changed(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Files that were changed or removed since the run, and files that the manifest does not list."""
    saved = manifest.get(SAVED_KEY, {})
    listed = {**manifest["outputs_sha256"], **manifest["report_sha256"], **(saved if isinstance(saved, dict) else {})}
    for name, digest in listed.items():
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        path = folder / name
        if not inside or not path.is_file() or sha256_of(path) != digest:
            yield f"{shown(name)}: changed since the run, or missing"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        left_out = name in _OWN or name.endswith(PARTIAL) or name.startswith(f"{PARTS}/") or path.is_dir()
        if not left_out and name not in listed:
            yield f"{shown(name)}: not listed in {MANIFEST_FILE}"


def _recomputed(manifest: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Outputs that come out otherwise, and what else the manifest says of them."""
    listed, made = manifest["outputs_sha256"], now["outputs_sha256"]
    for name in dict.fromkeys((*made, *listed)):
        if name not in listed:
            yield f"{name}: missing in the list of {MANIFEST_FILE}"
        elif name not in made:
            yield f"{shown(name)}: listed in {MANIFEST_FILE}, and such a run writes no such file"
        elif made[name] != listed[name]:
            yield f"{name}: other numbers when recomputed"
    plain = json.loads(json.dumps(now))
    for key in dict.fromkeys((*plain, *manifest)):
        if key not in _OF_THE_RUN and plain.get(key) != manifest.get(key):
            yield f"{MANIFEST_FILE}: {shown(key)}: not what the run says when it is recomputed"


def _drawn_again(
    folder: Path, manifest: Mapping[str, Any], beside: Path, draw: Callable[[Path], object]
) -> Iterator[str]:
    """Files of the report that come out otherwise from the same outputs."""
    listed = manifest["report_sha256"]
    if not listed:
        return
    for name in (MANIFEST_FILE, *manifest["outputs_sha256"]):
        (beside / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, beside / name)
    draw(beside)
    made = read_record(beside / MANIFEST_FILE, MANIFEST_KEYS, "the folder of a finished run")["report_sha256"]
    for name in dict.fromkeys((*made, *listed)):
        if name not in listed:
            yield f"{name}: missing in the list of {MANIFEST_FILE}"
        elif name not in made:
            yield f"{shown(name)}: listed in {MANIFEST_FILE}, and the report of such a run has no such file"
        elif made[name] != listed[name]:
            yield f"{name}: drawn otherwise when it is drawn again"
