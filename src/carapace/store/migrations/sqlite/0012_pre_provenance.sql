-- Whose words a turn and a memory come from. What was there before this column came from the
-- owner's own clients: there was no other door that could write.

ALTER TABLE turns ADD COLUMN provenance TEXT;
ALTER TABLE memories ADD COLUMN authority INTEGER NOT NULL DEFAULT 4;
ALTER TABLE memories ADD COLUMN origin TEXT NOT NULL DEFAULT 'operator';
