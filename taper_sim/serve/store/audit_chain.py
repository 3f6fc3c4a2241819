"""The audit: who did what to which patient, each entry chained to the one before by its hash. Imports nothing.

A changed, removed or inserted entry breaks the chain. Entries removed from the end leave a whole chain; the number and
the hash of the last entry, noted elsewhere, reveal that too.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


@dataclass(frozen=True)
class Actor:
    """Who acts: the name of an account, and its role."""

    name: str
    role: str


THIS_MACHINE: Final = Actor("", "this machine")
"""Who acts where no accounts exist."""
NOBODY: Final = Actor("", "nobody")
"""Who acts in a request without a session."""
ACTING: Final[ContextVar[Actor]] = ContextVar("acting", default=THIS_MACHINE)
"""Who acts in the request at hand; the guard of the pages sets it."""


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Act as an actor."""
    token = ACTING.set(actor)
    try:
        yield
    finally:
        ACTING.reset(token)


@dataclass(frozen=True)
class Deed:
    """What was done, to which patient (their key, empty for none), and a detail without patients' data."""

    what: str
    patient: str = ""
    detail: str = ""


def now_utc() -> str:
    """The moment in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def add_entry(connection: sqlite3.Connection, deed: Deed) -> None:
    """Add an entry for the actor of the request; the caller holds a transaction."""
    last = connection.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    number, previous = (1, "") if last is None else (last[0] + 1, last[1])
    actor = ACTING.get()
    fields = (number, now_utc(), actor.name, actor.role, deed.what, deed.patient, deed.detail, previous)
    connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*fields, _hash_of(fields)))


def _hash_of(fields: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


@dataclass(frozen=True)
class Chain:
    """State of the audit: number of entries, hash of the last, number of the first broken entry; None if all hold."""

    n_entries: int
    last_hash: str
    broken_at: int | None


def read_chain(connection: sqlite3.Connection) -> Chain:
    """Compute every hash again, up to the first entry that does not follow the one before it."""
    previous, n_entries = "", 0
    for *fields, kept in connection.execute("SELECT * FROM audit ORDER BY number"):
        if fields[0] != n_entries + 1 or fields[-1] != previous or kept != _hash_of(tuple(fields)):
            return Chain(n_entries, previous, n_entries + 1)
        previous, n_entries = kept, n_entries + 1
    return Chain(n_entries, previous, None)
