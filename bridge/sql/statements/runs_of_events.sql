-- The calls for some events that reached a run: what Temporal may hold of the events.
-- $1 uids
select distinct namespace, target as workflow_id, run_id, uid, request_id
from dispatches
where uid = any ($1::uuid[]) and run_id is not null
order by namespace, target, run_id
