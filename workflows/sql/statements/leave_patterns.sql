-- Remove a run's references to its patterns; return their ids.
-- $1 key
DELETE FROM pattern_learners WHERE key = $1
RETURNING pattern
