-- The number of open dispatches of a namespace in all partitions, and the bytes of their calls; without
-- those of paused routes, for which intake does not wait.
-- $1 namespace text
select count(*) as dispatches, coalesce(sum(pg_column_size(call)), 0)::bigint as bytes
from dispatches
where state = 'open' and namespace = $1
  and route not in (select name from pauses where kind = 'route')
