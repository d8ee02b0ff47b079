-- Runs that routes started and that are open, the latest first; reads only open ones, by namespace.
-- $1 before this time timestamptz   $2 route text or null   $3 how many int
with recursive namespaces (namespace) as (
    (select namespace from runs where state = 'open' order by namespace limit 1)
    union all
    select (
        select r.namespace from runs r
        where r.state = 'open' and r.namespace > n.namespace
        order by r.namespace limit 1
    )
    from namespaces n
    where n.namespace is not null
)
select r.run_id, r.workflow_id, r.namespace, r.latest, r.uid, r.route, r.state, r.noted_at, r.ended_at,
       r.reason, e.envelope ->> 'id' as event_id
from (
    select o.*
    from namespaces n
    cross join lateral (
        select * from runs
        where state = 'open' and namespace = n.namespace and noted_at < $1
          and ($2::text is null or route = $2)
        order by noted_at desc
        limit $3
    ) as o
    where n.namespace is not null
    order by o.noted_at desc
    limit $3
) as r
left join events e on e.uid = r.uid
order by r.noted_at desc
