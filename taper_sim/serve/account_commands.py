"""What ``taper-sim accounts`` does, as lines to show. Imports ``accounts``, ``store``."""

import sys
from getpass import getpass
from pathlib import Path

from taper_sim.data.problems import problem
from taper_sim.run_folder import check_writable
from taper_sim.serve.accounts import PROGRAM, accounts_of, add_account, add_program, disable_account
from taper_sim.serve.store.audit_chain import now_utc
from taper_sim.serve.store.database import DATABASE_FILE, StoreDatabase


def account_lines(what: str, folder: Path, name: str | None, role: str | None) -> list[str]:
    """Add, list or disable accounts of a folder; raises InputError with every problem."""
    database = _opened(folder, may_create=what == "add")
    try:
        if what == "add" and name is not None and role == PROGRAM:
            return [f"{name} may call the doors with this token, which is shown once:", add_program(database, name)]
        if what == "add" and name is not None and role is not None:
            add_account(database, name, role, _password())
            return [f"{name} may sign in as {role}"]
        if what == "disable" and name is not None:
            disable_account(database, name)
            return [f"{name} may no longer sign in"]
        rows = accounts_of(database)
        now = now_utc()
        states = ["disabled" if a.is_disabled else "locked" if a.locked_until > now else "active" for a in rows]
        return [f"{a.name}  {a.role}  {state}" for a, state in zip(rows, states, strict=True)] or ["no accounts"]
    finally:
        database.close()


def _opened(folder: Path, *, may_create: bool) -> StoreDatabase:
    path = folder / DATABASE_FILE
    if not path.exists() and not may_create:
        raise problem(str(folder), "", f"no {DATABASE_FILE}", "a folder of `taper-sim serve --data`")
    check_writable(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return StoreDatabase(path)


def _password() -> str:
    """A password, asked for twice at a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass("password: ")
    if getpass("again: ") != password:
        raise problem("accounts", "password", "two that differ", "the same twice")
    return password
