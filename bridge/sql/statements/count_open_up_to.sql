-- How many dispatches of some namespaces are open, in all partitions; counted no further than needs be.
-- $1 the most that are counted int   $2 namespaces text[]
select count(*)
from (
    select from dispatches where state = 'open' and namespace = any ($2::text[]) limit $1
) as counted
