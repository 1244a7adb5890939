-- What plugins keep here, by the plugin's id: it outlives restarts, upgrades and a plugin that is
-- switched off, and goes when the plugin is removed.

-- How much a plugin keeps, and the last revision it was given: revisions only grow, also across a
-- key that was deleted and made again, so that compare-and-set cannot be fooled.
CREATE TABLE plugin_kv_usage (
  plugin_id     TEXT PRIMARY KEY,
  size_bytes    INTEGER NOT NULL CHECK (size_bytes >= 0),
  last_revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plugin_kv (
  plugin_id     TEXT NOT NULL,
  key           TEXT NOT NULL,
  value         TEXT NOT NULL,
  revision      INTEGER NOT NULL,
  size_bytes    INTEGER NOT NULL,
  -- NULL: until it is deleted.
  expires_at_ms INTEGER,
  PRIMARY KEY (plugin_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX plugin_kv_by_end ON plugin_kv (plugin_id, expires_at_ms)
  WHERE expires_at_ms IS NOT NULL;

-- Alarms that have not been taken yet. `stamp` is new with each setting, so that one that is set
-- again while it rings is not deleted with the old one. `failures`: how often the plugin broke on it.
CREATE TABLE plugin_timers (
  plugin_id TEXT NOT NULL,
  name      TEXT NOT NULL,
  at_ms     INTEGER NOT NULL,
  payload   TEXT NOT NULL,
  stamp     TEXT NOT NULL,
  failures  INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (plugin_id, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX plugin_timers_by_time ON plugin_timers (plugin_id, at_ms);

-- Long requests that are held. `answer` came and was not taken yet: many services forget what they
-- have told, so it is kept until the plugin has it. Both are JSON, without any secret.
CREATE TABLE plugin_polls (
  plugin_id TEXT NOT NULL,
  name      TEXT NOT NULL,
  request   TEXT NOT NULL,
  payload   TEXT NOT NULL,
  answer    TEXT,
  -- The payload that belongs to `answer`, which may be older than the one above.
  answer_payload TEXT,
  failures  INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (plugin_id, name)
) STRICT, WITHOUT ROWID;
