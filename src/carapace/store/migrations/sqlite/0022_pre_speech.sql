-- Answers of models whose price nobody knew, so that a sum can say what it leaves out. Rows from
-- before say so of every answer that was counted as free: nobody can tell any more.
ALTER TABLE usage ADD COLUMN unpriced_requests INTEGER NOT NULL DEFAULT 0;
UPDATE usage SET unpriced_requests = requests WHERE cost_nano_usd = 0;

-- What people chose through tts.*; one row.
CREATE TABLE speech_choice (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  auto TEXT,
  provider TEXT,
  updated_at_ms INTEGER NOT NULL
) STRICT;
