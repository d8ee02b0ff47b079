-- Notes runs that dispatches started, to be watched until they end. One that is known stays as
-- it is. The first look by itself comes after some seconds: most short runs are listed by then.
-- $1 run ids text[]   $2 workflow ids text[]   $3 uids uuid[]   $4 routes text[]
-- $5 whether the result is left out boolean[]
insert into runs (run_id, workflow_id, latest, uid, route, bare, next_look_at)
select run_id, workflow_id, run_id, uid, route, bare, clock_timestamp() + interval '5 s'
from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::boolean[])
         as noted (run_id, workflow_id, uid, route, bare)
on conflict (run_id) do nothing
