-- Take a lease; NULL when it is held.
-- $1 name; $2 owner; $3 seconds
SELECT acquire_lease($1, $2, make_interval(secs => $3))
