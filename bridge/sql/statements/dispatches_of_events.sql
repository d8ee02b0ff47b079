-- The dispatches of some events, with their states, in the order of planning.
-- $1 uids uuid[]
select id, uid, route, route_digest, generation, operation, namespace, key, target, state, run_id,
       attempts, next_attempt_at, waiting_until, error, daemon, planned_at, settled_at, replay,
       dispatch_ahead(d) as ahead, dispatch_together(d) as together,
       dispatch_slot(d) as slot
from dispatches d
where uid = any ($1::uuid[])
order by id
