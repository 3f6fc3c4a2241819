"""Patients in the database, their files as snapshots for the readers. Imports ``store``, ``record_folder``.

The database holds the text of every file and every line of the decision logs. A reader of ``data`` takes paths: it gets
a snapshot, a private folder with the files of one moment, which nobody writes again. Addresses and the audit carry a
hash of the folder's name, never an id.
"""

import hashlib
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from taper_sim.data.patient_files import BUNDLE_FILE, CONSENT_FILE, DECISION_FILE, DOSE_FILE, PAPERS_FILE
from taper_sim.data.problems import InputError, problem, shown
from taper_sim.data.records import History
from taper_sim.recommend.decision_log import Log, chained, log_of
from taper_sim.run_folder import check_writable, write_text
from taper_sim.serve.record_folder import PATIENT_INPUTS, RecordFolder, without_folders
from taper_sim.serve.store.audit_chain import Deed
from taper_sim.serve.store.consent_records import add_row, consents_in, without_consents
from taper_sim.serve.store.database import DATABASE_FILE, StoreDatabase

OWNER_ONLY: Final = 0o700
WORKING: Final = ".working-"
"""Beginning of the name of the folder of snapshots."""
_SNAPSHOTS: Final = 4
"""Snapshots of a patient that are kept: an answer in the making may still read an older one. A design choice."""
_MAX_ID: Final = 200


