"""The tests of one mutant, in a copy of the repository and in a process of their own."""

import math
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Final

import pytest

from tests.mutation.subjects import ROOT, Subject

OUTPUT: Final = "output.txt"
"""File of the copy with what the last run printed."""
_APART_S: Final = 10.0  # seconds between the time of a module and that of its mutants
_PATIENCE: Final = 20.0  # seconds by the clock for each second of the processor, as others may have nearly all of it
_COPIED: Final = ("taper_sim", "tests", "scenarios", "examples", "docs", "pyproject.toml", "README.md")


def copy_of_the_repository(folder: Path) -> Path:
    """What tests read, in a folder of its own."""
    for name in _COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def outcome_of(subject: Subject, source: str | None, copy: Path, limit_s: float) -> str:
    """Run a subject's tests on this source (None: the module as it is).

    Returns
    -------
    str
        ``killed``, ``survived``, ``too slow`` after ``limit_s`` seconds of the processor, or ``stuck``: the process did
        not end though it did not compute. That is no outcome of the mutant; it needs another run.
    """
    path = copy / "taper_sim" / subject.module
    usual, times = path.read_bytes(), path.stat()
    if source is not None:
        path.write_text(source)
        # bytecode is recognised by size and second: a mutant of one length must not have the usual module's
        os.utime(path, (times.st_atime, times.st_mtime + _APART_S))
    try:
        child = os.fork()
        if child == 0:
            _run_tests(subject, copy, limit_s, keeps_bytecode=source is None)
        end = time.monotonic() + _PATIENCE * max(limit_s, 30.0)
        while time.monotonic() < end:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                too_slow = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
                return "too slow" if too_slow else "survived" if status == 0 else "killed"
            time.sleep(0.05)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "stuck"
    finally:
        path.write_bytes(usual)
        os.utime(path, (times.st_atime, times.st_mtime))


def _run_tests(subject: Subject, copy: Path, limit_s: float, *, keeps_bytecode: bool) -> None:
    """Be the process that runs the tests; it does not return."""
    code: int = 1
    try:
        seconds = math.ceil(limit_s)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        os.chdir(copy)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plugins of other projects take seconds to load
        sys.path.insert(0, str(copy))
        for name in [name for name in sys.modules if name.split(".")[0] in ("taper_sim", "tests")]:
            del sys.modules[name]
        os.environ["NUMBA_CACHE_DIR"] = str(copy / "compiled")
        if "numba" in sys.modules:  # it has read its settings
            sys.modules["numba"].config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]
        sys.dont_write_bytecode = not keeps_bytecode  # a mutant's would be taken for that of the next one
        output = os.open(copy / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        words = [f"tests/{path}" for path in subject.tests]
        words += ["-k", " and ".join(f"not {name}" for name in subject.leaving_out)] if subject.leaving_out else []
        code = int(pytest.main([*words, "-x", "-q", "-p", "no:cacheprovider"]))
        import taper_sim

        if not Path(taper_sim.__file__).is_relative_to(copy):
            code = 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
