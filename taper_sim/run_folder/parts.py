"""Finished parts of a run, each with a record that says whose it is. Imports ``run_folder.files``.

Beside each part lies ``NAME.json``: the part's name, the plan's hash, the number of rows, the content's hash. A part
that is unreadable, cut short, changed, or of another plan or place counts as unfinished: it is made again.
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
from taper_sim.run_folder.files import read_record, write_atomically, write_json

Warn = Callable[[str], None]
"""Told in one line of what a reader of the run should know."""
_RECORD: Final = {"part": str, "plan": str, "rows": int, "sha256": str}


def warn_on_stderr(line: str) -> None:
    """Print a line on standard error."""
    print(escaped(line), file=sys.stderr, flush=True)


class Parts:
    """Finished parts of a run.

    Parameters
    ----------
    folder : Path
        Where they lie; made with the first of them. Its parent must exist.
    plan : str
        Hash of the plan that they belong to.
    warn : callable
        Told of each part that must be made again.
    """

    def __init__(self, folder: Path, plan: str, warn: Warn = warn_on_stderr):
        self.folder, self.plan, self._warn = folder, plan, warn

    def content(self, name: str, rows: int | None = None) -> bytes | None:
        """A part's content, None where it is not finished; ``rows`` is how many it must have."""
        path, beside = self.folder / name, self._record_of(name)
        if not path.exists() and not beside.exists():
            return None
        try:
            record, content = read_record(beside, _RECORD, "the record of a part"), path.read_bytes()
        except (InputError, OSError):
            self._say_again(name, "not whole")
            return None
        wrong = self._wrong(name, record, content, rows)
        if wrong:
            self._say_again(name, wrong)
        return None if wrong else content

    def _wrong(self, name: str, record: Mapping[str, Any], content: bytes, rows: int | None) -> str:
        """What a part is that is not the one that was finished; empty where it is."""
        if record["plan"] != self.plan:
            return "of another plan"
        if record["part"] != name:
            return f"the part {record['part']}"
        if hashlib.sha256(content).hexdigest() != record["sha256"]:
            return f"{len(content):,} bytes that are not those that were written"
        if rows is not None and record["rows"] != rows:
            return f"{record['rows']:,} rows instead of {rows:,}"
        return ""

    def is_finished(self, name: str, rows: int | None = None) -> bool:
        """Whether a part is there and whole."""
        return self.content(name, rows) is not None

    def keep(self, name: str, content: bytes, rows: int) -> None:
        """Write a part, then its record: with the record it is finished."""
        if not self.folder.parent.is_dir():
            raise problem(str(self.folder.parent), "", "no such folder any more", "a folder that stays during the run")
        write_atomically(self.folder / name, lambda handle: handle.write(content), private=True)
        digest = hashlib.sha256(content).hexdigest()
        record = {"part": name, "plan": self.plan, "rows": rows, "sha256": digest}
        write_json(record, self._record_of(name), private=True)

    def table(self, name: str, rows: int | None = None) -> pa.Table | None:
        """A part that is a table, None where it is not finished."""
        content = self.content(name, rows)
        return None if content is None else pq.read_table(pa.BufferReader(content))

    def keep_table(self, name: str, table: pa.Table) -> None:
        """Write a part that is a table."""
        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd")
        self.keep(name, out.getvalue(), len(table))

    def arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """A part of several arrays, None where it is not finished."""
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
        """What was read of a part that was finished a moment ago; raises InputError where it is gone or damaged."""
        if kept is None:
            raise problem(str(self.folder / name), "", "a part that was lost during the run", "to resume the run")
        return kept

    def _record_of(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _say_again(self, name: str, given: str) -> None:
        self._warn(f"{self.folder / name}: given {given}: this part is made again")
