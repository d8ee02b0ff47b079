-- Release several leases of one owner; the rows and their epochs stay.
-- $1 names text[]; $2 owner; $3 epochs bigint[]
UPDATE leases AS l SET owner = NULL, expires_at = clock_timestamp()
FROM unnest($1::text[], $3::bigint[]) AS mine (name, epoch)
WHERE l.name = mine.name AND l.owner = $2 AND l.epoch = mine.epoch
