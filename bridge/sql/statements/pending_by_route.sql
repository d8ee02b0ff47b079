-- How many dispatches of each route are open, wait, are queued for a slot or gather in a window, and since when;
-- of each namespace's, the first ones up to a limit. The route is compared by a range, and ordered by, so that
-- only dispatches_of_route has that order.
-- $1 most rows to read of a route and namespace int
with due as (
    select of.route, sum(p.open)::bigint as open, sum(p.waiting)::bigint as waiting, min(p.oldest) as oldest,
           bool_or(p.open + p.waiting = $1) as is_cut
    from unsettled_namespaces() as n (namespace)
    cross join lateral unsettled_routes(n.namespace) as of (route)
    cross join lateral (
        select count(*) filter (where state = 'open') as open,
               count(*) filter (where state = 'waiting') as waiting,
               min(planned_at) as oldest
        from (
            select d.state, d.planned_at
            from dispatches d
            where d.namespace = n.namespace and d.route between of.route and of.route
              and d.state in ('open', 'waiting')
            order by d.route, d.position, d.id
            limit $1
        ) as first
    ) as p
    group by of.route
),
held as (
    select of.route, q.rows as queued, g.rows as gathering, least(q.oldest, g.oldest) as oldest
    from held_routes() as of (route)
    cross join lateral (
        select count(*) as rows, min(planned_at) as oldest
        from (
            select d.planned_at
            from dispatches d
            where d.route between of.route and of.route and d.state in ('queued', 'gathering') and d.state = 'queued'
            order by d.route, d.state, d.position, d.id
            limit $1
        ) as first
    ) as q
    cross join lateral (
        select count(*) as rows, min(planned_at) as oldest
        from (
            select d.planned_at
            from dispatches d
            where d.route between of.route and of.route and d.state in ('queued', 'gathering') and d.state = 'gathering'
            order by d.route, d.state, d.position, d.id
            limit $1
        ) as first
    ) as g
)
select route, coalesce(open, 0) as open, coalesce(waiting, 0) as waiting, coalesce(queued, 0) as queued,
       coalesce(gathering, 0) as gathering, least(due.oldest, held.oldest) as oldest,
       coalesce(due.is_cut, false) or coalesce(held.queued = $1 or held.gathering = $1, false) as is_cut
from due full join held using (route)
order by route
