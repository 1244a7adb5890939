-- Requests that were verified and handled, so that the same one is not handled again. `digest` is
-- made of what was verified and of whose it was. `status` is NULL while it is being handled.

CREATE TABLE webhook_replay (
  digest BLOB PRIMARY KEY,
  owner TEXT NOT NULL,
  account TEXT NOT NULL,
  seen_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  status INTEGER,
  CHECK (length(digest) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_replay_expiry ON webhook_replay (expires_at_ms);
CREATE INDEX webhook_replay_account ON webhook_replay (owner, account, seen_at_ms);

-- Runs that hooks began and that are owed an end: a restart begins them again. `submission` is what
-- was asked, as JSON.

CREATE TABLE hook_runs (
  run_id TEXT PRIMARY KEY,
  submission TEXT NOT NULL,
  starts INTEGER NOT NULL,
  kept_at_ms INTEGER NOT NULL
) STRICT;
