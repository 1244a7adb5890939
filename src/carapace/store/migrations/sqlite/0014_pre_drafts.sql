-- Answers that are shown while they are written: which message at the service holds the draft of
-- which run, so that the finished answer changes that message, also after a restart. A row without
-- a message id: the draft was sent and nobody knows whether it arrived.

CREATE TABLE drafts (
  run_id        TEXT PRIMARY KEY,
  channel       TEXT NOT NULL,
  account       TEXT NOT NULL,
  conversation  TEXT NOT NULL,
  thread_id     TEXT,
  message_id    TEXT,
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX drafts_age ON drafts (created_at_ms);
