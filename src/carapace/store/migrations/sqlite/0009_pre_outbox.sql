-- What is to be sent to chat services, one row a message, and what became of each attempt.
-- A row without `ended_at_ms` is open. Exactly one open row of a conversation is its head, and
-- only a head may be sent; that keeps the order, and one index finds all heads that are due.

CREATE TABLE outbox (
  outbox_id       INTEGER PRIMARY KEY AUTOINCREMENT,
  idempotency_key TEXT NOT NULL UNIQUE,
  channel         TEXT NOT NULL,
  account         TEXT NOT NULL,
  conversation    TEXT NOT NULL,
  outgoing        TEXT NOT NULL,
  provenance      TEXT NOT NULL,
  run_id          TEXT,
  part_of         TEXT,
  state           TEXT NOT NULL
    CHECK (state IN ('waiting', 'sending', 'unknown', 'delivered', 'dead')),
  is_head         INTEGER NOT NULL CHECK (is_head IN (0, 1)),
  may_be_repeat   INTEGER NOT NULL DEFAULT 0 CHECK (may_be_repeat IN (0, 1)),
  is_screened     INTEGER NOT NULL DEFAULT 0 CHECK (is_screened IN (0, 1)),
  is_told         INTEGER NOT NULL DEFAULT 0 CHECK (is_told IN (0, 1)),
  attempts        INTEGER NOT NULL DEFAULT 0,
  failures        INTEGER NOT NULL DEFAULT 0,
  fence           INTEGER NOT NULL DEFAULT 0,
  taken_at_ms     INTEGER,
  lease_until_ms  INTEGER,
  next_at_ms      INTEGER NOT NULL,
  created_at_ms   INTEGER NOT NULL,
  expires_at_ms   INTEGER NOT NULL,
  ended_at_ms     INTEGER,
  message_id      TEXT,
  cause           TEXT,
  reason          TEXT,
  CHECK ((state IN ('delivered', 'dead')) = (ended_at_ms IS NOT NULL)),
  CHECK ((state = 'sending') = (lease_until_ms IS NOT NULL)),
  CHECK ((state = 'dead') = (cause IS NOT NULL)),
  CHECK (state != 'unknown' OR may_be_repeat = 1),
  CHECK (state != 'sending' OR is_head = 1),
  CHECK (is_head = 0 OR ended_at_ms IS NULL)
) STRICT;

CREATE UNIQUE INDEX outbox_heads ON outbox (channel, account, conversation) WHERE is_head = 1;
CREATE INDEX outbox_ready ON outbox (channel, account, next_at_ms, outbox_id)
  WHERE is_head = 1 AND state IN ('waiting', 'unknown');
CREATE INDEX outbox_open
  ON outbox (channel, account, conversation, outbox_id, created_at_ms, ended_at_ms)
  WHERE ended_at_ms IS NULL;
CREATE INDEX outbox_expiry ON outbox (expires_at_ms) WHERE state IN ('waiting', 'unknown');
CREATE INDEX outbox_sending ON outbox (lease_until_ms) WHERE state = 'sending';
CREATE INDEX outbox_unknown ON outbox (outbox_id) WHERE state = 'unknown';
CREATE INDEX outbox_parts ON outbox (part_of, outbox_id) WHERE part_of IS NOT NULL;
CREATE INDEX outbox_ended ON outbox (state, ended_at_ms) WHERE ended_at_ms IS NOT NULL;
CREATE INDEX outbox_untold ON outbox (outbox_id) WHERE state = 'dead' AND is_told = 0;

CREATE TABLE attempts (
  outbox_id     INTEGER NOT NULL REFERENCES outbox (outbox_id) ON DELETE CASCADE,
  attempt       INTEGER NOT NULL CHECK (attempt >= 1),
  started_at_ms INTEGER NOT NULL,
  ended_at_ms   INTEGER NOT NULL,
  outcome       TEXT NOT NULL CHECK (outcome IN ('delivered', 'retry', 'unknown', 'dead')),
  reason        TEXT,
  PRIMARY KEY (outbox_id, attempt)
) STRICT, WITHOUT ROWID;
