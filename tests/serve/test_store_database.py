"""The store keeps what it acknowledged, mixes nobody, shows a changed audit, reads older files but no newer ones."""

import hashlib
import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from taper_sim.cli import main
from taper_sim.data.patient_files import DECISION_FILE, PAPERS_FILE
from taper_sim.data.problems import InputError
from taper_sim.recommend.decision_log import append_to_log, read_log
from taper_sim.serve.accounts import add_account
from taper_sim.serve.caregiver_consent import consents_of, give_consent, revoke_consent
from taper_sim.serve.papers.conversation import conversation_of
from taper_sim.serve.patient_store import PatientStore
from taper_sim.serve.store.audit_chain import Deed, read_chain
from taper_sim.serve.store.backups import check_file, export
from taper_sim.serve.store.consent_records import read_rows
from taper_sim.serve.store.database import DATABASE_FILE, StoreDatabase, migrations

DOSES = "patient_id,date,drug,formulation,dose_mg_per_day\n{},2026-01-05,morphine,ER,90\n"
CHECKINS = "patient_id,date,instrument,value\n{},2026-03-01,pain_nrs,4\n"


def files_of(patient_id: str) -> dict[str, str]:
    return {"doses.csv": DOSES.format(patient_id), "checkins.csv": CHECKINS.format(patient_id)}


def raw(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, isolation_level=None))


def write_until_killed(root: Path, begin: int, pipe: int) -> None:
    """Write note after note in one action each, and acknowledge each on the pipe."""
    (folder,) = PatientStore(root, is_shared=True).folders("")
    for n in range(begin, 100_000):
        with folder.changing("note", str(n)):
            folder.write("note.txt", str(n))
            folder.add_decisions([{"kind": "note", "n": n}])
        os.write(pipe, f"{n}\n".encode())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=True)
    store.add("", "Ann", files_of("Ann"))
    store.close()
    path = tmp_path / DATABASE_FILE
    begin = 0
    for n_lines in (1, 4, 9, 15):
        reading, writing = os.pipe()
        writer = os.fork()
        if writer == 0:
            try:
                write_until_killed(tmp_path, begin, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            acknowledged = [int(pipe.readline()) for _ in range(n_lines)]
            os.kill(writer, signal.SIGKILL)
            assert os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) == -signal.SIGKILL
            acknowledged += [int(line) for line in pipe.read().splitlines()]
        contents = check_file(path)  # pages, audit, decision logs and files are whole
        with raw(path) as connection:
            notes = [int(row[0]) for row in connection.execute("SELECT detail FROM audit WHERE what = 'note'")]
            (content,) = connection.execute("SELECT content FROM files WHERE name = 'note.txt'").fetchone()
            (n_decisions,) = connection.execute("SELECT count(*) FROM decisions").fetchone()
        assert set(acknowledged) <= set(notes)
        assert int(content) == notes[-1] == n_decisions - 1 and notes == list(range(n_decisions))
        assert contents.chain.n_entries >= 3 * len(notes)
        begin = notes[-1] + 1


def test_an_action_that_fails_leaves_neither_rows_nor_an_entry(tmp_path: Path) -> None:
    folder = PatientStore(tmp_path, is_shared=True).add("", "Ann", files_of("Ann"))
    before = folder.content_hash(), check_file(tmp_path / DATABASE_FILE).chain
    with pytest.raises(RuntimeError), folder.changing("values changed"):
        folder.write("limits.yaml", "risk: 0.2\n")
        folder.add_decisions([{"kind": "note"}])
        raise RuntimeError
    assert (folder.content_hash(), check_file(tmp_path / DATABASE_FILE).chain) == before
    assert folder.decision_log().lines == []


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET who = 'x' WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 3", 3),
        ("UPDATE audit SET hash = 'x' WHERE number = 1", 1),
        ("INSERT INTO audit SELECT number + 50, at, who, role, what, patient, detail, hash, hash FROM audit", 6),
    ],
)
def test_the_audit_refuses_changes_and_a_forced_one_is_named(tmp_path: Path, change: str, broken: int) -> None:
    path = tmp_path / DATABASE_FILE
    database = StoreDatabase(path)
    for n in range(5):
        with database.action(Deed("seen", "k", str(n))):
            pass
    with raw(path) as connection:
        if not change.startswith("INSERT"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)
        assert read_chain(connection).broken_at is None
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(change)
        assert read_chain(connection).broken_at == broken
    with pytest.raises(InputError, match=f"audit, entry {broken}: "):
        check_file(path)


