-- SPDX-License-Identifier: Apache-2.0
-- What received messages say of themselves, and which sent message they speak of.

ALTER TABLE message ADD COLUMN headers_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN report TEXT;
ALTER TABLE message ADD COLUMN related TEXT;

-- Reports name a message by its Message-ID.
CREATE INDEX message_sent_id ON message (message_id) WHERE direction = 'outgoing' AND message_id <> '';
CREATE INDEX message_related ON message (related, seq) WHERE related IS NOT NULL;

-- Pages of received messages by whether somebody has acknowledged them, and of all by when they came.
CREATE INDEX message_acknowledged ON message (acknowledged, seq) WHERE state = 'received';
CREATE INDEX message_account_acknowledged ON message (account, acknowledged, seq) WHERE state = 'received';
CREATE INDEX message_created ON message (created_at);

-- Words of messages, by their seq; PostgreSQL has tsvector for it. Written in the background: search_mark says how far.
CREATE VIRTUAL TABLE message_search USING fts5 (
    subject, "from", "to", body,
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3', columnsize = 0
);
CREATE TABLE search_mark (
    seq INTEGER NOT NULL
) STRICT;
INSERT INTO search_mark (seq) VALUES (0);
