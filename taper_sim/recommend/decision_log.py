"""The decision log: a line for each offer and each decision. Imports ``recommend.recommendation``, ``run_folder``.

A line is JSON and is written whole or not at all. Each line has the hash of the line before it (``previous``), which
reveals changed and removed lines. The log holds ids and no names; only its owner may read it.
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
from taper_sim.data.problems import Problem, nearest, problem, shown
from taper_sim.data.yaml_input import read_bytes
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.run_folder import Warn, check_file_writable, warn_on_stderr
from taper_sim.run_folder.atomic_files import PRIVATE

_MAX_BYTES: Final = 500_000_000
_MAX_LINE: Final = 1_000_000
"""Bytes of a line; an offer with every option and reason has a few thousand."""
_WROTE: Final = "a line that `recommend --log` or `decide` wrote"
PREVIOUS: Final = "previous"
OTHER: Final = "other:"
"""Begins the description of an action that was no option, such as ``other: admitted to hospital``."""


def logged(recommendation: RecommendationFields) -> dict[str, Any]:
    """Line of the log for a recommendation: the offer, its reasons, and what repeats the calculation."""
    answer = recommendation.as_dict()
    whole = json.dumps(answer, sort_keys=True, allow_nan=False)
    return {
        "kind": "offered",
        "id": hashlib.sha256(whole.encode()).hexdigest()[:16],
        "patient_id": answer["patient_id"],
        "as_of": answer["as_of"],
        "status": answer["status"],
        "chosen": answer["chosen"],
        "offered": [o["name"] for o in answer["options"] if o["status"] == "offered"],
        "blocked": {o["name"]: o["status"] for o in answer["options"] if o["status"] != "offered"},
        "reasons": answer["reasons"],
        "red_flags": [
            {
                "flag": f["flag"],
                "state": f["state"],
                "acknowledged_by": f["acknowledged_by"],
                "acknowledged_reason": f["acknowledged_reason"],
            }
            for f in answer["red_flags"]
        ],
        "limits": answer["limits"],
        "seed": answer["seed"],
        "version": answer["version"],
    }


def append_to_log(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Add lines to a log, all or none; a full disk leaves the log unchanged.

    Raises
    ------
    InputError
        If the file cannot be written, or is no regular file.
    """
    check_file_writable(path)
    if path.exists() and not path.is_file():
        raise problem(str(path), "", "a device or another special file", "a file to add to")
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
    """Wait for the lock of the log and hold it, so that two commands add their lines one after the other."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)  # released when the file is closed
    yield


def _write(descriptor: int, at: int, content: bytes) -> None:
    """Write the content to the disk."""
    while content:
        n = os.pwrite(descriptor, content, at)
        content, at = content[n:], at + n
    os.fsync(descriptor)


def _chained(descriptor: int, size: int, lines: Sequence[dict[str, Any]]) -> bytes:
    """The lines as the end of a file, each with the hash of the line before it."""
    last, ended = _last_line(descriptor, size)
    content = b"" if ended else b"\n"  # an unfinished line of an earlier version: begin a new line
    return content + b"".join(text + b"\n" for text in chained(last, lines))


def chained(last: bytes, lines: Sequence[dict[str, Any]]) -> list[bytes]:
    """The lines as text, each with the hash of the line before it; ``last`` is the text before them, or empty."""
    previous = _hash_of(last) if last else ""
    texts = []
    for line in lines:
        texts.append(json.dumps(line | {PREVIOUS: previous}, sort_keys=True, allow_nan=False).encode())
        previous = _hash_of(texts[-1])
    return texts


def _last_line(descriptor: int, size: int) -> tuple[bytes, bool]:
    """The last line without its end, empty if there is none, and whether a line end follows."""
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


@dataclass(frozen=True)
class Log:
    """Content of a log.

    Attributes
    ----------
    lines : list of dict
        Every readable line.
    problems : list of Problem
        A problem for each unreadable line, each break of the chain, and for lines without a hash.
    """

    lines: list[dict[str, Any]]
    problems: list[Problem]


def decided(
    path: Path, patient_id: str, did: str, by: str, reason: str, on: str | None, warn: Warn = warn_on_stderr
) -> dict[str, Any]:
    """Line of the log for the clinician's decision on the last offer to a patient.

    Parameters
    ----------
    path : Path
        The log.
    patient_id, did, by, reason, on :
        See :func:`decision_on`.
    warn : callable
        Receives a line for each damaged line, and for a log without a chain of hashes.

    Raises
    ------
    InputError
        See :func:`decision_on`.
    """
    _check_decision(did, by, reason, on)
    log = read_log(path)
    for damaged in log.problems:
        warn(str(damaged))
    return decision_on(log, str(path), patient_id, did, by, reason, on)


def _check_decision(did: str, by: str, reason: str, on: str | None) -> None:
    for flag, text in (("--did", did), ("--by", by), ("--reason", reason)):
        if not text.strip():
            raise problem(flag, "", "nothing", "a few words")
    if on is not None and the_date(on) is None:
        raise problem("--on", "", on, DATE_ALLOWED)


def decision_on(
    log: Log, where: str, patient_id: str, did: str, by: str, reason: str, on: str | None
) -> dict[str, Any]:
    """Line for the clinician's decision on the last offer to a patient in a log.

    Parameters
    ----------
    log : Log
    where : str
        Name of the log in problems.
    patient_id, did, by, reason : str
    on : str, optional
        Day of the decision; that of the offer if omitted.

    Raises
    ------
    InputError
        If the log holds no offer to this patient, a text is empty, ``did`` is no option of the last offer and does not
        begin with :data:`OTHER`, or the day is before the day of the offer.
    """
    _check_decision(did, by, reason, on)
    offers = [line for line in log.lines if line["kind"] == "offered" and line["patient_id"] == patient_id]
    if not offers:
        raise problem(where, "", f"no offer to {patient_id}", "a log that `recommend --log` wrote for this patient")
    last = offers[-1]
    options = [*last.get("offered", []), *last.get("blocked", {}), *filter(None, [last["chosen"]])]
    other = did.strip().removeprefix(OTHER).strip() if did.strip().startswith(OTHER) else ""
    if did not in options and not other:
        given = f"{shown(did)}{nearest(did, options)}"
        raise problem("--did", "", given, f"the name of an option of the last offer, or `{OTHER} …` with a few words")
    if on is not None and on < last["as_of"]:
        raise problem("--on", "", on, f"the day of the offer, {last['as_of']}, or a later one")
    return {
        "kind": "decided",
        "offer": last["id"],
        "patient_id": patient_id,
        "on": on or last["as_of"],
        "did": did,
        "as_chosen": did == last["chosen"],
        "as_offered": did in last.get("offered", []),
        "by": by,
        "reason": reason,
    }


def read_log(path: Path) -> Log:
    """Read a log; damaged lines become problems, and the other lines are read.

    Raises
    ------
    InputError
        If the file cannot be read at all.
    """
    return log_of(read_bytes(path, _MAX_BYTES), str(path))


def log_of(content: bytes, where: str) -> Log:
    """Read the text of a log; ``where`` names it in problems."""
    lines: list[dict[str, Any]] = []
    problems: list[Problem] = []
    previous, n_without_hash = "", 0
    for number, text in enumerate(content.split(b"\n"), start=1):
        if not text:
            continue
        line = _parsed(text)
        if line is None:
            given = f"{len(text):,} bytes that are no line of a log"
            problems.append(Problem(where, f"line {number}", given, _WROTE))
        elif PREVIOUS not in line:
            n_without_hash += 1
            lines.append(line)
        else:
            lines.append(line)
            if line[PREVIOUS] != previous:
                given = "a line that does not follow the one before it: one was changed, removed or added"
                problems.append(Problem(where, f"line {number}", given, "the lines as they were written"))
        previous = _hash_of(text)
    if n_without_hash:
        given = f"{n_without_hash} lines without a hash of the line before them, of an earlier version"
        problems.append(Problem(where, "", given, "such lines are read; changes of them cannot be detected"))
    return Log(lines, problems)


def _parsed(text: bytes) -> dict[str, Any] | None:
    """A line of a log as a mapping, None if it is not valid."""
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
