-- One record of what a patient allows a caregiver to see, for the sign-in and for the printed view.
CREATE TABLE consents (
    number INTEGER PRIMARY KEY,
    patient INTEGER NOT NULL REFERENCES patients (number),
    caregiver TEXT NOT NULL,         -- name on the papers
    account TEXT REFERENCES accounts (name),  -- account that may see the parts; null if the caregiver has none
    parts TEXT NOT NULL,             -- JSON list: see caregiver_consent.py
    given_at TEXT NOT NULL,          -- UTC, or a day where only that was kept
    recorded_by TEXT NOT NULL,
    revoked_at TEXT                  -- UTC, or a day
) STRICT;

-- Rows of one account that hold become one consent. A part that was given before the last of them keeps its own first
-- days as a consent that has ended.
INSERT INTO consents (patient, caregiver, account, parts, given_at, recorded_by, revoked_at)
SELECT patient, account, account, json_array(what), given_at, recorded_by, coalesce(revoked_at, last) FROM (
    SELECT *, max(given_at) FILTER (WHERE revoked_at IS NULL) OVER (PARTITION BY patient, account) AS last
    FROM caregiver_consent
) WHERE revoked_at IS NOT NULL OR given_at < last ORDER BY number;
INSERT INTO consents (patient, caregiver, account, parts, given_at, recorded_by)
SELECT patient, account, account, json_group_array(what), max(given_at), max(recorded_by)
FROM (SELECT * FROM caregiver_consent WHERE revoked_at IS NULL ORDER BY number) GROUP BY patient, account;

-- Consents of the printed view were kept in papers.json. A file that somebody else changed stays as it is.
CREATE TEMP TABLE papers AS SELECT patient, CAST(content AS TEXT) AS text FROM files
WHERE name = 'papers.json' AND sha256 = sha256(content) AND json_valid(CAST(content AS TEXT));
INSERT INTO consents (patient, caregiver, parts, given_at, recorded_by, revoked_at)
SELECT patient, value ->> 'caregiver', value -> 'shares', value ->> 'given_on', '', nullif(value ->> 'revoked_on', '')
FROM papers, json_each(text, '$.consents') ORDER BY patient, json_each.key;
UPDATE files SET content = CAST(json_remove(text, '$.consents') AS BLOB),
    sha256 = sha256(CAST(json_remove(text, '$.consents') AS BLOB))
FROM papers WHERE papers.patient = files.patient AND name = 'papers.json';
DROP TABLE papers;

CREATE UNIQUE INDEX consent_of_account ON consents (patient, account) WHERE revoked_at IS NULL;
DROP TABLE caregiver_consent;
CREATE TRIGGER consent_remains BEFORE DELETE ON consents
BEGIN SELECT raise(ABORT, 'a consent is revoked, not removed'); END;
