"""Keep the numbers of the cases as they are now: ``python -m tests.numbers.keep [CASE ...]``.

Only where numbers change on purpose; CHANGELOG.md then says which and why. With ``--restamp`` nothing is kept: every
case is run, and where no number moved the committed tables of studies get the hash of the code as it is now.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import llvmlite.binding as llvm
import pandas as pd

from tests.numbers.cases import CASES, ROOT, as_text

KEPT: Final = Path(__file__).parent / "kept"
MADE_BY: Final = KEPT / "made_by.json"


def made_by() -> dict[str, str]:
    """What bits depend on beside the code: the processor, and the libraries that compute."""
    libraries = ("numpy", "numba", "scipy", "pandas")
    return {"processor": llvm.get_host_cpu_name(), **{name: version(name) for name in libraries}}


def texts_of(case: str) -> dict[str, str]:
    """Run a case; every table and record as text, by file name."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = CASES[case](Path(folder))
    return {f"{name}.{'json' if isinstance(n, str) else 'csv'}": as_text(n) for name, n in numbers.items()}


def keep(case: str) -> None:
    """Run a case and write its numbers in place of those that were kept."""
    folder = KEPT / case
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, text in texts_of(case).items():
        (folder / name).write_text(text)


def moved(case: str) -> list[str]:
    """Names of what a case gives otherwise than what was kept, to the bit."""
    now, kept = texts_of(case), {path.name: path.read_text() for path in (KEPT / case).iterdir()}
    return [f"{case}/{name}" for name in sorted(now | kept) if now.get(name) != kept.get(name)]


def code_hashes() -> dict[str, Callable[[], str]]:
    """For the beginning of a committed table's name, the hash of the code that it describes.

    Tables without an entry are not stamped: no kept number shows that theirs would be the same.
    """
    from taper_sim.experiments import ladder, triage_rules
    from taper_sim.studies import calibration, interval_coverage, misspecified, recovery, structures
    from taper_sim.studies.trial_tapers import study

    return {
        "support": misspecified.table_hash,
        "population_recovery": recovery.code_hash,
        "real_tapers": study.code_hash,
        "ladder": ladder.code_hash,
        "triage": triage_rules.code_hash,
        "interval_coverage": interval_coverage.code_hash,
        "structures": structures.code_hash,
        **dict.fromkeys(("sbc", "nuts", "likelihood", "sampling", "forecasts"), calibration.code_hash),
    }


def restamp() -> int:
    """Give committed tables the hash of the code as it is now, if every case gives the numbers that were kept."""
    changed = [name for case in CASES for name in moved(case)]
    if changed:
        print("not stamped, these moved:", *changed, sep="\n")
        return 1
    for path in sorted((ROOT / "docs" / "tables").glob("*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        prefix = next((prefix for prefix in code_hashes() if path.stem.startswith(prefix)), None)
        if "code" in table and prefix is not None:
            table["code"] = code_hashes()[prefix]()
            table.to_csv(path, index=False, lineterminator="\n")
    return 0


def main() -> int:
    """Keep the cases that are named, all unless some are."""
    if "--restamp" in sys.argv:
        return restamp()
    for case in sys.argv[1:] or CASES:
        keep(case)
        print(case, flush=True)
    MADE_BY.write_text(json.dumps(made_by(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
