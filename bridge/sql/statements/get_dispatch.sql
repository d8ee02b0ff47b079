-- One dispatch, as list_dispatches returns it.
-- $1 id bigint
select d.id, d.position, d.route, d.operation, d.namespace, d.target, d.state, d.attempts, d.next_attempt_at,
       d.waiting_until, d.error, d.run_id, d.daemon, d.planned_at, d.settled_at, d.uid,
       e.envelope ->> 'id' as event_id, d.key, dispatch_ahead(d) as ahead, dispatch_together(d) as together,
       dispatch_slot(d) as slot
from dispatches as d
left join events as e on e.uid = d.uid
where d.id = $1
