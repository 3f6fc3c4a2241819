-- Who has taken an alert, and what they answered: the newest row of an alert holds.
CREATE TABLE alert_steps (
    number INTEGER PRIMARY KEY,
    patient INTEGER NOT NULL REFERENCES patients (number),
    alert TEXT NOT NULL,             -- kind and day, such as missed_checkin 2026-04-02
    at TEXT NOT NULL,                -- UTC
    step TEXT NOT NULL,              -- owner or answered
    who TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX alert_steps_of_patient ON alert_steps (patient);
CREATE TRIGGER alert_steps_stay BEFORE UPDATE ON alert_steps
BEGIN SELECT raise(ABORT, 'steps of an alert are append-only'); END;
CREATE TRIGGER alert_steps_remain BEFORE DELETE ON alert_steps
BEGIN SELECT raise(ABORT, 'steps of an alert are append-only'); END;
