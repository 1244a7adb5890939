-- One row for each sub-agent that an agent started, written before the start is acknowledged.
-- While `announced_at_ms` is NULL, the conversation that asked for it is owed word of its end.

CREATE TABLE subagents (
  run_id TEXT PRIMARY KEY,
  parent_key TEXT NOT NULL,
  parent_run_id TEXT NOT NULL,
  shown_key TEXT NOT NULL,
  child_key TEXT NOT NULL,
  parent_agent_id TEXT NOT NULL,
  label TEXT,
  task TEXT NOT NULL,
  cleanup TEXT NOT NULL CHECK (cleanup IN ('keep', 'delete')),
  target TEXT,
  provenance TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  announced_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX subagents_owed ON subagents (created_at_ms) WHERE announced_at_ms IS NULL;