def test_an_entry_that_is_written_again_with_a_hash_of_its_own_is_named_by_the_next(tmp_path: Path) -> None:
    database = StoreDatabase(tmp_path / DATABASE_FILE)
    for n in range(3):
        with database.action(Deed("seen", "k", str(n))):
            pass
    with raw(tmp_path / DATABASE_FILE) as connection:
        connection.execute("DROP TRIGGER audit_stays")
        fields = list(connection.execute("SELECT * FROM audit WHERE number = 2").fetchone()[:-1])
        fields[2] = "somebody else"
        again = hashlib.sha256(json.dumps(fields).encode()).hexdigest()
        connection.execute("UPDATE audit SET who = ?, hash = ? WHERE number = 2", (fields[2], again))
        assert read_chain(connection).broken_at == 3


def test_changed_files_and_decisions_are_named(tmp_path: Path) -> None:
    folder = PatientStore(tmp_path, is_shared=True).add("", "Ann", files_of("Ann"))
    folder.add_decisions([{"kind": "note", "n": n} for n in range(3)])
    with raw(tmp_path / DATABASE_FILE) as connection:
        connection.execute("DROP TRIGGER decisions_stay")
        connection.execute("""UPDATE decisions SET line = replace(line, '"n": 1', '"n": 7')""")
        connection.execute("UPDATE files SET content = x'00' WHERE name = 'doses.csv'")
    with pytest.raises(InputError) as error:
        check_file(tmp_path / DATABASE_FILE)
    places = [p.place for p in error.value.problems]
    assert places == [f"patient {folder.key}, decision log, line 3", f"patient {folder.key}, doses.csv"]


def test_an_older_file_is_upgraded_with_its_content_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_FILE
    store = PatientStore(tmp_path, is_shared=True)
    store.add("", "Ann", files_of("Ann"))
    with raw(path) as connection:
        patients = connection.execute("SELECT * FROM patients").fetchall()
        files = connection.execute("SELECT * FROM files").fetchall()
        audit = connection.execute("SELECT * FROM audit").fetchall()
    store.close()
    path.unlink()
    with raw(path) as connection:  # the file of version 1 as that version wrote it
        connection.executescript(migrations()[0])
        connection.executescript("PRAGMA application_id = 0x74617072; PRAGMA user_version = 1")
        connection.executemany("INSERT INTO patients VALUES (?, ?, ?, ?, ?)", patients)
        connection.executemany("INSERT INTO files VALUES (?, ?, ?, ?)", files)
        connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", audit)
    assert check_file(path).version == 1
    (folder,) = PatientStore(tmp_path, is_shared=True).folders("")
    assert folder.history().patient_id == "Ann"
    assert check_file(path).version == len(migrations())
    with raw(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError) as error:
        StoreDatabase(path)
    (line,) = map(str, error.value.problems)
    assert "given a database of version 99; allowed: version 5 or older" in line


PAPERS = """{"texts": {"fears": "withdrawal"}, "goals": {}, "country": "US", "language": "en",
 "calendar_has_drugs": false, "consents": [
  {"caregiver": "Ana", "shares": ["plan"], "given_on": "2026-01-02", "revoked_on": "2026-02-03"},
  {"caregiver": "Ana", "shares": ["plan", "safety"], "given_on": "2026-02-03", "revoked_on": ""}]}"""
"""The file of the papers as version 4 wrote it."""


