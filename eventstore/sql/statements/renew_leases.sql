-- Extend several leases of one owner; returns the names of those that it still holds.
-- $1 names text[]; $2 owner; $3 epochs bigint[]; $4 seconds
UPDATE leases AS l
SET expires_at = clock_timestamp() + make_interval(secs => $4), ttl = make_interval(secs => $4)
FROM unnest($1::text[], $3::bigint[]) AS mine (name, epoch)
WHERE l.name = mine.name AND l.owner = $2 AND l.epoch = mine.epoch
RETURNING l.name
