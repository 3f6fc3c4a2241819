"""Try mutants of the modules and write the table: ``python -m tests.mutation [MODULE ...] [--mutants N] [--again]``.

Only modules whose code or tests changed since the table was written are run again; rows of the others stay. A run that
was interrupted resumes. Modules are changed in a copy of the repository, never in the tree. What is
imported from other projects is loaded once; each mutant then runs in a process that begins as a copy of this one.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pandas as pd

from tests.mutation.operators import Mutant
from tests.mutation.subjects import SUBJECTS, Subject
from tests.mutation.table import COLUMNS, TABLE, chosen, code_of, key_of, no_effect_of, read_table
from tests.mutation.trial import OUTPUT, copy_of_the_repository, outcome_of

_LOADED_ONCE: Final = ("numba", "scipy.stats", "scipy.optimize", "pydantic", "yaml", "pyarrow", "hypothesis", "simpy")


def run_subject(subject: Subject, n: int, limit_s: float, rows: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Outcomes of a subject's mutants that have no row yet."""
    code, finished = code_of(subject), {f"{row['function']}: {row['change']}" for row in rows}
    waiting = [mutant for mutant in chosen(subject, n) if key_of(mutant) not in finished]
    if not waiting:
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_the_repository(Path(folder))
        begin = time.monotonic()
        if outcome_of(subject, None, copy, 600.0) != "survived":
            raise SystemExit(f"{subject.module}: its tests fail without a mutant:\n{(copy / OUTPUT).read_text()}")
        limit = max(limit_s, 3 * (time.monotonic() - begin))
        for mutant in waiting:
            reason = no_effect_of(subject, mutant)
            outcome = "no effect" if reason else outcome_of(subject, mutant.source, copy, limit)
            if outcome == "stuck":
                outcome = outcome_of(subject, mutant.source, copy, limit)
            yield _row(subject, mutant, outcome, reason, code)


def _row(subject: Subject, mutant: Mutant, outcome: str, reason: str, code: str) -> dict[str, Any]:
    where = {"function": mutant.function, "line": mutant.line, "column": mutant.column, "change": mutant.change}
    return {"module": subject.module, **where, "outcome": outcome, "reason": reason, "hash": code}


def main() -> int:
    """Bring the table up to date."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="*", help="parts of names of modules; default: all")
    parser.add_argument("--mutants", type=int, default=12, help="mutants of each module drawn at random")
    parser.add_argument("--limit", type=float, default=30.0, help="processor seconds of a mutant, at least")
    parser.add_argument("--again", action="store_true", help="drop the rows of these modules first")
    parser.add_argument("--out", type=Path, default=TABLE)
    args = parser.parse_args()
    # threads of the libraries sleep when a process begins as a copy of this one
    warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
    for name in _LOADED_ONCE:
        import_module(name)
    rows = read_table(args.out).to_dict("records")
    current = {subject.module: code_of(subject) for subject in SUBJECTS}
    wanted = [s for s in SUBJECTS if not args.modules or any(part in s.module for part in args.modules)]
    again = {subject.module for subject in wanted if args.again}
    rows = [row for row in rows if current.get(row["module"]) == row["hash"] and row["module"] not in again]
    tried = {subject.module for subject in wanted}  # what was not noticed there may have changed since
    rows = [row for row in rows if row["outcome"] in ("killed", "too slow") or row["module"] not in tried]
    for subject in wanted:
        own = [row for row in rows if row["module"] == subject.module]
        for row in run_subject(subject, args.mutants, args.limit, own):
            rows.append(row)
            places = {s.module: k for k, s in enumerate(SUBJECTS)}
            rows.sort(key=lambda r: (places[r["module"]], r["line"], r["column"], r["change"]))
            pd.DataFrame(rows, columns=COLUMNS).to_csv(args.out, index=False, lineterminator="\n")
            print(row["outcome"], row["module"], row["line"], row["change"], sep=" | ", flush=True)
    open_ = [row["outcome"] for row in rows if row["outcome"] in ("survived", "stuck")]
    print(f"{len(rows)} mutants, {open_.count('survived')} survived, {open_.count('stuck')} to be run again")
    return 1 if open_ else 0


if __name__ == "__main__":
    sys.exit(main())
