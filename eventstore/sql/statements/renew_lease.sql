-- Extend a lease, also an expired one that no other process has taken.
-- $1 name; $2 owner; $3 epoch; $4 seconds
UPDATE leases
SET expires_at = clock_timestamp() + make_interval(secs => $4), ttl = make_interval(secs => $4)
WHERE name = $1 AND owner = $2 AND epoch = $3
RETURNING epoch
