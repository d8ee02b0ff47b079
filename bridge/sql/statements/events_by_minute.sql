-- How many events were recorded in each minute; the newest rows up to a limit.
-- $1 since timestamptz   $2 most rows to read int
select date_trunc('minute', recorded_at) as minute, count(*) as events
from (
    select recorded_at
    from events
    where recorded_at >= $1 and position > (select after from positions_between($1, null))
    order by position desc
    limit $2
) as recorded
group by minute
order by minute
