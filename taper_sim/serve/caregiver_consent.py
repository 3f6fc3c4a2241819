"""Give and revoke what a patient allows a caregiver to see. Imports ``patient_store``, ``accounts``, ``entry_form``.

One record holds for sign-in and paper. A patient has one consent in force for each caregiver: a new one ends the one
before. A caregiver with an account sees the parts when they sign in; one without an account has the printed view.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from taper_sim.data.problems import shown
from taper_sim.serve.accounts import accounts_of
from taper_sim.serve.entry_form import FormError
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.store.audit_chain import ACTING, Actor, Deed, now_utc
from taper_sim.serve.store.consent_records import CONSENT_PARTS, Consent, add_row, read_rows
from taper_sim.serve.store.database import StoreDatabase

CAREGIVER: Final = "caregiver"
ANY_PART: Final = "any"
"""Word of the table of access: a part of whatever kind."""
_LONGEST_NAME: Final = 120
"""Letters of a caregiver's name. A design choice."""


def caregivers(database: StoreDatabase) -> list[str]:
    """Names of the accounts of caregivers that are not disabled."""
    return [a.name for a in accounts_of(database) if a.role == CAREGIVER and not a.is_disabled]


def consents_of(folder: PatientFolder) -> list[Consent]:
    """Consents of a patient in the order in which they were given, also those that were revoked."""
    with folder.database.reading() as connection:
        return read_rows(connection, folder.number)


def in_force(consents: Iterable[Consent]) -> list[Consent]:
    """Consents that are not revoked, the newest first."""
    return [c for c in reversed(list(consents)) if not c.revoked_at]


def give_consent(folder: PatientFolder, caregiver: str, account: str, parts: Sequence[str]) -> None:
    """Record what the patient allows a caregiver to see.

    Parameters
    ----------
    folder : PatientFolder
    caregiver : str
        Name on the papers; empty for the name of the account.
    account : str
        Account of the caregiver, or empty.
    parts : sequence of str
        Keys of :data:`CONSENT_PARTS`.

    Raises
    ------
    FormError
        With a problem for each field that is wrong.
    """
    known = caregivers(folder.database)
    name = caregiver.strip() or account
    problems: dict[str, str] = {}
    if account and account not in known:
        allowed = ", ".join(known) or "none yet: `taper-sim accounts add`"
        problems["account"] = f"given {shown(account)}; allowed: {allowed}"
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        problems["caregiver"] = f"given {shown(name) or 'nothing'}; allowed: the name of the caregiver"
    if not parts or not set(parts) <= set(CONSENT_PARTS):
        problems["share_plan"] = f"given {shown(', '.join(parts)) or 'nothing'}; allowed: what the caregiver may see"
    if problems:
        raise FormError(problems)
    listed = tuple(part for part in CONSENT_PARTS if part in parts)
    consent = Consent(name, account, listed, now_utc(), ACTING.get().name)
    with folder.database.action(_deed("consent given", folder, consent)) as connection:
        for earlier in in_force(consents_of(folder)):
            if earlier.caregiver == name or (account and earlier.account == account):
                _end(folder, earlier)
        add_row(connection, folder.number, consent)


def revoke_consent(folder: PatientFolder, number: int) -> None:
    """End a consent at once, for sign-in and paper; without one in force nothing changes."""
    ended = next((c for c in in_force(consents_of(folder)) if c.number == number), None)
    if ended is not None:
        _end(folder, ended)


def _end(folder: PatientFolder, consent: Consent) -> None:
    with folder.database.action(_deed("consent revoked", folder, consent)) as connection:
        connection.execute("UPDATE consents SET revoked_at = ? WHERE number = ?", (now_utc(), consent.number))


def _deed(what: str, folder: PatientFolder, consent: Consent) -> Deed:
    return Deed(what, folder.key, f"{consent.account or 'no account'}: {', '.join(consent.parts)}")


def may_see(database: StoreDatabase, actor: Actor, key: str, part: str) -> bool:
    """Whether an actor may see a part of a patient: a caregiver by consent, every other role without."""
    if actor.role != CAREGIVER:
        return True
    shared = parts_shared(database, actor.name).get(key, [])
    return bool(shared) if part == ANY_PART else part in shared


def parts_shared(database: StoreDatabase, account: str) -> dict[str, list[str]]:
    """Parts that a caregiver may see, by the key of the patient."""
    query = (
        "SELECT patients.key, value FROM consents JOIN patients ON patients.number = patient, json_each(parts) "
        "WHERE account = ? AND revoked_at IS NULL ORDER BY patients.key, json_each.key"
    )
    shared: dict[str, list[str]] = {}
    for key, part in database.rows(query, account):
        shared.setdefault(key, []).append(part)
    return shared
