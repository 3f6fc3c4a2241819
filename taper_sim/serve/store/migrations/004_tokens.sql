-- Tokens of programs, which call the doors: only a hash is kept.
CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,           -- SHA-256 of the token, which is random
    account TEXT NOT NULL REFERENCES accounts (name),
    made_at TEXT NOT NULL            -- UTC
) STRICT;
