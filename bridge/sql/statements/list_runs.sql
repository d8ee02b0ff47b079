-- Runs that routes started, the latest first.
-- $1 before this time timestamptz   $2 state text or null   $3 route text or null
-- $4 workflow id text or null   $5 how many int
select r.run_id, r.workflow_id, r.namespace, r.latest, r.uid, r.route, r.state, r.noted_at, r.ended_at,
       r.reason, e.id as event_id
from (
    select *
    from runs
    where noted_at < $1
      and ($2::text is null or (state = 'open') = ($2::text = 'open'))
      and ($3::text is null or route = $3)
      and ($4::text is null or run_id in (select run_id from dispatches where target = $4 and run_id is not null))
    order by noted_at desc
    limit $5
) as r
left join events e on e.uid = r.uid
order by r.noted_at desc
