-- How many dispatches are open, in all partitions, and what their calls take in the table.
select count(*) as dispatches, coalesce(sum(pg_column_size(call)), 0)::bigint as bytes
from dispatches
where state = 'open'
