-- Shorten the leases that expire later than one time to live from now: the server's clock went
-- back. Returns their names.
SELECT adjust_leases() AS name
