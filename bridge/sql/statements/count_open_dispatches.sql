-- How many dispatches of a namespace are open, in all partitions, and what their calls take in the table.
-- $1 namespace text
select count(*) as dispatches, coalesce(sum(pg_column_size(call)), 0)::bigint as bytes
from dispatches
where state = 'open' and namespace = $1