def test_consents_of_accounts_and_of_papers_become_one_record(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_FILE
    with raw(path) as connection:
        for script in migrations()[:4]:
            connection.executescript(script)
        connection.executescript("PRAGMA application_id = 0x74617072; PRAGMA user_version = 4")
        connection.execute("INSERT INTO accounts (name, role, password_hash) VALUES ('cara', 'caregiver', 'x')")
        for number, content in ((1, PAPERS.encode()), (2, PAPERS.replace("2026", "1999").encode())):
            connection.execute("INSERT INTO patients VALUES (?, '', ?, ?, NULL)", (number, f"n{number}", f"k{number}"))
            sha = hashlib.sha256(PAPERS.encode()).hexdigest()  # the second file was changed by somebody else
            connection.execute("INSERT INTO files VALUES (?, 'papers.json', ?, ?)", (number, content, sha))
        for what, since, until in (
            ("plan", "2026-03-01T10:00:00Z", None),
            ("calendar", "2026-03-05T10:00:00Z", None),
            ("plan", "2026-01-01T10:00:00Z", "2026-02-01T10:00:00Z"),
        ):
            row = "INSERT INTO caregiver_consent (patient, account, what, given_at, recorded_by, revoked_at) VALUES "
            connection.execute(row + "(1, 'cara', ?, ?, 'drA', ?)", (what, since, until))
    store = PatientStore(tmp_path, is_shared=True)
    with store.database.reading() as connection:
        first, second = (read_rows(connection, number) for number in (1, 2))
    assert [(c.caregiver, c.account, c.parts, c.given_at[:10], c.revoked_at[:10], c.recorded_by) for c in first] == [
        ("cara", "cara", ("plan",), "2026-03-01", "2026-03-05", "drA"),
        ("cara", "cara", ("plan",), "2026-01-01", "2026-02-01", "drA"),
        ("cara", "cara", ("plan", "calendar"), "2026-03-05", "", "drA"),
        ("Ana", "", ("plan",), "2026-01-02", "2026-02-03", ""),
        ("Ana", "", ("plan", "safety"), "2026-02-03", "", ""),
    ]
    assert second == []
    ((content, sha), changed) = store.database.rows("SELECT content, sha256 FROM files ORDER BY patient")
    assert "consents" not in json.loads(content) and json.loads(content)["texts"] == {"fears": "withdrawal"}
    assert hashlib.sha256(content).hexdigest() == sha and b"1999" in changed[0]
    store.close()
    with pytest.raises(InputError) as error:
        check_file(path)
    assert [p.place for p in error.value.problems] == ["patient k2, papers.json"]


def test_an_export_has_the_consents_and_an_import_reads_them_without_their_accounts(tmp_path: Path) -> None:
    store = PatientStore(tmp_path / "first", is_shared=True)
    add_account(store.database, "cara", "caregiver", "a password of many letters")
    folder = store.add("", "Ann", files_of("Ann"))
    folder.write(PAPERS_FILE, '{"texts": {"fears": "withdrawal"}}')
    give_consent(folder, "Ana", "cara", ["plan"])
    give_consent(folder, "Ben", "", ["safety"])
    revoke_consent(folder, consents_of(folder)[1].number)
    export(tmp_path / "first", tmp_path / "second")
    older = tmp_path / "second" / "older"
    older.mkdir()
    for name, text in (files_of("Bob") | {"papers.json": PAPERS}).items():
        (older / name).write_text(text)
    for name, text in (
        ("papers.json", "[1]"),
        ("papers.json", '{"consents": [{"caregiver": 1}]}'),
        ("consents.json", "{"),
    ):
        bad = tmp_path / "second" / f"bad-{len(text)}"
        bad.mkdir()
        for file, content in (files_of("Eve") | {name: text}).items():
            (bad / file).write_text(content)
    again = PatientStore(tmp_path / "second", is_shared=True)
    lines = again.import_folders()
    assert sum("did not write" in line and "not imported" in line for line in lines) == 3 and len(lines) == 5
    kept = {f.history().patient_id: consents_of(f) for f in again.folders("")}
    assert [(c.caregiver, c.account, c.parts, bool(c.revoked_at)) for c in kept["Ann"]] == [
        ("Ana", "", ("plan",), False),
        ("Ben", "", ("safety",), True),
    ]
    assert [(c.caregiver, str(c.given_on)) for c in kept["Bob"]] == [("Ana", "2026-01-02"), ("Ana", "2026-02-03")]
    for folder in again.folders(""):
        assert conversation_of(folder).texts == {"fears": "withdrawal"}


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / DATABASE_FILE
    StoreDatabase(path).close()
    broken = [*migrations(), "CREATE TABLE later (x TEXT) STRICT; CREATE TABLE later (x TEXT) STRICT;"]
    with monkeypatch.context() as patched:
        patched.setattr("taper_sim.serve.store.database.migrations", lambda: broken)
        with pytest.raises(InputError, match="already exists"):
            StoreDatabase(path)
    assert check_file(path).version == len(migrations())
    with raw(path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)


@pytest.mark.parametrize("content", [b"text that is no database", b"SQLite format 3\x00 but cut"])
def test_a_file_that_is_no_database_of_this_program_is_refused_in_one_line(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(content)
    assert main(["store", "check", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("allowed: a database that `taper-sim serve --data` wrote")
    assert (tmp_path / DATABASE_FILE).read_bytes() == content


def test_two_threads_write_their_own_patient_and_never_the_other(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=False)
    folders = [store.add(visitor, "the same id", files_of(visitor)) for visitor in ("first", "second")]

    def write(n: int) -> None:
        for i in range(15):
            with folders[n].changing("note"):
                before = folders[n].snapshot().text("note.txt") if i else ""
                folders[n].write("note.txt", f"{before}{n}")
                folders[n].add_decisions([{"kind": "note", "n": n}])

    threads = [threading.Thread(target=write, args=(n % 2,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, folder in enumerate(folders):
        assert folder.snapshot().text("note.txt") == str(n) * 15
        assert [line["n"] for line in folder.decision_log().lines] == [n] * 15
        assert folder.decision_log().problems == []
    assert store.folder("first", folders[0].key) == folders[0] != store.folder("second", folders[1].key)
    assert store.folder("third", folders[0].key) is None
    assert check_file(tmp_path / DATABASE_FILE).chain.broken_at is None


def test_a_patient_with_a_log_alone_is_not_listed_and_gets_their_records_later(tmp_path: Path) -> None:
    store = PatientStore(tmp_path, is_shared=True)
    store.with_log("doors", "Ann").add_decisions([{"kind": "note"}])
    assert store.folders("") == [] and store.with_log("doors", "Ann") == store.of_id("", "Ann")
    folder = store.add("", "Ann", files_of("Ann"))
    assert store.folders("") == [folder] and len(folder.decision_log().lines) == 1
    with pytest.raises(InputError, match="here already"):
        store.add("", "Ann", files_of("Ann"))


def test_a_snapshot_stays_as_it_was_when_the_patient_changes(tmp_path: Path) -> None:
    folder = PatientStore(tmp_path, is_shared=True).add("", "Ann", files_of("Ann"))
    before = folder.snapshot()
    folder.write("checkins.csv", CHECKINS.format("Ann").replace(",4", ",9"))
    assert [c.value for c in before.history().checkins] == [4.0]
    assert [c.value for c in folder.history().checkins] == [9.0]
    assert before.path.stat().st_mode & 0o077 == 0


def test_folders_of_an_earlier_version_are_imported_once_with_their_decisions(tmp_path: Path) -> None:
    old = tmp_path / "old-patient"
    old.mkdir()
    for name, text in files_of("Ann").items():
        (old / name).write_text(text)
    append_to_log(old / DECISION_FILE, [{"kind": "note", "n": n} for n in range(2)])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "doses.csv").write_text("patient_id,date\n")
    (tmp_path / "no-patient").mkdir()
    store = PatientStore(tmp_path, is_shared=True)
    lines = store.import_folders()
    assert [line.split(":")[0] for line in lines] == ["broken", "old-patient"] and "not imported" in lines[0]
    (folder,) = store.folders("")
    assert folder.history().patient_id == "Ann" and len(folder.decision_log().lines) == 2
    folder.add_decisions([{"kind": "note", "n": 2}])
    assert folder.decision_log().problems == []
    assert [line.split(":")[0] for line in store.import_folders()] == ["broken"]
    (old / "limits.yaml").write_text("risk: 0.2\n")
    assert "changed since its import" in store.import_folders()[1]
    assert len(store.folders("")) == 1 and folder.existing("limits.yaml") is None
    out = tmp_path / "out"
    assert export(tmp_path, out) == 1
    assert (out / "old-patient" / "doses.csv").read_text() == files_of("Ann")["doses.csv"]
    assert len(read_log(out / "old-patient" / DECISION_FILE).lines) == 3
    assert read_log(out / "old-patient" / DECISION_FILE).problems == []


def test_a_backup_of_a_served_folder_is_whole_and_is_restored_into_an_empty_one_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = PatientStore(tmp_path / "data", is_shared=True)
    store.add("", "Ann", files_of("Ann"))
    backup = tmp_path / "backup.sqlite"
    assert main(["store", "backup", str(tmp_path / "data"), str(backup)]) == 0
    assert backup.stat().st_mode & 0o077 == 0
    store.add("", "Bob", files_of("Bob"))
    for data, allowed in ((tmp_path / "data", "a folder without one"), (tmp_path / "new", "")):
        assert main(["store", "restore", str(data), str(backup)]) == (2 if allowed else 0)
        assert allowed in capsys.readouterr().err
    assert [f.history().patient_id for f in PatientStore(tmp_path / "new", is_shared=True).folders("")] == ["Ann"]
    assert main(["store", "backup", str(tmp_path / "data"), str(backup)]) == 2
    with raw(backup) as connection:
        connection.execute("DROP TRIGGER audit_stays")
        connection.execute("UPDATE audit SET who = 'x'")
    assert main(["store", "restore", str(tmp_path / "other"), str(backup)]) == 2
    assert f"{backup}: audit, entry 1: " in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "other").iterdir()] == []
