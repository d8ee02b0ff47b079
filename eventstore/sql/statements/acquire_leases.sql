-- Take those of several leases that are free. Returns them with the seconds for which each was free,
-- NULL when it was never held.
-- $1 names text[]; $2 owner; $3 seconds
SELECT taken.name, taken.epoch, taken.free_for
FROM (
    SELECT wanted.name, acquire_lease(wanted.name, $2, make_interval(secs => $3)) AS epoch,
           -- Of this statement's snapshot, so from before the lease was taken.
           extract(epoch FROM clock_timestamp() - l.expires_at)::float8 AS free_for
    FROM unnest($1::text[]) AS wanted (name)
    LEFT JOIN leases AS l ON l.name = wanted.name
    OFFSET 0
) AS taken
WHERE taken.epoch IS NOT NULL
