-- Conversations. A transcript is what was said between two resets; a session is a key with
-- its settings and its current transcript. Messages are never changed: compaction archives
-- them, a reset or a delete ends their transcript.

CREATE TABLE transcripts (
  session_id TEXT PRIMARY KEY,
  key TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  ended_by TEXT CHECK (ended_by IN ('reset', 'delete'))
) STRICT, WITHOUT ROWID;

CREATE INDEX transcripts_by_key ON transcripts (key, started_at_ms);

CREATE TABLE sessions (
  key TEXT PRIMARY KEY,
  session_id TEXT NOT NULL UNIQUE REFERENCES transcripts (session_id),
  agent_id TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  label TEXT,
  display_name TEXT,
  subject TEXT,
  chat_type TEXT,
  spawned_by TEXT,
  origin TEXT,
  delivery TEXT,
  last_channel TEXT,
  last_to TEXT,
  last_account_id TEXT,
  search_text TEXT NOT NULL,
  thinking_level TEXT,
  verbose_level TEXT,
  reasoning_level TEXT,
  elevated_level TEXT,
  response_usage TEXT,
  exec_host TEXT,
  exec_security TEXT,
  exec_ask TEXT,
  exec_node TEXT,
  send_policy TEXT,
  group_activation TEXT,
  provider_override TEXT,
  model_override TEXT,
  model_provider TEXT,
  model TEXT,
  context_tokens INTEGER,
  system_sent INTEGER,
  aborted_last_run INTEGER NOT NULL DEFAULT 0,
  compaction_count INTEGER NOT NULL DEFAULT 0,
  input_tokens INTEGER,
  output_tokens INTEGER,
  total_tokens INTEGER,
  used_input INTEGER NOT NULL DEFAULT 0,
  used_output INTEGER NOT NULL DEFAULT 0,
  used_cache_read INTEGER NOT NULL DEFAULT 0,
  used_cache_write INTEGER NOT NULL DEFAULT 0,
  used_cost_nano_usd INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX sessions_by_time ON sessions (updated_at_ms DESC, key);
CREATE INDEX sessions_by_agent ON sessions (agent_id, updated_at_ms DESC, key);
CREATE INDEX sessions_by_parent ON sessions (spawned_by, updated_at_ms DESC)
  WHERE spawned_by IS NOT NULL;
CREATE UNIQUE INDEX sessions_by_label ON sessions (label) WHERE label IS NOT NULL;

-- `body` is last: it may span many pages, and nothing behind it could be read cheaply.
CREATE TABLE messages (
  row_id INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES transcripts (session_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  role TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  archived_at_ms INTEGER,
  size_bytes INTEGER NOT NULL,
  excerpt TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (session_id, message_id)
) STRICT;

CREATE INDEX messages_by_session ON messages (session_id, seq);
CREATE UNIQUE INDEX messages_live ON messages (session_id, seq) WHERE archived_at_ms IS NULL;
