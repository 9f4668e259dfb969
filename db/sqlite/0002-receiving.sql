-- SPDX-License-Identifier: Apache-2.0
-- What is known of the mailbox that an IncomingAccount reads, so that each message is delivered once.

-- source: server, user and mailbox as configured; another one is another mailbox, and the ones before stay known for when somebody
-- comes back to them. generation: a number of its own for each mailbox, and a new one when its UIDs become others; rows of
-- mailbox_message belong to one. last_uid: IMAP, every message up to it is known.
CREATE TABLE mailbox (
    account      TEXT NOT NULL,
    source       TEXT NOT NULL,
    generation   INTEGER NOT NULL,
    uid_validity INTEGER NOT NULL,
    last_uid     INTEGER NOT NULL,
    PRIMARY KEY (account, source)
) STRICT, WITHOUT ROWID;

-- A message on the server that is known here. todo: what is still to be done about it there; NULL: nothing.
CREATE TABLE mailbox_message (
    account      TEXT NOT NULL,
    generation   INTEGER NOT NULL,
    uid          TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    size         INTEGER NOT NULL,
    message      INTEGER NOT NULL,
    todo         TEXT,
    attempts     INTEGER NOT NULL,
    next_attempt INTEGER NOT NULL,
    missing_since INTEGER NOT NULL,
    PRIMARY KEY (account, generation, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX mailbox_message_todo ON mailbox_message (account, todo, next_attempt) WHERE todo IS NOT NULL;
CREATE INDEX mailbox_message_known ON mailbox_message (account, message_id, size);

-- Among the counts of an account, 'unacknowledged' counts those of its received messages that nobody has acknowledged.
INSERT INTO message_count (account, state, n)
    SELECT account, 'unacknowledged', count(*) FROM message WHERE state = 'received' AND acknowledged = 0 GROUP BY account;
