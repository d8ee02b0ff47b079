-- How many dispatches of each route are open or wait, and since when; the first of each namespace up to a limit.
-- $1 most rows to read int
select route,
       count(*) filter (where state = 'open') as open,
       count(*) filter (where state = 'waiting') as waiting,
       min(planned_at) as oldest
from (
    select route, state, planned_at
    from dispatches
    where state in ('open', 'waiting')
    order by namespace, position, id
    limit $1
) as pending
group by route
order by route
