-- How many dispatches of each route are open or wait, and since when; of each namespace's, the first ones up
-- to a limit. The route is compared by a range, and ordered by, so that only dispatches_of_route has that order.
-- $1 most rows to read of a route and namespace int
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
order by of.route
