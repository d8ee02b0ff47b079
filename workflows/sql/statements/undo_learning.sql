-- Record that a run was undone.
-- $1 key
INSERT INTO pattern_unlearners (key) VALUES ($1)
ON CONFLICT (key) DO NOTHING
