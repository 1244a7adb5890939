-- What memories mean, as vectors of length one. Made in the background: a memory without a row
-- here is still to be done. A vector of NULL: this model could not take that text.

CREATE TABLE memories_vectors (
  row_id INTEGER PRIMARY KEY REFERENCES memories (row_id) ON DELETE CASCADE,
  model TEXT NOT NULL,
  dims INTEGER NOT NULL,
  vector BLOB,
  CHECK (vector IS NULL OR length(vector) = 2 * dims)
) STRICT;
