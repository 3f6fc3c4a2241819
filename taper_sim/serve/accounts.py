"""Accounts: names, roles and password hashes; sign-in with a lock after failures. Imports ``store``, ``data``.

Passwords are hashed by Argon2id with the parameters that its library holds to be right. An unknown name costs as much
time as a wrong password, and both get the same answer; only a locked account says that it is locked.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.serve.store.audit_chain import NOBODY, Actor, Deed, acting, now_utc
from taper_sim.serve.store.database import StoreDatabase

PROGRAM: Final = "program"
"""Role of another program, such as an EHR: it has a token instead of a password, and the doors alone."""
ACCOUNT_ROLES: Final = ("clinician", "pharmacist", "read-only", "caregiver", PROGRAM)
SHORTEST_PASSWORD: Final = 15
"""Letters of a password that is the only factor: NIST SP 800-63B-4, section 3.1.1.2."""
_LONGEST_PASSWORD: Final = 256
_LONGEST_NAME: Final = 60
FAILURES_TO_LOCK: Final = 5
"""Failed attempts in a row that lock an account (assumption A135)."""
LOCKED: Final = timedelta(minutes=15)
"""How long an account stays locked (assumption A135)."""
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Account:
    """An account without its password."""

    name: str
    role: str
    is_disabled: bool
    locked_until: str


class SignInError(InputError):
    """A sign-in that is refused, in a sentence that does not tell whether the name exists."""

    def __init__(self, words: str) -> None:
        super().__init__([])
        self.words = words


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _hash_of_nobody() -> str:
    return _hasher().hash("the password of an account that does not exist")


def add_account(database: StoreDatabase, name: str, role: str, password: str) -> None:
    """Add an account.

    Raises
    ------
    InputError
        With a problem for the name, the role and the password, or if the name exists.
    """
    wrong = _problems_of_name(name)
    if role == PROGRAM or role not in ACCOUNT_ROLES:
        wrong += problem(
            "accounts", "--role", f"{shown(role)}{nearest(role, ACCOUNT_ROLES)}", ", ".join(ACCOUNT_ROLES)
        ).problems
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        allowed = f"{SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} letters; a few words are best"
        wrong += problem("accounts", "password", f"{len(password)} letters", allowed).problems
    if wrong:
        raise InputError(wrong)
    _insert(database, name, role, _hasher().hash(password))


def add_program(database: StoreDatabase, name: str) -> str:
    """Add an account of a program and return its token, of which only a hash is kept.

    Raises
    ------
    InputError
        For a name that cannot be used, or that exists.
    """
    wrong = _problems_of_name(name)
    if wrong:
        raise InputError(wrong)
    token = secrets.token_urlsafe(32)
    _insert(database, name, PROGRAM, "", _hash_of(token))
    return token


def actor_of_token(database: StoreDatabase, token: str) -> Actor | None:
    """The program that a token belongs to, if its account is not disabled."""
    query = "SELECT account FROM tokens WHERE hash = ?"
    rows = database.rows(query, _hash_of(token))
    return actor_of(database, rows[0][0]) if rows else None


def _hash_of(token: str) -> str:
    """A token is random and long: a plain hash tells nothing of it."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _problems_of_name(name: str) -> list[Problem]:
    if 0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip():
        return []
    allowed = f"1 to {_LONGEST_NAME} letters without blanks around them"
    return [Problem("accounts", "name", shown(name) or "nothing", allowed)]


def _insert(database: StoreDatabase, name: str, role: str, hashed: str, token_hash: str = "") -> None:
    """Add an account, and its token if it has one; raises InputError if the name exists."""
    with database.action(Deed("account added", "", f"{name}, {role}")) as connection:
        if connection.execute("SELECT 1 FROM accounts WHERE name = ?", (name,)).fetchone():
            raise problem("accounts", "name", f"{shown(name)}, which exists", "another name")
        connection.execute("INSERT INTO accounts (name, role, password_hash) VALUES (?, ?, ?)", (name, role, hashed))
        if token_hash:
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?)", (token_hash, name, now_utc()))


def accounts_of(database: StoreDatabase) -> list[Account]:
    """All accounts by name."""
    rows = database.rows("SELECT name, role, is_disabled, locked_until FROM accounts ORDER BY name")
    return [Account(name, role, bool(is_disabled), locked) for name, role, is_disabled, locked in rows]


def disable_account(database: StoreDatabase, name: str) -> None:
    """Disable an account; its sessions end with their next request. Raises InputError if there is no such name."""
    with database.action(Deed("account disabled", "", name)) as connection:
        if connection.execute("UPDATE accounts SET is_disabled = 1 WHERE name = ?", (name,)).rowcount == 0:
            known = [account.name for account in accounts_of(database)]
            raise problem("accounts", "name", f"{shown(name)}{nearest(name, known)}", "the name of an account")


def has_accounts(database: StoreDatabase) -> bool:
    """Whether somebody must sign in."""
    return bool(database.rows("SELECT EXISTS (SELECT 1 FROM accounts)")[0][0])


def actor_of(database: StoreDatabase, name: str) -> Actor | None:
    """The actor of an account that is not disabled."""
    rows = database.rows("SELECT name, role FROM accounts WHERE name = ? AND is_disabled = 0", name)
    return Actor(*rows[0]) if rows else None


def sign_in(
    database: StoreDatabase, name: str, password: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Actor:
    """The actor of a name and its password.

    Raises
    ------
    SignInError
        If they do not fit, or if the account is disabled or locked; the attempt is counted and audited.
    """
    query = "SELECT role, password_hash, is_disabled, n_failed, locked_until FROM accounts WHERE name = ?"
    rows = database.rows(query, name)
    role, hashed, is_disabled, n_failed, locked_until = rows[0] if rows else ("", _hash_of_nobody(), 0, 0, "")
    fits = _fits(hashed, password) and bool(rows) and not is_disabled
    moment = now()
    if locked_until > moment.strftime(_TIME):
        raise SignInError("Too many failed attempts. Try again later, or ask who keeps the accounts.")
    if fits:
        actor = Actor(name, role)
        with acting(actor), database.action(Deed("signed in")) as connection:
            connection.execute("UPDATE accounts SET n_failed = 0, locked_until = '' WHERE name = ?", (name,))
        return actor
    is_locked = bool(rows) and n_failed + 1 >= FAILURES_TO_LOCK
    until = (moment + LOCKED).strftime(_TIME) if is_locked else ""
    what = "account locked" if is_locked else "sign-in refused"
    with acting(NOBODY), database.action(Deed(what, "", name if rows else "unknown name")) as connection:
        count = "CASE WHEN ? THEN 0 ELSE n_failed + 1 END"
        connection.execute(
            f"UPDATE accounts SET n_failed = {count}, locked_until = ? WHERE name = ?",  # noqa: S608  no input in it
            (is_locked, until, name),
        )
    raise SignInError("The name and the password do not fit.")


def _fits(hashed: str, password: str) -> bool:
    try:
        return _hasher().verify(hashed, password[:_LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
