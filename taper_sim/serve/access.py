"""Who may do what: the table ``access.csv``, and sessions that end. Imports ``accounts``, ``caregiver_consent``.

A row has a method, an address and what it does, and for each role ``yes``, ``no``, or the part that a patient must have
allowed a caregiver to see (``any``: whichever). An address without a row is refused to everybody.
"""

import csv
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from taper_sim.serve.accounts import ACCOUNT_ROLES, actor_of
from taper_sim.serve.caregiver_consent import may_see
from taper_sim.serve.store.audit_chain import Actor
from taper_sim.serve.store.database import StoreDatabase

IDLE_S: Final = 15 * 60.0
"""Seconds without a request after which a session ends (assumption A136)."""
LONGEST_S: Final = 12 * 3600.0
"""Seconds after which every session ends (assumption A136)."""
REQUESTS_A_MINUTE: Final = 600
"""Requests of one address that are answered (assumption A137)."""
SIGN_INS_A_MINUTE: Final = 10
"""Sign-ins that one address may try (assumption A137)."""
_MINUTE_S: Final = 60.0


@dataclass(frozen=True)
class AccessRule:
    """A row of the table; ``allowed`` has an entry for each role."""

    method: str
    address: str
    what: str
    allowed: dict[str, str]

    def key_in(self, path: str) -> str | None:
        """The patient's key in a path of this address, empty if it has none; None if the path is another address."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.address))
        match = re.fullmatch(pattern, path)
        return None if match is None else match.groupdict().get("key") or ""


@cache
def access_rules() -> tuple[AccessRule, ...]:
    """The rows of ``access.csv``."""
    text = (files("taper_sim.serve") / "access.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(
        AccessRule(r["method"], r["address"], r["what"], {role: r[role] for role in ACCOUNT_ROLES}) for r in rows
    )


@dataclass(frozen=True)
class Asked:
    """A request as the table sees it: what it does, to which patient; and whether the actor may."""

    what: str
    key: str
    is_allowed: bool


def asked(database: StoreDatabase, actor: Actor, method: str, path: str) -> Asked:
    """Look a request up in the table; the first row that fits holds."""
    for rule in access_rules():
        key = rule.key_in(path)
        if key is None or rule.method != ("GET" if method == "HEAD" else method):
            continue
        word = rule.allowed.get(actor.role, "no")
        is_allowed = word == "yes" or (word != "no" and may_see(database, actor, key, word))
        return Asked(rule.what, key, is_allowed)
    return Asked("", "", False)


def can_do(actor: Actor, has_accounts: bool) -> frozenset[str]:
    """What an actor may do, in the words of the table; everything where no accounts exist."""
    return frozenset(r.what for r in access_rules() if not has_accounts or r.allowed.get(actor.role, "no") != "no")


@dataclass
class _Session:
    account: str
    began: float
    used: float


class Sessions:
    """Who is signed in, in the memory of one process: a restart ends every session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_visitor: dict[str, _Session] = {}

    def begin(self, visitor: str, account: str) -> None:
        """Begin a session for a new visitor, and forget those that have ended."""
        now = self._clock()
        self._by_visitor = {v: s for v, s in self._by_visitor.items() if _is_open(s, now)}
        self._by_visitor[visitor] = _Session(account, now, now)

    def end(self, visitor: str | None) -> None:
        """End the session of a visitor."""
        self._by_visitor.pop(visitor or "", None)

    def actor(self, database: StoreDatabase, visitor: str | None, *, is_use: bool = True) -> Actor | None:
        """Who a visitor is, if their session is open and their account not disabled; a use makes it last longer."""
        session = self._by_visitor.get(visitor or "")
        now = self._clock()
        if session is None or not _is_open(session, now):
            self.end(visitor)
            return None
        if is_use:
            session.used = now
        return actor_of(database, session.account)


def _is_open(session: _Session, now: float) -> bool:
    return now - session.used <= IDLE_S and now - session.began <= LONGEST_S


class RateLimit:
    """Counts the requests of each address in the last minute."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = a_minute, clock
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)

    def is_over(self, address: str) -> bool:
        """Count a request; whether there were too many."""
        now = self._clock()
        for other in [a for a, times in self._times.items() if times[-1] < now - _MINUTE_S]:
            del self._times[other]
        times = self._times[address]
        while times and times[0] < now - _MINUTE_S:
            times.popleft()
        if len(times) >= self._most:
            return True
        times.append(now)
        return False
