-- Accounts with their roles, and what a patient has allowed a caregiver to see.
CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_disabled INTEGER NOT NULL DEFAULT 0,
    n_failed INTEGER NOT NULL DEFAULT 0,   -- failed attempts since the last sign-in
    locked_until TEXT NOT NULL DEFAULT ''  -- UTC
) STRICT;

CREATE TABLE caregiver_consent (
    number INTEGER PRIMARY KEY,
    patient INTEGER NOT NULL REFERENCES patients (number),
    account TEXT NOT NULL REFERENCES accounts (name),
    what TEXT NOT NULL,              -- part that may be seen: see caregiver_consent.py
    given_at TEXT NOT NULL,          -- UTC
    recorded_by TEXT NOT NULL,
    revoked_at TEXT                  -- UTC
) STRICT;
CREATE UNIQUE INDEX consent_in_force ON caregiver_consent (patient, account, what) WHERE revoked_at IS NULL;
CREATE TRIGGER consent_remains BEFORE DELETE ON caregiver_consent
BEGIN SELECT raise(ABORT, 'a consent is revoked, not removed'); END;
