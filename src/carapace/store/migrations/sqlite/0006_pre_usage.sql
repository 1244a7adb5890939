-- What models were asked for and what it cost: one row for each run and model. Days are UTC
-- dates as text; costs are whole nano-dollars, so that sums stay exact.

CREATE TABLE usage (
  run_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  day TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (run_id, provider, model)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_by_day ON usage (day, agent_id);
