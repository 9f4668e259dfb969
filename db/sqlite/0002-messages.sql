-- SPDX-License-Identifier: Apache-2.0
-- Messages, their recipients and bytes, and what keeps the queue's questions cheap with a million rows.

-- Messages outlive their account and follow it when it is renamed: they refer to a number.
CREATE TABLE message_account (
    id   INTEGER NOT NULL PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

-- AUTOINCREMENT: a number is never used twice, pages of a list run over it.
-- due_at: when the message is taken up by itself; NULL when it isn't (held, under way, finished).
CREATE TABLE message (
    seq           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,
    account       INTEGER NOT NULL REFERENCES message_account (id),
    direction     TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    sender        TEXT    NOT NULL,
    "from"        TEXT    NOT NULL,
    "to"          TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    message_id    TEXT    NOT NULL,
    date          INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    created_by    TEXT    NOT NULL,
    send_at       INTEGER NOT NULL,
    smtputf8      INTEGER NOT NULL CHECK (smtputf8 IN (0, 1)),
    next_attempt  INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    due_at        INTEGER,
    finished_at   INTEGER,
    last_code     TEXT,
    last_cause    TEXT,
    held_by_limit INTEGER NOT NULL CHECK (held_by_limit IN (0, 1)),
    acknowledged  INTEGER NOT NULL CHECK (acknowledged IN (0, 1)),
    lease_owner   TEXT,
    lease_until   INTEGER
) STRICT;
CREATE INDEX message_by_account ON message (account, state, seq);
CREATE INDEX message_by_state ON message (state, seq);
CREATE INDEX message_due ON message (account, due_at, seq) WHERE due_at IS NOT NULL;
CREATE INDEX message_finished ON message (account, finished_at, seq) WHERE finished_at IS NOT NULL;

CREATE TABLE recipient (
    message  INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address  TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    code     INTEGER NOT NULL,
    enhanced TEXT,
    text     TEXT,
    PRIMARY KEY (message, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE message_body (
    message INTEGER NOT NULL PRIMARY KEY REFERENCES message (seq) ON DELETE CASCADE,
    raw     BLOB    NOT NULL
) STRICT;

-- How many messages of an account are in each state, kept by the same transaction that changes one.
-- The state 'heldByLimit' counts those among 'held'.
CREATE TABLE message_count (
    account INTEGER NOT NULL REFERENCES message_account (id),
    state   TEXT    NOT NULL,
    n       INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (account, state)
) STRICT, WITHOUT ROWID;

-- Idempotency-Key: which message was the first answer. digest: SHA-256 of the request's body.
CREATE TABLE idempotency (
    account INTEGER NOT NULL REFERENCES message_account (id),
    "user"  TEXT    NOT NULL,
    "key"   TEXT    NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    message INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    PRIMARY KEY (account, "user", "key")
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_message ON idempotency (message);
