-- What agents remember across sessions, searchable by words.

CREATE TABLE memories (
  row_id INTEGER PRIMARY KEY,
  agent_id TEXT NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  run_id TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  UNIQUE (agent_id, name)
) STRICT;

CREATE INDEX memories_by_time ON memories (agent_id, updated_at_ms DESC);

-- Kept in step by the functions that write: a trigger may not touch a virtual table while the
-- schema is not trusted, and it is not.
CREATE VIRTUAL TABLE memories_words USING fts5(
  name, text, tokenize = 'unicode61 remove_diacritics 2'
);
