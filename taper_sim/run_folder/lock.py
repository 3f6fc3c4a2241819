"""A lock on a folder: one run at a time writes into it. Imports ``run_folder.files``.

The operating system holds the lock and lets it go when the process ends, however it ends: a dead process locks nothing.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from taper_sim.data.problems import problem
from taper_sim.run_folder.files import Unwritten

LOCK_FILE: Final = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which exists.

    Raises
    ------
    InputError
        If another process holds it, with that process's id.
    """
    path = folder / LOCK_FILE
    try:
        descriptor = _taken(path, folder)
    except OSError as error:
        raise Unwritten(path, error) from None
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)  # while it is held: nobody else may think to hold a file without a name
        os.close(descriptor)


def _taken(path: Path, folder: Path) -> int:
    """Descriptor of the locked file, which is the one that has the name."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            held = _lock(descriptor)
            if not held:
                owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
                given = f"a folder that process {owner} is writing to"
                raise problem(str(folder), "", given, "to wait for its end, or --out elsewhere")
            if _has_name(descriptor, path):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its owner removed it between our opening and our locking


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    """Lock an open file; whether it could be had. Where the system has no such locks, it always can."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
