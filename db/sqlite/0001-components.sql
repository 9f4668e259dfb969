-- SPDX-License-Identifier: Apache-2.0
-- Components: one table per type, one column per stored property (the property's name in snake_case).
-- INTEGER: booleans 0 and 1, numbers, times in ms since 1970 (0: none). TEXT: strings, the name of a choice, JSON.
-- tests/unit/test-store.c compares these columns with the property tables in server/model/.

CREATE TABLE "outgoing_account" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "enabled"                INTEGER NOT NULL CHECK ("enabled" IN (0, 1)),
    "description"            TEXT    NOT NULL,
    "hostname"               TEXT    NOT NULL,
    "transport"              TEXT    NOT NULL,
    "use_ssl"                INTEGER NOT NULL CHECK ("use_ssl" IN (0, 1)),
    "use_start_tls"          INTEGER NOT NULL CHECK ("use_start_tls" IN (0, 1)),
    "port"                   INTEGER NOT NULL,
    "tls_min_protocol"       TEXT    NOT NULL,
    "verify_name"            TEXT    NOT NULL,
    "trust_stores"           TEXT    NOT NULL,
    "connection_timeout"     INTEGER NOT NULL,
    "email_authenticator"    TEXT    NOT NULL,
    "allow_cleartext_auth"   INTEGER NOT NULL CHECK ("allow_cleartext_auth" IN (0, 1)),
    "from"                   TEXT    NOT NULL,
    "reply_to"               TEXT    NOT NULL,
    "batch"                  INTEGER NOT NULL CHECK ("batch" IN (0, 1)),
    "pollrate"               INTEGER NOT NULL,
    "delivery_guarantee"     TEXT    NOT NULL,
    "retry_for"              INTEGER NOT NULL,
    "max_queue_size"         INTEGER NOT NULL,
    "max_message_size"       INTEGER NOT NULL,
    "max_sendable_per_day"   INTEGER NOT NULL,
    "max_connections"        INTEGER NOT NULL,
    "allow_disabled_queuing" INTEGER NOT NULL CHECK ("allow_disabled_queuing" IN (0, 1)),
    "retention"              INTEGER NOT NULL,
    "debug"                  INTEGER NOT NULL CHECK ("debug" IN (0, 1)),
    "last_poll_success"      INTEGER NOT NULL,
    "last_poll_failure"      INTEGER NOT NULL,
    "last_poll_failure_cause" TEXT    NOT NULL,
    "last_tls"               TEXT,
    "paused"                 INTEGER NOT NULL CHECK ("paused" IN (0, 1)),
    "number_sent"            INTEGER NOT NULL,
    "number_sent_until"      INTEGER NOT NULL,
    "number_discarded"       INTEGER NOT NULL,
    "last_discard"           INTEGER NOT NULL,
    "last_discard_cause"     TEXT    NOT NULL
) STRICT;

CREATE TABLE "incoming_account" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "enabled"                INTEGER NOT NULL CHECK ("enabled" IN (0, 1)),
    "description"            TEXT    NOT NULL,
    "hostname"               TEXT    NOT NULL,
    "transport"              TEXT    NOT NULL,
    "use_ssl"                INTEGER NOT NULL CHECK ("use_ssl" IN (0, 1)),
    "use_start_tls"          INTEGER NOT NULL CHECK ("use_start_tls" IN (0, 1)),
    "port"                   INTEGER NOT NULL,
    "tls_min_protocol"       TEXT    NOT NULL,
    "verify_name"            TEXT    NOT NULL,
    "trust_stores"           TEXT    NOT NULL,
    "connection_timeout"     INTEGER NOT NULL,
    "email_authenticator"    TEXT    NOT NULL,
    "allow_cleartext_auth"   INTEGER NOT NULL CHECK ("allow_cleartext_auth" IN (0, 1)),
    "mailbox"                TEXT    NOT NULL,
    "push"                   INTEGER NOT NULL CHECK ("push" IN (0, 1)),
    "pollrate"               INTEGER NOT NULL,
    "delivery_policy"        TEXT    NOT NULL,
    "ignore_attachments"     INTEGER NOT NULL CHECK ("ignore_attachments" IN (0, 1)),
    "max_per_poll"           INTEGER NOT NULL,
    "max_message_size"       INTEGER NOT NULL,
    "retention"              INTEGER NOT NULL,
    "debug"                  INTEGER NOT NULL CHECK ("debug" IN (0, 1)),
    "last_poll_success"      INTEGER NOT NULL,
    "last_poll_failure"      INTEGER NOT NULL,
    "last_poll_failure_cause" TEXT    NOT NULL,
    "last_tls"               TEXT,
    "number_received"        INTEGER NOT NULL
) STRICT;

