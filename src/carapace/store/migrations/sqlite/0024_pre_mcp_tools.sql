-- What MCP servers said about their tools when each was first seen, or when a person last allowed
-- one: only digests. A server that says something else later is found out, also after a restart.

CREATE TABLE mcp_tools (
  server     TEXT NOT NULL,
  tool       TEXT NOT NULL,
  digest     TEXT NOT NULL,
  seen_at_ms INTEGER NOT NULL,
  PRIMARY KEY (server, tool)
) STRICT, WITHOUT ROWID;
