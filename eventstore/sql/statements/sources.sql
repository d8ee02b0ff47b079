-- The sources of the stored events, the oldest first.
-- $1 how many int
SELECT source FROM event_sources GROUP BY source ORDER BY min(listed_at), source LIMIT $1
