-- The pairs of event and route, of those given, that have a dispatch to a namespace.
-- $1 uids uuid[]   $2 routes text[], one for each   $3 namespace text
select distinct pair.uid, pair.route
from unnest($1::uuid[], $2::text[]) as pair (uid, route)
where exists (
    select from dispatches d
    where d.uid = pair.uid and d.route = pair.route and d.namespace = $3
)
