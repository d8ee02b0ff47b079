-- Runs that routes started, the latest first; of the rows before a time, reads the latest up to a limit.
-- $1 before this time timestamptz   $2 state text or null: open or closed   $3 route text or null
-- $4 how many int   $5 most rows to read int
select r.run_id, r.workflow_id, r.namespace, r.latest, r.uid, r.route, r.state, r.noted_at, r.ended_at,
       r.reason, e.envelope ->> 'id' as event_id
from (
    select *
    from (select * from runs where noted_at < $1 order by noted_at desc limit $5) as read
    where ($2::text is null or (state = 'open') = ($2::text = 'open'))
      and ($3::text is null or route = $3)
    order by noted_at desc
    limit $4
) as r
left join events e on e.uid = r.uid
order by r.noted_at desc
