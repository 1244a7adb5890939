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

CREATE VIRTUAL TABLE memories_words USING fts5(
  name, text, content = 'memories', content_rowid = 'row_id',
  tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER memories_inserted AFTER INSERT ON memories BEGIN
  INSERT INTO memories_words (rowid, name, text) VALUES (new.row_id, new.name, new.text);
END;

CREATE TRIGGER memories_deleted AFTER DELETE ON memories BEGIN
  INSERT INTO memories_words (memories_words, rowid, name, text)
  VALUES ('delete', old.row_id, old.name, old.text);
END;

CREATE TRIGGER memories_updated AFTER UPDATE ON memories BEGIN
  INSERT INTO memories_words (memories_words, rowid, name, text)
  VALUES ('delete', old.row_id, old.name, old.text);
  INSERT INTO memories_words (rowid, name, text) VALUES (new.row_id, new.name, new.text);
END;
