"""Try mutants of the modules and write the table: ``python -m tests.mutation [MODULE ...] [--mutants N] [--all]``.

Only modules whose code or tests changed since the table was written are run again; rows of the others stay. A run that
was stopped goes on where it stopped. Modules are changed in a copy of the repository, never in the tree. What is
imported from other projects is loaded once; each mutant then runs in a process that begins as a copy of this one.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest

from tests.mutation.operators import Mutant
from tests.mutation.subjects import SUBJECTS, Subject
from tests.mutation.table import COLUMNS, ROOT, TABLE, chosen, code_of, no_effect_of, read_table

_LOADED_ONCE: Final = ("numba", "scipy.stats", "scipy.optimize", "pydantic", "yaml", "pyarrow", "hypothesis", "simpy")
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
    """Run a subject's tests on this source (None: the module as it is): ``killed``, ``survived`` or ``too slow``."""
    path = copy / "taper_sim" / subject.module
    usual = path.read_bytes()
    if source is not None:
        path.write_text(source)
    try:
        child = os.fork()
        if child == 0:
            _run_tests(subject, copy)
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return "survived" if status == 0 else "killed"
            time.sleep(0.05)
        os.kill(child, 9)
        os.waitpid(child, 0)
        return "too slow"
    finally:
        path.write_bytes(usual)


def _run_tests(subject: Subject, copy: Path) -> None:
    """Be the process that runs the tests; it does not return."""
    code: int = 1
    try:
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        for name in [name for name in sys.modules if name.split(".")[0] in ("taper_sim", "tests")]:
            del sys.modules[name]
        import numba

        numba.config.CACHE_DIR = str(copy / "compiled")
        sys.dont_write_bytecode = True  # a mutant of the same length and second would be taken for its neighbour
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        words = [f"tests/{path}" for path in subject.tests]
        words += ["-k", " and ".join(f"not {name}" for name in subject.leaving_out)] if subject.leaving_out else []
        code = int(pytest.main([*words, "-x", "-q", "-p", "no:cacheprovider"]))
        import taper_sim

        if not Path(taper_sim.__file__).is_relative_to(copy):
            code = 1
    finally:
        os._exit(code)


def run_subject(subject: Subject, n: int, limit_s: float, rows: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Outcomes of a subject's mutants that have no row yet."""
    code, finished = code_of(subject), {(row["line"], row["column"], row["change"]) for row in rows}
    waiting = [mutant for mutant in chosen(subject, n) if (mutant.line, mutant.column, mutant.change) not in finished]
    if not waiting:
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_the_repository(Path(folder))
        begin = time.monotonic()
        if outcome_of(subject, None, copy, 600.0) != "survived":
            raise SystemExit(f"{subject.module}: its tests fail without a mutant: {' '.join(subject.tests)}")
        limit = max(limit_s, 3 * (time.monotonic() - begin))
        for mutant in waiting:
            reason = no_effect_of(subject, mutant)
            outcome = "no effect" if reason else outcome_of(subject, mutant.source, copy, limit)
            yield _row(subject, mutant, outcome, reason, code)


def _row(subject: Subject, mutant: Mutant, outcome: str, reason: str, code: str) -> dict[str, Any]:
    where = {"function": mutant.function, "line": mutant.line, "column": mutant.column, "change": mutant.change}
    return {"module": subject.module, **where, "outcome": outcome, "reason": reason, "code": code}


def main() -> int:
    """Bring the table up to date."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="*", help="parts of names of modules; default: all")
    parser.add_argument("--mutants", type=int, default=12, help="mutants of each module drawn at random")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of a mutant's tests, at least")
    parser.add_argument("--again", action="store_true", help="drop the rows of these modules first")
    parser.add_argument("--out", type=Path, default=TABLE)
    args = parser.parse_args()
    for name in _LOADED_ONCE:
        import_module(name)
    rows = read_table(args.out).to_dict("records")
    current = {subject.module: code_of(subject) for subject in SUBJECTS}
    wanted = [s for s in SUBJECTS if not args.modules or any(part in s.module for part in args.modules)]
    again = {subject.module for subject in wanted if args.again}
    rows = [row for row in rows if current.get(row["module"]) == row["code"] and row["module"] not in again]
    for subject in wanted:
        own = [row for row in rows if row["module"] == subject.module]
        for row in run_subject(subject, args.mutants, args.limit, own):
            rows.append(row)
            places = {s.module: k for k, s in enumerate(SUBJECTS)}
            rows.sort(key=lambda r: (places[r["module"]], r["line"], r["column"], r["change"]))
            pd.DataFrame(rows, columns=COLUMNS).to_csv(args.out, index=False, lineterminator="\n")
            print(row["outcome"], row["module"], row["line"], row["change"], sep=" | ", flush=True)
    survived = [row for row in rows if row["outcome"] == "survived"]
    print(f"{len(rows)} mutants, {len(survived)} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
