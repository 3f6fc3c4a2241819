"""Output folders of runs: atomic files, parts, lock, plan, manifest, checks. Imports ``data``.

Life cycle of a run: :func:`open_run` takes the lock and writes ``plan.json``. :class:`Parts` keeps finished pieces. The
driver writes its outputs. :meth:`RunFolder.finish` writes ``manifest.json``, draws the report and removes the parts.
docs/how-to/run-folder.md describes each file.
"""

from taper_sim.run_folder.atomic_files import (
    Unwritten,
    check_file_writable,
    check_writable,
    read_record,
    sha256_of,
    write_atomically,
    write_json,
    write_text,
)
from taper_sim.run_folder.checking import differing
from taper_sim.run_folder.csv_cells import read_table, without_guards, write_csv
from taper_sim.run_folder.finished_rows import completed_rows
from taper_sim.run_folder.folder import (
    MANIFEST_FILE,
    PLAN_FILE,
    PlanRecord,
    RunFolder,
    list_report,
    list_saved,
    open_run,
    plan_of,
)
from taper_sim.run_folder.lock import locked
from taper_sim.run_folder.parts import Parts, Warn, warn_on_stderr

__all__ = [
    "MANIFEST_FILE",
    "PLAN_FILE",
    "Parts",
    "PlanRecord",
    "RunFolder",
    "Unwritten",
    "Warn",
    "check_file_writable",
    "check_writable",
    "completed_rows",
    "differing",
    "list_report",
    "list_saved",
    "locked",
    "open_run",
    "plan_of",
    "read_record",
    "read_table",
    "sha256_of",
    "warn_on_stderr",
    "without_guards",
    "write_atomically",
    "write_csv",
    "write_json",
    "write_text",
]
