-- SPDX-License-Identifier: Apache-2.0
-- Components have a table each, a column for each stored property; secrets are sealed in a table of their own.

CREATE TABLE outgoing_account (
    name                    TEXT PRIMARY KEY NOT NULL,
    changed_at              INTEGER NOT NULL,
    changed_by              TEXT NOT NULL,
    enabled                 INTEGER NOT NULL,
    description             TEXT NOT NULL,
    hostname                TEXT NOT NULL,
    transport               TEXT NOT NULL,
    use_ssl                 INTEGER NOT NULL,
    use_start_tls           INTEGER NOT NULL,
    port                    INTEGER NOT NULL CHECK (port BETWEEN -1 AND 65535),
    tls_min_protocol        TEXT NOT NULL,
    verify_name             TEXT NOT NULL,
    trust_stores            TEXT NOT NULL,
    connection_timeout      INTEGER NOT NULL,
    email_authenticator     TEXT NOT NULL,
    allow_cleartext_auth    INTEGER NOT NULL,
    "from"                  TEXT NOT NULL,
    reply_to                TEXT NOT NULL,
    batch                   INTEGER NOT NULL,
    pollrate                INTEGER NOT NULL,
    delivery_guarantee      TEXT NOT NULL,
    retry_for               INTEGER NOT NULL,
    max_queue_size          INTEGER NOT NULL,
    max_message_size        INTEGER NOT NULL,
    max_sendable_per_day    INTEGER NOT NULL,
    max_connections         INTEGER NOT NULL,
    allow_disabled_queuing  INTEGER NOT NULL,
    retention               INTEGER NOT NULL,
    debug                   INTEGER NOT NULL,
    last_poll_success       INTEGER NOT NULL,
    last_poll_failure       INTEGER NOT NULL,
    last_poll_failure_cause TEXT NOT NULL,
    last_tls                TEXT,
    paused                  INTEGER NOT NULL,
    number_sent             INTEGER NOT NULL,
    number_sent_until       INTEGER NOT NULL,
    number_discarded        INTEGER NOT NULL,
    last_discard            INTEGER NOT NULL,
    last_discard_cause      TEXT NOT NULL,
    CHECK (NOT (use_ssl = 1 AND use_start_tls = 1))
) STRICT;

CREATE TABLE incoming_account (
    name                    TEXT PRIMARY KEY NOT NULL,
    changed_at              INTEGER NOT NULL,
    changed_by              TEXT NOT NULL,
    enabled                 INTEGER NOT NULL,
    description             TEXT NOT NULL,
    hostname                TEXT NOT NULL,
    transport               TEXT NOT NULL,
    use_ssl                 INTEGER NOT NULL,
    use_start_tls           INTEGER NOT NULL,
    port                    INTEGER NOT NULL CHECK (port BETWEEN -1 AND 65535),
    tls_min_protocol        TEXT NOT NULL,
    verify_name             TEXT NOT NULL,
    trust_stores            TEXT NOT NULL,
    connection_timeout      INTEGER NOT NULL,
    email_authenticator     TEXT NOT NULL,
    allow_cleartext_auth    INTEGER NOT NULL,
    mailbox                 TEXT NOT NULL,
    push                    INTEGER NOT NULL,
    pollrate                INTEGER NOT NULL,
    delivery_policy         TEXT NOT NULL,
    ignore_attachments      INTEGER NOT NULL,
    max_per_poll            INTEGER NOT NULL,
    max_message_size        INTEGER NOT NULL,
    retention               INTEGER NOT NULL,
    debug                   INTEGER NOT NULL,
    last_poll_success       INTEGER NOT NULL,
    last_poll_failure       INTEGER NOT NULL,
    last_poll_failure_cause TEXT NOT NULL,
    last_tls                TEXT,
    number_received         INTEGER NOT NULL,
    CHECK (NOT (use_ssl = 1 AND use_start_tls = 1))
) STRICT;

CREATE TABLE email_service (
    name                     TEXT PRIMARY KEY NOT NULL,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT NOT NULL,
    enabled                  INTEGER NOT NULL,
    default_outgoing_account TEXT NOT NULL
) STRICT;

CREATE TABLE web_service (
    name             TEXT PRIMARY KEY NOT NULL,
    changed_at       INTEGER NOT NULL,
    changed_by       TEXT NOT NULL,
    allowed_hosts    TEXT NOT NULL,
    https_key        TEXT NOT NULL,
    session_idle     INTEGER NOT NULL,
    session_lifetime INTEGER NOT NULL
) STRICT;

CREATE TABLE user_service (
    name                    TEXT PRIMARY KEY NOT NULL,
    changed_at              INTEGER NOT NULL,
    changed_by              TEXT NOT NULL,
    min_password_length     INTEGER NOT NULL,
    failures_before_lockout INTEGER NOT NULL,
    lockout                 INTEGER NOT NULL
) STRICT;

CREATE TABLE certificate_service (
    name               TEXT PRIMARY KEY NOT NULL,
    changed_at         INTEGER NOT NULL,
    changed_by         TEXT NOT NULL,
    system_trust_store TEXT NOT NULL,
    exemption_days_max INTEGER NOT NULL
) STRICT;