CREATE TABLE "email_service" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "enabled"                INTEGER NOT NULL CHECK ("enabled" IN (0, 1)),
    "default_outgoing_account" TEXT    NOT NULL
) STRICT;

CREATE TABLE "certificate_service" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "system_trust_store"     TEXT    NOT NULL,
    "exemption_days_max"     INTEGER NOT NULL
) STRICT;

CREATE TABLE "web_service" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "allowed_hosts"          TEXT    NOT NULL,
    "https_key"              TEXT    NOT NULL,
    "session_idle"           INTEGER NOT NULL,
    "session_lifetime"       INTEGER NOT NULL
) STRICT;

CREATE TABLE "user_service" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "min_password_length"    INTEGER NOT NULL,
    "failures_before_lockout" INTEGER NOT NULL,
    "lockout"                INTEGER NOT NULL
) STRICT;

CREATE TABLE "allowed_host" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "hostname"               TEXT    NOT NULL,
    "port"                   INTEGER NOT NULL,
    "approval"               TEXT    NOT NULL,
    "reasons"                TEXT    NOT NULL,
    "accepts"                TEXT    NOT NULL,
    "certificate"            TEXT,
    "chain"                  TEXT,
    "previous"               TEXT,
    "approved_sha256"        TEXT    NOT NULL,
    "approved_spki_sha256"   TEXT    NOT NULL,
    "first_seen"             INTEGER NOT NULL,
    "last_seen"              INTEGER NOT NULL,
    "count"                  INTEGER NOT NULL,
    "last_used"              INTEGER NOT NULL,
    "expires_at"             INTEGER NOT NULL,
    "note"                   TEXT    NOT NULL,
    "approved_by"            TEXT    NOT NULL,
    "approved_at"            INTEGER NOT NULL,
    "redundant"              INTEGER NOT NULL CHECK ("redundant" IN (0, 1))
) STRICT;

CREATE TABLE "user_ca" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "certificate"            TEXT,
    "names"                  TEXT    NOT NULL,
    "added_by"               TEXT    NOT NULL,
    "added_at"               INTEGER NOT NULL
) STRICT;

CREATE TABLE "key_pair" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "certificate"            TEXT,
    "chain"                  TEXT    NOT NULL,
    "created_at"             INTEGER NOT NULL
) STRICT;

CREATE TABLE "user_account" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "role"                   TEXT    NOT NULL,
    "description"            TEXT    NOT NULL,
    "password_hash"          TEXT    NOT NULL,
    "must_change_password"   INTEGER NOT NULL CHECK ("must_change_password" IN (0, 1)),
    "created_at"             INTEGER NOT NULL,
    "last_login"             INTEGER NOT NULL,
    "password_changed_at"    INTEGER NOT NULL
) STRICT;

CREATE TABLE "token" (
    name                     TEXT    NOT NULL PRIMARY KEY,
    changed_at               INTEGER NOT NULL,
    changed_by               TEXT    NOT NULL,
    "label"                  TEXT    NOT NULL,
    "role"                   TEXT    NOT NULL,
    "accounts"               TEXT    NOT NULL,
    "expires_at"             INTEGER NOT NULL,
    "hash"                   TEXT    NOT NULL,
    "created_by"             TEXT    NOT NULL,
    "created_at"             INTEGER NOT NULL,
    "last_used"              INTEGER NOT NULL
) STRICT;

-- Sealed values of the components above (server/crypto/: AES-256-GCM under the key beside the database). owner is the table,
-- path the property ("emailAuthenticator.password"); "owner/name/path" is what the seal is bound to, so a sealed value
-- moved to another row can't be opened. A secret by reference has a file's name instead.
CREATE TABLE secret (
    owner  TEXT NOT NULL,
    name   TEXT NOT NULL,
    path   TEXT NOT NULL,
    sealed BLOB,
    file   TEXT,
    PRIMARY KEY (owner, name, path),
    CHECK ((sealed IS NULL) <> (file IS NULL))
) STRICT;
