-- The number of open dispatches of some namespaces in all partitions, counted up to a limit.
-- $1 limit int   $2 namespaces text[]
select count(*)
from (
    select from dispatches where state = 'open' and namespace = any ($2::text[]) limit $1
) as counted
