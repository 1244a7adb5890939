-- The older list of nodes (`node.pair.*`): it gives names and tokens to check, and no access by
-- itself; what lets a node connect is its device (0003).

-- Nodes that wait for a person. `facts` is JSON: what the node says about itself.
CREATE TABLE node_requests (
  request_id    TEXT PRIMARY KEY,
  node_id       TEXT NOT NULL UNIQUE,
  facts         TEXT NOT NULL,
  is_repair     INTEGER NOT NULL CHECK (is_repair IN (0, 1)),
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX node_requests_by_time ON node_requests (created_at_ms);

-- Nodes that were approved; of the token only its SHA-256.
CREATE TABLE node_pairings (
  node_id        TEXT PRIMARY KEY,
  facts          TEXT NOT NULL,
  token_digest   TEXT NOT NULL,
  created_at_ms  INTEGER NOT NULL,
  approved_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What people call a node, over what it calls itself.
CREATE TABLE node_names (
  node_id      TEXT PRIMARY KEY,
  display_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
