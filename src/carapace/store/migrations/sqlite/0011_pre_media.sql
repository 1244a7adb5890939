-- Files in the media folder, who still needs them, and links that let strangers fetch one for a
-- while. A file is on the disk before it has a row, and loses its row before it leaves the disk.

CREATE TABLE media (
  media_id TEXT PRIMARY KEY,
  content_type TEXT NOT NULL,
  kind TEXT NOT NULL,
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  sha256 TEXT NOT NULL,
  filename TEXT,
  created_at_ms INTEGER NOT NULL,
  -- Since when nobody needs it; NULL while somebody does.
  idle_since_ms INTEGER
) STRICT;

CREATE INDEX media_by_idle ON media (idle_since_ms) WHERE idle_since_ms IS NOT NULL;
CREATE INDEX media_by_age ON media (created_at_ms);

-- Owners are named by their room, as in `inbox:17`.
CREATE TABLE media_references (
  owner TEXT NOT NULL,
  media_id TEXT NOT NULL REFERENCES media (media_id) ON DELETE CASCADE,
  PRIMARY KEY (owner, media_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX media_references_by_media ON media_references (media_id);

-- The token itself is known to whoever was given the link, and to nobody here.
CREATE TABLE media_links (
  token_digest TEXT PRIMARY KEY,
  media_id TEXT NOT NULL REFERENCES media (media_id) ON DELETE CASCADE,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX media_links_by_media ON media_links (media_id);
CREATE INDEX media_links_by_end ON media_links (expires_at_ms);
