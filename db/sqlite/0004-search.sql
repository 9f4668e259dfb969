-- SPDX-License-Identifier: Apache-2.0
-- What received messages say of themselves, and which sent message they speak of.

ALTER TABLE message ADD COLUMN headers_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN report TEXT;
ALTER TABLE message ADD COLUMN related TEXT;

-- Reports name a message by its Message-ID.
CREATE INDEX message_sent_id ON message (message_id) WHERE direction = 'outgoing' AND message_id <> '';
CREATE INDEX message_related ON message (related, seq) WHERE related IS NOT NULL;
