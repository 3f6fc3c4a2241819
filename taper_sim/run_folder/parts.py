"""Finished parts of a run, each with a record. Imports ``run_folder.atomic_files``.

``NAME.json`` is the record of the part ``NAME``: its name, the plan's hash, the number of rows, the content's hash. A
part that is unreadable, truncated, changed, or of another plan or place counts as unfinished and is computed again.
"""

import hashlib
import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taper_sim.data.problems import InputError, escaped, problem
from taper_sim.run_folder.atomic_files import read_record, write_atomically, write_json

Warn = Callable[[str], None]
"""Receives one line of warning."""
_RECORD: Final = {"part": str, "plan": str, "rows": int, "sha256": str}


def warn_on_stderr(line: str) -> None:
    """Print a line on standard error."""
    print(escaped(line), file=sys.stderr, flush=True)


class Parts:
    """Finished parts of a run.

    Parameters
    ----------
    folder : Path
        Folder of the parts; made with the first part. Its parent must exist.
    plan : str
        Hash of the run's plan.
    warn : callable
        Receives a line for each part that must be computed again.
    """

    def __init__(self, folder: Path, plan: str, warn: Warn = warn_on_stderr):
        self.folder, self.plan, self._warn = folder, plan, warn

    def content(self, name: str, rows: int | None = None) -> bytes | None:
        """Content of a part, None if it is unfinished; ``rows`` is the number of rows that it must have."""
        path, beside = self.folder / name, self._record_of(name)
        if not path.exists() and not beside.exists():
            return None
        try:
            record, content = read_record(beside, _RECORD, "the record of a part"), path.read_bytes()
        except (InputError, OSError):
            self._warn_damaged(name, "an unreadable part")
            return None
        fault = self._fault(name, record, content, rows)
        if fault:
            self._warn_damaged(name, fault)
        return None if fault else content

    def _fault(self, name: str, record: Mapping[str, Any], content: bytes, rows: int | None) -> str:
        """Difference between a part and its record; empty if there is none."""
        if record["plan"] != self.plan:
            return "a part of another plan"
        if record["part"] != name:
            return f"the part {record['part']}"
        if hashlib.sha256(content).hexdigest() != record["sha256"]:
            return f"{len(content):,} bytes that differ from those that were written"
        if rows is not None and record["rows"] != rows:
            return f"{record['rows']:,} rows instead of {rows:,}"
        return ""

    def is_finished(self, name: str, rows: int | None = None) -> bool:
        """Whether a part exists and is intact."""
        return self.content(name, rows) is not None

    def keep(self, name: str, content: bytes, rows: int) -> None:
        """Write a part, then its record, which marks it as finished."""
        if not self.folder.parent.is_dir():
            raise problem(
                str(self.folder.parent), "", "a folder that was removed", "a folder that exists during the whole run"
            )
        write_atomically(self.folder / name, lambda handle: handle.write(content), private=True)
        digest = hashlib.sha256(content).hexdigest()
        record = {"part": name, "plan": self.plan, "rows": rows, "sha256": digest}
        write_json(record, self._record_of(name), private=True)

    def table(self, name: str, rows: int | None = None) -> pa.Table | None:
        """A part that is a table, None if it is unfinished."""
        content = self.content(name, rows)
        return None if content is None else pq.read_table(pa.BufferReader(content))

    def keep_table(self, name: str, table: pa.Table) -> None:
        """Write a part that is a table."""
        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd")
        self.keep(name, out.getvalue(), len(table))

    def arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """A part of several arrays, None if it is unfinished."""
        content = self.content(name)
        if content is None:
            return None
        with np.load(io.BytesIO(content)) as kept:
            return dict(kept)

    def keep_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a part of several arrays."""
        out = io.BytesIO()
        named: dict[str, Any] = dict(arrays)
        np.savez(out, **named)
        self.keep(name, out.getvalue(), len(arrays))

    def needed[Kept](self, name: str, kept: Kept | None) -> Kept:
        """Content of a part that this run has finished; raises InputError if it was removed or damaged since."""
        if kept is None:
            raise problem(str(self.folder / name), "", "a part that was lost during the run", "to resume the run")
        return kept

    def _record_of(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _warn_damaged(self, name: str, given: str) -> None:
        self._warn(f"{self.folder / name}: given {given}: this part is computed again")
