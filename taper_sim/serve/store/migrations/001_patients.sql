-- Patients, their files, their decision logs, and the audit of every action.
CREATE TABLE patients (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,             -- visitor that has the patient alone; empty if everybody has them
    name TEXT NOT NULL,              -- name of the patient's folder: a hash of the id, or the name of an imported folder
    key TEXT NOT NULL,               -- name in addresses and in the audit: a hash of the folder's name
    imported_hash TEXT,              -- content of the folder that was imported
    UNIQUE (owner, name),
    UNIQUE (owner, key)
) STRICT;

CREATE TABLE files (
    patient INTEGER NOT NULL REFERENCES patients (number),
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (patient, name)
) STRICT;

CREATE TABLE decisions (
    number INTEGER PRIMARY KEY,
    patient INTEGER NOT NULL REFERENCES patients (number),
    line TEXT NOT NULL               -- a line of the decision log, as text, with the hash of the patient's line before it
) STRICT;
CREATE INDEX decisions_of_patient ON decisions (patient);

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,                -- UTC
    who TEXT NOT NULL,
    role TEXT NOT NULL,
    what TEXT NOT NULL,
    patient TEXT NOT NULL,           -- key of the patient, or empty
    detail TEXT NOT NULL,
    previous TEXT NOT NULL,          -- hash of the entry before
    hash TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_remains BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions BEGIN SELECT raise(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER decisions_remain BEFORE DELETE ON decisions BEGIN SELECT raise(ABORT, 'decisions are append-only'); END;
