-- Devices, what each may do in each role, and requests that wait for a person.
-- No secret is kept: a device's token is derived from a key in the vault, the digest is here.

CREATE TABLE devices (
  device_id      TEXT PRIMARY KEY,
  public_key     TEXT NOT NULL,
  display_name   TEXT,
  platform       TEXT NOT NULL,
  client_id      TEXT NOT NULL,
  client_mode    TEXT NOT NULL,
  remote_ip      TEXT,
  created_at_ms  INTEGER NOT NULL,
  approved_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device_grants (
  device_id       TEXT NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  role            TEXT NOT NULL CHECK (role IN ('operator', 'node')),
  scopes          TEXT NOT NULL,
  commands        TEXT NOT NULL,
  token_scopes    TEXT NOT NULL,
  generation      INTEGER NOT NULL CHECK (generation >= 1),
  token_digest    TEXT NOT NULL,
  issued_at_ms    INTEGER NOT NULL,
  rotated_at_ms   INTEGER,
  revoked_at_ms   INTEGER,
  last_used_at_ms INTEGER,
  PRIMARY KEY (device_id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_requests (
  request_id    TEXT PRIMARY KEY,
  device_id     TEXT NOT NULL,
  public_key    TEXT NOT NULL,
  role          TEXT NOT NULL CHECK (role IN ('operator', 'node')),
  scopes        TEXT NOT NULL,
  commands      TEXT NOT NULL,
  display_name  TEXT,
  platform      TEXT NOT NULL,
  client_id     TEXT NOT NULL,
  client_mode   TEXT NOT NULL,
  remote_ip     TEXT,
  is_repair     INTEGER NOT NULL CHECK (is_repair IN (0, 1)),
  created_at_ms INTEGER NOT NULL,
  UNIQUE (device_id, role)
) STRICT, WITHOUT ROWID;

CREATE INDEX device_requests_by_age ON device_requests (created_at_ms);
