-- Delete those of these patterns that no run uses any more.
-- $1 ids
DELETE FROM patterns AS p
WHERE p.id = ANY ($1::text[])
  AND NOT EXISTS (SELECT FROM pattern_learners AS l WHERE l.pattern = p.id)
RETURNING p.id
