-- Note that a run stands by a pattern.
-- $1 id; $2 key
INSERT INTO pattern_learners (pattern, key) VALUES ($1, $2)
ON CONFLICT (key, pattern) DO NOTHING