-- A certificate that somebody was, or is to be, asked about; one for each host:port as configured.
CREATE TABLE allowed_host (
    name                 TEXT PRIMARY KEY NOT NULL,
    changed_at           INTEGER NOT NULL,
    changed_by           TEXT NOT NULL,
    hostname             TEXT NOT NULL,
    port                 INTEGER NOT NULL,
    approval             TEXT NOT NULL,
    reasons              TEXT NOT NULL,
    accepts              TEXT NOT NULL,
    certificate          TEXT,
    chain                TEXT,
    previous             TEXT,
    approved_sha256      TEXT NOT NULL,
    approved_spki_sha256 TEXT NOT NULL,
    first_seen           INTEGER NOT NULL,
    last_seen            INTEGER NOT NULL,
    count                INTEGER NOT NULL,
    last_used            INTEGER NOT NULL,
    expires_at           INTEGER NOT NULL,
    note                 TEXT NOT NULL,
    approved_by          TEXT NOT NULL,
    approved_at          INTEGER NOT NULL,
    redundant            INTEGER NOT NULL
) STRICT;

CREATE TABLE user_ca (
    name        TEXT PRIMARY KEY NOT NULL,
    changed_at  INTEGER NOT NULL,
    changed_by  TEXT NOT NULL,
    certificate TEXT,
    names       TEXT NOT NULL,
    added_by    TEXT NOT NULL,
    added_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE key_pair (
    name        TEXT PRIMARY KEY NOT NULL,
    changed_at  INTEGER NOT NULL,
    changed_by  TEXT NOT NULL,
    certificate TEXT,
    chain       TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE user_account (
    name                 TEXT PRIMARY KEY NOT NULL,
    changed_at           INTEGER NOT NULL,
    changed_by           TEXT NOT NULL,
    role                 TEXT NOT NULL,
    description          TEXT NOT NULL,
    password_hash        TEXT NOT NULL,
    must_change_password INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    last_login           INTEGER NOT NULL,
    password_changed_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
    name       TEXT PRIMARY KEY NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    label      TEXT NOT NULL,
    role       TEXT NOT NULL,
    accounts   TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    hash       TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used  INTEGER NOT NULL
) STRICT;

-- owner: the table of the component; path: "emailAuthenticator.password". Either sealed, or the name of a credentials file.
CREATE TABLE secret (
    owner  TEXT NOT NULL,
    name   TEXT NOT NULL,
    path   TEXT NOT NULL,
    sealed BLOB,
    file   TEXT,
    PRIMARY KEY (owner, name, path),
    CHECK ((sealed IS NULL) <> (file IS NULL))
) STRICT;

-- AUTOINCREMENT: a seq is never used twice, pages and leases refer to it.
CREATE TABLE message (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    account       TEXT NOT NULL,
    direction     TEXT NOT NULL,
    state         TEXT NOT NULL,
    sender        TEXT NOT NULL,
    "from"        TEXT NOT NULL,
    "to"          TEXT NOT NULL,
    subject       TEXT NOT NULL,
    message_id    TEXT NOT NULL,
    date          INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    send_at       INTEGER NOT NULL,
    next_attempt  INTEGER NOT NULL,
    finished_at   INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    last_code     TEXT,
    last_cause    TEXT,
    smtputf8      INTEGER NOT NULL,
    held_by_limit INTEGER NOT NULL,
    acknowledged  INTEGER NOT NULL,
    lease_owner   TEXT,
    lease_until   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Only what waits is in it, so it stays as small as the queue.
CREATE INDEX message_due ON message (account, next_attempt) WHERE state IN ('queued', 'deferred', 'uncertain');
-- What retention removes, oldest first; what a person still has to acknowledge is not in it.
CREATE INDEX message_finished ON message (account, finished_at) WHERE finished_at > 0;
CREATE INDEX message_account ON message (account, state, seq);
CREATE INDEX message_state ON message (state, seq);

CREATE TABLE message_body (
    message INTEGER PRIMARY KEY REFERENCES message (seq) ON DELETE CASCADE,
    raw     BLOB NOT NULL
) STRICT;

CREATE TABLE recipient (
    message  INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address  TEXT NOT NULL,
    state    TEXT NOT NULL,
    code     INTEGER NOT NULL,
    enhanced TEXT,
    text     TEXT,
    PRIMARY KEY (message, position)
) STRICT, WITHOUT ROWID;

-- How many messages of an account are in each state: counting them anew would cost more the longer the queue is.
-- The state 'heldByLimit' counts those among 'held'.
CREATE TABLE message_count (
    account TEXT NOT NULL,
    state   TEXT NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (account, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    account TEXT NOT NULL,
    by_user TEXT NOT NULL,
    key     TEXT NOT NULL,
    digest  BLOB NOT NULL,
    message INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    PRIMARY KEY (account, by_user, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_message ON idempotency (message);

-- Written in place of a commit that failed.
CREATE TABLE store_mark (
    n INTEGER NOT NULL
) STRICT;
INSERT INTO store_mark (n) VALUES (0);

CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    who      TEXT NOT NULL,
    address  TEXT,
    action   TEXT NOT NULL,
    resource TEXT NOT NULL,
    detail   TEXT
) STRICT;
