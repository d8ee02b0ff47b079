-- Take a lease from its holder, if any, under the next epoch. Waits for a fenced write in progress.
-- $1 name; $2 owner; $3 seconds
WITH alone AS MATERIALIZED (
    SELECT FROM leases WHERE name = $1 FOR UPDATE
)
INSERT INTO leases AS l (name, owner, epoch, acquired_at, expires_at, ttl)
SELECT $1, $2, nextval('lease_epochs'), clock_timestamp(),
    clock_timestamp() + make_interval(secs => $3), make_interval(secs => $3)
-- Lock first, whether or not the row exists.
WHERE (SELECT count(*) FROM alone) >= 0
ON CONFLICT (name) DO UPDATE
    SET owner = excluded.owner, epoch = greatest(excluded.epoch, l.epoch + 1),
        acquired_at = excluded.acquired_at, expires_at = excluded.expires_at, ttl = excluded.ttl
RETURNING l.epoch
