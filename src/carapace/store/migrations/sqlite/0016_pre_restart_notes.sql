-- What has to be said in a session once the gateway is up again: kept before the configuration is
-- written, deleted when it was said. A note is due if its change was written: `is_written` says so,
-- or, if the gateway died before it could, the hash of the file (of its text with secrets hidden).
CREATE TABLE restart_notes (
  note_id     TEXT PRIMARY KEY,
  kept_at_ms  INTEGER NOT NULL,
  session_key TEXT NOT NULL,
  text        TEXT NOT NULL,
  config_hash TEXT NOT NULL,
  is_written  INTEGER NOT NULL DEFAULT 0 CHECK (is_written IN (0, 1))
) STRICT, WITHOUT ROWID;
