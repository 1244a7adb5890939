-- Jobs that start by the clock, and the ledger of their slots. A slot is claimed by inserting its
-- row, in the transaction that moves `next_at_ms` on; 'owed' rows are runs that have not ended.
-- `needs_turn`: the job runs a turn of its own, of which only so many go at once.

CREATE TABLE cron_jobs (
  job_id TEXT PRIMARY KEY,
  spec TEXT NOT NULL,
  provenance TEXT NOT NULL,
  needs_turn INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  revision INTEGER NOT NULL DEFAULT 0,
  next_at_ms INTEGER,
  running_at_ms INTEGER,
  last_run_at_ms INTEGER,
  last_status TEXT CHECK (last_status IN ('ok', 'error', 'skipped')),
  last_error TEXT,
  last_duration_ms INTEGER,
  consecutive_errors INTEGER NOT NULL DEFAULT 0,
  backoff_until_ms INTEGER
) STRICT;

CREATE INDEX cron_jobs_due ON cron_jobs (needs_turn, next_at_ms)
  WHERE next_at_ms IS NOT NULL AND running_at_ms IS NULL;

-- `is_forced`: a run that a person asked for is no slot of the schedule and never takes one's place.
CREATE TABLE cron_runs (
  job_id TEXT NOT NULL REFERENCES cron_jobs (job_id) ON DELETE CASCADE,
  slot_ms INTEGER NOT NULL,
  is_forced INTEGER NOT NULL DEFAULT 0,
  run_id TEXT NOT NULL,
  starts INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('owed', 'ended')),
  started_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  status TEXT CHECK (status IN ('ok', 'error', 'skipped')),
  error TEXT,
  summary TEXT,
  next_at_ms INTEGER,
  PRIMARY KEY (job_id, slot_ms, is_forced),
  CHECK ((state = 'owed') = (ended_at_ms IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX cron_runs_owed ON cron_runs (started_at_ms) WHERE state = 'owed';
