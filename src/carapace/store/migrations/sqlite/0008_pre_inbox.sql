-- What came in from chat services: one row for each message, written before the service is told
-- that we have it. A row without a body is the memory that this message was dealt with.

CREATE TABLE inbox (
  -- Run ids are made of it, so a number is never given twice.
  inbox_id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  conversation TEXT NOT NULL,
  message_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'working', 'done', 'dead')),
  lane TEXT NOT NULL,
  session_key TEXT NOT NULL,
  sender_id TEXT NOT NULL,
  is_joinable INTEGER NOT NULL,
  is_command INTEGER NOT NULL,
  received_at_ms INTEGER NOT NULL,
  due_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  replays INTEGER NOT NULL DEFAULT 0,
  run_id TEXT,
  reason TEXT,
  context_through INTEGER,
  provenance TEXT NOT NULL,
  body TEXT,
  UNIQUE (channel, account, message_id),
  CHECK ((state IN ('done', 'dead')) = (ended_at_ms IS NOT NULL)),
  CHECK (state = 'done' OR body IS NOT NULL)
) STRICT;

CREATE INDEX inbox_lanes ON inbox (lane, inbox_id) WHERE ended_at_ms IS NULL;
CREATE INDEX inbox_runs ON inbox (run_id) WHERE ended_at_ms IS NULL;
CREATE INDEX inbox_dead ON inbox (inbox_id) WHERE state = 'dead';
CREATE INDEX inbox_ended ON inbox (ended_at_ms) WHERE ended_at_ms IS NOT NULL;

-- What was said in a group without meaning the assistant: context for the next message that does.
CREATE TABLE inbox_pending (
  -- Only ever grows, so that "up to this one" keeps its meaning.
  pending_id INTEGER PRIMARY KEY AUTOINCREMENT,
  lane TEXT NOT NULL,
  said_at_ms INTEGER NOT NULL,
  authority INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE INDEX inbox_pending_lanes ON inbox_pending (lane, pending_id);
