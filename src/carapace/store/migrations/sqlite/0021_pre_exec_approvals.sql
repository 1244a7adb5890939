-- Which commands agents may run without asking: one document, as clients read and write it. It
-- holds no secret. What a person allowed for good is an entry in it, so that it can be taken back.

CREATE TABLE exec_approvals (
  only          INTEGER PRIMARY KEY CHECK (only = 1),
  file          TEXT NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT;
