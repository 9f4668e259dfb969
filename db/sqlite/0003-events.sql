-- SPDX-License-Identifier: Apache-2.0
-- What happened, in the order in which it was committed; and who is told over HTTP.

-- AUTOINCREMENT: a number is never used twice, readers go on after it.
CREATE TABLE event (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    type     TEXT NOT NULL,
    account  TEXT,
    resource TEXT,
    data     TEXT
) STRICT;

CREATE TABLE webhook (
    name        TEXT PRIMARY KEY NOT NULL,
    changed_at  INTEGER NOT NULL,
    changed_by  TEXT NOT NULL,
    enabled     INTEGER NOT NULL,
    description TEXT NOT NULL,
    url         TEXT NOT NULL,
    events      TEXT NOT NULL,
    accounts    TEXT NOT NULL
) STRICT;

-- The event up to which a webhook has its deliveries.
CREATE TABLE webhook_cursor (
    webhook TEXT PRIMARY KEY NOT NULL,
    event   INTEGER NOT NULL
) STRICT;

-- With what is sent, for the event may be purged before it is delivered.
CREATE TABLE webhook_delivery (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    webhook      TEXT NOT NULL,
    event        INTEGER NOT NULL,
    type         TEXT NOT NULL,
    body         TEXT NOT NULL,
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    next_attempt INTEGER NOT NULL,
    last_attempt INTEGER NOT NULL,
    finished_at  INTEGER NOT NULL,
    status       INTEGER NOT NULL,
    ms           INTEGER NOT NULL,
    code         TEXT,
    cause        TEXT
) STRICT;
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (webhook, seq) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook, seq);

ALTER TABLE web_service ADD COLUMN webhook_private_targets TEXT NOT NULL DEFAULT '[]';
