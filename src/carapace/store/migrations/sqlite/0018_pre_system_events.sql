-- Texts that were left for a session and that no turn has begun with yet. Their words are messages
-- of the transcript; a row here says whose they are, and whether a turn was asked for.

CREATE TABLE system_events (
  event_id TEXT PRIMARY KEY,
  session_key TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  text TEXT NOT NULL,
  provenance TEXT NOT NULL,
  wants_turn INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX system_events_by_session ON system_events (session_key, at_ms);
CREATE INDEX turns_by_session ON turns (session_key, accepted_at_ms);
