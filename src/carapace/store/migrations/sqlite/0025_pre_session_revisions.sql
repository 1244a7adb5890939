-- Lists of sessions are kept encoded as long as they are true. `revision` says which state of a
-- session a row was made from: no two states have the same number, not even of two sessions.
-- A message renews it too, for lists tell the last words. Archiving messages does not: who does
-- that also updates the session.

CREATE TABLE session_revision (last INTEGER NOT NULL) STRICT;

ALTER TABLE sessions ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET revision = rowid;
INSERT INTO session_revision (last) SELECT coalesce(max(revision), 0) FROM sessions;

CREATE TRIGGER sessions_added AFTER INSERT ON sessions BEGIN
  UPDATE session_revision SET last = last + 1;
  UPDATE sessions SET revision = (SELECT last FROM session_revision) WHERE rowid = NEW.rowid;
END;

CREATE TRIGGER sessions_changed AFTER UPDATE ON sessions WHEN NEW.revision = OLD.revision BEGIN
  UPDATE session_revision SET last = last + 1;
  UPDATE sessions SET revision = (SELECT last FROM session_revision) WHERE rowid = NEW.rowid;
END;

CREATE TRIGGER sessions_removed AFTER DELETE ON sessions BEGIN
  UPDATE session_revision SET last = last + 1;
END;

CREATE TRIGGER messages_added AFTER INSERT ON messages BEGIN
  UPDATE session_revision SET last = last + 1;
  UPDATE sessions SET revision = (SELECT last FROM session_revision)
  WHERE session_id = NEW.session_id;
END;
