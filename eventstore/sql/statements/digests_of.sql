-- The digests of events, as they were appended.
-- $1 positions
SELECT position, digest FROM events WHERE position = ANY ($1::bigint[])
