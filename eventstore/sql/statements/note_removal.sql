-- The progress of a removal: everything at or below a position is done. A later position stays.
-- $1 removal, $2 position, $3 number of bodies removed since
UPDATE removals SET position = greatest(position, $2), events = events + $3
WHERE id = $1 AND finished_at IS NULL
