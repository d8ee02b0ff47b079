-- The pairs of event and route, of those given, that have dispatches to a namespace, and their runs;
-- a dispatch without a run gives a null.
-- $1 uids uuid[]   $2 routes text[], one for each   $3 namespace text
select d.uid, d.route, array_agg(d.run_id) as runs
from dispatches d
join (select distinct uid, route from unnest($1::uuid[], $2::text[]) as given (uid, route)) as pair
    on d.uid = pair.uid and d.route = pair.route
where d.namespace = $3
group by d.uid, d.route
