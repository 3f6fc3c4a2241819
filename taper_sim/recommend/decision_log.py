"""The decision log: what was offered and what was done, a line each. Imports ``recommendation``, ``run_folder``.

A line is JSON and is written whole or not at all. Each carries the hash of the line before it (``previous``), so that a
line that was changed or removed shows. The log holds ids and no names; its owner alone may read it.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taper_sim.data.checkins import DATE_ALLOWED, the_date
from taper_sim.data.problems import Problem, problem
from taper_sim.data.yaml_input import read_bytes
from taper_sim.recommend.recommendation import Recommendation
from taper_sim.run_folder import Warn, check_file_writable, warn_on_stderr
from taper_sim.run_folder.files import PRIVATE

_MAX_BYTES: Final = 500_000_000
_MAX_LINE: Final = 1_000_000
"""Bytes of a line: an offer with every option and reason has some thousands."""
_WROTE: Final = "a line that `recommend --log` or `decide` wrote"
PREVIOUS: Final = "previous"


def logged(recommendation: Recommendation) -> dict[str, Any]:
    """What the log keeps of a recommendation: enough to see what was offered and why, and to replay it."""
    said = recommendation.as_dict()
    whole = json.dumps(said, sort_keys=True, allow_nan=False)
    return {
        "kind": "offered",
        "id": hashlib.sha256(whole.encode()).hexdigest()[:16],
        "patient_id": said["patient_id"],
        "as_of": said["as_of"],
        "status": said["status"],
        "chosen": said["chosen"],
        "offered": [o["name"] for o in said["options"] if o["status"] == "offered"],
        "blocked": {o["name"]: o["status"] for o in said["options"] if o["status"] != "offered"},
        "reasons": said["reasons"],
        "red_flags": [
            {
                "flag": f["flag"],
                "state": f["state"],
                "acknowledged_by": f["acknowledged_by"],
                "acknowledged_reason": f["acknowledged_reason"],
            }
            for f in said["red_flags"]
        ],
        "limits": said["limits"],
        "seed": said["seed"],
        "version": said["version"],
    }


def append_to_log(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Add lines to a log, all or none; a disk that fills up leaves the log as it was.

    Raises
    ------
    InputError
        If the file cannot be written, or is no regular file.
    """
    check_file_writable(path)
    if path.exists() and not path.is_file():
        raise problem(str(path), "", "a device or something else that is no file", "a file to add to")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
        with os.fdopen(descriptor, "r+b", buffering=0) as handle, _locked(descriptor):
            before = os.fstat(descriptor).st_size
            try:
                _write(handle.fileno(), before, _chained(descriptor, before, lines))
            except BaseException:
                os.ftruncate(descriptor, before)
                os.fsync(descriptor)
                raise
    except OSError as error:
        raise problem(str(path), "", (error.strerror or "an unwritable file").lower(), "a file to add to") from None


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Wait for the log, and hold it: two commands add their lines one after the other."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)  # let go when the file is closed
    yield


def _write(descriptor: int, at: int, content: bytes) -> None:
    """Write all of it to the disk."""
    while content:
        n = os.pwrite(descriptor, content, at)
        content, at = content[n:], at + n
    os.fsync(descriptor)


def _chained(descriptor: int, size: int, lines: Sequence[dict[str, Any]]) -> bytes:
    """The lines as text, each with the hash of the one before it."""
    last, ended = _last_line(descriptor, size)
    previous = _hash_of(last) if last else ""
    content = b"" if ended else b"\n"  # half a line of an earlier version: what follows is a line of its own
    for line in lines:
        text = json.dumps(line | {PREVIOUS: previous}, sort_keys=True, allow_nan=False).encode()
        previous = _hash_of(text)
        content += text + b"\n"
    return content


