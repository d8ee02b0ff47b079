-- How many dispatches were settled in each minute, by route and state; the newest rows up to a limit.
-- $1 since timestamptz   $2 most rows to read int
select date_trunc('minute', settled_at) as minute, route, state, count(*) as dispatches
from (
    select settled_at, route, state
    from dispatches
    where settled_at >= $1
    order by settled_at desc
    limit $2
) as settled
group by minute, route, state
order by minute
