-- The held leases whose names have a prefix.
-- $1 prefix
SELECT name, owner FROM leases
WHERE starts_with(name, $1) AND owner IS NOT NULL AND expires_at > clock_timestamp()
