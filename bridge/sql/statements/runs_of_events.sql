-- The runs to which some events were dispatched: what Temporal may hold of them.
-- $1 uids
select distinct namespace, target, run_id
from dispatches
where uid = any ($1::uuid[]) and run_id is not null
order by namespace, target, run_id
