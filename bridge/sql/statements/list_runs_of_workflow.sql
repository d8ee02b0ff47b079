-- The runs of a workflow id that routes started, the latest first.
-- $1 workflow id text   $2 before this time timestamptz   $3 state text or null: open or closed
-- $4 route text or null   $5 how many int
select r.run_id, r.workflow_id, r.namespace, r.latest, r.uid, r.route, r.state, r.noted_at, r.ended_at,
       r.reason, e.envelope ->> 'id' as event_id
from (
    select *
    from runs
    where run_id in (select run_id from dispatches where target = $1 and run_id is not null)
      and noted_at < $2
      and ($3::text is null or (state = 'open') = ($3::text = 'open'))
      and ($4::text is null or route = $4)
    -- An expression, so that the runs are found by their ids, and not in the order of time.
    order by noted_at + interval '0' desc
    limit $5
) as r
left join events e on e.uid = r.uid
order by r.noted_at desc
