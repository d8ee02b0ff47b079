-- Whether a run was undone.
-- $1 key
SELECT EXISTS (SELECT FROM pattern_unlearners WHERE key = $1)
