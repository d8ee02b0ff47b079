-- Release a lease; the row and its epoch stay.
-- $1 name; $2 owner; $3 epoch
UPDATE leases SET owner = NULL, expires_at = clock_timestamp()
WHERE name = $1 AND owner = $2 AND epoch = $3
