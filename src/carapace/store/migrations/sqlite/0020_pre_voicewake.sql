-- The words that wake the apps; one row, and none until they were set. `triggers` is a JSON list.
CREATE TABLE voicewake (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  triggers      TEXT NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT;
