-- Let a run stand by nothing any more; return what it stood by.
-- $1 key
DELETE FROM pattern_learners WHERE key = $1
RETURNING pattern
