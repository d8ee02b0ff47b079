-- The lanes whose first dispatch has failed before or waits for its target, the oldest first. Reads only such
-- dispatches, up to a limit; the dispatches of a lane are counted up to a limit too.
-- $1 most dispatches to read int   $2 most lanes int   $3 most dispatches of a lane to count int
with heads as (
    select distinct on (namespace, key) * from failing_dispatches($1) order by namespace, key, position, id
), stuck as (
    select *
    from heads h
    -- A value, since an EXISTS may be made a join that reads all that is open.
    where not coalesce((
        select true from dispatches e
        where e.key = h.key and e.namespace = h.namespace
          and e.state || '' = 'open' and (e.position, e.id) < (h.position, h.id)
        limit 1
    ), false)
    order by planned_at, id
    limit $2
)
select s.namespace, s.key, l.open + l.waiting as dispatches, s.planned_at as since, d.id, d.uid, d.route,
       d.operation, d.target, d.state, d.attempts, d.next_attempt_at, d.waiting_until, d.error, e.envelope ->> 'id' as event_id
from stuck s
join dispatches d on d.id = s.id
cross join lateral (
    select (
        select count(*) from (
            select from dispatches o
            where o.key = s.key and o.namespace = s.namespace and o.state || '' = 'open'
            limit $3
        ) as counted
    ) as open, (
        select count(*) from (
            select from dispatches w
            where w.target = d.target and w.key = s.key and w.namespace = s.namespace
              and w.state || '' = 'waiting'
            limit $3
        ) as counted
    ) as waiting
) as l
left join events e on e.uid = d.uid
order by s.planned_at, s.id
