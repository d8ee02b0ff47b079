-- The watched runs of a namespace to check now: those that Temporal lists as closed, then those
-- whose last check was long enough ago.
-- $1 run ids listed as closed text[]   $2 how many of these int   $3 how many of the others int
-- $4 namespace text
select run_id, workflow_id, latest, uid, route, bare
from (
    (
        select *, 0 as rank from runs
        where state = 'open' and namespace = $4 and latest = any ($1::text[])
        limit $2
    )
    union all
    (
        select *, 1 as rank from runs
        where state = 'open' and namespace = $4 and next_look_at <= clock_timestamp() and latest <> all ($1::text[])
        order by next_look_at
        limit $3
    )
) as due
order by rank, next_look_at
