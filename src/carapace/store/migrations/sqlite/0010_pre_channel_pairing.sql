-- People on chat services: those let in by a code, and those who were told one and wait. Ids are
-- the service's own, compared byte for byte; the same id at another account is somebody else.

CREATE TABLE channel_allowed (
  channel        TEXT NOT NULL,
  account        TEXT NOT NULL,
  sender_id      TEXT NOT NULL CHECK (sender_id <> ''),
  display_name   TEXT,
  approved_by    TEXT NOT NULL,
  approved_at_ms INTEGER NOT NULL,
  PRIMARY KEY (channel, account, sender_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE channel_pairings (
  channel       TEXT NOT NULL,
  account       TEXT NOT NULL,
  sender_id     TEXT NOT NULL CHECK (sender_id <> ''),
  display_name  TEXT,
  conversation  TEXT NOT NULL,
  thread_id     TEXT,
  code          TEXT NOT NULL UNIQUE,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  PRIMARY KEY (channel, account, sender_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX channel_pairings_by_expiry ON channel_pairings (expires_at_ms);
