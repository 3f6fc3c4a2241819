"""What a patient allows a caregiver to see, as rows of the database and as a file of an export. Imports ``data``.

A consent names a caregiver and the parts that they may see. It ends when it is revoked; nothing is removed.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

from taper_sim.data.problems import InputError, problem

CONSENT_PARTS: Final[Mapping[str, str]] = {
    "plan": "The plan: doses and dates",
    "calendar": "The calendar file of the doses",
    "pharmacy": "Days of the pharmacy",
    "safety": "Warning signs and whom to call",
    "progress": "Progress toward the person's goals",
    "priorities": "What matters to the person",
}
"""What a consent may list, with the words of the form."""
_COLUMNS: Final = "caregiver, coalesce(account, ''), parts, given_at, recorded_by, coalesce(revoked_at, '')"


@dataclass(frozen=True)
class Consent:
    """A consent.

    Attributes
    ----------
    caregiver : str
        Name on the papers.
    account : str
        Account that may see the parts; empty if the caregiver has none.
    parts : tuple of str
        Keys of :data:`CONSENT_PARTS`.
    given_at, revoked_at : str
        Moment in UTC, or a day; ``revoked_at`` is empty while the consent holds.
    recorded_by : str
        Account of the clinician; empty where no accounts exist.
    number : int
        Row of the database; 0 for a consent of a file.
    """

    caregiver: str
    account: str
    parts: tuple[str, ...]
    given_at: str
    recorded_by: str = ""
    revoked_at: str = ""
    number: int = 0

    @property
    def given_on(self) -> date:
        """Day on which it was given, in the time zone of this machine."""
        return _day_of(self.given_at)

    @property
    def revoked_on(self) -> date:
        """Day on which it was revoked, in the time zone of this machine."""
        return _day_of(self.revoked_at)


def _day_of(moment: str) -> date:
    """The day of a moment in UTC, or the day itself; raises ValueError for another text."""
    if "T" in moment:
        return datetime.fromisoformat(moment).astimezone().date()
    return date.fromisoformat(moment)


def read_rows(connection: sqlite3.Connection, patient: int) -> list[Consent]:
    """Consents of a patient in the order in which they were given."""
    query = f"SELECT {_COLUMNS}, number FROM consents WHERE patient = ? ORDER BY number"  # noqa: S608  no input in it
    rows = connection.execute(query, (patient,)).fetchall()
    return [Consent(name, account, tuple(json.loads(parts)), *rest) for name, account, parts, *rest in rows]


def add_row(connection: sqlite3.Connection, patient: int, consent: Consent) -> None:
    """Add a consent; its number is that of the new row."""
    connection.execute(
        "INSERT INTO consents (patient, caregiver, account, parts, given_at, recorded_by, revoked_at) "
        "VALUES (?, ?, nullif(?, ''), ?, ?, ?, nullif(?, ''))",
        (
            patient,
            consent.caregiver,
            consent.account,
            json.dumps(consent.parts),
            consent.given_at,
            consent.recorded_by,
            consent.revoked_at,
        ),
    )


def as_file(consents: Sequence[Consent]) -> str:
    """Text of the file of an export."""
    rows = [{name: value for name, value in asdict(c).items() if name != "number"} for c in consents]
    return json.dumps(rows, indent=1, ensure_ascii=False)


def consents_in(text: str, file: str) -> list[Consent]:
    """Consents of the text of :func:`as_file`.

    An account of the file is left out: a file cannot let somebody sign in to see a patient.

    Raises
    ------
    InputError
        If the text is none that this program wrote.
    """
    try:
        return [_of_file(row) for row in json.loads(text)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _not_written(file) from None


def without_consents(text: str, file: str) -> tuple[str, list[Consent]]:
    """The text of a ``papers.json`` without the consents that an earlier version kept there, and these consents.

    Raises
    ------
    InputError
        If the text is none that this program wrote.
    """
    try:
        fields = dict(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise _not_written(file) from None
    consents = consents_in(json.dumps(fields.pop("consents", [])), file)
    return json.dumps(fields, indent=1, ensure_ascii=False), consents


def _not_written(file: str) -> InputError:
    return problem(file, "", "text that this program did not write", "the file that this program wrote")


def _of_file(row: Mapping[str, Any]) -> Consent:
    """A consent of a file; raises ValueError, TypeError or KeyError for a wrong one."""
    parts = tuple(row["parts"] if "parts" in row else row["shares"])
    since = row["given_at"] if "given_at" in row else row["given_on"]
    until = (row["revoked_at"] if "revoked_at" in row else row.get("revoked_on")) or ""
    consent = Consent(row["caregiver"], "", parts, since, row.get("recorded_by", ""), until)
    if not (isinstance(consent.caregiver, str) and isinstance(consent.recorded_by, str) and parts):
        raise TypeError
    if not set(parts) <= set(CONSENT_PARTS):
        raise ValueError
    _day_of(since)
    if until:
        _day_of(until)
    return consent
