"""One database file: opened, migrated, and written one action at a time. Imports ``audit_chain``, ``data``.

An action is one transaction with its entry of the audit: it happens as a whole or not at all. A commit is on the disk
before it is acknowledged (write-ahead log, ``synchronous=FULL``).
"""

import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from taper_sim.data.problems import InputError, problem
from taper_sim.run_folder.atomic_files import PRIVATE
from taper_sim.serve.store.audit_chain import Deed, add_entry

DATABASE_FILE: Final = "taper_sim.sqlite"
_APPLICATION_ID: Final = 0x74617072
"""Marks the file as this program's: ``tapr`` in ASCII."""
_ALLOWED: Final = "a database that `taper-sim serve --data` wrote"
_WAIT_S: Final = 10.0
"""Longest wait for a backup or another process that holds the file. A design choice."""


def migrations() -> list[str]:
    """The migrations in order: the first makes version 1 of an empty file."""
    folder = files("taper_sim.serve.store") / "migrations"
    return [entry.read_text(encoding="utf-8") for entry in sorted(folder.iterdir(), key=lambda e: e.name)]


def open_file(path: Path) -> sqlite3.Connection:
    """Open an existing file without a change to it.

    Raises
    ------
    InputError
        If the file is missing, is no database of this program, is damaged, or is of a newer version.
    """
    if not path.is_file():
        raise problem(str(path), "", "no file", _ALLOWED)
    connection = None
    try:
        connection = sqlite3.connect(path, _WAIT_S, isolation_level=None, check_same_thread=False)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if application != _APPLICATION_ID and not is_empty:
            raise problem(str(path), "", "a database of another program", _ALLOWED)
        version, known = version_of(connection), len(migrations())
        if version > known:
            allowed = f"version {known} or older: a newer taper_sim reads it"
            raise problem(str(path), "", f"a database of version {version}", allowed)
    except (sqlite3.Error, InputError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, InputError):
            raise
        raise problem(str(path), "", str(error), _ALLOWED) from None
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """Number of the last migration of a file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


class StoreDatabase:
    """An open database of the newest version; threads share it, one after the other.

    Raises
    ------
    InputError
        If the file cannot be written or migrated, and for the problems of :func:`open_file`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE))
        except OSError as error:
            raise problem(str(path), "", str(error.strerror).lower(), "a file that can be written") from None
        self._connection = open_file(path)
        try:
            self._migrate()
        except sqlite3.Error as error:
            self._connection.close()
            raise problem(str(path), "", str(error), _ALLOWED) from None

    def _migrate(self) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        self._connection.create_function("sha256", 1, lambda content: hashlib.sha256(content).hexdigest())
        for number, script in enumerate(migrations(), start=1):
            if number <= version_of(self._connection):
                continue
            marks = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {number};"
            try:
                self._connection.executescript(f"BEGIN IMMEDIATE; {script} {marks} COMMIT;")
            except sqlite3.Error:
                if self._connection.in_transaction:
                    self._connection.rollback()
                raise

    @contextmanager
    def action(self, deed: Deed) -> Iterator[sqlite3.Connection]:
        """One action with its entry of the audit; an action inside another is part of it.

        Raises
        ------
        InputError
            If the disk is full or the file cannot be written; nothing of the action is kept then.
        """
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                add_entry(self._connection, deed)
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            except BaseException as error:
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.rollback()
                if isinstance(error, sqlite3.OperationalError):
                    raise problem(self.path.name, "", str(error), "a file that can be written, with room") from None
                raise
            finally:
                self._depth -= 1

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time."""
        with self._lock:
            yield self._connection

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
