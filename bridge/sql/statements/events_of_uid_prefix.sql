-- The events whose uids lie in a range: those that begin alike.
-- $1 first uid   $2 last uid   $3 how many int
select uid from events where uid between $1 and $2 order by uid limit $3
