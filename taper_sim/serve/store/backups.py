"""A database copied, brought back, checked and exported, also while it is served. Imports ``database``, ``data``."""

import hashlib
import os
import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from taper_sim.data.patient_files import CONSENT_FILE, DECISION_FILE
from taper_sim.data.problems import InputError, Problem, problem
from taper_sim.recommend.decision_log import log_of
from taper_sim.run_folder import check_file_writable, check_writable
from taper_sim.run_folder.atomic_files import PARTIAL, PRIVATE, Unwritten, sync_folder, write_atomically
from taper_sim.serve.store.audit_chain import Chain, read_chain
from taper_sim.serve.store.consent_records import as_file, read_rows
from taper_sim.serve.store.database import DATABASE_FILE, open_file, version_of


@dataclass(frozen=True)
class Contents:
    """What a database holds: its version, the number of patients, the state of the audit."""

    version: int
    n_patients: int
    chain: Chain

    def in_words(self) -> str:
        """One line; the hash of the last entry, noted elsewhere, reveals entries removed from the end."""
        kept = f"version {self.version}, {self.n_patients} patients, {self.chain.n_entries} entries in the audit"
        return f"{kept}, the last {self.chain.last_hash[:16] or 'none'}"


def back_up(data: Path, to: Path) -> Contents:
    """Copy the database of a folder to a new file, also while it is served.

    Raises
    ------
    InputError
        If the file exists or cannot be written, or if the copy has a problem of :func:`check_file`.
    """
    check_file_writable(to)
    if to.exists():
        raise problem(str(to), "", "a file that exists", "the name of a new file")
    return _copy(data / DATABASE_FILE, to)


def restore(backup: Path, data: Path) -> Contents:
    """Bring a backup into a folder that has no database.

    Raises
    ------
    InputError
        If the folder has a database, or if the backup has a problem of :func:`check_file`; nothing is written then.
    """
    check_writable(data)
    target = data / DATABASE_FILE
    if target.exists():
        raise problem(str(target), "", "a database that exists", "a folder without one: move it away first")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _copy(backup, target)


def _copy(source: Path, to: Path) -> Contents:
    """Copy a database to a temporary file, check the copy, flush it to the disk, and give it its name."""
    partial = to.with_name(f".{to.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with closing(open_file(source)) as original:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
            with closing(sqlite3.connect(partial)) as copy:
                original.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
        contents = check_file(partial)
        descriptor = os.open(partial, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        partial.rename(to)
        sync_folder(to.parent)
    except InputError as error:
        raise InputError(
            Problem(str(source) if p.file == str(partial) else p.file, p.place, p.given, p.allowed)
            for p in error.problems
        ) from None
    except sqlite3.Error as error:
        raise problem(str(to), "", str(error), "a place that can be written, with room for the file") from None
    except OSError as error:
        raise Unwritten(to, error) from None
    finally:
        partial.unlink(missing_ok=True)
    return contents


def check_file(path: Path) -> Contents:
    """Read a whole database: its pages, the audit, the decision logs, the hash of every file.

    Raises
    ------
    InputError
        With a line for each problem: damaged pages, the first broken entry of the audit, each broken decision log and
        each file whose content is not what was written.
    """
    wrong: list[Problem] = []
    with closing(open_file(path)) as connection:
        try:
            version = version_of(connection)
            pages = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
            wrong += [Problem(str(path), "pages", line, "a database without damage") for line in pages if line != "ok"]
            if version == 0:
                raise problem(str(path), "", "an empty database", "one that `taper-sim serve --data` wrote")
            chain = read_chain(connection)
            if chain.broken_at is not None:
                given = "an entry that does not follow the one before it: one was changed, removed or added"
                wrong.append(Problem(str(path), f"audit, entry {chain.broken_at}", given, "the entries as written"))
            patients = connection.execute("SELECT number, key FROM patients ORDER BY number").fetchall()
            for number, key in patients:
                wrong += _problems_of(connection, path, number, key)
        except sqlite3.Error as error:
            wrong.append(Problem(str(path), "", str(error), "a database without damage"))
    if wrong:
        raise InputError(wrong)
    return Contents(version, len(patients), chain)


def _problems_of(connection: sqlite3.Connection, path: Path, number: int, key: str) -> list[Problem]:
    """Problems of one patient's decision log and files."""
    wrong = []
    rows = connection.execute("SELECT line FROM decisions WHERE patient = ? ORDER BY number", (number,))
    log = log_of("\n".join(line for (line,) in rows).encode(), str(path))
    wrong += [Problem(p.file, f"patient {key}, decision log, {p.place}", p.given, p.allowed) for p in log.problems]
    for name, content, kept in connection.execute(
        "SELECT name, content, sha256 FROM files WHERE patient = ? ORDER BY name", (number,)
    ):
        if hashlib.sha256(content).hexdigest() != kept:
            place = f"patient {key}, {name}"
            wrong.append(Problem(str(path), place, "content that was changed", "the content as it was written"))
    return wrong


def export(data: Path, out: Path) -> int:
    """Write each patient's files, decision log and consents into a folder of its own; returns the number of patients.

    Raises
    ------
    InputError
        If ``out`` exists and is not empty, or cannot be written.
    """
    check_writable(out)
    if out.exists() and any(out.iterdir()):
        raise problem(str(out), "", "a folder with files", "a new or empty folder")
    with closing(open_file(data / DATABASE_FILE)) as connection:
        patients = connection.execute("SELECT number, owner, name FROM patients ORDER BY number").fetchall()
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
        has_consents = ("consents",) in tables  # a file of an older version keeps them in papers.json
        for number, owner, name in patients:
            folder = out / owner / name
            folder.mkdir(mode=0o700, parents=True)
            files = connection.execute("SELECT name, content FROM files WHERE patient = ?", (number,)).fetchall()
            rows = connection.execute("SELECT line FROM decisions WHERE patient = ? ORDER BY number", (number,))
            log = "".join(f"{line}\n" for (line,) in rows).encode()
            consents = read_rows(connection, number) if has_consents else []
            files += [(DECISION_FILE, log)] if log else []
            files += [(CONSENT_FILE, as_file(consents).encode())] if consents else []
            for file, content in files:
                _write(folder / file, content)
    return len(patients)


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda handle: handle.write(content), private=True)