def _last_line(descriptor: int, size: int) -> tuple[bytes, bool]:
    """The last line without its end, empty where there is none, and whether it is ended."""
    block = 1 << 16
    tail = b""
    at = size
    while at > 0 and tail.rstrip(b"\n").count(b"\n") == 0:
        start = max(0, at - block)
        tail = os.pread(descriptor, at - start, start) + tail
        at = start
    return tail.rstrip(b"\n").rpartition(b"\n")[2], size == 0 or tail.endswith(b"\n")


def _hash_of(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def decided(
    path: Path, patient_id: str, did: str, by: str, reason: str, on: str | None, warn: Warn = warn_on_stderr
) -> dict[str, Any]:
    """The line that says what the clinician did with the last offer to a patient, and why.

    Parameters
    ----------
    path : Path
        The log.
    patient_id, did, by, reason : str
    on : str, optional
        The day; by default that of the offer.
    warn : callable
        Told of each line that is damaged, and of a log without a chain of hashes.

    Raises
    ------
    InputError
        If the log holds no offer to this patient, a text is empty, or the day is before that of the offer.
    """
    for flag, text in (("--did", did), ("--by", by), ("--reason", reason)):
        if not text.strip():
            raise problem(flag, "", "nothing", "a few words")
    if on is not None and the_date(on) is None:
        raise problem("--on", "", on, DATE_ALLOWED)
    log = read_log(path)
    for damaged in log.problems:
        warn(str(damaged))
    offers = [line for line in log.lines if line["kind"] == "offered" and line["patient_id"] == patient_id]
    if not offers:
        raise problem(str(path), "", f"no offer to {patient_id}", "a log that `recommend --log` wrote for this patient")
    last = offers[-1]
    if on is not None and on < last["as_of"]:
        raise problem("--on", "", on, f"the day of the offer, {last['as_of']}, or a later one")
    return {
        "kind": "decided",
        "offer": last["id"],
        "patient_id": patient_id,
        "on": on or last["as_of"],
        "did": did,
        "as_chosen": did == last["chosen"],
        "by": by,
        "reason": reason,
    }


@dataclass(frozen=True)
class Log:
    """What a log holds.

    Attributes
    ----------
    lines : list of dict
        Every line that can be read.
    problems : list of Problem
        Lines that cannot be read, lines whose chain is broken, and a log of before there was a chain, one each.
    """

    lines: list[dict[str, Any]]
    problems: list[Problem]


def read_log(path: Path) -> Log:
    """Read a log; a damaged line is named, and the rest is read.

    Raises
    ------
    InputError
        If the file cannot be read at all.
    """
    found: list[dict[str, Any]] = []
    problems: list[Problem] = []
    previous, without = "", 0
    for number, text in enumerate(read_bytes(path, _MAX_BYTES).split(b"\n"), start=1):
        if not text:
            continue
        line = _parsed(text)
        if line is None:
            given = f"{len(text):,} bytes that are no line of a log"
            problems.append(Problem(str(path), f"line {number}", given, _WROTE))
        elif PREVIOUS not in line:
            without += 1
            found.append(line)
        else:
            found.append(line)
            if line[PREVIOUS] != previous:
                given = "a line that does not follow the one before it: one was changed, removed or added"
                problems.append(Problem(str(path), f"line {number}", given, "the lines as they were written"))
        previous = _hash_of(text)
    if without:
        given = f"{without} lines without a hash of the line before them, of an earlier version"
        problems.append(Problem(str(path), "", given, "such lines, which are read, but whose changes do not show"))
    return Log(found, problems)


def _parsed(text: bytes) -> dict[str, Any] | None:
    """A line of a log, None where it is none."""
    if len(text) > _MAX_LINE:
        return None
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not isinstance(line.get("kind"), str):
        return None
    if line["kind"] != "offered":
        return line
    texts = all(isinstance(line.get(key), str) for key in ("id", "patient_id", "as_of")) and "chosen" in line
    return line if texts and the_date(line["as_of"]) else None
