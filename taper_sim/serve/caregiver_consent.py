"""What a patient allows a caregiver to see, as a revocable record. Imports ``store``, ``accounts``.

A consent names the patient, the caregiver's account and one part. It ends when it is revoked; nothing is removed.
"""

from dataclasses import dataclass
from typing import Final

from taper_sim.data.problems import problem, shown
from taper_sim.serve.accounts import accounts_of
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.store.audit_chain import ACTING, Actor, Deed, now_utc
from taper_sim.serve.store.database import StoreDatabase

CAREGIVER: Final = "caregiver"
SHARED_PARTS: Final = {"plan": "the plan that was agreed", "calendar": "the calendar of doses"}
"""What a caregiver may be allowed to see, with its words."""


@dataclass(frozen=True)
class Consent:
    """A consent in force."""

    account: str
    part: str
    given_at: str
    recorded_by: str


def caregivers(database: StoreDatabase) -> list[str]:
    """Names of the accounts of caregivers that are not disabled."""
    return [a.name for a in accounts_of(database) if a.role == CAREGIVER and not a.is_disabled]


def consents_of(folder: PatientFolder) -> list[Consent]:
    """Consents of a patient that are in force."""
    query = (
        "SELECT account, what, given_at, recorded_by FROM caregiver_consent "
        "WHERE patient = ? AND revoked_at IS NULL ORDER BY account, what"
    )
    return [Consent(*row) for row in folder.database.rows(query, folder.number)]


def give_consent(folder: PatientFolder, account: str, part: str) -> None:
    """Record that the patient allows a caregiver to see a part.

    Raises
    ------
    InputError
        If there is no such account of a caregiver, or no such part.
    """
    known = caregivers(folder.database)
    if account not in known:
        raise problem("consent", "account", shown(account) or "nothing", ", ".join(known) or "no caregiver yet")
    if part not in SHARED_PARTS:
        raise problem("consent", "what", shown(part) or "nothing", ", ".join(SHARED_PARTS))
    with folder.database.action(Deed("consent given", folder.key, f"{account}, {part}")) as connection:
        connection.execute(
            "INSERT INTO caregiver_consent (patient, account, what, given_at, recorded_by) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (folder.number, account, part, now_utc(), ACTING.get().name),
        )


def revoke_consent(folder: PatientFolder, account: str, part: str) -> None:
    """End a consent at once; without one nothing changes."""
    with folder.database.action(Deed("consent revoked", folder.key, f"{account}, {part}")) as connection:
        connection.execute(
            "UPDATE caregiver_consent SET revoked_at = ? "
            "WHERE patient = ? AND account = ? AND what = ? AND revoked_at IS NULL",
            (now_utc(), folder.number, account, part),
        )


def may_see(database: StoreDatabase, actor: Actor, key: str, part: str) -> bool:
    """Whether an actor may see a part of a patient: a caregiver by consent, every other role without."""
    return actor.role != CAREGIVER or part in parts_shared(database, actor.name).get(key, ())


def parts_shared(database: StoreDatabase, account: str) -> dict[str, list[str]]:
    """Parts that a caregiver may see, by the key of the patient."""
    query = (
        "SELECT key, what FROM caregiver_consent JOIN patients ON patients.number = caregiver_consent.patient "
        "WHERE account = ? AND revoked_at IS NULL ORDER BY key, what"
    )
    shared: dict[str, list[str]] = {}
    for key, part in database.rows(query, account):
        shared.setdefault(key, []).append(part)
    return shared
