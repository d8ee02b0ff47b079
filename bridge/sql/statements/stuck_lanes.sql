-- The lanes whose first dispatch has failed before or waits for its target, the oldest first.
-- $1 most open dispatches to read int   $2 most lanes int
with pending as (
    select id, namespace, key, position, planned_at, attempts > 0 or state = 'waiting' as is_stuck
    from dispatches
    where state in ('open', 'waiting')
    order by namespace, position, id
    limit $1
), lanes as (
    select namespace, key, count(*) as dispatches, min(planned_at) as since,
           (array_agg(id order by position, id))[1] as first,
           (array_agg(is_stuck order by position, id))[1] as is_stuck
    from pending
    group by namespace, key
), stuck as (
    select * from lanes where is_stuck order by since, first limit $2
)
select l.namespace, l.key, l.dispatches, l.since, d.id, d.uid, d.route, d.operation, d.target, d.state,
       d.attempts, d.next_attempt_at, d.waiting_until, d.error, e.id as event_id
from stuck l
join dispatches d on d.id = l.first
left join events e on e.uid = d.uid
order by l.since, l.first
