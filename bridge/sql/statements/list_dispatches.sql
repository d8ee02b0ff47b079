-- Dispatches, oldest first: the dispatch that blocks a lane comes before those that wait for it.
-- Open dispatches are few and have an index; of the settled ones only the latest are read.
-- $1 states text[]   $2 route text or null   $3 target text or null   $4 how many int
select d.id, d.position, d.route, d.operation, d.namespace, d.target, d.state, d.attempts, d.next_attempt_at,
       d.waiting_until, d.error, d.run_id, d.daemon, d.planned_at, d.settled_at, d.uid,
       e.envelope ->> 'id' as event_id, d.key, d.ahead, d.together, d.slot
from (
    select dispatches.*, dispatch_ahead(dispatches) as ahead, dispatch_together(dispatches) as together,
           dispatch_slot(dispatches) as slot
    from dispatches
    where state = any ($1::text[])
      and ($2::text is null or route = $2)
      and ($3::text is null or target = $3)
    order by position desc, id desc
    limit $4
) as d
left join events as e on e.uid = d.uid
order by d.position, d.id
