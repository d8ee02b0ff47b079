-- The figures of the tables that the daemon shows: open, waiting, queued, gathering, windows' delay, slots, dead and not yet relayed.
-- "Not relayed" is counted up to a limit, because a relay may have been down for long.
-- $1 name of the relay's checkpoint   $2 most events to count
select d.open, d.waiting, d.oldest, h.queued, h.queues, h.gathering, t.slots, w.windows, w.overdue, n.unsettled, l.letters,
       r.behind, r.oldest_result
from (
    select count(*) filter (where state = 'open') as open,
           count(*) filter (where state = 'waiting') as waiting,
           coalesce(extract(epoch from clock_timestamp() - min(coalesce(ready_at, planned_at))
                filter (where state = 'open')), 0)::float8 as oldest
    from dispatches
    where state in ('open', 'waiting')
) as d
cross join (
    select coalesce(sum(queued), 0)::bigint as queued, coalesce(sum(gathering), 0)::bigint as gathering,
           coalesce(jsonb_object_agg(route, queued) filter (where queued > 0), '{}')::text as queues
    from (
        select route, count(*) filter (where state = 'queued') as queued,
               count(*) filter (where state = 'gathering') as gathering
        from dispatches
        where state in ('queued', 'gathering')
        group by route
    ) as by_route
) as h
cross join (
    select coalesce(jsonb_object_agg(route, slots), '{}')::text as slots
    from (select route, count(*) as slots from slots group by route) as by_route
) as t
cross join (
    select count(*) as windows, coalesce(extract(epoch from clock_timestamp() - min(closes_at)), 0)::float8 as overdue
    from windows
) as w
cross join (
    select coalesce(jsonb_object_agg(namespace, dispatches), '{}')::text as unsettled
    from (
        select namespace, count(*) as dispatches
        from (
            select namespace from dispatches where state in ('open', 'waiting')
            union all
            select namespace from dispatches where state in ('queued', 'gathering')
        ) as unsettled
        group by namespace
    ) as by_namespace
) as n
cross join (
    select coalesce(jsonb_object_agg(stage, letters), '{}')::text as letters
    from (select stage, count(*) as letters from dead_letters where state = 'open' group by stage) as s
) as l
cross join (
    select count(*) as behind,
           coalesce(extract(epoch from clock_timestamp() - min(recorded_at)), 0)::float8
               as oldest_result
    from (
        select recorded_at from events
        where emitted
          and position > coalesce((select position from checkpoints where name = $1), 0)
        order by position
        limit $2
    ) as e
) as r