@dataclass(frozen=True)
class PatientFolder:
    """One patient of the database.

    Attributes
    ----------
    key : str
        Name of the patient in addresses: a hash, so that no address or log has an id.
    name : str
        Name of the patient's folder.
    number : int
        Row of the patient.
    """

    key: str
    name: str
    number: int
    store: "PatientStore" = field(repr=False, compare=False)

    @property
    def database(self) -> StoreDatabase:
        """The database that holds the patient."""
        return self.store.database

    def hashes(self) -> dict[str, str]:
        """Hash of each file by its name."""
        query = "SELECT name, sha256 FROM files WHERE patient = ? ORDER BY name"
        return dict(self.database.rows(query, self.number))

    def content_hash(self) -> str:
        """Hash of everything that an answer depends on, and of whose it is."""
        kept = self.hashes()
        lines = [str(self.number), *(f"{name} {kept[name]}" for name in PATIENT_INPUTS if name in kept)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def snapshot(self) -> RecordFolder:
        """The files of this moment as a folder that nobody writes again."""
        with self.database.reading() as connection:
            kept = self.hashes()
            content = "\n".join(f"{name} {sha}" for name, sha in kept.items())
            name = f"{self.number}-{hashlib.sha256(content.encode()).hexdigest()[:24]}"
            path = self.store.working / name
            if path.exists():
                os.utime(path)
                return RecordFolder(path)
            rows = connection.execute("SELECT name, content FROM files WHERE patient = ?", (self.number,)).fetchall()
            _write_folder(path, {name: bytes(content) for name, content in rows})
            earlier = sorted(self.store.working.glob(f"{self.number}-*"), key=lambda p: p.stat().st_mtime)
            for old in earlier[:-_SNAPSHOTS]:
                shutil.rmtree(old, ignore_errors=True)
        return RecordFolder(path)

    @property
    def is_bundle(self) -> bool:
        """Whether the records are a FHIR bundle."""
        return BUNDLE_FILE in self.hashes()

    def existing(self, name: str) -> Path | None:
        """Path of a file in a snapshot; None if the patient has no such file."""
        return self.snapshot().existing(name)

    def about(self) -> dict[str, Any]:
        """Id, clinician and day of the question, where they are stated."""
        return self.snapshot().about()

    def arguments(self) -> dict[str, Any]:
        """Arguments of ``recommend.from_files.weigh_from_files``."""
        return self.snapshot().arguments()

    def history(self) -> History:
        """The records of the patient."""
        return self.snapshot().history()

    def limits(self) -> dict[str, Any]:
        """Content of the limits file; empty without one."""
        return self.snapshot().limits()

    @contextmanager
    def changing(self, what: str, detail: str = "") -> Iterator[None]:
        """Read and write the patient in one action, which nothing else comes between."""
        with self.database.action(Deed(what, self.key, detail)):
            yield

    def write(self, name: str, text: str) -> None:
        """Write a file of the patient."""
        self.write_all({name: text})

    def write_all(self, texts: Mapping[str, str]) -> None:
        """Write files of the patient: all or none."""
        contents = {name: text.encode() for name, text in texts.items()}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        detail = ", ".join(f"{name} {sha[:16]}" for name, sha in hashes.items())
        with self.database.action(Deed("files written", self.key, detail)) as connection:
            connection.executemany(
                "INSERT INTO files VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET content = excluded.content, sha256 = excluded.sha256",
                [(self.number, name, content, hashes[name]) for name, content in contents.items()],
            )

    def decision_text(self) -> bytes:
        """The decision log as ``taper-sim decide`` reads it."""
        query = "SELECT line FROM decisions WHERE patient = ? ORDER BY number"
        return b"".join(line.encode() + b"\n" for (line,) in self.database.rows(query, self.number))

    def decision_log(self) -> Log:
        """The decision log."""
        return log_of(self.decision_text(), DECISION_FILE)

    def add_decisions(self, lines: Sequence[dict[str, Any]]) -> None:
        """Add lines to the decision log: all or none."""
        kinds = ", ".join(str(line["kind"]) for line in lines)
        with self.database.action(Deed("decision log", self.key, kinds)) as connection:
            query = "SELECT line FROM decisions WHERE patient = ? ORDER BY number DESC LIMIT 1"
            last = connection.execute(query, (self.number,)).fetchone()
            texts = chained(b"" if last is None else last[0].encode(), lines)
            self._insert_lines(connection, [text.decode() for text in texts])

    def import_log(self, texts: Sequence[str]) -> None:
        """Add the lines of an existing decision log as they are."""
        with self.database.action(Deed("decision log imported", self.key, f"{len(texts)} lines")) as connection:
            self._insert_lines(connection, texts)

    def _insert_lines(self, connection: Any, texts: Sequence[str]) -> None:
        rows = [(self.number, text) for text in texts]
        connection.executemany("INSERT INTO decisions (patient, line) VALUES (?, ?)", rows)


def _write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder whole: its name appears when every file is there."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    staged.mkdir(mode=OWNER_ONLY, parents=True)
    for name, content in contents.items():
        descriptor = os.open(staged / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
    staged.rename(path)


def key_of(folder_name: str) -> str:
    """Hash of a folder's name."""
    return hashlib.sha256(folder_name.encode(errors="surrogateescape")).hexdigest()[:16]


def name_of(patient_id: str) -> str:
    """Name of the folder of an id: a hash, because an id may be no file name."""
    return hashlib.sha256(f"patient {patient_id}".encode(errors="surrogatepass")).hexdigest()[:24]


def check_id(patient_id: str) -> str:
    """An id without blanks around it; raises InputError if it is empty, too long or unprintable."""
    plain = patient_id.strip()
    if not plain or len(plain) > _MAX_ID or not plain.isprintable():
        raise problem("patient", "", shown(patient_id) or "nothing", f"1 to {_MAX_ID} letters that can be printed")
    return plain


class PatientStore:
    """The patients of a folder with a database.

    Attributes
    ----------
    root : Path
    is_shared : bool
        Whether every visitor has the same patients, which is so with ``--data``. Else each visitor has their own.
    database : StoreDatabase
    working : Path
        Folder of the snapshots, removed with the store.

    Raises
    ------
    InputError
        If the folder cannot be written, or the database cannot be opened.
    """

    def __init__(self, root: Path, is_shared: bool) -> None:
        self.root, self.is_shared = root, is_shared
        check_writable(root)
        root.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        self.database = StoreDatabase(root / DATABASE_FILE)
        self.working = Path(tempfile.mkdtemp(prefix=WORKING, dir=root))
        self._finalize = weakref.finalize(self, _end, self.database, self.working)

    def close(self) -> None:
        """Close the database and remove the snapshots."""
        self._finalize()

    def _owner(self, visitor: str) -> str:
        return "" if self.is_shared else visitor

    def _folder(self, key: str, name: str, number: int) -> PatientFolder:
        return PatientFolder(key, name, number, self)

    def folders(self, visitor: str) -> list[PatientFolder]:
        """Patients of a visitor who have records, by the name of their folders."""
        query = (
            "SELECT key, name, number FROM patients WHERE owner = ? AND EXISTS "
            "(SELECT 1 FROM files WHERE patient = patients.number AND files.name IN (?, ?)) ORDER BY name"
        )
        rows = self.database.rows(query, self._owner(visitor), DOSE_FILE, BUNDLE_FILE)
        return [self._folder(*row) for row in rows]

    def folder(self, visitor: str, key: str) -> PatientFolder | None:
        """The patient with this key, None if the visitor has none."""
        query = "SELECT key, name, number FROM patients WHERE owner = ? AND key = ?"
        rows = self.database.rows(query, self._owner(visitor), key)
        return self._folder(*rows[0]) if rows else None

    def of_id(self, visitor: str, patient_id: str) -> PatientFolder | None:
        """The patient with this id, None if the visitor has none."""
        return self.folder(visitor, key_of(name_of(patient_id)))

    def with_log(self, visitor: str, patient_id: str) -> PatientFolder:
        """The patient with this id, for their decision log: added without records if the visitor has none."""
        with self.database.action(Deed("decision log opened", key_of(name_of(patient_id)))):
            return self.of_id(visitor, patient_id) or self._insert(visitor, name_of(patient_id), {})

    def add(self, visitor: str, patient_id: str, files: Mapping[str, str]) -> PatientFolder:
        """Add a patient: all files or none.

        Raises
        ------
        InputError
            If the patient exists, or if a reader refuses a file.
        """
        return self.add_all(visitor, {patient_id: files})[0]

    def add_all(self, visitor: str, files_of: Mapping[str, Mapping[str, str]]) -> list[PatientFolder]:
        """Add patients by their ids: all or none; raises as :meth:`add`."""
        for files in files_of.values():
            self._check(files)
        with self.database.action(Deed("patients added", "", str(len(files_of)))):
            return [self._added(visitor, patient_id, files) for patient_id, files in files_of.items()]

    def _added(self, visitor: str, patient_id: str, files: Mapping[str, str]) -> PatientFolder:
        """Add one patient; one who has a decision log alone gets their records."""
        folder = self.of_id(visitor, patient_id)
        if folder is None:
            return self._insert(visitor, name_of(patient_id), files)
        if folder.hashes():
            allowed = "another id, or today's numbers on the patient's own page"
            raise problem("patient", "", f"{shown(patient_id)}, who is here already", allowed)
        folder.write_all(files)
        return folder

    def _check(self, files: Mapping[str, str]) -> None:
        """Raise the problems that the readers have with the files."""
        with tempfile.TemporaryDirectory(prefix="check-", dir=self.working) as staged:
            for file, text in files.items():
                write_text(Path(staged) / file, text, private=True)
            try:
                RecordFolder(Path(staged)).check()
            except InputError as error:
                raise without_folders(error) from None

    def _insert(
        self, visitor: str, name: str, files: Mapping[str, str], imported_hash: str | None = None
    ) -> PatientFolder:
        """Add the rows of a patient."""
        key = key_of(name)
        with self.database.action(Deed("patient added", key)) as connection:
            number = connection.execute(
                "INSERT INTO patients (owner, name, key, imported_hash) VALUES (?, ?, ?, ?)",
                (self._owner(visitor), name, key, imported_hash),
            ).lastrowid
            folder = self._folder(key, name, int(number or 0))
            folder.write_all(files)
        return folder

    def import_folders(self) -> list[str]:
        """Import patients whose files lie in folders beside the database, each folder once; a line for the reader each.

        A folder that a reader refuses is named with its first problem and tried again at the next start. A folder that
        has changed since its import is named; its change is not read.
        """
        lines = []
        for entry in sorted(os.scandir(self.root), key=lambda e: e.name):
            path = Path(entry.path)
            if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
                continue
            if not (path / DOSE_FILE).exists() and not (path / BUNDLE_FILE).exists():
                continue
            known = self.database.rows("SELECT imported_hash FROM patients WHERE owner = '' AND name = ?", entry.name)
            try:
                folder = RecordFolder(path)
                digest = folder.content_hash()
                if known:
                    if known[0][0] != digest:
                        lines.append(
                            f"{shown(entry.name)}: the folder has changed since its import; the pages do not read it"
                        )
                    continue
                self._import(folder, digest)
                lines.append(f"{shown(entry.name)}: imported into {DATABASE_FILE}; the pages no longer read the folder")
            except InputError as error:
                lines.append(f"{shown(entry.name)}: not imported; {without_folders(error).problems[0]}")
        return lines

    def _import(self, folder: RecordFolder, digest: str) -> None:
        folder.check()
        texts = {name: folder.text(name) for name in PATIENT_INPUTS if folder.existing(name) is not None}
        log = folder.text(DECISION_FILE) if folder.existing(DECISION_FILE) is not None else ""
        consents = []
        if folder.existing(CONSENT_FILE) is not None:
            consents = consents_in(folder.text(CONSENT_FILE), CONSENT_FILE)
        if folder.existing(PAPERS_FILE) is not None:
            texts[PAPERS_FILE], earlier = without_consents(folder.text(PAPERS_FILE), PAPERS_FILE)
            consents = earlier + consents
        with self.database.action(Deed("folder imported", key_of(folder.path.name), digest[:16])) as connection:
            added = self._insert("", folder.path.name, texts, digest)
            added.import_log([line for line in log.split("\n") if line])
            for consent in consents:
                add_row(connection, added.number, consent)


def _end(database: StoreDatabase, working: Path) -> None:
    database.close()
    shutil.rmtree(working, ignore_errors=True)
