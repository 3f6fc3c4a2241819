"""A lock on a folder: one run at a time writes into it. Imports ``run_folder.atomic_files``.

The operating system holds the lock and releases it when the process ends, however it ends.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from taper_sim.data.problems import problem
from taper_sim.run_folder.atomic_files import Unwritten

LOCK_FILE: Final = ".lock"


@contextmanager
def locked(folder: Path, allowed: str = "to wait for its end, or another folder for --out") -> Iterator[None]:
    """Hold the lock of an existing folder; ``allowed`` tells what to do where another process holds it.

    Raises
    ------
    InputError
        If another process holds the lock; the message has that process's id.
    """
    path = folder / LOCK_FILE
    try:
        descriptor = _locked_descriptor(path, folder, allowed)
    except OSError as error:
        raise Unwritten(path, error) from None
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)  # before its release, else another process could lock a file without a name
        os.close(descriptor)


def _locked_descriptor(path: Path, folder: Path, allowed: str) -> int:
    """Descriptor of the lock file, locked, and still the file of that name."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            held = _lock(descriptor)
            if not held:
                owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
                given = f"a folder that process {owner} is writing to"
                raise problem(str(folder), "", given, allowed)
            if _has_name(descriptor, path):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its owner removed it after the open and before the lock


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    """Lock an open file; returns whether it succeeded. On a system without such locks it always does."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
