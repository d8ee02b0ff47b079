-- The dispatches of an event, with their states, in the order of planning.
-- $1 uid uuid
select route, operation, namespace, target, state, run_id, error, attempts, planned_at, settled_at
from dispatches
where uid = $1
order by id
