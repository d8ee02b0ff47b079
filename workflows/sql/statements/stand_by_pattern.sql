-- Record that a run uses a pattern.
-- $1 id; $2 key
INSERT INTO pattern_learners (pattern, key) VALUES ($1, $2)
ON CONFLICT (key, pattern) DO NOTHING
