-- The seconds from plan to outcome of each route's dispatches, and the last outcome; of the newest rows up to a limit.
-- Those that went into the call of another one have no outcome of their own.
-- $1 since timestamptz   $2 most rows to read int
select route,
       percentile_cont(0.5) within group (order by extract(epoch from settled_at - planned_at))::float8 as median,
       percentile_cont(0.95) within group (order by extract(epoch from settled_at - planned_at))::float8 as p95,
       max(settled_at) as last
from (
    select settled_at, planned_at, route
    from dispatches
    where settled_at >= $1 and state <> 'merged'
    order by settled_at desc
    limit $2
) as settled
group by route
order by route
