-- One row for each message that wanted an answer. A row in state 'accepted' is owed one: at
-- start such rows are marked 'cut', because no turn survives its process.

CREATE TABLE turns (
  run_id TEXT PRIMARY KEY,
  session_key TEXT NOT NULL,
  shown_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  lane TEXT NOT NULL,
  source TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('accepted', 'done', 'error', 'aborted', 'timeout', 'cut')),
  accepted_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  outcome TEXT,
  CHECK ((state = 'accepted') = (ended_at_ms IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX turns_owed ON turns (accepted_at_ms) WHERE state = 'accepted';
CREATE INDEX turns_cut ON turns (ended_at_ms) WHERE state = 'cut';
CREATE INDEX turns_ended ON turns (ended_at_ms) WHERE ended_at_ms IS NOT NULL;
